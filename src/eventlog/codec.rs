//! The stored form of an event: one version byte, then JSON.
//!
//! It is spelled here and nowhere else, and never by a derive of `model`: a name that changes there must not change
//! what is on disk. `tests/log-versions/` keeps one file for every released version; every later build reads them all.

mod acts;
mod filters;
mod occasions;
mod questions;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::access::{ApiKey, Credential, Permission, Revoked};
use crate::model::event::{Body, Event};
use crate::model::guest::Naming;
use crate::model::id::{AddressHash, ChannelId, Cid, EventId, Seq, UserId};
use crate::model::message::{Author, Draft, Extras, Kind, Line, Os};
use crate::model::mode::Known;
use crate::model::principal::{Profile, Role, Subscription, Title, ViewerBadge};
use crate::model::time::Millis;

/// The version that this build writes.
pub const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    at: i64,
    #[serde(flatten)]
    body: StoredBody,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum StoredBody {
    Opened {
        cid: String,
        title: String,
    },
    Closed {
        cid: String,
    },
    Line(Box<StoredLine>),
    /// A line of which the rules have made something: builds that know nothing of them must not show it.
    Filtered(Box<StoredLine>),
    /// A donation or a subscription: builds that know nothing of them must not show an ordinary line.
    Special(Box<StoredLine>),
    Announced(Box<occasions::StoredAnnouncement>),
    Listed {
        channel: String,
        name: String,
    },
    Unlisted {
        channel: String,
    },
    Allotted {
        cid: String,
        channel: String,
    },
    Revoked(StoredRevoked),
    /// A line was hidden by the site, as the first builds wrote it.
    Hidden {
        seq: u64,
    },
    Vote(Box<questions::StoredVote>),
    Named {
        uid: String,
        nickname: String,
        looks: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        until: i64,
    },
    Act(Box<acts::StoredAct>),
    Lapsed {
        act: u64,
    },
    Wiped {
        uid: String,
    },
    Dropped {
        upto: u64,
    },
    #[serde(rename = "key_made")]
    KeyMade(Box<StoredKey>),
    #[serde(rename = "key_revoked")]
    KeyRevoked {
        key: String,
    },
    Erased {
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        question: bool,
    },
}

