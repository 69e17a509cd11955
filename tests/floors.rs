//! The house's plan, checked: which room may import which, and a few rules that no lint can say.
//!
//! A room is a folder under `src/` (`endpoints/…` have one each). The table is ARCHITECTURE.md's; to keep this test
//! green, move code to its room.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room → the rooms it may import.
const PLAN: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("metrics", &[]),
    ("ws", &["metrics"]),
    ("proto", &["model"]),
    ("policy", &["model"]),
    ("auth", &["model", "clock", "metrics"]),
    ("eventlog", &["model", "clock", "metrics"]),
    ("bus", &["model", "metrics"]),
    ("feed", &["model", "clock", "metrics", "ws"]),
    ("channel", &["model", "policy"]),
    ("gate", &["model", "clock", "metrics", "policy"]),
    ("client", &["model", "proto", "ws"]),
    ("drive", &["model", "clock", "proto", "client", "ws"]),
    ("node", &["model", "clock", "metrics", "policy", "auth", "eventlog", "bus", "feed", "channel", "ws"]),
    ("endpoints", &[]),
    ("endpoints/chat", &["model", "clock", "metrics", "node", "gate", "feed", "ws", "proto"]),
    ("endpoints/chzzk", &["model", "clock", "metrics", "node", "proto"]),
    ("endpoints/site", &["model", "clock", "metrics", "node", "proto"]),
    ("config", &["auth", "endpoints/chat", "eventlog", "feed", "gate", "node", "policy", "ws"]),
    (
        "app",
        &[
            "auth",
            "bus",
            "client",
            "clock",
            "config",
            "drive",
            "endpoints/chat",
            "endpoints/chzzk",
            "endpoints/site",
            "eventlog",
            "feed",
            "gate",
            "metrics",
            "model",
            "node",
            "proto",
            "ws",
        ],
    ),
];

/// Longest file in lines.
const LONGEST_FILE: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file with its path under `src/`.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The room that a path of modules or files leads to.
fn room(path: &[&str]) -> String {
    match path {
        ["endpoints", inner, ..] if !inner.ends_with(".rs") => format!("endpoints/{inner}"),
        [room, ..] => (*room).to_owned(),
        [] => String::new(),
    }
}

/// The rooms that a text imports by `crate::`.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let path: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
        let parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
        assert!(!parts.is_empty(), "no grouped import through the crate root: {}", &after[..after.len().min(60)]);
        rooms.insert(room(&parts));
    }
    rooms
}

#[test]
fn no_import_runs_upward() {
    let plan: BTreeMap<&str, &[&str]> = PLAN.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() == 1 {
            continue;
        }
        let here = room(&parts);
        let allowed = plan.get(here.as_str()).unwrap_or_else(|| panic!("{here} is not in the plan"));
        for there in imports(&text) {
            if there != here && !allowed.contains(&there.as_str()) {
                wrong.push(format!("{name} imports {there}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_plan_has_no_circle_and_no_empty_room() {
    let mut standing: BTreeSet<&str> = BTreeSet::new();
    while standing.len() < PLAN.len() {
        let next: Vec<&str> = PLAN
            .iter()
            .filter(|(room, below)| !standing.contains(room) && below.iter().all(|room| standing.contains(room)))
            .map(|(room, _)| *room)
            .collect();
        assert!(!next.is_empty(), "a circle among those above {standing:?}");
        standing.extend(next);
    }
    for (room, _) in PLAN {
        assert!(root().join(room).is_dir(), "{room} is planned and not built");
    }
}

#[test]
fn this_test_can_fail() {
    assert_eq!(imports("use crate::node::Node;\n// crate::app::x\nlet x = crate::endpoints::chat::Chat;"), {
        BTreeSet::from(["node".to_owned(), "endpoints/chat".to_owned()])
    });
}

/// Words that belong to one room.
#[test]
fn each_wire_and_store_is_spelled_in_one_place() {
    let only: &[(&str, &[&str])] = &[
        ("tungstenite", &["ws/"]),
        ("rusqlite", &["eventlog/sqlite/"]),
        ("Item::revealed", &["channel/reveal.rs"]),
        ("LineView::revealed", &["channel/reveal.rs"]),
        ("NoticeView {", &["channel/reveal.rs", "model/item.rs"]),
        ("msgTypeCode", &["proto/"]),
        ("mbrCnt", &["proto/"]),
        ("\"bdy\"", &["proto/"]),
        ("SystemTime::now", &["clock/"]),
        ("Instant::now", &["clock/"]),
    ];
    for (name, text) in sources() {
        for (word, homes) in only {
            let at_home = homes.iter().any(|home| name.starts_with(home));
            let spelled = text.lines().any(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            assert!(at_home || !spelled, "{name} says {word}");
        }
    }
}

#[test]
fn a_command_number_is_written_once() {
    for (name, text) in sources() {
        if name == "proto/cmd.rs" {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for number in ["3101", "13101", "93101", "5101", "15101", "10100"] {
            let spelled = code.lines().any(|line| {
                let line = line.split("//").next().unwrap_or_default();
                line.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == number)
            });
            assert!(!spelled, "{name} spells {number}");
        }
    }
}

#[test]
fn files_fit_in_the_head() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{name} has {lines} lines");
    }
}

/// Message text and tokens are never traced: the fields of every trace are looked at.
#[test]
fn nothing_private_is_traced() {
    for (name, text) in sources() {
        for after in ["error!(", "warn!(", "info!(", "debug!("].iter().flat_map(|call| text.split(call).skip(1)) {
            let fields = after.split(';').next().unwrap_or_default();
            for private in ["text", "token", "secret", "draft", "body", "nickname"] {
                let traced = fields.split(|c: char| !c.is_alphanumeric()).any(|word| word == private);
                let only_words = fields.split('"').step_by(2).all(|code| !code.contains(private));
                assert!(!traced || only_words, "{name} may trace {private}: {fields}");
            }
        }
    }
}
