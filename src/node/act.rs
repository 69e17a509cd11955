//! What staff ask for, over any wire.

use std::collections::HashMap;
use std::sync::Arc;

use crate::channel::Channel;
use crate::eventlog::LogError;
use crate::model::access::Credential;
use crate::model::act::{Act, Asked, Deed, Lines, Name, Notice, Pin, PinContent, Which, Wish};
use crate::model::event::{Body, Event, Logged};
use crate::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use crate::model::item::{LineView, NoticeView};
use crate::model::message::{Author, Extras, Receipt};
use crate::model::principal::{Principal, Profile, Role, Standing};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::{rules as filters, text};

use super::append::{ONCE_MORE, refusal, waited_for};
use super::filter::slowly;
use super::live::{Live, State};
use super::{Access, Appointed, Node, Outcome, Restriction, Running, Seat, StationError};

const DAY_MS: i64 = 86_400_000;

/// Who asks, and by what right.
struct Staff {
    by: Author,
    credential: Credential,
    key: String,
}

impl From<&Principal> for Staff {
    fn from(principal: &Principal) -> Self {
        Self { by: Author::from(principal), credential: principal.credential(), key: String::new() }
    }
}

/// Something that staff did: its place, when, and what.
pub type Done = (Seq, Millis, Arc<Act>);

/// Somebody who may not send, and why.
pub type Restricted = (UserId, Restriction);

/// A line that may be hidden, for staff; with the act that hides it.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// The line with its text.
    pub line: LineView,
    /// Whether others see the text.
    pub hidden: bool,
    /// Where in the log the act stands that hides it, and what it was.
    pub by: Option<Logged>,
}

impl Withheld {
    /// The act that hides it: its place, when it was done, and what was done.
    pub fn act(&self) -> Option<(Seq, Millis, &Act)> {
        let Logged { seq, event } = self.by.as_ref()?;
        match &event.body {
            Body::Act(act) => Some((*seq, event.at, act)),
            _ => None,
        }
    }
}

impl Node {
    /// Does what a session asks for. Acts of one caller keep the order of the calls; what is given is waited for: it ends
    /// when the act is in force, and what it hides has left for the last time, but for what waits for slow readers. `None`
    /// when it was so already.
    pub fn act(
        &self,
        seat: &Seat,
        asked: Asked,
    ) -> Result<impl Future<Output = Result<Option<Receipt>, Refusal>> + use<>, Refusal> {
        let principal = seat.principal().ok_or(Refusal::ReadOnly)?;
        self.still_holds(principal)?;
        self.pace_acts(principal)?;
        let event = self.admit_act(&seat.live, Some(seat.cid()), Staff::from(principal), asked, EventId::fresh())?;
        let carried_out = self.carry_out(&seat.live, event);
        Ok(async { done(carried_out.await) })
    }

    /// Does what somebody asks for who has no session, in the broadcast that they name.
    pub async fn act_as(&self, principal: Principal, cid: &Cid, asked: Asked) -> Result<Option<Receipt>, Refusal> {
        let live = self.channel_of(cid).await?;
        let principal = self.settle(&live, cid, Standing::Valid(principal))??;
        self.pace_acts(&principal)?;
        let event = self.admit_act(&live, Some(cid), Staff::from(&*principal), asked, EventId::fresh())?;
        done(self.carry_out(&live, event).await)
    }

    /// Does what the site's backend asks for.
    pub async fn act_as_site(
        &self,
        channel: &ChannelId,
        asked: Asked,
        by: Author,
        access: &Access,
        id: EventId,
    ) -> Result<Option<Receipt>, StationError> {
        self.pace_program(&access.id)?;
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        if let Wish::Hide(Which::Line(Name::Place(place))) = &asked.wish {
            self.there_is_a_line(&live, *place).await?;
        }
        // A channel has its staff and its rules before it has a broadcast.
        let newest = view.broadcasts.last().map(|broadcast| &broadcast.cid);
        let (mut id, staff) =
            (id, || Staff { by: by.clone(), credential: Credential::of_the_site(), key: access.id.clone() });
        for _ in 0..ONCE_MORE {
            let event = self.admit_act(&live, newest, staff(), asked.clone(), id)?;
            let (at, body) = (event.at, event.body.clone());
            match self.carry_out(&live, event).await {
                Outcome::Before(Receipt { seq: place, .. }) | Outcome::At(place) => {
                    return self.done_before(&live, (at, &body), place).await;
                }
                Outcome::RefusedBefore => id = id.once_more(),
                outcome => return Ok(done(outcome)?),
            }
        }
        Err(StationError::Overtaken)
    }

