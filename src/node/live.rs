//! A channel that is in use: its fold, its stage, and the task that brings it what happens.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, warn};

use crate::channel::{Channel, KeptAct, Verdict};
use crate::clock;
use crate::eventlog::tail::{Tail, TailEnd};
use crate::eventlog::{EventLog, LARGEST_PAGE, LogError};
use crate::model::act::{Deed, Lines};
use crate::model::event::{Body, Event, Logged};
use crate::model::id::{AddressHash, ChannelId, Cid, Seq, UserId};
use crate::model::item::Item;
use crate::model::message::{Author, Receipt};
use crate::model::principal::Principal;
use crate::model::time::Millis;

use super::append::{Waiters, WaitersOf};
use super::judging::Queue;
use super::stage::Stage;
use super::visits::{self, Visits};
use super::{Outcome, Parts, lapse, snapshot, whisper};

/// Wait before a store that failed is asked again.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Events after which a channel's state is kept, so that no start has to fold more.
const SNAPSHOT_EVERY: u64 = 5_000;

/// Pause after a snapshot that could not be kept: a log that is too busy for it is not asked with every batch.
const AFTER_FAILED_SNAPSHOT: Duration = Duration::from_secs(5);

/// One channel in memory.
pub(super) struct Live {
    id: ChannelId,
    pub(super) state: Mutex<State>,
    waiters: Waiters,
    /// Lines that wait to be judged.
    pub(super) judging: Queue,
    /// Who has come and gone, where the channel says so.
    visits: Arc<Visits>,
    /// When it was asked for last.
    used: Mutex<Instant>,
    /// Held for reading by whoever tells somebody what was revealed a moment ago; taken under the state's lock, so nobody
    /// who holds it may wait for that, and a reader never waits for a writer.
    telling: RwLock<()>,
    /// Counts what may have changed somebody's role, or ended it.
    pub(super) roles: watch::Sender<u64>,
    /// Held while a snapshot is taken, so that one is at a time.
    keeping: Arc<AsyncMutex<()>>,
    over: CancellationToken,
    /// Ends the tasks that follow its log.
    _over: DropGuard,
}

/// What one lock guards.
pub(super) struct State {
    pub(super) channel: Channel,
    /// The newest broadcast, on air or over.
    pub(super) stage: Option<Arc<Stage>>,
    /// Stages of earlier broadcasts that somebody is still in, or that have something to send.
    earlier: Vec<Weak<Stage>>,
    /// Rises when something that was shown is shown otherwise.
    pub(super) revision: u64,
    /// How often it was read from its snapshot: counts of lines begin anew with each.
    pub(super) readings: u64,
    /// A snapshot covers everything up to here.
    covered: Seq,
    /// Whether somebody waits for what ends by itself.
    watched: bool,
}

impl State {
    /// Whether this is the stage of the newest broadcast, the only one in which something is said.
    pub(super) fn is_newest(&self, stage: Option<&Arc<Stage>>) -> bool {
        matches!((&self.stage, stage), (Some(newest), Some(stage)) if Arc::ptr_eq(newest, stage))
    }

    /// Takes back of what waits to be sent whatever an act has changed, and tells of it.
    fn reveal_again(&mut self, verdict: &Verdict, act: &KeptAct) {
        self.revision += 1;
        if matches!(verdict, Verdict::Wiped(..)) {
            // Lines that are no more can't be counted any more.
            self.readings += 1;
        }
        let theirs = |item: &Item, uid: &UserId| item.line().is_some_and(|line| line.author().uid == *uid);
        // What is no longer remembered may still be on its way.
        let hides = |item: &Item| match &act.event.body {
            Body::Act(done) => match &done.deed {
                Deed::Hide(Lines::Of(user)) => theirs(item, user),
                Deed::Penalize(user, _) => theirs(item, &user.uid),
                Deed::Hide(_) => act.tells_of(item.seq()),
                _ => false,
            },
            _ => false,
        };
        for stage in self.stages() {
            stage.feed.forget_stretches();
            stage.feed.amend(|item| match verdict {
                Verdict::Wiped(uid, _) if theirs(&item, uid) => None,
                _ if hides(&item) => Some(self.channel.conceal(item)),
                _ => Some(self.channel.reveal_again(stage.feed.cid(), item, act)),
            });
        }
        if let Some(stage) = &self.stage {
            stage.feed.push(self.channel.reveal_act(act));
        }
    }

