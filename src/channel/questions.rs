//! The ledger of questions: how each stands, and who would like to hear the answer.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeBounds;

use crate::model::event::{Body, Event};
use crate::model::id::{Cid, Seq, UserId};
use crate::model::item::Listed;
use crate::model::message::Author;
use crate::model::principal::Role;
use crate::model::question::{QuestionChange, QuestionQuery, QuestionState, QuestionStatus, QuestionView, Vote};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::acts::Changed;
use super::shelves::{Rank, Shelves, begin, rank_in};
use super::{Channel, Kept, Verdict, modes, window};

/// Questions that may wait for an answer in a broadcast.
const MOST_OPEN: usize = 5_000;

/// Of one viewer, in the broadcast that is on.
const MOST_OF_ONE: usize = 20;

/// Questions that are remembered: beyond it, those that wait for nothing are forgotten, oldest first, and then those of
/// earlier broadcasts.
const MOST: usize = 10_000;

/// Questions for their authors alone that are remembered; the oldest goes first.
const MOST_SHADOWED: usize = 1_000;

/// Most bytes of them, by their texts and what goes with each; beyond it, as above.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of those that wait for an answer in the newest broadcast from which on nobody asks: as much is left for those of
/// earlier ones, and something for those that are on their way.
const MOST_OPEN_BYTES: usize = MOST_BYTES / 2 - 256 * 1024;

/// Voters who are remembered in a channel, 16 bytes each; beyond it those of questions that take no votes now are forgotten,
/// oldest question first, and then nobody else may vote.
const MOST_VOTERS: usize = 100_000;

/// A question that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its line.
    pub kept: Kept,
    /// Its number in its broadcast.
    pub number: u64,
    /// How it stands.
    pub status: QuestionStatus,
    /// Rises with every change of the status.
    pub version: u64,
    /// Who has voted for it, by the digests of their names.
    pub voters: HashSet<u64>,
    /// How many have whose names are forgotten.
    pub forgotten: u64,
    /// The last change of its status.
    pub change: Option<QuestionChange>,
    /// The place of what has changed it last.
    pub changed: Seq,
}

impl Question {
    fn state(&self) -> QuestionState {
        let votes = self.voters.len() as u64 + self.forgotten;
        QuestionState {
            seq: self.kept.seq,
            number: self.number,
            status: self.status,
            version: self.version,
            votes,
            changed: self.changed,
        }
    }

    fn view(&self) -> QuestionView {
        QuestionView {
            cid: self.cid().clone(),
            state: self.state(),
            author: self.author().clone(),
            time: self.kept.time,
            change: self.change.clone(),
        }
    }

    fn rank(&self) -> Rank {
        (Reverse(self.state().votes), self.kept.seq)
    }

    /// Bytes that it takes of the room for those that wait; none for its author alone, which go first.
    fn open_bytes(&self) -> usize {
        if self.kept.line.is_shadowed() { 0 } else { window::bytes(&self.kept) }
    }

    /// Whether somebody has voted for it; `None` when nobody knows any more.
    fn has_voted(&self, user: &UserId) -> Option<bool> {
        let voted = self.voters.contains(&user.digest());
        (voted || self.forgotten == 0).then_some(voted)
    }

    fn cid(&self) -> &Cid {
        &self.kept.line.cid
    }

    fn author(&self) -> &UserId {
        &self.kept.line.author.uid
    }
}

/// The questions of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    known: BTreeMap<Seq, Question>,
    /// The newest broadcast.
    here: Option<Cid>,
    /// How many have been asked in it, accepted or not.
    asked: u64,
    bytes: usize,
    voters: usize,
    /// Of these, voters for questions that take no votes now.
    closed_voters: usize,
    /// As they are listed.
    shelves: Shelves,
    /// Bytes of those that wait for an answer in the newest broadcast.
    open_bytes: usize,
    /// How many questions of each author wait there.
    asking: HashMap<UserId, usize>,
    /// Questions for their authors alone.
    shadowed: BTreeSet<Seq>,
}

impl Questions {
    /// These questions, and how many have been asked in the newest broadcast.
    pub fn new(known: impl IntoIterator<Item = Question>, here: Option<Cid>, asked: u64) -> Self {
        let mut questions = Self { here, asked, ..Self::default() };
        known.into_iter().for_each(|question| questions.insert(question));
        questions
    }

