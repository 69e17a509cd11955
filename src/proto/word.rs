//! Words that replies and pushes share.

use crate::model::filter::Rule;
use crate::model::message::{Kind, Lane, Status};
use crate::model::mode::Group;
use crate::model::question::{QuestionState, QuestionStatus};

/// The service every Chzzk client names.
pub const SERVICE: &str = "game";

/// How much of our own protocol a session has asked for: `bdy.ext` of CONNECT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Exactly the public wire.
    #[default]
    Plain,
    /// Our layer 1 on it.
    Ext,
}

impl Dialect {
    /// `msgTypeCode`. On the plain wire a question or notice is an ordinary line: a strict client drops the rest of a
    /// frame that holds an unknown type.
    pub(super) fn kind(self, kind: Kind) -> u8 {
        match (self, kind) {
            (Self::Plain, Kind::Text | Kind::Question | Kind::Notice) | (Self::Ext, Kind::Text) => 1,
            (Self::Ext, Kind::Question) => 40,
            (Self::Ext, Kind::Notice) => 41,
            (_, Kind::Donation) => 10,
            (_, Kind::Subscription) => 11,
        }
    }

    /// `msgStatusType`; of a question, how it stands.
    pub(super) fn status(self, kind: Kind, status: Status, question: Option<QuestionState>) -> &'static str {
        match (self, kind, status) {
            (_, _, Status::Hidden) => "HIDDEN",
            (_, _, Status::Blinded) => "CBOTBLIND",
            (Self::Ext, Kind::Question, Status::Normal) => {
                question_status(question.map(|question| question.status).unwrap_or_default())
            }
            (_, _, Status::Normal) => "NORMAL",
        }
    }
}

/// How questions stand, by their names.
const QUESTION_STATUSES: [(QuestionStatus, &str); 4] = [
    (QuestionStatus::Unanswered, "UNANSWERED"),
    (QuestionStatus::Selected, "SELECTED"),
    (QuestionStatus::Answered, "ANSWERED"),
    (QuestionStatus::Dismissed, "DISMISSED"),
];

/// The name of how a question stands.
pub fn question_status(status: QuestionStatus) -> &'static str {
    QUESTION_STATUSES.iter().find(|(known, _)| *known == status).map_or("", |(_, name)| name)
}

/// How a question of this status stands.
pub fn question_status_of(name: &str) -> Result<QuestionStatus, String> {
    let known = QUESTION_STATUSES.iter().find(|(_, known)| *known == name).map(|(status, _)| *status);
    known.ok_or_else(|| format!("status is {}, not {name:?}", QUESTION_STATUSES.map(|(_, name)| name).join(", ")))
}

/// A rule's name, and what of it is said: a word, a pattern, a host.
pub fn rule_name(rule: &Rule) -> (&'static str, Option<&str>) {
    match rule {
        Rule::Word(text) => ("word", Some(text)),
        Rule::Pattern(text) => ("pattern", Some(text)),
        Rule::Link(host) => ("link", Some(host)),
        Rule::Repeats => ("repeats", None),
        Rule::Marks => ("marks", None),
        Rule::Directions => ("directions", None),
    }
}

/// Who may send, by the wire's names (facts, 3).
const GROUPS: [(Group, &str); 4] = [
    (Group::All, "ALL"),
    (Group::Followers, "FOLLOWER"),
    (Group::Subscribers, "SUBSCRIBER"),
    (Group::Managers, "MANAGER"),
];

/// The wire's name of a group of those who may send.
pub fn group_name(group: Group) -> &'static str {
    GROUPS.iter().find(|(known, _)| *known == group).map_or("", |(_, name)| name)
}

/// The group of this name.
pub(super) fn group(name: &str) -> Result<Group, String> {
    let known = GROUPS.iter().find(|(_, known)| *known == name).map(|(group, _)| *group);
    known.ok_or_else(|| format!("a group is {}, not {name:?}", GROUPS.map(|(_, name)| name).join(", ")))
}

/// Lanes by their names.
const LANES: [(Lane, &str); 4] =
    [(Lane::All, "all"), (Lane::Questions, "questions"), (Lane::Overlay, "overlay"), (Lane::Quiet, "quiet")];

/// A lane's name.
pub fn lane_name(lane: Lane) -> &'static str {
    LANES.iter().find(|(known, _)| *known == lane).map_or("", |(_, name)| name)
}

/// The lane of this name.
pub(super) fn lane(name: &str) -> Result<Lane, String> {
    let known = LANES.iter().find(|(_, known)| *known == name).map(|(lane, _)| *lane);
    known.ok_or_else(|| format!("lane is {}, not {name:?}", LANES.map(|(_, name)| name).join(", ")))
}
