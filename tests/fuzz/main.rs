//! Whatever a stranger sends or a disk gives back: nothing panics, and what can be read is read the same again.
//!
//! Real messages, claims, events, snapshots, settings and lines (`corpus/`) are cut, joined and twisted by random bytes.
//! `cargo test` does it for a moment, `make test` for a minute, `make fuzz MINUTES=60` for as long as you like. An
//! input that breaks something is kept in `corpus/`, under a name that says what it broke.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use bolero::check;
use futures_util::FutureExt;
use jsonwebtoken::{EncodingKey, Header};

use madang::auth::{Config as AuthConfig, KeyDigest, Secret, Tokens};
use madang::clock::Manual;
use madang::config::{Config, Environment, Flags};
use madang::drive::crowd::Crowd;
use madang::drive::report;
use madang::drive::scenario::Scenario;
use madang::drive::script::Script;
use madang::endpoints::chat::ChatEncoder;
use madang::eventlog::memory::Memory;
use madang::eventlog::{EventLog, Snapshot, codec};
use madang::feed::Encoder;
use madang::model::event::Body;
use madang::model::filter::{Entry, Filter, Measure, Repeats};
use madang::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use madang::model::message::Extras;
use madang::model::principal::Standing;
use madang::model::time::Millis;
use madang::node::{Config as NodeConfig, Node, Parts};
use madang::policy::filter::{self, Engine};
use madang::policy::names;
use madang::proto::envelope::Envelope;
use madang::proto::heard;
use madang::proto::request::{self, acts, asides, filters, questions};
use madang::proto::witness;
use madang::ws::raw::{self, Answer, Handshake};

const SECRET: &str = "a secret for fuzzing that is long enough";

/// The place up to which the snapshots of the corpus tell.
const SNAPSHOT_AT: Seq = Seq(70);

/// Words that mean something to somebody: numbers at the ends of their ranges, deep and broken JSON, odd text.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1e999",
    b"9223372036854775807",
    b"18446744073709551615",
    b"18446744073709551616",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"[[[[[[[[",
    b"{\"a\":",
    b"\\u0000",
    b"\\ud800",
    "마당".as_bytes(),
    b"\xff",
    b"\0",
    b",",
    b":",
    b"\"ext\":1",
    b"\"resume\":{\"epoch\":\"0b9ad0f2-58f5-4f66-9f0c-6f5a4a1f3a52\",\"seq\":18446744073709551615}",
    b"#",
    b"\n",
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One of the corpus, as `choices` twist it: a byte or two for where, one for what, one for with what.
fn twisted(corpus: &[Vec<u8>], choices: &[u8]) -> Vec<u8> {
    // A few changes: what is changed everywhere is read nowhere.
    let changes = choices.first().map_or(0, |choice| usize::from(choice % 8));
    let mut choices = choices.iter().skip(1).take(1 + 4 * changes).map(|choice| usize::from(*choice));
    let mut next = move || choices.next();
    let mut text = corpus[next().unwrap_or_default() % corpus.len()].clone();
    while let (Some(high), Some(low), Some(what), Some(with)) = (next(), next(), next(), next()) {
        let at = (high * 256 + low) % (text.len() + 1);
        let end = (at + with).min(text.len());
        match what % 6 {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, WORDS[with % WORDS.len()].iter().copied())),
            2 => drop(text.splice(at..end.min(at + 4), WORDS[with % WORDS.len()].iter().copied())),
            3 if at < text.len() => text[at] = with as u8,
            4 => {
                let part = text[at..end].to_vec();
                text.splice(at..at, part);
            }
            _ => {
                let other = &corpus[with % corpus.len()];
                let from = low % (other.len() + 1);
                text.splice(at..at, other[from..(from + high).min(other.len())].iter().copied());
            }
        }
        text.truncate(64 * 1024);
    }
    text
}

#[test]
fn a_message() {
    let corpus = corpus("message");
    check!().for_each(|choices: &[u8]| {
        let text = twisted(&corpus, choices);
        let Ok(text) = std::str::from_utf8(&text) else { return };
        // Whatever it is, the simple client reads it or says why not.
        let _ = heard::read(text);
        let _ = witness::read(text.as_bytes());
        let Ok(envelope) = Envelope::open(text) else { return };
        assert!(envelope.tid.as_ref().is_none_or(|tid| tid.len() <= 64));
        let _ = request::connect(envelope.body);
        let _ = request::refresh(envelope.body);
        if let Ok(draft) = request::chat(&envelope, 4_096) {
            assert!(draft.extras.emojis.len() <= 64);
        }
        if let Ok(asked) = request::recent_chat(envelope.body) {
            assert!((1..=200).contains(&asked.count));
        }
        let people = [acts::kick, acts::block, acts::penalty, acts::role];
        let acts = people.into_iter().chain([acts::hide, acts::modes, filters::filter, questions::mark]);
        let pin = acts::pin(envelope.body, 4_096);
        for asked in acts.map(|read| read(envelope.body)).chain([pin]).flatten() {
            assert!(asked.reason.chars().count() <= 200);
        }
        let _ = acts::hidden_line(envelope.body);
        let _ = questions::vote(envelope.body);
        let _ = questions::list(envelope.body, &Cid::parse("demo").unwrap());
        let _ = asides::whisper(envelope.body, 4_096);
        if let Ok(asked) = asides::members(envelope.body) {
            assert!((1..=100).contains(&asked.size));
        }
    });
}