/// One of the two.
#[derive(Serialize, Deserialize)]
struct StoredRevoked {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    until: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    key: String,
    name: String,
    /// SHA-256 in hexadecimal digits.
    digest: String,
    permissions: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dev: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredLine {
    cid: String,
    uid: String,
    role: String,
    profile: StoredProfile,
    kind: String,
    text: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    os: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    emojis: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tid: String,
    #[serde(default)]
    client_time: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retry: bool,
    members: u32,
    /// Identity and age of the token; missing in the lines of the first builds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    token: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    issued: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own: bool,
    /// What the site says of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    followed: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    real_name: bool,
    /// A guest's address, 32 hexadecimal digits of its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The place of the act since which its channel's rules are those that it was judged by.
    #[serde(default, skip_serializing_if = "is_nothing")]
    judged: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    occasion: Option<occasions::StoredOccasion>,
    /// What the rules have made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filtered: Option<filters::StoredFiltered>,
}

#[derive(Serialize, Deserialize)]
struct StoredProfile {
    nickname: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    image: String,
    color: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    verified: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    badge: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subscription: Option<(u32, u8, String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    viewer_badges: Vec<(String, bool, String)>,
}

const ROLES: [(Role, &str); 5] = [
    (Role::Viewer, "viewer"),
    (Role::ChatManager, "chat_manager"),
    (Role::ChannelManager, "channel_manager"),
    (Role::Streamer, "streamer"),
    (Role::SiteManager, "site_manager"),
];
const KINDS: [(Kind, &str); 5] = [
    (Kind::Text, "text"),
    (Kind::Question, "question"),
    (Kind::Notice, "notice"),
    (Kind::Donation, "donation"),
    (Kind::Subscription, "subscription"),
];
const SYSTEMS: [(Os, &str); 3] = [(Os::Pc, ""), (Os::Android, "android"), (Os::Ios, "ios")];

/// The event's stored form. Its id is kept beside it, where the log looks for repeats.
pub fn encode(event: &Event) -> Vec<u8> {
    let body = match &event.body {
        Body::Opened { cid, title } => StoredBody::Opened { cid: cid.to_string(), title: title.clone() },
        Body::Closed { cid } => StoredBody::Closed { cid: cid.to_string() },
        Body::Line(line) if line.occasion.is_some() => StoredBody::Special(Box::new(stored_line(line))),
        Body::Line(line) if line.filtered.is_some() => StoredBody::Filtered(Box::new(stored_line(line))),
        Body::Line(line) => StoredBody::Line(Box::new(stored_line(line))),
        Body::Listed { channel, name } => StoredBody::Listed { channel: channel.to_string(), name: name.clone() },
        Body::Unlisted { channel } => StoredBody::Unlisted { channel: channel.to_string() },
        Body::Allotted { cid, channel } => StoredBody::Allotted { cid: cid.to_string(), channel: channel.to_string() },
        Body::Revoked { revoked, until } => StoredBody::Revoked(stored_revoked(revoked, *until)),
        Body::Announced(announcement) => StoredBody::Announced(Box::new(occasions::stored_announcement(announcement))),
        Body::Vote(vote) => StoredBody::Vote(Box::new(questions::stored(vote))),
        Body::Named(naming) => StoredBody::Named {
            uid: naming.uid.to_string(),
            nickname: naming.nickname.clone(),
            looks: naming.looks.clone(),
            address: naming.address.map(|address| address.to_string()),
            until: naming.until.0,
        },
        Body::Act(act) => StoredBody::Act(Box::new(acts::stored(act))),
        Body::Lapsed { act } => StoredBody::Lapsed { act: act.0 },
        Body::Wiped { uid } => StoredBody::Wiped { uid: uid.to_string() },
        Body::Dropped { upto } => StoredBody::Dropped { upto: upto.0 },
        Body::KeyMade(key) => StoredBody::KeyMade(Box::new(stored_key(key))),
        Body::KeyRevoked { id } => StoredBody::KeyRevoked { key: id.clone() },
        Body::Erased { question } => StoredBody::Erased { question: *question },
        Body::Unreadable { .. } => StoredBody::Erased { question: false },
    };
    let mut bytes = vec![VERSION];
    // Writing plain structs to memory can't fail.
    let _ = serde_json::to_writer(&mut bytes, &Stored { at: event.at.0, body });
    bytes
}

/// An author as JSON, for what is told beside the log.
pub fn author_json(author: &Author) -> serde_json::Value {
    // Writing plain structs to memory can't fail.
    serde_json::to_value(acts::stored_person(author)).unwrap_or_default()
}

/// What [`author_json`] has written.
pub fn read_author(json: serde_json::Value) -> Option<Author> {
    acts::read_person(serde_json::from_value(json).ok()?)
}

/// The event that these bytes hold; [`Body::Unreadable`] when a newer build wrote them, or when they are broken.
pub fn decode(id: EventId, bytes: &[u8]) -> Event {
    let version = bytes.first().copied().unwrap_or_default();
    let stored = match version {
        VERSION => serde_json::from_slice::<Stored>(&bytes[1..]).ok(),
        _ => None,
    };
    let at = Millis(stored.as_ref().map_or(0, |stored| stored.at));
    let body = stored.and_then(|stored| read_body(stored.body)).unwrap_or(Body::Unreadable { version });
    Event { id, at, body }
}

fn stored_revoked(revoked: &Revoked, until: Millis) -> StoredRevoked {
    let (uid, token) = match revoked {
        Revoked::User(uid) => (Some(uid.to_string()), None),
        Revoked::Token(id) => (None, Some(id.clone())),
    };
    StoredRevoked { uid, token, until: until.0 }
}

fn stored_key(key: &ApiKey) -> StoredKey {
    StoredKey {
        key: key.id.clone(),
        name: key.name.clone(),
        digest: key.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        permissions: key.permissions.iter().map(|permission| permission.word().to_owned()).collect(),
        dev: key.dev,
    }
}

fn stored_line(line: &Line) -> StoredLine {
    let Line { cid, author, draft, members, credential, known, occasion, filtered, judged } = line;
    StoredLine {
        cid: cid.to_string(),
        uid: author.uid.to_string(),
        role: word(&ROLES, author.role),
        profile: stored_profile(&author.profile),
        kind: word(&KINDS, draft.kind),
        text: draft.text.clone(),
        os: word(&SYSTEMS, draft.extras.os),
        emojis: draft.extras.emojis.clone(),
        tid: draft.tid.clone(),
        client_time: draft.client_time,
        retry: draft.retry,
        members: *members,
        token: credential.token_id.clone(),
        issued: credential.issued.0,
        own: credential.own,
        followed: known.followed.map(|since| since.0),
        real_name: known.real_name,
        address: known.address.map(|address| address.to_string()),
        judged: judged.0,
        occasion: occasion.as_deref().map(occasions::stored),
        filtered: filtered.as_deref().map(filters::stored_filtered),
    }
}

fn stored_profile(profile: &Profile) -> StoredProfile {
    let badges = profile.viewer_badges.iter();
    let paid = profile.subscription.as_ref();
    StoredProfile {
        nickname: profile.nickname.clone(),
        image: profile.image_url.clone(),
        color: profile.color_code.clone(),
        verified: profile.verified,
        badge: profile.badge_url.clone(),
        title: profile.title.as_ref().map(|title| (title.name.clone(), title.color.clone())),
        subscription: paid.map(|paid| (paid.months, paid.tier, paid.tier_name.clone(), paid.badge_url.clone())),
        viewer_badges: badges.map(|badge| (badge.id.clone(), badge.site_wide, badge.image_url.clone())).collect(),
    }
}

fn read_body(body: StoredBody) -> Option<Body> {
    Some(match body {
        StoredBody::Opened { cid, title } => Body::Opened { cid: Cid::parse(&cid)?, title },
        StoredBody::Closed { cid } => Body::Closed { cid: Cid::parse(&cid)? },
        StoredBody::Line(line) | StoredBody::Filtered(line) | StoredBody::Special(line) => {
            Body::Line(Arc::new(read_line(*line)?))
        }
        StoredBody::Announced(stored) => Body::Announced(Arc::new(occasions::read_announcement(*stored)?)),
        StoredBody::Listed { channel, name } => Body::Listed { channel: ChannelId::parse(&channel)?, name },
        StoredBody::Unlisted { channel } => Body::Unlisted { channel: ChannelId::parse(&channel)? },
        StoredBody::Allotted { cid, channel } => {
            Body::Allotted { cid: Cid::parse(&cid)?, channel: ChannelId::parse(&channel)? }
        }
        StoredBody::Revoked(StoredRevoked { uid, token, until }) => {
            let revoked = match (uid, token) {
                (Some(uid), None) => Revoked::User(UserId::parse(&uid)?),
                (None, Some(token)) => Revoked::Token(token),
                _ => return None,
            };
            Body::Revoked { revoked, until: Millis(until) }
        }
        StoredBody::Hidden { seq } => Body::Act(Arc::new(acts::hidden_by_the_site(Seq(seq))?)),
        StoredBody::Vote(vote) => Body::Vote(Arc::new(questions::read(*vote)?)),
        StoredBody::Named { uid, nickname, looks, address, until } => {
            let uid = UserId::parse(&uid)?;
            let address = match address {
                Some(digits) => Some(AddressHash::parse(&digits)?),
                None => None,
            };
            Body::Named(Arc::new(Naming { uid, nickname, looks, address, until: Millis(until) }))
        }
        StoredBody::Act(act) => Body::Act(Arc::new(acts::read(*act)?)),
        StoredBody::Lapsed { act } => Body::Lapsed { act: Seq(act) },
        StoredBody::Wiped { uid } => Body::Wiped { uid: UserId::parse(&uid)? },
        StoredBody::Dropped { upto } => Body::Dropped { upto: Seq(upto) },
        StoredBody::KeyMade(key) => Body::KeyMade(Arc::new(read_key(*key)?)),
        StoredBody::KeyRevoked { key } => Body::KeyRevoked { id: key },
        StoredBody::Erased { question } => Body::Erased { question },
    })
}

fn read_key(key: StoredKey) -> Option<ApiKey> {
    let StoredKey { key: id, name, digest, permissions, dev } = key;
    let bytes = (0..digest.len()).step_by(2).map(|at| u8::from_str_radix(digest.get(at..at + 2)?, 16).ok());
    let digest = bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()?;
    // A permission of a newer build is one that this build can't grant.
    let permissions = permissions.iter().filter_map(|word| Permission::parse(word)).collect();
    Some(ApiKey { id, name, digest, permissions, dev })
}

fn read_profile(profile: StoredProfile) -> Profile {
    let badges = profile.viewer_badges.into_iter();
    let paid = profile.subscription;
    Profile {
        nickname: profile.nickname,
        image_url: profile.image,
        color_code: profile.color,
        verified: profile.verified,
        badge_url: profile.badge,
        title: profile.title.map(|(name, color)| Title { name, color }),
        subscription: paid.map(|(months, tier, tier_name, badge_url)| Subscription {
            months,
            tier,
            tier_name,
            badge_url,
        }),
        viewer_badges: badges.map(|(id, site_wide, image_url)| ViewerBadge { id, site_wide, image_url }).collect(),
    }
}

fn read_line(line: StoredLine) -> Option<Line> {
    let profile = Arc::new(read_profile(line.profile));
    Some(Line {
        cid: Cid::parse(&line.cid)?,
        author: Author { uid: UserId::stored(&line.uid)?, profile, role: value(&ROLES, &line.role)? },
        draft: Draft {
            kind: value(&KINDS, &line.kind)?,
            text: line.text,
            extras: Extras { os: value(&SYSTEMS, &line.os)?, emojis: line.emojis },
            tid: line.tid,
            client_time: line.client_time,
            retry: line.retry,
        },
        members: line.members,
        credential: Credential { token_id: line.token, issued: Millis(line.issued), own: line.own },
        known: Known {
            followed: line.followed.map(Millis),
            real_name: line.real_name,
            address: match line.address {
                Some(digits) => Some(AddressHash::parse(&digits)?),
                None => None,
            },
        },
        judged: Seq(line.judged),
        occasion: match line.occasion {
            Some(occasion) => Some(Arc::new(occasions::read(occasion)?)),
            None => None,
        },
        filtered: match line.filtered {
            Some(filtered) => Some(Arc::new(filters::read_filtered(filtered)?)),
            None => None,
        },
    })
}

fn is_nothing(place: &u64) -> bool {
    *place == 0
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn word<T: PartialEq>(table: &[(T, &str)], wanted: T) -> String {
    table.iter().find(|(value, _)| *value == wanted).map_or_else(String::new, |(_, word)| (*word).to_owned())
}

fn value<T: Copy>(table: &[(T, &str)], word: &str) -> Option<T> {
    table.iter().find(|(_, stored)| *stored == word).map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_model_has_a_stored_word() {
        for role in Role::ALL {
            assert_eq!(value(&ROLES, &word(&ROLES, role)), Some(role));
        }
        for kind in [Kind::Text, Kind::Question, Kind::Notice, Kind::Donation, Kind::Subscription] {
            assert_eq!(value(&KINDS, &word(&KINDS, kind)), Some(kind));
        }
        for os in [Os::Pc, Os::Android, Os::Ios] {
            assert_eq!(value(&SYSTEMS, &word(&SYSTEMS, os)), Some(os));
        }
    }

    #[test]
    fn keys_and_revocations_come_back_as_they_went() {
        let key = ApiKey {
            id: "k1".to_owned(),
            name: "bot".to_owned(),
            digest: std::array::from_fn(|at| at as u8 * 7),
            permissions: vec![Permission::WriteMessages],
            dev: true,
        };
        for body in [
            Body::Wiped { uid: UserId::parse("u").unwrap() },
            Body::Erased { question: false },
            Body::Erased { question: true },
            Body::Dropped { upto: Seq(9) },
            Body::KeyMade(Arc::new(key)),
            Body::KeyRevoked { id: "k1".to_owned() },
            Body::Revoked { revoked: Revoked::Token("t".to_owned()), until: Millis(7) },
            Body::Revoked { revoked: Revoked::User(UserId::parse("u").unwrap()), until: Millis(7) },
        ] {
            let event = Event::new(Millis(5), body);
            assert_eq!(decode(event.id, &encode(&event)), event);
        }
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let id = EventId::fresh();
        for (bytes, version) in [(&b""[..], 0), (b"\x02{}", 2), (b"\x01", 1), (b"\x01{\"at\":1,\"type\":\"new\"}", 1)] {
            assert_eq!(decode(id, bytes).body, Body::Unreadable { version }, "{bytes:?}");
        }
    }
}
