mod acts;
mod modes;
mod names;
mod people;
mod questions;
mod verdicts;

use super::*;
use crate::model::access::{Credential, Revoked};
use crate::model::act::{Act, Deed, Lines};
use crate::model::id::UserId;
use crate::model::message::Draft;
use crate::model::mode::Known;
use crate::model::mode::ModeChange;
use crate::model::principal::{Profile, Role};

fn cid(text: &str) -> Cid {
    Cid::parse(text).unwrap()
}

fn author(uid: &str) -> Author {
    Author { uid: UserId::parse(uid).unwrap(), profile: Arc::new(Profile::default()), role: Role::Viewer }
}

fn draft(text: &str, retry: bool) -> Draft {
    Draft { text: text.to_owned(), tid: "3".to_owned(), client_time: 7, retry, ..Draft::default() }
}

fn line(uid: &str, draft: Draft) -> Line {
    let (author, credential, known) = (author(uid), Credential::default(), Known::default());
    Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: cid("one"),
        author,
        draft,
        members: 1,
        credential,
        known,
    }
}

/// A channel and the events that made it.
struct Scene {
    channel: Channel,
    log: Vec<Logged>,
}

impl Scene {
    fn on_air() -> Self {
        let channel = Channel::new(ChannelId::parse("c").unwrap());
        let mut scene = Self { channel, log: Vec::new() };
        scene.happens(0, Body::Opened { cid: cid("one"), title: "first".to_owned() });
        scene
    }

    fn happens(&mut self, at: i64, body: Body) -> Verdict {
        let seq = Seq(self.log.len() as u64 * 3 + 1);
        let logged = Logged { seq, event: Arc::new(Event::new(Millis(at), body)) };
        self.log.push(logged.clone());
        self.channel.apply(&logged)
    }

    fn says(&mut self, at: i64, uid: &str, draft: Draft) -> Verdict {
        let line = Line {
            occasion: None,
            filtered: None,
            judged: Default::default(),
            cid: cid("one"),
            author: author(uid),
            draft,
            members: 1,
            credential: Credential::default(),
            known: Default::default(),
        };
        self.happens(at, Body::Line(Arc::new(line)))
    }

    fn acts(&mut self, at: i64, deed: Deed) -> Verdict {
        self.acts_by(at, Role::Streamer, deed)
    }

    fn acts_by(&mut self, at: i64, role: Role, deed: Deed) -> Verdict {
        let by = Author { role, ..author("staff") };
        let act = Act {
            by,
            cid: None,
            credential: Credential::default(),
            key: String::new(),
            reason: "why".to_owned(),
            deed,
        };
        self.happens(at, Body::Act(Arc::new(act)))
    }

    /// Which lines an act is told of.
    fn told(&mut self, at: i64, deed: Deed) -> Vec<Seq> {
        let Verdict::Act(act) = self.acts(at, deed) else { panic!() };
        act.lines.to_vec()
    }

    fn stamped(&mut self, at: i64, uid: &str) -> i64 {
        let Verdict::Line(kept) = self.says(at, uid, draft(&format!("{at} {uid}"), false)) else { panic!() };
        kept.time.0
    }
}

#[test]
fn an_authors_lines_have_different_times() {
    let mut scene = Scene::on_air();
    assert_eq!([scene.stamped(5, "a"), scene.stamped(5, "a"), scene.stamped(5, "b")], [5, 6, 5]);
    assert_eq!([scene.stamped(4, "a"), scene.stamped(100, "a")], [7, 100]);
}

#[test]
fn times_stay_unique_when_a_clock_jumps_back_past_what_is_remembered() {
    let mut scene = Scene::on_air();
    let mut seen = std::collections::HashSet::new();
    for at in [1_000, 1_000, 500_000, 500_001, 1_000, 1_001, 440_001, 900_000, 500_000] {
        assert!(seen.insert(scene.stamped(at, "a")), "{at}");
    }
}

