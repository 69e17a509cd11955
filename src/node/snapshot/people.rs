//! The stored form of who may do what.

use serde::{Deserialize, Serialize};

use crate::channel::{Grant, Grants, Restriction, Restrictions};
use crate::model::id::{Seq, UserId};
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
    let stored = |(uid, restriction): (&UserId, &Restriction)| StoredRestriction {
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
    };
    let mut restrictions: Vec<_> = restrictions.all().map(stored).collect();
    restrictions.sort_by(|one, other| one.uid.cmp(&other.uid));
    restrictions
}

pub(super) fn read_restrictions(stored: Vec<StoredRestriction>) -> Option<Restrictions> {
    let read = |stored: StoredRestriction| {
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
        };
        Some((UserId::parse(&stored.uid)?, restriction))
    };
    Some(Restrictions::new(stored.into_iter().map(read).collect::<Option<Vec<_>>>()?))
}
