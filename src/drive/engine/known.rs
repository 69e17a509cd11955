//! Messages that were read, by what they hold.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::rc::Rc;

use foldhash::quality::FixedState;

use crate::drive::check::ledger::{Heard, key};
use crate::drive::words;
use crate::proto::witness::{self, Body, Line, Message};

use super::Setting;

/// Messages whose meaning is remembered.
const KNOWN: usize = 512;

/// Messages that were read: members of a channel get the same bytes, so that one of them pays for all.
#[derive(Default)]
pub(super) struct Known {
    by_hash: HashMap<u64, Rc<Read>, FixedState>,
    order: VecDeque<u64>,
}

/// A message that was read.
pub(super) struct Read {
    pub(super) message: Message,
    pub(super) lines: Vec<Heard>,
    /// When those of this run were due, and whether that is measured.
    pub(super) dues: Vec<(u64, bool)>,
    /// Where these lines stand in their channel: whoever is at its beginning is then at its end.
    pub(super) stretch: Cell<Option<(u64, u64)>>,
    /// The channel's own identity, as the first of them says it.
    pub(super) channel: Option<String>,
    pub(super) bytes: usize,
}

impl Known {
    /// What a message says, from memory if anybody else has read it.
    pub(super) fn read(&mut self, payload: &[u8], setting: &Setting) -> Result<Rc<Read>, String> {
        let hash = FixedState::default().hash_one(payload);
        if let Some(read) = self.by_hash.get(&hash) {
            return Ok(read.clone());
        }
        let mut message = witness::read(payload)?;
        let channel = match &message.body {
            Body::Lines(lines) => lines.first().and_then(Line::channel),
            _ => None,
        };
        let lines: Vec<Heard> = match &mut message.body {
            Body::Lines(lines) | Body::Recent(lines) => {
                std::mem::take(lines).into_iter().filter(Line::is_said).map(|line| noted(line, &setting.run)).collect()
            }
            _ => Vec::new(),
        };
        let shared = matches!(message.body, Body::Lines(_) | Body::Blinded(_) | Body::Count(_));
        let marks = lines.iter().filter_map(|line| line.mark);
        let dues = marks.map(|mark| (mark.due, setting.scenario.measures(mark.due))).collect();
        let read = Rc::new(Read { message, dues, lines, stretch: Cell::new(None), channel, bytes: payload.len() });
        if shared {
            self.keep(hash, read.clone());
        }
        Ok(read)
    }

    fn keep(&mut self, hash: u64, read: Rc<Read>) {
        self.by_hash.insert(hash, read);
        self.order.push_back(hash);
        if self.order.len() > KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_hash.remove(&oldest);
        }
    }
}

fn noted(line: Line, run: &str) -> Heard {
    let Line { uid, time, text, cleaned, members, seq, .. } = line;
    let mark = words::read(&text, run);
    Heard { key: key(&uid, time), uid, time, seq, mark, open: !cleaned && !text.is_empty(), members }
}