#[test]
fn what_is_remembered_of_authors_is_bounded_and_times_stay_unique_beyond_it() {
    let mut scene = Scene::on_air();
    let first = scene.stamped(5_000, "first");
    for turn in 0..100_000 {
        scene.stamped(5_001, ["a", "b", "c", "d"][turn % 4]);
    }
    let says = |scene: &mut Scene, retry| scene.says(5_000, "first", draft("5000 first", retry));
    let Verdict::Line(again) = says(&mut scene, true) else { panic!("the first is forgotten") };
    assert!(again.time.0 > first, "{} after {first}", again.time.0);
}

#[test]
fn only_a_declared_repeat_is_one() {
    let mut scene = Scene::on_air();
    let Verdict::Line(first) = scene.says(10, "a", draft("hi", false)) else { panic!() };
    let receipt = Receipt { id: first.id, time: first.time, seq: first.seq };
    assert_eq!(scene.says(20, "a", draft("hi", true)), Verdict::Repeat(receipt));
    assert!(matches!(scene.says(20, "a", draft("hi", false)), Verdict::Line(_)), "retry:false is never merged");
    assert!(matches!(scene.says(20, "a", draft("ho", true)), Verdict::Line(_)), "another text");
    assert!(matches!(scene.says(20, "b", draft("hi", true)), Verdict::Line(_)), "another author");
    assert!(matches!(scene.says(200_000, "a", draft("hi", true)), Verdict::Line(_)), "more than two minutes");
}

