//! The stored form of a channel's state: JSON, read by the build that wrote it and by those that know its version.

mod acts;
mod hidden;
mod own_lines;
mod people;
mod questions;
mod rules;
mod verdicts;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::channel::{By, Channel, Frozen, Hidden, Mark, Newcomers, Trail};
use crate::eventlog::{EventLog, LARGEST_PAGE, LogError, Snapshot};
use crate::model::access::Revoked;
use crate::model::broadcast::Broadcast;
use crate::model::event::Logged;
use crate::model::id::{ChannelId, Cid, Seq, UserId};
use crate::model::principal::Role;
use crate::model::time::Millis;
use crate::policy::revoked::Revocation;

/// The version that this build writes. Version 1 has nothing hidden in it, version 2 not by what it was hidden, and none of
/// what staff did beside, version 3 no questions; this build reads all four.
const VERSION: u8 = 4;

/// Places that lie so near to one another are read together.
const NEAR: u64 = 64;

#[derive(Serialize, Deserialize)]
struct Stored {
    broadcasts: Vec<StoredBroadcast>,
    revocations: Vec<StoredRevocation>,
    newest: i64,
    floor: i64,
    window: u64,
    /// Each by what it is more than the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hidden: Vec<u64>,
    /// The acts that hide them, with their authors' rank, and how many of them in a row; missing before version 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hidden_by: Vec<(u64, u8, usize)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hidden_users: Vec<hidden::StoredUser>,
    #[serde(default, skip_serializing_if = "is_zero")]
    hidden_floor: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped: u64,
    /// Missing before version 3: nothing is remembered of acts before the snapshot.
    #[serde(default)]
    acts_window: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    acts: Vec<acts::StoredAct>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice: Option<acts::StoredNotice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<(u64, acts::StoredNotice)>,
    /// Each by what it is more than the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trail: Vec<u64>,
    #[serde(default)]
    newcomers: [Vec<(String, i64)>; 2],
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grants: Vec<people::StoredGrant>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<people::StoredName>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    restrictions: Vec<people::StoredRestriction>,
    #[serde(default)]
    running: people::StoredRunning,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<rules::StoredRules>,
    #[serde(default, skip_serializing_if = "own_lines::is_usual")]
    own_lines: own_lines::StoredSaying,
    /// How many questions have been asked in the newest broadcast; missing before version 4.
    #[serde(default, skip_serializing_if = "is_zero")]
    asked: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    questions: Vec<questions::StoredQuestion>,
    #[serde(default)]
    verdicts: Option<verdicts::StoredVerdicts>,
    remembered: u64,
    /// Each by what it is more than the one before: numbers of one or two digits, mostly.
    marks: Vec<(u64, i64, i64)>,
    /// What authors of such lines were, by place, where the events don't say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<(u64, u8)>,
}

