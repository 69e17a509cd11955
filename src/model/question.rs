//! Questions to the streamer: how they stand, and who would like to hear the answer.

use super::access::Credential;
use super::id::{Cid, Seq, UserId};
use super::mode::Known;
use super::principal::Role;
use super::time::Millis;

/// How a question stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuestionStatus {
    /// Nobody has dealt with it.
    #[default]
    Unanswered,
    /// It is to be answered now.
    Selected,
    /// It was answered.
    Answered,
    /// It won't be.
    Dismissed,
}

impl QuestionStatus {
    /// Every status, in the order in which a question goes through them.
    pub const ALL: [Self; 4] = [Self::Unanswered, Self::Selected, Self::Answered, Self::Dismissed];

    /// Whether it waits for an answer: only then it can be voted for.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Unanswered | Self::Selected)
    }

    /// Its name, in the API and in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::Selected => "selected",
            Self::Answered => "answered",
            Self::Dismissed => "dismissed",
        }
    }

    /// The status of this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// A question as it stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuestionState {
    /// The place of its line.
    pub seq: Seq,
    /// Its number in its broadcast: rises from 1, may skip.
    pub number: u64,
    /// How it stands.
    pub status: QuestionStatus,
    /// Rises by one with every change of the status, from 1; whoever wants to change it says which one they saw.
    pub version: u64,
    /// Users who would like to hear the answer.
    pub votes: u64,
    /// The place of what has changed it last, a vote included: of two words about a question the one with the later place is
    /// the newer.
    pub changed: Seq,
}

/// Who has changed a question's status last, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionChange {
    /// The place of the act.
    pub act: Seq,
    /// When.
    pub at: Millis,
    /// Who.
    pub by: UserId,
    /// What they were called.
    pub nickname: String,
    /// How the question stood before.
    pub before: QuestionStatus,
}

/// What members are told of a question whose status or votes are others now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionView {
    /// The broadcast in which it was asked.
    pub cid: Cid,
    /// How it stands.
    pub state: QuestionState,
    /// Who asked.
    pub author: UserId,
    /// The time of its line.
    pub time: Millis,
    /// Its last change.
    pub change: Option<QuestionChange>,
}

/// That somebody would like to hear the answer to a question, or no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The broadcast in which they are.
    pub cid: Cid,
    /// Who.
    pub uid: UserId,
    /// What their token lets them do.
    pub role: Role,
    /// Whether they have a subscription.
    pub subscribed: bool,
    /// The token that they act by.
    pub credential: Credential,
    /// What the site says of them.
    pub known: Known,
    /// The place of the question's line.
    pub question: Seq,
    /// Whether they would like to hear it.
    pub up: bool,
}

/// In which order questions are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuestionOrder {
    /// Oldest first.
    #[default]
    Age,
    /// Most votes first; of the same count, oldest first.
    Votes,
}

/// Which questions somebody wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuestionQuery {
    /// Of this broadcast; `None`: of any that is remembered.
    pub cid: Option<Cid>,
    /// With one of these.
    pub statuses: Vec<QuestionStatus>,
    /// In this order.
    pub order: QuestionOrder,
    /// Behind the one at this place, which had so many votes then.
    pub after: Option<(u64, Seq)>,
}

impl QuestionQuery {
    /// Every question that waits for an answer in a broadcast, most votes first.
    pub fn open(cid: &Cid) -> Self {
        let statuses = vec![QuestionStatus::Unanswered, QuestionStatus::Selected];
        Self { cid: Some(cid.clone()), statuses, order: QuestionOrder::Votes, after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_found_by_its_name() {
        for status in QuestionStatus::ALL {
            assert_eq!(QuestionStatus::parse(status.word()), Some(status));
        }
        assert_eq!(QuestionStatus::parse("ANSWERED"), None);
        assert_eq!(QuestionStatus::ALL.map(QuestionStatus::is_open), [true, true, false, false]);
    }
}
