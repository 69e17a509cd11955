//! A stretch of a channel's life with a chat of its own.

use super::id::Cid;
use super::time::Millis;

/// One of a channel's broadcasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Its identity.
    pub cid: Cid,
    /// Its title.
    pub title: String,
    /// When it began.
    pub opened: Millis,
    /// When it ended.
    pub closed: Option<Millis>,
}
