//! Bodies that clients send.

pub mod acts;
pub mod asides;
pub mod events;
pub mod filters;
pub mod questions;

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::model::id::{Epoch, Seq};
use crate::model::message::{Draft, Extras, Kind, Lane, Os};
use crate::model::refusal::Refusal;

use super::envelope::{Envelope, is_object};
use super::word::lane;

/// Most lines that RECENT_CHAT gives.
pub const MOST_RECENT: usize = 200;

/// Lines that RECENT_CHAT gives when the request doesn't say.
const USUAL_RECENT: usize = 50;

/// Most emojis that one line may name.
const MOST_EMOJIS: usize = 64;

/// Body of CONNECT (100): join as reader, or as writer with a token. The device fields that browsers send
/// (`devType`, `libVer`, `osVer`, …; facts, 2.2) are not looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// Whether writing is asked for (`auth` is `SEND`).
    pub writes: bool,
    /// The access token, when there is one.
    pub token: Option<String>,
    /// Our own layer, when it is asked for.
    pub ext: Option<Ext>,
}

/// What a session of our own layer asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ext {
    /// What it wants to see.
    pub lane: Lane,
    /// Largest push that it takes, in bytes; 0 when it doesn't say.
    pub frame_bytes: usize,
    /// Where it was before: in which life of the log, and up to which place it was told everything.
    pub resume: Option<(Epoch, Seq)>,
}

/// Body of RECENT_CHAT (5101).
#[derive(Debug, PartialEq, Eq)]
pub struct RecentChat {
    /// How many lines, 1 to [`MOST_RECENT`].
    pub count: usize,
}

#[derive(Deserialize)]
struct RefreshBody {
    #[serde(rename = "accTkn")]
    token: String,
}

#[derive(Deserialize)]
struct ConnectBody<'a> {
    auth: Option<String>,
    #[serde(rename = "accTkn")]
    token: Option<String>,
    ext: Option<u32>,
    // Not looked at by the plain wire.
    #[serde(borrow)]
    lane: Option<&'a RawValue>,
    #[serde(borrow, rename = "frameBytes")]
    frame_bytes: Option<&'a RawValue>,
    #[serde(borrow)]
    resume: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Resume {
    epoch: Uuid,
    seq: u64,
}

#[derive(Deserialize)]
struct RecentBody {
    #[serde(rename = "recentMessageCount")]
    count: Option<i64>,
}

#[derive(Deserialize)]
struct ChatBody {
    #[serde(rename = "msg")]
    text: String,
    #[serde(rename = "msgTypeCode")]
    kind: Option<i64>,
    #[serde(rename = "msgTime")]
    client_time: Option<i64>,
    extras: Option<String>,
}

#[derive(Deserialize)]
struct ExtrasBody {
    #[serde(rename = "osType", default)]
    os: Option<serde_json::Value>,
    #[serde(default)]
    emojis: Emojis,
}

/// Reads the body of CONNECT; the error says what is wrong with it.
pub fn connect(body: Option<&RawValue>) -> Result<Connect, String> {
    let body: ConnectBody = decode(body)?;
    let writes = match body.auth.as_deref() {
        Some("SEND") => true,
        Some("READ") | None => false,
        Some(other) => return Err(format!("auth is READ or SEND, not {other:?}")),
    };
    let ext = body.ext.filter(|version| *version > 0).map(|version| ext(&body, version)).transpose()?;
    Ok(Connect { writes, token: body.token.filter(|token| !token.is_empty()), ext })
}

/// What a session of our own layer asks for. One of a later layer than this build's gets this one, as CONNECTED says; what
/// it asks for in words of its own is passed over.
fn ext(body: &ConnectBody<'_>, version: u32) -> Result<Ext, String> {
    let asked = || {
        let name: Option<String> = optional(body.lane, "lane")?;
        let frame_bytes: Option<u32> = optional(body.frame_bytes, "frameBytes")?;
        let resume: Option<Resume> = optional(body.resume, "resume")?;
        Ok(Ext {
            lane: name.as_deref().map_or(Ok(Lane::default()), lane)?,
            frame_bytes: frame_bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            resume: resume.map(|resume| (Epoch(resume.epoch), Seq(resume.seq))),
        })
    };
    asked().or_else(|reason| if version > 1 { Ok(Ext::default()) } else { Err(reason) })
}

