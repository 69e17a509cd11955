//! What the load generator finds: a server that has one fault, and the law that the fault breaks.
//!
//! A run takes seconds of waiting and hardly any work, so many are played at the same time.

use std::fmt::Write;

use futures_util::future::join_all;

use madang::drive::check::Law;
use madang::drive::report::{Report, Verdict};
use madang::drive::scenario::Scenario;
use madang::drive::tokens::Tokens;
use madang::drive::{DriveError, Order, load};

use crate::support::faulty::{Fault, Faulty};

/// Two channels that talk.
const TALK: &str = r#"
name = "talk"
[channels]
count = 2
zipf = 0.0
[viewers]
senders = 0.2
ext = 0.5
[lines]
donations = 0.0
[[stages]]
for = "500ms"
viewers = 20
[[stages]]
for = "1500ms"
rate = 30
"#;

/// Managers hide, then half of the viewers are cut and come back.
const ACTS: &str = r#"
name = "acts"
[viewers]
senders = 0.2
moderators = 1
ext = 0.5
recent = 30
[lines]
donations = 0.0
[[stages]]
for = "500ms"
viewers = 20
[[stages]]
for = "1s"
rate = 20
[[stages]]
for = "800ms"
acts = 30
[[stages]]
for = "1500ms"
cut = 0.5
within = "800ms"
"#;

/// One says long lines, many of them.
const SHOUT: &str = r#"
name = "shout"
[viewers]
senders = 0.0
ext = 0.0
[lines]
donations = 0.0
text_bytes = 16000
[[stages]]
for = "300ms"
viewers = 3
[[stages]]
for = "2s"
rate = 250
"#;

/// One says a few, and others come and go behind the last of them.
const ONE_SPEAKS: &str = r#"
name = "one speaks"
[viewers]
senders = 0.0
ext = 0.0
[lines]
donations = 0.0
[[stages]]
for = "300ms"
viewers = 12
[[stages]]
for = "1s"
rate = 30
[[stages]]
for = "500ms"
viewers = 9
rate = 0
"#;

/// A fault, and what it breaks.
#[derive(Clone, Copy)]
struct Case {
    fault: Fault,
    /// Connections that find the door in order: the generator looks first with two.
    sound: u64,
    scenario: &'static str,
    /// These laws are found broken, and no others...
    breaks: &'static [Law],
    /// ...but maybe these, and why.
    may: &'static [(Law, &'static str)],
}

/// A line that one member hears elsewhere than the others do has its place from whoever was read first. Was that the member
/// itself, then it is the others who seem to hear another order, and to miss what they hear later.
const READ_FIRST: &[(Law, &str)] =
    &[(Law::Order, "the one who hears it otherwise was read first"), (Law::Gaps, "the same")];

fn case(fault: Fault, breaks: &'static [Law]) -> Case {
    Case { fault, sound: 0, scenario: TALK, breaks, may: &[] }
}

async fn play(fault: Fault, sound: u64, scenario: &str) -> Result<Report, DriveError> {
    let server = Faulty::sound_first(fault, sound).await;
    let tokens = Tokens::Listed { senders: vec!["sender".to_owned()], moderators: vec!["manager".to_owned()] };
    load(order(&server, scenario, tokens), std::future::pending()).await
}

fn order(server: &Faulty, scenario: &str, tokens: Tokens) -> Order {
    Order {
        scenario: Scenario::read(scenario).unwrap(),
        text: scenario.to_owned(),
        url: server.url(),
        threads: 2,
        sources: Vec::new(),
        watched: None,
        tokens,
        site: None,
        gathering: None,
        quiet: true,
    }
}

