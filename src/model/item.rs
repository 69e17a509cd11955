//! What one audience may see of an event.
//!
//! An [`Item`] is the only form in which content leaves the core, and `channel::reveal` is the only room that makes
//! one (a test of the floors looks for it): pushes, recent chat and every later way out get their text from here.

use std::sync::Arc;

use super::id::{Cid, EventId, Seq, UserId};
use super::message::{Author, Extras, Kind, Line, Status};
use super::time::Millis;

/// Who may see an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every member.
    All,
    /// Members whose role is staff.
    Staff,
    /// All sessions of one user.
    User(UserId),
}

/// A line as one audience may see it.
#[derive(Clone, Debug)]
pub struct Item {
    seq: Seq,
    id: EventId,
    time: Millis,
    status: Status,
    audience: Audience,
    line: Arc<Line>,
}

impl Item {
    /// The view of `line` that `channel::reveal` decided on.
    pub fn revealed(seq: Seq, id: EventId, time: Millis, status: Status, audience: Audience, line: Arc<Line>) -> Self {
        Self { seq, id, time, status, audience, line }
    }

    /// The same line as it stands now, by `channel::reveal`'s decision.
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// Place in the channel's log.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Identity of the event.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The line's time, unique for its author in this channel.
    pub fn time(&self) -> Millis {
        self.time
    }

    /// How the line stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Who may see it.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The broadcast it was said in.
    pub fn cid(&self) -> &Cid {
        &self.line.cid
    }

    /// Who said it.
    pub fn author(&self) -> &Author {
        &self.line.author
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.line.draft.kind
    }

    /// The text; empty when it is withheld from this audience.
    pub fn text(&self) -> &str {
        match self.status {
            Status::Normal => &self.line.draft.text,
            Status::Hidden => "",
        }
    }

    /// What goes with the text; nothing that could spell it out when it is withheld.
    pub fn extras(&self) -> Extras {
        match self.status {
            Status::Normal => self.line.draft.extras.clone(),
            Status::Hidden => Extras { os: self.line.draft.extras.os, emojis: Vec::new() },
        }
    }

    /// How many sockets were in the broadcast when it was sent.
    pub fn members(&self) -> u32 {
        self.line.members
    }
}
