//! The ledger of questions: how each stands, and who would like to hear the answer.

use std::collections::{BTreeMap, HashSet};

use crate::model::event::{Body, Event};
use crate::model::id::{Cid, Seq, UserId};
use crate::model::item::LineView;
use crate::model::message::Author;
use crate::model::principal::Role;
use crate::model::question::{
    QuestionChange, QuestionOrder, QuestionQuery, QuestionState, QuestionStatus, QuestionView, Vote,
};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::acts::Changed;
use super::{Channel, Kept, Verdict, modes, window};

/// Questions that may wait for an answer in a channel, of all its broadcasts.
const MOST_OPEN: usize = 5_000;

/// Of one viewer, in the broadcast that is on.
const MOST_OF_ONE: usize = 20;

/// Questions that are remembered: beyond it, those that wait for nothing are forgotten, oldest first.
const MOST: usize = 10_000;

/// Most bytes of them, by their texts and what goes with each; beyond it, as above.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Voters who are remembered in a channel, 16 bytes each; beyond it those of questions that wait for nothing are forgotten,
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
    /// How many have been asked in the newest broadcast, accepted or not.
    asked: u64,
    bytes: usize,
    voters: usize,
}

impl Questions {
    /// These questions, and how many have been asked in the newest broadcast.
    pub fn new(known: impl IntoIterator<Item = Question>, asked: u64) -> Self {
        let mut questions = Self { asked, ..Self::default() };
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
    pub(super) fn begin_anew(&mut self) {
        self.asked = 0;
    }

    /// Whether somebody may ask another one in this broadcast.
    pub(super) fn have_room(&self, cid: &Cid, (uid, role): (&UserId, Role)) -> Result<(), Refusal> {
        let open = || self.known.values().filter(|question| question.status.is_open());
        let theirs = || open().filter(|question| question.author() == uid && question.cid() == cid);
        if !role.is_staff() && theirs().nth(MOST_OF_ONE - 1).is_some() {
            return Err(Refusal::TooManyOpen(Some(MOST_OF_ONE)));
        }
        let full = self.known.len() >= MOST_OPEN && open().nth(MOST_OPEN - 1).is_some();
        let closed = self.known.values().any(|question| !question.status.is_open());
        if full || (self.bytes >= MOST_BYTES && !closed) {
            return Err(Refusal::TooManyOpen(None));
        }
        Ok(())
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
        while self.known.len() > MOST || self.bytes > MOST_BYTES {
            let oldest = self.known.values().find(|question| !question.status.is_open());
            let Some(place) = oldest.map(|question| question.kept.seq) else { return };
            self.remove(place);
        }
    }

    fn insert(&mut self, question: Question) {
        self.bytes += window::bytes(&question.kept);
        self.voters += question.voters.len();
        self.known.insert(question.kept.seq, question);
    }

    fn remove(&mut self, place: Seq) {
        if let Some(question) = self.known.remove(&place) {
            self.bytes -= window::bytes(&question.kept);
            self.voters -= question.voters.len();
        }
    }

    /// Forgets what somebody has asked, and what they have voted for. Whatever that was, all others are as of now: a machine
    /// that has found their votes erased doesn't know which ones they were for.
    pub(super) fn forget_author(&mut self, now: Seq, uid: &UserId) {
        self.retain(|question| question.author() != uid);
        let digest = uid.digest();
        for question in self.known.values_mut() {
            self.voters -= usize::from(question.voters.remove(&digest));
            question.changed = now;
        }
    }

    /// Forgets what was asked up to a place.
    pub(super) fn forget_upto(&mut self, place: Seq) {
        self.retain(|question| question.kept.seq > place);
    }

    fn retain(&mut self, keep: impl Fn(&Question) -> bool) {
        let gone: Vec<Seq> = self.known.values().filter(|question| !keep(question)).map(|gone| gone.kept.seq).collect();
        gone.into_iter().for_each(|place| self.remove(place));
    }

    /// Gives a question another status.
    fn mark(&mut self, now: Seq, place: Seq, status: QuestionStatus, change: Option<QuestionChange>) {
        let Some(question) = self.known.get_mut(&place) else { return };
        (question.status, question.change, question.changed) = (status, change, now);
        question.version += 1;
    }

    /// Counts a vote, or no longer. Whether that is new.
    fn vote(&mut self, now: Seq, place: Seq, (voter, up): (u64, bool)) -> bool {
        let Some(question) = self.known.get_mut(&place) else { return false };
        let is_new = if up { question.voters.insert(voter) } else { question.voters.remove(&voter) };
        if !is_new {
            return false;
        }
        question.changed = now;
        if !up {
            self.voters -= 1;
            return true;
        }
        self.voters += 1;
        while self.voters > MOST_VOTERS {
            let closed = |question: &&mut Question| !question.status.is_open() && !question.voters.is_empty();
            let Some(oldest) = self.known.values_mut().find(closed) else { break };
            self.voters -= oldest.voters.len();
            oldest.forgotten += std::mem::take(&mut oldest.voters).len() as u64;
        }
        true
    }

    fn takes_votes(&self) -> bool {
        let closed = |question: &Question| !question.status.is_open() && !question.voters.is_empty();
        self.voters < MOST_VOTERS || self.known.values().any(closed)
    }

    /// The question whose status is due to this act.
    pub(super) fn due_to(&self, act: Seq) -> Option<&Question> {
        self.known.values().find(|question| question.change.as_ref().is_some_and(|change| change.act == act))
    }

    /// Up to `limit` of those that are asked for and may be seen, in the order that is asked for.
    fn page(&self, query: &QuestionQuery, limit: usize, seen: impl Fn(&Question) -> bool) -> Vec<&Question> {
        let fits = |question: &&Question| {
            query.cid.as_ref().is_none_or(|cid| cid == question.cid())
                && query.statuses.contains(&question.status)
                && seen(question)
        };
        match query.order {
            QuestionOrder::Age => {
                let behind = query.after.map_or(Seq(0), |(_, place)| Seq(place.0.saturating_add(1)));
                self.known.range(behind..).map(|(_, question)| question).filter(fits).take(limit).collect()
            }
            QuestionOrder::Votes => {
                // Fewest first, so that more votes come before.
                let key = |question: &Question| (u64::MAX - question.state().votes, question.kept.seq);
                let after = query.after.map(|(votes, place)| (u64::MAX - votes, place));
                let behind = |question: &&Question| after.is_none_or(|after| key(question) > after);
                let mut found: Vec<&Question> = self.known.values().filter(fits).filter(behind).collect();
                if found.len() > limit && limit > 0 {
                    found.select_nth_unstable_by_key(limit - 1, |question| key(question));
                }
                found.truncate(limit);
                found.sort_unstable_by_key(|question| key(question));
                found
            }
        }
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
    ) -> Vec<(LineView, QuestionView)> {
        let seen = |question: &Question| {
            let theirs = user == Some(question.author());
            let hidden = self.hidden.holds(question.kept.seq, question.author());
            (staff || !hidden) && (theirs || !question.kept.line.is_shadowed())
        };
        let found = self.questions.page(query, limit, seen);
        found.into_iter().map(|question| (self.reveal_line(&question.kept), question.view())).collect()
    }

    /// How many questions wait for an answer in a broadcast that everybody may see.
    pub fn open_questions(&self, cid: &Cid) -> usize {
        let seen = |question: &&Question| {
            let here = question.status.is_open() && question.cid() == cid && !question.kept.line.is_shadowed();
            here && !self.hidden.holds(question.kept.seq, question.author())
        };
        self.questions.known.values().filter(seen).count()
    }

    /// The place of a question of this user, by the time that it has.
    pub fn place_of_question(&self, user: &UserId, time: Millis) -> Option<Seq> {
        let newest_first = self.questions.known.values().rev();
        let mut theirs = newest_first.filter(|question| question.author() == user);
        theirs.find(|question| question.kept.time == time).map(|question| question.kept.seq)
    }

    /// Looks at a vote before it becomes an event, and judges one.
    pub fn may_vote(&self, vote: &Vote, at: Millis) -> Result<(), Refusal> {
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
        let is_new = vote.up && !question.voters.contains(&vote.uid.digest());
        if is_new && !self.questions.takes_votes() {
            return Err(Refusal::VotesFull);
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
