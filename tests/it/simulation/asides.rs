//! What is told beside the log, and what is read back from it.

use serde_json::{Value, json};

use madang::node::HistoryQuery;

use crate::support::yard::Guest;

use super::planted::Planted;
use super::world::{Machine, World, Wrong};

/// Something that one viewer has whispered to another.
pub(super) struct Whispered {
    from: usize,
    to: usize,
    cid: String,
    /// What was answered.
    pub(super) code: Option<u64>,
    /// Viewers who have heard it, as often as they have.
    pub(super) heard: Vec<usize>,
}

impl World {
    /// A viewer whispers to another.
    pub(super) fn whisper(&mut self, from: usize, to: usize) {
        let (cid, uid) = (self.viewers[from].cid.clone(), self.viewers[to].uid.clone());
        let number = self.whispers.len();
        let Some((machine, guest)) = &mut self.viewers[from].here else { return };
        let body = json!({"userId": uid, "msg": format!("whisper {number}")});
        let message = json!({"cmd": 3301, "cid": cid, "tid": number, "bdy": body});
        self.whispers.push(Whispered { from, to, cid, code: None, heard: Vec::new() });
        let machine = *machine;
        self.machines[machine].runtime.block_on(guest.says(&message.to_string()));
        self.listen(from);
        self.listen(to);
        let takes = |(there, guest): &(usize, Guest)| *there == machine && guest.outbox.queued_bytes() == 0;
        let is_there = self.viewers[to].here.as_ref().is_some_and(takes);
        let Whispered { code, heard, .. } = &self.whispers[number];
        if *code == Some(0) && is_there && heard.is_empty() {
            self.wrong.push(format!("whisper {number} was queued for {uid}, who is there and hasn't heard it"));
        }
    }

    /// Somebody has heard a whisper.
    pub(super) fn whispered(&mut self, viewer: usize, message: &Value) {
        let viewer = if self.planted == Some(Planted::Gossips) { viewer + 1 } else { viewer };
        let said = message["bdy"]["msg"].as_str().unwrap_or_default().to_owned();
        let number = said.strip_prefix("whisper ").and_then(|number| number.parse::<usize>().ok());
        let from = message["bdy"]["userId"].as_str().unwrap_or_default();
        match number.and_then(|number| self.whispers.get_mut(number)) {
            Some(whisper) if self.viewers[whisper.from].uid == from => whisper.heard.push(viewer),
            _ => self.wrong.push(format!("nobody whispered this: {message}")),
        }
    }

    /// What was whispered was heard by the one who was meant and by nobody else, once at most, and not at all where it was
    /// refused at once.
    pub(super) fn judge_whispers(&self, wrong: &mut Vec<Wrong>) {
        for (number, whisper) in self.whispers.iter().enumerate() {
            let Whispered { to, code, heard, .. } = whisper;
            let refused = code.is_some_and(|code| code != 0 && code != 404);
            if heard.iter().any(|viewer| viewer != to) || heard.len() > 1 || refused && !heard.is_empty() {
                wrong.push(format!(
                    "whisper {number} in {} to {to}, answered {code:?}, was heard by {heard:?}",
                    whisper.cid
                ));
            }
        }
    }

    /// Every line that everybody may know of is read back, once, in order, as it may be seen now.
    pub(super) fn judge_history(&self, number: usize, wrong: &mut Vec<Wrong>) {
        let Machine { runtime, yard, .. } = &self.machines[number];
        for oldest_first in [false, true] {
            let mut query = HistoryQuery { oldest_first, ..HistoryQuery::default() };
            let (mut read, mut failed): (Vec<(u64, String)>, u32) = (Vec::new(), 0);
            loop {
                let page = runtime.block_on(yard.node.history(&self.channel, &query, 7, |lines, next| {
                    (lines.iter().map(|line| (line.seq().0, line.text().to_owned())).collect::<Vec<_>>(), next)
                }));
                let Ok((lines, next)) = page else {
                    // The log may fail, and not for ever.
                    failed += 1;
                    if failed < 100 {
                        continue;
                    }
                    wrong.push(format!("machine {number} has no history"));
                    return;
                };
                read.extend(lines);
                match next {
                    Some(place) if oldest_first => query.after = place,
                    Some(place) => query.before = Some(place),
                    None => break,
                }
            }
            if !oldest_first {
                read.reverse();
            }
            if self.planted == Some(Planted::Forgets) {
                read.pop();
            }
            let told = self.truth.history();
            if read != told {
                let more = |one: &[(u64, String)], other: &[(u64, String)]| {
                    one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>()
                };
                let (strange, missing) = (more(&read, &told), more(&told, &read));
                wrong.push(format!("history of machine {number} has {strange:?} and lacks {missing:?}"));
            }
            // A flood is long: one direction does.
            if told.len() > 1_000 {
                return;
            }
        }
    }
}
