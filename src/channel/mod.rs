//! One channel in memory: the fold of its log. Pure: no clock, no IO, no async.
//!
//! [`Channel::admit`] is a quick look before an event is appended, where most refusals end. [`Channel::apply`] is the
//! judge: it sees every event in log order and comes to the same verdict on every machine, because it reads nothing but
//! the events. [`Channel::reveal`] decides what of a line an audience may see.

mod acts;
mod authors;
mod filtering;
mod frozen;
mod grants;
mod hidden;
mod modes;
mod names;
mod newcomers;
mod notice;
mod own_lines;
mod people;
mod questions;
mod restrictions;
mod reveal;
mod shelves;
mod trail;
mod verdicts;
mod window;

use std::sync::Arc;

use crate::model::access::Revoked;
use crate::model::broadcast::Broadcast;
use crate::model::event::{Body, Event, Logged};
use crate::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use crate::model::item::LineView;
use crate::model::message::{Author, Kind, Lane, Line, Receipt};
use crate::model::principal::Role;
use crate::model::question::QuestionView;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::revoked::{Revocation, Revocations};
use crate::policy::text::{self, Limits};

use authors::Authors;
use notice::Notice;
use window::{Entry, Window};

pub use filtering::{Filtering, Measures};
pub use frozen::{Frozen, FrozenAct, FrozenLine, FrozenNotice, FrozenQuestion, Mark};
pub use grants::{Grant, Grants};
pub use hidden::{By, Everything, Hidden};
pub use modes::{Panic, Running};
pub use names::{HeldName, Names};
pub use newcomers::Newcomers;
pub use own_lines::Saying;
pub use questions::{Question, Questions};
pub use restrictions::{Restriction, Restrictions};
pub use trail::Trail;
pub use verdicts::Verdicts;
pub use window::KeptAct;

/// A line that was accepted, as the judge stamped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Place in the log.
    pub seq: Seq,
    /// The event's identity.
    pub id: EventId,
    /// Unique for its author in this channel: with the author's uid it names the line on the plain wire.
    pub time: Millis,
    /// What was said, by the role that its author had here then.
    pub line: Arc<Line>,
    /// That role, where it isn't the one that the event says.
    pub role: Option<Role>,
}

/// What the judge says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A line that everybody gets.
    Line(Kept),
    /// A line that its author sent before: no line, and the receipt of the first.
    Repeat(Receipt),
    /// A broadcast began.
    Opened(Cid),
    /// A broadcast ended.
    Closed(Cid),
    /// A vote was counted, or no longer, or was so already.
    Voted {
        /// The place of the vote.
        seq: Seq,
        /// The question as it stands since.
        view: QuestionView,
        /// Whether it stands otherwise than before.
        changed: bool,
    },
    /// Something that the site's backend tells.
    Announced(KeptAct),
    /// Something that staff did, or that ended by itself.
    Act(KeptAct),
    /// Everything that somebody has said by now is forgotten.
    Wiped(UserId, KeptAct),
    /// Everything up to a place is forgotten.
    Dropped(Seq, KeptAct),
    /// The event is in the log and nowhere else.
    Rejected(Refusal),
    /// A line that was judged by rules that hold no more: in the log and nowhere else, unless it is judged again.
    Late,
    /// Nothing to tell anyone: erased, of another log, or applied before.
    Nothing,
}

/// One channel: the fold of its log.
#[derive(Debug, PartialEq, Eq)]
pub struct Channel {
    id: ChannelId,
    seq: Seq,
    broadcasts: Vec<Broadcast>,
    authors: Authors,
    window: Window,
    hidden: Hidden,
    notice: Option<Notice>,
    /// The notice that was taken down last, and by which act.
    taken: Option<(Seq, Notice)>,
    trail: Trail,
    questions: Questions,
    verdicts: Verdicts,
    newcomers: Newcomers,
    names: Names,
    grants: Grants,
    restrictions: Restrictions,
    running: Running,
    filtering: Filtering,
    saying: Saying,
    /// Everything up to here is dropped.
    dropped: Seq,
    revocations: Revocations,
    unreadable: Option<u8>,
}

/// Ended broadcasts that are remembered beside the newest.
const BROADCASTS_KEPT: usize = 100;