/// What a server may send to the load generator before it is a message.
#[test]
fn a_frame() {
    let corpus = corpus("frame");
    let handshake = Handshake::new("127.0.0.1:8080", "/chat");
    check!().for_each(|choices: &[u8]| {
        let bytes = twisted(&corpus, choices);
        if let Ok(Some(head)) = raw::head(&bytes) {
            assert!(head.bytes <= bytes.len() && head.bytes <= 10);
        }
        if let Answer::Upgraded(used) = handshake.read(&bytes) {
            assert!(used <= bytes.len());
        }
        let _ = raw::closing(&bytes);
    });
}

#[test]
fn a_scenario() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let corpus: Vec<Vec<u8>> =
        fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    check!().for_each(|choices: &[u8]| {
        let Ok(text) = String::from_utf8(twisted(&corpus, choices)) else { return };
        let Ok(scenario) = Scenario::read(&text) else { return };
        // Larger ones take longer, and do the same.
        if scenario.most_viewers() > 1_000 {
            return;
        }
        let crowd = Arc::new(Crowd::draw(&scenario, "run"));
        let script = Script::new(Arc::new(scenario), crowd.clone());
        let mut last = 0;
        for step in script.take(2_000) {
            assert!(step.at >= last && step.who < crowd.len());
            last = step.at;
        }
    });
}

/// A report that somebody else has written, in every form that is made of it.
#[test]
fn a_report() {
    let corpus = corpus("report");
    check!().for_each(|choices: &[u8]| {
        let Ok(text) = String::from_utf8(twisted(&corpus, choices)) else { return };
        let Ok(report) = report::compare::read(&text) else { return };
        let page = report::html::html(&report);
        assert!(page.ends_with("</html>\n") || page.ends_with("</html>"), "the page is whole");
        assert!(!report::table::table(&report).is_empty() && !report::junit::junit(&report).is_empty());
        assert!(!report::compare::compare(("a", &report), ("b", &report)).is_empty());
    });
}

#[test]
fn claims() {
    let corpus = corpus("claims");
    let clock = Arc::new(Manual::at(Millis(1_790_000_100_000)));
    let tokens = Tokens::new(&Secret::new(SECRET).unwrap(), AuthConfig::default(), clock, Arc::default());
    // Whatever a panic leaves of it, nobody goes on with.
    let tokens = AssertUnwindSafe(tokens);
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    check!().for_each(|choices: &[u8]| {
        let json = twisted(&corpus, choices);
        let Ok(claims) = serde_json::from_slice::<serde_json::Value>(&json) else { return };
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        let standing = tokens.check(&token).now_or_never().expect("nobody is asked for a key");
        if let Ok(Standing::Valid(principal) | Standing::Expired(principal)) = standing {
            assert!(UserId::parse(principal.uid.as_str()).is_some());
            assert!(principal.profile.bytes() <= 2_048 + 64, "{}", principal.profile.bytes());
        }
    });
}

#[test]
fn an_event() {
    let corpus = corpus("event");
    check!().for_each(|choices: &[u8]| {
        let bytes = [&[codec::VERSION][..], &twisted(&corpus, choices)].concat();
        let event = codec::decode(EventId::derived("x"), &bytes);
        if !matches!(event.body, Body::Unreadable { .. }) {
            assert_eq!(codec::decode(event.id, &codec::encode(&event)), event);
        }
    });
}

