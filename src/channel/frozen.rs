//! A channel's state as values, to be kept and brought back.
//!
//! Lines are not in it: they stand in the log. What the judge made of them is, by their places.

use std::sync::Arc;

use crate::model::act::Deed;
use crate::model::broadcast::Broadcast;
use crate::model::event::{Body, Logged};
use crate::model::id::{ChannelId, Seq};
use crate::model::message::Receipt;
use crate::model::principal::Role;
use crate::model::question::{QuestionChange, QuestionStatus};
use crate::model::time::Millis;
use crate::policy::revoked::{Revocation, Revocations};

use super::authors::Authors;
use super::notice::Notice;
use super::window::Window;
use super::{
    Channel, Filtering, Grants, Hidden, Kept, KeptAct, Names, Newcomers, Question, Questions, Restrictions, Running,
    Saying, Trail, Verdicts, in_role,
};

/// A channel's state at a place in its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Everything up to here is in it.
    pub seq: Seq,
    /// The channel's broadcasts, oldest first.
    pub broadcasts: Vec<Broadcast>,
    /// Oldest first.
    pub revocations: Vec<Revocation>,
    /// The newest time in the log.
    pub newest: Millis,
    /// No author who is forgotten has a later line.
    pub floor: Millis,
    /// Lines of the broadcast behind this place are shown to those who come late or come back.
    pub window: Seq,
    /// What staff did behind this place is told to those who come back.
    pub acts_window: Seq,
    /// What that is, oldest first.
    pub acts: Vec<FrozenAct>,
    /// What is pinned.
    pub notice: Option<FrozenNotice>,
    /// What was taken down last, and by which act.
    pub taken: Option<(Seq, FrozenNotice)>,
    /// Where staff did something.
    pub trail: Trail,
    /// Who has said something lately.
    pub newcomers: Newcomers,
    /// What guests are called.
    pub names: Names,
    /// Roles that were given and taken.
    pub grants: Grants,
    /// Who may not send.
    pub restrictions: Restrictions,
    /// How the chat is run.
    pub running: Running,
    /// What a line may not say.
    pub filtering: Filtering,
    /// What the channel says by itself.
    pub saying: Saying,
    /// Lines that are withheld.
    pub hidden: Hidden,
    /// Everything up to here is dropped.
    pub dropped: Seq,
    /// How many questions have been asked in the newest broadcast.
    pub asked: u64,
    /// Questions that are remembered, oldest first.
    pub questions: Vec<FrozenQuestion>,
    /// What the log doesn't say of lines.
    pub verdicts: Verdicts,
    /// From this one on, what authors sent is remembered.
    pub remembered: Seq,
    /// The lines that matter, oldest first.
    pub marks: Vec<Mark>,
}

/// Something that members are told of beside lines; what happened stands in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrozenAct {
    /// Its place in the log.
    pub seq: Seq,
    /// Lines that stand otherwise since then.
    pub lines: Vec<Seq>,
    /// Whether another notice is pinned since then, or none.
    pub notice: bool,
    /// Whether the chat is run otherwise since then.
    pub modes: bool,
    /// The question that stands otherwise since then.
    pub question: Option<Seq>,
}

/// A question; what it asks stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenQuestion {
    /// Its line.
    pub line: FrozenLine,
    /// Its number in its broadcast.
    pub number: u64,
    /// How it stands.
    pub status: QuestionStatus,
    /// How often it has changed.
    pub version: u64,
    /// Digests of those who have voted for it, lowest first.
    pub voters: Vec<u64>,
    /// How many have whose names are forgotten.
    pub forgotten: u64,
    /// The last change of its status.
    pub change: Option<QuestionChange>,
    /// The place of what has changed it last.
    pub changed: Seq,
}

/// A notice; what it says stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrozenNotice {
    /// The place of the act that pinned it.
    pub act: Seq,
    /// The place of the act since which it is up.
    pub up: Seq,
    /// The line that it repeats.
    pub line: Option<FrozenLine>,
}

