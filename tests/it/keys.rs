//! The same request twice, after a restart: done once, and never taken for another one.

use std::sync::Arc;

use madang::eventlog::EventLog;
use madang::eventlog::memory::Memory;
use madang::model::access::Credential;
use madang::model::act::{Asked, Deed, Name, Wish};
use madang::model::announcement::{Announcement, News};
use madang::model::event::{Body, Event};
use madang::model::filter::{FilterChange, Measure};
use madang::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use madang::model::message::{Author, Draft, Kind, Line, Receipt};
use madang::model::mode::ModeChange;
use madang::model::principal::Role;
use madang::model::question::{QuestionStatus, Vote};
use madang::model::time::Millis;
use madang::node::{HistoryQuery, SiteLine, StationError};

use crate::support::yard::{NOON, Yard, open_yard};

fn demo() -> ChannelId {
    ChannelId::parse("c1").unwrap()
}

fn by(uid: &str, role: Role) -> Author {
    Author { uid: UserId::parse(uid).unwrap(), profile: Arc::default(), role }
}

/// A channel on air, and a way to start another gateway over its log.
async fn on_air(log: &Memory) -> (Yard, Cid) {
    let yard = again(log).await;
    yard.node.list_channel(&demo(), "c").await.unwrap();
    let cid = yard.node.open_broadcast(&demo(), "t").await.unwrap();
    (yard, cid)
}

async fn again(log: &Memory) -> Yard {
    Yard::over(Arc::new(log.clone()), open_yard()).await
}

async fn says(yard: &Yard, id: EventId, uid: &str, text: &str, kind: Kind) -> Result<Receipt, StationError> {
    let draft = Draft { kind, text: text.to_owned(), ..Draft::default() };
    let line = SiteLine { author: by(uid, Role::Viewer), known: Default::default(), draft, occasion: None, id };
    yard.node.say(&demo(), line, &yard.node.access("root").unwrap()).await.map(|(_, receipt)| receipt)
}

async fn acts(yard: &Yard, id: EventId, wish: Wish) -> Result<Option<Receipt>, StationError> {
    let (asked, access) = (Asked { reason: String::new(), wish }, yard.node.access("root").unwrap());
    yard.node.act_as_site(&demo(), asked, by("site", Role::SiteManager), &access, id).await
}

async fn announces(yard: &Yard, id: EventId, json: &str) -> Result<Receipt, StationError> {
    let (news, access) = (News::Event(json.to_owned()), yard.node.access("root").unwrap());
    yard.node.announce(&demo(), news, &access, id).await.map(|(_, receipt)| receipt)
}

#[tokio::test]
async fn a_line_under_a_key_is_never_said_in_place_of_another() {
    let log = Memory::new(Arc::default());
    let (yard, _) = on_air(&log).await;
    let id = EventId::derived("k1");
    let first = says(&yard, id, "u", "one", Kind::Text).await.unwrap();
    let next = again(&log).await;
    assert_eq!(says(&next, id, "u", "one", Kind::Text).await.unwrap(), first);
    for (uid, text, kind) in [("u", "two", Kind::Text), ("v", "one", Kind::Text), ("u", "one", Kind::Question)] {
        let other = says(&next, id, uid, text, kind).await;
        assert!(matches!(other, Err(StationError::OtherContent)), "{uid} {text}: {other:?}");
    }
}

#[tokio::test]
async fn an_act_under_a_key_is_never_done_in_place_of_another() {
    let log = Memory::new(Arc::default());
    let (yard, _) = on_air(&log).await;
    let question = says(&yard, EventId::fresh(), "u", "why?", Kind::Question).await.unwrap().seq;
    let mark = |status, version| Wish::Mark(Name::Place(question), status, version);
    let id = EventId::derived("mk");
    let done = acts(&yard, id, mark(QuestionStatus::Selected, 1)).await.unwrap();
    let next = again(&log).await;
    let other = acts(&next, id, mark(QuestionStatus::Dismissed, 2)).await;
    assert!(matches!(other, Err(StationError::OtherContent)), "{other:?}");
    let slow = |seconds| Wish::Run(ModeChange { slow_seconds: Some(seconds), ..ModeChange::default() });
    let id = EventId::derived("slow");
    let ran = acts(&next, id, slow(5)).await.unwrap();
    let penalty = EventId::derived("penalty");
    let bad = UserId::parse("bad").unwrap();
    let penalized = acts(&next, penalty, Wish::Penalize(bad.clone(), 60)).await.unwrap();
    let last = again(&log).await;
    last.clock.advance(5_000);
    assert_eq!(acts(&last, id, slow(5)).await.unwrap(), ran);
    assert!(matches!(acts(&last, id, slow(10)).await, Err(StationError::OtherContent)));
    assert_eq!(acts(&last, penalty, Wish::Penalize(bad.clone(), 60)).await.unwrap(), penalized, "as long as then");
    assert!(matches!(acts(&last, penalty, Wish::Penalize(bad, 61)).await, Err(StationError::OtherContent)));
    assert_ne!(done, ran);
}