    /// What an act was answered with that stands at this place under the same key, if it asks for the same; `None` when it
    /// was so already.
    async fn done_before(
        &self,
        live: &Live,
        asked: (Millis, &Body),
        place: Seq,
    ) -> Result<Option<Receipt>, StationError> {
        let there = self.event_at(live.id(), place).await.map_err(|failure| refusal(&failure))?;
        let done = live.state.lock().channel.trail().contains(place);
        receipt_of(there, asked, done)
    }

    /// How fast one of staff acts, in all their sessions.
    fn pace_acts(&self, principal: &Principal) -> Result<(), Refusal> {
        let taken = self.actors.take(principal.uid.as_str(), self.parts.clock.now(), self.rules().acts);
        taken.map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })
    }

    /// A line of the last ones with its text, whether it is hidden or not, for a session of staff.
    pub async fn withheld_from(&self, seat: &Seat, name: &Name, tell: impl FnOnce(&Withheld)) -> Result<(), Refusal> {
        let principal = seat.principal().ok_or(Refusal::ReadOnly)?;
        self.still_holds(principal)?;
        self.pace_acts(principal)?;
        if !seat.is_staff() {
            return Err(Refusal::NotStaff);
        }
        if !seat.live.state.lock().is_newest(seat.stage.as_ref()) {
            return Err(Refusal::BroadcastEnded);
        }
        self.withheld(&seat.live, name, tell).await
    }

    /// The same for the site's backend.
    pub async fn withheld_from_site(&self, channel: &ChannelId, name: &Name) -> Result<Withheld, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let mut found = None;
        self.withheld(&live, name, |withheld| found = Some(withheld.clone())).await?;
        found.ok_or_else(|| Refusal::Fault.into())
    }

    /// Looks the act up first, and the line last: it may have been erased meanwhile.
    async fn withheld(&self, live: &Live, name: &Name, tell: impl FnOnce(&Withheld)) -> Result<(), Refusal> {
        let look = |channel: &Channel| {
            let place = place_of(channel, name)?;
            channel.line_at(place).map(|kept| channel.reveal_to_staff(kept)).ok_or(Refusal::NoSuchLine)
        };
        let (.., act) = look(&live.state.lock().channel)?;
        let by = match act {
            Some(place) => self.event_at(live.id(), place).await.map_err(|failure| refusal(&failure))?,
            None => None,
        };
        let state = live.state.lock();
        let _telling = live.tells();
        let (line, hidden, now) = look(&state.channel)?;
        drop(state);
        tell(&Withheld { line, hidden, by: by.filter(|_| now == act) });
        Ok(())
    }

    /// What is pinned in the newest broadcast.
    pub async fn notice(&self, channel: &ChannelId) -> Result<Option<NoticeView>, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        Ok(live.state.lock().channel.notice(self.parts.clock.now()))
    }

    /// Up to `limit` users who may not send in a channel now, from acts before a place, newest first.
    pub async fn restrictions(
        &self,
        channel: &ChannelId,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Vec<Restricted>, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let earlier = |restriction: &Restriction| before.is_none_or(|before| restriction.act < before);
        let state = live.state.lock();
        Ok(state.channel.restrictions().page(self.parts.clock.now(), earlier, (0, limit)).1)
    }

    /// Of the users who may not send in a channel now and whose name has `called` in it, how many there are, and a page: so
    /// many behind the first so many, newest first. For staff, by their login; it counts as an act.
    pub async fn restrictions_for(
        &self,
        channel: &ChannelId,
        principal: Principal,
        called: &str,
        page: (usize, usize),
    ) -> Result<(usize, Vec<Restricted>), StationError> {
        let live = self.for_staff(channel, principal).await?;
        let state = live.state.lock();
        let meant = |restriction: &Restriction| restriction.nickname.contains(called);
        Ok(state.channel.restrictions().page(self.parts.clock.now(), meant, page))
    }

    /// How many of the lines that are remembered a user has said, and what is remembered of their restrictions; with the time
    /// now. For staff, by their login; it counts as an act.
    pub async fn activity_for(
        &self,
        channel: &ChannelId,
        principal: Principal,
        user: &UserId,
    ) -> Result<(usize, Option<Restriction>, Millis), StationError> {
        let live = self.for_staff(channel, principal).await?;
        let state = live.state.lock();
        let last = state.channel.restrictions().last(user).cloned();
        Ok((state.channel.lines_of(user), last, self.parts.clock.now()))
    }

    /// The channel, for one of its staff who has no session, by their login; it counts as an act.
    pub(super) async fn for_staff(&self, channel: &ChannelId, principal: Principal) -> Result<Arc<Live>, StationError> {
        let view = self.channel(channel).await?;
        let cid = view.broadcasts.last().map(|broadcast| broadcast.cid.clone()).ok_or(Refusal::BroadcastEnded)?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let principal = self.settle(&live, &cid, Standing::Valid(principal))??;
        self.pace_acts(&principal)?;
        live.state.lock().channel.is_staff_here(&Author::from(&*principal), &principal.credential())?;
        Ok(live)
    }

    /// What is remembered of this user's restrictions in a broadcast's channel, whether they hold or not.
    pub async fn restriction(&self, cid: &Cid, user: &UserId) -> Result<Option<Restriction>, Refusal> {
        let live = self.channel_of(cid).await?;
        let state = live.state.lock();
        Ok(state.channel.restrictions().last(user).cloned())
    }

    /// How a channel's chat is run.
    pub async fn running(&self, channel: &ChannelId) -> Result<Running, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let state = live.state.lock();
        Ok(Running { slowed: HashMap::new(), ..state.channel.running().clone() })
    }

    /// Roles that were given and taken in a channel, by user.
    pub async fn grants(&self, channel: &ChannelId) -> Result<Vec<(UserId, Appointed)>, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let state = live.state.lock();
        let mut grants: Vec<_> = state.channel.grants().all().map(|(user, grant)| (user.clone(), *grant)).collect();
        grants.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(grants)
    }

    /// Up to `limit` things that staff did before a place, newest first; and the place behind which to go on.
    pub async fn acts(
        &self,
        channel: &ChannelId,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<(Vec<Done>, Option<Seq>), StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let places = live.state.lock().channel.trail().before(before, limit);
        self.acts_at(live.id(), places, limit).await
    }

    /// What was done at these places, if it was not more than `limit`; and the place behind which to go on.
    pub(super) async fn acts_at(
        &self,
        channel: &ChannelId,
        places: Vec<Seq>,
        limit: usize,
    ) -> Result<(Vec<Done>, Option<Seq>), StationError> {
        let mut acts = Vec::with_capacity(places.len());
        for place in &places {
            let found = self.event_at(channel, *place).await.map_err(|failure| refusal(&failure))?;
            if let Some((at, Body::Act(act))) = found.map(|logged| (logged.event.at, logged.event.body.clone())) {
                acts.push((*place, at, act));
            }
        }
        let next = places.last().copied().filter(|_| places.len() == limit);
        Ok((acts, next))
    }

    /// The event at this place, unless it is gone.
    pub(super) async fn event_at(&self, channel: &ChannelId, place: Seq) -> Result<Option<Logged>, LogError> {
        let page = self.parts.log.read(channel, Seq(place.0.saturating_sub(1)), 1).await?;
        Ok(page.events.into_iter().next().filter(|logged| logged.seq == place))
    }

    async fn there_is_a_line(&self, live: &Live, place: Seq) -> Result<(), Refusal> {
        if live.state.lock().channel.line_at(place).is_some() {
            return Ok(());
        }
        let found = self.event_at(live.id(), place).await.map_err(|failure| refusal(&failure))?;
        let is_line = found.is_some_and(|logged| matches!(logged.event.body, Body::Line(_)));
        if is_line { Ok(()) } else { Err(Refusal::NoSuchLine) }
    }

    fn admit_act(
        &self,
        live: &Live,
        newest: Option<&Cid>,
        staff: Staff,
        asked: Asked,
        id: EventId,
    ) -> Result<Event, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let (now, rules) = (self.parts.clock.now(), self.rules());
        let wish = self.passing(live, &staff, asked.wish)?;
        let state = live.state.lock();
        let channel = &state.channel;
        let deed = match wish {
            Wish::Hide(which) => Deed::Hide(lines(channel, which)?),
            Wish::Show(which) => Deed::Show(lines(channel, which)?),
            Wish::Unpin => Deed::Unpin,
            Wish::Undo(place) => Deed::Undo(place),
            Wish::Run(change) => Deed::Run(change),
            Wish::Panic(change, seconds) => Deed::Panic(change, now + i64::from(seconds) * 1_000),
            Wish::Calm => Deed::Calm,
            Wish::Filter(change) => Deed::Filter(Arc::new(change)),
            Wish::Say(change) => Deed::Say(Arc::new(change)),
            Wish::Mark(name, status, version) => Deed::Mark(place_of_question(channel, &name)?, status, version),
            Wish::Kick(user) => Deed::Kick(whom(&state, &user)),
            Wish::Penalize(user, seconds) => Deed::Penalize(whom(&state, &user), now + i64::from(seconds) * 1_000),
            Wish::Block(user, days) => {
                let until = days.map(|days| now + i64::from(days) * DAY_MS);
                Deed::Block(whom(&state, &user), until)
            }
            Wish::Lift(user) => Deed::Lift(whom(&state, &user)),
            Wish::Appoint(user, role) => Deed::Appoint(whom(&state, &user), role),
            Wish::Pin(notice, seconds) => {
                let content = match notice {
                    Notice::Line(name) => PinContent::Line(place_of(channel, &name)?),
                    Notice::Text(says, mut extras) => {
                        text::trim_emojis(&rules.limits, &says, &mut extras);
                        PinContent::Text(says, extras)
                    }
                };
                let until = seconds.map(|seconds| now + i64::from(seconds) * 1_000);
                let cid = newest.cloned().ok_or(Refusal::BroadcastEnded)?;
                Deed::Pin(Arc::new(Pin { cid, content, until }))
            }
        };
        let Staff { by, credential, key } = staff;
        let cid = newest.filter(|_| key.is_empty()).cloned();
        if cid.is_some() {
            // What is forgotten is for the site alone: whose it was has to be looked up.
            remembered(channel, &deed)?;
        }
        let act = Act { by, cid, credential, key, reason: asked.reason, deed };
        channel.admit_act(&rules.limits, &act, now)?;
        Ok(Event { id, at: now, body: Body::Act(Arc::new(act)) })
    }

    /// What somebody wishes, as far as the rules of the site and the limits of others have a say in it. Done before the
    /// channel is looked at, because it may take its time.
    fn passing(&self, live: &Live, staff: &Staff, wish: Wish) -> Result<Wish, Refusal> {
        let held = || {
            let state = live.state.lock();
            state.channel.is_staff_here(&staff.by, &staff.credential)?;
            Ok(state.channel.filtering().rules.clone())
        };
        match wish {
            Wish::Filter(change) => {
                let held = held()?;
                Ok(Wish::Filter(slowly(|| filters::checked(held.filter(), change))?))
            }
            Wish::Pin(Notice::Text(says, extras), seconds) => {
                held()?;
                self.passes_site(staff.by.role, &says, &extras)?;
                Ok(Wish::Pin(Notice::Text(says, extras), seconds))
            }
            Wish::Say(change) => {
                held()?;
                for text in change.texts() {
                    self.passes_site(staff.by.role, text, &Extras::default())?;
                }
                Ok(Wish::Say(change))
            }
            other => Ok(other),
        }
    }

    /// Appends an act now, and waits for it.
    fn carry_out(&self, live: &Arc<Live>, event: Event) -> impl Future<Output = Outcome> + use<> {
        let (answer, told) = waited_for();
        self.append(live.id(), event, Arc::clone(live), answer);
        let live = Arc::clone(live);
        async move {
            let outcome = told.await;
            if !matches!(outcome, Outcome::Refused(_)) {
                // Somebody may be telling what was revealed before.
                live.told();
            }
            outcome
        }
    }
}

