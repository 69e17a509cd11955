//! What a viewer hears, and what is made of it.

use std::sync::atomic::Ordering;

use crate::drive::check::Law;
use crate::drive::check::ledger::{Cursor, Fault, Heard, key};
use crate::proto::cmd::Cmd;
use crate::proto::heard;
use crate::proto::witness::{self, Blinded, Body, Connected, Covers, Message};
use crate::ws::raw::{self, Answer, Head, Kind};

use super::known::Read;
use super::link::{Memory, Stand};
use super::steps::FIRST_LINE;
use super::worker::Worker;

/// Largest message that is read at all, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Largest push on the plain wire, in bytes: one published client closes on more.
const PLAIN_PUSH: usize = 32_768;

/// Largest list of recent lines on the plain wire, in bytes.
const PLAIN_RECENT: usize = 61_440;

/// Largest message on the extended layer, in bytes.
const EXT: usize = 98_304;

/// Longest payload that may be the server's own PING; that of whoever doesn't look into messages is looked at up to here.
const PING_BYTES: usize = 64;

impl Worker {
    /// Bytes have come.
    pub(super) fn take_in(&mut self, slot: usize, bytes: &[u8]) {
        let viewer = &mut self.viewers[slot];
        viewer.heard = (self.shared.now() / 1_000) as u32;
        if viewer.tail.is_empty() {
            self.take_apart(slot, bytes);
        } else {
            let mut whole = std::mem::take(&mut viewer.tail);
            whole.extend_from_slice(bytes);
            self.take_apart(slot, &whole);
        }
    }

