//! Whispers, and who is here.

use std::sync::Arc;

use serde_json::Value;

use madang::model::aside::{Aside, Member, Whisper};
use madang::model::id::{Cid, EventId, UserId};
use madang::model::message::{Author, Extras};
use madang::model::principal::Profile;
use madang::model::time::Millis;
use madang::proto::asides;
use madang::proto::envelope::Envelope;
use madang::proto::profile::role_of;
use madang::proto::request::asides::{self as request, Whispering};

use super::acts::author;
use super::{address, extras, known, text};

const WHISPER: [&str; 5] = ["userId", "msg", "extras", "on", "block"];
const MEMBERS: [&str; 3] = ["size", "cursor", "away"];

/// What the gateway decodes of such a request, put back in the example's place.
pub(super) fn asked_again(cmd: u64, envelope: &Envelope<'_>, example: &Value) -> Value {
    let body = &example["bdy"];
    if cmd == 5201 {
        let asked = request::members(envelope.body).unwrap();
        let mut again = known(body, &MEMBERS);
        again["size"] = asked.size.into();
        again["cursor"] = asked.after.map(|user| user.to_string()).into();
        again["away"] = asked.away.into();
        return again;
    }
    let mut again = known(body, &WHISPER);
    match request::whisper(envelope.body, 4_096).unwrap() {
        Whispering::Say(user, said, shown) => {
            assert_eq!(shown, body["extras"].as_str().map_or(Extras::default(), extras));
            again["userId"] = user.to_string().into();
            again["msg"] = said.into();
        }
        Whispering::Hear(on) => again["on"] = on.into(),
        Whispering::Block(user, block) => {
            again["userId"] = user.to_string().into();
            again["block"] = block.into();
        }
    }
    again
}

pub(super) fn whispered_again(example: &Value) -> String {
    let body = &example["bdy"];
    match body["whisperId"].as_str() {
        Some(id) => {
            let time = Millis(body["msgTime"].as_i64().unwrap());
            asides::whispered(&address(example), EventId(id.parse().unwrap()), time)
        }
        None => asides::takes_whispers(&address(example)),
    }
}

fn member(object: &Value) -> Member {
    let profile = Profile {
        nickname: text(&object["nickname"]),
        color_code: text(&object["colorCode"]),
        image_url: text(&object["profileImageUrl"]),
        verified: object["verifiedMark"].as_bool().unwrap(),
        ..Profile::default()
    };
    let author = Author {
        uid: UserId::parse(&text(&object["userId"])).unwrap(),
        profile: Arc::new(profile),
        role: role_of(object["userRoleCode"].as_str().unwrap()).unwrap(),
    };
    Member { author, joined: Millis(object["joinTime"].as_i64().unwrap()), away: object["away"].as_bool().unwrap() }
}

pub(super) fn members_again(example: &Value) -> String {
    let body = &example["bdy"];
    let members: Vec<Member> = body["members"].as_array().unwrap().iter().map(member).collect();
    let number = |name: &str| body[name].as_u64().unwrap().try_into().unwrap();
    let counts = (number("mbrCnt"), number("userCnt"));
    asides::members(&address(example), &members, body["nextCursor"].is_string(), counts, 61_440)
}

pub(super) fn push_again(example: &Value) -> String {
    let (cid, body) = (Cid::parse(&text(&example["cid"])).unwrap(), &example["bdy"]);
    let aside = match example["cmd"].as_u64().unwrap() {
        94_001 => Aside::Joined(member(body)),
        94_002 => Aside::Left(UserId::parse(&text(&body["userId"])).unwrap()),
        _ => {
            let emojis = body["emojis"].as_object().unwrap().iter();
            let emojis = emojis.map(|(name, picture)| (name.clone(), text(picture))).collect();
            Aside::Whisper(Whisper {
                id: EventId(text(&body["whisperId"]).parse().unwrap()),
                time: Millis(body["msgTime"].as_i64().unwrap()),
                from: author(&serde_json::from_str(body["profile"].as_str().unwrap()).unwrap()),
                text: text(&body["msg"]),
                extras: Extras { emojis, ..Extras::default() },
            })
        }
    };
    asides::push(&cid, &aside)
}
