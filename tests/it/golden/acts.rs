//! What staff ask for, and what members are told of it.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use madang::model::act::{Act, Deed, Lines, Name, Notice, Which, Wish};
use madang::model::filter::{FilterChange, Measure, Repeats};
use madang::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use madang::model::item::{Audience, Item, LineView, NoticeView, Sanction, Standing, SystemView, View};
use madang::model::message::{Author, Draft, Extras, Kind, Line, Receipt, Status};
use madang::model::mode::{ModeChange, Modes};
use madang::model::principal::Role;
use madang::model::time::Millis;
use madang::proto::cmd::Cmd;
use madang::proto::envelope::Envelope;
use madang::proto::profile::{role_code, role_of};
use madang::proto::push::{self, Place};
use madang::proto::reply;
use madang::proto::request::{acts, filters, questions};
use madang::proto::word::{group_name, question_status};

use super::{address, channel, extras, kind_of, known, line_view, place, profile_of, stretch, text};

const HIDE: [&str; 8] = ["seq", "userId", "messageTime", "blindType", "all", "sweep", "undo", "reason"];
const PIN: [&str; 8] = ["seq", "userId", "messageTime", "message", "extras", "seconds", "undo", "reason"];
const MODES: [&str; 10] = [
    "chatSlowModeSec",
    "chatAvailableGroup",
    "minFollowerMinute",
    "allowSubscriberInFollowerMode",
    "chatEmojiMode",
    "chatAvailableCondition",
    "panic",
    "seconds",
    "undo",
    "reason",
];
const USER: [&str; 7] = ["userId", "seconds", "days", "blocked", "userRoleCode", "undo", "reason"];
const FILTER: [&str; 3] = ["filter", "undo", "reason"];
const MARK: [&str; 7] = ["seq", "userId", "messageTime", "status", "version", "undo", "reason"];
const NAME: [&str; 3] = ["seq", "userId", "messageTime"];

/// What the gateway decodes of a request of staff, put back in the example's place.
pub(super) fn asked_again(cmd: u64, envelope: &Envelope<'_>, example: &Value) -> Value {
    let body = &example["bdy"];
    if cmd == 5008 {
        return named(known(body, &NAME), acts::hidden_line(envelope.body).unwrap());
    }
    let asked = match cmd {
        4005 => acts::kick(envelope.body).unwrap(),
        4006 => acts::block(envelope.body).unwrap(),
        4015 => acts::penalty(envelope.body).unwrap(),
        4020 => acts::role(envelope.body).unwrap(),
        4030 => acts::modes(envelope.body).unwrap(),
        4040 => filters::filter(envelope.body).unwrap(),
        3140 => questions::mark(envelope.body).unwrap(),
        4008 => acts::hide(envelope.body).unwrap(),
        _ => acts::pin(envelope.body, 4_096).unwrap(),
    };
    let fields: &[&str] = match cmd {
        4008 => &HIDE,
        4010 => &PIN,
        4030 => &MODES,
        4040 => &FILTER,
        3140 => &MARK,
        _ => &USER,
    };
    let mut again = known(body, fields);
    if let Some(reason) = body.get("reason") {
        assert_eq!(*reason, asked.reason);
    }
    match asked.wish {
        Wish::Hide(which) => {
            again["blindType"] = "HIDDEN".into();
            which_lines(again, which)
        }
        Wish::Show(which) => {
            again["blindType"] = "CANCEL".into();
            which_lines(again, which)
        }
        Wish::Pin(Notice::Line(name), seconds) => {
            seconds.iter().for_each(|seconds| again["seconds"] = (*seconds).into());
            named(again, name)
        }
        Wish::Pin(Notice::Text(text, shown), seconds) => {
            seconds.iter().for_each(|seconds| again["seconds"] = (*seconds).into());
            assert_eq!(shown, body["extras"].as_str().map_or(Extras::default(), extras));
            again["message"] = text.into();
            again
        }
        Wish::Unpin => again,
        Wish::Kick(user) | Wish::Lift(user) => {
            again["userId"] = user.to_string().into();
            again
        }
        Wish::Penalize(user, seconds) => {
            again["userId"] = user.to_string().into();
            again["seconds"] = seconds.into();
            again
        }
        Wish::Block(user, days) => {
            again["userId"] = user.to_string().into();
            again["days"] = days.into();
            again
        }
        Wish::Run(change) => changed(again, change),
        Wish::Panic(change, seconds) => {
            again["panic"] = true.into();
            again["seconds"] = seconds.into();
            changed(again, change)
        }
        Wish::Filter(change) => {
            again["filter"] = filtered(change);
            again
        }
        Wish::Calm => {
            again["panic"] = false.into();
            again
        }
        Wish::Appoint(user, role) => {
            again["userId"] = user.to_string().into();
            again["userRoleCode"] = role_code(role).into();
            again
        }
        Wish::Mark(name, status, version) => {
            again["status"] = question_status(status).into();
            again["version"] = version.into();
            named(again, name)
        }
        Wish::Say(_) => unreachable!("no request of the socket asks for it"),
        Wish::Undo(Seq(place)) => {
            again["undo"] = place.into();
            again
        }
    }
}