/// What is said of an act; nothing of one that was so already.
fn done(outcome: Outcome) -> Result<Option<Receipt>, Refusal> {
    match outcome {
        Outcome::Refused(refusal) => Err(refusal),
        Outcome::Acted(receipt) | Outcome::Sent(receipt) | Outcome::Before(receipt) => Ok(Some(receipt)),
        Outcome::Voted(_) | Outcome::RefusedBefore | Outcome::At(_) | Outcome::Done | Outcome::Late => Ok(None),
    }
}

/// What an act that stands in the log was answered with: it was `done`, or was so already. Not when it asks for something
/// else than what is `asked`, or is gone.
pub(super) fn receipt_of(
    there: Option<Logged>,
    asked: (Millis, &Body),
    done: bool,
) -> Result<Option<Receipt>, StationError> {
    let Some(Logged { seq, event }) = there else { return Err(StationError::DoneBefore) };
    if !asks_the_same(asked, (event.at, &event.body)) {
        return Err(StationError::OtherContent);
    }
    Ok(done.then_some(Receipt { id: event.id, time: event.at, seq }))
}

/// Whether two acts, each of its time, ask for the same: what ends by itself ends after as long.
fn asks_the_same((at, one): (Millis, &Body), (then, other): (Millis, &Body)) -> bool {
    match (one, other) {
        (Body::Act(one), Body::Act(other)) => one.deed.asked_at(at) == other.deed.asked_at(then),
        _ => false,
    }
}