impl Channel {
    /// A channel whose log is empty.
    pub fn new(id: ChannelId) -> Self {
        Self {
            id,
            seq: Seq::default(),
            broadcasts: Vec::new(),
            authors: Authors::default(),
            window: Window::default(),
            hidden: Hidden::default(),
            notice: None,
            taken: None,
            trail: Trail::default(),
            questions: Questions::default(),
            verdicts: Verdicts::default(),
            newcomers: Newcomers::default(),
            names: Names::default(),
            grants: Grants::default(),
            restrictions: Restrictions::default(),
            running: Running::default(),
            filtering: Filtering::default(),
            saying: Saying::default(),
            dropped: Seq::default(),
            revocations: Revocations::default(),
            unreadable: None,
        }
    }

    /// Whose it is.
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// Everything up to here is in it.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The broadcast that is on.
    pub fn on_air(&self) -> Option<&Broadcast> {
        self.broadcasts.last().filter(|broadcast| broadcast.closed.is_none())
    }

    /// Broadcasts, oldest first: the last hundred.
    pub fn broadcasts(&self) -> &[Broadcast] {
        &self.broadcasts
    }

    /// Version of an event that this build can't read; the channel can't be written to until it is upgraded.
    pub fn unreadable(&self) -> Option<u8> {
        self.unreadable
    }

    /// Looks at a draft before it becomes an event. Trims what a sender may not put into a line. The receipt of the line
    /// that it repeats, if that is there: then it is nothing new, whatever may be said by now, and needs no event.
    pub fn admit(&self, limits: &Limits, now: Millis, line: &mut Line) -> Result<Option<Receipt>, Refusal> {
        // One of a line that isn't here yet has to pass like any other: saying that it is a retry lets nobody write.
        if let Some(first) = self.authors.first(line, now) {
            return Ok(Some(first));
        }
        self.may_be_written(&line.cid)?;
        // The event says what the token does; what the channel makes of that is said here and by the judge.
        self.may_say(line, self.role_here(line), now)?;
        if line.draft.kind == Kind::Question {
            self.questions.have_room()?;
        }
        text::trim_emojis(limits, &line.draft.text, &mut line.draft.extras);
        text::judge(limits, line)?;
        Ok(None)
    }

    fn role_here(&self, line: &Line) -> Role {
        self.role_of(&line.author.uid, line.author.role, &line.credential)
    }

    /// Whether somebody may send this line at this time, by the role that they have here.
    fn may_say(&self, line: &Line, role: Role, at: Millis) -> Result<(), Refusal> {
        if line.draft.kind.is_special() {
            // It is paid for already.
            return Ok(());
        }
        self.may_send(&line.author.uid, line.known.address, role, at)?;
        match line.draft.kind {
            // Notice lines are for staff.
            Kind::Notice if !role.is_staff() => return Err(Refusal::KindNotAllowed),
            Kind::Question => self.questions.may_ask(&line.author.uid, role)?,
            Kind::Notice | Kind::Text | Kind::Donation | Kind::Subscription => {}
        }
        if role.is_staff() { Ok(()) } else { self.may_pass(line, at) }
    }

    /// Whether somebody may say this to another alone: as a line of theirs, but whenever they like.
    pub fn may_whisper(&self, line: &Line, at: Millis) -> Result<(), Refusal> {
        let role = self.role_here(line);
        self.may_send(&line.author.uid, line.known.address, role, at)?;
        if role.is_staff() {
            return Ok(());
        }
        let subscribed = line.author.profile.subscription.is_some();
        modes::may_take_part(&self.running.at(at), subscribed, &line.known, at)
    }

    fn may_be_written(&self, cid: &Cid) -> Result<(), Refusal> {
        if self.unreadable.is_some() {
            return Err(Refusal::ChannelReadOnly);
        }
        match self.on_air() {
            Some(broadcast) if broadcast.cid == *cid => Ok(()),
            _ => Err(Refusal::BroadcastEnded),
        }
    }

    /// Judges the next event of the log.
    pub fn apply(&mut self, logged: &Logged) -> Verdict {
        if logged.seq <= self.seq {
            return Verdict::Nothing;
        }
        self.seq = logged.seq;
        let verdict = self.judge(logged);
        self.verdicts.note(logged, &verdict);
        verdict
    }

