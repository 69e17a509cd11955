//! The load generator as people and scripts meet it: exit codes, words, and what it writes.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::tempdir;

use madang::drive::check::Law;
use madang::drive::report::condition::METRICS;
use madang::drive::report::{Report, compare};
use madang::drive::scenario::Scenario;

use crate::support::process::{Gateway, madang, run};

/// A tiny run of the command line's own.
const TINY: [&str; 10] =
    ["drive", "load", "--viewers", "20", "--for", "500ms", "--threads", "2", "--quiet", "--seed=7"];

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A tiny run, with more of a command line.
fn tiny(more: &[&str]) -> Output {
    run(&[&TINY[..], more].concat())
}

/// Whether everything held. On a machine that has no time for the generator it says so, which is no fault of anybody's.
fn held(output: &Output) -> bool {
    match output.status.code() {
        Some(0) => true,
        Some(5) => stderr(output).contains("the generator was the limit") && !stderr(output).contains("broken:"),
        _ => false,
    }
}

fn report(path: &Path) -> Report {
    compare::read(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_run_leaves_a_report_in_every_form_that_was_asked_for() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, junit, html) = (path("a.json"), path("a.xml"), path("a.html"));
    let files = ["--json", &json, "--junit", &junit, "--html", &html, "--fail-if", "lost>0"];
    let played = tiny(&[&["--with-server"], &files[..]].concat());
    assert!(held(&played), "{}{}", stdout(&played), stderr(&played));
    let report = report(json.as_ref());
    assert!(!report.totals.cut_short && report.totals.acked > 0 && report.broken().count() == 0);
    assert!(report.server.is_some() && report.url.starts_with("ws://127.0.0.1:"));
    let names = Law::ALL.map(Law::name);
    let (table, junit) = (stdout(&played), std::fs::read_to_string(junit).unwrap());
    assert!(junit.starts_with("<?xml"), "{junit}");
    for name in names.into_iter().chain(["fail-if lost&gt;0"]) {
        assert!(junit.contains(&format!("name=\"{name}\"")), "{name}: {junit}");
        assert!(table.contains(&name.replace("&gt;", ">")), "{name}: {table}");
    }
    let page = std::fs::read_to_string(html).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && page.trim_end().ends_with("</html>"));
    for loads in ["<link", "<iframe", "@import", "url(http", "src=\"http", "src=http", "src='http", "fetch("] {
        assert!(!page.contains(loads), "the page opens offline: {loads}");
    }
    let side_by_side = run(&["drive", "compare", &json, &json]);
    assert!(side_by_side.status.success() && stdout(&side_by_side).contains("a.json"), "{}", stdout(&side_by_side));
    std::fs::write(path("b.json"), "{\"form\": 99}").unwrap();
    let later = run(&["drive", "compare", &json, &path("b.json")]);
    assert_eq!(later.status.code(), Some(64));
    assert!(stderr(&later).contains("b.json") && stderr(&later).contains("form 99"), "{}", stderr(&later));
    assert_eq!(run(&["drive", "compare", &json, &path("c.json")]).status.code(), Some(74));
}

#[test]
fn a_gateway_of_ours_plays_a_little_of_everything_without_a_fault() {
    let smoke = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/smoke.toml");
    let played = run(&["drive", "load", smoke, "--with-server", "--quiet"]);
    assert!(held(&played), "{}{}", stdout(&played), stderr(&played));
}

/// Managers of one process show lines again of which the other's viewers have heard nothing yet.
const TWO_PROCESSES: &str = r#"
name = "two processes"
[channels]
count = 2
[viewers]
senders = 0.2
moderators = 2
ext = 0.5
verified = 0.8
recent = 30
[[stages]]
for = "1s"
viewers = 60
measured = false
[[stages]]
for = "1s"
rate = 40
[[stages]]
for = "4s"
acts = 20
churn = 40
"#;

