//! What lines may not say: in a channel, in the whole site, and what rules would have done to the last minutes.

use std::sync::Arc;

#[cfg(not(shuttle))]
use tokio::runtime::RuntimeFlavor;

use crate::channel::{Channel, Filtering, Measures};
use crate::eventlog::{LARGEST_PAGE, LogError};
use crate::model::access::Credential;
use crate::model::act::{Act, Deed};
use crate::model::event::{Body, Event, Logged};
use crate::model::filter::{Filter, FilterChange, Finding, Measure};
use crate::model::id::{ChannelId, EventId, Seq};
use crate::model::item::LineView;
use crate::model::message::{Author, Extras, Line, Receipt};
use crate::model::principal::{Principal, Role};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::rules::{self, Rules};

use super::act::receipt_of;
use super::append::{refusal, waited_for};
use super::live::Live;
use super::{Access, Done, Node, Outcome, StationError};

/// Longest look back of a trial, in minutes.
pub const LONGEST_TRIAL_MINUTES: u32 = 60;

/// Lines that a trial looks at, at most: the oldest of its minutes.
const MOST_TRIED: u64 = 200_000;

/// Lines that a trial shows, at most: the last ones.
const MOST_SHOWN: usize = 100;

const MINUTE_MS: i64 = 60_000;

/// What rules would have done.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Lines that were looked at.
    pub lines: u64,
    /// Whether those are all of the time that was asked for.
    pub whole: bool,
    /// How many of them the rules would have dealt with, and how.
    pub found: [(Measure, u64); 4],
    /// The last of these whose text may be seen now, newest first, and what would have been found.
    pub shown: Vec<(LineView, Finding)>,
}

impl Node {
    /// Lets a line pass as the rules of its channel and the site's say; those rules, if they have to be compiled before.
    pub(super) fn filter(&self, line: &mut Line, measures: &Measures) -> Result<Option<Vec<Arc<Rules>>>, Refusal> {
        let sets: Vec<Arc<Rules>> = self.site_rules(measures.role).into_iter().chain(measures.rules.clone()).collect();
        if !sets.iter().all(|rules| rules.is_ready()) {
            return Ok(Some(sets));
        }
        line.judged = measures.since;
        let passed = rules::pass(&sets, line);
        let measure = match &passed {
            Err(_) => Some(Measure::Refuse),
            Ok(()) => line.filtered.as_ref().map(|filtered| filtered.measure),
        };
        if let Some(measure) = measure {
            self.parts.metrics.filtered.get_or_create(&measure.word().into()).inc();
        }
        passed.map(|()| None)
    }

    /// Refuses a text that the site's rules don't leave as it is, whatever they would make of a line.
    pub(super) fn passes_site(&self, role: Role, text: &str, extras: &Extras) -> Result<(), Refusal> {
        let sets: Vec<Arc<Rules>> = self.site_rules(role).into_iter().collect();
        match slowly(|| rules::judge(&sets, text, extras)) {
            Some(found) => Err(Refusal::Filtered(found.rule)),
            None => Ok(()),
        }
    }

    /// Refuses a name that the site's rules or the channel's don't leave as it is.
    pub(super) fn passes_here(&self, live: &Live, name: &str) -> Result<(), Refusal> {
        let held = live.state.lock().channel.filtering().rules.clone();
        let sets: Vec<Arc<Rules>> = self.site_rules(Role::Viewer).into_iter().chain([held]).collect();
        match slowly(|| rules::judge(&sets, name, &Extras::default())) {
            Some(found) => Err(Refusal::Filtered(found.rule)),
            None => Ok(()),
        }
    }

    /// The site's rules, for everybody but the site itself.
    fn site_rules(&self, role: Role) -> Option<Arc<Rules>> {
        (role < Role::SiteManager).then(|| self.directory.rules())
    }