    /// Every question, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Question> {
        self.known.values()
    }

    /// How many have been asked in the newest broadcast, accepted or not.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// How a question stands.
    pub(super) fn state(&self, place: Seq) -> Option<QuestionState> {
        self.known.get(&place).map(Question::state)
    }

    /// Takes note of what the log has brought: questions are numbered whatever becomes of them, because nobody knows that
    /// of one that was erased.
    pub(super) fn count(&mut self, body: &Body) {
        self.asked += u64::from(body.is_question());
    }

    /// A new broadcast begins; what waits for an answer stays.
    pub(super) fn begin_anew(&mut self, cid: &Cid) {
        let known = std::mem::take(&mut self.known);
        *self = Self::new(known.into_values(), Some(cid.clone()), 0);
    }

    /// Whether somebody may ask another one in the newest broadcast.
    pub(super) fn may_ask(&self, uid: &UserId, role: Role) -> Result<(), Refusal> {
        let full = !role.is_staff() && self.asking.get(uid).is_some_and(|open| *open >= MOST_OF_ONE);
        if full { Err(Refusal::TooManyOpen(Some(MOST_OF_ONE))) } else { Ok(()) }
    }

    /// Whether there is room for another one at all. Looked at before it becomes an event and not by the judge: a machine
    /// that has found others erased would come to another verdict.
    pub(super) fn have_room(&self) -> Result<(), Refusal> {
        let open = self.here.as_ref().map_or(0, |here| self.shelves.open(here));
        let full = open >= MOST_OPEN || self.open_bytes >= MOST_OPEN_BYTES;
        if full { Err(Refusal::TooManyOpen(None)) } else { Ok(()) }
    }

    /// One more, which was just counted.
    pub(super) fn ask(&mut self, kept: &Kept) {
        self.insert(Question {
            kept: kept.clone(),
            number: self.asked,
            status: QuestionStatus::default(),
            version: 1,
            voters: HashSet::new(),
            forgotten: 0,
            change: None,
            changed: kept.seq,
        });
        while self.known.len() > MOST || self.bytes > MOST_BYTES || self.shadowed.len() > MOST_SHADOWED {
            let Some(place) = self.least_wanted() else { return };
            self.remove(place);
        }
    }

    /// What goes first where there is no room: what its author alone sees, what waits for nothing, what was asked in an
    /// earlier broadcast; of these the oldest.
    fn least_wanted(&self) -> Option<Seq> {
        let first = |of: fn(&Self, &Question) -> bool| {
            self.known.values().find(|question| of(self, question)).map(|question| question.kept.seq)
        };
        let shadowed = self.shadowed.first().copied();
        shadowed
            .or_else(|| first(|_, question| !question.status.is_open()))
            .or_else(|| first(|all, question| Some(question.cid()) != all.here.as_ref()))
    }

    fn insert(&mut self, question: Question) {
        let place = question.kept.seq;
        self.bytes += window::bytes(&question.kept);
        self.voters += question.voters.len();
        if question.kept.line.is_shadowed() {
            self.shadowed.insert(place);
        }
        self.known.insert(place, question);
        self.index(place);
    }

    fn remove(&mut self, place: Seq) {
        self.unindex(place);
        if let Some(question) = self.known.remove(&place) {
            self.bytes -= window::bytes(&question.kept);
            self.voters -= question.voters.len();
            self.shadowed.remove(&place);
        }
    }

    /// Changes a question, and what is known of all of them with it.
    fn change<T>(&mut self, place: Seq, change: impl FnOnce(&mut Question) -> T) -> Option<T> {
        self.unindex(place);
        let question = self.known.get_mut(&place)?;
        let before = question.voters.len();
        let done = change(question);
        self.voters = self.voters - before + question.voters.len();
        self.index(place);
        Some(done)
    }

    fn index(&mut self, place: Seq) {
        let Some(question) = self.known.get(&place) else { return };
        if !question.kept.line.is_shadowed() {
            self.shelves.put(question.cid(), question.status, question.rank());
        }
        if self.takes_votes_for(question) {
            self.open_bytes += question.open_bytes();
            *self.asking.entry(question.author().clone()).or_default() += 1;
        } else {
            self.closed_voters += question.voters.len();
        }
    }

    fn unindex(&mut self, place: Seq) {
        let Some(question) = self.known.get(&place) else { return };
        self.shelves.take(question.cid(), question.status, question.rank());
        if !self.takes_votes_for(question) {
            self.closed_voters -= question.voters.len();
            return;
        }
        self.open_bytes -= question.open_bytes();
        if let Entry::Occupied(mut asking) = self.asking.entry(question.author().clone()) {
            *asking.get_mut() -= 1;
            if *asking.get() == 0 {
                asking.remove();
            }
        }
    }

    /// Whether it waits for an answer in the newest broadcast.
    fn takes_votes_for(&self, question: &Question) -> bool {
        question.status.is_open() && self.here.as_ref() == Some(question.cid())
    }

    /// Forgets what somebody has asked, and what they have voted for. Whatever that was, all others are as of now: a machine
    /// that has found their votes erased doesn't know which ones they were for.
    pub(super) fn forget_author(&mut self, now: Seq, uid: &UserId) {
        let digest = uid.digest();
        for place in self.known.keys().copied().collect::<Vec<_>>() {
            if self.known.get(&place).is_some_and(|question| question.author() == uid) {
                self.remove(place);
                continue;
            }
            self.change(place, |question| {
                question.voters.remove(&digest);
                question.changed = now;
            });
        }
    }

    /// Forgets what was asked up to a place.
    pub(super) fn forget_upto(&mut self, place: Seq) {
        let gone: Vec<Seq> = self.known.range(..=place).map(|(place, _)| *place).collect();
        gone.into_iter().for_each(|place| self.remove(place));
    }

    /// Gives a question another status.
    fn mark(&mut self, now: Seq, place: Seq, status: QuestionStatus, change: Option<QuestionChange>) {
        self.change(place, |question| {
            (question.status, question.change, question.changed) = (status, change, now);
            question.version += 1;
        });
    }

    /// Counts a vote, or no longer. Whether that is new.
    fn vote(&mut self, now: Seq, place: Seq, (voter, up): (u64, bool)) -> bool {
        let is_new = self.change(place, |question| {
            let is_new = if up { question.voters.insert(voter) } else { question.voters.remove(&voter) };
            question.changed = if is_new { now } else { question.changed };
            is_new
        });
        while self.voters > MOST_VOTERS && self.closed_voters > 0 {
            let closed = |question: &&Question| !self.takes_votes_for(question) && !question.voters.is_empty();
            let Some(oldest) = self.known.values().find(closed).map(|question| question.kept.seq) else { break };
            self.change(oldest, |question| {
                question.forgotten += std::mem::take(&mut question.voters).len() as u64;
            });
        }
        is_new.unwrap_or(false)
    }

    fn takes_votes(&self) -> bool {
        self.voters < MOST_VOTERS || self.closed_voters > 0
    }

    /// The question whose status is due to this act.
    pub(super) fn due_to(&self, act: Seq) -> Option<&Question> {
        self.known.values().find(|question| question.change.as_ref().is_some_and(|change| change.act == act))
    }

    /// Up to `limit` of those that are asked for and may be seen, in the order that is asked for; with those that are for
    /// this user alone.
    fn page(
        &self,
        query: &QuestionQuery,
        limit: usize,
        user: Option<&UserId>,
        seen: impl Fn(&Question) -> bool,
    ) -> Vec<&Question> {
        let begin = (begin(query), std::ops::Bound::Unbounded);
        let asked = |question: &&Question| {
            query.cid.as_ref().is_none_or(|cid| cid == question.cid()) && query.statuses.contains(&question.status)
        };
        let theirs = self.shadowed_of(user).filter(asked).map(|question| rank_in(query.order, question.rank()));
        let mut theirs: Vec<Rank> = theirs.filter(|rank| begin.contains(rank)).collect();
        theirs.sort_unstable();
        let found = self.shelves.list(query, theirs).filter_map(|place| self.known.get(&place));
        found.filter(|question| seen(question)).take(limit).collect()
    }

    /// Questions that are for this user alone.
    fn shadowed_of<'a>(&'a self, user: Option<&'a UserId>) -> impl Iterator<Item = &'a Question> {
        let shadowed = self.shadowed.iter().filter(move |_| user.is_some());
        shadowed.filter_map(|place| self.known.get(place)).filter(move |question| user == Some(question.author()))
    }
}