#[test]
fn two_processes_play_under_one_report() {
    let folder = tempdir().unwrap();
    let (scenario, json) = (folder.path().join("two.toml"), folder.path().join("two.json"));
    std::fs::write(&scenario, TWO_PROCESSES).unwrap();
    let mut command = madang();
    command.args(["drive", "load", "--with-server", "--threads", "1", "--peers", "1", "--peers-listen", "127.0.0.1:0"]);
    command.arg(&scenario).arg("--json").arg(&json).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut leads = command.spawn().unwrap();
    let mut lines = BufReader::new(leads.stderr.take().unwrap()).lines().map(Result::unwrap);
    let words = lines.find(|line| line.contains("--join ")).unwrap();
    let address = words.rsplit(' ').next().unwrap().to_owned();
    let follows = run(&["drive", "load", "--join", &address, "--source", "127.0.0.7", "--source", "127.0.0.8"]);
    assert!(follows.status.success(), "{}", stderr(&follows));
    assert!(stderr(&follows).contains("the report is the other process's"), "{}", stderr(&follows));
    let rest: Vec<String> = lines.collect();
    let led = leads.wait_with_output().unwrap();
    let report = report(&json);
    let broken: Vec<_> = report.broken().collect();
    assert!(broken.is_empty() && matches!(led.status.code(), Some(0 | 5)), "{broken:?} {rest:?}");
    assert_eq!((report.dimensions.processes, report.dimensions.workers, report.dimensions.viewers), (2, 2, 60));
    let totals = &report.totals;
    assert!(totals.joined > 100 && totals.acts > 20 && totals.refused == 0, "{totals:?}");
    // Whoever left may have said something just before.
    assert!(totals.acked <= totals.sent && totals.acked + 10 > totals.sent && totals.sent > 100, "{totals:?}");
}

#[test]
fn help_has_examples_exit_codes_and_everything_a_condition_can_be_about() {
    let help = stdout(&run(&["drive", "load", "--help"]));
    assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
    for (name, meaning) in METRICS {
        assert!(help.contains(name) && help.contains(meaning), "{name}: {help}");
    }
    for command in ["compare", "scenarios"] {
        assert!(stdout(&run(&["drive", command, "--help"])).contains("Examples:"), "{command}");
    }
}

#[test]
fn scenarios_are_listed_and_printed_to_begin_from() {
    let list = stdout(&run(&["drive", "scenarios"]));
    assert!(list.lines().count() >= 10 && list.contains("reconnect-storm") && list.contains("smoke"), "{list}");
    for name in list.lines().map(|line| line.split_whitespace().next().unwrap()) {
        let text = stdout(&run(&["drive", "scenarios", name]));
        assert_eq!(Scenario::read(&text).unwrap().name, name);
    }
    let unknown = run(&["drive", "scenarios", "gaol"]);
    assert_eq!(unknown.status.code(), Some(64));
    assert!(stderr(&unknown).contains("gaol") && stderr(&unknown).contains("goal"), "{}", stderr(&unknown));
}

#[test]
fn a_mistake_in_a_scenario_is_told_with_its_file_and_key() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let mistakes = [
        ("[[stages]]\nfor = \"1s\"\nviewer = 3\n", "viewer"),
        ("[[stages]]\nfor = \"soon\"\nviewers = 3\n", "soon"),
        ("[viewers]\nsenders = 3.0\n[[stages]]\nfor = \"1s\"\nviewers = 3\n", "viewers.senders is 3"),
        ("[[stages]]\nfor = \"1s\"\nviewers = 3\nacts = 1\n", "viewers.moderators"),
        ("", "stages"),
    ];
    for (text, key) in mistakes {
        std::fs::write(&file, format!("name = \"mine\"\n{text}")).unwrap();
        let wrong = run(&["drive", "load", file.to_str().unwrap(), "--with-server"]);
        assert_eq!(wrong.status.code(), Some(64), "{text}: {}", stderr(&wrong));
        assert!(stderr(&wrong).contains("mine.toml") && stderr(&wrong).contains(key), "{text}: {}", stderr(&wrong));
    }
    let condition = tiny(&["--fail-if", "p98>1s"]);
    assert_eq!(condition.status.code(), Some(2));
    assert!(stderr(&condition).contains("\"p98\" is not known"), "{}", stderr(&condition));
    let nowhere = tiny(&["--url", "http://127.0.0.1/chat"]);
    assert_eq!(nowhere.status.code(), Some(64));
    assert!(stderr(&nowhere).contains("ws://HOST:PORT"), "{}", stderr(&nowhere));
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_is_unavailable() {
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (nobody, silent, closing) = (listener(), listener(), listener());
    let url = |listener: &TcpListener| format!("ws://{}/chat", listener.local_addr().unwrap());
    let urls = [url(&nobody), url(&silent), url(&closing)];
    drop(nobody);
    // Ends with the process: nothing else ends an accept.
    std::thread::spawn(move || closing.incoming().for_each(drop));
    std::thread::scope(|scope| {
        for url in &urls {
            scope.spawn(move || {
                let played = tiny(&["--url", url]);
                assert_eq!(played.status.code(), Some(69), "{}", stderr(&played));
                assert!(stderr(&played).contains(url), "{}", stderr(&played));
            });
        }
    });
    drop(silent);
}

