//! Who may do what in a channel: roles that were given and taken, and those who may not send.

use crate::model::access::Credential;
use crate::model::act::Deed;
use crate::model::event::Body;
use crate::model::id::{AddressHash, Seq, UserId};
use crate::model::message::Author;
use crate::model::mode::Group;
use crate::model::principal::Role;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::acts::Changed;
use super::restrictions::Restriction;
use super::{Channel, Grants, Restrictions};

impl Channel {
    /// What somebody may do here whose token claims a role: what the streamer gave and took counts with it.
    pub fn role_of(&self, user: &UserId, claimed: Role, credential: &Credential) -> Role {
        self.grants.role_of(user, claimed, credential)
    }

    /// Whether this token of somebody is void, as far as this channel has been told.
    pub fn is_revoked(&self, user: &UserId, credential: &Credential) -> bool {
        self.revocations.hold(user, credential)
    }

    /// Roles that were given and taken.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Who may not send.
    pub fn restrictions(&self) -> &Restrictions {
        &self.restrictions
    }

    /// Whether somebody may send at this time by the role that they have here; a guest, whether anybody may who comes from
    /// there.
    pub(super) fn may_send(
        &self,
        user: &UserId,
        address: Option<AddressHash>,
        role: Role,
        at: Millis,
    ) -> Result<(), Refusal> {
        let Some(restriction) = self.restrictions.binding(user, address, role, at) else { return Ok(()) };
        let for_ms = restriction.until.map(|until| until.0.saturating_sub(at.0).unsigned_abs());
        Err(Refusal::Restricted { for_ms })
    }

    /// Whether everybody may be told that somebody has come or gone: nobody who may not send has lines of their name.
    pub fn may_be_told_of(&self, user: &UserId, address: Option<AddressHash>, at: Millis) -> bool {
        let open = self.running.panic.is_none_or(|panic| panic.until <= at) && self.running.modes.group == Group::All;
        open && self.may_send(user, address, Role::Viewer, at).is_ok()
    }

    /// Whether `by`, who acts with the role that they have here, may do that to a user.
    pub(super) fn may_deal_with(&self, by: &Author, deed: &Deed, at: Millis) -> Result<(), Refusal> {
        let Some(target) = deed.target() else { return Ok(()) };
        if target.uid == by.uid {
            return Err(Refusal::Oneself);
        }
        let role = self.known_role(target);
        match deed {
            Deed::Lift(user) => match self.restrictions.of(&user.uid, at) {
                Some(restriction) if restriction.rank_at(at) > by.role => Err(Refusal::Outranked),
                _ => Ok(()),
            },
            Deed::Block(user, _)
                if self.restrictions.of(&user.uid, at).is_some_and(|held| held.rank_at(at) > by.role) =>
            {
                Err(Refusal::Outranked)
            }
            Deed::Appoint(_, given) if *given >= Role::Streamer => {
                Err(Refusal::BadRequest("this role is not one that can be given".to_owned()))
            }
            Deed::Appoint(..) if by.role < Role::Streamer => Err(Refusal::NotStreamer),
            _ if by.role != Role::SiteManager && role >= by.role => Err(Refusal::Outranked),
            Deed::Appoint(..) if !self.grants.has_room(&target.uid) => Err(Refusal::TooMany("roles")),
            Deed::Penalize(..) | Deed::Block(..) if !self.restrictions.has_room(&target.uid, at) => {
                Err(Refusal::TooMany("restrictions"))
            }
            _ => Ok(()),
        }
    }

    /// What is known of somebody's role without a token of theirs. Whoever has the channel's own name is its streamer.
    fn known_role(&self, user: &Author) -> Role {
        if user.uid.as_str() == self.id.as_str() {
            return Role::Streamer;
        }
        self.grants.role_of(&user.uid, user.role, &Credential::default())
    }

    /// Whether something behind `after` and up to `upto` is told to this user and to nobody else: what staff did to them,
    /// and what they said that is for them alone.
    pub fn tells_alone(&self, user: &UserId, after: Seq, upto: Seq) -> bool {
        let mut deeds = self.deeds_to(user, after, upto);
        deeds.any(|deed| matches!(deed, Deed::Kick(_) | Deed::Block(..) | Deed::Lift(_)))
            || self.window.is_for(user, after, upto)
    }

    /// Whether this user was sent out behind `after` and up to `upto`.
    pub fn kicks(&self, user: &UserId, after: Seq, upto: Seq) -> bool {
        self.deeds_to(user, after, upto).any(|deed| matches!(deed, Deed::Kick(_)))
    }

    fn deeds_to<'a>(&'a self, user: &'a UserId, after: Seq, upto: Seq) -> impl Iterator<Item = &'a Deed> {
        let deeds = self.window.acts_between(after, upto).filter_map(|act| match &act.event.body {
            Body::Act(done) => Some(&done.deed),
            _ => None,
        });
        deeds.filter(move |deed| deed.target().is_some_and(|target| target.uid == *user))
    }

    /// Restricts a user.
    pub(super) fn restrict(&mut self, act: Seq, at: Millis, (by, reason): (&Author, &str), deed: &Deed) -> Changed {
        let (target, until) = match deed {
            Deed::Penalize(target, until) => (target, Some(*until)),
            Deed::Block(target, until) => (target, *until),
            _ => return Changed::default(),
        };
        let penalty = matches!(deed, Deed::Penalize(..));
        let restriction = Restriction {
            act,
            at,
            until,
            penalty,
            times: u32::from(penalty),
            rank: by.role,
            nickname: target.profile.nickname.clone(),
            by: by.uid.clone(),
            by_nickname: by.profile.nickname.clone(),
            reason: reason.to_owned(),
            address: self.address_of(&target.uid),
            before: None,
        };
        self.restrictions.add(&target.uid, restriction);
        Changed { something: true, ..Changed::default() }
    }

    /// Where a guest comes from who wrote one of the last lines.
    fn address_of(&self, user: &UserId) -> Option<AddressHash> {
        let mut theirs = self.window.last(usize::MAX).rev().filter(|kept| kept.line.author.uid == *user);
        theirs.find_map(|kept| kept.line.known.address)
    }

    /// Gives a role, or takes it.
    pub(super) fn appoint(&mut self, act: Seq, at: Millis, target: &Author, role: Role) -> Changed {
        self.grants.set(&target.uid, role, act, at);
        Changed { something: true, ..Changed::default() }
    }
}