/// Whether a line that an act names is one of the last ones.
fn remembered(channel: &Channel, deed: &Deed) -> Result<(), Refusal> {
    match deed {
        Deed::Hide(Lines::One(place)) | Deed::Show(Lines::One(place)) if channel.line_at(*place).is_none() => {
            Err(Refusal::NoSuchLine)
        }
        _ => Ok(()),
    }
}

/// Whom somebody means: as they are in the broadcast, as they were in one of its last lines, or nothing but a name.
fn whom(state: &State, user: &UserId) -> Arc<Author> {
    let present = state.stage.as_ref().and_then(|stage| stage.roster.find(user));
    let known = present.or_else(|| state.channel.author(user.as_str()).cloned());
    let unknown = || {
        let profile = Profile { nickname: user.to_string(), ..Profile::default() };
        Author { uid: user.clone(), profile: Arc::new(profile), role: Role::Viewer }
    };
    Arc::new(known.unwrap_or_else(unknown))
}

fn lines(channel: &Channel, which: Which) -> Result<Lines, Refusal> {
    Ok(match which {
        Which::Line(name) => Lines::One(place_of(channel, &name)?),
        Which::Of(user) => Lines::Of(user),
        Which::Sweep { seconds, newcomer_minutes } => Lines::Sweep { seconds, newcomer_minutes },
    })
}

pub(super) fn place_of_question(channel: &Channel, name: &Name) -> Result<Seq, Refusal> {
    match name {
        Name::Place(place) => Ok(*place),
        Name::Said(user, time) => channel.place_of_question(user, *time).ok_or(Refusal::NoSuchLine),
    }
}

fn place_of(channel: &Channel, name: &Name) -> Result<Seq, Refusal> {
    match name {
        Name::Place(place) => Ok(*place),
        Name::Said(user, time) => channel.place_of(user, *time).ok_or(Refusal::NoSuchLine),
    }
}
