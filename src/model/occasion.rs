//! What a line is said with that costs money: a donation, a subscription.

use super::id::UserId;
use super::time::Millis;

/// Largest amount of a donation, in won.
pub const LARGEST_AMOUNT: u64 = 1_000_000_000;

/// Most donors in a ranking.
pub const MOST_RANKS: usize = 10;

/// Longest of a donation's own texts and identities, in bytes of UTF-8.
pub const LONGEST_DETAIL: usize = 500;

/// What a line is said with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Money for the streamer.
    Donation(Donation),
    /// A month more of subscription.
    Subscription(Subscribed),
}

/// A donation (facts, 2.6). Whoever gave it is the line's author; nobody in particular when they didn't want to be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Donation {
    /// Its identity in the site's books.
    pub id: String,
    /// In won, 1 to [`LARGEST_AMOUNT`].
    pub amount: u64,
    /// Days in a row on which the donor has given something.
    pub days: u32,
    /// Who has given most this week, at most [`MOST_RANKS`].
    pub ranks: Vec<Rank>,
    /// The donor's own place among them.
    pub own_rank: Option<Rank>,
    /// What it is for.
    pub purpose: Purpose,
}

/// Somebody's place in a ranking of donors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Who.
    pub uid: UserId,
    /// What they are called.
    pub nickname: String,
    /// Whether the site vouches for them.
    pub verified: bool,
    /// What they have given, in won.
    pub amount: u64,
    /// 1 for whoever has given most.
    pub place: u32,
}

/// What a donation is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A text that is read aloud.
    Chat,
    /// A video that is played; the line's text is its title.
    Video,
    /// A task for the streamer.
    Mission(Mission),
    /// A share in somebody's task; its identity.
    Participation(Mission, String),
    /// A party of several streamers.
    Party(Party),
}

/// A task for the streamer; what shall be done is the line's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mission {
    /// Its identity.
    pub id: String,
    /// Who gives for it.
    pub group: MissionGroup,
    /// How long there is for it, in seconds.
    pub seconds: u32,
    /// When it was given.
    pub created: Millis,
    /// When it was begun.
    pub started: Option<Millis>,
    /// When it was over.
    pub ended: Option<Millis>,
    /// What all have given for it, in won.
    pub total: u64,
    /// How many have joined in.
    pub participants: u32,
    /// How it stands.
    pub status: MissionStatus,
    /// Whether it was done.
    pub success: bool,
}

/// Who gives for a mission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissionGroup {
    /// One.
    Alone,
    /// Several.
    Group,
    /// One who has joined in.
    Participation,
}

/// How a mission stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissionStatus {
    /// The streamer has not said yet.
    Pending,
    /// The streamer tries it.
    Approved,
    /// The streamer won't.
    Rejected,
    /// It is over.
    Completed,
    /// Its time was up.
    Expired,
}

/// A party of several streamers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u32,
}

/// A month more of subscription; whose is the line's author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Months in all.
    pub months: u32,
    /// 1 or 2.
    pub tier: u8,
    /// The streamer's name for the tier.
    pub tier_name: String,
}

impl Occasion {
    /// Bytes of its texts, with what is written around them, as far as can be told before it is encoded: more rather than
    /// less.
    pub fn bytes(&self) -> usize {
        let purpose = |purpose: &Purpose| match purpose {
            Purpose::Chat | Purpose::Video => 0,
            Purpose::Mission(mission) => 1_024 + mission.id.len(),
            Purpose::Participation(mission, related) => 1_024 + mission.id.len() + related.len(),
            Purpose::Party(party) => party.name.len() * 2 + party.id.len(),
        };
        match self {
            Self::Donation(donation) => {
                let ranks = donation.ranks.iter().chain(&donation.own_rank);
                let ranks: usize = ranks.map(|rank| 256 + rank.nickname.len() * 2).sum();
                1_024 + donation.id.len() + ranks + purpose(&donation.purpose)
            }
            Self::Subscription(subscribed) => 256 + subscribed.tier_name.len() * 2,
        }
    }
}
