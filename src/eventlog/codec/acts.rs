//! The stored form of what staff did.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::access::Credential;
use crate::model::act::{Act, Deed, Lines, Pin, PinContent};
use crate::model::id::{Cid, Seq, UserId};
use crate::model::message::{Author, Extras};
use crate::model::mode::{Group, ModeChange};
use crate::model::own_lines::OwnLinesChange;
use crate::model::principal::{Profile, Role};
use crate::model::question::QuestionStatus;
use crate::model::time::Millis;

use super::filters::{StoredFilterChange, read_change, stored_change};
use super::{ROLES, StoredProfile, is_zero, read_profile, stored_profile, value, word};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredAct {
    by: StoredPerson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cid: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    token: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    issued: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    deed: StoredDeed,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredPerson {
    uid: String,
    role: String,
    profile: StoredProfile,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredDeed {
    Hide(StoredLines),
    Show(StoredLines),
    Pin(StoredPin),
    Unpin,
    Kick(StoredPerson),
    Penalize {
        who: StoredPerson,
        until: i64,
    },
    Block {
        who: StoredPerson,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<i64>,
    },
    Lift(StoredPerson),
    Run(StoredModes),
    Panic {
        modes: StoredModes,
        until: i64,
    },
    Calm,
    Filter(StoredFilterChange),
    OwnLines(StoredOwnLines),
    Mark {
        question: u64,
        status: String,
        version: u64,
    },
    Appoint {
        who: StoredPerson,
        role: String,
    },
    Undo {
        act: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredLines {
    One(u64),
    Of(String),
    Sweep { seconds: u32, newcomer_minutes: u32 },
}

/// What is otherwise.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredModes {
    #[serde(skip_serializing_if = "Option::is_none")]
    slow: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follow_minutes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscribers_too: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    real_name: Option<bool>,
}

/// What is said otherwise; an empty text is one that is said no more.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredOwnLines {
    #[serde(skip_serializing_if = "Option::is_none")]
    welcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<bool>,
}

const GROUPS: [(Group, &str); 4] = [
    (Group::All, "all"),
    (Group::Followers, "followers"),
    (Group::Subscribers, "subscribers"),
    (Group::Managers, "managers"),
];

/// With a line or a text.
#[derive(Serialize, Deserialize)]
struct StoredPin {
    cid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    emojis: Vec<(String, String)>,
}

pub(super) fn stored(act: &Act) -> StoredAct {
    let Act { by, cid, credential, key, reason, deed } = act;
    StoredAct {
        by: stored_person(by),
        cid: cid.as_ref().map(Cid::to_string),
        token: credential.token_id.clone(),
        issued: credential.issued.0,
        own: credential.own,
        key: key.clone(),
        reason: reason.clone(),
        deed: match deed {
            Deed::Hide(lines) => StoredDeed::Hide(stored_lines(lines)),
            Deed::Show(lines) => StoredDeed::Show(stored_lines(lines)),
            Deed::Pin(pin) => StoredDeed::Pin(stored_pin(pin)),
            Deed::Unpin => StoredDeed::Unpin,
            Deed::Kick(who) => StoredDeed::Kick(stored_person(who)),
            Deed::Penalize(who, until) => StoredDeed::Penalize { who: stored_person(who), until: until.0 },
            Deed::Block(who, until) => StoredDeed::Block { who: stored_person(who), until: until.map(|until| until.0) },
            Deed::Lift(who) => StoredDeed::Lift(stored_person(who)),
            Deed::Appoint(who, role) => StoredDeed::Appoint { who: stored_person(who), role: word(&ROLES, *role) },
            Deed::Run(change) => StoredDeed::Run(stored_modes(change)),
            Deed::Panic(change, until) => StoredDeed::Panic { modes: stored_modes(change), until: until.0 },
            Deed::Calm => StoredDeed::Calm,
            Deed::Filter(change) => StoredDeed::Filter(stored_change(change)),
            Deed::Say(change) => StoredDeed::OwnLines(stored_own_lines(change)),
            Deed::Mark(question, status, version) => {
                StoredDeed::Mark { question: question.0, status: status.word().to_owned(), version: *version }
            }
            Deed::Undo(act) => StoredDeed::Undo { act: act.0 },
        },
    }
}

fn stored_modes(change: &ModeChange) -> StoredModes {
    StoredModes {
        slow: change.slow_seconds,
        group: change.group.map(|group| word(&GROUPS, group)),
        follow_minutes: change.follow_minutes,
        subscribers_too: change.subscribers_too,
        emoji_only: change.emoji_only,
        real_name: change.real_name,
    }
}

fn read_modes(stored: StoredModes) -> Option<ModeChange> {
    let group = match stored.group {
        Some(name) => Some(value(&GROUPS, &name)?),
        None => None,
    };
    Some(ModeChange {
        slow_seconds: stored.slow,
        group,
        follow_minutes: stored.follow_minutes,
        subscribers_too: stored.subscribers_too,
        emoji_only: stored.emoji_only,
        real_name: stored.real_name,
    })
}

fn stored_own_lines(change: &OwnLinesChange) -> StoredOwnLines {
    let text = |text: &Option<Option<String>>| text.clone().map(Option::unwrap_or_default);
    let OwnLinesChange { welcome, joined, left, kept } = change;
    StoredOwnLines { welcome: text(welcome), joined: text(joined), left: text(left), kept: *kept }
}

fn read_own_lines(stored: StoredOwnLines) -> OwnLinesChange {
    let text = |text: Option<String>| text.map(|text| Some(text).filter(|text| !text.is_empty()));
    let StoredOwnLines { welcome, joined, left, kept } = stored;
    OwnLinesChange { welcome: text(welcome), joined: text(joined), left: text(left), kept }
}

pub(super) fn stored_person(author: &Author) -> StoredPerson {
    StoredPerson {
        uid: author.uid.to_string(),
        role: word(&ROLES, author.role),
        profile: stored_profile(&author.profile),
    }
}

pub(super) fn read_person(person: StoredPerson) -> Option<Author> {
    Some(Author {
        uid: UserId::parse(&person.uid)?,
        profile: Arc::new(read_profile(person.profile)),
        role: value(&ROLES, &person.role)?,
    })
}

fn stored_lines(lines: &Lines) -> StoredLines {
    match lines {
        Lines::One(place) => StoredLines::One(place.0),
        Lines::Of(user) => StoredLines::Of(user.to_string()),
        Lines::Sweep { seconds, newcomer_minutes } => {
            StoredLines::Sweep { seconds: *seconds, newcomer_minutes: *newcomer_minutes }
        }
    }
}

fn stored_pin(pin: &Pin) -> StoredPin {
    let (line, text, emojis) = match &pin.content {
        PinContent::Line(place) => (Some(place.0), None, Vec::new()),
        PinContent::Text(text, extras) => (None, Some(text.clone()), extras.emojis.clone()),
    };
    StoredPin { cid: pin.cid.to_string(), until: pin.until.map(|until| until.0), line, text, emojis }
}

pub(super) fn read(stored: StoredAct) -> Option<Act> {
    let StoredAct { by, cid, token, issued, own, key, reason, deed } = stored;
    Some(Act {
        by: read_person(by)?,
        cid: match cid {
            Some(cid) => Some(Cid::parse(&cid)?),
            None => None,
        },
        credential: Credential { token_id: token, issued: Millis(issued), own },
        key,
        reason,
        deed: match deed {
            StoredDeed::Hide(lines) => Deed::Hide(read_lines(lines)?),
            StoredDeed::Show(lines) => Deed::Show(read_lines(lines)?),
            StoredDeed::Pin(pin) => Deed::Pin(Arc::new(read_pin(pin)?)),
            StoredDeed::Unpin => Deed::Unpin,
            StoredDeed::Kick(who) => Deed::Kick(Arc::new(read_person(who)?)),
            StoredDeed::Penalize { who, until } => Deed::Penalize(Arc::new(read_person(who)?), Millis(until)),
            StoredDeed::Block { who, until } => Deed::Block(Arc::new(read_person(who)?), until.map(Millis)),
            StoredDeed::Lift(who) => Deed::Lift(Arc::new(read_person(who)?)),
            StoredDeed::Appoint { who, role } => Deed::Appoint(Arc::new(read_person(who)?), value(&ROLES, &role)?),
            StoredDeed::Run(change) => Deed::Run(read_modes(change)?),
            StoredDeed::Panic { modes, until } => Deed::Panic(read_modes(modes)?, Millis(until)),
            StoredDeed::Calm => Deed::Calm,
            StoredDeed::Filter(change) => Deed::Filter(Arc::new(read_change(change)?)),
            StoredDeed::OwnLines(change) => Deed::Say(Arc::new(read_own_lines(change))),
            StoredDeed::Mark { question, status, version } => {
                Deed::Mark(Seq(question), QuestionStatus::parse(&status)?, version)
            }
            StoredDeed::Undo { act } => Deed::Undo(Seq(act)),
        },
    })
}

fn read_lines(stored: StoredLines) -> Option<Lines> {
    Some(match stored {
        StoredLines::One(place) => Lines::One(Seq(place)),
        StoredLines::Of(user) => Lines::Of(UserId::parse(&user)?),
        StoredLines::Sweep { seconds, newcomer_minutes } => Lines::Sweep { seconds, newcomer_minutes },
    })
}

fn read_pin(stored: StoredPin) -> Option<Pin> {
    let StoredPin { cid, until, line, text, emojis } = stored;
    let content = match (line, text) {
        (Some(place), None) => PinContent::Line(Seq(place)),
        (None, Some(text)) => PinContent::Text(text, Extras { emojis, ..Extras::default() }),
        _ => return None,
    };
    Some(Pin { cid: Cid::parse(&cid)?, content, until: until.map(Millis) })
}

/// What the first builds wrote down when the site hid a line: only which.
pub(super) fn hidden_by_the_site(place: Seq) -> Option<Act> {
    let by = Author { uid: UserId::parse("site")?, profile: Arc::new(Profile::default()), role: Role::SiteManager };
    let deed = Deed::Hide(Lines::One(place));
    Some(Act { by, cid: None, credential: Credential::of_the_site(), key: String::new(), reason: String::new(), deed })
}

#[cfg(test)]
mod tests {
    use crate::eventlog::codec::{decode, encode};
    use crate::model::event::{Body, Event};
    use crate::model::filter::{FilterChange, Measure, Repeats};

    use super::*;

    #[test]
    fn acts_come_back_as_they_went() {
        let user = UserId::parse("u").unwrap();
        let pin = |content, until| Deed::Pin(Arc::new(Pin { cid: Cid::parse("c").unwrap(), content, until }));
        let emojis = vec![("a".to_owned(), "https://site/a.png".to_owned())];
        let all = ModeChange {
            slow_seconds: Some(5),
            group: Some(Group::Subscribers),
            follow_minutes: Some(6),
            subscribers_too: Some(false),
            emoji_only: Some(true),
            real_name: Some(true),
        };
        let who = Arc::new(Author { uid: user.clone(), profile: Arc::default(), role: Role::Viewer });
        let list = || vec![("a".to_owned(), Some(Measure::Shadow)), ("b".to_owned(), None)];
        let filtered = FilterChange {
            no_words: true,
            words: list(),
            patterns: list(),
            hosts: vec![("a.com".to_owned(), true), ("b.com".to_owned(), false)],
            links: Some(Some(Measure::Mask)),
            repeats: Some(Some(Repeats { most: 7, measure: Measure::Blind })),
            marks: Some(None),
            directions: Some(Some(Measure::Refuse)),
        };
        let own_lines = OwnLinesChange {
            welcome: Some(Some("hi".to_owned())),
            joined: Some(None),
            left: Some(Some("{nickname}".to_owned())),
            kept: Some(true),
        };
        for deed in [
            Deed::Hide(Lines::One(Seq(7))),
            Deed::Hide(Lines::Of(user.clone())),
            Deed::Hide(Lines::Sweep { seconds: 60, newcomer_minutes: 5 }),
            Deed::Show(Lines::One(Seq(7))),
            Deed::Show(Lines::Of(user.clone())),
            pin(PinContent::Line(Seq(8)), None),
            pin(PinContent::Text("t".to_owned(), Extras { emojis, ..Extras::default() }), Some(Millis(9))),
            Deed::Unpin,
            Deed::Kick(who.clone()),
            Deed::Penalize(who.clone(), Millis(9)),
            Deed::Block(who.clone(), Some(Millis(9))),
            Deed::Block(who.clone(), None),
            Deed::Lift(who.clone()),
            Deed::Appoint(who, Role::ChannelManager),
            Deed::Run(ModeChange::default()),
            Deed::Run(all),
            Deed::Panic(all, Millis(7)),
            Deed::Calm,
            Deed::Filter(Arc::new(FilterChange::default())),
            Deed::Mark(Seq(7), QuestionStatus::Selected, 3),
            Deed::Say(Arc::new(OwnLinesChange::default())),
            Deed::Say(Arc::new(own_lines)),
            Deed::Filter(Arc::new(filtered)),
            Deed::Undo(Seq(9)),
        ] {
            let by = Author { uid: user.clone(), profile: Arc::default(), role: Role::ChatManager };
            let credential = Credential { token_id: "t".to_owned(), issued: Millis(4), own: true };
            let act =
                Act { by, cid: Cid::parse("c"), credential, key: "k".to_owned(), reason: "spam".to_owned(), deed };
            for body in [Body::Act(Arc::new(act)), Body::Lapsed { act: Seq(3) }] {
                let event = Event::new(Millis(5), body);
                assert_eq!(decode(event.id, &encode(&event)), event);
            }
        }
    }

    #[test]
    fn what_the_first_builds_hid_stays_hidden() {
        let event = decode(
            Event::new(Millis(0), Body::Erased { question: false }).id,
            b"\x01{\"at\":5,\"type\":\"hidden\",\"seq\":7}",
        );
        let Body::Act(act) = event.body else { panic!("{event:?}") };
        assert_eq!((act.by.role, &act.deed), (Role::SiteManager, &Deed::Hide(Lines::One(Seq(7)))));
    }
}
