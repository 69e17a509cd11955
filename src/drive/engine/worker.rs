//! One thread: its viewers, its poll, its clock.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mio::{Events, Poll, Token};

use crate::drive::check::Law;
use crate::drive::check::ledger::Fault;
use crate::drive::script::{Pace, Step, What};
use crate::drive::tally::Part;
use crate::ws::raw;

use super::known::Known;
use super::link::{Stand, Viewer};
use super::{PATIENCE, Phase, Shared, Steps, Suspect};

/// Events taken from the kernel at once: what is due meanwhile waits for them.
const EVENTS: usize = 256;

/// What a read takes at most, in bytes.
const READ: usize = 256 * 1024;

/// How often slow readers read, and how long a thread sleeps at most while there are any.
const TICK: Duration = Duration::from_millis(100);

/// A connection on which nothing was heard for so long says that it is there, as published clients do (facts, 1.2).
const SILENCE_MS: u32 = 20_000;

/// How long a server may take to return a farewell.
const FAREWELL_MS: u32 = 2_000;

/// Steps that may be open when a script ends: those of its last moment.
const UNDONE: u64 = 100;

/// Steps done before the poll is looked at again.
const STEPS: usize = 256;

/// One thread of the generator.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) index: u32,
    pub(super) of: u32,
    pub(super) poll: Poll,
    pub(super) viewers: Vec<Viewer>,
    pub(super) known: Known,
    pub(super) part: Part,
    pub(super) slow: Vec<usize>,
    /// Viewers that are joined, and under way to it.
    pub(super) joined: u64,
    pub(super) joining: u64,
    /// Looks at laws that are not told to the findings yet.
    pub(super) looked: [u64; Law::ALL.len()],
    buffer: Vec<u8>,
    steps: Peekable<Steps>,
    second: u64,
    asleep: u64,
    ticked: u64,
    settled: bool,
    rested: bool,
    judged: bool,
}

impl Worker {
    /// The thread with this number of so many.
    ///
    /// # Errors
    ///
    /// The system gives no poll.
    pub(super) fn new(shared: Arc<Shared>, steps: Steps, index: u32, of: u32) -> std::io::Result<Self> {
        let mine = (shared.setting.crowd.len() + of - 1 - index) / of;
        Ok(Self {
            poll: Poll::new()?,
            viewers: (0..mine).map(|_| Viewer::default()).collect(),
            known: Known::default(),
            part: Part::default(),
            slow: Vec::new(),
            joined: 0,
            joining: 0,
            looked: [0; Law::ALL.len()],
            buffer: vec![0; READ],
            steps: steps.peekable(),
            second: 0,
            asleep: 0,
            ticked: 0,
            settled: false,
            rested: false,
            judged: false,
            shared,
            index,
            of,
        })
    }