#[test]
fn nothing_is_said_outside_a_broadcast() {
    let mut scene = Scene::on_air();
    assert!(matches!(scene.says(1, "a", draft("before", false)), Verdict::Line(_)));
    assert_eq!(scene.happens(2, Body::Opened { cid: cid("two"), title: String::new() }), Verdict::Opened(cid("two")));
    assert_eq!(scene.says(3, "a", draft("late", false)), Verdict::Rejected(Refusal::BroadcastEnded));
    assert_eq!(scene.channel.recent(&cid("one"), 10, None).len(), 0);
    assert_eq!(scene.channel.recent(&cid("two"), 10, None).len(), 0);
    assert_eq!(scene.happens(4, Body::Closed { cid: cid("two") }), Verdict::Closed(cid("two")));
    assert_eq!(scene.happens(5, Body::Closed { cid: cid("two") }), Verdict::Nothing);
    assert_eq!(scene.channel.on_air(), None);
    let ends = scene.channel.broadcasts().iter().map(|broadcast| broadcast.closed.unwrap().0);
    assert_eq!(ends.collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn a_retry_of_an_accepted_line_is_not_denied_when_the_broadcast_has_ended() {
    let mut scene = Scene::on_air();
    let Verdict::Line(first) = scene.says(1, "a", draft("hi", false)) else { panic!() };
    scene.happens(2, Body::Closed { cid: cid("one") });
    let receipt = Receipt { id: first.id, time: first.time, seq: first.seq };
    let limits = Limits::default();
    assert_eq!(scene.channel.admit(&limits, Millis(0), &mut line("a", draft("hi", true))), Ok(Some(receipt)));
    let new = scene.channel.admit(&limits, Millis(0), &mut line("a", draft("new", true)));
    assert_eq!(new, Err(Refusal::BroadcastEnded));
    assert_eq!(scene.says(3, "a", draft("hi", true)), Verdict::Repeat(receipt));
    assert_eq!(scene.says(4, "a", draft("new", true)), Verdict::Rejected(Refusal::BroadcastEnded));
}

#[test]
fn an_event_of_a_newer_build_makes_the_channel_read_only() {
    let mut scene = Scene::on_air();
    scene.happens(1, Body::Unreadable { version: 9 });
    assert_eq!(scene.says(2, "a", draft("x", false)), Verdict::Rejected(Refusal::ChannelReadOnly));
    let admitted = scene.channel.admit(&Limits::default(), Millis(0), &mut line("a", draft("x", false)));
    assert_eq!(admitted, Err(Refusal::ChannelReadOnly));
}

#[test]
fn every_machine_comes_to_the_same_state() {
    let mut scene = Scene::on_air();
    for turn in 0..500_i64 {
        let (at, author) = ((turn * 7_919) % 400_000, ["a", "b", "c"][turn as usize % 3]);
        scene.says(at, author, draft(&format!("line {}", turn % 40), turn % 5 == 0));
    }
    let mut other = Channel::new(ChannelId::parse("c").unwrap());
    for logged in &scene.log {
        other.apply(logged);
        assert_eq!(other.apply(logged), Verdict::Nothing, "a tail that repeats itself changes nothing");
    }
    assert_eq!(other, scene.channel);
}

#[test]
fn a_line_behind_the_revocation_of_its_token_is_rejected() {
    let mut scene = Scene::on_air();
    let issued = |issued: i64| Credential { token_id: "t".to_owned(), issued: Millis(issued), own: false };
    let says = |scene: &mut Scene, at: i64, credential: Credential| {
        let line = Line {
            occasion: None,
            filtered: None,
            judged: Default::default(),
            cid: cid("one"),
            author: author("a"),
            draft: draft("x", false),
            members: 1,
            credential,
            known: Default::default(),
        };
        scene.happens(at, Body::Line(Arc::new(line)))
    };
    assert!(matches!(says(&mut scene, 5_000, issued(1_000)), Verdict::Line(_)));
    scene.happens(6_000, Body::Revoked { revoked: Revoked::User(UserId::parse("a").unwrap()), until: Millis(6_000) });
    assert_eq!(says(&mut scene, 7_000, issued(1_000)), Verdict::Rejected(Refusal::TokenRevoked));
    assert!(matches!(says(&mut scene, 8_000, issued(7_000)), Verdict::Line(_)), "a new token of the same user");
    scene.happens(9_000, Body::Revoked { revoked: Revoked::Token("t".to_owned()), until: Millis(9_000) });
    assert_eq!(says(&mut scene, 10_000, issued(9_500)), Verdict::Rejected(Refusal::TokenRevoked));
    assert!(matches!(says(&mut scene, 11_000, Credential::of_the_site()), Verdict::Line(_)));
}

/// The state after a nap, from the log as a store would give it.
fn thawed(scene: &Scene) -> Channel {
    let frozen = scene.channel.freeze().unwrap();
    let places = frozen.places();
    let there = |logged: &&Logged| places.binary_search(&logged.seq).is_ok();
    let lines: Vec<Logged> = scene.log.iter().filter(there).cloned().collect();
    Channel::thaw(ChannelId::parse("c").unwrap(), &frozen, &lines)
}

#[test]
fn a_state_that_was_frozen_is_the_same_and_goes_on_the_same() {
    let mut scene = Scene::on_air();
    assert_eq!(thawed(&scene), scene.channel, "of a broadcast that nobody spoke in");
    for turn in 0..600_i64 {
        let (at, author) = ((turn * 7_919) % 400_000, ["a", "b", "c"][turn as usize % 3]);
        scene.says(at, author, draft(&format!("line {}", turn % 40), turn % 5 == 0));
        if turn == 200 {
            let revoked = Revoked::User(UserId::parse("z").unwrap());
            scene.happens(at, Body::Revoked { revoked, until: Millis(at) });
        }
        if turn % 97 == 0 {
            assert_eq!(thawed(&scene), scene.channel, "after {turn}");
        }
    }
    scene.happens(400_000, Body::Opened { cid: cid("two"), title: "second".to_owned() });
    assert_eq!(thawed(&scene), scene.channel, "authors of the broadcast before are remembered");
    let mut later = thawed(&scene);
    let line = Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: cid("two"),
        author: author("a"),
        draft: draft("new", false),
        members: 1,
        credential: Credential::default(),
        known: Default::default(),
    };
    let logged = Logged { seq: Seq(9_999), event: Arc::new(Event::new(Millis(3), Body::Line(Arc::new(line)))) };
    assert_eq!(later.apply(&logged), scene.channel.apply(&logged));
    assert_eq!(later, scene.channel);
}

#[test]
fn a_line_that_comes_into_the_log_behind_its_own_retry_is_that_line() {
    let mut scene = Scene::on_air();
    let Verdict::Line(retry) = scene.says(20, "a", draft("x", true)) else { panic!() };
    let receipt = Receipt { id: retry.id, time: retry.time, seq: retry.seq };
    assert_eq!(scene.says(10, "a", draft("x", false)), Verdict::Repeat(receipt), "it was admitted before");
    assert_eq!(thawed(&scene), scene.channel);
    let mut later = thawed(&scene);
    assert!(matches!(scene.says(21, "a", draft("x", false)), Verdict::Line(_)), "a new send is a line");
    assert!(matches!(later.apply(scene.log.last().unwrap()), Verdict::Line(_)));
    assert_eq!(later, scene.channel);
}

#[test]
fn what_is_shown_to_those_who_come_late_is_bounded_by_lines_and_bytes() {
    let mut scene = Scene::on_air();
    for turn in 0..5_000 {
        scene.says(turn, "a", draft("x", false));
    }
    let shown = |scene: &Scene| scene.channel.recent(&cid("one"), usize::MAX, None);
    assert_eq!(shown(&scene).len(), 4_096);
    scene.says(400_000, "a", draft("much later", false));
    assert_eq!(scene.channel.freeze().unwrap().marks.len(), 4_096, "what nobody remembers needs no mark");
    assert_eq!(thawed(&scene), scene.channel);

    for turn in 400_001..404_500 {
        scene.says(turn, "a", draft(&"x".repeat(8_000), false));
    }
    let bytes: usize = shown(&scene).iter().map(|item| item.text().len() + 512).sum();
    assert!((8_380_000..=8 * 1024 * 1024).contains(&bytes), "{bytes}");
    assert_eq!(thawed(&scene), scene.channel);
}

#[test]
fn what_has_been_missed_is_told_from_any_place_that_is_remembered() {
    let mut scene = Scene::on_air();
    for turn in 0..5_000 {
        scene.says(turn, "a", draft(&turn.to_string(), false));
    }
    let channel = &scene.channel;
    let begins = channel.remembers_from();
    assert_eq!(channel.place_before(4_096), begins);
    assert_eq!(channel.between(begins, channel.seq()).len(), 4_096);
    let place = channel.place_before(10);
    let missed = channel.between(place, channel.seq());
    assert_eq!(
        missed.iter().map(|item| item.line().unwrap().text()).collect::<Vec<_>>(),
        (4_990..5_000).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert_eq!(channel.lines_upto(channel.seq()) - channel.lines_upto(place), 10);
    assert_eq!(channel.lines_upto(begins), 904, "lines that are forgotten are counted");
    assert_eq!(channel.between(channel.seq(), place).len(), 0);
}

#[test]
fn lines_that_are_gone_from_the_log_are_forgotten() {
    let mut scene = Scene::on_air();
    for turn in 0..10 {
        scene.says(turn, "a", draft("x", false));
    }
    let frozen = scene.channel.freeze().unwrap();
    let thawed = Channel::thaw(ChannelId::parse("c").unwrap(), &frozen, &scene.log[6..]);
    assert_eq!(thawed.seq(), scene.channel.seq());
    assert_eq!(thawed.recent(&cid("one"), 99, None).len(), 5);
}

#[test]
fn whoever_reads_lines_before_they_are_erased_goes_on_like_whoever_reads_them_after() {
    let mut scene = Scene::on_air();
    let slow = |slow_seconds| Deed::Run(ModeChange { slow_seconds: Some(slow_seconds), ..ModeChange::default() });
    scene.acts(10, slow(10));
    scene.says(20, "a", draft("one", false));
    scene.says(21, "b", draft("two", false));
    scene.acts(30, slow(0));
    scene.says(200_000, "b", draft("three", false));
    scene.acts(200_010, slow(10));
    scene.says(200_020, "b", draft("four", false));
    scene.happens(200_030, Body::Wiped { uid: UserId::parse("b").unwrap() });
    let mut late = Channel::new(ChannelId::parse("c").unwrap());
    for logged in &scene.log {
        let theirs = matches!(&logged.event.body, Body::Line(line) if line.author.uid.as_str() == "b");
        let event = Event { body: logged.event.body.erased(), ..Event::clone(&logged.event) };
        late.apply(&if theirs { Logged { event: event.into(), ..logged.clone() } } else { logged.clone() });
    }
    assert_eq!(late.freeze(), scene.channel.freeze(), "both say the same of what comes");
    assert!(
        matches!(scene.says(200_031, "b", draft("five", false)), Verdict::Line(_)),
        "slow mode knows nothing of them"
    );
    assert_eq!(
        late.apply(scene.log.last().unwrap()),
        Verdict::Line(scene.channel.line_at(scene.channel.seq()).unwrap().clone())
    );
}

#[test]
fn what_this_build_cannot_read_is_not_frozen() {
    let mut scene = Scene::on_air();
    scene.happens(1, Body::Unreadable { version: 9 });
    assert_eq!(scene.channel.freeze(), None, "a later build has to read it again");
}

#[test]
fn acts_are_frozen_and_go_on_the_same() {
    let mut scene = Scene::on_air();
    for turn in 0..40 {
        scene.says(turn, ["a", "b", "c"][turn as usize % 3], draft(&turn.to_string(), false));
    }
    let place = |index: usize, scene: &Scene| scene.log[index].seq;
    let (one, old, never) = (place(21, &scene), place(10, &scene), Seq(9_999));
    let hide = |place| Deed::Hide(Lines::One(place));
    assert_eq!(scene.told(50, hide(one)), [one]);
    assert_eq!(scene.acts(50, hide(one)), Verdict::Nothing, "it is hidden");
    let none = Verdict::Rejected(Refusal::NoSuchLine);
    assert_eq!(scene.acts(50, hide(never)), none, "nothing is hidden in advance");
    assert_eq!(scene.acts(50, hide(Seq(u64::MAX))), none);
    let wiped = UserId::parse("b").unwrap();
    let Verdict::Wiped(who, told) = scene.happens(51, Body::Wiped { uid: wiped.clone() }) else { panic!() };
    assert!(who == wiped && told.is_silent());
    assert!(matches!(scene.happens(52, Body::Dropped { upto: old }), Verdict::Dropped(upto, _) if upto == old));
    assert_eq!(scene.happens(52, Body::Dropped { upto: Seq(u64::MAX) }), Verdict::Nothing);
    assert_eq!(scene.told(53, hide(old)), [old], "it may still be on its way");
    assert_eq!(thawed(&scene), scene.channel);
    assert_eq!(scene.channel.remembers_from(), old);
    let shown = scene.channel.recent(&cid("one"), 99, None);
    assert!(shown.iter().all(|line| line.seq() > old && line.author().uid.as_str() != "b"));
    assert_eq!(shown.iter().filter(|line| line.text().is_empty()).map(LineView::seq).collect::<Vec<_>>(), [one]);

    // The retry of whoever was erased is a line of its own.
    let mut later = thawed(&scene);
    let Verdict::Line(again) = scene.says(0, "b", draft("37", true)) else { panic!() };
    assert_eq!(again.line.draft.text, "37");
    later.apply(scene.log.last().unwrap());
    assert_eq!(later, scene.channel);
}
