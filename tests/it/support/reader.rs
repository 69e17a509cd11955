//! What the contract of our own layer asks of a client, kept by one that trusts nothing.

use std::collections::BTreeMap;

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
    /// What a client shows by now, by place.
    pub(crate) screen: BTreeMap<u64, String>,
    /// Questions by place, as they were told of last.
    pub(crate) questions: BTreeMap<u64, Told>,
    /// The pinned notice.
    pub(crate) notice: Value,
    /// Stretches that a push left out.
    pub(crate) gaps: Vec<(u64, u64)>,
    /// Lines that a push said it left out.
    pub(crate) left: u64,
    /// Lines that came although they had come before.
    pub(crate) repeats: u64,
    /// What each push covered, and the places of the lines in it.
    pub(crate) spans: Vec<((u64, u64), Vec<u64>)>,
    /// Where it was told that lines are left out, and how many.
    pub(crate) lefts: Vec<((u64, u64), u64)>,
    /// Numbers of events that the site has told.
    pub(crate) events: Vec<u64>,
    /// What the channel has said of those who come and go, by place.
    pub(crate) visits: BTreeMap<u64, String>,
    /// The newest count of members.
    pub(crate) members: Option<(u64, u64)>,
}

/// How a question stands, as far as a client was told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// As of this place.
    pub(crate) at: u64,
    pub(crate) version: u64,
    pub(crate) votes: u64,
    /// Empty while nothing but a hidden line has told of it.
    pub(crate) status: String,
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
        let push = message["cmd"].as_u64().is_some_and(|cmd| cmd > 90_000);
        self.hear_questions(message);
        let own_line = message["cmd"] == 93102 && message["bdy"][0]["seq"].is_null();
        let aside = own_line
            || message["bdy"]["type"] == "TOKEN_EXPIRES"
            || message["bdy"]["type"] == "RECONNECT"
            || !message["bdy"]["open"].is_null();
        let of_the_log = push && !aside;
        assert_eq!(of_the_log, message["after"].is_u64(), "{message}");
        let Some(after) = message["after"].as_u64() else { return };
        let upto = message["upto"].as_u64().unwrap();
        assert_eq!(message["epoch"], *self.epoch, "{message}");
        assert!(after <= upto, "{message}");
        if after > self.upto {
            self.gaps.push((self.upto, after));
        }
        self.left += message["left"].as_u64().unwrap_or_default();
        let mut places = Vec::new();
        let special = |line: &Value| line["msgTypeCode"] == 10 || line["msgTypeCode"] == 11;
        let is_line = |line: &&Value| message["cmd"] == 93101 || message["cmd"] == 93102 && special(line);
        for line in message["bdy"].as_array().into_iter().flatten().filter(is_line) {
            let seq = line["seq"].as_u64().unwrap();
            places.push(seq);
            assert!(after < seq && seq <= upto, "a line outside of its push: {message}");
            if seq > self.upto {
                let before = self.lines.last().map_or(0, |(before, _)| *before);
                assert!(before < seq, "out of order: {message}");
                let text = line["msg"].as_str().unwrap().to_owned();
                self.lines.push((seq, text.clone()));
                self.screen.insert(seq, text);
            } else {
                self.repeats += 1;
            }
        }
        self.hear_act(message);
        match message["left"].as_u64() {
            None => self.spans.push(((after, upto), places)),
            Some(left) => self.lefts.push(((after, upto), left)),
        }
        if message["bdy"]["type"] == "MEMBER_COUNT" {
            let number = |name: &str| message["bdy"][name].as_u64().unwrap();
            self.members = Some((number("mbrCnt"), number("userCnt")));
        }
        self.upto = self.upto.max(upto);
    }

    /// How questions stand: in lines, in what is said of them, and in the list for whoever comes.
    fn hear_questions(&mut self, message: &Value) {
        let body = &message["bdy"];
        let lines = body.as_array().filter(|_| message["cmd"] == 93101).into_iter().flatten();
        let lines = lines.map(|line| (line, line["msgStatusType"].as_str()));
        let told = body["questions"].as_array().filter(|_| message["cmd"] == 93140).into_iter().flatten();
        for (question, status) in lines.chain(told.map(|question| (question, question["status"].as_str()))) {
            let Some(at) = question["changeSeq"].as_u64() else { continue };
            let number = |name: &str| question[name].as_u64().unwrap();
            let known = self.questions.entry(number("seq")).or_default();
            if at >= known.at {
                (known.at, known.version, known.votes) = (at, number("version"), number("votes"));
                // A line that is hidden doesn't say how it stands.
                let status = status.filter(|status| *status != "HIDDEN" && *status != "CBOTBLIND");
                known.status = status.unwrap_or_default().to_owned();
            }
        }
    }

    fn hear_act(&mut self, message: &Value) {
        let body = &message["bdy"];
        self.events.extend(body["number"].as_u64().filter(|_| body["type"] == "SIMULATED"));
        // Lines of the system that aren't for staff.
        let for_all = |item: &Value| item["extras"].as_str().is_some_and(|extras| extras.contains("COMMON_USER"));
        if let (93102, Some(seq), true) =
            (message["cmd"].as_u64().unwrap_or_default(), body[0]["seq"].as_u64(), for_all(&body[0]))
        {
            self.visits.insert(seq, body[0]["msg"].as_str().unwrap().to_owned());
        }
        if message["cmd"] == 94010 {
            self.notice = body.clone();
        }
        if message["cmd"] != 94008 {
            return;
        }
        let shown = body["message"]["content"].as_str();
        assert_eq!(shown.is_some(), body["blindType"] == "CANCEL", "{message}");
        for seq in body["seqs"].as_array().unwrap() {
            if let Some(text) = self.screen.get_mut(&seq.as_u64().unwrap()) {
                shown.unwrap_or_default().clone_into(text);
            }
        }
    }

    /// Nothing was lost, nothing came twice, and every push held what it said: of all lines that there were for this reader
    /// (`there`, by their places) exactly those in its span.
    pub(crate) fn is_whole(&self, there: &[u64]) {
        assert_eq!((&self.gaps, self.left, self.repeats), (&vec![], 0, 0));
        for ((after, upto), places) in &self.spans {
            let expected: Vec<u64> = there.iter().copied().filter(|seq| after < seq && seq <= upto).collect();
            assert_eq!(*places, expected, "behind {after}, up to {upto}");
        }
    }

    /// The texts of its lines.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, text)| text.as_str()).collect()
    }
}