#[tokio::test]
async fn what_was_refused_as_a_broadcast_ended_is_done_when_it_is_asked_for_again() {
    let log = Memory::new(Arc::default());
    let (yard, old) = on_air(&log).await;
    let cid = yard.node.open_broadcast(&demo(), "next").await.unwrap();
    // What was admitted in the old broadcast and came into the log behind its end.
    let refused = async |id: EventId, body: Body| {
        log.append(&demo(), Arc::new(Event { id, at: Millis(NOON), body })).await.unwrap();
    };
    let (told, voted) = (EventId::derived("told"), EventId::derived("voted"));
    let news = News::Event(r#"{"type":"X"}"#.to_owned());
    refused(told, Body::Announced(Arc::new(Announcement { cid: old.clone(), key: "k".to_owned(), news }))).await;
    let question = says(&yard, EventId::fresh(), "u", "why?", Kind::Question).await.unwrap().seq;
    let ballot = Vote {
        cid: old,
        uid: UserId::parse("v").unwrap(),
        role: Role::Viewer,
        subscribed: false,
        credential: Default::default(),
        known: Default::default(),
        question,
        up: true,
    };
    refused(voted, Body::Vote(Arc::new(ballot))).await;
    let mut places = Vec::new();
    for gateway in [&yard, &again(&log).await, &again(&log).await] {
        let receipt = announces(gateway, told, r#"{"type":"X"}"#).await.unwrap();
        places.push(receipt.seq);
        let access = gateway.node.access("root").unwrap();
        let voter = (by("v", Role::Viewer), Default::default());
        let view = gateway.node.vote_as_site(&demo(), voter, (question, true), &access, voted).await.unwrap();
        assert_eq!(view.state.votes, 1);
    }
    assert!(places.windows(2).all(|pair| pair[0] == pair[1]), "told once: {places:?}");
    let page = log.read(&demo(), Seq(0), 1_000).await.unwrap();
    let here = |body: &Body| matches!(body, Body::Announced(announcement) if announcement.cid == cid);
    assert_eq!(page.events.iter().filter(|logged| here(&logged.event.body)).count(), 1);
    let other = announces(&yard, told, r#"{"type":"Y"}"#).await;
    assert!(matches!(other, Err(StationError::OtherContent)), "{other:?}");
}

#[tokio::test]
async fn an_act_that_changed_nothing_or_is_no_longer_remembered_is_known_by_its_key_too() {
    let log = Memory::new(Arc::default());
    let (yard, _) = on_air(&log).await;
    let words = |word: &str| {
        let words = vec![(word.to_owned(), Some(Measure::Mask))];
        Wish::Filter(FilterChange { words, ..FilterChange::default() })
    };
    let slow = |seconds| Wish::Run(ModeChange { slow_seconds: Some(seconds), ..ModeChange::default() });
    let block = |days| Wish::Block(UserId::parse("bad").unwrap(), Some(days));
    let [filtered, ran, blocked] = ["f", "m", "b"].map(EventId::derived);
    let first = acts(&yard, filtered, words("foo")).await.unwrap();
    assert!(first.is_some());
    assert_eq!(acts(&yard, ran, slow(0)).await.unwrap(), None, "it was so already");
    let held = acts(&yard, blocked, block(1)).await.unwrap();
    yard.node.open_broadcast(&demo(), "another").await.unwrap();
    let next = again(&log).await;
    assert_eq!(acts(&next, filtered, words("foo")).await.unwrap(), first);
    assert_eq!(acts(&next, ran, slow(0)).await.unwrap(), None);
    assert_eq!(acts(&next, blocked, block(1)).await.unwrap(), held);
    for (id, other) in [(filtered, words("bar")), (ran, slow(30)), (blocked, block(30))] {
        let done = acts(&next, id, other).await;
        assert!(matches!(done, Err(StationError::OtherContent)), "{done:?}");
    }
    assert_eq!(next.node.running(&demo()).await.unwrap().modes.slow_seconds, 0);
    let site = |word: &str| {
        let words = vec![(word.to_owned(), Some(Measure::Mask))];
        Deed::Filter(Arc::new(FilterChange { words, ..FilterChange::default() }))
    };
    let rules = async |yard: &Yard, word: &str| {
        let (why, access) = ((by("site", Role::SiteManager), String::new()), yard.node.access("root").unwrap());
        yard.node.rule_site(site(word), why, &access, EventId::derived("site")).await
    };
    let ruled = rules(&next, "one").await.unwrap();
    let last = again(&log).await;
    assert_eq!(rules(&last, "one").await.unwrap(), ruled);
    assert!(matches!(rules(&last, "two").await, Err(StationError::OtherContent)));
}

#[tokio::test]
async fn a_line_that_rules_overtook_is_said_once_whoever_asks_for_it_again() {
    let log = Memory::new(Arc::default());
    let (yard, cid) = on_air(&log).await;
    let words = vec![("curse".to_owned(), Some(Measure::Mask))];
    acts(&yard, EventId::fresh(), Wish::Filter(FilterChange { words, ..FilterChange::default() })).await.unwrap();
    // It was judged before the rules changed, and came into the log behind them; then the gateway was killed.
    let id = EventId::derived("overtaken");
    let line = Line {
        cid,
        author: by("u", Role::Viewer),
        draft: Draft { text: "said once".to_owned(), ..Draft::default() },
        members: 0,
        credential: Credential::of_the_site(),
        known: Default::default(),
        occasion: None,
        filtered: None,
        judged: Seq(0),
    };
    log.append(&demo(), Arc::new(Event { id, at: Millis(NOON), body: Body::Line(Arc::new(line)) })).await.unwrap();
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.push(says(&again(&log).await, id, "u", "said once", Kind::Text).await.unwrap());
    }
    assert!(receipts.windows(2).all(|pair| pair[0] == pair[1]), "{receipts:?}");
    let reader = &mut again(&log).await;
    let query = HistoryQuery::default();
    let lines = reader.node.history(&demo(), &query, 9, |lines, _| lines.len()).await.unwrap();
    assert_eq!(lines, 1);
    assert!(matches!(says(&yard, id, "u", "something else", Kind::Text).await, Err(StationError::OtherContent)));
}
