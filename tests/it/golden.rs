//! `proto-docs/examples` are real: each is decoded by the program's own types, encoded again, and compared.

mod acts;
mod asides;
mod questions;
mod specials;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use madang::model::filter::Rule;
use madang::model::id::{ChannelId, Cid, Epoch, EventId, Seq, UserId};
use madang::model::item::{Audience, Item, LineView, View};
use madang::model::message::{Author, Draft, Extras, Kind, Lane, Line, Os, Receipt, Status};
use madang::model::mode::Group;
use madang::model::principal::{Profile, Subscription, Title, ViewerBadge};
use madang::model::question::QuestionStatus;
use madang::model::refusal::Refusal;
use madang::model::time::Millis;
use madang::proto::cmd::Cmd;
use madang::proto::envelope::Envelope;
use madang::proto::profile::role_of;
use madang::proto::push::{Place, Stretch};
use madang::proto::reply::{self, Address, Connected, ConnectedExt, Recent};
use madang::proto::word::lane_name;
use madang::proto::{heard, push, request};

fn examples() -> BTreeMap<String, Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("proto-docs/examples");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is text")).to_owned()
}

fn address(example: &Value) -> Address {
    Address { tid: example["tid"].as_str().map(str::to_owned), cid: example["cid"].as_str().and_then(Cid::parse) }
}

/// Decodes an example and encodes it again.
fn round_trip(example: &Value) -> Value {
    let encoded = match (example["cmd"].as_u64(), example["retCode"].as_u64()) {
        (None, _) => reply::unreadable(),
        (Some(0), _) => reply::ping(),
        (Some(10_000), _) => reply::pong(),
        (Some(cmd @ (100 | 200 | 3101 | 3140 | 3141 | 3301 | 4005..=4040 | 5008 | 5101 | 5140 | 5201)), _) => {
            return request_again(cmd, example);
        }
        (Some(cmd), Some(code @ 1..)) => refused_again(cmd - 10_000, code, example),
        (Some(10_100), _) => connected_again(example),
        (Some(10_200), _) => reply::refreshed(&address(example)),
        (Some(13_101), _) => sent_again(example),
        (Some(13_301), _) => asides::whispered_again(example),
        (Some(15_201), _) => asides::members_again(example),
        (Some(93_301 | 94_001 | 94_002), _) => asides::push_again(example),
        (Some(13_141), _) => questions::voted_again(example),
        (Some(15_140), _) => questions::listing_again(example),
        (Some(93_140), _) => questions::push_again(example),
        (Some(cmd @ (13_140 | 14_005..=14_040)), _) => acts::acted_again(cmd, example),
        (Some(15_008), _) => acts::hidden_line_again(example),
        (Some(15_101), _) => recent_again(example),
        (Some(93_102), _) => specials::special_again(example),
        (Some(94_005 | 94_006 | 94_015), _) => acts::sanction_again(example),
        (Some(94_008), _) => acts::blind_again(example),
        (Some(94_010), _) => acts::notice_again(example),
        (Some(93_101), _) => chat_again(example),
        (Some(93_006), _) => event_again(example),
        other => panic!("{other:?}"),
    };
    serde_json::from_str(&encoded).unwrap()
}

/// What a request may hold: the envelope's fields, and those of each body (`proto-docs/`).
const ENVELOPE: [&str; 8] = ["ver", "cmd", "svcid", "cid", "sid", "tid", "retry", "bdy"];
const CONNECT: [&str; 13] = [
    "uid",
    "devType",
    "accTkn",
    "auth",
    "libVer",
    "osVer",
    "devName",
    "locale",
    "timezone",
    "ext",
    "lane",
    "frameBytes",
    "resume",
];
const REFRESH: [&str; 1] = ["accTkn"];
const CHAT: [&str; 4] = ["msg", "msgTypeCode", "msgTime", "extras"];
const RECENT: [&str; 1] = ["recentMessageCount"];

