//! What a viewer does: comes, says, acts, leaves.

use std::sync::atomic::Ordering;

use mio::Interest;

use crate::clock::{Clock, System};
use crate::drive::check::Law;
use crate::drive::check::ledger::key;
use crate::drive::crowd::Role;
use crate::drive::script::{Act, Pace, Step, What};
use crate::drive::words::{self, Mark};
use crate::proto::cmd::Cmd;
use crate::proto::heard::{self, Joining, Resume, Said};
use crate::ws::raw;

use super::Donation;
use super::link::{Memory, Stand, connect};
use super::worker::Worker;

/// Request numbers of lines begin here; those below are of requests that are none.
pub(super) const FIRST_LINE: u64 = 1_000_000;

/// Bytes that the kernel takes for a slow reader, and for one that reads again.
const DAWDLING: usize = 4 * 1024;
const READING: usize = 128 * 1024;

impl Worker {
    pub(super) fn perform(&mut self, step: &Step) {
        let slot = (step.who / self.of) as usize;
        match step.what {
            What::Join { channel } => self.join(slot, channel, step.at),
            What::Leave => self.leave(slot),
            What::Cut => self.cut(slot),
            What::Say { number, seed, question } => {
                self.say(slot, number, step.at, seed, question);
            }
            What::Donate { channel, amount, anonymous } => {
                let donation = Donation { channel, amount, anonymous };
                // More than wait are not told.
                if self.shared.setting.donations.try_send(donation).is_err() {
                    self.shared.untold.fetch_add(1, Ordering::Relaxed);
                }
            }
            What::Act(act) => self.act(slot, act, step.at),
            What::Read(pace) => self.read_at(slot, pace),
        }
    }

    fn join(&mut self, slot: usize, channel: u32, at: u64) {
        if self.viewers[slot].stand == Stand::Leaving {
            self.gone(slot);
        }
        if self.viewers[slot].stand != Stand::Out {
            return;
        }
        let who = self.number(slot);
        let sources = &self.shared.setting.sources;
        // By turns in each thread, whichever numbers its viewers have.
        let source = sources.get((slot + self.index as usize) % sources.len().max(1)).copied();
        match connect(self.shared.setting.address, source) {
            Ok(stream) => {
                let since = u32::try_from(at / 1_000).unwrap_or(u32::MAX);
                let now = (self.shared.now() / 1_000) as u32;
                self.viewers[slot].begin(stream, channel, since, now);
                self.joins_under_way(1);
                let interest = Interest::READABLE | Interest::WRITABLE;
                let registered = self.viewers[slot]
                    .stream()
                    .map_or(Ok(()), |stream| self.poll.registry().register(stream, Self::token(slot), interest));
                if let Err(error) = registered {
                    self.not_joined(slot, &error.to_string());
                }
            }
            Err(error) => {
                self.part.counts.join_failures += 1;
                // ENFILE, EMFILE, EADDRINUSE, EADDRNOTAVAIL: nothing that a server can do anything about.
                if matches!(error.raw_os_error(), Some(23 | 24 | 98 | 99)) {
                    let how =
                        "more local addresses (--source), more files (ulimit -n) or more processes (--peers) help";
                    self.shared.trouble(&format!("connections could not be opened: {error}; {how}"));
                    return;
                }
                self.look(Law::Joins, 1);
                self.shared.findings.broken(Law::Joins, 1, || format!("viewer {who}: {error}"));
            }
        }
    }

    /// TCP's handshake is done.
    pub(super) fn upgrade(&mut self, slot: usize) {
        self.viewers[slot].stand = Stand::Upgrading;
        let shared = self.shared.clone();
        self.put(slot, shared.setting.handshake.request());
    }

    /// HTTP's upgrade is done.
    pub(super) fn say_hello(&mut self, slot: usize) {
        let shared = self.shared.clone();
        let person = shared.setting.crowd.person(self.number(slot));
        let viewer = &mut self.viewers[slot];
        viewer.stand = Stand::Joining;
        let ledger = &shared.ledgers[viewer.channel as usize];
        if person.verified {
            viewer.memory.get_or_insert_default().acts = ledger.acts();
        }
        let epoch = ledger.epoch();
        // Whoever was on the extended layer before comes back to where it was.
        let upto = viewer.memory.as_ref().and_then(|memory| memory.upto).filter(|_| person.ext);
        let resume = epoch.as_deref().zip(upto).map(|(epoch, seq)| Resume { epoch, seq });
        let token = shared.setting.tokens.get(&self.number(slot)).map(AsRef::as_ref);
        let hello = heard::connect_as(
            shared.setting.crowd.cid(self.viewers[slot].channel),
            1,
            Joining { token, ext: person.ext, resume },
        );
        self.write(slot, &hello);
    }

