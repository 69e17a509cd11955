//! The outer object of every message: read `cmd` first, decode the body only when something wants it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::cmd::Cmd;

/// Longest `tid` that is echoed, in bytes; a longer one counts as none.
const LONGEST_TID: usize = 64;

/// A message of a client, opened but not yet decoded.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// What is asked; `None` when it is not a whole number from 0 up.
    pub cmd: Option<Cmd>,
    /// The broadcast it is about, when it is a string.
    pub cid: Option<Cow<'a, str>>,
    /// What ties the reply to this request: numbers and strings are echoed as strings (facts, 1.1). Not an identity:
    /// published clients send every line with the same one.
    pub tid: Option<String>,
    /// Whether the client says that it may have sent this before.
    pub retry: bool,
    /// The body as it came.
    pub body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow, default)]
    cmd: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    retry: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "bdy")]
    body: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Opens a message, or says why it isn't one. Wrong types of single fields are no error here: the sender of a
    /// request with a bad `cid` still gets its reply.
    pub fn open(text: &'a str) -> Result<Self, String> {
        if !is_object(text) {
            return Err("not a JSON object".to_owned());
        }
        let outer: Outer<'a> = serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
        Ok(Self {
            cmd: outer.cmd.and_then(|raw| serde_json::from_str(raw.get()).ok()).map(Cmd),
            cid: outer.cid.and_then(|raw| serde_json::from_str::<Text<'a>>(raw.get()).ok()).map(|text| text.0),
            tid: outer.tid.and_then(echoed),
            retry: outer.retry.is_some_and(|raw| raw.get() == "true"),
            body: outer.body,
        })
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether this JSON is an object, if it is JSON at all: serde would also read a struct from a list of its fields.
pub(super) fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

/// A number is echoed by its own digits, so that 2^53 + 1 comes back as it was.
fn echoed(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    let tid = match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok()?,
        b'-' | b'0'..=b'9' => text.to_owned(),
        _ => return None,
    };
    (tid.len() <= LONGEST_TID).then_some(tid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tid(json: &str) -> Option<String> {
        let text = format!(r#"{{"cmd":0,"tid":{json}}}"#);
        Envelope::open(&text).unwrap().tid
    }

    #[test]
    fn tids_are_echoed_as_text() {
        assert_eq!(tid("3").as_deref(), Some("3"));
        assert_eq!(tid("\"a-1\"").as_deref(), Some("a-1"));
        assert_eq!(tid("9007199254740993").as_deref(), Some("9007199254740993"));
        assert_eq!(tid("null"), None);
        assert_eq!(tid("{}"), None);
        assert_eq!(tid(&format!("\"{}\"", "x".repeat(65))), None);
    }

    #[test]
    fn a_cmd_is_a_whole_number_from_zero() {
        let cmd = |json: &str| Envelope::open(&format!(r#"{{"cmd":{json}}}"#)).unwrap().cmd;
        assert_eq!(cmd("100"), Some(Cmd(100)));
        assert_eq!(cmd("9007199254740993"), Some(Cmd(9_007_199_254_740_993)));
        for other in ["\"100\"", "-1", "1.5", "null", "[]", "{}", "true", "1e400"] {
            assert_eq!(cmd(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_an_object_is_not_a_message() {
        for bad in ["", "nonsense", "[]", "3", "\"x\"", "null", "{\"cmd\":0", "{\"cmd\":0,\"cmd\":1}", "\u{0}"] {
            assert!(Envelope::open(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!(r#"{{"cmd":100,"bdy":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(Envelope::open(&deep).unwrap().cmd, Some(Cmd(100)));
    }
}
