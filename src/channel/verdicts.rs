//! What the judge has made of events, where the log by itself doesn't say: what was refused, which lines have another time or
//! were said in another role, and which are to be erased.

use std::collections::{BTreeMap, HashMap};

use crate::model::event::Body;
use crate::model::id::{Seq, UserId};
use crate::model::item::LineView;
use crate::model::principal::Role;
use crate::model::time::Millis;

use super::{Channel, Kept, Logged, Verdict, in_role};

/// Exceptions that are remembered, about 50 bytes each. Beyond them nothing is known of lines that are older than the oldest.
const MOST: usize = 100_000;

/// Lines whose author's role was given here; of older ones the role is the one that the token claimed.
const MOST_ROLES: usize = 20_000;

/// Users whose erased lines are kept out, as long as the log may still hold them; the one erased longest ago goes first.
const MOST_WIPED: usize = 10_000;

/// What isn't what the log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// The time of a line; `None` of an event that is none, or that was refused.
    exceptions: BTreeMap<Seq, Option<Millis>>,
    /// What authors of lines were here.
    roles: BTreeMap<Seq, Role>,
    /// Nothing is known up to here.
    floor: Seq,
    /// Up to where everything of a user is to be erased.
    wiped: HashMap<UserId, Seq>,
}

impl Verdicts {
    /// These exceptions and roles, nothing known up to a place, and these users erased up to theirs.
    pub fn new(
        exceptions: impl IntoIterator<Item = (Seq, Option<Millis>)>,
        roles: impl IntoIterator<Item = (Seq, Role)>,
        floor: Seq,
        wiped: impl IntoIterator<Item = (UserId, Seq)>,
    ) -> Self {
        let (exceptions, roles) = (exceptions.into_iter().collect(), roles.into_iter().collect());
        Self { exceptions, roles, floor, wiped: wiped.into_iter().collect() }
    }

    /// Every exception, oldest first.
    pub fn all(&self) -> impl Iterator<Item = (Seq, Option<Millis>)> {
        self.exceptions.iter().map(|(place, time)| (*place, *time))
    }

    /// Every role that isn't the one that the log says, oldest line first.
    pub fn roles(&self) -> impl Iterator<Item = (Seq, Role)> {
        self.roles.iter().map(|(place, role)| (*place, *role))
    }

    /// Nothing is known up to here.
    pub fn floor(&self) -> Seq {
        self.floor
    }

    /// Up to where everything of a user is to be erased, in no order.
    pub fn wiped(&self) -> impl Iterator<Item = (&UserId, Seq)> {
        self.wiped.iter().map(|(user, place)| (user, *place))
    }

    /// Takes note of what became of an event.
    pub(super) fn note(&mut self, logged: &Logged, verdict: &Verdict) {
        if let Verdict::Line(Kept { role: Some(role), .. }) = verdict {
            self.roles.insert(logged.seq, *role);
            if self.roles.len() > MOST_ROLES {
                self.roles.pop_first();
            }
        }
        let exception = match (&logged.event.body, verdict) {
            (Body::Line(_), Verdict::Line(kept)) if kept.time == logged.event.at => return,
            (Body::Line(_), Verdict::Line(kept)) => Some(kept.time),
            (Body::Line(_), _) => None,
            // Whoever asks for the same again has to know that it didn't happen.
            (Body::Announced(_) | Body::Vote(_) | Body::Act(_), Verdict::Rejected(_)) => None,
            _ => return,
        };
        self.exceptions.insert(logged.seq, exception);
        if self.exceptions.len() > MOST {
            self.floor = self.exceptions.pop_first().map_or(self.floor, |(place, _)| place);
        }
    }

    /// Whether the event at this place was refused, as far as that is remembered.
    pub fn is_refused(&self, place: Seq) -> bool {
        self.exceptions.get(&place) == Some(&None)
    }

    /// Everything that somebody has said up to a place is to be erased.
    pub(super) fn wipe(&mut self, place: Seq, uid: &UserId) {
        self.wiped.insert(uid.clone(), place);
        if self.wiped.len() > MOST_WIPED {
            let oldest = self.wiped.iter().map(|(user, place)| (*place, user.clone())).min();
            oldest.map(|(_, user)| self.wiped.remove(&user));
        }
    }

    pub(super) fn forget_upto(&mut self, place: Seq) {
        self.exceptions = self.exceptions.split_off(&Seq(place.0 + 1));
        self.roles = self.roles.split_off(&Seq(place.0 + 1));
        self.wiped.retain(|_, wiped| *wiped > place);
    }

    /// Whether what this user has said at a place is to be erased.
    pub(super) fn is_wiped(&self, uid: &UserId, place: Seq) -> bool {
        self.wiped.get(uid).is_some_and(|upto| place <= *upto)
    }

    /// The time of the line at this place, and its author's role if that isn't the one that the log says; `None` when it is
    /// none, or when that isn't known.
    fn stamp(&self, logged: &Logged) -> Option<(Millis, Option<Role>)> {
        let known = logged.seq > self.floor;
        let time = known.then(|| self.exceptions.get(&logged.seq).copied().unwrap_or(Some(logged.event.at)))?;
        Some((time?, self.roles.get(&logged.seq).copied()))
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
        let gone = logged.seq <= self.dropped() || self.verdicts.is_wiped(&line.author.uid, logged.seq);
        if line.is_shadowed() || gone || logged.seq > self.seq() {
            return None;
        }
        if let Some(kept) = self.line_at(logged.seq) {
            return Some(self.reveal_line(kept));
        }
        let (time, role) = self.verdicts.stamp(logged)?;
        let (seq, id, line) = (logged.seq, logged.event.id, in_role(line, role));
        Some(self.reveal_line(&Kept { seq, id, time, line, role }))
    }
}
