//! The one way out: what of an event an audience may see.

use std::sync::Arc;

use crate::model::act::{Deed, Lines};
use crate::model::event::{Body, Logged};
use crate::model::filter::Measure;
use crate::model::id::{Cid, Seq, UserId};
use crate::model::item::{AnnouncedView, Audience, Item, LineView, NoticeView, Sanction, Standing, SystemView, View};
use crate::model::message::{Author, Draft, Kind, Line, Status};
use crate::model::mode::Modes;
use crate::model::question::QuestionView;
use crate::model::time::Millis;

use super::notice::Says;
use super::window::Entry;
use super::{Channel, Kept, KeptAct};

/// Bytes of the lines that one item tells of, as far as they can be told before they are encoded: those of one act that has
/// hidden thousands go out in several batches.
const LARGEST_PART: usize = 32 * 1024;

impl Channel {
    /// The line as those may see it now who may.
    pub fn reveal(&self, kept: &Kept) -> Item {
        let shadowed = kept.line.is_shadowed().then(|| Audience::User(kept.line.author.uid.clone()));
        Item::revealed(kept.seq, true, shadowed.unwrap_or(Audience::All), View::Line(self.reveal_line(kept)))
    }

    /// What members are told of an act, as they may see it now.
    pub fn reveal_act(&self, act: &KeptAct) -> Vec<Item> {
        self.reveal_parts(act, (act.notice, act.modes))
    }

    /// What members are told of a vote.
    pub fn reveal_votes(&self, seq: Seq, question: QuestionView) -> Item {
        Item::revealed(seq, true, Audience::All, View::Votes(question))
    }

    /// Whether an act of these is the last that has changed what is pinned, and the last that has changed how the chat is
    /// run: the others need not say what holds now.
    fn lasts(&self, after: Seq, upto: Seq) -> impl Fn(&KeptAct) -> (bool, bool) {
        let last = |of: fn(&KeptAct) -> bool| self.window.acts_between(after, upto).filter(|act| of(act)).last();
        let notice = last(|act| act.notice).map(|act| act.seq);
        let modes = last(|act| act.modes).map(|act| act.seq);
        move |act| (notice == Some(act.seq), modes == Some(act.seq))
    }

    fn reveal_parts(&self, act: &KeptAct, (notice, modes): (bool, bool)) -> Vec<Item> {
        let user = whose_lines(&act.event.body);
        // Dropped, or erased: it may still be on a screen, though nothing is hidden there any more.
        let is_gone =
            |place: Seq| place <= self.dropped || place > self.window.begins() && self.window.at(place).is_none();
        let forgotten = |place: &Seq| is_gone(*place) && !act.may_show();
        let standings = act.lines.iter().filter_map(|place| {
            self.standing(*place, user).or_else(|| forgotten(place).then_some(Standing::Withheld(*place)))
        });
        // What is shown again since is told by the act that did it.
        let standings = standings.filter(|line| act.may_show() || line.is_withheld());
        let parts = parts(standings).into_iter().map(|lines| (Audience::All, View::Standing(lines)));
        let notice = notice.then(|| (Audience::All, View::Notice(self.notice_view())));
        // In the order of the real wire: the sanction, the lines, the word to staff (facts, 2.7).
        let sanction = self.sanction(act).map(|(audience, sanction)| (audience, View::Sanction(sanction)));
        let system = system(act).map(|system| (Audience::Staff, View::System(system)));
        let modes = modes.then(|| (Audience::All, View::Modes(self.modes_now())));
        let announced = self.announced(act);
        let question = act.question.and_then(|place| self.question_at(place));
        let question = question.map(|question| (Audience::All, View::Question(question)));
        let others = modes.into_iter().chain(question).chain(announced).chain(system);
        let mut views = sanction.into_iter().chain(parts).chain(notice).chain(others).peekable();
        let mut items = Vec::new();
        while let Some((audience, view)) = views.next() {
            items.push(Item::revealed(act.seq, views.peek().is_none(), audience, view));
        }
        items
    }

    /// What was revealed before in a broadcast, as it may be seen now.
    pub fn reveal_again(&self, cid: &Cid, item: Item, act: &KeptAct) -> Item {
        item.map(|view| match view {
            View::Line(line) => View::Line(self.line_again(line)),
            // What is pinned in a later broadcast is not for those of an earlier one.
            View::Notice(_) => View::Notice(self.notice_view().filter(|notice| notice.cid == *cid)),
            View::Standing(lines) => {
                // The act itself says how its own lines stand now.
                let others = lines.into_iter().filter(|line| !act.tells_of(line.seq()));
                View::Standing(others.map(|line| self.standing_again(line)).collect())
            }
            View::Modes(_) => View::Modes(self.modes_now()),
            View::Question(question) => View::Question(self.question_again(question)),
            View::Votes(question) => View::Votes(self.question_again(question)),
            same @ (View::Sanction(_) | View::System(_) | View::Announced(_)) => same,
        })
    }

