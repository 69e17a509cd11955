//! Two machines on one log that is out of order at times, and viewers who come and go: one run of a script, step by step,
//! on one thread and a clock of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use madang::eventlog::EventLog;
use madang::eventlog::flaky::{Faults, Flaky};
use madang::eventlog::memory::Memory;
use madang::eventlog::tail::Tail;
use madang::model::act::{Name, Notice, Which, Wish};
use madang::model::announcement::News;
use madang::model::filter::{FilterChange, Measure};
use madang::model::id::{ChannelId, EventId, Seq, UserId};
use madang::model::message::{Author, Draft, Extras, Kind};
use madang::model::mode::ModeChange;
use madang::model::occasion::{Occasion, Subscribed};
use madang::model::principal::Role;
use madang::model::question::QuestionStatus;
use madang::node::{Config, Rules, SiteLine};

use crate::support::reader::Reader;
use crate::support::yard::{Guest, Yard};

use super::asides::Whispered;
use super::crowd::Stranger;
use super::planted::Planted;
use super::script::Op;
use super::truth::Truth;

pub(super) const MACHINES: usize = 2;
const VIEWERS: usize = 8;

/// What may be forbidden.
const CURSE: &str = "나쁜말";

/// How long everything may take to settle when nothing more happens.
const SETTLED: Duration = Duration::from_secs(30);

/// What a run has shown to be wrong.
pub(super) type Wrong = String;

pub(super) struct Machine {
    pub(super) runtime: Runtime,
    pub(super) yard: Yard,
    /// Lines that were hidden here, with how far the log was by then: their text may leave no more.
    pub(super) hidden: HashMap<u64, u64>,
    /// Others who are there, without anything to say.
    pub(super) strangers: Vec<Stranger>,
}

impl Machine {
    /// Time goes by for its tasks.
    fn rests(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }
}

/// Somebody with a place among the viewers, in one broadcast after the other.
pub(super) struct Viewer {
    pub(super) uid: String,
    /// Without our own layer.
    pub(super) plain: bool,
    pub(super) lane: &'static str,
    /// Where it is, and on which machine.
    pub(super) here: Option<(usize, Guest)>,
    pub(super) cid: String,
    pub(super) reader: Reader,
    /// Readers of broadcasts that it has left.
    pub(super) before: Vec<(String, Reader)>,
    /// Lines of the plain wire, one list for each connection.
    pub(super) plain_lines: Vec<Vec<String>>,
    /// Lines that were on their way to it when they were hidden.
    pub(super) on_their_way: HashSet<u64>,
    pub(super) last_sent: Option<u64>,
}

/// Something that was sent, and what was said to it.
pub(super) struct Sent {
    pub(super) viewer: usize,
    pub(super) cid: String,
    pub(super) text: String,
    pub(super) attempts: usize,
    pub(super) acks: Vec<u64>,
    pub(super) refusals: Vec<u64>,
}

#[derive(Default)]
pub(super) struct Scars {
    lagged: bool,
    dropped: bool,
    flooded: bool,
    erased: bool,
    acted: bool,
    burst: bool,
    shown_again: bool,
}

impl Scars {
    /// Whether a machine may have started again from a snapshot, lost count of lines that it remembers no more, forgotten
    /// acts, or shown more again at once than it tells those who come back.
    pub(super) fn make_gaps_fair(&self) -> bool {
        (self.lagged && self.dropped)
            || (self.flooded && self.erased)
            || (self.acted && self.dropped)
            || (self.burst && self.shown_again)
    }
}

