//! What the contract of our own layer asks of a client, kept by one that trusts nothing.

use serde_json::{Value, json};

/// Somebody who notes down all that is pushed, and whether it was told honestly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    /// Which life of the log the places are of.
    pub(crate) epoch: String,
    /// Everything up to here has been told.
    pub(crate) upto: u64,
    /// Lines with their places, in the order in which they came.
    pub(crate) lines: Vec<(u64, String)>,
    /// Stretches that a push left out.
    pub(crate) gaps: Vec<(u64, u64)>,
    /// Lines that a push said it left out.
    pub(crate) left: u64,
    /// The newest count of members.
    pub(crate) members: Option<(u64, u64)>,
}

impl Reader {
    /// What CONNECT asks for: the place where it was, once it has one.
    pub(crate) fn ext(&self) -> Value {
        if self.epoch.is_empty() {
            return json!({"ext": 1});
        }
        json!({"ext": 1, "resume": {"epoch": self.epoch, "seq": self.upto}})
    }

    /// Takes CONNECTED, and says whether nothing is lost.
    pub(crate) fn connected(&mut self, message: &Value) -> bool {
        let body = &message["bdy"];
        assert_eq!(body["ext"], 1, "{message}");
        let after = body["after"].as_u64().unwrap();
        assert!(after <= body["seq"].as_u64().unwrap(), "{message}");
        let recovered = body["recovered"].as_bool();
        if recovered == Some(true) {
            assert_eq!((after, body["epoch"].as_str().unwrap()), (self.upto, &*self.epoch), "{message}");
        } else {
            if recovered.is_some() {
                assert!(body["reason"].is_string(), "{message}");
                self.gaps.push((self.upto, after));
            }
            self.epoch = body["epoch"].as_str().unwrap().to_owned();
            self.upto = after;
        }
        recovered != Some(false)
    }

    /// Takes any other message.
    pub(crate) fn hear(&mut self, message: &Value) {
        let Some(after) = message["after"].as_u64() else { return };
        let upto = message["upto"].as_u64().unwrap();
        assert_eq!(message["epoch"], *self.epoch, "{message}");
        assert!(after <= upto, "{message}");
        if after > self.upto {
            self.gaps.push((self.upto, after));
        }
        self.left += message["left"].as_u64().unwrap_or_default();
        for line in message["bdy"].as_array().into_iter().flatten() {
            let seq = line["seq"].as_u64().unwrap();
            assert!(after < seq && seq <= upto, "a line outside of its push: {message}");
            if seq > self.upto {
                let before = self.lines.last().map_or(0, |(before, _)| *before);
                assert!(before < seq, "out of order: {message}");
                self.lines.push((seq, line["msg"].as_str().unwrap().to_owned()));
            }
        }
        if message["bdy"]["type"] == "MEMBER_COUNT" {
            let number = |name: &str| message["bdy"][name].as_u64().unwrap();
            self.members = Some((number("mbrCnt"), number("userCnt")));
        }
        self.upto = self.upto.max(upto);
    }

    /// The texts of its lines.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, text)| text.as_str()).collect()
    }
}
