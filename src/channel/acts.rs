//! What staff do, judged in the order of the log.

use std::sync::Arc;

use crate::model::access::Credential;
use crate::model::act::{Act, Deed, Lines, Pin, PinContent};
use crate::model::event::Event;
use crate::model::id::{Cid, Seq, UserId};
use crate::model::message::Author;
use crate::model::principal::Role;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::rules;
use crate::policy::text::{self, Limits};

use super::notice::Notice;
use super::{By, Channel, Kept, KeptAct, Verdict};

/// What an act has changed.
#[derive(Default)]
pub(super) struct Changed {
    /// Lines that stand otherwise now.
    pub(super) lines: Vec<Seq>,
    /// Whether another notice is pinned, or none.
    pub(super) notice: bool,
    /// Whether the chat is run otherwise.
    pub(super) modes: bool,
    /// The question that stands otherwise.
    pub(super) question: Option<Seq>,
    /// Whether anything is otherwise than before, shown or not.
    pub(super) something: bool,
}

impl Channel {
    /// Looks at an act before it becomes an event.
    pub fn admit_act(&self, limits: &Limits, act: &Act, now: Millis) -> Result<(), Refusal> {
        if let Deed::Pin(pin) = &act.deed
            && let PinContent::Text(content, extras) = &pin.content
        {
            text::judge_text(limits, &act.by, content, extras)?;
        }
        self.may_act(&self.by_whom(act), act, now)
    }

    /// Refuses whoever isn't staff here: before anything is done for them that takes its time.
    pub fn is_staff_here(&self, by: &Author, credential: &Credential) -> Result<(), Refusal> {
        let role = self.role_of(&by.uid, by.role, credential);
        if role.is_staff() { Ok(()) } else { Err(Refusal::NotStaff) }
    }

    /// Who acts, with the role that they have here.
    fn by_whom(&self, act: &Act) -> Author {
        let role = self.role_of(&act.by.uid, act.by.role, &act.credential);
        Author { role, ..act.by.clone() }
    }

    /// Judges an act that stands in the log at this place.
    pub(super) fn apply_act(&mut self, seq: Seq, event: &Arc<Event>, act: &Act) -> Verdict {
        let by = self.by_whom(act);
        if let Err(refusal) = self.may_act(&by, act, event.at) {
            return Verdict::Rejected(refusal);
        }
        let mut changed = match &act.deed {
            Deed::Hide(lines) => self.hide(lines, seq, event.at, &by),
            Deed::Show(lines) => self.show(lines),
            Deed::Pin(pin) => self.pin(seq, event.at, act, pin),
            Deed::Unpin => self.unpin(seq),
            Deed::Kick(_) => Changed { something: true, ..Changed::default() },
            Deed::Penalize(target, _) => {
                let hidden = self.hide(&Lines::Of(target.uid.clone()), seq, event.at, &by);
                self.restrict(seq, event.at, (&by, &act.reason), &act.deed);
                hidden
            }
            Deed::Block(..) => self.restrict(seq, event.at, (&by, &act.reason), &act.deed),
            Deed::Lift(target) => {
                Changed { something: self.restrictions.lift(&target.uid, event.at), ..Changed::default() }
            }
            Deed::Appoint(target, role) => self.appoint(seq, event.at, target, *role),
            Deed::Run(change) => self.set_modes(seq, change),
            Deed::Panic(change, until) => self.panic(seq, change, *until),
            Deed::Calm => {
                let modes = self.calm();
                Changed { modes, something: modes, ..Changed::default() }
            }
            Deed::Filter(change) => self.change_rules(seq, event.at, &by.profile.nickname, change),
            Deed::Say(change) => self.set_own_lines(seq, change),
            Deed::Mark(place, status, _) => self.mark((seq, event.at), &by, *place, *status),
            Deed::Undo(place) => self.undo(seq, event.at, *place),
        };
        changed.notice |= self.take_down_hidden();
        if !changed.something {
            return Verdict::Nothing;
        }
        self.trail.push(seq);
        Verdict::Act(self.keep_act(seq, event, changed))
    }

    /// Judges what the site's backend tells.
    pub(super) fn announce(&mut self, seq: Seq, event: &Arc<Event>, cid: &Cid) -> Verdict {
        if let Err(refusal) = self.may_be_written(cid) {
            return Verdict::Rejected(refusal);
        }
        Verdict::Announced(self.keep_act(seq, event, Changed::default()))
    }