/// What was found that should not have been, or not found, in words.
fn judge(case: &Case, report: &Report) -> Option<String> {
    let broken: Vec<&str> = report.broken().map(|check| check.name.as_str()).collect();
    let missing = case.breaks.iter().any(|law| !broken.contains(&law.name()));
    let allowed = |name: &&str| {
        case.breaks.iter().any(|law| law.name() == *name) || case.may.iter().any(|(law, _)| law.name() == *name)
    };
    let totals = &report.totals;
    let counted = totals.sent + totals.unsent == totals.offered;
    let piled_up = totals.unsent > 0 || case.fault != Fault::StopsReading;
    if !missing && counted && piled_up && broken.iter().all(allowed) {
        return None;
    }
    let mut words = format!("{:?} should break {:?}:\n", case.fault, case.breaks);
    for check in report.broken() {
        let _ = writeln!(words, "  {}: {:#?}", check.name, check.examples);
    }
    let _ = writeln!(words, "  {totals:?}");
    Some(words)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_fault_breaks_no_law_and_each_is_looked_at() {
    let server = Faulty::start(Fault::None).await;
    let asking = load(order(&server, TALK, Tokens::Ask), std::future::pending());
    let (asked, played) = tokio::join!(asking, join_all([TALK, ACTS].map(|scenario| play(Fault::None, 0, scenario))));
    for report in played.into_iter().chain([asked]) {
        let report = report.unwrap();
        for check in &report.checks {
            let nothing = report.scenario.name == "talk" && ["hidden", "acts", "resume"].contains(&&*check.name);
            let held = if nothing { Verdict::Skipped } else { Verdict::Held };
            assert_eq!((check.verdict, check.broken), (held, 0), "{}: {check:?}", report.scenario.name);
        }
        let totals = &report.totals;
        assert_eq!((totals.acked, totals.unsent, totals.refused), (totals.sent, 0, 0));
        assert!(totals.joined >= 20 && totals.lines > totals.sent && report.closes.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_without_a_body_is_an_answer() {
    let report = play(Fault::RefusesBarely, 0, TALK).await.unwrap();
    assert_eq!(report.broken().count(), 0, "{:?}", report.checks);
    let refused: Vec<(&str, i64, u64)> =
        report.refusals.iter().map(|refused| (&*refused.what, refused.code, refused.count)).collect();
    assert_eq!((refused, report.totals.refused), (vec![("send", 105, 1)], 1));
}

/// Lists of recent lines are no deliveries, whoever they are for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_verify_is_delivered_as_much() {
    let half = "senders = 0.2\next = 0.0\nverified = 0.5\nrecent = 30";
    let scenario = TALK.replace("senders = 0.2\next = 0.5", half).replace("count = 2", "count = 1");
    assert!(scenario.contains(half));
    let report = play(Fault::None, 0, &scenario).await.unwrap();
    assert_eq!(report.broken().count(), 0, "{:?}", report.checks);
    let totals = &report.totals;
    let verifying = (report.dimensions.verified * 20.0).round() as u64;
    assert!(totals.acked > 10 && (5..=15).contains(&verifying), "{verifying} {totals:?}");
    assert_eq!((totals.lines, totals.deliveries), (verifying * totals.acked, 20 * totals.acked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_found_by_the_law_that_it_breaks() {
    let cases = [lines(), answers(), hidden_texts(), messages(), connections()].concat();
    let found = join_all(cases.iter().map(|case| async move {
        let report = play(case.fault, case.sound, case.scenario).await.unwrap();
        judge(case, &report)
    }))
    .await;
    let wrong: String = found.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong}");
}

fn lines() -> Vec<Case> {
    vec![
        Case { may: READ_FIRST, ..case(Fault::Drops, &[Law::Gaps]) },
        case(Fault::Repeats, &[Law::Duplicates]),
        // Whoever hears the second line first has not heard the first by then: a gap, until it comes.
        case(Fault::Swaps, &[Law::Order, Law::Gaps]),
        // Who reads the second first finds that the answer has another time.
        Case { may: &[(Law::Answers, "the second was read first")], ..case(Fault::Doubles, &[Law::Duplicates]) },
        case(Fault::Jumps, &[Law::Gaps]),
        case(Fault::LeavesOut, &[Law::Gaps]),
        Case { scenario: ACTS, ..case(Fault::ForgetsMissed, &[Law::Gaps]) },
        Case { scenario: ACTS, ..case(Fault::RepeatsMissed, &[Law::Duplicates]) },
        Case { scenario: ACTS, ..case(Fault::HasForgotten, &[Law::Resume]) },
        case(Fault::Miscounts, &[Law::Count]),
    ]
}

fn answers() -> Vec<Case> {
    vec![
        case(Fault::Swallows, &[Law::Lost]),
        case(Fault::Mute, &[Law::Answers]),
        case(Fault::TellsRefused, &[Law::Answers]),
        case(Fault::AnswersUnasked, &[Law::Answers]),
        case(Fault::AnswersOtherwise, &[Law::Answers]),
        Case { scenario: ACTS, ..case(Fault::IgnoresRecent, &[Law::Answers]) },
        // What isn't read isn't told, so that all hear the same.
        Case { scenario: SHOUT, ..case(Fault::StopsReading, &[Law::Answers]) },
    ]
}

fn hidden_texts() -> Vec<Case> {
    vec![
        Case { scenario: ACTS, ..case(Fault::HidesSilently, &[Law::Acts]) },
        Case { scenario: ACTS, ..case(Fault::RecentShows, &[Law::Hidden]) },
        // The line was told before, when nobody had hidden it.
        Case { scenario: ACTS, ..case(Fault::RetellsHidden, &[Law::Hidden, Law::Duplicates]) },
        Case { scenario: ACTS, ..case(Fault::GreetsWithHidden, &[Law::Hidden]) },
    ]
}

fn messages() -> Vec<Case> {
    vec![
        case(Fault::Fat, &[Law::Frames]),
        // Nothing behind it can be read: the viewer leaves, and hears nothing more.
        case(Fault::Huge, &[Law::Frames, Law::Closes]),
        case(Fault::Garbage, &[Law::Wire, Law::Closes]),
        case(Fault::NoJson, &[Law::Wire]),
    ]
}

fn connections() -> Vec<Case> {
    let door = |fault| Case { sound: 12, ..case(fault, &[Law::Joins]) };
    vec![
        case(Fault::HangsUp, &[Law::Closes]),
        // With whoever has the last word gone, nobody can say how many are in; that is no wrong count.
        Case { scenario: ONE_SPEAKS, ..case(Fault::HangsUp, &[Law::Closes]) },
        door(Fault::Slams),
        door(Fault::Silent),
        door(Fault::Upgrades),
        door(Fault::Forbids),
        door(Fault::Unauthorized),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_which_nothing_can_be_played_is_named_at_once() {
    let faults = [Fault::Slams, Fault::Silent, Fault::Upgrades, Fault::Forbids, Fault::Unauthorized];
    for (fault, played) in faults.iter().zip(join_all(faults.map(|fault| play(fault, 0, TALK))).await) {
        let error = played.unwrap_err();
        let words = error.to_string();
        let right = match fault {
            Fault::Unauthorized => matches!(error, DriveError::Refused(_)) && words.contains("401"),
            Fault::Forbids => matches!(error, DriveError::Unreachable(_)) && words.contains("403"),
            Fault::Slams => matches!(error, DriveError::Unreachable(_)) && words.contains("can't reach ws://"),
            _ => matches!(error, DriveError::Unreachable(_)) && words.contains("no answer in 5 s"),
        };
        assert!(right, "{fault:?}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_gives_no_tokens_is_told_from_one_that_is_not_there() {
    let server = Faulty::start(Fault::NoTokens).await;
    let error = load(order(&server, TALK, Tokens::Ask), std::future::pending()).await.unwrap_err();
    assert!(matches!(&error, DriveError::Order(words) if words.contains("--tokens FILE")), "{error:?}");
    let nobody = Order { url: "ws://127.0.0.1:1/chat".to_owned(), ..order(&server, TALK, Tokens::Ask) };
    let error = load(nobody, std::future::pending()).await.unwrap_err();
    assert!(matches!(&error, DriveError::Unreachable(words) if words.contains("127.0.0.1:1")), "{error:?}");
}