pub(super) struct World {
    pub(super) log: Memory,
    tail: Tail,
    pub(super) channel: ChannelId,
    pub(super) cid: String,
    pub(super) machines: Vec<Machine>,
    pub(super) viewers: Vec<Viewer>,
    pub(super) sends: HashMap<u64, Sent>,
    /// `msgTypeCode` of each.
    pub(super) kinds: HashMap<u64, u8>,
    pub(super) next_send: u64,
    next_told: u64,
    /// What the site was told that it has told: places and numbers.
    pub(super) told: Vec<(u64, u64)>,
    pub(super) whispers: Vec<Whispered>,
    /// Guests who were told what they are called: who, and what.
    pub(super) welcomed: Vec<(String, String)>,
    /// What has happened to the log for which a push may tell of a gap.
    pub(super) scars: Scars,
    pub(super) truth: Truth,
    pub(super) seen: Seq,
    pub(super) lives: u64,
    pub(super) seed: u64,
    pub(super) now: i64,
    pub(super) planted: Option<Planted>,
    pub(super) tampered: u64,
    pub(super) wrong: Vec<Wrong>,
}

fn machine(log: &Memory, seed: u64, now: i64, hidden: HashMap<u64, u64>) -> Machine {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let faults = Faults { full: 0.02, failed: 0.04, lost_acks: 0.06, doubled: 0.06, delay: Duration::from_millis(40) };
    let flaky = Flaky::new(log.clone(), faults, seed);
    let rules = Rules { sends: None, questions_per_minute: 1_000, ..Rules::default() };
    let config = Config { rules, guests: true, idle: Duration::from_millis(300), ..Config::default() };
    let yard = runtime.block_on(Yard::over(Arc::new(flaky), config));
    yard.clock.advance(now);
    Machine { runtime, yard, hidden, strangers: Vec::new() }
}

/// Texts that a message tells, with the places of their lines where those are told.
fn told_texts(message: &Value) -> Vec<(Option<u64>, String)> {
    let body = &message["bdy"];
    let shown = body["message"].as_str().map_or(body["message"].clone(), |json| serde_json::from_str(json).unwrap());
    let lines = body.as_array().into_iter().flatten().map(|line| (line["seq"].as_u64(), line["msg"].clone()));
    let again = (body["seqs"][0].as_u64(), shown["content"].clone());
    let questions = body["questions"].as_array().into_iter().flatten();
    let asked = questions.map(|question| (question["seq"].as_u64(), question["content"].clone()));
    let texts = lines.chain([again, (None, body["content"].clone())]).chain(asked);
    texts.filter_map(|(seq, text)| Some((seq, text.as_str().filter(|text| !text.is_empty())?.to_owned()))).collect()
}

impl World {
    pub(super) fn new(seed: u64, planted: Option<Planted>) -> Self {
        let log = Memory::new(Arc::default());
        let machines: Vec<Machine> =
            (0..MACHINES).map(|number| machine(&log, seed * 10 + number as u64, 0, HashMap::new())).collect();
        let viewer = |number: usize| Viewer {
            uid: format!("viewer{number}"),
            plain: number % 4 == 3,
            lane: ["all", "all", "questions", "", "overlay", "all", "questions", ""][number],
            here: None,
            cid: String::new(),
            reader: Reader::default(),
            before: Vec::new(),
            plain_lines: Vec::new(),
            on_their_way: HashSet::new(),
            last_sent: None,
        };
        let channel = ChannelId::parse("c0ffee").unwrap();
        let mut world = Self {
            tail: log.follow(&channel, Seq::default()),
            log,
            channel,
            cid: String::new(),
            machines,
            viewers: (0..VIEWERS).map(viewer).collect(),
            sends: HashMap::new(),
            kinds: HashMap::new(),
            next_send: 0,
            next_told: 0,
            told: Vec::new(),
            whispers: Vec::new(),
            welcomed: Vec::new(),
            scars: Scars::default(),
            truth: Truth::default(),
            seen: Seq::default(),
            lives: 0,
            seed,
            now: 0,
            planted,
            tampered: 0,
            wrong: Vec::new(),
        };
        let channel = world.channel.clone();
        let Machine { runtime, yard, .. } = &world.machines[0];
        while runtime.block_on(yard.node.list_channel(&channel, "c")).is_err() {}
        while world.cid.is_empty() {
            world.open(0);
        }
        world
    }

