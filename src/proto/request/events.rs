//! Events (93006) that the site's backend brings along: passed on as they are, as long as no published client breaks on them.

use serde_json::{Map, Value};
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::model::announcement::LARGEST_EVENT;

/// Times without a zone.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]]");

/// Most fields of an event.
const MOST_FIELDS: usize = 64;

/// How deep its values may be nested.
const DEEPEST: usize = 4;

/// Longest name of an event in bytes.
const LONGEST_TYPE: usize = 64;

/// Events that are the gateway's own word, and how it is asked for them.
const OWN: [(&str, &str); 7] = [
    ("CHANGE_CHAT_MODE", "change how the chat is run instead"),
    ("TEMPORARY_RESTRICT", "penalize the user instead"),
    ("MEMBER_COUNT", "the gateway counts members itself"),
    ("TOKEN_EXPIRES", "the gateway tells it itself"),
    ("RECONNECT", "the gateway tells it itself"),
    ("SUBSCRIPTION_GIFT", "send a gift instead"),
    ("SUBSCRIPTION_GIFT_RECEIVER", "send a gift instead"),
];

/// What a field of an event has to be.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    /// This text and no other.
    Is(&'static str),
    Integer,
    Flag,
    /// Without a zone: Korean.
    Time,
    /// A donor, with five fields.
    Rank,
    /// Donors.
    Ranks,
}