/// What the gateway decodes of a request is put back in the example's place, field by field; a field that is not
/// documented is noticed, and so is one that is read otherwise than it stands there.
fn request_again(cmd: u64, example: &Value) -> Value {
    let json = example.to_string();
    let envelope = Envelope::open(&json).unwrap();
    let body = match cmd {
        100 => {
            let asked = request::connect(envelope.body).unwrap();
            let mut body = known(&example["bdy"], &CONNECT);
            body["auth"] = if asked.writes { "SEND" } else { "READ" }.into();
            body["accTkn"] = asked.token.into();
            if let Some(ext) = asked.ext {
                body["ext"] = 1.into();
                body["lane"] = lane_name(ext.lane).into();
                body["frameBytes"] = ext.frame_bytes.into();
                let (epoch, seq) = ext.resume.unwrap();
                body["resume"] = serde_json::json!({"epoch": epoch.to_string(), "seq": seq.0});
            }
            body
        }
        200 => {
            let mut body = known(&example["bdy"], &REFRESH);
            body["accTkn"] = request::refresh(envelope.body).unwrap().into();
            body
        }
        3101 => {
            let draft = request::chat(&envelope, 4_096).unwrap();
            assert_eq!(draft, expected_draft(example));
            let mut body = known(&example["bdy"], &CHAT);
            body["msg"] = draft.text.into();
            body["msgTime"] = draft.client_time.into();
            body["msgTypeCode"] = type_code(draft.kind).into();
            body
        }
        3301 | 5201 => asides::asked_again(cmd, &envelope, example),
        3141 | 5140 => questions::asked_again(cmd, &envelope, example),
        3140 | 4005..=4040 | 5008 => acts::asked_again(cmd, &envelope, example),
        _ => {
            let mut body = known(&example["bdy"], &RECENT);
            body["recentMessageCount"] = request::recent_chat(envelope.body).unwrap().count.into();
            body
        }
    };
    let mut again = known(example, &ENVELOPE);
    again["cmd"] = envelope.cmd.unwrap().0.into();
    again["cid"] = envelope.cid.unwrap().into();
    again["tid"] = envelope.tid.unwrap().parse::<u64>().unwrap().into();
    again["bdy"] = body;
    again
}

/// The fields of an object that are known; of others nothing.
fn known(object: &Value, names: &[&str]) -> Value {
    let fields = object.as_object().unwrap().iter().filter(|(name, _)| names.contains(&name.as_str()));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

/// Our own client writes what the examples show.
#[test]
fn the_client_writes_the_examples() {
    let examples = examples();
    let written = [
        ("00100-connect-read", heard::connect("N2abCd", 1, None)),
        ("00100-connect-send", heard::connect("N2abCd", 1, Some("TOKEN"))),
        ("03101-send-chat", heard::chat("N2abCd", 3, "hello", 1_790_000_001_000)),
        ("05101-recent-chat", heard::recent_chat("N2abCd", 2, 50)),
    ];
    for (name, text) in written {
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), examples[name], "{name}");
    }
}

fn expected_draft(example: &Value) -> Draft {
    let body = &example["bdy"];
    let extras = match body["extras"].as_str().unwrap() {
        "" => Extras::default(),
        json => extras(json),
    };
    Draft {
        kind: kind_of(&body["msgTypeCode"]),
        text: text(&body["msg"]),
        extras,
        tid: example["tid"].to_string(),
        client_time: body["msgTime"].as_i64().unwrap(),
        retry: example["retry"].as_bool().unwrap(),
    }
}

