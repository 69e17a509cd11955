//! What the faulty server's members say and are told.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;

use madang::clock::{Clock, System};

use super::words::{self, Covers, EPOCH, Line, answer, blinded, lines, push};
use super::{Fault, Out, Tell};

/// The line with which a fault happens, or the first behind it with which it can.
const AT: u64 = 8;

/// What to do with a connection whose message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read on.
    Hear,
    /// Never read again.
    Deaf,
}

/// All channels.
pub(super) struct Chat {
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    channels: HashMap<String, Channel>,
    /// Where each connection is.
    places: HashMap<u64, String>,
    /// Lines so far, in all channels.
    said: u64,
    /// Whether the fault has happened.
    spent: bool,
    clock: i64,
}

#[derive(Default)]
struct Channel {
    members: Vec<Member>,
    lines: Vec<Line>,
    seq: u64,
    /// Up to where pushes have covered the log.
    covered: u64,
}

struct Member {
    number: u64,
    ext: bool,
    tell: Tell,
    /// A line that waits for the next one.
    held: Option<Value>,
}

impl Chat {
    pub(super) fn new(fault: Fault) -> Self {
        Self { fault, state: Mutex::default() }
    }

    /// Takes a message of a connection.
    pub(super) fn take(&self, number: u64, door: Fault, text: &str, tell: &Tell) -> Next {
        let request: Value = serde_json::from_str(text).unwrap();
        let mut state = self.state.lock().unwrap();
        let (cmd, tid) = (request["cmd"].as_u64().unwrap(), request["tid"].as_u64().unwrap_or(0));
        let reply = |code, body| say_to(tell, &answer(cmd, tid, code, body));
        match cmd {
            0 => say_to(tell, &json!({ "ver": "2", "cmd": 10000 })),
            100 if door == Fault::Unauthorized => reply(401, json!({})),
            100 => state.connect(self.fault, number, &request, tell),
            3101 => return state.say(self.fault, number, &request, tell),
            4008 => {
                reply(0, json!({}));
                state.hide(self.fault, number, &request["bdy"]);
            }
            4010 => {
                reply(0, json!({}));
                state.channel(number).act(|covers| push(94010, json!({}), covers));
            }
            5101 if self.fault == Fault::IgnoresRecent => {}
            5101 => {
                let many = request["bdy"]["recentMessageCount"].as_u64().unwrap() as usize;
                let channel = state.channel(number);
                let (members, last) = (channel.members.len() as u64, channel.lines.len().saturating_sub(many));
                let open = self.fault == Fault::RecentShows;
                let list: Vec<Value> = channel.lines[last..].iter().map(|line| line.listed(members, open)).collect();
                reply(0, json!({ "messageList": list, "userCount": members, "notice": null }));
            }
            _ => {}
        }
        Next::Hear
    }

    /// A connection has ended.
    pub(super) fn leave(&self, number: u64) {
        let mut state = self.state.lock().unwrap();
        if let Some(cid) = state.places.remove(&number) {
            let channel = state.channels.get_mut(&cid).unwrap();
            channel.members.retain(|member| member.number != number);
            channel.tell_count(self.fault);
        }
    }
}

impl State {
    fn channel(&mut self, number: u64) -> &mut Channel {
        let cid = self.places.get(&number).expect("whoever asks has joined");
        self.channels.get_mut(cid).unwrap()
    }

