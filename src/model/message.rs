//! Lines of chat: as asked for ([`Draft`]) and as kept ([`Line`]).

use std::sync::Arc;

use super::access::Credential;
use super::filter::{Filtered, Measure};
use super::id::{Cid, EventId, Seq, UserId};
use super::mode::Known;
use super::occasion::Occasion;
use super::principal::{Principal, Profile, Role};
use super::time::Millis;

/// What a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An ordinary line.
    #[default]
    Text,
    /// A question to the streamer; plain clients see an ordinary line.
    Question,
    /// A line of staff that shall stand out; plain clients see an ordinary line.
    Notice,
    /// A line that somebody has paid for.
    Donation,
    /// A line of somebody who has subscribed for another month.
    Subscription,
}

impl Kind {
    /// Whether the site's backend alone sends it: it may say nothing, and stands whatever holds for its author.
    pub fn is_special(self) -> bool {
        matches!(self, Self::Donation | Self::Subscription)
    }
}

/// What a member wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Everything.
    #[default]
    All,
    /// Questions and notices.
    Questions,
    /// Every line, no events.
    Overlay,
    /// Notices.
    Quiet,
}

impl Lane {
    /// Whether it is told how questions stand.
    pub fn shows_questions(self) -> bool {
        matches!(self, Self::All | Self::Questions)
    }

    /// Whether lines of this kind are in it.
    pub fn shows(self, kind: Kind) -> bool {
        match self {
            Self::All | Self::Overlay => true,
            Self::Questions => matches!(kind, Kind::Question | Kind::Notice),
            Self::Quiet => kind == Kind::Notice,
        }
    }
}

/// How a line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Shown.
    #[default]
    Normal,
    /// Its text is withheld.
    Hidden,
    /// Its text is withheld by the channel's or the site's rules.
    Blinded,
}

impl Status {
    /// Whether its text is withheld.
    pub fn withholds(self) -> bool {
        self != Self::Normal
    }
}

/// The system a line was typed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Os {
    /// A desktop, and whatever did not say.
    #[default]
    Pc,
    /// Android.
    Android,
    /// iOS.
    Ios,
}

/// What goes with a line beside its text, of the keys we know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Where it was typed.
    pub os: Os,
    /// Emoji name → picture, in the sender's order, each name once.
    pub emojis: Vec<(String, String)>,
}

/// What a client asks to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What it shall be.
    pub kind: Kind,
    /// The text as sent.
    pub text: String,
    /// What goes with it.
    pub extras: Extras,
    /// The client's request number, with which it repeats itself; empty when it gave none.
    pub tid: String,
    /// The client's own time; some clients count in seconds, so it is compared, never read as a time.
    pub client_time: i64,
    /// Whether the client says that it may have sent this before.
    pub retry: bool,
}

/// Who wrote a line, as they were when they wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The account.
    pub uid: UserId,
    /// How it was shown.
    pub profile: Arc<Profile>,
    /// What it might do.
    pub role: Role,
}

impl From<&Principal> for Author {
    fn from(principal: &Principal) -> Self {
        Self { uid: principal.uid.clone(), profile: principal.profile.clone(), role: principal.role }
    }
}

/// A line as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The broadcast it was said in.
    pub cid: Cid,
    /// Who said it.
    pub author: Author,
    /// What was asked.
    pub draft: Draft,
    /// How many sockets were in the broadcast when it was sent.
    pub members: u32,
    /// The token it was sent with.
    pub credential: Credential,
    /// What the site says of the sender.
    pub known: Known,
    /// What it is said with, if it is a special one.
    pub occasion: Option<Arc<Occasion>>,
    /// What the rules made of it.
    pub filtered: Option<Arc<Filtered>>,
    /// The place of the act since which the channel's rules are those that it was judged by, or [`Line::UNJUDGED`].
    pub judged: Seq,
}

impl Line {
    /// No rules were asked: staff, and what repeats a line that is there.
    pub const UNJUDGED: Seq = Seq(u64::MAX);

    /// Whether it is for its author alone.
    pub fn is_shadowed(&self) -> bool {
        self.filtered.as_ref().is_some_and(|filtered| filtered.measure == Measure::Shadow)
    }

    /// Whether the rules withhold its text, until staff show it.
    pub fn is_blinded(&self) -> bool {
        self.filtered.as_ref().is_some_and(|filtered| filtered.measure == Measure::Blind)
    }

    /// The text as its author has sent it.
    pub fn as_sent(&self) -> &str {
        let original = self.filtered.as_ref().and_then(|filtered| filtered.original.as_deref());
        original.unwrap_or(&self.draft.text)
    }
}

/// What the sender of an accepted line is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The line's identity.
    pub id: EventId,
    /// Its time: with the author's uid it names the line on the plain wire.
    pub time: Millis,
    /// Its place in the channel's log.
    pub seq: Seq,
}