fn changed(mut again: Value, change: ModeChange) -> Value {
    let condition = change.real_name.map(|real_name| if real_name { "REAL_NAME" } else { "NONE" });
    let fields = [
        ("chatSlowModeSec", change.slow_seconds.map(Value::from)),
        ("chatAvailableGroup", change.group.map(|group| group_name(group).into())),
        ("minFollowerMinute", change.follow_minutes.map(Value::from)),
        ("allowSubscriberInFollowerMode", change.subscribers_too.map(Value::from)),
        ("chatEmojiMode", change.emoji_only.map(Value::from)),
        ("chatAvailableCondition", condition.map(Value::from)),
    ];
    for (name, value) in fields {
        value.into_iter().for_each(|value| again[name] = value);
    }
    again
}

fn filtered(change: FilterChange) -> Value {
    let word = |measure: Option<Measure>| measure.map_or("off", Measure::word);
    let list = |name: &str, entries: &[(String, Option<Measure>)]| -> Value {
        entries.iter().map(|(text, measure)| json!({name: text, "measure": word(*measure)})).collect()
    };
    let hosts = |wanted: bool| change.hosts.iter().filter(move |(_, allowed)| *allowed == wanted).map(|(host, _)| host);
    let repeats = |given: Repeats| json!({"most": given.most, "measure": word(Some(given.measure))});
    json!({
        "words": list("word", &change.words),
        "patterns": list("pattern", &change.patterns),
        "hosts": hosts(true).collect::<Vec<_>>(),
        "noHosts": hosts(false).collect::<Vec<_>>(),
        "noWords": change.no_words,
        "links": word(change.links.unwrap()),
        "repeats": repeats(change.repeats.unwrap().unwrap()),
        "marks": word(change.marks.unwrap()),
        "directions": word(change.directions.unwrap()),
    })
}

/// How the chat is run.
pub(super) fn modes_again(example: &Value) -> String {
    let body = &example["bdy"];
    let words = acts::ModeWords {
        slow_seconds: body["chatSlowModeSec"].as_u64().map(|seconds| seconds.try_into().unwrap()),
        group: body["chatAvailableGroup"].as_str(),
        follow_minutes: body["minFollowerMinute"].as_u64().map(|minutes| minutes.try_into().unwrap()),
        subscribers_too: body["allowSubscriberInFollowerMode"].as_bool(),
        emoji_only: body["chatEmojiMode"].as_bool(),
        real_name: Some(body["chatAvailableCondition"] == "REAL_NAME"),
    };
    let modes = Modes::default().with(&words.read().unwrap());
    pushed(example, View::Modes(modes), &ChannelId::directory())
}

fn which_lines(mut again: Value, which: Which) -> Value {
    match which {
        Which::Line(name) => return named(again, name),
        Which::Of(user) => {
            again["userId"] = user.to_string().into();
            again["all"] = true.into();
        }
        Which::Sweep { seconds, newcomer_minutes } => {
            again["sweep"] = json!({"seconds": seconds, "newcomerMinutes": newcomer_minutes});
        }
    }
    again
}