    fn connect(&mut self, fault: Fault, number: u64, request: &Value, tell: &Tell) {
        let (cid, body) = (request["cid"].as_str().unwrap().to_owned(), &request["bdy"]);
        self.places.insert(number, cid.clone());
        let channel = self.channels.entry(cid).or_default();
        let ext = body["ext"] == 1;
        let mut connected = json!({ "accTkn": null, "auth": body["auth"], "uuid": "u", "sid": "s" });
        let mut missed = None;
        if ext {
            let back = body["resume"]["seq"].as_u64().filter(|_| body["resume"]["epoch"] == EPOCH);
            if let Some(seq) = back {
                let gone = fault == Fault::HasForgotten;
                connected["recovered"] = (!gone).into();
                connected["reason"] = if gone { "too_old".into() } else { Value::Null };
                missed = Some(seq).filter(|_| fault != Fault::ForgetsMissed && !gone);
            }
            connected["ext"] = 1.into();
            connected["epoch"] = EPOCH.into();
            connected["seq"] = channel.seq.into();
            connected["after"] = missed.unwrap_or(channel.seq).into();
        }
        say_to(tell, &answer(100, 1, 0, connected));
        channel.members.push(Member { number, ext, tell: tell.clone(), held: None });
        let members = channel.count(fault);
        if let Some(mut after) = missed {
            if fault == Fault::RepeatsMissed {
                after = channel.lines.iter().rfind(|line| line.seq <= after).map_or(after, |line| line.seq - 1);
            }
            let covers = Covers { after, upto: channel.seq, left: 0 };
            let missed = channel.lines.iter().filter(|line| line.seq > after);
            say_to(tell, &lines(missed, members, Some(covers), false));
        } else if fault == Fault::GreetsWithHidden && !channel.lines.is_empty() {
            let covers = ext.then_some(Covers { after: 0, upto: channel.seq, left: 0 });
            say_to(tell, &lines(channel.lines.iter(), members, covers, true));
        }
        channel.tell_count(fault);
    }

    fn say(&mut self, fault: Fault, number: u64, request: &Value, tell: &Tell) -> Next {
        self.said += 1;
        self.clock = (self.clock + 1).max(System.now().0);
        let (time, again) = (self.clock, self.clock + 1);
        let due = self.said >= AT && !self.spent;
        let tid = request["tid"].as_u64().unwrap();
        let text = request["bdy"]["msg"].as_str().unwrap();
        let uid = format!("u{number}");
        let planted = |here| due && fault == here;
        if planted(Fault::RefusesBarely) {
            say_to(tell, &json!({ "ver": "2", "cmd": 13101, "retCode": 105, "retMsg": "no", "tid": tid.to_string() }));
            self.spent = true;
            return Next::Hear;
        }
        if !planted(Fault::Mute) {
            let code = if planted(Fault::TellsRefused) { 429 } else { 0 };
            let time = if planted(Fault::AnswersOtherwise) { again } else { time };
            say_to(tell, &answer(3101, tid, code, json!({ "msgId": "m", "msgTime": time, "seq": 1 })));
        }
        if planted(Fault::AnswersUnasked) {
            say_to(tell, &answer(3101, tid + 500_000, 0, json!({ "msgId": "m", "msgTime": time, "seq": 1 })));
        }
        if planted(Fault::Swallows) {
            self.spent = true;
            return Next::Hear;
        }
        let channel = self.channel(number);
        let mut spent =
            matches!(fault, Fault::Mute | Fault::TellsRefused | Fault::AnswersUnasked | Fault::AnswersOtherwise);
        spent |= channel.tell_line(if due { fault } else { Fault::None }, number, (&uid, time, text), fault);
        if planted(Fault::Doubles) {
            self.clock = again;
            self.channel(number).tell_line(Fault::None, number, (&uid, again, text), fault);
        }
        if planted(Fault::HangsUp) {
            write(tell, Out::Close(1011));
        }
        self.spent |= due && (spent || matches!(fault, Fault::Doubles | Fault::HangsUp));
        if fault == Fault::StopsReading { Next::Deaf } else { Next::Hear }
    }

    fn hide(&mut self, fault: Fault, number: u64, body: &Value) {
        let spent = self.spent;
        let channel = self.channel(number);
        let named = |line: &&mut Line| body["userId"] == *line.uid && body["messageTime"] == line.time;
        let line = channel.lines.iter_mut().find(named).expect("what is hidden was said");
        let shown = body["blindType"] == "CANCEL";
        line.hidden = !shown;
        let line = line.clone();
        if fault == Fault::HidesSilently {
            return;
        }
        channel.act(|covers| blinded(&line, shown, covers));
        if fault == Fault::RetellsHidden && !shown && !spent {
            let members = channel.count(fault);
            if let Some(victim) = channel.victim(false, number) {
                say_to(&victim.tell, &lines([&line].into_iter(), members, None, true));
                self.spent = true;
            }
        }
    }
}