    /// Says a line, if its sender is in.
    pub(super) fn say(&mut self, slot: usize, number: u32, due: u64, seed: u64, question: bool) {
        let shared = self.shared.clone();
        self.part.counts.offered += 1;
        let viewer = &self.viewers[slot];
        if viewer.stand != Stand::Joined || !viewer.writes {
            self.part.counts.unsent += 1;
            return;
        }
        let channel = viewer.channel;
        let person = shared.setting.crowd.person(self.number(slot));
        let words =
            words::write(seed, shared.setting.scenario.lines.text_bytes, &shared.setting.run, Mark { number, due });
        let emojis = words.emoji.as_ref().map(|(name, picture)| (*name, picture.as_str()));
        let said = Said { text: &words.text, kind: if question { 40 } else { 1 }, os: person.os, emojis };
        let message =
            heard::say(shared.setting.crowd.cid(channel), FIRST_LINE + u64::from(number), said, System.now().0);
        // Before it is written: the server may be faster than the next line of this.
        shared.ledgers[channel as usize].sent(number);
        if let Some(memory) = &mut self.viewers[slot].memory {
            memory.waiting.push((number, due));
        }
        if self.write(slot, &message) {
            self.part.counts.sent += 1;
        } else {
            self.part.counts.unsent += 1;
            shared.ledgers[channel as usize].unknown(number);
            if let Some(memory) = &mut self.viewers[slot].memory {
                memory.waiting.retain(|(waiting, _)| *waiting != number);
            }
        }
    }

    fn act(&mut self, slot: usize, act: Act, due: u64) {
        let viewer = &self.viewers[slot];
        if viewer.stand != Stand::Joined || !viewer.writes {
            return;
        }
        let shared = self.shared.clone();
        let (ledger, cid) = (&shared.ledgers[viewer.channel as usize], shared.setting.crowd.cid(viewer.channel));
        let tid = self.next_request(slot);
        let chosen = |line: Option<(String, i64)>, shown| {
            line.map(|(uid, time)| (heard::hide(cid, tid, (&uid, time), shown), Some((key(&uid, time), shown))))
        };
        let act = match act {
            Act::Hide(back) => chosen(ledger.choose(back, due), false),
            Act::Show => chosen(ledger.choose_hidden(due), true),
            Act::Pin => Some((heard::pin(cid, tid, Some("be kind to each other")), None)),
            Act::Unpin => Some((heard::pin(cid, tid, None), None)),
        };
        let Some((message, on)) = act else { return };
        if self.write(slot, &message) {
            self.part.counts.acts += 1;
            self.look(Law::Answers, 1);
            if let Some(memory) = &mut self.viewers[slot].memory {
                memory.acting.push((tid, on));
            }
        }
    }

    /// Asks for the last lines, as a client does that has just joined.
    pub(super) fn ask_recent(&mut self, slot: usize) {
        let many = self.shared.setting.scenario.viewers.recent;
        if many == 0 {
            return;
        }
        let shared = self.shared.clone();
        let channel = self.viewers[slot].channel;
        let tid = self.next_request(slot);
        // Whoever doesn't verify asks, too: what the server has to do doesn't hang on who looks.
        if let Some(memory) = &mut self.viewers[slot].memory {
            memory.asked = Some(shared.ledgers[channel as usize].acts());
            shared.under_way.fetch_add(1, Ordering::Relaxed);
            self.look(Law::Answers, 1);
        } else {
            self.viewers[slot].waits = true;
        }
        self.write(slot, &heard::recent_chat(shared.setting.crowd.cid(channel), tid, many as usize));
    }

    /// Says that it is there, to a server from which nothing is heard.
    pub(super) fn say_alive(&mut self, slot: usize) {
        self.write(slot, &heard::alive(false));
    }

    fn next_request(&mut self, slot: usize) -> u64 {
        let Some(memory) = &mut self.viewers[slot].memory else { return 2 };
        memory.requests += 1;
        1 + memory.requests
    }

    fn leave(&mut self, slot: usize) {
        match self.viewers[slot].stand {
            Stand::Joined => {
                self.forget_joined(slot);
                let mut out = Vec::new();
                raw::close(1000, &mut out);
                self.viewers[slot].stand = Stand::Leaving;
                self.viewers[slot].since = (self.shared.now() / 1_000) as u32;
                self.put(slot, &out);
            }
            Stand::Out | Stand::Leaving => {}
            _ => {
                self.joins_under_way(-1);
                self.gone(slot);
            }
        }
    }

    fn cut(&mut self, slot: usize) {
        match self.viewers[slot].stand {
            Stand::Joined => self.forget_joined(slot),
            Stand::Connecting | Stand::Upgrading | Stand::Joining => self.joins_under_way(-1),
            Stand::Out | Stand::Leaving => {}
        }
        self.viewers[slot].drop_connection(true);
    }

    pub(super) fn read_at(&mut self, slot: usize, pace: Pace) {
        self.viewers[slot].pace = pace;
        self.slow.retain(|slow| *slow != slot);
        match pace {
            Pace::Full => {
                self.viewers[slot].take_at_most(READING);
                // Whatever has waited meanwhile woke nobody.
                self.read(slot, usize::MAX, true);
                // A server that has given it up long ago says so at once when it is spoken to.
                if self.viewers[slot].stand == Stand::Joined {
                    self.say_alive(slot);
                }
            }
            Pace::Slow(_) | Pace::Stuck => {
                if pace != Pace::Stuck {
                    self.slow.push(slot);
                }
                self.dawdle(slot);
            }
        }
    }