impl Channel {
    /// Questions of the channel.
    pub fn questions(&self) -> &Questions {
        &self.questions
    }

    /// A question that everybody may know of.
    fn question(&self, place: Seq) -> Option<&Question> {
        self.questions.known.get(&place).filter(|question| !question.kept.line.is_shadowed())
    }

    /// How a question stands that everybody may know of.
    pub fn question_at(&self, place: Seq) -> Option<QuestionView> {
        self.question(place).map(Question::view)
    }

    /// Up to `limit` of the questions that are asked for, for a user or for anybody; staff see those whose text is
    /// withheld, too.
    pub fn questions_for(
        &self,
        query: &QuestionQuery,
        limit: usize,
        (user, staff): (Option<&UserId>, bool),
    ) -> Vec<Listed> {
        let seen = |question: &Question| staff || !self.hidden.holds(question.kept.seq, question.author());
        let listed = |question: &Question| Listed {
            line: self.reveal_line(&question.kept),
            question: question.view(),
            voted: user.and_then(|user| question.has_voted(user)),
        };
        self.questions.page(query, limit, user, seen).into_iter().map(listed).collect()
    }

    /// How many questions wait for an answer in a broadcast, with those for this user alone.
    pub fn open_questions(&self, cid: &Cid, user: Option<&UserId>) -> usize {
        let waits = |question: &&Question| question.status.is_open() && question.cid() == cid;
        self.questions.shelves.open(cid) + self.questions.shadowed_of(user).filter(waits).count()
    }