    /// Every stage of the channel on which somebody is, or something waits.
    fn stages(&self) -> Vec<Arc<Stage>> {
        self.earlier.iter().filter_map(Weak::upgrade).chain(self.stage.clone()).collect()
    }

    /// Another broadcast begins.
    fn change_stage(&mut self, stage: Arc<Stage>) {
        self.earlier.retain(|earlier| earlier.strong_count() > 0);
        if let Some(before) = self.stage.replace(stage) {
            before.feed.forget_stretches();
            self.earlier.push(Arc::downgrade(&before));
        }
    }

    /// Events that no snapshot covers, as far as their places tell.
    fn fresh(&self) -> u64 {
        self.channel.seq().0.saturating_sub(self.covered.0)
    }
}

impl Live {
    /// The channel as its snapshot and the log behind it tell, following the log from there.
    pub(super) async fn load(
        id: &ChannelId,
        parts: &Arc<Parts>,
        over: &CancellationToken,
    ) -> Result<Arc<Self>, LogError> {
        let (channel, covered) = read(id, parts).await?;
        let tail = parts.log.follow(id, channel.seq());
        let stage = channel.broadcasts().last().map(|broadcast| Stage::set_up(parts, id, &broadcast.cid));
        let visits = Arc::new(Visits::new(channel.own_lines().tell_visits(), channel.on_air().is_some()));
        let over = over.child_token();
        let live = Arc::new(Self {
            id: id.clone(),
            state: Mutex::new(State {
                channel,
                stage,
                earlier: Vec::new(),
                revision: 0,
                readings: 1,
                covered,
                watched: false,
            }),
            waiters: Waiters::default(),
            judging: Queue::default(),
            visits,
            telling: RwLock::default(),
            roles: watch::channel(0).0,
            used: Mutex::new(clock::instant()),
            keeping: Arc::default(),
            over: over.clone(),
            _over: over.clone().drop_guard(),
        });
        let whispers =
            whisper::hear(Arc::downgrade(&live), parts.bus.clone(), parts.bus.subscribe(&whisper::topic(id)));
        tokio::spawn(over.clone().run_until_cancelled_owned(whispers));
        let telling = visits::tell(live.visits.clone(), Arc::downgrade(&live), parts.clone());
        tokio::spawn(over.clone().run_until_cancelled_owned(telling));
        tokio::spawn(over.run_until_cancelled_owned(deliver(Arc::downgrade(&live), parts.clone(), tail)));
        parts.metrics.channels.inc();
        live.keep_if_due(parts);
        live.watch_if_due(parts);
        Ok(live)
    }

    /// Starts again from the snapshot, because the log has dropped what comes next. Members are told of a gap.
    async fn reload(&self, parts: &Parts) -> Result<(), LogError> {
        let (channel, covered) = read(&self.id, parts).await?;
        let stages = self.state.lock().stages();
        let mut state = self.state.lock();
        stages.iter().for_each(|stage| stage.feed.lose(channel.seq()));
        if let Some(newest) = channel.broadcasts().last()
            && state.stage.as_ref().is_none_or(|stage| *stage.feed.cid() != newest.cid)
        {
            state.change_stage(Stage::set_up(parts, &self.id, &newest.cid));
        }
        self.visits.tell(channel.own_lines().tell_visits());
        (state.channel, state.covered) = (channel, covered);
        state.revision += 1;
        state.readings += 1;
        Ok(())
    }