#[test]
fn tokens_that_let_nobody_write_are_refused() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let file = data.path().join("tokens");
    let foreign = ["token", "--uid", "u", "--nickname", "n", "--role", "viewer", "--secret"];
    let foreign = run(&[&foreign[..], &["another secret, long enough to be one"]].concat());
    for token in ["nonsense".to_owned(), stdout(&foreign)] {
        std::fs::write(&file, token).unwrap();
        let played = tiny(&["--url", &gateway.url(), "--tokens", file.to_str().unwrap()]);
        assert_eq!(played.status.code(), Some(77), "{}", stderr(&played));
        assert!(stderr(&played).contains("token"), "{}", stderr(&played));
    }
    let none = tiny(&["--url", &gateway.url(), "--tokens", "/nowhere/at/all"]);
    assert_eq!(none.status.code(), Some(74));
    std::fs::write(&file, "").unwrap();
    let empty = tiny(&["--url", &gateway.url(), "--tokens", file.to_str().unwrap()]);
    assert_eq!(empty.status.code(), Some(64));
    assert!(stderr(&empty).contains("--tokens names no token"), "{}", stderr(&empty));
}

#[test]
fn a_condition_that_comes_true_fails_the_run() {
    let played = tiny(&["--with-server", "--fail-if", "joined>0"]);
    assert_eq!(played.status.code(), Some(3), "{}", stderr(&played));
    assert!(stderr(&played).contains("broken: fail-if joined>0"), "{}", stderr(&played));
    assert!(stdout(&played).contains("joined was 20"), "{}", stdout(&played));
}

/// A run with a gateway of its own that has begun, and what it says from then on. It is a group of its own, as a shell makes
/// one of whatever it starts.
fn begun(more: &[&str], folder: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut command = madang();
    command.args(["drive", "load", "--viewers", "20", "--for", "10m", "--with-server"]).args(more);
    command.env("TMPDIR", folder).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut played = command.spawn().unwrap();
    let mut lines = BufReader::new(played.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("20 in")), "it tells how it stands");
    (played, lines)
}

/// What a terminal does at Ctrl-C: it tells the group, so the gateway of a run may not be among it.
fn ctrl_c(played: &Child) {
    let sent = Command::new("kill").args(["-INT", "--", &format!("-{}", played.id())]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn ctrl_c_ends_a_run_early_with_a_report_of_what_was_done() {
    let folder = tempdir().unwrap();
    let json = folder.path().join("cut.json");
    let (mut played, lines) = begun(&["--json", json.to_str().unwrap()], folder.path());
    ctrl_c(&played);
    let words: Vec<String> = lines.collect();
    assert_eq!(played.wait().unwrap().code(), Some(4), "{words:?}");
    assert!(words.iter().any(|line| line.contains("stopped by hand")), "{words:?}");
    assert!(words.last().unwrap().contains("the report is of what was done"), "{words:?}");
    let report = report(&json);
    assert!(report.totals.cut_short && report.totals.joined == 20 && report.totals.acked > 0);
    assert_eq!(report.broken().count(), 0, "{:?}", report.checks);
}

#[test]
fn a_second_ctrl_c_ends_it_at_once_and_leaves_no_gateway_behind() {
    let folder = tempdir().unwrap();
    let (mut played, mut lines) = begun(&[], folder.path());
    let data = folder.path().join(format!("madang-drive-{}", played.id()));
    assert!(data.join("secret").exists());
    ctrl_c(&played);
    assert!(lines.any(|line| line.contains("stopped by hand")));
    ctrl_c(&played);
    // Its standard error is the gateway's, too: this ends when both have.
    let words: Vec<String> = lines.collect();
    assert_eq!(played.wait().unwrap().code(), Some(1), "{words:?}");
    assert!(!data.exists(), "its data is thrown away");
}

#[test]
fn whoever_may_open_too_few_files_is_told_what_to_do() {
    let script = r#"ulimit -n 64 && exec "$0" drive load --viewers 5000 --url ws://127.0.0.1:1/chat"#;
    let played = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_madang")]).output().unwrap();
    assert_eq!(played.status.code(), Some(74), "{}", stderr(&played));
    let words = stderr(&played);
    assert!(words.contains("5100 files are needed for 5000 viewers") && words.contains("may open 64"), "{words}");
    assert!(words.contains("ulimit -n 5100"), "{words}");
}
