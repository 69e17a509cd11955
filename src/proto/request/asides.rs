//! Bodies of WHISPER (3301) and MEMBERS (5201).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::id::UserId;
use crate::model::message::Extras;

use super::super::asides::read_cursor;
use super::{decode, extras};

/// Most members in one answer.
pub const MOST_MEMBERS: usize = 100;

/// Members in an answer when the request doesn't say.
const USUAL_MEMBERS: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WhisperBody {
    user_id: Option<String>,
    msg: Option<String>,
    extras: Option<String>,
    on: Option<bool>,
    block: Option<bool>,
}

/// What WHISPER asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whispering {
    /// To say something to one member.
    Say(UserId, String, Extras),
    /// To take whispers, or none.
    Hear(bool),
    /// To take none of one member, or to take them again.
    Block(UserId, bool),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MembersBody {
    size: Option<i64>,
    cursor: Option<String>,
    away: Option<bool>,
}

/// What MEMBERS asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Behind this one.
    pub after: Option<UserId>,
    /// How many at most, 1 to [`MOST_MEMBERS`].
    pub size: usize,
    /// Whether nobody looks at this session, where it says so.
    pub away: Option<bool>,
}

/// Reads the body of WHISPER: to whom and what, `on`, or from whom nothing more is taken (`block`).
pub fn whisper(body: Option<&RawValue>, largest_extras: usize) -> Result<Whispering, String> {
    let WhisperBody { user_id, msg, extras: given, on, block } = decode(body)?;
    let user = |id: Option<String>| {
        id.as_deref().and_then(UserId::parse).ok_or_else(|| "userId is missing, or can't be one".to_owned())
    };
    match (msg, on, block) {
        (Some(text), None, None) => {
            let extras = match given.as_deref() {
                None | Some("") => Extras::default(),
                Some(json) if json.len() > largest_extras => {
                    return Err(format!("extras has {largest_extras} bytes at most"));
                }
                Some(json) => extras(json)?,
            };
            Ok(Whispering::Say(user(user_id)?, text, extras))
        }
        (None, Some(on), None) => Ok(Whispering::Hear(on)),
        (None, None, Some(block)) => Ok(Whispering::Block(user(user_id)?, block)),
        _ => Err("say one of msg, on and block".to_owned()),
    }
}

/// Reads the body of MEMBERS; a missing one asks for the first page.
pub fn members(body: Option<&RawValue>) -> Result<Members, String> {
    let MembersBody { size, cursor, away } = body.map_or(Ok(MembersBody::default()), |body| decode(Some(body)))?;
    let size = size.map_or(USUAL_MEMBERS, |size| usize::try_from(size).unwrap_or(1)).clamp(1, MOST_MEMBERS);
    Ok(Members { after: cursor.as_deref().map(read_cursor).transpose()?, size, away })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn a_whisper_says_something_or_what_is_taken() {
        let reads = |json: &str| whisper(Some(&raw(json)), 100);
        let user = UserId::parse("u").unwrap();
        let says = Whispering::Say(user.clone(), "hi".to_owned(), Extras::default());
        assert_eq!(reads(r#"{"userId":"u","msg":"hi"}"#), Ok(says));
        assert_eq!(reads(r#"{"on":false}"#), Ok(Whispering::Hear(false)));
        assert_eq!(reads(r#"{"userId":"u","block":true}"#), Ok(Whispering::Block(user, true)));
        for bad in [
            "{}",
            r#"{"msg":"hi"}"#,
            r#"{"userId":"a b","msg":"hi"}"#,
            r#"{"userId":"u","msg":"hi","on":true}"#,
            r#"{"block":true}"#,
            r#"{"userId":"u","msg":7}"#,
        ] {
            assert!(reads(bad).is_err(), "{bad}");
        }
        let large = format!(r#"{{"userId":"u","msg":"hi","extras":"{}"}}"#, "x".repeat(101));
        assert!(reads(&large).unwrap_err().contains("100 bytes"));
    }

    #[test]
    fn members_come_in_pages() {
        let reads = |json: &str| members(Some(&raw(json)));
        assert_eq!(members(None).unwrap(), reads("{}").unwrap());
        let asked = reads(r#"{"size":1000,"cursor":"u","away":true}"#).unwrap();
        assert_eq!((asked.size, asked.after, asked.away), (MOST_MEMBERS, UserId::parse("u"), Some(true)));
        assert_eq!(reads(r#"{"size":-1}"#).unwrap().size, 1);
        assert!(reads(r#"{"cursor":"a b"}"#).is_err() && reads("[]").is_err());
    }
}