#[test]
fn a_snapshot() {
    let (corpus, events) = (corpus("snapshot"), corpus("event"));
    // As many as the snapshot tells of: an event before its place would never be applied.
    let event = |place: u64| {
        let bytes = &events[usize::try_from(place).unwrap() % events.len()];
        codec::decode(EventId::derived(&place.to_string()), &[&[codec::VERSION][..], bytes].concat())
    };
    let events: Vec<_> = (1..=SNAPSHOT_AT.0).map(|place| Arc::new(event(place))).collect();
    let runtime = AssertUnwindSafe(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    check!().for_each(|choices: &[u8]| {
        let bytes = twisted(&corpus, choices);
        runtime.block_on(async {
            let log = Memory::new(Arc::default());
            let channel = ChannelId::parse("c").unwrap();
            // The one that is written now: an older one is folded from the log again where that has it all.
            for event in &events {
                log.append(&channel, event.clone()).await.unwrap();
            }
            let snapshot = Snapshot { seq: SNAPSHOT_AT, version: 4, bytes: bytes.into() };
            log.put_snapshot(&channel, snapshot).await.unwrap();
            let clock = Arc::new(Manual::at(Millis(1_790_000_100_000)));
            let encoders: Vec<Arc<dyn Encoder>> = vec![Arc::new(ChatEncoder)];
            let parts = Parts {
                bus: Arc::new(madang::bus::local::Local::default()),
                log: Arc::new(log),
                clock: clock.clone(),
                tokens: Arc::new(Tokens::new(
                    &Secret::new(SECRET).unwrap(),
                    AuthConfig::default(),
                    clock,
                    Arc::default(),
                )),
                root_key: KeyDigest::of(b"root"),
                encoders: encoders.into(),
                metrics: Arc::default(),
                config: NodeConfig::default(),
            };
            let node = Node::start(parts).await.unwrap();
            node.list_channel(&channel, "c").await.unwrap();
            // Readable or not, the channel is there and goes on.
            node.open_broadcast(&channel, "goes on").await.unwrap();
            assert!(node.channel(&channel).await.unwrap().on_air().is_some());
        });
    });
}

#[test]
fn settings() {
    let corpus = corpus("config");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("madang.toml");
    check!().for_each(|choices: &[u8]| {
        fs::write(&file, twisted(&corpus, choices)).unwrap();
        let flags = Flags { file: Some(file.clone()), ..Flags::default() };
        if let Ok(config) = Config::load(&flags, &Environment::default()) {
            // What it says of itself can be read again, and says the same; what is secret it doesn't say.
            let told = config.masked();
            assert!(toml::from_str::<toml::Value>(&told).is_ok(), "{told}");
        }
    });
}

#[test]
fn a_name() {
    let corpus = corpus("name");
    check!().for_each(|choices: &[u8]| {
        let wish = String::from_utf8_lossy(&twisted(&corpus, choices)).into_owned();
        let looks = names::looks(&wish);
        for look in &looks {
            assert!(names::looks(look).contains(look), "what it looks like looks like itself");
        }
        let Ok(name) = names::clean(&wish) else { return };
        assert_eq!(names::clean(&name).as_deref(), Ok(&*name), "what is shown can be chosen");
        assert!(name.chars().count() <= 30);
        let taken = names::looks(&name);
        let is_taken = |looks: &[String]| looks.iter().any(|look| taken.contains(look));
        let other = names::suggest(&name, is_taken).expect("98 numbers");
        assert!(names::clean(&other).is_ok() && !is_taken(&names::looks(&other)), "{other} for {name}");
    });
}

#[test]
fn a_filter() {
    let corpus = corpus("filter");
    let entry = Entry { measure: Measure::Mask, number: 1, at: Millis(0), by: "staff".to_owned() };
    let entries = |texts: &[&str]| texts.iter().map(|text| ((*text).to_owned(), entry.clone())).collect();
    let words = Filter { words: entries(&["시발", "ㅅㅂ", "*fuck*", "shit", "18놈"]), ..Filter::default() };
    let all = Filter {
        patterns: entries(&[r"\w+@\w+", r"\bi\b"]),
        links: Some(Measure::Mask),
        repeats: Some(Repeats { most: 3, measure: Measure::Mask }),
        marks: Some(Measure::Mask),
        directions: Some(Measure::Mask),
        ..words.clone()
    };
    let (words, all) = (Engine::new(&words), Engine::new(&all));
    let emojis = vec![("a".to_owned(), "https://site/a.png".to_owned())];
    let extras = Extras { emojis, ..Extras::default() };
    check!().for_each(|choices: &[u8]| {
        let text = String::from_utf8_lossy(&twisted(&corpus, choices)).into_owned();
        if let Some(masked) = all.judge(&text, &extras).and_then(|finding| finding.masked) {
            assert!(masked.len() <= text.len());
            assert_eq!(words.judge(&masked, &extras), None, "{masked}");
        }
        // Whoever adds one types anything, too.
        let part: String = text.chars().take(40).collect();
        let (word, pattern) = (filter::word(&part), filter::pattern(&part));
        let _ = filter::host(&part);
        let mut added = Filter::default();
        added.words.extend(word.map(|word| (word, entry.clone())));
        added.patterns.extend(pattern.map(|()| (part, entry.clone())));
        let is_added = !added.words.is_empty() || !added.patterns.is_empty();
        assert_eq!(!Engine::new(&added).is_empty(), is_added);
    });
}
