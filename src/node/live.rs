//! A channel that is in use: its fold, its stage, and the task that brings it what happens.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::channel::{Channel, Verdict};
use crate::eventlog::tail::{Tail, TailEnd};
use crate::eventlog::{LARGEST_PAGE, LogError};
use crate::model::event::Logged;
use crate::model::id::{ChannelId, Cid, Seq};
use crate::model::item::Audience;
use crate::model::message::Receipt;

use super::append::{Waiters, WaitersOf};
use super::stage::Stage;
use super::{Outcome, Parts};

/// Wait before a store that failed is asked again.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// One channel in memory.
pub(super) struct Live {
    id: ChannelId,
    pub(super) state: Mutex<State>,
    waiters: Waiters,
}

/// What one lock guards.
pub(super) struct State {
    pub(super) channel: Channel,
    /// The newest broadcast, on air or over.
    pub(super) stage: Option<Arc<Stage>>,
}

impl Live {
    /// Folds the channel's log and follows it from there.
    pub(super) async fn load(
        id: &ChannelId,
        parts: &Arc<Parts>,
        over: &CancellationToken,
    ) -> Result<Arc<Self>, LogError> {
        let mut channel = Channel::new(id.clone());
        loop {
            let page = parts.log.read(id, channel.seq(), LARGEST_PAGE).await?;
            let last = page.events.len() < LARGEST_PAGE;
            for logged in &page.events {
                channel.apply(logged);
            }
            if last {
                break;
            }
        }
        let tail = parts.log.follow(id, channel.seq());
        let stage = channel.broadcasts().last().map(|broadcast| Stage::set_up(parts, id, &broadcast.cid));
        let state = Mutex::new(State { channel, stage });
        let live = Arc::new(Self { id: id.clone(), state, waiters: Waiters::default() });
        tokio::spawn(over.clone().run_until_cancelled_owned(deliver(live.clone(), parts.clone(), tail)));
        parts.metrics.channels.inc();
        Ok(live)
    }

    /// Whose it is.
    pub(super) fn id(&self) -> &ChannelId {
        &self.id
    }

    /// Judges what the log brings, hands accepted items to the feed, and answers those who asked.
    fn apply(&self, events: &[Logged], parts: &Parts) -> Option<Arc<Stage>> {
        let mut verdicts = Vec::with_capacity(events.len());
        let mut state = self.state.lock();
        for logged in events {
            let verdict = state.channel.apply(logged);
            match &verdict {
                Verdict::Line(kept) => {
                    parts.metrics.lines.inc();
                    let item = state.channel.reveal(kept, Audience::All);
                    if let Some(stage) = &state.stage {
                        stage.feed.push([item]);
                    }
                }
                Verdict::Opened(cid) => state.stage = Some(Stage::set_up(parts, &self.id, cid)),
                Verdict::Rejected(_) | Verdict::Closed(_) | Verdict::Repeat(_) | Verdict::Nothing => {}
            }
            verdicts.push((logged.event.id, verdict));
        }
        let stage = state.stage.clone();
        drop(state);
        for (id, verdict) in verdicts {
            self.waiters.answer(id, || outcome(verdict));
        }
        stage
    }

    /// Whether lines can be said in it.
    pub(super) fn is_on_air(&self) -> bool {
        self.state.lock().channel.on_air().is_some()
    }

    /// The broadcast's stage, when it is the newest one.
    pub(super) fn stage_of(&self, cid: &Cid) -> Option<Arc<Stage>> {
        self.state.lock().stage.clone().filter(|stage| stage.feed.cid() == cid)
    }
}

impl WaitersOf for Arc<Live> {
    fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    fn applied(&self, seq: Seq) -> bool {
        self.state.lock().channel.seq() >= seq
    }

    fn receipt(&self, seq: Seq) -> Option<Receipt> {
        self.state.lock().channel.receipt(seq)
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Line(kept) => Outcome::Sent(Receipt { id: kept.id, time: kept.time, seq: kept.seq }),
        Verdict::Repeat(first) => Outcome::Sent(first),
        Verdict::Rejected(refusal) => Outcome::Refused(refusal),
        Verdict::Opened(_) | Verdict::Closed(_) | Verdict::Nothing => Outcome::Done,
    }
}

/// Brings the channel what its log brings, until the log is closed.
async fn deliver(live: Arc<Live>, parts: Arc<Parts>, mut tail: Tail) {
    loop {
        match tail.next().await {
            Ok(events) => {
                if let Some(stage) = live.apply(&events, &parts) {
                    stage.feed.room().await;
                }
            }
            Err(TailEnd::Closed) => return,
            Err(end) => {
                if !matches!(end, TailEnd::Lagged(_)) {
                    parts.metrics.faults.inc();
                    error!(?end, channel = %live.id, "the channel's log can't be followed");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
                let seq = live.state.lock().channel.seq();
                tail = parts.log.follow(&live.id, seq);
            }
        }
    }
}