fn refused_again(request: u64, code: u64, example: &Value) -> String {
    let all = [
        Refusal::UnknownChannel,
        Refusal::NotJoined,
        Refusal::EmptyText,
        Refusal::TokenRefused("not signed by this site".to_owned()),
        Refusal::Busy { retry_after_ms: 500 },
        Refusal::TooFast { retry_after_ms: 200 },
        Refusal::TokenRevoked,
        Refusal::TooManyConnections("this account"),
        Refusal::OtherAccount,
        Refusal::DiskFull,
        Refusal::NotStaff,
        Refusal::Outranked,
        Refusal::NoSuchLine,
        Refusal::NothingToUndo,
        Refusal::Oneself,
        Refusal::NotStreamer,
        Refusal::Restricted { for_ms: Some(21_000) },
        Refusal::Restricted { for_ms: None },
        Refusal::SlowMode { seconds: 30, retry_after_ms: 21_000 },
        Refusal::NotInGroup { group: Group::Followers, minutes: 10 },
        Refusal::EmojiOnly,
        Refusal::RealNameOnly,
        Refusal::Filtered(Rule::Repeats),
        Refusal::QuestionClosed(QuestionStatus::Answered),
        Refusal::NobodyThere,
        Refusal::WhispersOff,
        Refusal::MembersHidden,
        Refusal::StaleQuestion(questions::state(&example["bdy"])),
    ];
    let address = address(example);
    all.iter()
        .map(|refusal| reply::refused(Cmd(request), &address, refusal))
        .find(|encoded| {
            let encoded: Value = serde_json::from_str(encoded).unwrap();
            encoded["retCode"] == code && encoded["retMsg"] == example["retMsg"]
        })
        .unwrap_or_else(|| panic!("no refusal says {example}"))
}

fn connected_again(example: &Value) -> String {
    let body = &example["bdy"];
    let (uuid, sid) = (text(&body["uuid"]), text(&body["sid"]));
    let ext = (body["ext"] == 1).then(|| ConnectedExt {
        epoch: epoch(&body["epoch"]),
        seq: place(&body["seq"]),
        after: place(&body["after"]),
        lane: lane_name(lane(&body["lane"])),
        frame_bytes: body["frameBytes"].as_u64().unwrap().try_into().unwrap(),
        recovered: body["recovered"].as_bool().map(|recovered| if recovered { Ok(()) } else { Err("too_old") }),
    });
    let session = Connected { writes: body["auth"] == "SEND", uuid: &uuid, sid: &sid, ext };
    reply::connected(&address(example), session)
}

fn epoch(value: &Value) -> Epoch {
    Epoch(Uuid::parse_str(&text(value)).unwrap())
}

fn place(value: &Value) -> Seq {
    Seq(value.as_u64().unwrap())
}

fn lane(value: &Value) -> Lane {
    let lanes = [Lane::All, Lane::Questions, Lane::Overlay, Lane::Quiet];
    lanes.into_iter().find(|lane| *value == lane_name(*lane)).unwrap()
}

const KINDS: [(u8, Kind); 3] = [(1, Kind::Text), (40, Kind::Question), (41, Kind::Notice)];

fn kind_of(value: &Value) -> Kind {
    KINDS.iter().find(|(code, _)| *value == *code).unwrap().1
}

fn type_code(kind: Kind) -> u8 {
    KINDS.iter().find(|(_, known)| *known == kind).unwrap().0
}

/// What an ext push covers; `None` for a plain one.
fn stretch(example: &Value) -> Option<Stretch> {
    let epoch = example.get("epoch").map(epoch)?;
    let left = example["left"].as_u64().unwrap_or_default();
    Some(Stretch { epoch, after: place(&example["after"]), upto: place(&example["upto"]), left })
}