    /// What an act had begun is over.
    pub(super) fn lapse(&mut self, seq: Seq, event: &Arc<Event>, act: Seq) -> Verdict {
        if self.running.panic.is_some_and(|panic| panic.act == act && panic.until <= event.at) {
            self.calm();
            return Verdict::Act(self.keep_act(seq, event, Changed { modes: true, ..Changed::default() }));
        }
        let over = |notice: &Notice| notice.act == act && notice.until.is_some_and(|until| until <= event.at);
        if !self.notice.as_ref().is_some_and(over) {
            return Verdict::Nothing;
        }
        (self.notice, self.taken) = (None, None);
        Verdict::Act(self.keep_act(seq, event, Changed { notice: true, ..Changed::default() }))
    }

    /// What ends by itself next: when, the place of the act that began it, and of the one since which it holds.
    pub fn next_lapse(&self) -> Option<(Millis, Seq, Seq)> {
        let notice = self.notice.as_ref().and_then(|notice| Some((notice.until?, notice.act, notice.up)));
        let panic = self.running.panic.map(|panic| (panic.until, panic.act, panic.act));
        notice.into_iter().chain(panic).min()
    }

    /// The place of a line of this user, by the time that it has.
    pub fn place_of(&self, user: &UserId, time: Millis) -> Option<Seq> {
        let mut newest_first = self.window.last(usize::MAX).rev();
        newest_first.find(|kept| kept.time == time && kept.line.author.uid == *user).map(|kept| kept.seq)
    }

    /// The remembered line at this place.
    pub fn line_at(&self, place: Seq) -> Option<&Kept> {
        self.window.at(place)
    }

    /// What of it has been forgotten is forgotten; what was pinned of it is taken down.
    pub(super) fn forget(&mut self, seq: Seq, event: &Arc<Event>, gone: impl Fn(&Notice) -> bool) -> KeptAct {
        let notice = self.notice.take_if(|notice| gone(notice)).is_some();
        self.taken = self.taken.take().filter(|(_, taken)| !notice && !gone(taken));
        self.keep_act(seq, event, Changed { notice, ..Changed::default() })
    }

    fn keep_act(&mut self, seq: Seq, event: &Arc<Event>, changed: Changed) -> KeptAct {
        let Changed { lines, notice, modes, question, .. } = changed;
        let act = KeptAct { seq, event: event.clone(), lines: lines.into(), notice, modes, question };
        if !act.is_silent() {
            self.window.push_act(act.clone());
        }
        act
    }

    fn may_act(&self, by: &Author, act: &Act, at: Millis) -> Result<(), Refusal> {
        if self.unreadable.is_some() {
            return Err(Refusal::ChannelReadOnly);
        }
        if self.revocations.hold(&by.uid, &act.credential) {
            return Err(Refusal::TokenRevoked);
        }
        if !by.role.is_staff() {
            return Err(Refusal::NotStaff);
        }
        if act.cid.as_ref().is_some_and(|cid| self.broadcasts.last().is_none_or(|newest| newest.cid != *cid)) {
            return Err(Refusal::BroadcastEnded);
        }
        self.may_send(&by.uid, None, by.role, at)?;
        self.may_deal_with(by, &act.deed, at)?;
        match &act.deed {
            Deed::Hide(Lines::One(place)) => {
                let author = self.line_that_may_be(*place)?.map(|kept| &kept.line.author);
                author.map_or(Ok(()), |author| may_moderate(by, author))
            }
            Deed::Hide(Lines::Of(user)) => self.author(user.as_str()).map_or(Ok(()), |author| may_moderate(by, author)),
            Deed::Show(Lines::One(place)) => match self.line_that_may_be(*place)? {
                _ if *place <= self.hidden.floor() => Err(Refusal::NoSuchLine),
                Some(kept) => outranks(by, self.hidden.by(*place, &kept.line.author.uid).map(|by| by.rank)),
                None => Ok(()),
            },
            Deed::Show(Lines::Of(user)) => outranks(by, self.rank_over(user)),
            Deed::Show(Lines::Sweep { .. }) => Err(Refusal::BadRequest("a sweep is taken back by undo".to_owned())),
            Deed::Hide(Lines::Sweep { .. }) | Deed::Unpin => Ok(()),
            Deed::Pin(pin) => self.may_pin(pin),
            Deed::Kick(_) | Deed::Penalize(..) | Deed::Block(..) | Deed::Lift(_) | Deed::Appoint(..) => Ok(()),
            Deed::Run(_) | Deed::Panic(..) | Deed::Calm | Deed::Say(_) => Ok(()),
            Deed::Filter(change) => rules::fits(self.filtering.rules.filter(), change),
            Deed::Mark(place, _, version) => self.may_mark(*place, *version),
            Deed::Undo(place) => self.may_undo(by, *place, at),
        }
    }