/// A field: whether it may be missing, and whether it may be null.
type Field = (&'static str, Shape, bool, bool);

/// What one published client must find in events about missions (facts, 5.2).
const MISSION: [Field; 19] = [
    ("payType", Shape::Text, false, false),
    ("missionText", Shape::Text, false, false),
    ("totalPayAmount", Shape::Integer, false, false),
    ("donationId", Shape::Text, false, true),
    ("participationCount", Shape::Integer, false, false),
    ("isAnonymous", Shape::Flag, true, false),
    ("payAmount", Shape::Integer, true, false),
    ("missionDonationId", Shape::Text, true, true),
    ("missionDonationType", Shape::Text, true, true),
    ("userIdHash", Shape::Text, true, true),
    ("nickname", Shape::Text, true, true),
    ("anonymousToken", Shape::Text, true, true),
    ("verifiedMark", Shape::Flag, true, true),
    ("durationTime", Shape::Integer, true, false),
    ("status", Shape::Text, true, false),
    ("success", Shape::Flag, true, false),
    ("weeklyRankList", Shape::Ranks, true, true),
    ("donationUserWeeklyRank", Shape::Rank, true, true),
    ("missionEndTime", Shape::Time, true, true),
];

const IN_PROGRESS: [Field; 3] = [
    ("donationType", Shape::Is("MISSION"), false, false),
    ("missionCreatedTime", Shape::Time, false, false),
    ("missionStartTime", Shape::Time, true, true),
];

const PARTICIPATION: [Field; 2] = [
    ("donationType", Shape::Is("MISSION_PARTICIPATION"), false, false),
    ("relatedMissionDonationId", Shape::Text, false, false),
];

const RANK: [Field; 4] = [
    ("userIdHash", Shape::Text, false, false),
    ("verifiedMark", Shape::Flag, false, false),
    ("donationAmount", Shape::Integer, false, false),
    ("ranking", Shape::Integer, false, false),
];

/// An event as it is pushed, if it can be: a flat object with a `type` in capitals that isn't the gateway's own.
pub fn event(value: &Value) -> Result<String, String> {
    let object = value.as_object().ok_or("an event is a JSON object")?;
    let name = object.get("type").and_then(Value::as_str).ok_or("type is missing, or no text")?;
    let letters = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > LONGEST_TYPE || !name.bytes().all(letters) {
        return Err(format!("type has 1 to {LONGEST_TYPE} of A-Z 0-9 _"));
    }
    if let Some((_, instead)) = OWN.iter().find(|(own, _)| *own == name) {
        return Err(format!("{name} is the gateway's own word: {instead}"));
    }
    if object.len() > MOST_FIELDS || depth(value) > DEEPEST {
        return Err(format!("an event has {MOST_FIELDS} fields at most, nested {DEEPEST} deep at most"));
    }
    match name {
        "DONATION_MISSION_IN_PROGRESS" => check(object, MISSION.iter().chain(&IN_PROGRESS))?,
        "DONATION_MISSION_PARTICIPATION" => check(object, MISSION.iter().chain(&PARTICIPATION))?,
        _ => {}
    }
    let json = value.to_string();
    if json.len() > LARGEST_EVENT {
        return Err(format!("an event has {LARGEST_EVENT} bytes at most"));
    }
    Ok(json)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn check<'a>(object: &Map<String, Value>, fields: impl Iterator<Item = &'a Field>) -> Result<(), String> {
    for (name, shape, optional, nullable) in fields {
        // One published client takes this spelling for the same field.
        let other = in_snake_case(name);
        if other != *name && object.contains_key(&other) {
            return Err(format!("{other} is spelled {name}"));
        }
        match object.get(*name) {
            None if *optional => {}
            None => return Err(format!("{name} is missing: published clients need it")),
            Some(Value::Null) if *nullable => {}
            Some(value) => fits(*shape, value).map_err(|wanted| format!("{name} is no {wanted}"))?,
        }
    }
    Ok(())
}

fn in_snake_case(name: &str) -> String {
    let part = |letter: char| {
        if letter.is_ascii_uppercase() { format!("_{}", letter.to_ascii_lowercase()) } else { letter.into() }
    };
    name.chars().map(part).collect()
}

fn fits(shape: Shape, value: &Value) -> Result<(), String> {
    let (holds, wanted) = match shape {
        Shape::Text => (value.is_string(), "text"),
        Shape::Is(text) => (value == text, text),
        Shape::Integer => (value.is_u64(), "whole number"),
        Shape::Flag => (value.is_boolean(), "boolean"),
        Shape::Time => {
            // Four digits, with no sign before them, and a year that every calendar has.
            let plain =
                |text: &&str| text.bytes().take(4).all(|byte| byte.is_ascii_digit()) && !text.starts_with("0000");
            let time = value.as_str().filter(plain).and_then(|text| PrimitiveDateTime::parse(text, TIME).ok());
            (time.is_some(), "time like 2026-10-01T00:00:00")
        }
        Shape::Ranks => {
            let ranks = value.as_array().ok_or("list of donors")?;
            ranks.iter().try_for_each(|rank| fits(Shape::Rank, rank))?;
            (true, "list of donors")
        }
        Shape::Rank => {
            let rank = value.as_object().ok_or("donor in a ranking")?;
            check(rank, RANK.iter())?;
            let names: Vec<&Value> = ["nickname", "nickName"].iter().filter_map(|name| rank.get(*name)).collect();
            (!names.is_empty() && names.iter().all(|name| name.is_string()), "donor with a nickname")
        }
    };
    if holds { Ok(()) } else { Err(wanted.to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mission() -> Value {
        json!({
            "type": "DONATION_MISSION_IN_PROGRESS", "donationType": "MISSION", "payType": "CURRENCY", "missionText": "win",
            "totalPayAmount": 9, "donationId": null, "participationCount": 0, "missionCreatedTime": "2026-10-01T00:00:00",
            "weeklyRankList": [{"userIdHash": "u", "nickName": "n", "verifiedMark": false, "donationAmount": 1, "ranking": 1}]
        })
    }

    #[test]
    fn what_is_flat_and_named_passes() {
        let party = json!({"type": "PARTY_DONATION_INFO", "partyName": "p", "profileImageUrlList": ["https://x"]});
        assert_eq!(serde_json::from_str::<Value>(&event(&party).unwrap()).unwrap(), party);
        assert!(event(&mission()).is_ok());
    }

    #[test]
    fn what_would_break_a_client_or_lie_does_not() {
        for (bad, why) in [
            (json!([]), "JSON object"),
            (json!({"a": 1}), "type is missing"),
            (json!({"type": "lower"}), "A-Z"),
            (json!({"type": "CHANGE_CHAT_MODE"}), "gateway's own"),
            (json!({"type": "SUBSCRIPTION_GIFT"}), "send a gift"),
            (json!({"type": "X", "a": [[[[[1]]]]]}), "4 deep"),
            (json!({"type": "X", "a": "x".repeat(9_000)}), "8192 bytes"),
        ] {
            let refused = event(&bad).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        for (field, value, why) in [
            ("payType", Value::Null, "payType is no text"),
            ("totalPayAmount", json!("9"), "whole number"),
            ("totalPayAmount", json!(-9), "whole number"),
            ("missionCreatedTime", json!("yesterday"), "time like"),
            ("missionCreatedTime", json!("2026-W40-4T00:00:00"), "time like"),
            ("missionCreatedTime", json!("0000-10-01T00:00:00"), "time like"),
            ("missionCreatedTime", json!("-2026-10-01T00:00:00"), "time like"),
            ("missionCreatedTime", json!("+2026-10-01T00:00:00"), "time like"),
            ("mission_start_time", json!("2026-10-01T00:00:00"), "spelled missionStartTime"),
            (
                "weeklyRankList",
                json!([{"userIdHash": "u", "nickName": "n", "verifiedMark": true, "donationAmount": 1, "ranking": 1, "verified_mark": 1}]),
                "spelled verifiedMark",
            ),
            ("donationUserWeeklyRank", json!(9), "donor in a ranking"),
            (
                "weeklyRankList",
                json!([{"userIdHash": "u", "nickName": "n", "nickname": 1, "verifiedMark": true, "donationAmount": 1, "ranking": 1}]),
                "donor with a nickname",
            ),
            ("donationType", json!("CHAT"), "no MISSION"),
            ("weeklyRankList", json!([{"userIdHash": "u"}]), "verifiedMark is missing"),
        ] {
            let mut bad = mission();
            bad[field] = value;
            let refused = event(&bad).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let mut without = mission();
        without.as_object_mut().unwrap().remove("participationCount");
        assert!(event(&without).unwrap_err().contains("participationCount is missing"));
    }
}