pub(super) fn named(mut again: Value, name: Name) -> Value {
    match name {
        Name::Place(Seq(place)) => again["seq"] = place.into(),
        Name::Said(user, Millis(time)) => {
            again["userId"] = user.to_string().into();
            again["messageTime"] = time.into();
        }
    }
    again
}

pub(super) fn acted_again(cmd: u64, example: &Value) -> String {
    let body = &example["bdy"];
    let receipt = body.get("actId").map(|id| Receipt {
        id: EventId(Uuid::parse_str(&text(id)).unwrap()),
        time: Millis(body["actTime"].as_i64().unwrap()),
        seq: place(&body["seq"]),
    });
    reply::acted(Cmd(cmd - 10_000), &address(example), receipt.as_ref())
}

pub(super) fn hidden_line_again(example: &Value) -> String {
    let body = &example["bdy"];
    let keys = ["userId", "profile", "content", "extras", "messageTime", "channelId", "messageTypeCode"];
    let line = line_view(body, keys, body["memberCount"].as_u64().unwrap(), 0);
    let by = &body["hiddenBy"];
    let profile = madang::model::principal::Profile { nickname: text(&by["nickname"]), ..Default::default() };
    let by_whom = Author {
        uid: UserId::parse(&text(&by["userId"])).unwrap(),
        profile: Arc::new(profile),
        role: Role::ChatManager,
    };
    let deed = Deed::Hide(Lines::One(line.seq()));
    let act = Act {
        by: by_whom,
        cid: None,
        credential: Default::default(),
        key: String::new(),
        reason: text(&by["reason"]),
        deed,
    };
    let by = (place(&by["seq"]), Millis(by["actTime"].as_i64().unwrap()), &act);
    let hidden = body["messageStatusType"] == "HIDDEN";
    reply::hidden_line(&address(example), &channel(&body["extras"]), (&line, hidden), Some(by))
}

pub(super) fn pushed(example: &Value, view: View, streaming: &ChannelId) -> String {
    let members = example["bdy"][0]["mbrCnt"].as_u64().unwrap_or_default();
    pushed_to(example, view, streaming, members)
}

/// The first message of the example's command.
pub(super) fn pushed_to(example: &Value, view: View, streaming: &ChannelId, members: u64) -> String {
    let found = all_pushed(example, view, streaming, members).into_iter().next();
    found.unwrap_or_else(|| panic!("nothing of the kind: {example}"))
}

/// The last one.
pub(super) fn pushed_last(example: &Value, view: View) -> String {
    let members = example["bdy"][0]["mbrCnt"].as_u64().unwrap_or_default();
    all_pushed(example, view, &ChannelId::directory(), members).pop().unwrap()
}