/// A line: its place, the time that the judge gave it, and what its author was here, where that isn't what the event says.
pub type FrozenLine = (Seq, Millis, Option<Role>);

/// A line that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its place in the log.
    pub seq: Seq,
    /// The time that the judge gave it.
    pub time: Millis,
    /// The newest time in the log by then.
    pub by: Millis,
    /// What its author was here, where that isn't what the event says.
    pub role: Option<Role>,
}

impl Channel {
    /// The state as values; `None` for one that holds an event which this build can't read, because a later build, which
    /// can, has to read it again.
    pub fn freeze(&self) -> Option<Frozen> {
        if self.unreadable.is_some() {
            return None;
        }
        let (newest, floor) = self.authors.times();
        let mut remembered = self.authors.remembered().peekable();
        let first = remembered.peek().map_or(Seq(u64::MAX), |(seq, ..)| *seq);
        let mut marks: Vec<Mark> = self
            .window
            .last(usize::MAX)
            .take_while(|kept| kept.seq < first)
            .map(|kept| Mark { seq: kept.seq, time: kept.time, by: Millis::default(), role: kept.role })
            .collect();
        let role = |seq| self.window.at(seq).and_then(|kept| kept.role);
        marks.extend(remembered.map(|(seq, time, by)| Mark { seq, time, by, role: role(seq) }));
        Some(Frozen {
            seq: self.seq,
            broadcasts: self.broadcasts.clone(),
            revocations: self.revocations.page(None, usize::MAX).into_iter().rev().collect(),
            newest,
            floor,
            window: self.window.begins(),
            acts_window: self.window.acts_begin(),
            acts: self.window.acts().map(FrozenAct::from).collect(),
            notice: self.notice.as_ref().map(FrozenNotice::from),
            taken: self.taken.as_ref().map(|(act, notice)| (*act, notice.into())),
            trail: self.trail.clone(),
            newcomers: self.newcomers.clone(),
            names: self.names.clone(),
            grants: self.grants.clone(),
            restrictions: self.restrictions.clone(),
            running: self.running.clone(),
            filtering: self.filtering.clone(),
            saying: self.saying.clone(),
            hidden: self.hidden.clone(),
            dropped: self.dropped,
            asked: self.questions.asked(),
            questions: self.questions.all().map(FrozenQuestion::from).collect(),
            verdicts: self.verdicts.clone(),
            remembered: first,
            marks,
        })
    }

    /// The state that `frozen` tells of; `events` are those at its [`places`](Frozen::places), in order. Those that are
    /// missing there, or have been erased, are forgotten.
    pub fn thaw(id: ChannelId, frozen: &Frozen, events: &[Logged]) -> Self {
        let mut authors = Authors::forgetful((frozen.newest, frozen.floor));
        let mut window = Window::since_both(frozen.window, frozen.acts_window);
        let mut marks = frozen.marks.iter().peekable();
        for logged in events {
            while marks.next_if(|mark| mark.seq < logged.seq).is_some() {}
            let Some(mark) = marks.next_if(|mark| mark.seq == logged.seq) else { continue };
            let Some(kept) = kept_line(logged, (mark.time, mark.role)) else { continue };
            if mark.seq >= frozen.remembered {
                let receipt = Receipt { id: kept.id, time: kept.time, seq: kept.seq };
                authors.restore(mark.by, &kept.line, logged.event.at, receipt);
            }
            if mark.seq > frozen.window {
                window.push(kept);
            }
        }
        for FrozenAct { seq, lines, notice, modes, question } in &frozen.acts {
            if let Some(logged) = event_at(events, *seq) {
                let lines = Arc::from(lines.as_slice());
                window.push_act(KeptAct {
                    seq: *seq,
                    event: logged.event.clone(),
                    lines,
                    notice: *notice,
                    modes: *modes,
                    question: *question,
                });
            }
        }
        let notice = |frozen: &FrozenNotice| frozen.thaw(events);
        let questions = frozen.questions.iter().filter_map(|question| question.thaw(events));
        let mut revocations = Revocations::default();
        frozen.revocations.iter().cloned().for_each(|revocation| revocations.add(revocation));
        Self {
            id,
            seq: frozen.seq,
            broadcasts: frozen.broadcasts.clone(),
            authors,
            window,
            hidden: frozen.hidden.clone(),
            notice: frozen.notice.as_ref().and_then(notice),
            taken: frozen.taken.as_ref().and_then(|(act, taken)| Some((*act, notice(taken)?))),
            trail: frozen.trail.clone(),
            questions: Questions::new(
                questions,
                frozen.broadcasts.last().map(|newest| newest.cid.clone()),
                frozen.asked,
            ),
            verdicts: frozen.verdicts.clone(),
            newcomers: frozen.newcomers.clone(),
            names: frozen.names.clone(),
            grants: frozen.grants.clone(),
            restrictions: frozen.restrictions.clone(),
            running: frozen.running.clone(),
            filtering: frozen.filtering.clone(),
            saying: frozen.saying.clone(),
            dropped: frozen.dropped,
            revocations,
            unreadable: None,
        }
    }
}