#[derive(Serialize, Deserialize)]
struct StoredBroadcast {
    cid: String,
    title: String,
    opened: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct StoredRevocation {
    seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    at: i64,
    until: i64,
}

/// The channel's state as it is kept.
pub(super) fn take(frozen: &Frozen) -> Snapshot {
    let mut before = (0, 0, 0);
    let marks = frozen.marks.iter().map(|mark| {
        let (seq, time, by) = (mark.seq.0, mark.time.0, mark.by.0);
        let more = (seq - before.0, time - before.1, by - before.2);
        before = (seq, time, by);
        more
    });
    let stored = Stored {
        broadcasts: frozen.broadcasts.iter().map(stored_broadcast).collect(),
        revocations: frozen.revocations.iter().map(stored_revocation).collect(),
        newest: frozen.newest.0,
        floor: frozen.floor.0,
        window: frozen.window.0,
        hidden: steps(frozen.hidden.places().map(|(place, _)| place)),
        hidden_by: hidden::runs(&frozen.hidden),
        hidden_users: hidden::users(&frozen.hidden),
        acts_window: Some(frozen.acts_window.0),
        acts: frozen.acts.iter().map(acts::stored_act).collect(),
        notice: frozen.notice.as_ref().map(acts::stored_notice),
        taken: frozen.taken.as_ref().map(|(act, notice)| (act.0, acts::stored_notice(notice))),
        trail: steps(frozen.trail.places()),
        newcomers: frozen.newcomers.parts().map(stored_newcomers),
        grants: people::stored_grants(&frozen.grants),
        names: people::stored_names(&frozen.names),
        restrictions: people::stored_restrictions(&frozen.restrictions),
        running: people::stored_running(&frozen.running),
        rules: rules::stored(&frozen.filtering),
        own_lines: own_lines::stored(&frozen.saying),
        hidden_floor: frozen.hidden.floor().0,
        dropped: frozen.dropped.0,
        asked: frozen.asked,
        questions: frozen.questions.iter().map(questions::stored).collect(),
        verdicts: Some(verdicts::stored(&frozen.verdicts)),
        remembered: frozen.remembered.0,
        marks: marks.collect(),
        roles: frozen.marks.iter().filter_map(|mark| Some((mark.seq.0, people::number(mark.role?)))).collect(),
    };
    // Writing plain structs to memory can't fail.
    let bytes = serde_json::to_vec(&stored).unwrap_or_default();
    Snapshot { seq: frozen.seq, version: VERSION, bytes: bytes.into() }
}

/// The state that a snapshot tells of; `None` when this build can't read it.
pub(super) fn read(snapshot: &Snapshot) -> Option<Frozen> {
    if !(1..=VERSION).contains(&snapshot.version) {
        return None;
    }
    let stored: Stored = serde_json::from_slice(&snapshot.bytes).ok()?;
    let mut before = (0_u64, 0_i64, 0_i64);
    let roles: HashMap<u64, u8> = stored.roles.into_iter().collect();
    let mut marks = Vec::with_capacity(stored.marks.len());
    for (seq, time, by) in stored.marks {
        before = (before.0.checked_add(seq)?, before.1.checked_add(time)?, before.2.checked_add(by)?);
        let role = roles.get(&before.0).and_then(|role| people::role(*role));
        marks.push(Mark { seq: Seq(before.0), time: Millis(before.1), by: Millis(before.2), role });
    }
    // Before version 3 nobody wrote down what a line was hidden by.
    let by = |(act, rank, count)| Some(std::iter::repeat_n(By { act: Seq(act), rank: people::role(rank)? }, count));
    let by = stored.hidden_by.into_iter().map(by).collect::<Option<Vec<_>>>()?.into_iter().flatten();
    let nobody = By { act: Seq::default(), rank: Role::SiteManager };
    let hidden = Hidden::new(
        places(stored.hidden)?.into_iter().zip(by.chain(std::iter::repeat(nobody))),
        Seq(stored.hidden_floor),
        stored.hidden_users.into_iter().map(hidden::read_user).collect::<Option<Vec<_>>>()?,
    );
    let [lately, before] = stored.newcomers.map(read_newcomers);
    Some(Frozen {
        seq: snapshot.seq,
        broadcasts: stored.broadcasts.into_iter().map(read_broadcast).collect::<Option<_>>()?,
        revocations: stored.revocations.into_iter().map(read_revocation).collect::<Option<_>>()?,
        newest: Millis(stored.newest),
        floor: Millis(stored.floor),
        window: Seq(stored.window),
        acts_window: stored.acts_window.map_or(snapshot.seq, Seq),
        acts: stored.acts.into_iter().map(acts::read_act).collect(),
        notice: stored.notice.map(acts::read_notice),
        taken: stored.taken.map(|(act, notice)| (Seq(act), acts::read_notice(notice))),
        trail: Trail::new(places(stored.trail)?),
        newcomers: Newcomers::new(lately?, before?),
        grants: people::read_grants(stored.grants)?,
        names: people::read_names(stored.names)?,
        restrictions: people::read_restrictions(stored.restrictions)?,
        running: people::read_running(stored.running)?,
        filtering: rules::read(stored.rules)?,
        saying: own_lines::read(stored.own_lines),
        hidden,
        dropped: Seq(stored.dropped),
        asked: stored.asked,
        questions: stored.questions.into_iter().map(questions::read).collect::<Option<_>>()?,
        verdicts: verdicts::read(stored.verdicts, snapshot.seq)?,
        remembered: Seq(stored.remembered),
        marks,
    })
}

/// The channel as its newest snapshot knows it, or as it is before its first event.
pub(super) async fn restore(log: &dyn EventLog, id: &ChannelId) -> Result<Channel, LogError> {
    let Some(snapshot) = log.snapshot(id).await? else { return Ok(Channel::new(id.clone())) };
    // An older one lacks what staff did: where the log still has it all, it is folded from there once more.
    let whole = snapshot.version < VERSION && log.read(id, Seq::default(), 1).await?.gone == Seq::default();
    let Some(frozen) = read(&snapshot).filter(|_| !whole) else { return Ok(Channel::new(id.clone())) };
    let places = frozen.places();
    let (mut events, mut next): (Vec<Logged>, usize) = (Vec::with_capacity(places.len()), 0);
    while let Some(first) = places.get(next) {
        let page = log.read(id, Seq(first.0 - 1), run(&places[next..])).await?;
        let Some(last) = page.events.last().map(|logged| logged.seq) else { break };
        events.extend(page.events.into_iter().filter(|logged| places[next..].binary_search(&logged.seq).is_ok()));
        // What isn't there is gone from the log.
        next += places[next..].partition_point(|place| *place <= last);
    }
    Ok(Channel::thaw(id.clone(), &frozen, &events))
}

/// As many events as there are at most from the first of these places to the last that is near enough to the one before to
/// be worth reading what lies in between.
fn run(places: &[Seq]) -> usize {
    let far = places.windows(2).position(|pair| pair[1].0 - pair[0].0 > NEAR);
    let last = places.get(far.unwrap_or(places.len() - 1)).copied().unwrap_or_default();
    usize::try_from(last.0 - places[0].0 + 1).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE)
}

