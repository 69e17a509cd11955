//! What is told beside the log: to some, at most once, and kept nowhere.

use super::id::{EventId, UserId};
use super::message::{Author, Extras};
use super::own_lines::OwnLine;
use super::time::Millis;

/// Something that is told beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aside {
    /// What one member says to another.
    Whisper(Whisper),
    /// A user has come.
    Joined(Member),
    /// A user has gone.
    Left(UserId),
    /// The channel says something by itself.
    Line(OwnLine),
}

/// What one member says to another alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whisper {
    /// Its identity.
    pub id: EventId,
    /// When.
    pub time: Millis,
    /// Who says it, with the role that they have here.
    pub from: Author,
    /// What.
    pub text: String,
    /// What goes with it.
    pub extras: Extras,
}

/// A user who is in a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who, with the role that they have here.
    pub author: Author,
    /// Since when.
    pub joined: Millis,
    /// Whether all of their sessions say that nobody looks.
    pub away: bool,
}
