//! A channel's state as values, to be kept and brought back.
//!
//! Lines are not in it: they stand in the log. What the judge made of them is, by their places.

use std::sync::Arc;

use crate::model::broadcast::Broadcast;
use crate::model::event::{Body, Logged};
use crate::model::id::{ChannelId, Seq};
use crate::model::message::Receipt;
use crate::model::time::Millis;
use crate::policy::revoked::{Revocation, Revocations};

use super::authors::Authors;
use super::window::Window;
use super::{Channel, Hidden, Kept};

/// A channel's state at a place in its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Everything up to here is in it.
    pub seq: Seq,
    /// The channel's broadcasts, oldest first.
    pub broadcasts: Vec<Broadcast>,
    /// Oldest first.
    pub revocations: Vec<Revocation>,
    /// The newest time in the log.
    pub newest: Millis,
    /// No author who is forgotten has a later line.
    pub floor: Millis,
    /// Lines of the broadcast behind this place are shown to those who come late or come back.
    pub window: Seq,
    /// Lines that are withheld.
    pub hidden: Hidden,
    /// Everything up to here is dropped.
    pub dropped: Seq,
    /// From this one on, what authors sent is remembered.
    pub remembered: Seq,
    /// The lines that matter, oldest first.
    pub marks: Vec<Mark>,
}

/// A line that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its place in the log.
    pub seq: Seq,
    /// The time that the judge gave it.
    pub time: Millis,
    /// The newest time in the log by then.
    pub by: Millis,
}

impl Channel {
    /// The state as values; `None` for one that holds an event which this build can't read, because a later build, which
    /// can, has to read it again.
    pub fn freeze(&self) -> Option<Frozen> {
        if self.unreadable.is_some() {
            return None;
        }
        let (newest, floor) = self.authors.times();
        let mut remembered = self.authors.remembered().peekable();
        let first = remembered.peek().map_or(Seq(u64::MAX), |(seq, ..)| *seq);
        let mut marks: Vec<Mark> = self
            .window
            .last(usize::MAX)
            .take_while(|kept| kept.seq < first)
            .map(|kept| Mark { seq: kept.seq, time: kept.time, by: Millis::default() })
            .collect();
        marks.extend(remembered.map(|(seq, time, by)| Mark { seq, time, by }));
        Some(Frozen {
            seq: self.seq,
            broadcasts: self.broadcasts.clone(),
            revocations: self.revocations.page(None, usize::MAX).into_iter().rev().collect(),
            newest,
            floor,
            window: self.window.begins(),
            hidden: self.hidden.clone(),
            dropped: self.dropped,
            remembered: first,
            marks,
        })
    }

    /// The state that `frozen` tells of; `lines` are the events at its marks, in order. Those that are missing there, or
    /// have been erased, are forgotten.
    pub fn thaw(id: ChannelId, frozen: &Frozen, lines: &[Logged]) -> Self {
        let mut authors = Authors::forgetful((frozen.newest, frozen.floor));
        let mut window = Window::since(frozen.window);
        let mut marks = frozen.marks.iter().peekable();
        for logged in lines {
            while marks.next_if(|mark| mark.seq < logged.seq).is_some() {}
            let Some(mark) = marks.next_if(|mark| mark.seq == logged.seq) else { continue };
            let Body::Line(line) = &logged.event.body else { continue };
            let Mark { seq, time, by } = *mark;
            if seq >= frozen.remembered {
                authors.restore(by, line, logged.event.at, Receipt { id: logged.event.id, time, seq });
            }
            if seq > frozen.window {
                window.push(Kept { seq, id: logged.event.id, time, line: Arc::clone(line) });
            }
        }
        let mut revocations = Revocations::default();
        frozen.revocations.iter().cloned().for_each(|revocation| revocations.add(revocation));
        Self {
            id,
            seq: frozen.seq,
            broadcasts: frozen.broadcasts.clone(),
            authors,
            window,
            hidden: frozen.hidden.clone(),
            dropped: frozen.dropped,
            revocations,
            unreadable: None,
        }
    }
}