fn optional<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, name: &str) -> Result<Option<T>, String> {
    raw.map_or(Ok(None), |raw| serde_json::from_str(raw.get())).map_err(|error| format!("{name}: {error}"))
}

/// Reads the body of REFRESH (200): the new access token.
pub fn refresh(body: Option<&RawValue>) -> Result<String, String> {
    decode::<RefreshBody>(body).map(|body| body.token)
}

/// Reads the body of SEND_CHAT (3101).
///
/// Of `extras`, only what we know is kept: `osType` and `emojis`; a string or null for `emojis` (chzzkpy, chzzk4j) is
/// none. `msgTime` is milliseconds, or seconds with chzzk-rs.
pub fn chat(envelope: &Envelope<'_>, largest_extras: usize) -> Result<Draft, Refusal> {
    let body: ChatBody = decode(envelope.body).map_err(Refusal::BadRequest)?;
    let kind = match body.kind {
        None | Some(1) => Kind::Text,
        Some(40) => Kind::Question,
        Some(41) => Kind::Notice,
        Some(other) => {
            let reason = format!("msgTypeCode {other} can't be sent; 1 is text, 40 a question, 41 a notice of staff");
            return Err(Refusal::BadRequest(reason));
        }
    };
    let extras = match body.extras.as_deref() {
        None | Some("") => Extras::default(),
        Some(json) if json.len() > largest_extras => return Err(Refusal::ExtrasTooLarge(largest_extras)),
        Some(json) => extras(json).map_err(Refusal::BadRequest)?,
    };
    let (tid, client_time) = (envelope.tid.clone().unwrap_or_default(), body.client_time.unwrap_or_default());
    Ok(Draft { kind, text: body.text, extras, tid, client_time, retry: envelope.retry })
}

/// Reads the body of RECENT_CHAT; a missing body asks for 50 lines, counts out of range are moved into it.
pub fn recent_chat(body: Option<&RawValue>) -> Result<RecentChat, String> {
    let count = match body {
        None => None,
        some => decode::<RecentBody>(some)?.count,
    };
    let count = count.map_or(USUAL_RECENT, |count| usize::try_from(count).unwrap_or(1));
    Ok(RecentChat { count: count.clamp(1, MOST_RECENT) })
}

fn decode<'a, T: Deserialize<'a>>(body: Option<&'a RawValue>) -> Result<T, String> {
    let body = body.ok_or("bdy is missing")?;
    if !is_object(body.get()) {
        return Err("bdy is not an object".to_owned());
    }
    serde_json::from_str(body.get()).map_err(|error| format!("bdy: {error}"))
}

fn extras(json: &str) -> Result<Extras, String> {
    if !is_object(json) {
        return Err("extras is not a JSON object".to_owned());
    }
    let body: ExtrasBody = serde_json::from_str(json).map_err(|error| format!("extras is not JSON: {error}"))?;
    let os = match body.os.as_ref().and_then(serde_json::Value::as_str) {
        Some("AOS") => Os::Android,
        Some("IOS") => Os::Ios,
        _ => Os::Pc,
    };
    if body.emojis.0.len() > MOST_EMOJIS {
        return Err(format!("extras name more than {MOST_EMOJIS} emojis"));
    }
    Ok(Extras { os, emojis: body.emojis.0 })
}

/// Name → picture; whatever else stands there is read as none, pairs that aren't text are left out.
#[derive(Default)]
struct Emojis(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Emojis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EmojisVisitor)
    }
}

struct EmojisVisitor;

