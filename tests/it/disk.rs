//! A disk that fills up, for real: a small file system of its own, in a name space of its own.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tempfile::tempdir;

use crate::support::process::{Gateway, Raw};
use crate::support::yard::line;

#[test]
#[ignore = "needs unshare and a kernel that lets users mount; make test runs it"]
fn a_full_disk_refuses_sends_and_keeps_readers_and_goes_on_when_there_is_room() {
    let data = tempdir().unwrap();
    let mut command = Command::new("unshare");
    let script =
        r#"mount -t tmpfs -o size=6m tmpfs "$1" && exec "$0" serve --dev --listen 127.0.0.1:0 --data "$1/data""#;
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_madang")]);
    command.arg(data.path());
    let (gateway, traces) = Gateway::traced(command, &data.path().join("data"));
    // The file system as the gateway sees it.
    let inside = PathBuf::from(format!("/proc/{}/root{}", gateway.pid(), data.path().display()));
    let mut reader = Raw::join(&gateway, "demo");
    let mut sender = Raw::join(&gateway, "demo");
    let mut send = |text: &str| {
        sender.text(&line("demo", text, false).to_string());
        sender.hears(13101)
    };
    assert_eq!(send("before")["retCode"], 0);

    let filler = inside.join("filler");
    let full = std::fs::write(&filler, vec![0; 8 << 20]);
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let mut accepted = vec!["before".to_owned()];
    let refused = loop {
        // What SQLite has room for in its own files is still accepted.
        let text = format!("{} {}", accepted.len(), "x".repeat(400));
        let answer = send(&text);
        if answer["retCode"] != 0 {
            break answer;
        }
        accepted.push(text);
        assert!(accepted.len() < 10_000);
    };
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(507), &json!(5000)));
    assert_eq!(send("again")["retCode"], 507);
    let mut late = Raw::connect(&gateway.address, &[]);
    late.text(r#"{"cmd":100,"cid":"demo","bdy":{"auth":"READ"}}"#);
    assert_eq!(late.hears(10100)["retCode"], 0, "readers come and stay");

    std::fs::remove_file(&filler).unwrap();
    assert_eq!(send("after")["retCode"], 0, "at once, without a restart");
    accepted.push("after".to_owned());
    let mut heard = Vec::new();
    while heard.len() < accepted.len() {
        let lines = reader.hears(93101)["bdy"].clone();
        heard.extend(lines.as_array().unwrap().iter().map(|line| line["msg"].as_str().unwrap().to_owned()));
    }
    assert_eq!(heard, accepted, "everything that was accepted, nothing that was refused");

    // What is on the disk is sound: a copy of it is whole, and opens with the same lines.
    let copy = tempdir().unwrap();
    for file in std::fs::read_dir(inside.join("data")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    assert!(gateway.terminate().success());
    let database = rusqlite::Connection::open(copy.path().join("events.db")).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    drop(database);
    let again = Gateway::dev(copy.path());
    let mut reader = Raw::join(&again, "demo");
    reader.text(&json!({"cmd": 5101, "cid": "demo", "bdy": {"recentMessageCount": 3}}).to_string());
    let kept = reader.hears(15101)["bdy"]["messageList"].clone();
    let kept: Vec<&str> = kept.as_array().unwrap().iter().map(|line| line["content"].as_str().unwrap()).collect();
    assert_eq!(kept, accepted[accepted.len() - kept.len()..]);

    let traces = traces.join().unwrap();
    assert_eq!(traces.matches("the disk is full").count(), 1, "told once: {traces}");
    assert_eq!(traces.matches("the disk has room again").count(), 1, "{traces}");
}
