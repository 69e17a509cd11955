//! The stored form of who may do what, and of how the chat is run.

use serde::{Deserialize, Serialize};

use crate::channel::{Grant, Grants, HeldName, Names, Panic, Restriction, Restrictions, Running};
use crate::model::id::{AddressHash, Seq, UserId};
use crate::model::mode::{Group, Modes};
use crate::model::principal::Role;
use crate::model::time::Millis;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredGrant {
    uid: String,
    role: u8,
    act: u64,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<(u8, i64)>,
}

/// A guest's name: who holds it, what of it is seen at a glance, until when.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredName {
    uid: String,
    looks: Vec<String>,
    until: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

pub(super) fn stored_names(names: &Names) -> Vec<StoredName> {
    let stored = |name: &HeldName| StoredName {
        uid: name.uid.to_string(),
        looks: name.looks.clone(),
        until: name.until.0,
        address: name.address.map(|address| address.to_string()),
    };
    names.all().map(stored).collect()
}

pub(super) fn read_names(stored: Vec<StoredName>) -> Option<Names> {
    let read = |StoredName { uid, looks, until, address }: StoredName| {
        let address = match address {
            Some(digits) => Some(AddressHash::parse(&digits)?),
            None => None,
        };
        Some(HeldName { uid: UserId::parse(&uid)?, looks, address, until: Millis(until) })
    };
    Some(Names::new(stored.into_iter().map(read).collect::<Option<Vec<_>>>()?))
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredRestriction {
    uid: String,
    act: u64,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    penalty: bool,
    times: u32,
    rank: u8,
    nickname: String,
    by: String,
    by_nickname: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What it lies over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Box<StoredRestriction>>,
}

/// Roles by number, in the order in which they rise.
const ROLES: [(Role, u8); 5] =
    [(Role::Viewer, 0), (Role::ChatManager, 1), (Role::ChannelManager, 2), (Role::Streamer, 3), (Role::SiteManager, 4)];

pub(super) fn number(role: Role) -> u8 {
    ROLES.iter().find(|(known, _)| *known == role).map_or(0, |(_, number)| *number)
}

pub(super) fn role(number: u8) -> Option<Role> {
    ROLES.iter().find(|(_, known)| *known == number).map(|(role, _)| *role)
}

/// In the order of their names, so that one state is one snapshot.
pub(super) fn stored_grants(grants: &Grants) -> Vec<StoredGrant> {
    let stored = |(uid, grant): (&UserId, &Grant)| StoredGrant {
        uid: uid.to_string(),
        role: number(grant.role),
        act: grant.act.0,
        at: grant.at.0,
        before: grant.before.map(|(role, at)| (number(role), at.0)),
    };
    let mut grants: Vec<_> = grants.all().map(stored).collect();
    grants.sort_by(|one, other| one.uid.cmp(&other.uid));
    grants
}

pub(super) fn read_grants(stored: Vec<StoredGrant>) -> Option<Grants> {
    let read = |grant: StoredGrant| {
        let before = match grant.before {
            Some((number, at)) => Some((role(number)?, Millis(at))),
            None => None,
        };
        let (role, act, at) = (role(grant.role)?, Seq(grant.act), Millis(grant.at));
        Some((UserId::parse(&grant.uid)?, Grant { role, act, at, before }))
    };
    Some(Grants::new(stored.into_iter().map(read).collect::<Option<Vec<_>>>()?))
}

/// In the order of their names.
pub(super) fn stored_restrictions(restrictions: &Restrictions) -> Vec<StoredRestriction> {
    let mut restrictions: Vec<_> = restrictions.all().map(|(uid, restriction)| stored(uid, restriction)).collect();
    restrictions.sort_by(|one, other| one.uid.cmp(&other.uid));
    restrictions
}

fn stored(uid: &UserId, restriction: &Restriction) -> StoredRestriction {
    StoredRestriction {
        uid: uid.to_string(),
        act: restriction.act.0,
        at: restriction.at.0,
        until: restriction.until.map(|until| until.0),
        penalty: restriction.penalty,
        times: restriction.times,
        rank: number(restriction.rank),
        nickname: restriction.nickname.clone(),
        by: restriction.by.to_string(),
        by_nickname: restriction.by_nickname.clone(),
        reason: restriction.reason.clone(),
        address: restriction.address.map(|address| address.to_string()),
        before: restriction.before.as_ref().map(|before| Box::new(stored(uid, before))),
    }
}

pub(super) fn read_restrictions(stored: Vec<StoredRestriction>) -> Option<Restrictions> {
    Some(Restrictions::new(stored.into_iter().map(read_restriction).collect::<Option<Vec<_>>>()?))
}

fn read_restriction(stored: StoredRestriction) -> Option<(UserId, Restriction)> {
    let restriction = Restriction {
        act: Seq(stored.act),
        at: Millis(stored.at),
        until: stored.until.map(Millis),
        penalty: stored.penalty,
        times: stored.times,
        rank: role(stored.rank)?,
        nickname: stored.nickname,
        by: UserId::parse(&stored.by)?,
        by_nickname: stored.by_nickname,
        reason: stored.reason,
        address: match stored.address {
            Some(digits) => Some(AddressHash::parse(&digits)?),
            None => None,
        },
        before: match stored.before {
            Some(before) => Some(Box::new(read_restriction(*before)?.1)),
            None => None,
        },
    };
    Some((UserId::parse(&stored.uid)?, restriction))
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct StoredModes {
    slow: u32,
    group: u8,
    follow_minutes: u32,
    subscribers_too: bool,
    emoji_only: bool,
    real_name: bool,
}

/// How the chat is run; missing before version 3.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StoredRunning {
    #[serde(skip_serializing_if = "Option::is_none")]
    modes: Option<StoredModes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<(u64, StoredModes)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    panic: Option<(u64, StoredModes, i64)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slowed: Vec<(String, i64)>,
}

const GROUPS: [(Group, u8); 4] =
    [(Group::All, 0), (Group::Followers, 1), (Group::Subscribers, 2), (Group::Managers, 3)];

fn stored_modes(modes: Modes) -> StoredModes {
    StoredModes {
        slow: modes.slow_seconds,
        group: GROUPS.iter().find(|(known, _)| *known == modes.group).map_or(0, |(_, number)| *number),
        follow_minutes: modes.follow_minutes,
        subscribers_too: modes.subscribers_too,
        emoji_only: modes.emoji_only,
        real_name: modes.real_name,
    }
}

fn read_modes(stored: StoredModes) -> Option<Modes> {
    Some(Modes {
        slow_seconds: stored.slow,
        group: GROUPS.iter().find(|(_, known)| *known == stored.group).map(|(group, _)| *group)?,
        follow_minutes: stored.follow_minutes,
        subscribers_too: stored.subscribers_too,
        emoji_only: stored.emoji_only,
        real_name: stored.real_name,
    })
}

pub(super) fn stored_running(running: &Running) -> StoredRunning {
    let mut slowed: Vec<_> = running.slowed.iter().map(|(user, at)| (user.to_string(), at.0)).collect();
    slowed.sort();
    StoredRunning {
        modes: Some(stored_modes(running.modes)),
        before: running.before.map(|(act, modes)| (act.0, stored_modes(modes))),
        panic: running.panic.map(|panic| (panic.act.0, stored_modes(panic.modes), panic.until.0)),
        slowed,
    }
}

pub(super) fn read_running(stored: StoredRunning) -> Option<Running> {
    let slowed = stored.slowed.into_iter().map(|(uid, at)| Some((UserId::parse(&uid)?, Millis(at))));
    let before = match stored.before {
        Some((act, modes)) => Some((Seq(act), read_modes(modes)?)),
        None => None,
    };
    let panic = match stored.panic {
        Some((act, modes, until)) => Some(Panic { act: Seq(act), modes: read_modes(modes)?, until: Millis(until) }),
        None => None,
    };
    Some(Running {
        modes: stored.modes.map_or(Some(Modes::default()), read_modes)?,
        before,
        panic,
        slowed: slowed.collect::<Option<_>>()?,
    })
}