    /// Runs a script to its end and looks at everything again.
    pub(super) fn run(mut self, ops: &[Op]) -> Vec<Wrong> {
        for op in ops {
            self.happens(*op);
            self.look();
        }
        self.settle();
        self.judge();
        self.wrong
    }

    fn happens(&mut self, op: Op) {
        match op {
            Op::Join { viewer, machine } => self.join(viewer % VIEWERS, machine % MACHINES, usize::MAX),
            Op::Crawl { viewer, machine, bytes } => self.join(viewer % VIEWERS, machine % MACHINES, bytes),
            Op::Leave { viewer } => self.viewers[viewer % VIEWERS].here = None,
            Op::Send { viewer } => self.send(viewer % VIEWERS, false, 1, ""),
            Op::Ask { viewer } => self.send(viewer % VIEWERS, false, 40, ""),
            Op::Curse { viewer } => self.send(viewer % VIEWERS, false, if viewer % 2 == 0 { 1 } else { 40 }, CURSE),
            Op::Tell { machine, paid } => self.tell(machine % MACHINES, paid > 0),
            Op::Greet { machine, how } => self.greet(machine % MACHINES, how),
            Op::Whisper { viewer, to } => self.whisper(viewer % VIEWERS, to % VIEWERS),
            Op::Name { machine, name } => self.name(machine % MACHINES, name),
            Op::Vote { viewer, question, up } => self.vote(viewer % VIEWERS, question, up > 0),
            Op::Mark { machine, question, status, seen } => {
                let status = QuestionStatus::ALL[status % 4];
                let wish = self.question(question).map(|(place, version)| {
                    Wish::Mark(Name::Place(Seq(place)), status, version - u64::from(seen == 0))
                });
                self.act(machine % MACHINES, wish);
            }
            Op::Forbid { machine, measure } => {
                let measures = [Measure::Mask, Measure::Blind, Measure::Shadow, Measure::Refuse];
                let words = vec![(CURSE.to_owned(), measures.get(measure % 5).copied())];
                let change = FilterChange { words, ..FilterChange::default() };
                self.act(machine % MACHINES, Some(Wish::Filter(change)));
            }
            Op::Burst { viewer } => {
                self.scars.burst = true;
                (0..70).for_each(|_| self.send(viewer % VIEWERS, false, 1, &"마".repeat(480)));
            }
            Op::Flood => {
                self.scars.flooded = true;
                self.flood();
            }
            Op::Crowd { machine } => self.crowd(machine % MACHINES),
            Op::Retry { viewer } => self.send(viewer % VIEWERS, true, 1, ""),
            Op::Hide { machine, line } => {
                self.act(machine % MACHINES, self.pick(line).map(|line| Wish::Hide(Which::Line(line))));
            }
            Op::Show { machine, line } => {
                self.act(machine % MACHINES, self.pick(line).map(|line| Wish::Show(Which::Line(line))));
            }
            Op::Silence { machine, viewer } => {
                self.act(machine % MACHINES, Some(Wish::Hide(Which::Of(self.uid(viewer)))));
            }
            Op::Pardon { machine, viewer } => {
                self.act(machine % MACHINES, Some(Wish::Show(Which::Of(self.uid(viewer)))));
            }
            Op::Sweep { machine, seconds } => {
                let which = Which::Sweep { seconds: seconds as u32, newcomer_minutes: 1_440 };
                self.act(machine % MACHINES, Some(Wish::Hide(which)));
            }
            Op::Penalize { machine, viewer, seconds } => {
                self.act(machine % MACHINES, Some(Wish::Penalize(self.uid(viewer), seconds as u32)));
            }
            Op::Block { machine, viewer, days } => {
                let days = (days > 0).then_some(days as u32);
                self.act(machine % MACHINES, Some(Wish::Block(self.uid(viewer), days)));
            }
            Op::Kick { machine, viewer } => self.act(machine % MACHINES, Some(Wish::Kick(self.uid(viewer)))),
            Op::Appoint { machine, viewer, staff } => {
                let role = if staff > 0 { Role::ChatManager } else { Role::Viewer };
                self.act(machine % MACHINES, Some(Wish::Appoint(self.uid(viewer), role)));
            }
            Op::Panic { machine, seconds: 0 } => self.act(machine % MACHINES, Some(Wish::Calm)),
            Op::Panic { machine, seconds } => {
                let wish = Wish::Panic(ModeChange::default(), seconds as u32);
                self.act(machine % MACHINES, Some(wish));
            }
            Op::Lift { machine, viewer } => self.act(machine % MACHINES, Some(Wish::Lift(self.uid(viewer)))),
            Op::Pace { machine, seconds } => {
                let change = ModeChange { slow_seconds: Some(seconds as u32), ..ModeChange::default() };
                self.act(machine % MACHINES, Some(Wish::Run(change)));
            }
            Op::Undo { machine, act } => {
                let acts = &self.truth.acts;
                let act = (!acts.is_empty()).then(|| Wish::Undo(Seq(acts[act % acts.len()])));
                self.act(machine % MACHINES, act);
            }
            Op::Pin { machine, seconds: 0, .. } => {
                let text = format!("notice at {}", self.truth.seq);
                self.act(machine % MACHINES, Some(Wish::Pin(Notice::Text(text, Extras::default()), None)));
            }
            Op::Pin { machine, line, seconds } => {
                let line = self.pick(line).map(|line| Wish::Pin(Notice::Line(line), Some(seconds as u32)));
                self.act(machine % MACHINES, line);
            }
            Op::Unpin { machine } => self.act(machine % MACHINES, Some(Wish::Unpin)),
            Op::Erase { machine, viewer, millis } => {
                self.scars.erased = true;
                let uid = self.uid(viewer);
                let Machine { runtime, yard, .. } = &self.machines[machine % MACHINES];
                runtime.block_on(async {
                    // It may fail, as the log may; asked again it would go on.
                    let _ = timeout(Duration::from_millis(millis), yard.node.erase(&self.channel, &uid)).await;
                });
            }
            Op::Drop { machine, seconds, millis } => {
                self.scars.dropped = true;
                let Machine { runtime, yard, .. } = &self.machines[machine % MACHINES];
                runtime.block_on(async {
                    let dropping = yard.node.drop_older_than(Duration::from_secs(seconds));
                    let _ = timeout(Duration::from_millis(millis), dropping).await;
                });
            }
            Op::Open { machine } => self.open(machine % MACHINES),
            Op::Slow { viewer, bytes } => self.room(viewer % VIEWERS, bytes),
            Op::Quick { viewer } => self.room(viewer % VIEWERS, usize::MAX),
            Op::Turn { machine, turns } => self.machines[machine % MACHINES].runtime.block_on(async {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }),
            Op::Run { machine, millis } => self.run_for(machine % MACHINES, Duration::from_millis(millis)),
            Op::Wait { seconds } => {
                self.now += seconds * 1_000;
                self.machines.iter().for_each(|machine| machine.yard.clock.advance(seconds * 1_000));
            }
            Op::Crash { machine } => self.crash(machine % MACHINES),
            Op::Lag => {
                self.scars.lagged = true;
                self.read_log();
                self.log.lag();
            }
        }
    }