    /// What was revealed before, without what it says.
    pub fn conceal(&self, item: Item) -> Item {
        item.map(|view| match view {
            View::Line(line) => View::Line(line.with_status(Status::Hidden)),
            other => other,
        })
    }

    /// The line as its author has sent it, for staff alone; whether others don't see it, and the act that hides it from
    /// them.
    pub fn reveal_to_staff(&self, kept: &Kept) -> (LineView, bool, Option<Seq>) {
        let sent = kept.line.as_sent();
        let line = if sent == kept.line.draft.text {
            kept.line.clone()
        } else {
            let draft = Draft { text: sent.to_owned(), ..kept.line.draft.clone() };
            Arc::new(Line { draft, ..Line::clone(&kept.line) })
        };
        let line = LineView::revealed(kept.seq, kept.id, kept.time, Status::Normal, line);
        let line = line.with_question(self.questions().state(kept.seq));
        let author = &kept.line.author.uid;
        (line, self.hidden.holds(kept.seq, author), self.hidden.by(kept.seq, author).map(|by| by.act))
    }

    /// A line that stands in the log, for staff alone, as far as anything of it may be seen now; without the time that the
    /// judge gave it.
    pub fn reveal_logged(&self, logged: &Logged) -> Option<LineView> {
        let Body::Line(line) = &logged.event.body else { return None };
        if self.verdicts().is_wiped(&line.author.uid, logged.seq) {
            return None;
        }
        let status = self.status(logged.seq, &line.author.uid, line.is_blinded());
        Some(LineView::revealed(logged.seq, logged.event.id, logged.event.at, status, line.clone()))
    }

    /// The last `count` lines as this user may see them, or everybody, oldest first.
    pub(super) fn reveal_last(&self, count: usize, user: Option<&UserId>) -> Vec<LineView> {
        let seen = |kept: &&Kept| !kept.line.is_shadowed() || user == Some(&kept.line.author.uid);
        let newest_first = self.window.last(usize::MAX).rev().filter(seen).take(count);
        let mut lines: Vec<LineView> = newest_first.map(|kept| self.reveal_line(kept)).collect();
        lines.reverse();
        lines
    }

    /// The lines and acts of the broadcast that is the newest, behind `after` and up to `upto`.
    pub fn between(&self, after: Seq, upto: Seq) -> Vec<Item> {
        let last = self.lasts(after, upto);
        let entries = self.window.between(after, upto).into_iter();
        let items = entries.flat_map(|entry| match entry {
            Entry::Line(kept) => vec![self.reveal(kept)],
            Entry::Act(act) => self.reveal_parts(act, last(act)),
        });
        items.collect()
    }

    /// What staff did behind `after` and up to `upto`, without the lines in between.
    pub fn acts_between(&self, after: Seq, upto: Seq) -> Vec<Item> {
        let last = self.lasts(after, upto);
        let acts = self.window.acts_between(after, upto);
        acts.flat_map(|act| self.reveal_parts(act, last(act))).collect()
    }

    /// What happened behind `after` and up to `upto`, without ordinary lines: what staff did, what was asked, announced or paid.
    pub fn essentials_between(&self, after: Seq, upto: Seq) -> Vec<Item> {
        let is_ordinary = |kept: &&Kept| kept.line.draft.kind == Kind::Text;
        let lines = self.window.lines_between(after, upto).filter(|kept| !is_ordinary(kept));
        let mut items = self.acts_between(after, upto);
        items.extend(lines.map(|kept| self.reveal(kept)));
        // Parts of an act stay in their order.
        items.sort_by_key(Item::seq);
        items
    }

    /// The pinned notice, unless its time is up.
    pub fn notice(&self, now: Millis) -> Option<NoticeView> {
        self.notice_view().filter(|notice| notice.until.is_none_or(|until| now < until))
    }

    /// What members are told that the site's backend tells.
    fn announced(&self, act: &KeptAct) -> Option<(Audience, View)> {
        let Body::Announced(announcement) = &act.event.body else { return None };
        let audience = if announcement.news.is_for_staff() { Audience::Staff } else { Audience::All };
        let (id, time, announcement) = (act.event.id, act.event.at, announcement.clone());
        Some((audience, View::Announced(AnnouncedView { seq: act.seq, id, time, announcement })))
    }

    /// What members, or the user alone, are told of what was done to somebody, as far as it still holds.
    fn sanction(&self, act: &KeptAct) -> Option<(Audience, Sanction)> {
        let Body::Act(done) = &act.event.body else { return None };
        let user = done.deed.target()?.uid.clone();
        let last = self.restrictions.last(&user).filter(|restriction| restriction.act == act.seq);
        match &done.deed {
            Deed::Kick(_) => Some((Audience::User(user.clone()), Sanction::Kicked(user))),
            Deed::Penalize(_, until) => {
                let (at, times) = (act.event.at, last?.times);
                let seconds = (until.0 - at.0) / 1_000;
                Some((Audience::All, Sanction::Penalized { user, at, seconds, times }))
            }
            Deed::Block(_, until) => last.map(|_| (Audience::User(user.clone()), Sanction::Blocked(user, *until))),
            Deed::Lift(_) => Some((Audience::User(user.clone()), Sanction::Lifted(user))),
            _ => None,
        }
    }

