//! What happened, and where it stands in the log.

use std::sync::Arc;

use super::access::{ApiKey, Revoked};
use super::act::Act;
use super::announcement::Announcement;
use super::guest::Naming;
use super::id::{ChannelId, Cid, EventId, Seq, UserId};
use super::message::{Kind, Line};
use super::question::Vote;
use super::time::Millis;

/// Something that happened in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its identity: appended twice, it is in the log once.
    pub id: EventId,
    /// When it was admitted.
    pub at: Millis,
    /// What it was.
    pub body: Body,
}

impl Event {
    /// A new event at `at`.
    pub fn new(at: Millis, body: Body) -> Self {
        Self { id: EventId::fresh(), at, body }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A broadcast began; one that was open ended with it.
    Opened {
        /// The new broadcast.
        cid: Cid,
        /// Its title.
        title: String,
    },
    /// A broadcast ended.
    Closed {
        /// Which one.
        cid: Cid,
    },
    /// Somebody said something.
    Line(Arc<Line>),
    /// Somebody would like to hear the answer to a question, or no longer.
    Vote(Arc<Vote>),
    /// A guest is called something.
    Named(Arc<Naming>),
    /// The site's backend told everybody something.
    Announced(Arc<Announcement>),
    /// Staff did something.
    Act(Arc<Act>),
    /// What an act had begun is over, because its time was up.
    Lapsed {
        /// The place of that act.
        act: Seq,
    },
    /// Everything that somebody has said by now is to be erased: the log does it after this event.
    Wiped {
        /// Who.
        uid: UserId,
    },
    /// The oldest events are dropped: the log does it after this event, and after a snapshot that has it.
    Dropped {
        /// All up to here.
        upto: Seq,
    },
    /// In the directory: a channel is served, under this name.
    Listed {
        /// Which channel.
        channel: ChannelId,
        /// The streamer's name.
        name: String,
    },
    /// In the directory: a channel is served no more.
    Unlisted {
        /// Which channel.
        channel: ChannelId,
    },
    /// In the directory: a `cid` was given to a channel, for good.
    Allotted {
        /// The broadcast's identity.
        cid: Cid,
        /// Whose it is.
        channel: ChannelId,
    },
    /// Tokens were revoked: in the directory for the whole site, and in each channel that is in use then.
    Revoked {
        /// Whose.
        revoked: Revoked,
        /// Of a user, those made until then: a little later than the event, because clocks differ.
        until: Millis,
    },
    /// In the directory: an API key was made.
    KeyMade(Arc<ApiKey>),
    /// In the directory: an API key holds no more.
    KeyRevoked {
        /// Which key.
        id: String,
    },
    /// The content was erased; its place in the log stays.
    Erased {
        /// Whether it was a question: questions are numbered.
        question: bool,
    },
    /// Written by a newer build in a form this one can't read: the channel is read-only until it is upgraded.
    Unreadable {
        /// The form's version byte.
        version: u8,
    },
}

impl Body {
    /// What is left of it when it is erased.
    pub fn erased(&self) -> Self {
        Self::Erased { question: self.is_question() }
    }

    /// Whether somebody asked something, be it accepted or not.
    pub fn is_question(&self) -> bool {
        match self {
            Self::Line(line) => line.draft.kind == Kind::Question,
            Self::Erased { question } => *question,
            _ => false,
        }
    }
}

/// An event with its place in its channel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its place.
    pub seq: Seq,
    /// What happened.
    pub event: Arc<Event>,
}
