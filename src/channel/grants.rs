//! Roles that a channel's streamer has given and taken.

use std::collections::HashMap;

use crate::model::access::Credential;
use crate::model::id::{Seq, UserId};
use crate::model::principal::Role;
use crate::model::time::Millis;

/// Users whose role was given or taken that are remembered, about 120 bytes each.
const MOST: usize = 10_000;

/// A role that was given to somebody, or that was taken: then it is a viewer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it is.
    pub role: Role,
    /// The place of the act.
    pub act: Seq,
    /// When that was done: what older tokens say of lower roles than the streamer's counts no more.
    pub at: Millis,
    /// What was before it.
    pub before: Option<(Role, Millis)>,
}

/// Roles by user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(HashMap<UserId, Grant>);

impl Grants {
    /// The state of these users.
    pub fn new(users: impl IntoIterator<Item = (UserId, Grant)>) -> Self {
        Self(users.into_iter().collect())
    }

    /// Everybody whose role was given or taken, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&UserId, &Grant)> {
        self.0.iter()
    }

    /// What somebody may do whose token says so: the higher one of both, but of a token that was made before its role was
    /// given or taken only what the channel says.
    pub fn role_of(&self, user: &UserId, claimed: Role, credential: &Credential) -> Role {
        let Some(grant) = self.0.get(user).filter(|_| claimed < Role::Streamer) else { return claimed };
        // Tokens count whole seconds: one that was made in the second of the act is taken for older.
        let older = credential.issued.seconds() <= grant.at.seconds();
        if older { grant.role } else { grant.role.max(claimed) }
    }

    /// Whether one more finds room.
    pub(super) fn has_room(&self, user: &UserId) -> bool {
        self.0.contains_key(user) || self.0.len() < MOST
    }

    /// Gives or takes a role.
    pub(super) fn set(&mut self, user: &UserId, role: Role, act: Seq, at: Millis) {
        let before = self.0.get(user).map(|before| (before.role, before.at));
        self.0.insert(user.clone(), Grant { role, act, at, before });
    }

    /// Whose role this act has given or taken.
    pub(super) fn by(&self, act: Seq) -> Option<&UserId> {
        self.0.iter().find(|(_, grant)| grant.act == act).map(|(user, _)| user)
    }

    /// Takes back what an act has given or taken.
    pub(super) fn undo(&mut self, act: Seq) -> bool {
        let Some(user) = self.by(act).cloned() else { return false };
        match self.0.get(&user).and_then(|grant| grant.before) {
            // What was before is nobody's act any more.
            Some((role, at)) => {
                let act = Seq::default();
                self.0.insert(user, Grant { role, act, at, before: None });
            }
            None => drop(self.0.remove(&user)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_channel_says_beats_older_tokens() {
        let (mut grants, user) = (Grants::default(), UserId::parse("u").unwrap());
        let made = |issued| Credential { token_id: String::new(), issued: Millis(issued), own: false };
        let role = |grants: &Grants, claimed, issued| grants.role_of(&user, claimed, &made(issued));
        assert_eq!(role(&grants, Role::ChatManager, 0), Role::ChatManager);
        grants.set(&user, Role::ChannelManager, Seq(1), Millis(10_000));
        assert_eq!(role(&grants, Role::Viewer, 0), Role::ChannelManager);
        grants.set(&user, Role::Viewer, Seq(2), Millis(20_500));
        assert_eq!(role(&grants, Role::ChannelManager, 20_900), Role::Viewer, "of the same second");
        assert_eq!(role(&grants, Role::ChannelManager, 21_000), Role::ChannelManager, "the site says so later");
        assert_eq!(role(&grants, Role::Streamer, 0), Role::Streamer);
        assert!(grants.undo(Seq(2)) && !grants.undo(Seq(2)));
        assert_eq!(role(&grants, Role::Viewer, 0), Role::ChannelManager);
    }
}