    fn judge(&mut self, logged: &Logged) -> Verdict {
        let Event { id, at, body } = &*logged.event;
        // By whatever happens: a line may have been erased since another machine has read it.
        self.authors.tick(*at);
        self.questions.count(body);
        match body {
            Body::Line(line) => self.apply_line(logged.seq, *id, *at, line),
            Body::Opened { cid, title } => self.open(cid, title, *at),
            Body::Closed { cid } => self.close(cid, *at),
            Body::Unreadable { version } => {
                self.unreadable = Some(*version);
                Verdict::Nothing
            }
            Body::Revoked { revoked, until } => {
                let (seq, revoked) = (logged.seq, revoked.clone());
                if let Revoked::User(uid) = &revoked {
                    self.names.forget(uid);
                }
                self.revocations.add(Revocation { seq, revoked, at: *at, until: *until });
                Verdict::Nothing
            }
            Body::Announced(announcement) => self.announce(logged.seq, &logged.event, &announcement.cid),
            Body::Vote(vote) => self.apply_vote(logged.seq, &logged.event, vote),
            Body::Named(naming) => self.apply_naming(*at, naming),
            Body::Act(act) => self.apply_act(logged.seq, &logged.event, act),
            Body::Lapsed { act } => self.lapse(logged.seq, &logged.event, *act),
            Body::Wiped { uid } => self.wipe(logged, uid),
            Body::Dropped { upto } => self.drop_upto(logged, *upto),
            Body::Erased { .. }
            | Body::Listed { .. }
            | Body::Unlisted { .. }
            | Body::Allotted { .. }
            | Body::KeyMade(_)
            | Body::KeyRevoked { .. } => Verdict::Nothing,
        }
    }

    fn apply_line(&mut self, seq: Seq, id: EventId, at: Millis, line: &Arc<Line>) -> Verdict {
        if let Some(first) = self.authors.repeat(line, at) {
            return Verdict::Repeat(first);
        }
        if let Err(refusal) = self.may_be_written(&line.cid) {
            return Verdict::Rejected(refusal);
        }
        let role = Some(self.role_here(line)).filter(|role| *role != line.author.role);
        let line = &in_role(line, role);
        if let Err(refusal) = self.may_say(line, line.author.role, at) {
            return Verdict::Rejected(refusal);
        }
        if self.revocations.hold(&line.author.uid, &line.credential) {
            return Verdict::Rejected(Refusal::TokenRevoked);
        }
        if self.is_late(line) {
            return Verdict::Late;
        }
        let time = self.authors.stamp(&line.author.uid, at, seq);
        self.authors.remember(line, at, Receipt { id, time, seq });
        let special = line.draft.kind.is_special();
        if !special {
            self.newcomers.note(&line.author.uid, at);
        }
        if !line.author.role.is_staff() && !special {
            self.running.sent(&line.author.uid, at);
        }
        let kept = Kept { seq, id, time, line: line.clone(), role };
        self.window.push(kept.clone());
        if line.draft.kind == Kind::Question {
            self.questions.ask(&kept);
        }
        if line.is_blinded() {
            self.blind(seq);
        }
        Verdict::Line(kept)
    }

    fn wipe(&mut self, logged: &Logged, uid: &UserId) -> Verdict {
        self.window.forget_author(uid);
        self.authors.forget_author(uid);
        self.newcomers.forget(uid);
        self.names.forget(uid);
        self.questions.forget_author(logged.seq, uid);
        self.running.slowed.remove(uid);
        self.verdicts.wipe(logged.seq, uid);
        let act = self.forget(logged.seq, &logged.event, |notice| notice.author().uid == *uid);
        Verdict::Wiped(uid.clone(), act)
    }

    fn drop_upto(&mut self, logged: &Logged, upto: Seq) -> Verdict {
        // The event itself stays: it is what tells the others.
        if upto <= self.dropped || upto >= self.seq {
            return Verdict::Nothing;
        }
        self.dropped = upto;
        self.window.forget_upto(upto);
        self.authors.forget_upto(upto);
        self.hidden.forget(upto);
        self.trail.forget_upto(upto);
        self.questions.forget_upto(upto);
        self.verdicts.forget_upto(upto);
        let gone = |notice: &Notice| notice.act <= upto || notice.line().is_some_and(|kept| kept.seq <= upto);
        Verdict::Dropped(upto, self.forget(logged.seq, &logged.event, gone))
    }

    fn open(&mut self, cid: &Cid, title: &str, at: Millis) -> Verdict {
        if self.broadcasts.iter().any(|broadcast| broadcast.cid == *cid) {
            return Verdict::Nothing;
        }
        if let Some(before) = self.broadcasts.last_mut() {
            before.closed.get_or_insert(at);
        }
        if self.broadcasts.len() > BROADCASTS_KEPT {
            self.broadcasts.remove(0);
        }
        self.window = Window::since(self.seq);
        (self.notice, self.taken) = (None, None);
        self.questions.begin_anew(cid);
        self.broadcasts.push(Broadcast { cid: cid.clone(), title: title.to_owned(), opened: at, closed: None });
        Verdict::Opened(cid.clone())
    }

