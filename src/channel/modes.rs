//! Who may send at all, what, and how often: judged for everybody but staff.

use std::collections::HashMap;

use crate::model::id::{Seq, UserId};
use crate::model::message::Line;
use crate::model::mode::{Group, Known, ModeChange, Modes};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::emoji;

use super::Channel;
use super::acts::Changed;

/// Viewers whose last line is remembered while slow mode is on, about 80 bytes each; one more, and all begin anew.
const MOST_SLOWED: usize = 50_000;

/// Longest time that slow mode asks for.
const LONGEST_SLOW_MS: i64 = 300_000;

const MINUTE_MS: i64 = 60_000;

/// How a chat is run, and what has come before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// As staff have set it.
    pub modes: Modes,
    /// What was before, and the act that changed it.
    pub before: Option<(Seq, Modes)>,
    /// What holds for a while instead.
    pub panic: Option<Panic>,
    /// When viewers sent their last line, while slow mode is on.
    pub slowed: HashMap<UserId, Millis>,
}

/// What holds for a while, whatever else is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panic {
    /// The place of the act.
    pub act: Seq,
    /// What holds.
    pub modes: Modes,
    /// Until when.
    pub until: Millis,
}

impl Running {
    /// What holds at this time.
    pub fn at(&self, at: Millis) -> Modes {
        self.panic.filter(|panic| at < panic.until).map_or(self.modes, |panic| panic.modes)
    }

    /// Forgets who sent when, unless slow mode is set.
    fn forget_slowed(&mut self) {
        if self.modes.slow_seconds == 0 {
            self.slowed.clear();
        }
    }

    /// Takes note of a line. What it changes is of its author alone, but at the limit: a machine that finds the line erased
    /// must not know anything else of others.
    pub(super) fn sent(&mut self, user: &UserId, at: Millis) {
        if self.at(at).slow_seconds == 0 {
            return;
        }
        if self.slowed.len() >= MOST_SLOWED {
            self.slowed.retain(|_, last| at < *last + LONGEST_SLOW_MS);
        }
        if self.slowed.len() >= MOST_SLOWED {
            self.slowed.clear();
        }
        self.slowed.insert(user.clone(), at);
    }
}

impl Channel {
    /// How the chat is run.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Whether a viewer may send this line now, as the chat is run: staff always may.
    pub(super) fn may_pass(&self, line: &Line, at: Millis) -> Result<(), Refusal> {
        let modes = self.running.at(at);
        if modes == Modes::default() {
            return Ok(());
        }
        may_take_part(&modes, line.author.profile.subscription.is_some(), &line.known, at)?;
        if modes.emoji_only && !emoji::is_all(&line.draft.text, &line.draft.extras) {
            return Err(Refusal::EmojiOnly);
        }
        let last = self.running.slowed.get(&line.author.uid);
        let wait = last.map_or(0, |last| last.0 + i64::from(modes.slow_seconds) * 1_000 - at.0);
        match u64::try_from(wait) {
            Ok(retry_after_ms) if retry_after_ms > 0 && modes.slow_seconds > 0 => {
                Err(Refusal::SlowMode { seconds: modes.slow_seconds, retry_after_ms })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn set_modes(&mut self, act: Seq, change: &ModeChange) -> Changed {
        let before = self.running.modes;
        self.running.modes = before.with(change);
        if self.running.modes == before {
            return Changed::default();
        }
        self.running.before = Some((act, before));
        self.running.forget_slowed();
        Changed { modes: true, something: true, ..Changed::default() }
    }

    pub(super) fn panic(&mut self, act: Seq, change: &ModeChange, until: Millis) -> Changed {
        let modes = Modes::panic().with(change);
        self.running.panic = Some(Panic { act, modes, until });
        Changed { modes: true, something: true, ..Changed::default() }
    }

    pub(super) fn calm(&mut self) -> bool {
        let panic = self.running.panic.take();
        self.running.forget_slowed();
        panic.is_some()
    }

    /// Whether how the chat is run is due to this act.
    pub(super) fn runs_by(&self, act: Seq) -> bool {
        let by_panic = self.running.panic.is_some_and(|panic| panic.act == act);
        by_panic || self.running.before.is_some_and(|(by, _)| by == act)
    }

    /// Takes back what an act has changed in how the chat is run. Whether it had.
    pub(super) fn run_as_before(&mut self, act: Seq) -> bool {
        let panic = self.running.panic.take_if(|panic| panic.act == act).is_some();
        let before = self.running.before.take_if(|(by, _)| *by == act);
        if let Some((_, modes)) = before {
            self.running.modes = modes;
        }
        let undone = panic || before.is_some();
        if undone {
            self.running.forget_slowed();
        }
        undone
    }
}

/// Whether viewers of whom this is known may take part at all.
pub(super) fn may_take_part(modes: &Modes, subscribed: bool, known: &Known, at: Millis) -> Result<(), Refusal> {
    let long_enough = |since: Millis| at.0 - since.0 >= i64::from(modes.follow_minutes) * MINUTE_MS;
    let may = match modes.group {
        Group::All => true,
        Group::Followers => known.followed.is_some_and(long_enough) || (subscribed && modes.subscribers_too),
        Group::Subscribers => subscribed,
        Group::Managers => false,
    };
    if !may {
        return Err(Refusal::NotInGroup { group: modes.group, minutes: modes.follow_minutes });
    }
    if modes.real_name && !known.real_name { Err(Refusal::RealNameOnly) } else { Ok(()) }
}
