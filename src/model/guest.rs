//! Guests: viewers whom the site doesn't know.

use super::id::UserId;
use super::time::Millis;

/// A nickname that a guest has chosen, for as long as they hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Who.
    pub uid: UserId,
    /// The name as it is shown.
    pub nickname: String,
    /// What of it is seen at a glance, as the machine has found that admitted it: nobody else of the same looks is called
    /// so in this channel. It stands here because what looks alike changes from one version of Unicode to the next.
    pub looks: String,
    /// Until when: as long as the token holds that says the name.
    pub until: Millis,
}