    fn uid(&self, viewer: usize) -> UserId {
        UserId::parse(&self.viewers[viewer % VIEWERS].uid).unwrap()
    }

    fn run_for(&mut self, machine: usize, time: Duration) {
        self.machines[machine].rests(time);
        for viewer in self.viewers.iter_mut() {
            if let Some((there, guest)) = &mut viewer.here
                && *there == machine
            {
                self.machines[machine].runtime.block_on(guest.takes_what_waits());
            }
        }
    }

    fn open(&mut self, machine: usize) {
        let Machine { runtime, yard, .. } = &self.machines[machine];
        if let Ok(cid) = runtime.block_on(yard.node.open_broadcast(&self.channel, "t")) {
            self.cid = cid.to_string();
            // The other machine learns of it by the log.
            for machine in &self.machines {
                machine.rests(Duration::from_millis(10));
            }
        }
    }

    fn room(&mut self, viewer: usize, bytes: usize) {
        if let Some((_, guest)) = &self.viewers[viewer].here {
            guest.sock.set_room(bytes);
        }
    }

    fn join(&mut self, viewer: usize, machine: usize, room: usize) {
        self.listen(viewer);
        let Machine { runtime, yard, .. } = &self.machines[machine];
        let someone = &mut self.viewers[viewer];
        someone.here = None;
        someone.on_their_way.clear();
        if someone.cid != self.cid {
            let reader = std::mem::take(&mut someone.reader);
            someone.before.push((std::mem::replace(&mut someone.cid, self.cid.clone()), reader));
        }
        let token = yard.token(&someone.uid, Role::Viewer);
        let mut guest = yard.guest();
        guest.sock.set_room(room);
        let connected = runtime.block_on(async {
            if someone.plain {
                return guest.connect(&self.cid, Some(&token)).await;
            }
            let mut ext = someone.reader.ext();
            ext["lane"] = someone.lane.into();
            guest.connect_ext(&self.cid, Some(&token), ext).await
        });
        // Too busy a log, or a broadcast that this machine has not heard of yet: it comes again later.
        if connected["retCode"] != 0 {
            return;
        }
        if someone.plain {
            someone.plain_lines.push(Vec::new());
        } else {
            let before = someone.reader.clone();
            if !someone.reader.connected(&connected) {
                // Told that it can't have everything: it begins anew.
                someone.before.push((self.cid.clone(), before));
                let Reader { epoch, upto, .. } = std::mem::take(&mut someone.reader);
                someone.reader = Reader { epoch, upto, ..Reader::default() };
            }
        }
        someone.here = Some((machine, guest));
    }