    /// Whoever reads slowly does so as soon as it is in.
    fn dawdle(&mut self, slot: usize) {
        let viewer = &mut self.viewers[slot];
        if viewer.stand == Stand::Joined && viewer.pace != Pace::Full {
            viewer.dawdled = true;
            viewer.take_at_most(DAWDLING);
        }
    }

    /// Writes a message; whether there was room for it.
    pub(super) fn write(&mut self, slot: usize, message: &str) -> bool {
        let mut out = Vec::with_capacity(message.len() + 14);
        raw::text(message, &mut out);
        self.put(slot, &out)
    }

    pub(super) fn put(&mut self, slot: usize, bytes: &[u8]) -> bool {
        match self.viewers[slot].write(bytes) {
            Ok(fits) => fits,
            Err(error) => {
                self.lost(slot, 1006, &error.to_string());
                false
            }
        }
    }

    /// The server has taken a viewer in.
    pub(super) fn is_joined(&mut self, slot: usize, writes: bool) {
        let shared = self.shared.clone();
        let viewer = &mut self.viewers[slot];
        let now = shared.now();
        viewer.stand = Stand::Joined;
        viewer.writes = writes;
        let took = now.saturating_sub(u64::from(viewer.since) * 1_000);
        shared.joined[viewer.channel as usize].fetch_add(1, Ordering::Relaxed);
        self.joins_under_way(-1);
        self.joined += 1;
        self.part.join.record(took);
        self.part.counts.joined += 1;
        self.look(Law::Joins, 1);
        self.dawdle(slot);
        let person = shared.setting.crowd.person(self.number(slot));
        let viewer = &mut self.viewers[slot];
        if !person.verified {
            viewer.memory = None;
        } else if let Some(memory) = &mut viewer.memory {
            memory.since = now;
            shared.ledgers[viewer.channel as usize].come(now);
        }
        if !writes && person.role != Role::Reader && shared.setting.tokens.contains_key(&self.number(slot)) {
            let words = format!("a token that only reads: see {} in the answer", Cmd::CONNECT.reply().0);
            shared.refused("join", 0, &words);
            let name = self.name(slot);
            shared.findings.broken(Law::Joins, 1, || format!("{name}: its token only reads"));
        }
    }

    /// It is in no more: what it asked and isn't answered yet may or may not have come to pass.
    pub(super) fn forget_joined(&mut self, slot: usize) {
        let viewer = &mut self.viewers[slot];
        self.shared.joined[viewer.channel as usize].fetch_sub(1, Ordering::Relaxed);
        self.joined -= 1;
        if let Some(memory) = &mut viewer.memory {
            for (number, _) in memory.waiting.drain(..) {
                self.shared.ledgers[viewer.channel as usize].unknown(number);
            }
            self.shared.ledgers[viewer.channel as usize].go(memory.since, self.shared.now());
            memory.acting.clear();
            let Memory { asked, pieces, .. } = &mut **memory;
            if asked.take().is_some() {
                self.shared.under_way.fetch_sub(1, Ordering::Relaxed);
            }
            *pieces = Vec::new();
        }
    }

    /// So many more joins wait for their end.
    fn joins_under_way(&mut self, more: i64) {
        self.joining = self.joining.saturating_add_signed(more);
        self.shared.under_way.fetch_add(more, Ordering::Relaxed);
    }

    /// A connection that came to nothing.
    pub(super) fn not_joined(&mut self, slot: usize, why: &str) {
        self.joins_under_way(-1);
        self.part.counts.join_failures += 1;
        self.look(Law::Joins, 1);
        let name = self.name(slot);
        self.shared.findings.broken(Law::Joins, 1, || format!("{name}: {why}"));
        self.gone(slot);
    }

    /// A connection is over.
    pub(super) fn gone(&mut self, slot: usize) {
        self.viewers[slot].drop_connection(false);
    }

    /// A connection ended that was not asked to, unless its viewer was leaving or read too slowly.
    pub(super) fn lost(&mut self, slot: usize, code: u16, reason: &str) {
        let viewer = &self.viewers[slot];
        match viewer.stand {
            Stand::Out => {}
            Stand::Leaving => {
                self.shared.closed(code, reason, true);
                self.gone(slot);
            }
            Stand::Joined => {
                let expected = viewer.dawdled;
                self.shared.closed(code, reason, expected);
                if !expected {
                    self.part.counts.lost += 1;
                    let name = self.name(slot);
                    self.shared.findings.broken(Law::Closes, 1, || format!("{name}: {code} {reason}"));
                }
                self.forget_joined(slot);
                self.gone(slot);
            }
            Stand::Connecting | Stand::Upgrading | Stand::Joining => {
                self.not_joined(slot, &format!("closed before it was joined: {code} {reason}"));
            }
        }
    }
}