impl Frozen {
    /// The places of all events that it points at, oldest first.
    pub fn places(&self) -> Vec<Seq> {
        let notices = self.notice.iter().chain(self.taken.iter().map(|(_, notice)| notice));
        let notices = notices.flat_map(|notice| [Some(notice.act), notice.line.map(|(line, ..)| line)]).flatten();
        let marks = self.marks.iter().map(|mark| mark.seq).chain(self.acts.iter().map(|act| act.seq));
        let questions = self.questions.iter().map(|question| question.line.0);
        let mut places: Vec<Seq> = marks.chain(notices).chain(questions).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

impl From<&KeptAct> for FrozenAct {
    fn from(act: &KeptAct) -> Self {
        let KeptAct { seq, notice, modes, question, .. } = *act;
        Self { seq, lines: act.lines.to_vec(), notice, modes, question }
    }
}

impl From<&Notice> for FrozenNotice {
    fn from(notice: &Notice) -> Self {
        Self { act: notice.act, up: notice.up, line: notice.line().map(|kept| (kept.seq, kept.time, kept.role)) }
    }
}

impl From<&Question> for FrozenQuestion {
    fn from(question: &Question) -> Self {
        let Question { kept, number, status, version, voters, forgotten, change, changed } = question;
        let mut voters: Vec<u64> = voters.iter().copied().collect();
        voters.sort_unstable();
        let line = (kept.seq, kept.time, kept.role);
        let (number, status, version, forgotten) = (*number, *status, *version, *forgotten);
        Self { line, number, status, version, voters, forgotten, change: change.clone(), changed: *changed }
    }
}

impl FrozenQuestion {
    fn thaw(&self, events: &[Logged]) -> Option<Question> {
        let (seq, time, role) = self.line;
        Some(Question {
            kept: kept_line(event_at(events, seq)?, (time, role))?,
            number: self.number,
            status: self.status,
            version: self.version,
            voters: self.voters.iter().copied().collect(),
            forgotten: self.forgotten,
            change: self.change.clone(),
            changed: self.changed,
        })
    }
}

impl FrozenNotice {
    fn thaw(&self, events: &[Logged]) -> Option<Notice> {
        let pinning = event_at(events, self.act)?;
        let Body::Act(act) = &pinning.event.body else { return None };
        let Deed::Pin(pin) = &act.deed else { return None };
        let line = self.line.and_then(|(seq, time, role)| kept_line(event_at(events, seq)?, (time, role)));
        let notice = Notice::pinned(self.act, pinning.event.at, act, pin, line)?;
        Some(Notice { up: self.up, ..notice })
    }
}

fn event_at(events: &[Logged], place: Seq) -> Option<&Logged> {
    events.binary_search_by_key(&place, |logged| logged.seq).ok().and_then(|index| events.get(index))
}

fn kept_line(logged: &Logged, (time, role): (Millis, Option<Role>)) -> Option<Kept> {
    let Body::Line(line) = &logged.event.body else { return None };
    Some(Kept { seq: logged.seq, id: logged.event.id, time, line: in_role(line, role), role })
}