    /// Plays until the phase is [`Phase::Leave`].
    ///
    /// # Errors
    ///
    /// The poll fails.
    pub(super) fn run(mut self) -> std::io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let now = self.shared.now();
            match self.shared.phase() {
                Phase::Play => self.play(now),
                Phase::Settle => self.settle(),
                Phase::Rest => self.rest(),
                Phase::Judge => self.judge(),
                Phase::Leave => break,
            }
            self.tick(now);
            self.wait(&mut events)?;
            for event in &events {
                let ends = event.is_read_closed() || event.is_error();
                self.on(event.token().0, event.is_writable(), event.is_readable() || ends, ends);
            }
        }
        self.leave_all();
        Ok(())
    }

    /// Number of the viewer in this place.
    pub(super) fn number(&self, slot: usize) -> u32 {
        u32::try_from(slot).unwrap_or(u32::MAX) * self.of + self.index
    }

    /// Who stands in this place, in words.
    pub(super) fn name(&self, slot: usize) -> String {
        let viewer = &self.viewers[slot];
        let layer = if viewer.ext { "ext" } else { "plain" };
        format!("viewer {} ({layer}) in {}", self.number(slot), self.shared.setting.crowd.cid(viewer.channel))
    }

    pub(super) fn look(&mut self, law: Law, times: u64) {
        self.looked[law as usize] += times;
    }

    /// Does what is due.
    fn play(&mut self, now: u64) {
        for _ in 0..STEPS {
            let Some(step) = self.steps.next_if(|step| step.at <= now) else { return };
            let whose = if matches!(step.what, What::Donate { .. }) { 0 } else { step.who % self.of };
            if whose == self.index {
                self.note_lateness(&step);
                self.perform(&step);
            }
        }
    }

    /// How much later a step is done than it was due.
    fn note_lateness(&mut self, step: &Step) {
        let times = match step.what {
            What::Join { .. } => &mut self.part.late_joins,
            What::Say { .. } | What::Act(_) if self.shared.setting.scenario.measures(step.at) => {
                &mut self.part.measured.late
            }
            _ => return,
        };
        times.record(self.shared.now().saturating_sub(step.at));
    }

    fn wait(&mut self, events: &mut Events) -> std::io::Result<()> {
        let now = self.shared.now();
        let mut until = self.second + 1_000_000;
        if !self.slow.is_empty() || self.shared.phase() != Phase::Play {
            until = until.min(now + TICK.as_micros() as u64);
        }
        if self.shared.phase() == Phase::Play {
            let due = self.steps.peek().map_or(u64::MAX, |step| step.at);
            until = until.min(due).min(now + TICK.as_micros() as u64);
        }
        let pause = Duration::from_micros(until.saturating_sub(now));
        match self.poll.poll(events, Some(pause)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.asleep += self.shared.now() - now;
        Ok(())
    }

    /// What is done by the clock.
    fn tick(&mut self, now: u64) {
        if now >= self.ticked + TICK.as_micros() as u64 {
            self.ticked = now;
            self.read_slowly();
        }
        while now >= self.second + 1_000_000 {
            self.sweep((now / 1_000) as u32);
            self.close_second(1_000_000);
            self.second += 1_000_000;
        }
    }

    /// A second is over, or a part of one at the end.
    fn close_second(&mut self, micros: u64) {
        let mut part = std::mem::take(&mut self.part);
        part.second = (self.second / 1_000_000) as u32;
        part.busy = (1.0 - self.asleep as f64 / micros.max(1) as f64).clamp(0.0, 1.0);
        (part.joined, part.joining) = (self.joined, self.joining);
        self.asleep = 0;
        self.shared.parts.lock().push(part);
        for (law, looked) in Law::ALL.into_iter().zip(std::mem::take(&mut self.looked)) {
            self.shared.findings.looked(law, looked);
        }
    }

    fn read_slowly(&mut self) {
        for slot in self.slow.clone() {
            if let Pace::Slow(bytes) = self.viewers[slot].pace
                && self.viewers[slot].stand == Stand::Joined
            {
                let most = (bytes as usize / 10).clamp(1, READ);
                self.read(slot, most, false);
            }
        }
    }

    /// Who waits for too long, and who says nothing.
    fn sweep(&mut self, now: u32) {
        let patience = u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX);
        for slot in 0..self.viewers.len() {
            let viewer = &self.viewers[slot];
            match viewer.stand {
                Stand::Out => {}
                Stand::Joined if now.saturating_sub(viewer.heard) < SILENCE_MS || viewer.pace != Pace::Full => {}
                Stand::Joined => {
                    self.viewers[slot].heard = now;
                    self.say_alive(slot);
                }
                Stand::Leaving if now.saturating_sub(viewer.since) >= FAREWELL_MS => self.gone(slot),
                Stand::Leaving => {}
                // From when it was begun: what the generator was late is not the server's.
                _ if now.saturating_sub(viewer.begun) >= patience => {
                    let what = match viewer.stand {
                        Stand::Connecting => "TCP connects",
                        Stand::Upgrading => "the upgrade is answered",
                        _ => "CONNECT is answered",
                    };
                    self.not_joined(slot, &format!("{} s went by until {what}", PATIENCE.as_secs()));
                }
                _ => {}
            }
        }
    }

    /// Something happened on a connection.
    fn on(&mut self, slot: usize, writable: bool, readable: bool, ends: bool) {
        if writable && self.viewers[slot].stand == Stand::Connecting {
            match self.viewers[slot].connected() {
                Ok(true) => self.upgrade(slot),
                Ok(false) => {}
                Err(error) => self.not_joined(slot, &error.to_string()),
            }
        }
        if writable && let Err(error) = self.viewers[slot].flush() {
            self.lost(slot, 1006, &error.to_string());
        }
        // Whoever isn't in yet comes in as fast as others.
        if readable && (self.viewers[slot].pace == Pace::Full || self.viewers[slot].stand != Stand::Joined) {
            self.read(slot, usize::MAX, ends);
        }
    }

    /// Reads what is there, up to so many bytes; to the end, if it may be there already and nothing will tell of it again.
    pub(super) fn read(&mut self, slot: usize, most: usize, to_the_end: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut left = most;
        while left > 0 && !matches!(self.viewers[slot].stand, Stand::Out | Stand::Connecting) {
            let room = left.min(buffer.len());
            match self.viewers[slot].read(&mut buffer[..room]) {
                Ok(0) => {
                    self.ended(slot);
                    break;
                }
                Ok(read) => {
                    left -= read;
                    self.part.counts.bytes += read as u64;
                    self.take_in(slot, &buffer[..read]);
                    // Less than there was room for: nothing more is there now.
                    if read < room && !to_the_end {
                        break;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.lost(slot, 1006, &error.to_string());
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    /// What was due and is not done when the script is over is told, not forgotten.
    fn count_undone(&mut self) {
        let now = self.shared.now();
        let mut undone = 0;
        while let Some(step) = self.steps.next_if(|step| step.at <= now) {
            undone += u64::from(step.who % self.of == self.index);
        }
        // A wink before the end is no delay.
        if undone > UNDONE {
            self.shared.trouble(&format!("{undone} steps were due and had not been done when the script ended"));
        }
    }

    /// Whoever read slowly reads what waits: the end of its connection may be among it.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        self.count_undone();
        for slot in 0..self.viewers.len() {
            if self.viewers[slot].pace != Pace::Full {
                self.read_at(slot, Pace::Full);
            }
        }
    }

    /// Says the last word in channels whose speaker is here.
    fn rest(&mut self) {
        if std::mem::replace(&mut self.rested, true) {
            return;
        }
        let words = self.shared.last_words.lock().clone();
        for (channel, (who, number)) in (0..).zip(words) {
            let Some(who) = who.filter(|who| who % self.of == self.index) else { continue };
            let slot = (who / self.of) as usize;
            if self.viewers[slot].channel == channel {
                self.say(slot, number, self.shared.now(), u64::from(channel), false);
            }
        }
    }

    /// Looks at what everybody has at the end. Nobody leaves before all threads have looked: others would hear of it.
    fn judge(&mut self) {
        if std::mem::replace(&mut self.judged, true) {
            return;
        }
        for slot in 0..self.viewers.len() {
            if self.viewers[slot].stand == Stand::Joined {
                self.judge_end(slot);
            }
        }
        self.shared.judged.fetch_add(1, Ordering::AcqRel);
    }

    fn leave_all(&mut self) {
        let now = self.shared.now();
        let mut out = Vec::new();
        raw::close(1000, &mut out);
        for slot in 0..self.viewers.len() {
            if self.viewers[slot].stand == Stand::Joined {
                // It may be gone this very moment, which is as good.
                let _ = self.viewers[slot].write(&out);
            }
            self.viewers[slot].drop_connection(false);
        }
        self.close_second(now.saturating_sub(self.second));
    }

    fn judge_end(&mut self, slot: usize) {
        let viewer = &self.viewers[slot];
        let verified = self.shared.setting.crowd.person(self.number(slot)).verified;
        let Some(memory) = viewer.memory.as_ref().filter(|_| verified) else { return };
        let ledger = &self.shared.ledgers[viewer.channel as usize];
        // Whoever is stopped hears less than whoever is not.
        let missing = if self.rested { ledger.missing(&memory.cursor) } else { 0 };
        let (dawdled, at_rest) = (viewer.dawdled, self.shared.at_rest.load(Ordering::Acquire));
        let joined = |of: &[AtomicU32]| u64::from(of[viewer.channel as usize].load(Ordering::Relaxed));
        let members = joined(&self.shared.joined) + joined(&self.shared.others);
        // Without the last word the last line may be older than the last coming or going.
        let (_, last_word) = self.shared.last_words.lock()[viewer.channel as usize];
        let last = memory.members.filter(|_| ledger.told(last_word));
        let told = [("the count in the last line", last), ("the count besides", memory.counted)];
        let has_lines = ledger.end() > 0;
        // Whoever is stopped doesn't wait for answers, and has no rest.
        let unanswered = self.rested && (memory.asked.is_some() || !memory.acting.is_empty());
        let name = self.name(slot);
        // Where nothing was told nothing can be missing.
        self.look(Law::Gaps, u64::from(has_lines));
        let findings = &self.shared.findings;
        if missing > 0 && !dawdled {
            findings.broken(Law::Gaps, missing, || format!("{name}: the last {missing} lines are missing"));
        }
        if unanswered {
            findings.broken(Law::Answers, 1, || format!("{name}: no answer to an act or RECENT_CHAT"));
        }
        for (what, told) in told.into_iter().filter_map(|(what, told)| Some((what, told?))).filter(|_| at_rest) {
            findings.looked(Law::Count, 1);
            if told != members && !dawdled {
                findings.broken(Law::Count, 1, || format!("{name}: {what} is {told}, {members} are in"));
            }
        }
    }

    /// Something is wrong with what a viewer heard.
    pub(super) fn fault(&self, slot: usize, fault: &Fault) {
        let name = self.name(slot);
        let findings = &self.shared.findings;
        let line = |line: &crate::drive::check::ledger::Heard| match line.mark {
            Some(mark) => format!("line {} (uid {}, msgTime {})", mark.number, line.uid, line.time),
            None => format!("the line of uid {}, msgTime {}", line.uid, line.time),
        };
        match fault {
            Fault::Gap(many, before) => {
                findings.broken(Law::Gaps, *many, || format!("{name}: {many} missing before {}", line(before)));
            }
            Fault::Repeat(again) => {
                findings.broken(Law::Duplicates, 1, || format!("{name}: {} came twice", line(again)));
            }
            Fault::Order(late) => {
                findings.broken(Law::Order, 1, || format!("{name}: {} came behind later ones", line(late)));
            }
            Fault::Hidden(open) => {
                let words = format!("{name}: {} came with its text after the act that hid it", line(open));
                let (channel, heard) = (self.viewers[slot].channel, self.shared.now());
                self.shared.suspect(Suspect { channel, key: open.key, heard, words });
            }
            Fault::Time(told) => {
                let words = || format!("{name}: {} was acknowledged with another msgTime", line(told));
                findings.broken(Law::Answers, 1, words);
            }
            Fault::Twice(again) => {
                findings.broken(Law::Duplicates, 1, || format!("{name}: one send became two lines: {}", line(again)));
            }
        }
    }

    /// The poll's name for a place.
    pub(super) fn token(slot: usize) -> Token {
        Token(slot)
    }
}
