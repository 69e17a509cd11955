//! Questions: how they stand, votes, and lists of them.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use madang::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use madang::model::item::{LineView, Listed, View};
use madang::model::message::{Draft, Kind, Line, Status};
use madang::model::question::{QuestionChange, QuestionOrder, QuestionState, QuestionStatus, QuestionView};
use madang::model::time::Millis;
use madang::proto::envelope::Envelope;
use madang::proto::questions::{self, Listing, cursor};
use madang::proto::request::questions as request;
use madang::proto::word::question_status_of;

use super::acts::{author, named, pushed};
use super::{address, channel, extras, known, place, text};

const VOTE: [&str; 4] = ["seq", "userId", "messageTime", "vote"];
const LIST: [&str; 5] = ["status", "sort", "size", "cursor", "chatChannelId"];

/// What the gateway decodes of a vote or of a request for a list, put back in the example's place.
pub(super) fn asked_again(cmd: u64, envelope: &Envelope<'_>, example: &Value) -> Value {
    let body = &example["bdy"];
    if cmd == 3141 {
        let (name, up) = request::vote(envelope.body).unwrap();
        let mut again = known(body, &VOTE);
        again["vote"] = up.into();
        return named(again, name);
    }
    let asked = request::list(envelope.body, &Cid::parse("elsewhere").unwrap()).unwrap();
    let mut again = known(body, &LIST);
    assert_eq!(asked.query.statuses, [QuestionStatus::Unanswered, QuestionStatus::Selected], "OPEN");
    again["sort"] = if asked.query.order == QuestionOrder::Votes { "VOTES" } else { "AGE" }.into();
    again["size"] = asked.size.into();
    again["cursor"] = asked.query.after.map(|(votes, Seq(seq))| cursor(votes, seq)).into();
    again["chatChannelId"] = asked.query.cid.unwrap().to_string().into();
    again
}

/// How a question stands, as an object of the wire tells; of anything else nothing that is true.
pub(super) fn state(object: &Value) -> QuestionState {
    let number = |name: &str| object[name].as_u64().unwrap_or_default();
    let names = ["status", "msgStatusType", "messageStatusType"];
    let status = names.iter().find_map(|name| question_status_of(object[*name].as_str()?).ok());
    QuestionState {
        seq: Seq(number("seq")),
        number: number("questionNo"),
        status: status.unwrap_or_default(),
        version: number("version"),
        votes: number("votes"),
        changed: Seq(number("changeSeq")),
    }
}

fn view(object: &Value) -> QuestionView {
    let change = object["changedBy"].as_object().map(|by| QuestionChange {
        act: Seq(1),
        at: Millis(object["changeTime"].as_i64().unwrap()),
        by: UserId::parse(&text(&by["userId"])).unwrap(),
        nickname: text(&by["nickname"]),
        before: QuestionStatus::Unanswered,
    });
    QuestionView {
        cid: Cid::parse(&text(&object["channelId"])).unwrap(),
        state: state(object),
        author: UserId::parse(&text(&object["userId"])).unwrap(),
        time: Millis(object["messageTime"].as_i64().unwrap()),
        change,
    }
}

fn listed(object: &Value) -> Listed {
    let draft = Draft {
        kind: Kind::Question,
        text: text(&object["content"]),
        extras: extras(object["extras"].as_str().unwrap()),
        ..Draft::default()
    };
    let line = Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: Cid::parse(&text(&object["channelId"])).unwrap(),
        author: author(&serde_json::from_str(object["profile"].as_str().unwrap()).unwrap()),
        draft,
        members: 0,
        credential: Default::default(),
        known: Default::default(),
    };
    let status = if object["hidden"] == true { Status::Hidden } else { Status::Normal };
    let id = EventId(Uuid::parse_str(&text(&object["msgId"])).unwrap());
    let time = Millis(object["messageTime"].as_i64().unwrap());
    let line = LineView::revealed(place(&object["seq"]), id, time, status, Arc::new(line));
    Listed { line, question: view(object), voted: object["voted"].as_bool() }
}

pub(super) fn voted_again(example: &Value) -> String {
    questions::voted(&address(example), &view(&example["bdy"]), example["bdy"]["voted"].as_bool().unwrap())
}

fn with_listing(example: &Value, told: impl FnOnce(&Listing<'_>) -> String) -> String {
    let body = &example["bdy"];
    let questions: Vec<_> = body["questions"].as_array().unwrap().iter().map(listed).collect();
    let open = body["open"].as_u64().unwrap().try_into().unwrap();
    let more = body["nextCursor"].is_string();
    told(&Listing { channel: &channel(&body["questions"][0]["extras"]), questions: &questions, open, more })
}

pub(super) fn listing_again(example: &Value) -> String {
    with_listing(example, |listing| questions::listing(&address(example), listing, 61_440))
}

/// A change, or the list for whoever comes.
pub(super) fn push_again(example: &Value) -> String {
    if example["bdy"]["open"].is_u64() {
        let cid = Cid::parse(&text(&example["cid"])).unwrap();
        return with_listing(example, |listing| questions::open(&cid, listing, 32_768));
    }
    pushed(example, View::Question(view(&example["bdy"]["questions"][0])), &ChannelId::directory())
}
