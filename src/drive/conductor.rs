//! Leads the threads of a run: looks at it each second, and brings it to its end.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until};

use super::check::Law;
use super::dashboard::{Dashboard, Standing};
use super::engine::{Phase, Shared, Workers};
use super::peers::Peers;
use super::scenario::Scenario;
use super::script::Script;
use super::summary::{self, Remains, Slice};
use super::tally::Part;
use super::watch::{self, Cost, Watched};

/// How long answers and lines may be under way after the last step.
const SETTLING: Duration = Duration::from_secs(15);

/// The shortest rest before members are counted: some servers tell counts once a second.
const REST: Duration = Duration::from_millis(2_500);

/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How long what is said last may take to reach everybody.
const LAST_READ: Duration = Duration::from_millis(1_000);

/// How long a run that was stopped waits for what is under way.
const STOPPED: Duration = Duration::from_millis(1_500);

/// Seconds without anybody in after which a run ends by itself.
const ABANDONED: u32 = 10;

/// Seconds that threads may be late with what they tell, so that it still counts in their latency.
const LATEST: usize = 15;

/// From the end of a second until all threads have told theirs, and those of other processes.
const LATE: Duration = Duration::from_millis(120);
const LATE_OF_PEERS: Duration = Duration::from_millis(450);

/// The script as far as it is played: read second by second, so that an evening's isn't read at once.
#[derive(Debug)]
struct Outline(Script);

impl Outline {
    fn of(shared: &Shared) -> Self {
        Self(Script::new(shared.setting.scenario.clone(), shared.setting.crowd.clone()))
    }

    /// Reads on, up to this time in microseconds.
    fn read_to(&mut self, time: u64) {
        let _ = self.0.by_ref().take_while(|step| step.at < time).last();
    }

    /// At the script's end, in each channel: who can have the last word, and the number of it.
    fn last_words(&mut self) -> Vec<(Option<u32>, u32)> {
        self.read_to(u64::MAX);
        self.0.speakers().into_iter().zip(self.0.numbers().iter().copied()).collect()
    }
}

/// A task that is of no use to anybody when this is gone.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Leads a run.
#[derive(Debug)]
pub(super) struct Conductor {
    shared: Arc<Shared>,
    /// Who looks at the server, and what was seen last.
    watching: Option<(AbortOnDrop, Arc<Mutex<Option<Cost>>>)>,
    dashboard: Dashboard,
    outline: Outline,
    remains: Remains,
    own: Cost,
    server: Option<Cost>,
    /// Seconds of which not all is told yet.
    open: BTreeMap<u32, Part>,
    abandoned: u32,
    peers: Peers,
    /// What the other processes had cost at the last look.
    theirs: (f64, u64),
}

impl Conductor {
    pub(super) fn new(
        shared: Arc<Shared>,
        watched: Option<Watched>,
        dashboard: Dashboard,
        remains: Remains,
        peers: Peers,
    ) -> Self {
        let (own, server) = (watch::own(), remains.server_before);
        let (open, theirs) = (BTreeMap::new(), peers.cost());
        let watching = watched.map(|watched| {
            let latest = Arc::new(Mutex::new(None));
            (AbortOnDrop(tokio::spawn(watched.keep_looking(shared.begun, latest.clone()))), latest)
        });
        let outline = Outline::of(&shared);
        Self { shared, watching, dashboard, outline, remains, own, server, open, abandoned: 0, peers, theirs }
    }

    /// Until the script's end, or until it is stopped.
    pub(super) async fn play(&mut self, stop: impl Future<Output = ()>) {
        let seconds = self.shared.setting.scenario.lasts().as_secs_f64().ceil() as u64;
        let mut stop = pin!(stop);
        let late = if self.peers.are_there() { LATE_OF_PEERS } else { LATE };
        for second in 1..=seconds {
            let over = self.shared.begun + Duration::from_secs(second) + late;
            tokio::select! {
                () = sleep_until(over) => {}
                () = &mut stop => {
                    self.cut_short(second, "stopped by hand");
                    break;
                }
            }
            self.second(second).await;
            if self.abandoned >= ABANDONED {
                self.cut_short(second, &format!("nobody was in for {ABANDONED} s, so it ended by itself"));
                break;
            }
        }
        self.remains.ended = (self.shared.now() as f64 / 1e6).min(self.shared.setting.scenario.lasts().as_secs_f64());
        self.shared.enter(Phase::Settle);
        self.peers.settle().await;
    }