fn event_again(example: &Value) -> String {
    let (cid, body) = (Cid::parse(&text(&example["cid"])).unwrap(), &example["bdy"]);
    let number = |name: &str| body[name].as_u64().unwrap().try_into().unwrap();
    match body["type"].as_str().unwrap() {
        "MEMBER_COUNT" => push::member_count(&cid, number("mbrCnt"), number("userCnt"), stretch(example).unwrap()),
        "CHANGE_CHAT_MODE" => acts::modes_again(example),
        "TEMPORARY_RESTRICT" => acts::sanction_again(example),
        "TOKEN_EXPIRES" => push::token_expires(&cid, Millis(body["expireTime"].as_i64().unwrap())),
        "RECONNECT" => push::reconnect(&cid, Duration::from_millis(number("withinMs").into())),
        _ => specials::event_again(example),
    }
}

fn sent_again(example: &Value) -> String {
    let body = &example["bdy"];
    let id = EventId(Uuid::parse_str(&text(&body["msgId"])).unwrap());
    let (time, seq) = (Millis(body["msgTime"].as_i64().unwrap()), Seq(body["seq"].as_u64().unwrap()));
    reply::sent(&address(example), &Receipt { id, time, seq })
}

fn recent_again(example: &Value) -> String {
    let body = &example["bdy"];
    let lines: Vec<LineView> = body["messageList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let members = line["memberCount"].as_u64().unwrap();
            let keys = ["userId", "profile", "content", "extras", "messageTime", "channelId", "messageTypeCode"];
            line_view(line, keys, members, 1)
        })
        .collect();
    let notice = body["notice"].as_object().map(|_| acts::notice(&body["notice"]));
    let recent = Recent {
        channel: &channel(&body["messageList"][0]["extras"]),
        lines: &lines,
        notice: notice.as_ref(),
        members: body["userCount"].as_u64().unwrap().try_into().unwrap(),
        place: body.get("epoch").map(|life| (epoch(life), place(&body["seq"]))),
    };
    reply::recent_chat(&address(example), &recent, 61_440)
}

fn chat_again(example: &Value) -> String {
    let lines = example["bdy"].as_array().unwrap();
    let seq = text(&example["tid"]).parse().unwrap();
    let keys = ["uid", "profile", "msg", "extras", "msgTime", "cid", "msgTypeCode"];
    let views = lines.iter().map(|line| line_view(line, keys, 0, seq));
    let items: Vec<Item> =
        views.map(|line| Item::revealed(line.seq(), true, Audience::All, View::Line(line))).collect();
    let items: Vec<&Item> = items.iter().collect();
    let place = Place {
        channel: &lines.first().map_or(ChannelId::directory(), |line| channel(&line["extras"])),
        cid: &Cid::parse(&text(&example["cid"])).unwrap(),
        members: lines.first().map_or(0, |line| line["mbrCnt"].as_u64().unwrap().try_into().unwrap()),
        stretch: stretch(example),
    };
    let mut messages: Vec<String> = Vec::new();
    push::items(&place, &items, 32_768, |message| messages.push(message.to_owned()));
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

fn channel(extras: &Value) -> ChannelId {
    let extras: Value = serde_json::from_str(extras.as_str().unwrap()).unwrap();
    ChannelId::parse(extras["streamingChannelId"].as_str().unwrap()).unwrap()
}

fn line_view(line: &Value, keys: [&str; 7], members: u64, seq: u64) -> LineView {
    let [uid, profile, msg, extras_key, time, cid, kind] = keys;
    let shown: Value = serde_json::from_str(&text(&line[profile])).unwrap();
    let author = Author {
        uid: UserId::parse(&text(&line[uid])).unwrap(),
        profile: Arc::new(profile_of(&shown)),
        role: role_of(shown["userRoleCode"].as_str().unwrap()).unwrap(),
    };
    let kind = kind_of(&line[kind]);
    let extras = extras(line[extras_key].as_str().unwrap());
    let draft = Draft { kind, text: text(&line[msg]), extras, ..Draft::default() };
    let line_of = Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: Cid::parse(&text(&line[cid])).unwrap(),
        author,
        draft,
        members: members.try_into().unwrap(),
        credential: Default::default(),
        known: Default::default(),
    };
    let time = Millis(line[time].as_i64().unwrap());
    let id = line["msgId"].as_str().map_or_else(EventId::fresh, |id| EventId(Uuid::parse_str(id).unwrap()));
    let seq = line["seq"].as_u64().unwrap_or(seq);
    let status = if line["msgStatusType"] == "CBOTBLIND" { Status::Blinded } else { Status::Normal };
    let question = line.get("questionNo").map(|_| questions::state(line));
    LineView::revealed(Seq(seq), id, time, status, Arc::new(line_of)).with_question(question)
}

