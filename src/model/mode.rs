//! Who may send in a channel at all, what, and how often.

use super::id::AddressHash;
use super::time::Millis;

/// Seconds between two lines of one viewer that slow mode may ask for (facts, 6.1).
pub const SLOW_SECONDS: [u32; 8] = [0, 3, 5, 10, 30, 60, 120, 300];

/// Longest time for which somebody must have followed, in minutes (facts, 6.1).
pub const LONGEST_FOLLOW_MINUTES: u32 = 259_200;

/// How long panic lasts when nothing is said, in seconds.
pub const USUAL_PANIC_SECONDS: u32 = 600;

/// Longest panic, in seconds: a day.
pub const LONGEST_PANIC_SECONDS: u32 = 86_400;

/// Who may send, beside staff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Group {
    /// Everybody.
    #[default]
    All,
    /// Who follows the channel for long enough.
    Followers,
    /// Who has a subscription.
    Subscribers,
    /// Nobody else.
    Managers,
}

/// How a channel's chat is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Seconds between two lines of one viewer: one of [`SLOW_SECONDS`].
    pub slow_seconds: u32,
    /// Who may send.
    pub group: Group,
    /// For how many minutes followers must have followed.
    pub follow_minutes: u32,
    /// Whether subscribers may send where followers may.
    pub subscribers_too: bool,
    /// Whether a line may hold nothing but emojis.
    pub emoji_only: bool,
    /// Whether only those may send whose name the site knows.
    pub real_name: bool,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            slow_seconds: 0,
            group: Group::All,
            follow_minutes: 0,
            subscribers_too: true,
            emoji_only: false,
            real_name: false,
        }
    }
}

impl Modes {
    /// What panic switches on when nothing else is said: a flood is over, and whoever has been here before may go on.
    pub fn panic() -> Self {
        Self { slow_seconds: 30, group: Group::Followers, follow_minutes: 10, ..Self::default() }
    }

    /// With what a change names.
    pub fn with(self, change: &ModeChange) -> Self {
        Self {
            slow_seconds: change.slow_seconds.unwrap_or(self.slow_seconds),
            group: change.group.unwrap_or(self.group),
            follow_minutes: change.follow_minutes.unwrap_or(self.follow_minutes),
            subscribers_too: change.subscribers_too.unwrap_or(self.subscribers_too),
            emoji_only: change.emoji_only.unwrap_or(self.emoji_only),
            real_name: change.real_name.unwrap_or(self.real_name),
        }
    }
}

/// What shall be otherwise; the rest stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeChange {
    /// See [`Modes::slow_seconds`].
    pub slow_seconds: Option<u32>,
    /// See [`Modes::group`].
    pub group: Option<Group>,
    /// See [`Modes::follow_minutes`].
    pub follow_minutes: Option<u32>,
    /// See [`Modes::subscribers_too`].
    pub subscribers_too: Option<bool>,
    /// See [`Modes::emoji_only`].
    pub emoji_only: Option<bool>,
    /// See [`Modes::real_name`].
    pub real_name: Option<bool>,
}

/// What is known of somebody who sends, beside their profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// Since when they follow the channel.
    pub followed: Option<Millis>,
    /// Whether the site knows their name.
    pub real_name: bool,
    /// Where a guest comes from: guests have a new name whenever they like. Of others it isn't kept.
    pub address: Option<AddressHash>,
}