    fn send(&mut self, viewer: usize, again: bool, kind: u8, more: &str) {
        let last = self.viewers[viewer].last_sent.filter(|_| again);
        let cid = self.viewers[viewer].cid.clone();
        let Some((machine, guest)) = &mut self.viewers[viewer].here else { return };
        let number = last.unwrap_or(self.next_send);
        self.next_send += u64::from(last.is_none());
        let text = format!("line {number} {more}");
        let fresh = || Sent { viewer, cid: cid.clone(), text, attempts: 0, acks: vec![], refusals: vec![] };
        let sent = self.sends.entry(number).or_insert_with(fresh);
        if sent.cid != cid {
            return;
        }
        sent.attempts += 1;
        let kind = *self.kinds.entry(number).or_insert(kind);
        // A retry under another number is a line of its own: that is what this planted fault makes of it.
        let tid =
            if last.is_some() && self.planted == Some(Planted::RetriesBecomeLines) { number + 100_000 } else { number };
        let extras = r#"{"chatType":"STREAMING","osType":"PC"}"#;
        let body = json!({"msg": sent.text, "msgTypeCode": kind, "msgTime": number, "extras": extras});
        let message = json!({"cmd": 3101, "cid": cid, "tid": tid, "retry": last.is_some(), "bdy": body});
        self.machines[*machine].runtime.block_on(guest.says(&message.to_string()));
        self.viewers[viewer].last_sent = Some(number);
    }