    /// What lines may not say in a channel.
    pub async fn rules_of(&self, channel: &ChannelId) -> Result<Filtering, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let state = live.state.lock();
        Ok(state.channel.filtering().clone())
    }

    /// The same for one of its staff, by their login; it counts as an act.
    pub async fn rules_for(&self, channel: &ChannelId, principal: Principal) -> Result<Filtering, StationError> {
        let live = self.for_staff(channel, principal).await?;
        let state = live.state.lock();
        Ok(state.channel.filtering().clone())
    }

    /// What lines may not say in any channel.
    pub fn rules_of_site(&self) -> Filtering {
        self.directory.filtering()
    }

    /// Changes the rules of the whole site, or takes such a change back. In force on this machine when this is over; others
    /// follow as soon as they read it. `None` when it was so already.
    pub async fn rule_site(
        &self,
        deed: Deed,
        (by, reason): (Author, String),
        access: &Access,
        id: EventId,
    ) -> Result<Option<Receipt>, StationError> {
        self.pace_program(&access.id)?;
        if by.role < Role::SiteManager {
            return Err(Refusal::NotStaff.into());
        }
        let deed = match deed {
            Deed::Filter(change) => {
                let held = self.directory.rules();
                Deed::Filter(Arc::new(slowly(|| rules::checked(held.filter(), FilterChange::clone(&change)))?))
            }
            Deed::Undo(act) if self.directory.filtering().is_due_to(act) => Deed::Undo(act),
            _ => return Err(Refusal::NothingToUndo.into()),
        };
        let key = access.id.clone();
        let act = Act { by, cid: None, credential: Credential::of_the_site(), key, reason, deed };
        let event = Event { id, at: self.parts.clock.now(), body: Body::Act(Arc::new(act)) };
        let (answer, told) = waited_for();
        let asked = event.clone();
        self.append(&ChannelId::directory(), event, self.directory.clone(), answer);
        match told.await {
            Outcome::Refused(refusal) => Err(refusal.into()),
            Outcome::Acted(receipt) | Outcome::Sent(receipt) | Outcome::Before(receipt) => Ok(Some(receipt)),
            Outcome::At(place) => {
                let there = self.event_at(&ChannelId::directory(), place).await.map_err(|failure| refusal(&failure))?;
                let done = self.directory.trail(None, usize::MAX).contains(&place);
                receipt_of(there, (asked.at, &asked.body), done)
            }
            Outcome::Voted(_) | Outcome::RefusedBefore | Outcome::Done | Outcome::Late => Ok(None),
        }
    }

    /// Up to `limit` things that were done in the whole site before a place, newest first; and the place behind which to go
    /// on.
    pub async fn site_acts(&self, before: Option<Seq>, limit: usize) -> Result<(Vec<Done>, Option<Seq>), StationError> {
        self.acts_at(&ChannelId::directory(), self.directory.trail(before, limit), limit).await
    }

    /// What a change would have done by itself to the last minutes of a channel, or without one, what the rules do that
    /// hold now: staff and what they may say aside. One at a time.
    pub async fn try_rules(
        &self,
        channel: &ChannelId,
        change: Option<FilterChange>,
        minutes: u32,
    ) -> Result<Trial, StationError> {
        let Ok(_turn) = self.trying.try_lock() else { return Err(Refusal::Busy { retry_after_ms: 1_000 }.into()) };
        let change = change.map(|change| slowly(|| rules::checked(&Filter::default(), change))).transpose()?;
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let held = live.state.lock().channel.filtering().rules.clone();
        let rules = match change {
            Some(change) => vec![alone(held.filter(), &change)],
            None => vec![self.directory.rules(), held],
        };
        let since = self.parts.clock.now() - i64::from(minutes) * MINUTE_MS;
        let mut trying = Trying { rules, since, lines: 0, found: [0; 4], last: Vec::new() };
        let (dropped, end) = {
            let state = live.state.lock();
            (state.channel.dropped(), state.channel.seq())
        };
        let mut place = self.first_since(&view.id, since, (dropped, end)).await.map_err(|failure| refusal(&failure))?;
        while place < end && trying.lines < MOST_TRIED {
            let page = self.parts.log.read(&view.id, place, LARGEST_PAGE).await.map_err(|failure| refusal(&failure))?;
            let Some(last) = page.events.last().map(|logged| logged.seq) else { break };
            place = last;
            let theirs = {
                let state = live.state.lock();
                let lines = page.events.into_iter().filter(|logged| logged.seq <= end);
                lines.filter(|logged| is_of_a_viewer(&state.channel, logged)).collect::<Vec<_>>()
            };
            // A page may take as long as many requests together.
            let tried = tokio::task::spawn_blocking(move || {
                theirs.into_iter().for_each(|logged| trying.look_at(&logged));
                trying
            });
            trying = tried.await.map_err(|_| Refusal::Fault)?;
        }
        let measures = [Measure::Mask, Measure::Blind, Measure::Shadow, Measure::Refuse];
        Ok(Trial {
            lines: trying.lines,
            whole: place >= end,
            found: std::array::from_fn(|index| (measures[index], trying.found[index])),
            shown: self.shown(&live, trying.last).await?,
        })
    }

    /// Lines in which something was found, newest first, as far as they still are there and their text may be seen.
    async fn shown(&self, live: &Live, found: Vec<(Seq, Finding)>) -> Result<Vec<(LineView, Finding)>, StationError> {
        let mut shown = Vec::new();
        for (place, finding) in found.into_iter().rev().take(MOST_SHOWN) {
            // It may have been erased meanwhile.
            let logged = self.event_at(live.id(), place).await.map_err(|failure| refusal(&failure))?;
            shown.extend(logged.map(|logged| (logged, finding)));
        }
        let state = live.state.lock();
        let seen = |(logged, finding): (Logged, Finding)| {
            let line = state.channel.reveal_logged(&logged).filter(|line| !line.status().withholds())?;
            // What other rules have covered is not spelled out.
            let is_masked = matches!(&logged.event.body, Body::Line(line) if line.as_sent() != line.draft.text);
            let masked = finding.masked.filter(|_| !is_masked);
            Some((line, Finding { masked, ..finding }))
        };
        Ok(shown.into_iter().filter_map(seen).collect())
    }

    /// A place behind which, as far as clocks agree, everything stands that happened since then, and little else.
    async fn first_since(
        &self,
        channel: &ChannelId,
        since: Millis,
        (mut early, mut late): (Seq, Seq),
    ) -> Result<Seq, LogError> {
        while late.0.saturating_sub(early.0) > LARGEST_PAGE as u64 {
            let middle = Seq(early.0 + (late.0 - early.0) / 2);
            let page = self.parts.log.read(channel, middle, 1).await?;
            match page.events.first() {
                Some(logged) if logged.event.at < since => early = middle,
                Some(_) | None => late = middle,
            }
        }
        Ok(early)
    }
}

