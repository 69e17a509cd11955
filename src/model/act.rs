//! What staff do in a channel: who, what, why. Each act is one event, judged in the order of the log.

use std::sync::Arc;

use super::access::Credential;
use super::filter::FilterChange;
use super::id::{Cid, Seq, UserId};
use super::message::{Author, Extras};
use super::mode::ModeChange;
use super::own_lines::OwnLinesChange;
use super::principal::Role;
use super::question::QuestionStatus;
use super::time::Millis;

/// Longest reason in characters.
pub const LONGEST_REASON: usize = 200;

/// Longest look back of a sweep in seconds.
pub const LONGEST_SWEEP_SECONDS: u32 = 600;

/// Oldest newcomer that a sweep may look for, in minutes: a day.
pub const OLDEST_NEWCOMER_MINUTES: u32 = 1_440;

/// Longest time that a notice stays pinned by itself, in seconds: a day.
pub const LONGEST_NOTICE_SECONDS: u32 = 86_400;

/// Longest penalty in seconds: a day.
pub const LONGEST_PENALTY_SECONDS: u32 = 86_400;

/// What a penalty lasts when nothing is said, in seconds (facts, 2.8).
pub const USUAL_PENALTY_SECONDS: u32 = 30;

/// Longest block that isn't for good, in days.
pub const LONGEST_BLOCK_DAYS: u32 = 3_650;

/// Something that staff did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Who did it, with the role that they act by.
    pub by: Author,
    /// The broadcast in which they do it, which has to be the newest one; missing when it is the site that does it.
    pub cid: Option<Cid>,
    /// The token they act by.
    pub credential: Credential,
    /// The API key with which the site's backend asked for it; empty when it came from a session.
    pub key: String,
    /// Why, in their own words; may be empty.
    pub reason: String,
    /// What they did.
    pub deed: Deed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Lines are shown no more.
    Hide(Lines),
    /// Lines that were hidden are shown again.
    Show(Lines),
    /// A notice is pinned; one that was there is replaced.
    Pin(Arc<Pin>),
    /// Nothing is pinned any more.
    Unpin,
    /// Somebody's sessions are closed.
    Kick(Arc<Author>),
    /// Somebody may send nothing for some seconds, and what they have said is hidden.
    Penalize(Arc<Author>, Millis),
    /// Somebody may send nothing until then, or for good.
    Block(Arc<Author>, Option<Millis>),
    /// Somebody may send again.
    Lift(Arc<Author>),
    /// Somebody has this role now.
    Appoint(Arc<Author>, Role),
    /// The chat is run otherwise.
    Run(ModeChange),
    /// For a while the chat is run as in panic, but for this.
    Panic(ModeChange, Millis),
    /// Panic is over.
    Calm,
    /// Lines are filtered otherwise.
    Filter(Arc<FilterChange>),
    /// The channel says something else by itself.
    Say(Arc<OwnLinesChange>),
    /// The question at this place stands otherwise, if nobody has changed it since it had this version.
    Mark(Seq, QuestionStatus, u64),
    /// What was done at this place is taken back.
    Undo(Seq),
}

impl Deed {
    /// Whom it is about, if it is about one user.
    pub fn target(&self) -> Option<&Arc<Author>> {
        match self {
            Self::Kick(user)
            | Self::Penalize(user, _)
            | Self::Block(user, _)
            | Self::Lift(user)
            | Self::Appoint(user, _) => Some(user),
            Self::Hide(_)
            | Self::Show(_)
            | Self::Pin(_)
            | Self::Unpin
            | Self::Run(_)
            | Self::Panic(..)
            | Self::Calm
            | Self::Filter(_)
            | Self::Say(_)
            | Self::Mark(..)
            | Self::Undo(_) => None,
        }
    }