    /// How the chat is run, as far as it is known that nothing has ended.
    fn modes_now(&self) -> Modes {
        self.running.panic.map_or(self.running.modes, |panic| panic.modes)
    }

    fn notice_view(&self) -> Option<NoticeView> {
        let notice = self.notice.as_ref()?;
        let (text, extras) = match &notice.says {
            Says::Line(kept) => (&kept.line.draft.text, &kept.line.draft.extras),
            Says::Text(text, extras) => (text, extras),
        };
        Some(NoticeView {
            cid: notice.cid.clone(),
            time: notice.line().map_or(notice.at, |kept| kept.time),
            author: notice.author().clone(),
            by: notice.by.clone(),
            kind: notice.line().map_or(Kind::Text, |kept| kept.line.draft.kind),
            text: text.clone(),
            extras: extras.clone(),
            until: notice.until,
        })
    }

    fn question_again(&self, question: QuestionView) -> QuestionView {
        self.question_at(question.state.seq).unwrap_or(question)
    }

    pub(super) fn reveal_line(&self, kept: &Kept) -> LineView {
        let status = self.status(kept.seq, &kept.line.author.uid, kept.line.is_blinded());
        let line = LineView::revealed(kept.seq, kept.id, kept.time, status, kept.line.clone());
        if kept.line.draft.kind != Kind::Question {
            return line;
        }
        line.with_question(self.questions().state(kept.seq))
    }

    fn line_again(&self, line: LineView) -> LineView {
        if line.seq() <= self.dropped {
            // Whether it was hidden is forgotten with it: it stays as it was.
            return line;
        }
        let blinded = line.filtered().is_some_and(|filtered| filtered.measure == Measure::Blind);
        let status = self.status(line.seq(), &line.author().uid, blinded);
        let question = self.questions().state(line.seq());
        line.with_status(status).with_question(question)
    }

    /// How a line stands; `None` when nothing is known of it any more that could be told.
    fn standing(&self, place: Seq, author: Option<&UserId>) -> Option<Standing> {
        if let Some(kept) = self.window.at(place) {
            // Of a line that nobody has seen nobody is told more.
            if kept.line.is_shadowed() {
                return None;
            }
            return Some(Standing::Line(self.reveal_line(kept)));
        }
        let withheld = author.map_or_else(|| self.hidden.holds_place(place), |author| self.hidden.holds(place, author));
        withheld.then_some(Standing::Withheld(place))
    }

    /// What is no longer remembered is told without what it says, whatever became of it: it may have been erased.
    fn standing_again(&self, standing: Standing) -> Standing {
        match standing {
            Standing::Line(line) if self.window.at(line.seq()).is_some() => Standing::Line(self.line_again(line)),
            Standing::Line(line) if line.status().withholds() => Standing::Line(line),
            Standing::Line(line) => Standing::Withheld(line.seq()),
            withheld @ Standing::Withheld(_) => withheld,
        }
    }

    fn status(&self, place: Seq, author: &UserId, blinded: bool) -> Status {
        match self.hidden.holds(place, author) {
            false => Status::Normal,
            // By nobody but the rules.
            true if blinded && self.hidden.by(place, author).is_some_and(|by| by.act == place) => Status::Blinded,
            true => Status::Hidden,
        }
    }
}

/// Lines in parts, of which each is small enough for a batch; at least one line in each.
fn parts(lines: impl Iterator<Item = Standing>) -> Vec<Vec<Standing>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Standing>>::new(), 0);
    for line in lines {
        let more = line.bytes();
        match parts.last_mut() {
            Some(part) if bytes + more <= LARGEST_PART => {
                bytes += more;
                part.push(line);
            }
            _ => {
                bytes = more;
                parts.push(vec![line]);
            }
        }
    }
    parts
}

/// What staff are told of what was done to somebody.
fn system(act: &KeptAct) -> Option<SystemView> {
    let Body::Act(done) = &act.event.body else { return None };
    let runs = matches!(done.deed, Deed::Run(_) | Deed::Panic(..) | Deed::Calm);
    let target = Author::clone(done.deed.target().map(|target| &**target).or(runs.then_some(&done.by))?);
    let (time, by, deed) = (act.event.at, done.by.clone(), done.deed.clone());
    Some(SystemView { seq: act.seq, id: act.event.id, time, deed, by, target })
}

/// The user whose lines an act is about, all of them.
fn whose_lines(body: &Body) -> Option<&UserId> {
    let Body::Act(act) = body else { return None };
    match &act.deed {
        Deed::Hide(Lines::Of(user)) | Deed::Show(Lines::Of(user)) => Some(user),
        Deed::Penalize(target, _) => Some(&target.uid),
        _ => None,
    }
}
