//! What everybody is told that no user has said: subscriptions given away, lines of the system, events, who comes and goes.

use super::id::{Cid, UserId};
use super::message::Author;
use super::own_lines::Visit;

/// Most receivers of one gift.
pub const MOST_RECEIVERS: usize = 20;

/// Most subscriptions that are given away at once.
pub const MOST_GIVEN: u32 = 1_000;

/// Largest event in bytes of JSON.
pub const LARGEST_EVENT: usize = 8 * 1_024;

/// Something that the site's backend tells, or the channel itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The broadcast in which it is told.
    pub cid: Cid,
    /// The API key with which the backend asked for it; empty when the channel itself tells it.
    pub key: String,
    /// What.
    pub news: News,
}

impl Announcement {
    /// Whether it says that this user has come, or has gone.
    pub fn is_visit_of(&self, uid: &UserId) -> bool {
        matches!(&self.news, News::Visit(visit) if visit.uid == *uid)
    }
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Subscriptions were given away.
    Gift(Gift),
    /// A line of the system.
    System(SystemLine),
    /// An event of the wire, as a JSON object of at most [`LARGEST_EVENT`] bytes.
    Event(String),
    /// Somebody has come, or has gone.
    Visit(Visit),
}

/// Subscriptions that somebody has given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gift {
    /// Its identity in the site's books.
    pub id: String,
    /// Who gave them; `None` when they didn't want to be named.
    pub giver: Option<Author>,
    /// 1 or 2.
    pub tier: u8,
    /// The streamer's name for the tier.
    pub tier_name: String,
    /// Whether chance has chosen who gets them.
    pub random: bool,
    /// How many, 1 to [`MOST_GIVEN`].
    pub quantity: u32,
    /// Who has got one, at most [`MOST_RECEIVERS`].
    pub receivers: Vec<Receiver>,
}

/// Somebody who has got a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Who.
    pub uid: UserId,
    /// What they are called.
    pub nickname: String,
    /// Whether the site vouches for them.
    pub verified: bool,
}

/// A line of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemLine {
    /// In short.
    pub title: String,
    /// In full.
    pub description: String,
    /// How it is shown: 1 as a change of how the chat is run, 3 as a restriction, 5 as slow mode (facts, 2.6).
    pub style: u8,
    /// Whether it is for staff alone.
    pub staff: bool,
    /// Whom it is about: who did something, and to whom.
    pub people: Option<(Author, Author)>,
}

impl News {
    /// Bytes that it takes once it is encoded, as far as can be told before: more rather than less.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Gift(gift) => {
                let giver = gift.giver.as_ref().map_or(0, |giver| 512 + giver.profile.bytes() * 2);
                (1 + gift.receivers.len()) * (1_536 + giver + gift.tier_name.len() * 3)
            }
            Self::System(line) => 6_144 + (line.title.len() + line.description.len()) * 2,
            Self::Event(json) => 256 + json.len(),
            Self::Visit(visit) => 1_024 + visit.text.len() * 3,
        }
    }

    /// Whether it is for staff alone.
    pub fn is_for_staff(&self) -> bool {
        matches!(self, Self::System(line) if line.staff)
    }
}