    /// Begins to tell somebody what was revealed; under the state's lock, which may be let go of then, and not be taken
    /// again before this is over.
    pub(super) fn tells(&self) -> RwLockReadGuard<'_, ()> {
        #[cfg(not(shuttle))]
        return self.telling.read_recursive();
        // Its readers wait for writers who wait; nobody is kept waiting for long by either.
        #[cfg(shuttle)]
        self.telling.read()
    }

    /// Waits until whatever was revealed before now has been told, or goes to nobody.
    pub(super) fn told(&self) {
        let stages = self.state.lock().stages();
        stages.iter().for_each(|stage| stage.feed.settle());
        drop(self.telling.write());
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
                    let item = state.channel.reveal(kept);
                    if let Some(stage) = &state.stage {
                        stage.feed.push([item]);
                    }
                }
                Verdict::Announced(act) => {
                    if let Some(stage) = &state.stage {
                        stage.feed.push(state.channel.reveal_act(act));
                    }
                }
                Verdict::Voted { seq, view, changed: true } => {
                    if let Some(stage) = &state.stage {
                        stage.feed.push([state.channel.reveal_votes(*seq, view.clone())]);
                    }
                }
                Verdict::Opened(cid) => state.change_stage(Stage::set_up(parts, &self.id, cid)),
                Verdict::Act(act) | Verdict::Wiped(_, act) | Verdict::Dropped(_, act) => {
                    if let Verdict::Wiped(uid, _) = &verdict {
                        self.visits.forget(uid);
                    }
                    state.reveal_again(&verdict, act);
                }
                Verdict::Rejected(_)
                | Verdict::Closed(_)
                | Verdict::Repeat(_)
                | Verdict::Voted { .. }
                | Verdict::Late
                | Verdict::Nothing => {}
            }
            verdicts.push((logged.event.clone(), logged.seq, verdict));
        }
        self.visits.tell(state.channel.own_lines().tell_visits());
        let stage = state.stage.clone();
        drop(state);
        if verdicts.iter().any(|(event, _, verdict)| may_change_roles(event, verdict)) {
            self.roles.send_modify(|count| *count += 1);
        }
        for (event, seq, verdict) in verdicts {
            self.waiters.answer(event.id, || outcome(&event, seq, verdict));
        }
        stage
    }

    /// One more connection of a user; of a guest with the address.
    pub(super) fn come(&self, stage: &Arc<Stage>, who: &Principal, address: Option<AddressHash>, now: Millis) {
        let noted = || self.visits.note(stage, who, address, true);
        stage.enter(&Author::from(who), who.credential(), now, noted);
    }

    /// One connection less of a user, at which nobody looked if it was `away`.
    pub(super) fn go(&self, stage: &Arc<Stage>, who: &Principal, address: Option<AddressHash>, away: bool) {
        let noted = || self.visits.note(stage, who, address, false);
        stage.leave(&who.uid, &who.credential(), away, noted);
    }

    /// Notes down that somebody asked for it.
    pub(super) fn touch(&self) {
        *self.used.lock() = clock::instant();
    }

    /// For how long nobody has asked for it.
    pub(super) fn idle(&self) -> Duration {
        clock::instant().saturating_duration_since(*self.used.lock())
    }

    /// Keeps the state as a snapshot, unless the newest one has it all. Whether it is kept now.
    pub(super) async fn keep(&self, parts: &Parts) -> bool {
        let turn = self.keeping.clone().lock_owned().await;
        self.keep_now(parts, &turn).await
    }

    async fn keep_now(&self, parts: &Parts, _turn: &OwnedMutexGuard<()>) -> bool {
        let frozen = {
            let state = self.state.lock();
            if state.fresh() == 0 {
                return true;
            }
            state.channel.freeze()
        };
        let Some(frozen) = frozen else { return false };
        match parts.log.put_snapshot(&self.id, snapshot::take(&frozen)).await {
            Ok(()) => {
                parts.metrics.snapshots.inc();
                let mut state = self.state.lock();
                state.covered = state.covered.max(frozen.seq);
                true
            }
            Err(failure) => {
                warn!(%failure, channel = %self.id, "a snapshot could not be kept");
                false
            }
        }
    }

    /// What ends by itself next.
    pub(super) fn next_lapse(&self) -> Option<(Millis, Seq, Seq)> {
        let mut state = self.state.lock();
        let next = state.channel.next_lapse();
        state.watched = next.is_some();
        next
    }

    /// Sees to it that what ends by itself is written down when its time is up.
    fn watch_if_due(self: &Arc<Self>, parts: &Arc<Parts>) {
        let mut state = self.state.lock();
        if !state.watched && state.channel.next_lapse().is_some() {
            state.watched = true;
            let watching = lapse::watch(Arc::downgrade(self), parts.clone());
            tokio::spawn(self.over.clone().run_until_cancelled_owned(watching));
        }
    }

    /// Keeps the state soon when enough has happened that no snapshot covers.
    fn keep_if_due(self: &Arc<Self>, parts: &Arc<Parts>) {
        if self.state.lock().fresh() >= SNAPSHOT_EVERY {
            self.keep_soon(parts);
        }
    }

    /// Keeps the state beside what goes on; not when that is under way already, or has failed a moment ago.
    fn keep_soon(self: &Arc<Self>, parts: &Arc<Parts>) {
        let Ok(turn) = self.keeping.clone().try_lock_owned() else { return };
        let (live, parts) = (self.clone(), parts.clone());
        tokio::spawn(async move {
            if !live.keep_now(&parts, &turn).await {
                tokio::time::sleep(AFTER_FAILED_SNAPSHOT).await;
            }
        });
    }

    /// Lets go of what was made for those who came back.
    pub(super) fn tidy(&self) {
        let stage = self.state.lock().stage.clone();
        if let Some(stage) = stage {
            stage.feed.tidy();
        }
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

    fn became_of(&self, seq: Seq) -> Outcome {
        let channel = &self.state.lock().channel;
        match channel.receipt(seq) {
            Some(receipt) => Outcome::Before(receipt),
            None if channel.verdicts().is_refused(seq) => Outcome::RefusedBefore,
            None => Outcome::At(seq),
        }
    }
}

