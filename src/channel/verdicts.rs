//! What the judge has made of lines, where the log by itself doesn't say: which ones are none, and which have another time.

use std::collections::BTreeMap;

use crate::model::event::Body;
use crate::model::id::Seq;
use crate::model::item::LineView;
use crate::model::time::Millis;

use super::{Channel, Kept, Logged, Verdict};

/// Exceptions that are remembered, about 40 bytes each. Beyond them nothing is known of lines that are older than the oldest.
const MOST: usize = 100_000;

/// Lines that aren't what the log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// The time that it has; `None` of an event that is no line.
    exceptions: BTreeMap<Seq, Option<Millis>>,
    /// Nothing is known up to here.
    floor: Seq,
}

impl Verdicts {
    /// These exceptions, and nothing known up to a place.
    pub fn new(exceptions: impl IntoIterator<Item = (Seq, Option<Millis>)>, floor: Seq) -> Self {
        Self { exceptions: exceptions.into_iter().collect(), floor }
    }

    /// Every exception, oldest first.
    pub fn all(&self) -> impl Iterator<Item = (Seq, Option<Millis>)> {
        self.exceptions.iter().map(|(place, time)| (*place, *time))
    }

    /// Nothing is known up to here.
    pub fn floor(&self) -> Seq {
        self.floor
    }

    /// Takes note of what became of an event.
    pub(super) fn note(&mut self, logged: &Logged, verdict: &Verdict) {
        let exception = match (&logged.event.body, verdict) {
            (Body::Line(_), Verdict::Line(Kept { time, .. })) if *time == logged.event.at => return,
            (Body::Line(_), Verdict::Line(kept)) => Some(kept.time),
            (Body::Line(_), _) => None,
            _ => return,
        };
        self.exceptions.insert(logged.seq, exception);
        if self.exceptions.len() > MOST {
            self.floor = self.exceptions.pop_first().map_or(self.floor, |(place, _)| place);
        }
    }

    pub(super) fn forget_upto(&mut self, place: Seq) {
        self.exceptions = self.exceptions.split_off(&Seq(place.0 + 1));
    }

    /// The time of the line at this place, of which the log says another one; `None` when it is none, or when that isn't
    /// known.
    fn time(&self, logged: &Logged) -> Option<Millis> {
        let known = logged.seq > self.floor;
        known.then(|| self.exceptions.get(&logged.seq).copied().unwrap_or(Some(logged.event.at)))?
    }
}

impl Channel {
    /// What the log doesn't say of lines.
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// The line that stands at this place of the log, as everybody may see it now; `None` when there is none that everybody
    /// may.
    pub fn line_in_log(&self, logged: &Logged) -> Option<LineView> {
        let Body::Line(line) = &logged.event.body else { return None };
        if line.is_shadowed() || logged.seq <= self.dropped() || logged.seq > self.seq() {
            return None;
        }
        if let Some(kept) = self.line_at(logged.seq) {
            return Some(self.reveal_line(kept));
        }
        let (seq, id, time) = (logged.seq, logged.event.id, self.verdicts.time(logged)?);
        Some(self.reveal_line(&Kept { seq, id, time, line: line.clone(), role: None }))
    }
}