fn extras(json: &str) -> Extras {
    let extras: Value = serde_json::from_str(json).unwrap();
    let os = match extras["osType"].as_str().unwrap() {
        "AOS" => Os::Android,
        "IOS" => Os::Ios,
        _ => Os::Pc,
    };
    let emojis = extras["emojis"].as_object().unwrap().iter().map(|(name, url)| (name.clone(), text(url))).collect();
    Extras { os, emojis }
}

fn profile_of(shown: &Value) -> Profile {
    let optional = |value: &Value| value.as_str().map(str::to_owned);
    let streaming = &shown["streamingProperty"];
    Profile {
        nickname: text(&shown["nickname"]),
        image_url: text(&shown["profileImageUrl"]),
        color_code: text(&streaming["nicknameColor"]["colorCode"]),
        verified: shown["verifiedMark"].as_bool().unwrap(),
        badge_url: optional(&shown["badge"]["imageUrl"]),
        title: shown["title"]
            .as_object()
            .map(|title| Title { name: text(&title["name"]), color: text(&title["color"]) }),
        subscription: streaming["subscription"].as_object().map(|paid| Subscription {
            months: paid["accumulativeMonth"].as_u64().unwrap().try_into().unwrap(),
            tier: paid["tier"].as_u64().unwrap().try_into().unwrap(),
            tier_name: text(&paid["tierName"]),
            badge_url: text(&paid["badge"]["imageUrl"]),
        }),
        viewer_badges: shown["viewerBadges"]
            .as_array()
            .unwrap()
            .iter()
            .map(|badge| ViewerBadge {
                id: text(&badge["badge"]["badgeId"]),
                site_wide: badge["badge"]["scope"] == "GLOBAL",
                image_url: text(&badge["badge"]["imageUrl"]),
            })
            .collect(),
    }
}

#[test]
fn every_example_is_real() {
    let examples = examples();
    assert!(examples.len() > 15);
    for (name, example) in examples {
        assert_eq!(round_trip(&example), example, "{name}");
    }
}

#[test]
fn an_example_that_is_wrong_is_noticed() {
    let mut example = examples().remove("93101-chat").unwrap();
    example["bdy"][0]["utime"] = 1.into();
    assert_ne!(round_trip(&example), example);
    let mut example = examples().remove("10100-connected").unwrap();
    example["bdy"]["more"] = true.into();
    assert_ne!(round_trip(&example), example);
    for name in ["00100-connect-browser", "03101-send-chat-emoji", "05101-recent-chat"] {
        let mut example = examples().remove(name).unwrap();
        example["bdy"]["more"] = true.into();
        assert_ne!(round_trip(&example), example, "{name}");
    }
}

#[test]
fn every_command_has_an_example_under_its_number() {
    let examples = examples();
    let requests = Cmd::REQUESTS.iter().flat_map(|(cmd, _)| [*cmd, cmd.reply()]);
    for cmd in requests.chain(Cmd::PUSHES.iter().map(|(cmd, _)| *cmd)) {
        let named: Vec<&Value> = examples
            .iter()
            .filter(|(name, _)| name.starts_with(&format!("{:05}-", cmd.0)))
            .map(|(_, example)| example)
            .collect();
        assert!(!named.is_empty(), "{cmd:?}");
        assert!(named.iter().all(|example| example["cmd"] == cmd.0), "{cmd:?}");
    }
}