    fn may_undo(&self, by: &Author, act: Seq, at: Millis) -> Result<(), Refusal> {
        // What was hidden before anybody wrote down by what has no act that could be taken back.
        if act == Seq::default() {
            return Err(Refusal::NothingToUndo);
        }
        if self.grants.by(act).is_some() {
            return if by.role < Role::Streamer { Err(Refusal::NotStreamer) } else { Ok(()) };
        }
        let restricted = self.restrictions.by(act, at);
        if restricted == Some(&by.uid) {
            return Err(Refusal::Oneself);
        }
        let restriction = restricted.and_then(|user| self.restrictions.last(user)).map(|restriction| restriction.rank);
        match restriction.max(self.hidden.rank_of(act)) {
            Some(rank) => outranks(by, Some(rank)),
            None if self.pinned_by(act) || self.runs_by(act) || self.filtering.is_due_to(act) => Ok(()),
            None if self.says_by(act) || self.questions.due_to(act).is_some() => Ok(()),
            None => Err(Refusal::NothingToUndo),
        }
    }

    /// The highest rank by which anything of a user is hidden.
    fn rank_over(&self, user: &UserId) -> Option<Role> {
        let theirs = self.window.last(usize::MAX).filter(|kept| kept.line.author.uid == *user);
        let by_one = theirs.filter_map(|kept| self.hidden.by(kept.seq, user)).map(|by| by.rank).max();
        by_one.max(self.hidden.rank_over(user))
    }

    fn may_pin(&self, pin: &Pin) -> Result<(), Refusal> {
        self.may_be_written(&pin.cid)?;
        match &pin.content {
            PinContent::Text(..) => Ok(()),
            PinContent::Line(place) => match self.window.at(*place) {
                Some(kept) if !self.is_hidden(kept) && !kept.line.is_shadowed() => Ok(()),
                _ => Err(Refusal::NoSuchLine),
            },
        }
    }

    /// The line at this place; none where one may be that isn't remembered. Nothing is done in advance.
    fn line_that_may_be(&self, place: Seq) -> Result<Option<&Kept>, Refusal> {
        let remembered = place > self.window.begins();
        match self.window.at(place) {
            None if remembered || place > self.seq || place == Seq::default() => Err(Refusal::NoSuchLine),
            found => Ok(found),
        }
    }

    fn hide(&mut self, lines: &Lines, act: Seq, at: Millis, author: &Author) -> Changed {
        let by = By { act, rank: author.role };
        match lines {
            Lines::One(place) => {
                // What is dropped need not be remembered, but may still be on its way to somebody.
                let hidden = self.window.at(*place).map_or_else(
                    || self.hidden.holds_place(*place),
                    |kept| self.hidden.holds(*place, &kept.line.author.uid),
                );
                if hidden {
                    return Changed::default();
                }
                if *place > self.dropped {
                    self.hidden.hide(*place, by);
                }
                Changed { lines: vec![*place], something: true, ..Changed::default() }
            }
            Lines::Of(user) => {
                let lines = self.places(|kept| kept.line.author.uid == *user && !self.is_hidden(kept));
                self.hidden.hide_all(user, by);
                Changed { lines, something: true, ..Changed::default() }
            }
            Lines::Sweep { seconds, newcomer_minutes } => {
                let since = at - i64::from(*seconds) * 1_000;
                let lines = self.places(|kept| {
                    let writer = &kept.line.author;
                    kept.time >= since
                        && !writer.role.is_staff()
                        && !kept.line.draft.kind.is_special()
                        && self.newcomers.is_one(&writer.uid, at, *newcomer_minutes)
                        && !self.is_hidden(kept)
                });
                lines.iter().for_each(|place| self.hidden.hide(*place, by));
                Changed { something: !lines.is_empty(), lines, ..Changed::default() }
            }
        }
    }