    /// The place of a question of this user, by the time that it has.
    pub fn place_of_question(&self, user: &UserId, time: Millis) -> Option<Seq> {
        let newest_first = self.questions.known.values().rev();
        let mut theirs = newest_first.filter(|question| question.author() == user);
        theirs.find(|question| question.kept.time == time).map(|question| question.kept.seq)
    }

    /// Whether somebody's vote for a question is counted, as far as that is remembered.
    pub fn has_voted(&self, place: Seq, uid: &UserId) -> bool {
        self.question(place).is_some_and(|question| question.voters.contains(&uid.digest()))
    }

    /// Looks at a vote before it becomes an event.
    pub fn admit_vote(&self, vote: &Vote, at: Millis) -> Result<(), Refusal> {
        self.may_vote(vote, at)?;
        let is_new = vote.up && !self.has_voted(vote.question, &vote.uid);
        if is_new && !self.questions.takes_votes() { Err(Refusal::VotesFull) } else { Ok(()) }
    }

    fn may_vote(&self, vote: &Vote, at: Millis) -> Result<(), Refusal> {
        self.may_be_written(&vote.cid)?;
        let question = self.question(vote.question).ok_or(Refusal::NoSuchLine)?;
        let withheld = self.hidden.holds(vote.question, question.author());
        if *question.cid() != vote.cid || withheld {
            return Err(Refusal::NoSuchLine);
        }
        if question.author() == &vote.uid {
            return Err(Refusal::Oneself);
        }
        let role = self.role_of(&vote.uid, vote.role, &vote.credential);
        self.may_send(&vote.uid, vote.known.address, role, at)?;
        if !role.is_staff() {
            modes::may_take_part(&self.running.at(at), vote.subscribed, &vote.known, at)?;
        }
        if !question.status.is_open() {
            return Err(Refusal::QuestionClosed(question.status));
        }
        Ok(())
    }

    pub(super) fn apply_vote(&mut self, seq: Seq, event: &Event, vote: &Vote) -> Verdict {
        if let Err(refusal) = self.may_vote(vote, event.at) {
            return Verdict::Rejected(refusal);
        }
        if self.revocations.hold(&vote.uid, &vote.credential) {
            return Verdict::Rejected(Refusal::TokenRevoked);
        }
        let changed = self.questions.vote(seq, vote.question, (vote.uid.digest(), vote.up));
        let view = self.question(vote.question).map(Question::view);
        view.map_or(Verdict::Nothing, |view| Verdict::Voted { seq, view, changed })
    }

    pub(super) fn may_mark(&self, place: Seq, version: u64) -> Result<(), Refusal> {
        let question = self.question(place).ok_or(Refusal::NoSuchLine)?;
        if question.version == version { Ok(()) } else { Err(Refusal::StaleQuestion(question.state())) }
    }

    pub(super) fn mark(
        &mut self,
        (act, at): (Seq, Millis),
        by: &Author,
        place: Seq,
        status: QuestionStatus,
    ) -> Changed {
        let Some(before) = self.question(place).map(|question| question.status) else { return Changed::default() };
        if before == status {
            return Changed::default();
        }
        let change = QuestionChange { act, at, by: by.uid.clone(), nickname: by.profile.nickname.clone(), before };
        self.questions.mark(act, place, status, Some(change));
        Changed { question: Some(place), something: true, ..Changed::default() }
    }

    /// Takes back the change that is due to this act; the place of its question.
    pub(super) fn mark_as_before(&mut self, now: Seq, act: Seq) -> Option<Seq> {
        let question = self.questions.due_to(act)?;
        let (place, before) = (question.kept.seq, question.change.as_ref()?.before);
        self.questions.mark(now, place, before, None);
        Some(place)
    }
}
