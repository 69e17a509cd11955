//! How questions stand: the part of what is true that is told by the ledger.

use std::collections::{BTreeMap, BTreeSet};

use madang::model::act::Deed;
use madang::model::question::{QuestionStatus, Vote};

/// A question that was accepted.
#[derive(Clone, Debug)]
pub(super) struct TrueQuestion {
    pub(super) number: u64,
    pub(super) status: QuestionStatus,
    pub(super) version: u64,
    pub(super) voters: BTreeSet<String>,
    /// The last change: by which act, and what was before.
    change: Option<(u64, QuestionStatus)>,
    /// Since which place it stands as it does.
    pub(super) since: u64,
    /// Whether a vote was erased of which nobody was told.
    pub(super) untold: bool,
}

/// All questions, by place.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) questions: BTreeMap<u64, TrueQuestion>,
    asked: u64,
}

impl Ledger {
    /// A question was asked, whatever becomes of it.
    pub(super) fn count(&mut self) {
        self.asked += 1;
    }

    pub(super) fn begin_anew(&mut self) {
        self.asked = 0;
    }

    /// The question that was counted last was accepted.
    pub(super) fn ask(&mut self, seq: u64) {
        let (number, status, version) = (self.asked, QuestionStatus::Unanswered, 1);
        let question =
            TrueQuestion { number, status, version, voters: BTreeSet::new(), change: None, since: seq, untold: false };
        self.questions.insert(seq, question);
    }

    /// A vote of somebody who may vote for this question.
    pub(super) fn vote(&mut self, seq: u64, vote: &Vote) {
        let Some(question) = self.questions.get_mut(&vote.question.0).filter(|question| question.status.is_open())
        else {
            return;
        };
        if question.voters.contains(vote.uid.as_str()) != vote.up {
            question.voters.remove(vote.uid.as_str());
            question.voters.extend(vote.up.then(|| vote.uid.to_string()));
            (question.since, question.untold) = (seq, false);
        }
    }

    pub(super) fn act(&mut self, seq: u64, deed: &Deed) {
        match deed {
            Deed::Mark(place, status, version) => {
                let question = self.questions.get_mut(&place.0);
                let Some(question) = question.filter(|question| question.version == *version) else { return };
                if question.status != *status {
                    question.change = Some((seq, question.status));
                    (question.status, question.version, question.since) = (*status, version + 1, seq);
                    question.untold = false;
                }
            }
            Deed::Undo(act) => {
                for question in self.questions.values_mut() {
                    if let Some((_, before)) = question.change.take_if(|(by, _)| *by == act.0) {
                        (question.status, question.since, question.untold) = (before, seq, false);
                        question.version += 1;
                    }
                }
            }
            _ => {}
        }
    }

    /// Whoever is erased has asked nothing, and has voted for nothing.
    pub(super) fn wipe(&mut self, uid: &str, theirs: impl Fn(u64) -> bool) {
        self.questions.retain(|place, _| !theirs(*place));
        for question in self.questions.values_mut() {
            question.untold |= question.voters.remove(uid);
        }
    }

    pub(super) fn drop_upto(&mut self, upto: u64) {
        self.questions.retain(|place, _| *place > upto);
    }
}
