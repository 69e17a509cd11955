//! Says in the chat who comes and goes, where a channel wants that.

use std::collections::VecDeque;
#[cfg(not(shuttle))]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
#[cfg(shuttle)]
use shuttle::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::clock;
use crate::model::access::Credential;
use crate::model::announcement::{Announcement, News};
use crate::model::aside::Aside;
use crate::model::event::{Body, Event};
use crate::model::id::{AddressHash, UserId};
use crate::model::own_lines::{OwnLine, Visit};
use crate::model::principal::Principal;
use crate::policy::rate::{Pace, Rate};

use super::Parts;
use super::live::Live;
use super::stage::Stage;

/// How long somebody has to be away before they have left: a page that is loaded anew is no visit.
const AWAY: Duration = Duration::from_secs(10);

/// How long nothing is said of those who come after a broadcast that was on before has been read: they were here.
const COMING_BACK: Duration = Duration::from_secs(30);

/// Those who have gone and may come back, and those who wait to be told of, at most; of one more nothing is said.
const MOST_WAITING: usize = 1_024;

/// How many comings and goings of a channel are told; of one more nothing is said.
const RATE: Rate = Rate { per_second: 1, burst: 10 };

/// Who has come and gone and isn't told of yet.
pub(super) struct Visits {
    /// Whether the channel wants to have them told.
    told: AtomicBool,
    waiting: Mutex<Waiting>,
    some: Notify,
    /// Whoever comes before that was here.
    settled: Instant,
}

#[derive(Default)]
struct Waiting {
    steps: VecDeque<Step>,
    /// Who may come back, the first to be given up first.
    gone: VecDeque<Step>,
}

struct Step {
    stage: Weak<Stage>,
    uid: UserId,
    nickname: String,
    /// Their token.
    credential: Credential,
    /// Where a guest comes from.
    address: Option<AddressHash>,
    comes: bool,
    at: Instant,
}

impl Visits {
    /// Nobody yet, in a channel that has just been read; `on_air` when a broadcast was on by then.
    pub(super) fn new(told: bool, on_air: bool) -> Self {
        let settled = clock::instant() + if on_air { COMING_BACK } else { Duration::ZERO };
        Self { told: AtomicBool::new(told), waiting: Mutex::default(), some: Notify::new(), settled }
    }

    /// Whether the channel wants to have them told from now on.
    pub(super) fn tell(&self, told: bool) {
        self.told.store(told, Ordering::Relaxed);
    }

    /// Somebody has come with their first connection, or gone with their last. Called in the order in which they do, under
    /// the roster's lock.
    pub(super) fn note(&self, stage: &Arc<Stage>, who: &Principal, address: Option<AddressHash>, comes: bool) {
        if !self.told.load(Ordering::Relaxed) || !stage.tells_visits() {
            return;
        }
        let at = clock::instant();
        if comes && at < self.settled {
            return;
        }
        let (uid, nickname, credential) = (who.uid.clone(), who.profile.nickname.clone(), who.credential());
        let step = Step { stage: Arc::downgrade(stage), uid, nickname, credential, address, comes, at };
        let mut waiting = self.waiting.lock();
        if waiting.steps.len() < MOST_WAITING {
            waiting.steps.push_back(step);
        }
        drop(waiting);
        self.some.notify_one();
    }

    /// Nothing is said any more of what somebody has done by now.
    pub(super) fn forget(&self, uid: &UserId) {
        let mut waiting = self.waiting.lock();
        waiting.steps.retain(|step| step.uid != *uid);
        waiting.gone.retain(|step| step.uid != *uid);
    }

    /// Somebody has gone before their coming was told: their going isn't, either.
    fn passed_by(&self, step: &Step) {
        let waiting = &mut *self.waiting.lock();
        let goes = |other: &Step| !other.comes && other.uid == step.uid && other.stage.ptr_eq(&step.stage);
        if let Some(index) = waiting.steps.iter().position(goes) {
            waiting.steps.remove(index);
        }
    }

    /// When the next of those who have gone is given up.
    fn next(&self) -> Option<Instant> {
        self.waiting.lock().gone.front().map(|step| step.at + AWAY)
    }

    /// What is to be said now.
    fn due(&self) -> Option<Step> {
        let waiting = &mut *self.waiting.lock();
        while let Some(step) = waiting.steps.pop_front() {
            if !step.comes {
                if waiting.gone.len() < MOST_WAITING {
                    waiting.gone.push_back(step);
                }
                continue;
            }
            let back = |other: &Step| other.uid == step.uid && other.stage.ptr_eq(&step.stage);
            match waiting.gone.iter().position(back) {
                Some(index) => _ = waiting.gone.remove(index),
                None => return Some(step),
            }
        }
        let now = clock::instant();
        waiting.gone.pop_front_if(|step| step.at + AWAY <= now)
    }
}

/// Tells of them, for as long as anybody holds the channel.
pub(super) async fn tell(visits: Arc<Visits>, live: Weak<Live>, parts: Arc<Parts>) {
    let pace = Pace::default();
    loop {
        let next = visits.next();
        tokio::select! {
            () = visits.some.notified() => {}
            () = sleep_until(next.unwrap_or_else(clock::instant)), if next.is_some() => {}
        }
        while let Some(step) = visits.due() {
            let Some(live) = live.upgrade() else { return };
            let Some(stage) = step.stage.upgrade() else { continue };
            if stage.roster.has(&step.uid) == step.comes {
                say(&live, &stage, &step, &pace, &parts).await;
            } else if step.comes {
                visits.passed_by(&step);
            }
        }
    }
}

/// Says it as the channel wants it now, if it isn't more than anybody would read.
async fn say(live: &Live, stage: &Arc<Stage>, step: &Step, pace: &Pace, parts: &Parts) {
    let (now, members) = (parts.clock.now(), stage.feed.headcount().now().sockets);
    if !stage.tells_visits() {
        return;
    }
    let (text, kept) = {
        let state = live.state.lock();
        let here = state.is_newest(Some(stage)) && state.channel.on_air().is_some();
        // Who is erased as a guest is revoked, too.
        let nobody = state.channel.is_revoked(&step.uid, &step.credential);
        let told = here && !nobody && state.channel.may_be_told_of(&step.uid, step.address, now);
        let lines = state.channel.own_lines();
        (lines.of_visit(&step.nickname, step.comes).filter(|_| told), lines.kept)
    };
    let Some(text) = text.filter(|_| pace.take(now, RATE).is_ok()) else { return };
    if !kept {
        stage.feed.tell_aside(&Aside::Line(OwnLine { text, time: now, members }), None);
        return;
    }
    let news = News::Visit(Visit { uid: step.uid.clone(), text });
    let announcement = Announcement { cid: stage.feed.cid().clone(), key: String::new(), news };
    let event = Event::new(now, Body::Announced(Arc::new(announcement)));
    // Nobody waits for it: what fails is not said.
    if let Err(failure) = parts.log.append(live.id(), Arc::new(event)).await {
        warn!(%failure, channel = %live.id(), "who comes and goes could not be written down");
    }
}