    fn cut_short(&mut self, second: u64, why: &str) {
        let of = self.shared.setting.scenario.lasts().as_secs_f64();
        self.remains.cut_short = Some(format!("{why} in second {second} of {of:.0}"));
        self.dashboard.say(&format!("{why}: finishing; once more ends it without a report"));
    }

    /// What is under way comes to its end; then the last word is said, by which members are counted.
    pub(super) async fn bring_to_rest(&mut self) {
        let begun = self.shared.now();
        let cut = self.remains.cut_short.is_some();
        let (least, most) = if cut { (STOPPED, STOPPED) } else { (REST, SETTLING) };
        loop {
            let waited = Duration::from_micros(self.shared.now() - begun);
            let open = self.shared.open() + self.peers.open();
            if waited >= most || (waited >= least && open == 0 && self.is_quiet()) {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        if cut {
            return;
        }
        let last_words = self.outline.last_words();
        self.shared.last_words.lock().clone_from(&last_words);
        self.shared.enter(Phase::Rest);
        self.peers.rest(&last_words).await;
        let asked = self.shared.now();
        let said = |shared: &Shared| {
            let words = last_words.iter().zip(&shared.ledgers);
            words.into_iter().all(|((who, number), ledger)| who.is_none() || ledger.told(*number))
        };
        while !said(&self.shared) && self.shared.now() - asked < LAST_WORD.as_micros() as u64 {
            sleep(Duration::from_millis(50)).await;
        }
        sleep(LAST_READ).await;
        // The last word reaches everybody in its time, however long that is for a server that is behind.
        let said = self.shared.now();
        while !self.is_quiet() && self.shared.now() - said < SETTLING.as_micros() as u64 {
            sleep(Duration::from_millis(50)).await;
        }
        let at_rest = self.shared.setting.crowd.is_alone() && !self.peers.any_gone();
        self.shared.at_rest.store(at_rest, Ordering::Release);
    }

    /// Whether no line was heard for a while.
    fn is_quiet(&self) -> bool {
        let last = self.shared.heard_last.load(Ordering::Relaxed);
        self.shared.now().saturating_sub(last) > LAST_READ.as_micros() as u64
    }

    /// All look at what they have, and leave; what is left of the run.
    pub(super) async fn finish(mut self, workers: Workers, has_site: bool) -> Remains {
        self.remains.seconds = self.shared.now() as f64 / 1e6;
        self.remains.own_after = watch::own();
        self.judge(&workers).await;
        self.shared.enter(Phase::Leave);
        let others = std::mem::take(&mut self.peers).leave().await;
        workers.join(&self.shared);
        summary::audit(&self.shared, self.remains.cut_short.is_some());
        summary::merge(&self.shared, &mut self.remains, &others);
        self.shared.parts.lock().extend(others.into_iter().flatten().flat_map(|done| done.parts));
        self.collect();
        self.remark_server();
        // Of the end nothing is measured any more: what it cost belongs to no second.
        for (_, part) in std::mem::take(&mut self.open) {
            let own_memory = self.own.memory + self.theirs.1;
            self.remains.slices.push(Slice { part, own_memory, ..Slice::default() });
        }
        self.dashboard.close();
        self.remark_donations(has_site);
        // Without an unexpected end the law was held by every connection.
        let closes = self.shared.closes.lock().values().sum::<u64>();
        let joined: u64 = self.remains.slices.iter().map(|slice| slice.part.counts.joined).sum();
        self.shared.findings.looked(Law::Closes, joined.max(closes));
        self.remains
    }

    async fn judge(&self, workers: &Workers) {
        let joined = |of: &[AtomicU32]| of.iter().map(|joined| joined.load(Ordering::Relaxed)).collect::<Vec<u32>>();
        let others = self.peers.joined(self.shared.others.len());
        for (here, others) in self.shared.others.iter().zip(others) {
            here.store(others, Ordering::Relaxed);
        }
        self.shared.enter(Phase::Judge);
        let at_rest = self.shared.at_rest.load(Ordering::Acquire);
        self.peers.judge(at_rest, &joined(&self.shared.joined)).await;
        // A thread that ended before its time looks at nothing any more.
        while !self.shared.all_judged() && !workers.any_ended() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn remark_donations(&mut self, has_site: bool) {
        let (told, untold) = (self.shared.told.load(Ordering::Relaxed), self.shared.untold.load(Ordering::Relaxed));
        if untold > 0 && !has_site {
            let words =
                "donations of the script were left out: the site tells them (--site and --site-key, or --with-server)";
            self.remains.remarks.push(format!("{untold} {words}"));
        } else if told + untold > 0 {
            self.remains.remarks.push(format!("the site told {told} of {} donations", told + untold));
        }
    }

    fn remark_server(&mut self) {
        let unseen = self.remains.slices.iter().filter(|slice| slice.server.is_none()).count();
        if let Some(name) = self.remains.server_name.as_ref().filter(|_| unseen > 0) {
            let words = format!("in {unseen} seconds {name} could not be looked at: its cost is of the others");
            self.remains.remarks.push(words);
        }
    }

    /// A second is over.
    async fn second(&mut self, second: u64) {
        self.collect();
        self.outline.read_to(second * 1_000_000);
        let (own, theirs) = (watch::own(), self.peers.cost());
        let server = self.watching.as_ref().and_then(|(_, latest)| latest.lock().take());
        let index = u32::try_from(second - 1).unwrap_or(u32::MAX);
        // Whoever was late tells it later, and it is added then.
        let part = self.open.remove(&index).unwrap_or(Part { second: index, ..Part::default() });
        let before = self.server;
        let slice = Slice {
            own_cpu: own.cpu - self.own.cpu + theirs.0 - self.theirs.0,
            own_memory: own.memory + theirs.1,
            server: server.zip(before).map(|(now, before)| self.spread(now, before)),
            part,
            latency: None,
        };
        (self.own, self.theirs, self.server) = (own, theirs, server.or(before));
        let theirs = self.peers.joined(self.shared.joined.len()).iter().any(|joined| *joined > 0);
        let alive = theirs || slice.part.joined + slice.part.joining > 0;
        let gave_up = slice.part.counts.lost + slice.part.counts.join_failures > 0 || self.abandoned > 0;
        self.abandoned = if !alive && gave_up { self.abandoned + 1 } else { 0 };
        self.show(second, &slice);
        self.remains.slices.push(slice);
        let whole = self.remains.slices.len().saturating_sub(LATEST);
        if let Some(slice) = whole.checked_sub(1).and_then(|last| self.remains.slices.get_mut(last)) {
            slice.fold();
        }
    }

    /// What the server cost in a second: of those in which it couldn't be looked at, each its share.
    fn spread(&mut self, now: Cost, before: Cost) -> (f64, u64) {
        let unseen = self.remains.slices.iter().rev().take_while(|slice| slice.server.is_none()).count();
        let each = ((now.cpu - before.cpu) / (unseen + 1) as f64, now.memory);
        self.remains.slices.iter_mut().rev().take(unseen).for_each(|slice| slice.server = Some(each));
        each
    }

    /// What threads have told since the last look.
    fn collect(&mut self) {
        let done = u32::try_from(self.remains.slices.len()).unwrap_or(u32::MAX);
        for mut part in self.shared.parts.lock().drain(..) {
            self.remains.measured.add(&std::mem::take(&mut part.measured));
            self.remains.joins.add(&std::mem::take(&mut part.join));
            self.remains.late_joins.add(&std::mem::take(&mut part.late_joins));
            match self.remains.slices.get_mut(part.second as usize) {
                // A thread that was late.
                Some(slice) if part.second < done => slice.part.add(&part),
                _ => {
                    let open = self.open.entry(part.second).or_default();
                    open.second = part.second;
                    open.add(&part);
                }
            }
        }
    }

    fn show(&mut self, second: u64, slice: &Slice) {
        let lost: u64 = self.remains.slices.iter().map(|slice| slice.part.counts.lost).sum();
        let counts = &slice.part.counts;
        let standing = Standing {
            at: second,
            of: self.shared.setting.scenario.lasts().as_secs_f64().ceil() as u64,
            stage: stage_at(&self.shared.setting.scenario, second),
            joined: slice.part.joined,
            joining: slice.part.joining,
            lines: counts.sent,
            deliveries: counts.deliveries(),
            bytes: counts.bytes,
            latency: slice.part.delivery.millis(50.0).zip(slice.part.delivery.millis(99.0)),
            own: (slice.own_cpu, slice.part.busy),
            server: slice.server,
            lost: lost + counts.lost,
            broken: self.shared.findings.so_far(),
        };
        self.dashboard.show(&standing);
    }
}

fn stage_at(scenario: &Scenario, second: u64) -> String {
    let mut end = Duration::ZERO;
    for stage in &scenario.stages {
        end += stage.lasts;
        if Duration::from_secs(second) <= end {
            return stage.title().to_owned();
        }
    }
    "settling".to_owned()
}
