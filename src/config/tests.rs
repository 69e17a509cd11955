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
    assert_eq!((config.node.rules.limits.bytes, config.node.rules.limits.graphemes), (200, 10));
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
    assert_eq!(config.node.rules.limits.emoji_prefixes, ["https://a/", "https://b/"]);
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

#[test]
fn dev_lets_nobody_else_in_unless_told_twice() {
    let dev = |listen: &str, dev_anywhere: bool| {
        let flags = Flags { dev: true, dev_anywhere, listen: Some(listen.to_owned()), ..Flags::default() };
        Config::load(&flags, &Environment::default())
    };
    assert!(dev("127.0.0.1:80", false).is_ok() && dev("[::1]:80", false).is_ok());
    assert!(dev("0.0.0.0:80", false).unwrap_err().0.contains("--dev-anywhere"));
    assert!(dev("192.0.2.1:80", false).is_err());
    let config = dev("0.0.0.0:80", true).unwrap();
    assert_eq!((config.gate.per_address, config.gate.joins, config.node.rules.sends), (None, None, None));
    assert_eq!(config.admin_listen, None, "all on one port");
}

#[test]
fn a_site_says_with_what_it_signs() {
    let auth = |text: &str| load(&format!("[auth]\n{text}"), &[], Flags::default()).map(|config| config.auth);
    let names = |text: &str| auth(text).unwrap().algorithms.iter().map(|alg| alg.name()).collect::<Vec<_>>();
    assert_eq!(names(""), ["HS256"]);
    assert_eq!(names("jwks_url = 'https://site/keys'"), ["EdDSA", "ES256", "RS256"]);
    assert_eq!(names("jwks_url = 'https://site/keys'\nalgorithms = ['HS256', 'ES256']"), ["HS256", "ES256"]);
    for bad in [
        "algorithms = ['none']",
        "algorithms = ['EdDSA']",
        "jwks_url = 'https://site/keys'\nalgorithms = ['HS256']",
        "jwks_url = 'file:///etc/passwd'",
        "jwks_url = '/keys'",
        "issuer = 'madang-gateway'",
        "issuer = 'madang-dev'",
    ] {
        assert!(auth(bad).is_err(), "{bad}");
    }
    let printed = load("[auth]\njwks_url = 'https://user:pass@site/keys?token=x'", &[], Flags::default()).unwrap();
    assert!(printed.masked().contains("https://site/keys\"") && !format!("{printed:?}").contains("pass"));
}

#[test]
fn the_edge_is_checked_before_a_port_is_bound() {
    for bad in [
        "allowed_origins = ['*']",
        "trusted_proxies = ['10.0.0.0/99']",
        "path_prefix = 'chat'",
        "path_prefix = '/a//b'",
        "admin_listen = 'nowhere'",
        "[limits]\nconnections = 1",
        "[limits]\nsends_per_second = 0",
        "[site]\nname = ''",
    ] {
        assert!(load(bad, &[], Flags::default()).is_err(), "{bad}");
    }
    let text = "path_prefix = '/live/'\ntrusted_proxies = ['10.0.0.0/8', '::1']\nallowed_origins = ['https://a']\n";
    let config = load(text, &[], Flags::default()).unwrap();
    assert_eq!(config.path_prefix, "/live");
    assert_eq!(config.gate.trusted_proxies.len(), 2);
}

#[test]
fn what_changes_while_it_runs_is_told_from_what_needs_a_restart() {
    let before = load("[limits]\nsends_burst = 10\n", &[], Flags::default()).unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    let text = format!(
        "listen = '127.0.0.1:1'\nallowed_origins = ['null']\n[auth]\nsecret = '{secret}'\n[limits]\nsends_burst = 20\nconnections = 500\n"
    );
    let after = load(&text, &[], Flags { data: Some(before.data.clone()), ..Flags::default() }).unwrap();
    let told: Vec<_> = changes(&before, &after).into_iter().map(|change| (change.key, change.at_once)).collect();
    let expected = [
        ("allowed_origins", true),
        ("limits.connections", true),
        ("limits.sends_burst", true),
        ("listen", false),
        ("auth.secret", false),
    ];
    assert_eq!(told, expected.map(|(key, at_once)| (key.to_owned(), at_once)));
    assert_eq!(changes(&after, &after), []);
}