fn all_pushed(example: &Value, view: View, streaming: &ChannelId, members: u64) -> Vec<String> {
    let span = stretch(example);
    let members = members.try_into().unwrap();
    let place = Place { channel: streaming, cid: &cid(&example["cid"]), members, stretch: span };
    let item = Item::revealed(span.map_or(Seq(1), |span| span.upto), true, Audience::All, view);
    let mut messages: Vec<String> = Vec::new();
    push::items(&place, &[&item], 32_768, |message| messages.push(message.to_owned()));
    let cmd = example["cmd"].as_u64().unwrap();
    messages.retain(|message| message.contains(&format!(r#""cmd":{cmd},"#)));
    messages
}

/// What was done to a user; a penalty is told in two messages.
pub(super) fn sanction_again(example: &Value) -> String {
    let body = &example["bdy"];
    let user = |name: &str| UserId::parse(&text(&body[name])).unwrap();
    let sanction = match example["cmd"].as_u64().unwrap() {
        94_005 => Sanction::Kicked(UserId::parse(&text(&body["quitUserIdList"][0])).unwrap()),
        94_006 if body["blocked"] == true => {
            Sanction::Blocked(user("targetUserId"), body["releaseTime"].as_i64().map(Millis))
        }
        94_006 => Sanction::Lifted(user("targetUserId")),
        94_015 => {
            let seconds = body["duration"].as_i64().unwrap();
            Sanction::Penalized { user: user("targetUserId"), at: Millis(0), seconds, times: 1 }
        }
        _ => Sanction::Penalized {
            user: user("userIdHash"),
            // 2026-10-01 00:32:39.639 in Korea.
            at: Millis(1_790_782_359_639),
            seconds: body["duration"].as_i64().unwrap(),
            times: body["times"].as_u64().unwrap().try_into().unwrap(),
        },
    };
    pushed(example, View::Sanction(sanction), &ChannelId::directory())
}

/// A line of the system for staff.
pub(super) fn system_again(example: &Value) -> String {
    let line = &example["bdy"][0];
    let shown: Value = serde_json::from_str(line["extras"].as_str().unwrap()).unwrap();
    let person = |name: &str| author(&serde_json::from_str(shown["params"][name].as_str().unwrap()).unwrap());
    let (time, target) = (Millis(line["msgTime"].as_i64().unwrap()), person("targetChatProfileJson"));
    let system = SystemView {
        seq: Seq(1),
        id: EventId::fresh(),
        time,
        deed: Deed::Penalize(Arc::new(target.clone()), time + 30_000),
        by: person("registerChatProfileJson"),
        target,
    };
    pushed(example, View::System(system), &ChannelId::directory())
}

fn cid(value: &Value) -> Cid {
    Cid::parse(&text(value)).unwrap()
}

/// BLIND: nothing of a line but its name, or what it says when it is shown again.
pub(super) fn blind_again(example: &Value) -> String {
    let body = &example["bdy"];
    let streaming = ChannelId::parse("ffffffffffffffffffffffffffffffff").unwrap();
    let places: Vec<u64> =
        body["seqs"].as_array().map_or(vec![1], |seqs| seqs.iter().filter_map(Value::as_u64).collect());
    if body["userId"].is_null() {
        let lines = places.into_iter().map(|place| Standing::Withheld(Seq(place))).collect();
        return pushed(example, View::Standing(lines), &streaming);
    }
    let shown = match &body["message"] {
        Value::Null => None,
        Value::String(json) => Some(serde_json::from_str::<Value>(json).unwrap()),
        object => Some(object.clone()),
    };
    let author =
        Author { uid: UserId::parse(&text(&body["userId"])).unwrap(), profile: Arc::default(), role: Role::Viewer };
    let draft = shown.as_ref().map_or_else(Draft::default, |shown| Draft {
        text: text(&shown["content"]),
        extras: extras(shown["extras"].as_str().unwrap()),
        ..Draft::default()
    });
    let line = Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: cid(&example["cid"]),
        author,
        draft,
        members: 0,
        credential: Default::default(),
        known: Default::default(),
    };
    let status = if body["blindType"] == "CANCEL" { Status::Normal } else { Status::Hidden };
    let time = Millis(body["messageTime"].as_i64().unwrap());
    let view = LineView::revealed(Seq(places[0]), EventId::fresh(), time, status, Arc::new(line));
    pushed(example, View::Standing(vec![Standing::Line(view)]), &streaming)
}

/// NOTICE: what is pinned, or that nothing is.
pub(super) fn notice_again(example: &Value) -> String {
    let body = &example["bdy"];
    let view = body.get("content").map(|_| notice(body));
    let streaming = body.get("extras").map_or(ChannelId::directory(), channel);
    pushed(example, View::Notice(view), &streaming)
}

/// The notice that an object of the wire tells of.
pub(super) fn notice(body: &Value) -> NoticeView {
    let shown: Value = serde_json::from_str(body["extras"].as_str().unwrap()).unwrap();
    let kind: Kind = kind_of(&body["messageTypeCode"]);
    NoticeView {
        cid: cid(&body["channelId"]),
        time: Millis(body["messageTime"].as_i64().unwrap()),
        author: author(&serde_json::from_str(body["profile"].as_str().unwrap()).unwrap()),
        by: author(&shown["registerProfile"]),
        kind,
        text: text(&body["content"]),
        extras: extras(body["extras"].as_str().unwrap()),
        until: body["expireTime"].as_i64().map(Millis),
    }
}

pub(super) fn author(shown: &Value) -> Author {
    Author {
        uid: UserId::parse(&text(&shown["userIdHash"])).unwrap(),
        profile: Arc::new(profile_of(shown)),
        role: role_of(shown["userRoleCode"].as_str().unwrap()).unwrap(),
    }
}
