//! Questions: listing them, and voting for them. How they stand is changed by [`Node::act`].

use std::sync::Arc;

use crate::model::access::Credential;
use crate::model::act::Name;
use crate::model::event::{Body, Event, Logged};
use crate::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use crate::model::item::Listed;
use crate::model::message::Author;
use crate::model::mode::Known;
use crate::model::question::{QuestionQuery, QuestionView, Vote};
use crate::model::refusal::Refusal;

use super::act::place_of_question;
use super::append::{ONCE_MORE, refusal, waited_for};
use super::live::Live;
use super::{Access, Node, Outcome, Seat, StationError};

impl Node {
    /// Votes for a question, or takes the vote back. Votes of one caller keep the order of the calls; what is given is waited
    /// for.
    pub fn vote(
        &self,
        seat: &Seat,
        name: &Name,
        up: bool,
    ) -> Result<impl Future<Output = Result<QuestionView, Refusal>> + use<>, Refusal> {
        let principal = seat.principal().ok_or(Refusal::ReadOnly)?;
        self.still_holds(principal)?;
        self.pace(seat, principal)?;
        let question = place_of_question(&seat.live.state.lock().channel, name)?;
        let vote = Vote {
            cid: seat.cid().clone(),
            uid: principal.uid.clone(),
            role: principal.role,
            subscribed: principal.profile.subscription.is_some(),
            credential: principal.credential(),
            known: seat.known(principal),
            question,
            up,
        };
        let (live, uid) = (seat.live.clone(), vote.uid.clone());
        let cast = self.cast(&live, vote, EventId::fresh())?;
        Ok(async move { counted(&live, (question, &uid, up), cast.await)?.ok_or(Refusal::Fault) })
    }

    /// Votes in somebody's name, for the site's backend.
    pub async fn vote_as_site(
        &self,
        channel: &ChannelId,
        (author, known): (Author, Known),
        (question, up): (Seq, bool),
        access: &Access,
        id: EventId,
    ) -> Result<QuestionView, StationError> {
        self.pace_program(&access.id)?;
        let view = self.channel(channel).await?;
        let cid = view.on_air().map(|broadcast| broadcast.cid.clone()).ok_or(Refusal::BroadcastEnded)?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let subscribed = author.profile.subscription.is_some();
        let (uid, role, credential) = (author.uid, author.role, Credential::of_the_site());
        let vote = Vote { cid, uid, role, subscribed, credential, known, question, up };
        let mut id = id;
        for _ in 0..ONCE_MORE {
            match self.cast(&live, vote.clone(), id)?.await {
                Outcome::RefusedBefore => id = id.once_more(),
                Outcome::At(place) => {
                    let same = |there: &Logged| match &there.event.body {
                        Body::Vote(cast) => (cast.question, &cast.uid, cast.up) == (question, &vote.uid, up),
                        _ => false,
                    };
                    self.is_the_same(live.id(), place, same).await?;
                    return counted(&live, (question, &vote.uid, up), Outcome::Done)?.ok_or(StationError::DoneBefore);
                }
                outcome => return counted(&live, (question, &vote.uid, up), outcome)?.ok_or(StationError::DoneBefore),
            }
        }
        Err(StationError::Overtaken)
    }

    fn cast(
        &self,
        live: &Arc<Live>,
        vote: Vote,
        id: EventId,
    ) -> Result<impl Future<Output = Outcome> + use<>, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let now = self.parts.clock.now();
        live.state.lock().channel.admit_vote(&vote, now)?;
        let (answer, told) = waited_for();
        let event = Event { id, at: now, body: Body::Vote(Arc::new(vote)) };
        self.append(live.id(), event, Arc::clone(live), answer);
        Ok(told)
    }

    /// Tells a session up to `limit` of the questions that it asks for, and how many wait for an answer in its broadcast.
    pub fn questions(
        &self,
        seat: &Seat,
        query: &QuestionQuery,
        limit: usize,
        tell: impl FnOnce(Vec<Listed>, usize),
    ) -> Result<(), Refusal> {
        seat.pace_list(self.parts.clock.now(), self.rules().recents)?;
        self.tell_questions(seat, query, limit, tell);
        Ok(())
    }

    /// Tells somebody who has just come which questions wait for an answer: up to `limit` with the most votes.
    pub fn open_questions(&self, seat: &Seat, limit: usize, tell: impl FnOnce(Vec<Listed>, usize)) {
        self.tell_questions(seat, &QuestionQuery::open(seat.cid()), limit, tell);
    }

    fn tell_questions(&self, seat: &Seat, query: &QuestionQuery, limit: usize, tell: impl FnOnce(Vec<Listed>, usize)) {
        let staff = self.may_act(seat) && seat.is_staff();
        // Whoever hides something waits for those who are telling what they saw before.
        let state = seat.live.state.lock();
        let _telling = seat.live.tells();
        let found = state.channel.questions_for(query, limit, (seat.user(), staff));
        let open = state.channel.open_questions(query.cid.as_ref().unwrap_or(seat.cid()), seat.user());
        drop(state);
        tell(found, open);
    }

    /// Up to `limit` of the questions that the site's backend asks for.
    pub async fn questions_for_site(
        &self,
        channel: &ChannelId,
        query: &QuestionQuery,
        limit: usize,
    ) -> Result<Vec<Listed>, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let state = live.state.lock();
        Ok(state.channel.questions_for(query, limit, (None, true)))
    }

    /// The newest broadcast of a channel.
    pub async fn newest_broadcast(&self, channel: &ChannelId) -> Result<Cid, StationError> {
        let view = self.channel(channel).await?;
        view.broadcasts.last().map(|broadcast| broadcast.cid.clone()).ok_or(StationError::NoBroadcast)
    }
}

/// The question that was voted for; `None` of a vote that was cast so long ago that nobody knows what became of it, and that
/// doesn't stand.
fn counted(
    live: &Live,
    (place, uid, up): (Seq, &UserId, bool),
    outcome: Outcome,
) -> Result<Option<QuestionView>, Refusal> {
    match outcome {
        Outcome::Voted(view) => Ok(Some(view)),
        Outcome::Refused(refusal) => Err(refusal),
        // It was cast before.
        _ => {
            let channel = &live.state.lock().channel;
            Ok(channel.question_at(place).filter(|_| channel.has_voted(place, uid) == up))
        }
    }
}