    fn close(&mut self, cid: &Cid, at: Millis) -> Verdict {
        match self.broadcasts.last_mut() {
            Some(last) if last.cid == *cid && last.closed.is_none() => {
                last.closed = Some(at);
                Verdict::Closed(cid.clone())
            }
            _ => Verdict::Nothing,
        }
    }

    /// The last `count` lines of the broadcast as this user may see them, or everybody, oldest first.
    pub fn recent(&self, cid: &Cid, count: usize, user: Option<&UserId>) -> Vec<LineView> {
        if self.broadcasts.last().is_none_or(|last| last.cid != *cid) {
            return Vec::new();
        }
        self.reveal_last(count, user)
    }

    /// Where in the log staff did something.
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Everything up to here is dropped from its log, or about to be.
    pub fn dropped(&self) -> Seq {
        self.dropped
    }

    /// The next place of the newest broadcast behind this one that has something for this lane and this user, or everybody.
    pub fn next_entry(&self, place: Seq, lane: Lane, user: Option<&UserId>) -> Option<Seq> {
        self.window.next(place, lane, user)
    }

    /// The last of the places from `first` up to `end` that stay within `bytes`, by the texts of lines and `each` beside
    /// them; `None` when all of them do. The first is within in any case.
    pub fn fitting(&self, first: Seq, end: Seq, bytes: usize, each: usize) -> Option<Seq> {
        let (mut last, mut sum) = (first, 0);
        for entry in self.window.between(Seq(first.0 - 1), end) {
            sum += match entry {
                Entry::Line(kept) => window::said(kept) + each,
                Entry::Act(act) => self.act_bytes(act),
            };
            if sum > bytes && entry.seq() > first {
                return Some(last);
            }
            last = entry.seq();
        }
        None
    }

    /// Bytes that what staff did behind `after` and up to `upto` takes once it is encoded, as far as can be told before.
    pub fn acts_bytes(&self, after: Seq, upto: Seq) -> usize {
        self.window.acts_between(after, upto).map(|act| self.act_bytes(act)).sum()
    }

    fn act_bytes(&self, act: &KeptAct) -> usize {
        let shown = act.lines.iter().filter(|_| act.may_show()).filter_map(|place| self.window.at(*place));
        act.bytes() + shown.map(window::bytes).sum::<usize>()
    }

    /// The place behind which every line of the newest broadcast can still be had.
    pub fn remembers_from(&self) -> Seq {
        self.window.begins()
    }

    /// The place behind which everything can still be had that staff did in the newest broadcast.
    pub fn remembers_acts_from(&self) -> Seq {
        self.window.acts_begin()
    }

    /// A place with at most `count` lines behind it.
    pub fn place_before(&self, count: usize) -> Seq {
        self.window.before(count)
    }

    /// How many lines of the newest broadcast have gone by up to a place, as far as this memory goes: their difference
    /// says how many have been between two.
    pub fn lines_upto(&self, place: Seq) -> u64 {
        self.window.count(place)
    }

    /// The receipt of a line or an act that is among the last ones.
    pub fn receipt(&self, seq: Seq) -> Option<Receipt> {
        let line = self.window.at(seq).map(|kept| Receipt { id: kept.id, time: kept.time, seq });
        line.or_else(|| {
            let act = self.window.acts_between(Seq(seq.0.saturating_sub(1)), seq).next()?;
            Some(Receipt { id: act.event.id, time: act.event.at, seq })
        })
    }

    /// How many of the remembered lines this user has said.
    pub fn lines_of(&self, user: &UserId) -> usize {
        self.window.last(usize::MAX).filter(|kept| kept.line.author.uid == *user).count()
    }

    /// The author of the newest remembered line of this user.
    pub fn author(&self, uid: &str) -> Option<&Author> {
        self.window.last(usize::MAX).rev().map(|kept| &kept.line.author).find(|author| author.uid.as_str() == uid)
    }
}

/// The line as somebody's who has this role.
fn in_role(line: &Arc<Line>, role: Option<Role>) -> Arc<Line> {
    let with = |role| Arc::new(Line { author: Author { role, ..line.author.clone() }, ..Line::clone(line) });
    role.map_or_else(|| line.clone(), with)
}

#[cfg(test)]
mod tests;
