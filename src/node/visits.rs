//! Says in the chat who comes and goes, where a channel wants that.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::clock;
use crate::model::announcement::{Announcement, News};
use crate::model::aside::Aside;
use crate::model::event::{Body, Event};
use crate::model::id::UserId;
use crate::model::message::Author;
use crate::model::own_lines::{OwnLine, Visit};
use crate::policy::rate::{Pace, Rate};

use super::Parts;
use super::live::Live;
use super::stage::Stage;

/// How long somebody has to be away before they have left: a page that is loaded anew is no visit.
const AWAY: Duration = Duration::from_secs(10);

/// Those who have gone and may come back, and those who wait to be told of, at most; of one more nothing is said.
const MOST_WAITING: usize = 1_024;

/// How many comings and goings of a channel are told; of one more nothing is said.
const RATE: Rate = Rate { per_second: 1, burst: 10 };

/// Who has come and gone and isn't told of yet.
#[derive(Default)]
pub(super) struct Visits {
    waiting: Mutex<VecDeque<Step>>,
    some: Notify,
}

struct Step {
    stage: Weak<Stage>,
    uid: UserId,
    nickname: String,
    comes: bool,
    at: Instant,
}

impl Visits {
    /// Somebody has come with their first connection, or gone with their last.
    pub(super) fn note(&self, stage: &Arc<Stage>, author: &Author, comes: bool) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < MOST_WAITING {
            let (uid, nickname) = (author.uid.clone(), author.profile.nickname.clone());
            waiting.push_back(Step { stage: Arc::downgrade(stage), uid, nickname, comes, at: clock::instant() });
        }
        drop(waiting);
        self.some.notify_one();
    }
}

/// Tells of them, for as long as anybody holds the channel.
pub(super) async fn tell(visits: Arc<Visits>, live: Weak<Live>, parts: Arc<Parts>) {
    let mut teller = Teller { live, parts, gone: VecDeque::new(), pace: Pace::default() };
    loop {
        tokio::select! {
            () = visits.some.notified() => {}
            () = sleep_until(teller.next().unwrap_or_else(clock::instant)), if teller.next().is_some() => {}
        }
        let steps = std::mem::take(&mut *visits.waiting.lock());
        for step in steps {
            teller.take(step).await;
        }
        teller.tell_gone().await;
    }
}

struct Teller {
    live: Weak<Live>,
    parts: Arc<Parts>,
    /// Who may come back, the first to be given up first.
    gone: VecDeque<Step>,
    pace: Pace,
}

impl Teller {
    /// When the next of those who have gone is given up.
    fn next(&self) -> Option<Instant> {
        self.gone.front().map(|step| step.at + AWAY)
    }

    async fn take(&mut self, step: Step) {
        if !step.comes {
            if self.gone.len() < MOST_WAITING {
                self.gone.push_back(step);
            }
            return;
        }
        let back = |other: &Step| other.uid == step.uid && other.stage.ptr_eq(&step.stage);
        match self.gone.iter().position(back) {
            Some(index) => _ = self.gone.remove(index),
            None => self.say(&step).await,
        }
    }

    async fn tell_gone(&mut self) {
        let now = clock::instant();
        while let Some(step) = self.gone.pop_front_if(|step| step.at + AWAY <= now) {
            self.say(&step).await;
        }
    }

    /// Says it as the channel wants it now, if that isn't more than anybody would read.
    async fn say(&self, step: &Step) {
        let (Some(live), Some(stage)) = (self.live.upgrade(), step.stage.upgrade()) else { return };
        let (text, kept) = {
            let state = live.state.lock();
            let lines = state.channel.own_lines();
            let here = state.is_newest(Some(&stage)) && state.channel.on_air().is_some();
            let text = lines.of_visit(&step.nickname, step.comes).filter(|_| here);
            (text, lines.kept)
        };
        let Some(text) = text else { return };
        let (now, members) = (self.parts.clock.now(), stage.feed.headcount().now().sockets);
        if members > self.parts.config.visits_told || self.pace.take(now, RATE).is_err() {
            return;
        }
        if !kept {
            stage.feed.tell_aside(&Aside::Line(OwnLine { text, time: now, members }), None);
            return;
        }
        let news = News::Visit(Visit { uid: step.uid.clone(), text });
        let announcement = Announcement { cid: stage.feed.cid().clone(), key: String::new(), news };
        let event = Event::new(now, Body::Announced(Arc::new(announcement)));
        // Nobody waits for it: what fails is not said.
        if let Err(failure) = self.parts.log.append(live.id(), Arc::new(event)).await {
            warn!(%failure, channel = %live.id(), "who comes and goes could not be written down");
        }
    }
}