fn may_change_roles(event: &Event, verdict: &Verdict) -> bool {
    match &event.body {
        Body::Act(act) if matches!(verdict, Verdict::Act(_)) => matches!(act.deed, Deed::Appoint(..) | Deed::Undo(_)),
        Body::Revoked { .. } => true,
        _ => false,
    }
}

fn outcome(event: &Event, seq: Seq, verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Line(kept) => Outcome::Sent(Receipt { id: kept.id, time: kept.time, seq: kept.seq }),
        Verdict::Repeat(first) => Outcome::Sent(first),
        Verdict::Rejected(refusal) => Outcome::Refused(refusal),
        Verdict::Late => Outcome::Late,
        Verdict::Voted { view, .. } => Outcome::Voted(view),
        Verdict::Act(_) | Verdict::Announced(_) => Outcome::Acted(Receipt { id: event.id, time: event.at, seq }),
        Verdict::Opened(_) | Verdict::Closed(_) | Verdict::Wiped(..) | Verdict::Dropped(..) | Verdict::Nothing => {
            Outcome::Done
        }
    }
}

/// A channel as its newest snapshot and the log behind it tell, and up to where that snapshot goes.
async fn read(id: &ChannelId, parts: &Parts) -> Result<(Channel, Seq), LogError> {
    let mut channel = snapshot::restore(&*parts.log, id).await?;
    let covered = channel.seq();
    fold(&mut channel, &*parts.log).await?;
    Ok((channel, covered))
}

/// Folds what the log has behind the channel's place.
async fn fold(channel: &mut Channel, log: &dyn EventLog) -> Result<(), LogError> {
    loop {
        let page = log.read(channel.id(), channel.seq(), LARGEST_PAGE).await?;
        if page.gone > channel.seq() {
            let lost =
                format!("events up to {} are gone, and no snapshot that this build can read has them", page.gone);
            return Err(LogError::Store(lost));
        }
        for logged in &page.events {
            channel.apply(logged);
        }
        if page.events.len() < LARGEST_PAGE {
            return Ok(());
        }
    }
}

/// Brings the channel what its log brings, for as long as anybody holds it.
async fn deliver(live: Weak<Live>, parts: Arc<Parts>, mut tail: Tail) {
    loop {
        let brought = tail.next().await;
        let Some(live) = live.upgrade() else { return };
        match brought {
            Ok(events) => {
                let stage = live.apply(&events, &parts);
                live.keep_if_due(&parts);
                live.watch_if_due(&parts);
                drop(live);
                if let Some(stage) = stage {
                    stage.feed.room_for_more().await;
                }
            }
            Err(TailEnd::Closed) => return,
            Err(TailEnd::Gone(_)) => {
                if let Err(failure) = live.reload(&parts).await {
                    parts.metrics.faults.inc();
                    error!(%failure, channel = %live.id, "the channel's state can't be read");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
                live.watch_if_due(&parts);
                let seq = live.state.lock().channel.seq();
                tail = parts.log.follow(&live.id, seq);
            }
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
