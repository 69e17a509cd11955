//! What is true, told by a model that shares nothing with the program but its events: a few lines, slow and plain.

use std::collections::{BTreeMap, HashMap};

use madang::model::act::{Deed, Lines};
use madang::model::event::{Body, Logged};
use madang::model::message::{Kind, Line};

/// How long a line may be repeated without becoming a second one.
pub(super) const REPEATABLE_MS: i64 = 120_000;

/// A line that everybody gets.
#[derive(Clone, Debug)]
pub(super) struct TrueLine {
    /// When it was admitted.
    pub(super) at: i64,
    pub(super) cid: String,
    pub(super) uid: String,
    pub(super) text: String,
    pub(super) question: bool,
    /// Its text is withheld.
    pub(super) hidden: bool,
    /// It was erased: nobody is owed it any more.
    pub(super) erased: bool,
    /// It is too old to be shown.
    pub(super) dropped: bool,
}

impl TrueLine {
    /// Whether recent chat shows it no more.
    pub(super) fn is_gone(&self) -> bool {
        self.erased || self.dropped
    }

    /// Whether this lane shows it.
    pub(super) fn is_in(&self, lane: &str) -> bool {
        lane != "questions" || self.question
    }
}

/// Author, tid, client time and text.
type Sent = (String, String, i64, String);

/// The fold of all events, as the contract has it.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// By place.
    pub(super) lines: BTreeMap<u64, TrueLine>,
    pub(super) seq: u64,
    /// Places of acts, with the line that each has hidden.
    pub(super) acts: Vec<(u64, u64)>,
    on_air: Option<String>,
    dropped: u64,
    newest: i64,
    /// What was sent, with the newest time by then, the place, and of a retry when it was admitted.
    sent: HashMap<Sent, (i64, u64, Option<i64>)>,
}

impl Truth {
    pub(super) fn apply(&mut self, logged: &Logged) {
        let seq = logged.seq.0;
        assert!(seq > self.seq, "places rise");
        self.seq = seq;
        match &logged.event.body {
            Body::Opened { cid, .. } => self.on_air = Some(cid.to_string()),
            Body::Closed { cid } if self.on_air.as_deref() == Some(cid.as_str()) => self.on_air = None,
            Body::Line(line) => self.line(seq, logged.event.at.0, line),
            Body::Act(act) => {
                if let Deed::Hide(Lines::One(hidden)) = &act.deed {
                    self.acts.push((seq, hidden.0));
                    self.lines.get_mut(&hidden.0).into_iter().for_each(|line| line.hidden = true);
                }
            }
            Body::Wiped { uid } => {
                self.lines.values_mut().filter(|line| line.uid == uid.as_str()).for_each(|line| line.erased = true);
                self.sent.retain(|(author, ..), _| author != uid.as_str());
            }
            Body::Dropped { upto } if upto.0 > self.dropped => {
                self.dropped = upto.0;
                self.lines.range_mut(..=upto.0).for_each(|(_, line)| line.dropped = true);
                self.sent.retain(|_, (_, place, _)| *place > upto.0);
            }
            _ => {}
        }
    }

    fn line(&mut self, seq: u64, at: i64, line: &Line) {
        self.newest = self.newest.max(at);
        let oldest = self.newest - REPEATABLE_MS;
        self.sent.retain(|_, (by, ..)| *by >= oldest);
        let (uid, draft) = (line.author.uid.to_string(), &line.draft);
        let sent = (uid.clone(), draft.tid.clone(), draft.client_time, draft.text.clone());
        let repeats = |(_, _, retried): &(i64, u64, Option<i64>)| draft.retry || retried.is_some_and(|then| at <= then);
        if self.sent.get(&sent).is_some_and(repeats) || self.on_air.as_deref() != Some(line.cid.as_str()) {
            return;
        }
        self.sent.insert(sent, (self.newest, seq, draft.retry.then_some(at)));
        let (cid, text) = (line.cid.to_string(), draft.text.clone());
        self.lines.insert(
            seq,
            TrueLine {
                at,
                cid,
                uid,
                text,
                question: draft.kind == Kind::Question,
                hidden: false,
                erased: false,
                dropped: false,
            },
        );
    }

    /// What recent chat shows at the end: text, or none where it is withheld.
    pub(super) fn shown(&self, cid: &str) -> Vec<String> {
        let there = self.lines.values().filter(|line| line.cid == cid && !line.is_gone());
        let shown: Vec<String> =
            there.map(|line| if line.hidden { String::new() } else { line.text.clone() }).collect();
        shown[shown.len().saturating_sub(200)..].to_vec()
    }
}
