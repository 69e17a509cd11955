//! The command line as people and scripts meet it.

use std::io::Write;
use std::process::Stdio;

use tempfile::tempdir;

use crate::support::process::{Gateway, madang, run};

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_command_has_help_with_examples() {
    for command in ["serve", "token", "chat", "check", "backup", "restore"] {
        let help = stdout(&run(&[command, "--help"]));
        assert!(help.contains("Examples:") && help.contains("madang "), "{help}");
    }
    assert!(stdout(&run(&["--help"])).contains("Exit codes:"));
    assert_eq!(run(&["dance"]).status.code(), Some(2));
}

#[test]
fn dev_is_usable_at_once() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(&data.path().join("new").join("deep"));
    assert!(gateway.welcome[0].contains("listens on 127.0.0.1:"), "{:?}", gateway.welcome);
    let sent = run(&["chat", "demo", "--url", &gateway.url(), "--send", "from the shell"]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    let mut chat = madang()
        .args(["chat", "demo", "--url", &gateway.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    chat.stdin.take().unwrap().write_all(b"typed\n").unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(chat.stdout.take().unwrap()));
    let heard = [lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()];
    assert!(heard[0].ends_with(": from the shell") && heard[1].ends_with(": typed"), "{heard:?}");
    assert!(gateway.terminate().success());
    assert_eq!(chat.wait().unwrap().code(), Some(69), "the gateway left");
}

#[test]
fn a_token_is_all_that_is_printed() {
    let data = tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let arguments =
        |more: &[&'static str]| [&["token", "--uid", "u", "--nickname", "n", "--role", "streamer"], more].concat();
    let without = run(&[&arguments(&[])[..], &["--data", folder]].concat());
    assert_eq!(without.status.code(), Some(74));
    assert!(stderr(&without).contains("serve"), "it says what to do: {}", stderr(&without));
    let gateway = Gateway::dev(data.path());
    let with = run(&[&arguments(&["--ttl", "30m"])[..], &["--data", folder]].concat());
    let token = stdout(&with);
    assert_eq!((token.lines().count(), token.trim().split('.').count()), (1, 3));
    let sent = run(&["chat", "demo", "--url", &gateway.url(), "--token", token.trim(), "--send", "x"]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    let foreign = run(&arguments(&["--secret", "another secret, long enough to be one"]));
    let refused = run(&["chat", "demo", "--url", &gateway.url(), "--token", stdout(&foreign).trim(), "--send", "x"]);
    assert_eq!(refused.status.code(), Some(77));
    assert!(stderr(&refused).contains("not signed by this site"), "{}", stderr(&refused));
    assert_eq!(run(&arguments(&["--secret", "short"])).status.code(), Some(64));
    let long = run(&["token", "--uid", "a b", "--nickname", "n", "--role", "viewer", "--data", folder]);
    assert_eq!(long.status.code(), Some(64));
}

#[test]
fn check_prints_what_is_in_force_and_hides_secrets() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("madang.toml");
    let secret = "0123456789abcdef0123456789abcdef";
    std::fs::write(&file, format!("[auth]\nsecret = \"{secret}\"\n[chat]\ntext_bytes = 900\n")).unwrap();
    let printed = run(&["check", "--config", file.to_str().unwrap()]);
    assert!(printed.status.success());
    assert!(stdout(&printed).contains("text_bytes = 900") && !stdout(&printed).contains(secret));
    std::fs::write(&file, "[chat]\ntext_bytes = 900\ntexts = 1\n").unwrap();
    for command in [&["check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let wrong = run(&[command, &["--config", file.to_str().unwrap()]].concat());
        assert_eq!(wrong.status.code(), Some(64));
        assert!(stderr(&wrong).contains("madang.toml:3: chat.texts"), "{}", stderr(&wrong));
    }
    assert_eq!(run(&["check", "--config", "/nowhere/at/all"]).status.code(), Some(64));
}

#[test]
fn what_cannot_be_had_has_its_exit_code() {
    let data = tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = data.path().to_str().unwrap();
    let busy = run(&["serve", "--listen", &address, "--data", folder]);
    assert_eq!(busy.status.code(), Some(69));
    assert!(stderr(&busy).contains(&address));
    drop(taken);
    let nobody = run(&["chat", "demo", "--url", &format!("ws://{address}/chat"), "--send", "x"]);
    assert_eq!(nobody.status.code(), Some(69));
    assert_eq!(run(&["chat", "demo", "--url", "http://x"]).status.code(), Some(64));
    std::fs::write(data.path().join("events.db"), "this is no database, and long enough to look at").unwrap();
    assert_eq!(run(&["serve", "--listen", "127.0.0.1:0", "--data", folder]).status.code(), Some(74));
}

#[test]
fn secrets_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempdir().unwrap();
    let folder = data.path().join("fresh");
    let _gateway = Gateway::dev(&folder);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in ["secret", "api-key"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}
