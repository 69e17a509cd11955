use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(text: &str, variables: &[(&str, &str)], flags: Flags) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("madang.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&Flags { file: Some(file), ..flags }, &environment(variables))
}

fn mistake_in(text: &str) -> String {
    let ConfigError(told) = load(text, &[], Flags::default()).unwrap_err();
    told.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let text = "listen = '127.0.0.1:1'\n[chat]\ntext_bytes = 100\ntext_characters = 10\n";
    let variables = [("MADANG_LISTEN", "127.0.0.1:2"), ("MADANG_CHAT__TEXT_BYTES", "200"), ("OTHER", "x")];
    let config = load(text, &variables, Flags::default()).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!((config.node.limits.bytes, config.node.limits.graphemes), (200, 10));
    let flags = Flags { listen: Some("127.0.0.1:3".to_owned()), dev: true, ..Flags::default() };
    let config = load(text, &variables, flags).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert!(config.node.open_unknown && config.node.guests);
}

#[test]
fn a_mistake_is_told_with_its_key_and_line() {
    assert_eq!(
        mistake_in("[chat]\n\ntext_byte = 1\n").split(", expected").next().unwrap(),
        "madang.toml:3: chat.text_byte: unknown field `text_byte`"
    );
    let told = mistake_in("listen = '127.0.0.1:1'\n[chat]\ntext_bytes = 'many'\n");
    assert!(told.starts_with("madang.toml:3: chat.text_bytes: invalid type"), "{told}");
    assert!(mistake_in("listen = \n").starts_with("madang.toml:1: "));
    assert_eq!(mistake_in("[chat]\nidle_timeout_seconds = 30").split(':').next().unwrap(), "chat.idle_timeout_seconds");
    assert!(mistake_in("listen = 'nowhere'").contains("ADDRESS:PORT"));
    assert!(mistake_in("[chat]\ntext_bytes = 0").contains("1 to 8000"));
}

#[test]
fn a_mistake_in_a_variable_is_told_by_its_name() {
    let told = |name: &str, value: &str| Config::load(&Flags::default(), &environment(&[(name, value)])).unwrap_err().0;
    assert!(told("MADANG_LISTN", "x").starts_with("MADANG_LISTN: unknown field"));
    assert!(told("MADANG_CHAT__TEXT_BYTES", "many").starts_with("MADANG_CHAT__TEXT_BYTES: invalid type"));
}

#[test]
fn a_variable_may_look_like_a_number_and_be_text() {
    let key = "12345678901234567890123456789012";
    let config = Config::load(&Flags::default(), &environment(&[("MADANG_SITE__API_KEY", key)])).unwrap();
    assert_eq!(config.api_key, Secret::new(key));
    let prefixes = [("MADANG_CHAT__EMOJI_URL_PREFIXES", "['https://a/', 'https://b/']")];
    let config = Config::load(&Flags::default(), &environment(&prefixes)).unwrap();
    assert_eq!(config.node.limits.emoji_prefixes, ["https://a/", "https://b/"]);
}

#[test]
fn what_is_printed_holds_no_secret_and_reads_back() {
    let secret = "0123456789abcdef0123456789abcdef";
    let text = format!("[auth]\nsecret = '{secret}'\n[site]\napi_key = '{secret}'\n");
    let config = load(&text, &[], Flags::default()).unwrap();
    let printed = config.masked();
    assert!(!printed.contains(secret) && !format!("{config:?}").contains(secret));
    assert!(toml::from_str::<File>(&printed).is_ok(), "{printed}");
}

#[test]
fn the_example_file_is_what_the_defaults_are() {
    let example = include_str!("../../config.example.toml");
    let uncommented: String =
        example.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).map(|line| format!("{line}\n")).collect();
    let config = load(&uncommented, &[], Flags::default()).unwrap();
    let usual = Config::load(&Flags::default(), &Environment::default()).unwrap();
    let strip = |text: String| text.lines().filter(|line| !line.contains("***")).collect::<Vec<_>>().join("\n");
    assert_eq!(strip(config.masked()), strip(usual.masked()));
}