    /// The site tells something; what was told stands in the log.
    fn tell(&mut self, machine: usize, paid: bool) {
        let (id, number) = (EventId::fresh(), self.next_told);
        self.next_told += 1;
        let Machine { runtime, yard, .. } = &self.machines[machine];
        let access = yard.node.access("root").unwrap();
        let told = runtime.block_on(async {
            if !paid {
                let event = News::Event(format!(r#"{{"type":"SIMULATED","number":{number}}}"#));
                return yard.node.announce(&self.channel, event, &access, id).await;
            }
            let subscribed = Subscribed { months: 1, tier: 1, tier_name: "t".to_owned() };
            let line = SiteLine {
                author: Author { uid: UserId::parse("donor").unwrap(), profile: Arc::default(), role: Role::Viewer },
                known: Default::default(),
                draft: Draft { kind: Kind::Subscription, text: format!("told {number}"), ..Draft::default() },
                occasion: Some(Occasion::Subscription(subscribed)),
                id,
            };
            yard.node.say(&self.channel, line, &access).await
        });
        if let Ok((_, receipt)) = told {
            self.told.push((receipt.seq.0, number));
        }
    }

    /// The place of one of the questions and its version, if there are any.
    fn question(&self, question: usize) -> Option<(u64, u64)> {
        let questions = &self.truth.ledger.questions;
        let place = questions.keys().nth(question % questions.len().max(1))?;
        Some((*place, questions[place].version))
    }

    fn vote(&mut self, viewer: usize, question: usize, up: bool) {
        let (cid, question) = (self.viewers[viewer].cid.clone(), self.question(question));
        let (Some((machine, guest)), Some((place, _))) = (&mut self.viewers[viewer].here, question) else { return };
        let body = json!({"seq": place, "vote": up});
        let message = json!({"cmd": 3141, "cid": cid, "tid": 1, "bdy": body});
        self.machines[*machine].runtime.block_on(guest.says(&message.to_string()));
    }

    /// One of the lines, if there are any.
    fn pick(&self, line: usize) -> Option<Name> {
        let places: Vec<u64> = self.truth.lines.keys().copied().collect();
        (!places.is_empty()).then(|| Name::Place(Seq(places[line % places.len()])))
    }

    pub(super) fn act(&mut self, machine: usize, wish: Option<Wish>) {
        let Some(wish) = wish else { return };
        self.scars.acted = true;
        self.scars.shown_again |= matches!(wish, Wish::Show(_) | Wish::Undo(_));
        let Machine { runtime, yard, .. } = &self.machines[machine];
        if runtime.block_on(yard.moderates(&self.channel, wish)).is_err() {
            return;
        }
        self.read_log();
        let since: Vec<(u64, u64)> =
            self.truth.lines.iter().filter_map(|(seq, line)| Some((*seq, line.hidden_since?))).collect();
        // Whatever has left by now has left; so has what waits for a slow reader.
        for viewer in 0..VIEWERS {
            self.listen(viewer);
            let (known, someone) = (&self.machines[machine].hidden, &mut self.viewers[viewer]);
            if someone.here.as_ref().is_some_and(|(there, guest)| *there == machine && guest.outbox.queued_bytes() > 0)
            {
                let new = since.iter().filter(|(seq, since)| known.get(seq).is_none_or(|known| known < since));
                someone.on_their_way.extend(new.map(|(seq, _)| *seq));
            }
        }
        self.machines[machine].hidden.extend(since);
    }

    pub(super) fn crash(&mut self, machine_number: usize) {
        // What its clients had received they have; what waited is lost.
        for viewer in 0..VIEWERS {
            if self.viewers[viewer].here.as_ref().is_some_and(|(there, _)| *there == machine_number) {
                self.listen(viewer);
                self.viewers[viewer].here = None;
            }
        }
        self.lives += 1;
        // Whoever reads the log from now on knows of all that was hidden.
        self.read_log();
        let hidden = self.truth.lines.iter().filter_map(|(seq, line)| Some((*seq, line.hidden_since?))).collect();
        let seed = self.seed * 10 + 100 * self.lives + machine_number as u64;
        let fresh = machine(&self.log, seed, self.now, hidden);
        // The tasks of the one before end wherever they are.
        self.machines[machine_number] = fresh;
    }

    /// Takes note of what has happened: events, and what everybody has heard.
    fn look(&mut self) {
        self.read_log();
        for viewer in 0..VIEWERS {
            self.listen(viewer);
        }
    }

    /// What has happened by now, as it was written: what has been erased or dropped since was seen before.
    fn read_log(&mut self) {
        while let Some(events) = self.tail.next().now_or_never() {
            let Ok(events) = events else {
                self.tail = self.log.follow(&self.channel, self.seen);
                continue;
            };
            for logged in &events {
                self.truth.apply(logged);
                self.seen = logged.seq;
            }
        }
    }

    pub(super) fn listen(&mut self, viewer: usize) {
        let Some((machine, guest)) = &mut self.viewers[viewer].here else { return };
        let machine = *machine;
        let messages = guest.heard_by_now();
        let nothing_waits = guest.outbox.queued_bytes() == 0;
        if guest.outbox.is_closed() {
            self.viewers[viewer].here = None;
        }
        for message in messages {
            self.hear(viewer, machine, message);
        }
        if nothing_waits {
            self.viewers[viewer].on_their_way.clear();
        }
    }

    fn hear(&mut self, viewer: usize, machine: usize, message: Value) {
        for message in self.tamper(viewer, message) {
            match message["cmd"].as_u64() {
                Some(13101) => self.answered(&message),
                Some(13301) => {
                    let number = message["tid"].as_str().unwrap().parse::<usize>().unwrap();
                    self.whispers[number].code = message["retCode"].as_u64();
                }
                Some(93301) => self.whispered(viewer, &message),
                Some(90_001..) => self.pushed(viewer, machine, &message),
                _ => {}
            }
        }
    }

    fn answered(&mut self, message: &Value) {
        let number = message["tid"].as_str().unwrap().parse::<u64>().unwrap() % 100_000;
        let sent = self.sends.get_mut(&number).unwrap();
        match message["retCode"].as_u64().unwrap() {
            0 => sent.acks.push(message["bdy"]["seq"].as_u64().unwrap()),
            code => sent.refusals.push(code),
        }
    }

    fn pushed(&mut self, viewer: usize, machine: usize, message: &Value) {
        let someone = &mut self.viewers[viewer];
        // What stands behind an act was applied after it, and sent after it.
        let newest = message["upto"].as_u64().unwrap_or_default();
        for (seq, text) in told_texts(message) {
            let known = match seq {
                Some(seq) => self.truth.lines.get_key_value(&seq),
                // What was erased may have been sent again.
                None => self.truth.lines.iter().rfind(|(_, known)| known.text == text),
            };
            let Some((seq, since)) = known.and_then(|(seq, line)| Some((seq, line.hidden_since?))) else { continue };
            let hidden_here = self.machines[machine].hidden.get(seq).is_some_and(|known| *known >= since);
            if since < newest || (hidden_here && !someone.on_their_way.contains(seq)) {
                self.wrong.push(format!("hidden text was told: {message}"));
            }
        }
        if someone.plain {
            let lines = message["bdy"].as_array().filter(|_| message["cmd"] == 93101).into_iter().flatten();
            let texts = lines.filter_map(|line| line["msg"].as_str()).map(str::to_owned);
            someone.plain_lines.last_mut().unwrap().extend(texts);
        } else {
            someone.reader.hear(message);
        }
    }

    /// Lets everything come to rest: all machines run, and everybody comes back and hears the rest.
    fn settle(&mut self) {
        for round in 0..6 {
            for machine in 0..MACHINES {
                self.run_for(machine, SETTLED / 6);
            }
            for viewer in 0..VIEWERS {
                self.room(viewer, usize::MAX);
                if round < 4 && (self.viewers[viewer].here.is_none() || self.viewers[viewer].cid != self.cid) {
                    self.join(viewer, viewer % MACHINES, usize::MAX);
                }
            }
            self.look();
        }
    }
}