impl<'de> Visitor<'de> for EmojisVisitor {
    type Value = Emojis;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of emoji names and pictures")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Emojis, A::Error> {
        let (mut pairs, mut seen) = (Vec::new(), HashSet::new());
        while let Some((name, picture)) = map.next_entry::<String, serde_json::Value>()? {
            if let serde_json::Value::String(picture) = picture
                && seen.insert(name.clone())
            {
                pairs.push((name, picture));
            }
        }
        Ok(Emojis(pairs))
    }

    fn visit_str<E>(self, _: &str) -> Result<Emojis, E> {
        Ok(Emojis::default())
    }

    fn visit_unit<E>(self) -> Result<Emojis, E> {
        Ok(Emojis::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Emojis, E> {
        Ok(Emojis::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Emojis, E> {
        Ok(Emojis::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Emojis, E> {
        Ok(Emojis::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Emojis, E> {
        Ok(Emojis::default())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Emojis, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Emojis::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn sent(json: &str) -> Result<Draft, String> {
        let message = format!(r#"{{"cmd":1,"tid":3,"bdy":{json}}}"#);
        chat(&Envelope::open(&message).unwrap(), 4_096).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn extras_are_read_by_known_keys() {
        let draft = sent(
            r#"{"msg":"hi {:d_47:}","msgTypeCode":1,"msgTime":17,"extras":"{\"chatType\":\"X\",\"osType\":\"AOS\",\"payAmount\":9,\"params\":{\"registerChatProfileJson\":\"{}\"},\"emojis\":{\"d_47\":\"https://e/47.png\",\"n\":null,\"d_47\":\"twice\"}}"}"#,
        )
        .unwrap();
        let emojis = vec![("d_47".to_owned(), "https://e/47.png".to_owned())];
        assert_eq!(draft.extras, Extras { os: Os::Android, emojis });
        assert_eq!((draft.text.as_str(), draft.client_time, draft.tid.as_str()), ("hi {:d_47:}", 17, "3"));
    }

    #[test]
    fn emojis_that_are_not_an_object_are_none() {
        for emojis in ["\\\"\\\"", "null", "3", "-3", "1.5", "true", "[1,[2]]"] {
            let draft = sent(&format!(r#"{{"msg":"x","extras":"{{\"emojis\":{emojis}}}"}}"#)).unwrap();
            assert_eq!(draft.extras.emojis, [], "{emojis}");
        }
    }

    #[test]
    fn bad_bodies_say_what_is_wrong() {
        assert!(sent(r#"{"msgTypeCode":1}"#).unwrap_err().contains("msg"));
        assert!(sent(r#"{"msg":1}"#).unwrap_err().contains("string"));
        assert!(sent(r#"{"msg":"x","msgTypeCode":10}"#).unwrap_err().contains("msgTypeCode 10"));
        assert!(sent(r#"{"msg":"x","msgTypeCode":"1"}"#).is_err());
        assert!(sent(r#"{"msg":"x","extras":"nonsense"}"#).unwrap_err().contains("extras is not"));
        assert!(sent(r#"{"msg":"\ud800"}"#).is_err());
        assert!(sent(r"[]").is_err());
        assert!(sent("null").unwrap_err().contains("missing"));
        let large = format!(r#"{{"msg":"x","extras":"{{\"a\":\"{}\"}}"}}"#, "x".repeat(4_100));
        assert!(sent(&large).unwrap_err().contains("extras are too large"));
        assert!(connect(Some(&raw(r#"{"auth":"WRITE"}"#))).unwrap_err().contains("READ or SEND"));
    }

    #[test]
    fn counts_are_moved_into_range() {
        let count = |json: &str| recent_chat(Some(&raw(json))).unwrap().count;
        assert_eq!(count(r#"{"recentMessageCount":50}"#), 50);
        assert_eq!(count("{}"), 50);
        assert_eq!(count(r#"{"recentMessageCount":-1}"#), 1);
        assert_eq!(count(r#"{"recentMessageCount":1000000}"#), MOST_RECENT);
        assert_eq!(recent_chat(None).unwrap().count, 50);
        assert!(recent_chat(Some(&raw(r#"{"recentMessageCount":"50"}"#))).is_err());
    }

    #[test]
    fn a_reader_needs_nothing() {
        assert_eq!(connect(Some(&raw("{}"))).unwrap(), Connect::default());
        let joined = connect(Some(&raw(r#"{"uid":null,"accTkn":"","auth":"SEND","devType":2001}"#))).unwrap();
        assert_eq!(joined, Connect { writes: true, ..Connect::default() });
    }
}