/// Places in rising order, each by what it is more than the one before.
fn steps(places: impl Iterator<Item = Seq>) -> Vec<u64> {
    places.scan(0, |before, Seq(place)| Some(place - std::mem::replace(before, place))).collect()
}

/// What [`steps`] made of places.
fn places(steps: Vec<u64>) -> Option<Vec<Seq>> {
    let sums = steps.into_iter().scan(Some(0_u64), |before, more| {
        *before = before.and_then(|before| before.checked_add(more));
        Some(before.map(Seq))
    });
    sums.collect()
}

fn stored_newcomers(users: &HashMap<UserId, i64>) -> Vec<(String, i64)> {
    let mut stored: Vec<_> = users.iter().map(|(user, minute)| (user.to_string(), *minute)).collect();
    stored.sort();
    stored
}

fn read_newcomers(stored: Vec<(String, i64)>) -> Option<Vec<(UserId, i64)>> {
    stored.into_iter().map(|(uid, minute)| Some((UserId::parse(&uid)?, minute))).collect()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn stored_broadcast(broadcast: &Broadcast) -> StoredBroadcast {
    StoredBroadcast {
        cid: broadcast.cid.to_string(),
        title: broadcast.title.clone(),
        opened: broadcast.opened.0,
        closed: broadcast.closed.map(|closed| closed.0),
    }
}

fn read_broadcast(stored: StoredBroadcast) -> Option<Broadcast> {
    let StoredBroadcast { cid, title, opened, closed } = stored;
    Some(Broadcast { cid: Cid::parse(&cid)?, title, opened: Millis(opened), closed: closed.map(Millis) })
}

fn stored_revocation(revocation: &Revocation) -> StoredRevocation {
    let (uid, token) = match &revocation.revoked {
        Revoked::User(uid) => (Some(uid.to_string()), None),
        Revoked::Token(id) => (None, Some(id.clone())),
    };
    StoredRevocation { seq: revocation.seq.0, uid, token, at: revocation.at.0, until: revocation.until.0 }
}

fn read_revocation(stored: StoredRevocation) -> Option<Revocation> {
    let revoked = match (stored.uid, stored.token) {
        (Some(uid), None) => Revoked::User(UserId::parse(&uid)?),
        (None, Some(token)) => Revoked::Token(token),
        _ => return None,
    };
    Some(Revocation { seq: Seq(stored.seq), revoked, at: Millis(stored.at), until: Millis(stored.until) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::channel::{
        Everything, Filtering, FrozenAct, FrozenNotice, FrozenQuestion, Grant, Grants, HeldName, Names, Panic,
        Restriction, Restrictions, Running, Saying, Verdicts,
    };
    use crate::eventlog::memory::Memory;
    use crate::model::event::{Body, Event};
    use crate::model::filter::{FilterChange, Measure, Repeats};
    use crate::model::id::AddressHash;
    use crate::model::mode::{Group, Modes};
    use crate::model::own_lines::OwnLines;
    use crate::model::question::{QuestionChange, QuestionStatus};

    use super::*;

    fn user(uid: &str) -> UserId {
        UserId::parse(uid).unwrap()
    }

    fn filtering() -> Filtering {
        let word = |text: &str, measure| (text.to_owned(), Some(measure));
        let first = FilterChange {
            words: vec![word("나쁜", Measure::Mask), word("bad", Measure::Refuse)],
            patterns: vec![word("x+", Measure::Shadow)],
            hosts: vec![("a.com".to_owned(), true)],
            links: Some(Some(Measure::Blind)),
            repeats: Some(Some(Repeats { most: 9, measure: Measure::Mask })),
            ..FilterChange::default()
        };
        let second = FilterChange {
            no_words: true,
            hosts: vec![("a.com".to_owned(), false)],
            repeats: Some(None),
            marks: Some(Some(Measure::Mask)),
            ..FilterChange::default()
        };
        let mut filtering = Filtering::default();
        assert!(
            filtering.change(Seq(40), Millis(3), "지기", &first) && filtering.change(Seq(41), Millis(4), "", &second)
        );
        filtering
    }

    fn saying() -> Saying {
        let text = |text: &str| Some(text.to_owned());
        let lines = OwnLines { welcome: text("hi"), joined: text("{nickname}"), left: text("bye"), kept: true };
        Saying { lines, before: Some((Seq(42), OwnLines { left: text("gone"), ..OwnLines::default() })) }
    }

    fn frozen() -> Frozen {
        let role = Some(Role::Viewer);
        let mark = |seq, time, by| Mark { seq: Seq(seq), time: Millis(time), by: Millis(by), role };
        let broadcast = |cid: &str, closed: Option<i64>| Broadcast {
            cid: Cid::parse(cid).unwrap(),
            title: "한 \"마당\"".to_owned(),
            opened: Millis(1),
            closed: closed.map(Millis),
        };
        let by = By { act: Seq(13), rank: Role::ChatManager };
        let before = Some((Role::Streamer, Millis(2)));
        let grant = Grant { role: Role::ChatManager, act: Seq(20), at: Millis(8), before };
        let restriction = Restriction {
            act: Seq(21),
            at: Millis(9),
            until: Some(Millis(10)),
            penalty: true,
            times: 3,
            nickname: "나쁜".to_owned(),
            rank: Role::Streamer,
            by: user("mod"),
            by_nickname: "지기".to_owned(),
            reason: "spam".to_owned(),
            address: Some(AddressHash([7; 16])),
            before: None,
        };
        let over = Restriction { act: Seq(22), before: Some(Box::new(restriction.clone())), ..restriction.clone() };
        let modes = Modes { slow_seconds: 30, group: Group::Managers, emoji_only: true, ..Modes::default() };
        let running = Running {
            modes,
            before: Some((Seq(30), Modes::default())),
            panic: Some(Panic { act: Seq(31), modes: Modes::panic(), until: Millis(99) }),
            slowed: [(user("u"), Millis(5))].into(),
        };
        let change = QuestionChange {
            act: Seq(50),
            at: Millis(6),
            by: user("mod"),
            nickname: "지기".to_owned(),
            before: QuestionStatus::Selected,
        };
        let question = |change| FrozenQuestion {
            line: (Seq(9), Millis(7), role),
            number: 3,
            status: QuestionStatus::Answered,
            version: 4,
            voters: vec![1, u64::MAX],
            forgotten: 2,
            change,
            changed: Seq(60),
        };
        let name = |look: &str, address| {
            let looks = vec![look.to_owned(), look.to_uppercase()];
            HeldName { uid: user("g"), looks, address, until: Millis(99) }
        };
        let revocation = |seq, revoked| Revocation { seq: Seq(seq), revoked, at: Millis(9), until: Millis(99) };
        Frozen {
            filtering: filtering(),
            saying: saying(),
            names: Names::new([name("kim", None), name("lee", Some(AddressHash([8; 16])))]),
            seq: Seq(70),
            broadcasts: vec![broadcast("one", Some(5)), broadcast("two", None)],
            revocations: vec![revocation(3, Revoked::User(user("u"))), revocation(4, Revoked::Token("t".to_owned()))],
            newest: Millis(1_790_000_000_000),
            floor: Millis(-5),
            window: Seq(8),
            acts_window: Seq(6),
            acts: vec![FrozenAct {
                seq: Seq(13),
                lines: vec![Seq(9), Seq(12)],
                notice: true,
                modes: true,
                question: Some(Seq(9)),
            }],
            notice: Some(FrozenNotice { act: Seq(14), up: Seq(15), line: Some((Seq(10), Millis(7), role)) }),
            taken: Some((Seq(14), FrozenNotice { act: Seq(11), up: Seq(11), line: None })),
            trail: Trail::new([Seq(11), Seq(13), Seq(14)]),
            grants: Grants::new([
                (user("mod"), grant),
                (user("gone"), Grant { role: Role::Viewer, before: None, ..grant }),
            ]),
            restrictions: Restrictions::new([
                (user("bad"), restriction.clone()),
                (user("worse"), Restriction { until: None, penalty: false, ..restriction }),
                (user("worst"), over),
            ]),
            running,
            newcomers: Newcomers::new([(user("u"), 4)], [(user("v"), 3), (user("w"), 2)]),
            hidden: Hidden::new(
                [(Seq(9), by), (Seq(11), by), (Seq(12), By { rank: Role::Streamer, ..by })],
                Seq(7),
                [(user("bad"), Everything { upto: Seq(8), by, shown: [Seq(7), Seq(8)].into() })],
            ),
            dropped: Seq(4),
            asked: 7,
            questions: vec![question(None), question(Some(change))],
            verdicts: Verdicts::new(
                [(Seq(5), None), (Seq(9), Some(Millis(7)))],
                [(Seq(9), Role::ChatManager)],
                Seq(3),
                [(user("gone"), Seq(6))],
            ),
            remembered: Seq(u64::MAX),
            marks: vec![mark(9, 1_790_000_000_000, 0), mark(12, 1_789_999_999_000, 1_790_000_000_000)],
        }
    }

    #[test]
    fn a_state_comes_back_as_it_went() {
        assert_eq!(read(&take(&frozen())), Some(frozen()));
        assert_eq!(read(&take(&Frozen::default())), Some(Frozen::default()));
    }

    #[test]
    fn what_cannot_be_read_is_no_state() {
        let good = take(&frozen());
        for (version, bytes) in [
            (VERSION + 1, good.bytes.clone()),
            (0, good.bytes.clone()),
            (1, good.bytes.slice(..good.bytes.len() - 1)),
            (1, "".into()),
            (1, String::from_utf8_lossy(&good.bytes).replace("[9,", "[18446744073709551615,").into()),
            (1, String::from_utf8_lossy(&good.bytes).replace("\"two\"", "\"t w o\"").into()),
        ] {
            assert_eq!(read(&Snapshot { seq: good.seq, version, bytes }), None);
        }
    }

    #[tokio::test]
    async fn a_snapshot_that_cannot_be_read_is_passed_over() {
        let log = Memory::new(Arc::default());
        let id = ChannelId::parse("c").unwrap();
        let opened = Body::Opened { cid: Cid::parse("one").unwrap(), title: String::new() };
        log.append(&id, Arc::new(Event::new(Millis(1), opened))).await.unwrap();
        log.put_snapshot(&id, Snapshot { seq: Seq(1), version: 9, bytes: "new".into() }).await.unwrap();
        assert_eq!(restore(&log, &id).await.unwrap(), Channel::new(id));
    }
}