    /// What it asks for whenever it is asked: of whom it is about the identity alone, and how long it lasts from `at` on.
    pub fn asked_at(&self, at: Millis) -> Self {
        let whom = |user: &Arc<Author>| {
            Arc::new(Author { profile: Arc::default(), role: Role::default(), ..Author::clone(user) })
        };
        let lasts = |until: Millis| Millis(until.0.saturating_sub(at.0));
        match self {
            Self::Kick(user) => Self::Kick(whom(user)),
            Self::Penalize(user, until) => Self::Penalize(whom(user), lasts(*until)),
            Self::Block(user, until) => Self::Block(whom(user), until.map(lasts)),
            Self::Lift(user) => Self::Lift(whom(user)),
            Self::Appoint(user, role) => Self::Appoint(whom(user), *role),
            Self::Panic(change, until) => Self::Panic(*change, lasts(*until)),
            Self::Pin(pin) => Self::Pin(Arc::new(Pin { until: pin.until.map(lasts), ..Pin::clone(pin) })),
            Self::Hide(_)
            | Self::Show(_)
            | Self::Unpin
            | Self::Run(_)
            | Self::Calm
            | Self::Filter(_)
            | Self::Say(_)
            | Self::Mark(..)
            | Self::Undo(_) => self.clone(),
        }
    }

    /// Its name, in the API and in the log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Hide(_) => "hide",
            Self::Show(_) => "show",
            Self::Pin(_) => "pin",
            Self::Unpin => "unpin",
            Self::Kick(_) => "kick",
            Self::Penalize(..) => "penalize",
            Self::Block(..) => "block",
            Self::Lift(_) => "lift",
            Self::Appoint(..) => "appoint",
            Self::Run(_) => "run",
            Self::Panic(..) => "panic",
            Self::Calm => "calm",
            Self::Filter(_) => "filter",
            Self::Say(_) => "own_lines",
            Self::Mark(..) => "mark",
            Self::Undo(_) => "undo",
        }
    }
}

/// Which lines an act is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lines {
    /// The one at this place.
    One(Seq),
    /// All that this user has said by now.
    Of(UserId),
    /// What newcomers have said lately.
    Sweep {
        /// In so many seconds, up to [`LONGEST_SWEEP_SECONDS`].
        seconds: u32,
        /// Who said something here for the first time at most so many minutes ago, up to [`OLDEST_NEWCOMER_MINUTES`].
        newcomer_minutes: u32,
    },
}

/// A notice that is to be pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The broadcast in which it is pinned.
    pub cid: Cid,
    /// What it says.
    pub content: PinContent,
    /// When it goes by itself.
    pub until: Option<Millis>,
}

impl Pin {
    /// Whether it says something in words of its own.
    pub fn is_text(&self) -> bool {
        matches!(self.content, PinContent::Text(..))
    }
}

/// What a pinned notice says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinContent {
    /// What a line says that was sent before, as long as it isn't hidden.
    Line(Seq),
    /// A text of whoever pins it.
    Text(String, Extras),
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Why; may be empty.
    pub reason: String,
    /// What.
    pub wish: Wish,
}

/// What is asked for, with lines named as a client names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Lines shall be shown no more.
    Hide(Which),
    /// Lines shall be shown again.
    Show(Which),
    /// A notice shall be pinned, for so many seconds when it says how many.
    Pin(Notice, Option<u32>),
    /// Nothing shall be pinned any more.
    Unpin,
    /// A user's sessions shall be closed.
    Kick(UserId),
    /// A user shall send nothing for so many seconds.
    Penalize(UserId, u32),
    /// A user shall send nothing for so many days, or for good.
    Block(UserId, Option<u32>),
    /// A user may send again.
    Lift(UserId),
    /// A user shall have this role.
    Appoint(UserId, Role),
    /// The chat shall be run otherwise.
    Run(ModeChange),
    /// For so many seconds the chat shall be run as in panic, but for this.
    Panic(ModeChange, u32),
    /// Panic shall be over.
    Calm,
    /// Lines shall be filtered otherwise.
    Filter(FilterChange),
    /// The channel shall say something else by itself.
    Say(OwnLinesChange),
    /// A question that has this version shall stand otherwise.
    Mark(Name, QuestionStatus, u64),
    /// What was done at this place shall be taken back.
    Undo(Seq),
}

/// Which lines somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One.
    Line(Name),
    /// All of a user's.
    Of(UserId),
    /// What newcomers have said lately: see [`Lines::Sweep`].
    Sweep {
        /// In so many seconds.
        seconds: u32,
        /// Newcomers for at most so many minutes.
        newcomer_minutes: u32,
    },
}

/// What a line is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// By its place.
    Place(Seq),
    /// By who said it, and when.
    Said(UserId, Millis),
}

/// What shall be pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A line that was sent before.
    Line(Name),
    /// A text.
    Text(String, Extras),
}
