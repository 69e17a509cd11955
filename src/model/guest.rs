//! Guests: viewers whom the site doesn't know.

use super::id::{AddressHash, UserId};
use super::time::Millis;

/// A nickname that a guest has chosen, for as long as they hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Who.
    pub uid: UserId,
    /// The name as it is shown.
    pub nickname: String,
    /// What of it is seen at a glance, as the machine has found that admitted it: nobody else with a look in common is
    /// called so in this channel. It stands here because what looks alike changes from one version of Unicode to the next.
    pub looks: Vec<String>,
    /// Where they come from: nobody takes all names there are.
    pub address: Option<AddressHash>,
    /// Until when: a little longer than the token holds that says the name.
    pub until: Millis,
}