/// Does for staff what may take tens of milliseconds. What else this thread has to do is done by another meanwhile.
pub(super) fn slowly<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(not(shuttle))]
    if tokio::runtime::Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread) {
        return tokio::task::block_in_place(work);
    }
    work()
}

/// A change by itself, but for the hosts that are allowed already.
fn alone(held: &Filter, change: &FilterChange) -> Arc<Rules> {
    let mut filter = Filter { hosts: held.hosts.clone(), ..Filter::default() };
    filter.change(change, "", Millis::default());
    Arc::new(filter.into())
}

/// A trial under way.
struct Trying {
    rules: Vec<Arc<Rules>>,
    since: Millis,
    lines: u64,
    found: [u64; 4],
    /// Places of the last lines in which something was found, oldest first.
    last: Vec<(Seq, Finding)>,
}

impl Trying {
    fn look_at(&mut self, logged: &Logged) {
        let Body::Line(line) = &logged.event.body else { return };
        if logged.event.at < self.since {
            return;
        }
        self.lines += 1;
        let Some(finding) = rules::judge(&self.rules, line.as_sent(), &line.draft.extras) else { return };
        self.found[finding.measure as usize] += 1;
        self.last.push((logged.seq, finding));
        if self.last.len() >= 2 * MOST_SHOWN {
            self.last.drain(..MOST_SHOWN);
        }
    }
}

/// Whether this is a line of somebody who is no staff here, as far as that is known by now.
fn is_of_a_viewer(channel: &Channel, logged: &Logged) -> bool {
    let Body::Line(line) = &logged.event.body else { return false };
    !channel.role_of(&line.author.uid, line.author.role, &line.credential).is_staff()
}