    fn show(&mut self, lines: &Lines) -> Changed {
        let (lines, shown) = match lines {
            Lines::One(place) => match self.window.at(*place).cloned() {
                Some(kept) if self.is_hidden(&kept) => {
                    let shown = self.hidden.show(*place, &kept.line.author.uid);
                    (vec![*place], shown)
                }
                Some(_) => (Vec::new(), false),
                None => (Vec::new(), self.hidden.unhide(*place)),
            },
            Lines::Of(user) => {
                let lines = self.places(|kept| kept.line.author.uid == *user && self.is_hidden(kept));
                let shown = self.hidden.show_all(user, &lines) || !lines.is_empty();
                (lines, shown)
            }
            Lines::Sweep { .. } => (Vec::new(), false),
        };
        Changed { lines, something: shown, ..Changed::default() }
    }

    fn pin(&mut self, seq: Seq, at: Millis, act: &Act, pin: &Pin) -> Changed {
        let line = match &pin.content {
            PinContent::Line(place) => self.window.at(*place).cloned(),
            PinContent::Text(..) => None,
        };
        let Some(notice) = Notice::pinned(seq, at, act, pin, line) else { return Changed::default() };
        self.taken = self.notice.replace(notice).map(|before| (seq, before));
        Changed { notice: true, something: true, ..Changed::default() }
    }

    fn unpin(&mut self, seq: Seq) -> Changed {
        let Some(before) = self.notice.take() else { return Changed::default() };
        self.taken = Some((seq, before));
        Changed { notice: true, something: true, ..Changed::default() }
    }

    /// Whether what is pinned now, or that nothing is, is due to this act.
    fn pinned_by(&self, act: Seq) -> bool {
        match (&self.notice, &self.taken) {
            (Some(notice), _) => notice.act == act,
            (None, Some((by, _))) => *by == act,
            (None, None) => false,
        }
    }

    fn undo(&mut self, seq: Seq, at: Millis, act: Seq) -> Changed {
        let by_it = |kept: &Kept| self.hidden.by(kept.seq, &kept.line.author.uid).is_some_and(|by| by.act == act);
        let lines = self.places(by_it);
        let shown = self.hidden.undo(act);
        // Others may hide them, too.
        let lines = lines.into_iter().filter(|place| self.window.at(*place).is_some_and(|kept| !self.is_hidden(kept)));
        let lines = lines.collect();
        let notice = self.pinned_by(act);
        if notice {
            let before = self.taken.take_if(|(by, _)| *by == act).map(|(_, before)| before);
            let still = before.filter(|notice| notice.until.is_none_or(|until| at < until));
            self.notice = still.map(|notice| Notice { up: seq, ..notice });
        }
        let people = self.restrictions.undo(act, at).is_some() | self.grants.undo(act);
        let modes = self.run_as_before(act);
        let (filtered, said) = (self.filtering.undo(seq, act), self.say_as_before(act));
        let question = self.mark_as_before(seq, act);
        let something = shown || notice || people || modes || filtered || said || question.is_some();
        Changed { lines, notice, modes, question, something }
    }

    /// Takes down a notice whose line is hidden. Whether there was one.
    fn take_down_hidden(&mut self) -> bool {
        let hidden = |notice: &Notice| notice.line().is_some_and(|kept| self.is_hidden(kept));
        let (down, taken) =
            (self.notice.as_ref().is_some_and(hidden), self.taken.as_ref().is_some_and(|(_, notice)| hidden(notice)));
        if down {
            self.notice = None;
        }
        if down || taken {
            self.taken = None;
        }
        down
    }

    fn is_hidden(&self, kept: &Kept) -> bool {
        self.hidden.holds(kept.seq, &kept.line.author.uid)
    }

    /// Places of the remembered lines for which this holds.
    fn places(&self, of: impl Fn(&Kept) -> bool) -> Vec<Seq> {
        self.window.last(usize::MAX).filter(|kept| of(kept)).map(|kept| kept.seq).collect()
    }
}

/// Nobody takes back what somebody with more rights has done.
fn outranks(by: &Author, rank: Option<Role>) -> Result<(), Refusal> {
    if rank.is_none_or(|rank| by.role >= rank) { Ok(()) } else { Err(Refusal::Outranked) }
}

/// Nobody moderates whoever has the same rights or more, but the streamer and the site; oneself always.
fn may_moderate(by: &Author, author: &Author) -> Result<(), Refusal> {
    let may = by.role >= Role::Streamer || by.role > author.role || by.uid == author.uid;
    if may { Ok(()) } else { Err(Refusal::Outranked) }
}