impl Channel {
    fn count(&self, fault: Fault) -> u64 {
        self.members.len() as u64 + u64::from(fault == Fault::Miscounts)
    }

    /// One member on this layer who is not this one.
    fn victim(&mut self, ext: bool, not: u64) -> Option<&mut Member> {
        self.members.iter_mut().rfind(|member| member.ext == ext && member.number != not)
    }

    /// The part of the log behind what was covered last.
    fn cover(&mut self) -> Covers {
        let after = std::mem::replace(&mut self.covered, self.seq);
        Covers { after, upto: self.seq, left: 0 }
    }

    /// Something that all are told, and that has a place.
    fn act(&mut self, message: impl Fn(Option<Covers>) -> Value) {
        self.seq += 1;
        let covers = self.cover();
        for member in &self.members {
            say_to(&member.tell, &message(member.ext.then_some(covers)));
        }
    }

    fn tell_count(&mut self, fault: Fault) {
        let body = json!({ "type": "MEMBER_COUNT", "mbrCnt": self.count(fault), "userCnt": 0 });
        let covers = Covers { after: self.seq, upto: self.seq, left: 0 };
        for member in self.members.iter().filter(|member| member.ext) {
            say_to(&member.tell, &push(93006, body.clone(), Some(covers)));
        }
    }

    /// A line, to all. Whether the fault that was to happen with it has happened.
    fn tell_line(&mut self, fault: Fault, sender: u64, (uid, time, text): (&str, i64, &str), always: Fault) -> bool {
        if fault == Fault::Jumps {
            self.seq += 3;
            self.covered = self.seq;
        }
        self.seq += 1;
        let line = Line { seq: self.seq, uid: uid.to_owned(), time, text: text.to_owned(), hidden: false };
        self.lines.push(line.clone());
        let mut covers = self.cover();
        let members = self.count(always);
        let victim = self.victim(false, sender).map(|member| member.number);
        if fault == Fault::LeavesOut {
            covers.left = 2;
        }
        for member in &mut self.members {
            let message = lines([&line].into_iter(), members, member.ext.then_some(covers), false);
            let here = if Some(member.number) == victim { fault } else { Fault::None };
            member.hear(here, message);
        }
        match fault {
            Fault::Jumps | Fault::LeavesOut => self.members.iter().any(|member| member.ext),
            Fault::Drops | Fault::Swaps | Fault::Repeats => victim.is_some(),
            Fault::Fat | Fault::Huge | Fault::Garbage | Fault::NoJson => victim.is_some(),
            _ => false,
        }
    }
}

impl Member {
    /// Is told a line, in whatever way it goes wrong.
    fn hear(&mut self, fault: Fault, mut message: Value) {
        match fault {
            Fault::Drops => return,
            Fault::Swaps => {
                self.held = Some(message);
                return;
            }
            Fault::Repeats => say_to(&self.tell, &message),
            Fault::Fat => message["bdy"][0]["profile"] = "x".repeat(40_000).into(),
            Fault::Huge => write(&self.tell, Out::Bytes(words::huge())),
            Fault::Garbage => write(&self.tell, Out::Bytes(b"\xff\xff\xff\xff garbage".to_vec())),
            Fault::NoJson => write(&self.tell, Out::Text("{\"cmd\":93101,\"bdy\":[".to_owned())),
            _ => {}
        }
        say_to(&self.tell, &message);
        if let Some(held) = self.held.take() {
            say_to(&self.tell, &held);
        }
    }
}

fn say_to(tell: &Tell, message: &Value) {
    write(tell, Out::Text(message.to_string()));
}

/// A connection that is ending hears nothing any more; one that hears too slowly would be a fault that nobody planted.
fn write(tell: &Tell, out: Out) {
    let written = tell.try_send(out);
    assert!(!matches!(written, Err(TrySendError::Full(_))), "a queue of a faulty server is full");
}