    /// Takes whole messages out of what has come, and keeps the rest.
    fn take_apart(&mut self, slot: usize, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let viewer = &mut self.viewers[slot];
            if viewer.skip > 0 {
                let passed = viewer.skip.min(rest.len() as u64);
                viewer.skip -= passed;
                at += passed as usize;
                continue;
            }
            let used = match viewer.stand {
                Stand::Out | Stand::Connecting => return,
                Stand::Upgrading => self.upgraded(slot, rest),
                _ => self.frame(slot, rest),
            };
            match used {
                Some(used) => at += used,
                None => break,
            }
        }
        if at < bytes.len() && self.viewers[slot].stand != Stand::Out {
            self.viewers[slot].tail = bytes[at..].to_vec();
        }
    }

    fn upgraded(&mut self, slot: usize, bytes: &[u8]) -> Option<usize> {
        match self.shared.setting.handshake.read(bytes) {
            Answer::Partial => None,
            Answer::Upgraded(used) => {
                self.say_hello(slot);
                Some(used)
            }
            Answer::Refused(why) => {
                self.not_joined(slot, &why);
                None
            }
        }
    }

    /// Takes one frame; gives the bytes it had, `None` when not all of it is there.
    fn frame(&mut self, slot: usize, bytes: &[u8]) -> Option<usize> {
        let head = match raw::head(bytes) {
            Ok(head) => head?,
            Err(error) => {
                self.unreadable(slot, 1002, &error);
                return None;
            }
        };
        if head.payload > LARGEST {
            let many = head.payload;
            self.unreadable(
                slot,
                1009,
                &format!("a frame of {many} bytes: no message of this wire has more than {EXT}"),
            );
            return None;
        }
        let viewer = &self.viewers[slot];
        let is_data = matches!(head.kind, Kind::Data | Kind::More);
        let looks = viewer.memory.is_some() || viewer.waits || viewer.stand == Stand::Joining;
        if is_data && !looks {
            return Some(self.pass(slot, head, bytes));
        }
        let end = head.bytes + head.payload as usize;
        let payload = bytes.get(head.bytes..end)?;
        match head.kind {
            Kind::Data if head.last => self.message(slot, payload),
            Kind::Data | Kind::More => self.piece(slot, payload, head.last),
            Kind::Ping => {
                let mut out = Vec::new();
                raw::pong(payload, &mut out);
                self.put(slot, &out);
            }
            Kind::Pong => {}
            Kind::Close => {
                let (code, reason) = raw::closing(payload);
                self.told_to_go(slot, code, &reason);
            }
        }
        Some(end)
    }

    /// Counts a message without looking into it.
    fn pass(&mut self, slot: usize, head: Head, bytes: &[u8]) -> usize {
        self.part.counts.frames += u64::from(head.last);
        self.part.counts.passed += u64::from(head.last);
        self.judge_size(slot, usize::try_from(head.payload).unwrap_or(usize::MAX), false);
        let there = bytes.len() - head.bytes;
        let payload = usize::try_from(head.payload).unwrap_or(usize::MAX);
        if payload <= PING_BYTES && there >= payload {
            let message = &bytes[head.bytes..head.bytes + payload];
            if witness::read(message).is_ok_and(|message| message.cmd == Some(Cmd::PING)) {
                self.write(slot, &heard::alive(true));
            }
        }
        let taken = payload.min(there);
        self.viewers[slot].skip = (payload - taken) as u64;
        head.bytes + taken
    }

    fn piece(&mut self, slot: usize, payload: &[u8], last: bool) {
        // CONNECTED and the last lines may come in pieces, too, to who doesn't verify.
        let memory = self.viewers[slot].memory.get_or_insert_default();
        memory.pieces.extend_from_slice(payload);
        if memory.pieces.len() as u64 > LARGEST {
            self.unreadable(slot, 1009, "a message in pieces without end");
        } else if last {
            let whole = std::mem::take(&mut memory.pieces);
            self.message(slot, &whole);
            if !self.shared.setting.crowd.person(self.number(slot)).verified {
                self.viewers[slot].memory = None;
            }
        }
    }

    fn message(&mut self, slot: usize, payload: &[u8]) {
        let verified = self.shared.setting.crowd.person(self.number(slot)).verified;
        self.part.counts.frames += 1;
        let read = match self.known.read(payload, &self.shared.setting) {
            Ok(read) => read,
            Err(error) => {
                self.look(Law::Wire, 1);
                let name = self.name(slot);
                let shown = String::from_utf8_lossy(&payload[..payload.len().min(120)]).into_owned();
                self.shared.findings.broken(Law::Wire, 1, || format!("{name}: {error}: {shown}"));
                return;
            }
        };
        self.look(Law::Wire, 1);
        let for_all = !matches!(read.message.body, Body::Connected(_) | Body::Recent(_) | Body::Taken { .. });
        let count = if verified { &mut self.part.counts.pushes } else { &mut self.part.counts.passed };
        *count += u64::from(for_all);
        self.judge_size(slot, payload.len(), read.message.cmd == Some(Cmd::RECENT_CHAT.reply()));
        if !verified && for_all && read.message.cmd != Some(Cmd::PING) {
            return;
        }
        if let Some(covers) = &read.message.covers {
            self.judge_cover(slot, covers, &read);
        }
        match &read.message.body {
            Body::Connected(connected) => self.connected(slot, connected, &read.message),
            Body::Lines(_) => self.lines(slot, &read),
            Body::Blinded(blinded) => self.blinded(slot, blinded),
            Body::Count(members) => {
                if let Some(memory) = &mut self.viewers[slot].memory {
                    memory.counted = Some(*members);
                }
            }
            Body::Recent(_) => self.recent(slot, &read),
            Body::Taken { time } => self.answered(slot, &read.message, *time),
            Body::Other if read.message.cmd == Some(Cmd::PING) => {
                self.write(slot, &heard::alive(true));
            }
            Body::Other => {}
        }
    }

    fn connected(&mut self, slot: usize, connected: &Connected, message: &Message) {
        if self.viewers[slot].stand != Stand::Joining {
            return;
        }
        if message.code != 0 {
            self.shared.refused("join", message.code, &message.words);
            self.not_joined(slot, &format!("refused ({}): {}", message.code, message.words));
            return;
        }
        self.is_joined(slot, connected.writes);
        let shared = self.shared.clone();
        let now = shared.now();
        let viewer = &mut self.viewers[slot];
        viewer.ext = connected.after.is_some();
        let ledger = &shared.ledgers[viewer.channel as usize];
        if let Some(memory) = &mut viewer.memory {
            if let Some(recovered) = connected.recovered {
                self.looked[Law::Resume as usize] += 1;
                if !recovered {
                    shared.refused("resume", 0, &connected.reason);
                    let who = slot as u32 * self.of + self.index;
                    let why = &connected.reason;
                    shared.findings.broken(Law::Resume, 1, || format!("viewer {who}: not told what it missed: {why}"));
                }
            }
            // Whoever has all that it missed goes on where it was; anybody else begins anew.
            if connected.recovered != Some(true) || memory.upto.is_none() {
                let Memory { since, acts, requests, .. } = **memory;
                **memory = Memory { since, acts, requests, upto: connected.after, ..Memory::default() };
                memory.cursor.since = now;
                memory.cursor.history = connected.recovered == Some(false) || !shared.setting.crowd.is_alone();
            } else if memory.deaf != ledger.deaf() {
                // While nobody listened things were said that nobody can place.
                memory.cursor = Cursor::anew(now, memory.cursor.acts);
            }
            memory.deaf = ledger.deaf();
            memory.cursor.acts = memory.cursor.acts.max(memory.acts);
        }
        if let Some(epoch) = &connected.epoch {
            ledger.set_epoch(epoch);
        }
        self.ask_recent(slot);
    }

    fn lines(&mut self, slot: usize, read: &Read) {
        let shared = self.shared.clone();
        let now = shared.now();
        shared.heard_last.fetch_max(now, Ordering::Relaxed);
        let counts = &mut self.part.counts;
        counts.line_frames += 1;
        counts.line_bytes += read.bytes as u64;
        counts.lines += read.lines.len() as u64;
        let viewer = &mut self.viewers[slot];
        let Some(memory) = &mut viewer.memory else { return };
        // Whoever reads slowly waits for itself, and whoever comes back hears what is old.
        if !viewer.dawdled {
            for (due, measured) in read.dues.iter().filter(|(due, _)| *due >= memory.since) {
                let took = now.saturating_sub(*due);
                self.part.delivery.record(took);
                if *measured {
                    self.part.measured.delivery.record(took);
                }
            }
        }
        if let Some(line) = read.lines.last() {
            memory.members = Some(line.members);
        }
        let many = read.lines.len() as u64;
        for law in [Law::Order, Law::Gaps, Law::Duplicates] {
            self.look(law, many);
        }
        let viewer = &mut self.viewers[slot];
        let ledger = &shared.ledgers[viewer.channel as usize];
        let Some(memory) = &mut viewer.memory else { return };
        if let Some((from, to)) = read.stretch.get()
            && memory.cursor.next == Some(from)
            && !ledger.hides()
        {
            memory.cursor.next = Some(to);
            return;
        }
        if let Some(channel) = &read.channel {
            ledger.set_channel(channel);
        }
        let mut faults = Vec::new();
        let stretch = ledger.hear(&mut memory.cursor, &read.lines, &mut |fault| faults.push(fault));
        if stretch.is_some() {
            read.stretch.set(stretch);
        }
        if ledger.hides() {
            self.look(Law::Hidden, many);
        }
        for fault in faults {
            // A slow reader may be told less, but nothing else.
            if !(self.viewers[slot].dawdled && matches!(fault, Fault::Gap(..))) {
                self.fault(slot, &fault);
            }
        }
    }

    fn blinded(&mut self, slot: usize, blinded: &Blinded) {
        let viewer = &mut self.viewers[slot];
        let Some(memory) = &mut viewer.memory else { return };
        let ledger = &self.shared.ledgers[viewer.channel as usize];
        let keys: Vec<u64> = blinded.line.iter().map(|(uid, time)| key(uid, *time)).collect();
        let now = self.shared.now();
        for due in ledger.blinded(&mut memory.cursor, &keys, &blinded.seqs, blinded.shown, now) {
            if due >= memory.since && !viewer.dawdled && self.shared.setting.scenario.measures(due) {
                self.part.measured.act.record(now.saturating_sub(due));
            }
        }
        self.look(Law::Hidden, 1);
    }

    fn recent(&mut self, slot: usize, read: &Read) {
        let viewer = &mut self.viewers[slot];
        viewer.waits = false;
        let Some(asked) = viewer.memory.as_mut().and_then(|memory| memory.asked.take()) else { return };
        self.shared.under_way.fetch_sub(1, Ordering::Relaxed);
        if read.message.code != 0 {
            self.shared.refused("recent", read.message.code, &read.message.words);
            return;
        }
        let mut faults = Vec::new();
        self.shared.ledgers[viewer.channel as usize].look_back(asked, &read.lines, &mut |fault| faults.push(fault));
        self.look(Law::Hidden, read.lines.len() as u64);
        faults.iter().for_each(|fault| self.fault(slot, fault));
    }

    fn answered(&mut self, slot: usize, message: &Message, time: Option<i64>) {
        let viewer = &mut self.viewers[slot];
        let Some(memory) = &mut viewer.memory else { return };
        let ledger = &self.shared.ledgers[viewer.channel as usize];
        if message.cmd != Some(Cmd::SEND_CHAT.reply()) {
            let asked = memory.acting.iter().position(|(tid, _)| Some(*tid) == message.tid);
            let on = asked.and_then(|index| memory.acting.swap_remove(index).1);
            match on {
                _ if message.code != 0 => self.shared.refused("act", message.code, &message.words),
                Some((key, shown)) => ledger.act_acked(key, shown),
                None => {}
            }
            return;
        }
        let number =
            message.tid.and_then(|tid| tid.checked_sub(FIRST_LINE)).and_then(|number| u32::try_from(number).ok());
        if viewer.stand == Stand::Leaving {
            // Nobody waits for it any more.
            return;
        }
        let waiting = memory.waiting.iter().position(|(waiting, _)| Some(*waiting) == number);
        let Some((number, due)) = waiting.map(|index| memory.waiting.swap_remove(index)) else {
            let name = self.name(slot);
            let words = || format!("{name}: an answer to nothing that it said (tid {:?})", message.tid);
            self.shared.findings.broken(Law::Answers, 1, words);
            return;
        };
        if message.code == 0 {
            if !ledger.acked(number, time, due) {
                let name = self.name(slot);
                let words =
                    || format!("{name}: line {number} was acknowledged with another msgTime than it was told with");
                self.shared.findings.broken(Law::Answers, 1, words);
            }
            self.part.counts.acked += 1;
            if self.shared.setting.scenario.measures(due) {
                self.part.measured.ack.record(self.shared.now().saturating_sub(due));
            }
        } else {
            ledger.refused(number);
            self.part.counts.refused += 1;
            self.shared.refused("send", message.code, &message.words);
        }
    }

    /// What a push says it covers begins where the one before ended, and holds nothing from outside of it.
    fn judge_cover(&mut self, slot: usize, covers: &Covers, read: &Read) {
        let viewer = &mut self.viewers[slot];
        let dawdled = viewer.dawdled;
        let Some(memory) = &mut viewer.memory else { return };
        let Some(upto) = memory.upto else { return };
        memory.upto = Some(upto.max(covers.upto));
        let outside = |line: &Heard| line.seq.is_some_and(|seq| seq <= covers.after || seq > covers.upto);
        let falls = read.lines.windows(2).filter(|two| two[0].seq.is_some() && two[1].seq <= two[0].seq).count() as u64;
        let strays = read.lines.iter().filter(|line| outside(line)).count() as u64;
        self.look(Law::Gaps, 1);
        let Covers { after, upto: end, left, .. } = covers;
        if *after <= upto && (*left == 0 || dawdled) && falls == 0 && strays == 0 {
            return;
        }
        let name = self.name(slot);
        let findings = &self.shared.findings;
        if *after > upto {
            findings.broken(Law::Gaps, 1, || {
                format!("{name}: a push begins after {after}, the one before ended at {upto}")
            });
        }
        if *left > 0 && !dawdled {
            findings
                .broken(Law::Gaps, *left, || format!("{name}: {left} lines up to {end} are left out, though it reads"));
        }
        if falls > 0 {
            findings.broken(Law::Order, falls, || format!("{name}: places fall within ({after}, {end}]"));
        }
        if strays > 0 {
            findings.broken(Law::Order, strays, || format!("{name}: {strays} lines from outside of ({after}, {end}]"));
        }
    }

    fn judge_size(&mut self, slot: usize, bytes: usize, recent: bool) {
        let most = match (self.viewers[slot].ext, recent) {
            (true, _) => EXT,
            (false, true) => PLAIN_RECENT,
            (false, false) => PLAIN_PUSH,
        };
        self.look(Law::Frames, 1);
        if bytes > most {
            let name = self.name(slot);
            self.shared
                .findings
                .broken(Law::Frames, 1, || format!("{name}: a message of {bytes} bytes, {most} at most"));
        }
    }

    /// Nothing that comes on this connection can be understood any more.
    fn unreadable(&mut self, slot: usize, code: u16, why: &str) {
        let law = if code == 1009 { Law::Frames } else { Law::Wire };
        self.look(law, 1);
        let name = self.name(slot);
        self.shared.findings.broken(law, 1, || format!("{name}: {why}"));
        let mut out = Vec::new();
        raw::close(code, &mut out);
        self.put(slot, &out);
        self.lost(slot, code, &format!("given up: {why}"));
    }

    /// The server says goodbye.
    fn told_to_go(&mut self, slot: usize, code: u16, reason: &str) {
        if self.viewers[slot].stand != Stand::Leaving {
            let mut out = Vec::new();
            raw::close(1000, &mut out);
            self.put(slot, &out);
        }
        self.lost(slot, code, reason);
    }

    /// The other end is gone.
    pub(super) fn ended(&mut self, slot: usize) {
        self.lost(slot, 1006, "the connection ended without a farewell");
    }
}
