//! What the gateway can do, independent of any wire.
//!
//! Whatever is kept goes one road: a verb here admits it and appends it to its channel's log, and what happens then
//! happens to every event alike, on every machine: the log's tail brings it to [`deliver`](live), the channel judges
//! it, the feed sends it. Who asked is answered when their own event has been applied.
//!
//! Locks: hub, then a channel's state, then its feed; never back, and none is held across an await.

mod access;
mod act;
mod announce;
mod append;
mod directory;
mod filter;
mod guests;
mod history;
mod hub;
mod judging;
mod keys;
mod lag;
mod lapse;
mod ledger;
mod live;
mod members;
mod questions;
mod resume;
mod retention;
mod revoke;
mod roster;
mod send;
mod snapshot;
mod stage;
mod station;
mod subscribe;
mod visits;
mod whisper;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::auth::{KeyDigest, Proofs, Tokens};
use crate::bus::Bus;
use crate::clock::Clock;
use crate::eventlog::{EventLog, LogError};
use crate::feed::{self, Encoders};
use crate::metrics::Metrics;
use crate::model::id::{AddressHash, Epoch, Seq};
use crate::model::message::Receipt;
use crate::model::question::QuestionView;
use crate::model::refusal::Refusal;
use crate::policy::pace::Paces;
use crate::policy::rate::Rate;
use crate::policy::text::Limits;

use directory::Directory;
use hub::Hub;
use ledger::Ledger;

pub use crate::auth::{Asked, Grant};
pub use crate::channel::{Filtering, Grant as Appointed, Restriction, Running};
pub use crate::model::item::Listed;
pub use crate::policy::names::LONGEST as LONGEST_NICKNAME;
pub use crate::policy::revoked::Revocation;
pub use act::{Done, Restricted, Withheld};
pub use append::Answer;
pub use filter::{LONGEST_TRIAL_MINUTES, Trial};
pub use guests::{GuestConfig, GuestWish, Welcomed};
pub use history::HistoryQuery;
pub use keys::Access;
pub use ledger::{EndedBy, Farewell, FarewellQuery};
pub use members::Present;
pub use resume::{Arrival, Caught, Lost, Turn};
pub use send::SiteLine;
pub use station::{ChannelView, StationError};
pub use subscribe::Seat;

/// What may be said and how often; can change while the node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Limits of a line.
    pub limits: Limits,
    /// How fast a user sends, in all their sessions together. Staff are exempt. `None`: nobody is held back by it.
    pub sends: Option<Rate>,
    /// How fast one session or one of the site's programs sends, whoever it is.
    pub session_sends: Rate,
    /// How fast one session asks for recent lines.
    pub recents: Rate,
    /// How fast one of staff acts, in all their sessions together.
    pub acts: Rate,
    /// Questions of one user in a minute, in all their sessions together, all of which may come at once. Staff are exempt.
    pub questions_per_minute: u32,
    /// Whispers of one user in a minute, in all their sessions together, all of which may come at once.
    pub whispers_per_minute: u32,
    /// Those of one address who ask to be guests in a minute, all of whom may ask at once. `None`: all.
    pub guests_per_minute: Option<u32>,
    /// Everybody may ask who is here while there are so many users at most; staff always may.
    pub members_listed: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sends: Some(Rate { per_second: 5, burst: 10 }),
            session_sends: Rate { per_second: 1_000, burst: 1_000 },
            recents: Rate { per_second: 2, burst: 10 },
            acts: Rate { per_second: 20, burst: 100 },
            questions_per_minute: 6,
            whispers_per_minute: 20,
            guests_per_minute: Some(60),
            members_listed: 500,
        }
    }
}

/// Settings of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether this gateway is for trying things out: its API keys open no other.
    pub dev: bool,
    /// Whether an unknown `cid` opens itself: for trying things out, never on a public site.
    pub open_unknown: bool,
    /// Whether somebody without a login gets a token that may send, as a guest.
    pub guests: bool,
    /// What guests get and are asked for.
    pub guest: GuestConfig,
    /// How long an access token holds that we issue, in seconds.
    pub token_seconds: i64,
    /// What may be said and how often.
    pub rules: Rules,
    /// Spacing of batches.
    pub feed: feed::Config,
    /// Members are told who comes and goes while there are so many connections at most; 0: never.
    pub members_told: u32,
    /// A channel's own lines say who comes and goes while there are so many connections at most; 0: never.
    pub visits_told: u32,
    /// How long a channel stays in memory that nobody uses.
    pub idle: Duration,
    /// How long events are kept; `None`: for ever.
    pub retention: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dev: false,
            open_unknown: false,
            guests: false,
            guest: GuestConfig::default(),
            token_seconds: 12 * 3_600,
            rules: Rules::default(),
            feed: feed::Config::default(),
            members_told: 0,
            visits_told: 200,
            idle: Duration::from_secs(300),
            retention: None,
        }
    }
}

/// What a node is made of.
pub struct Parts {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who may act.
    pub tokens: Arc<Tokens>,
    /// What opens everything to the site's own programs.
    pub root_key: KeyDigest,
    /// What is told to other machines and kept nowhere.
    pub bus: Arc<dyn Bus>,
    /// Every wire's spelling.
    pub encoders: Encoders,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Settings.
    pub config: Config,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A line: durable, judged, and on its way to everybody.
    Sent(Receipt),
    /// Something that staff did: durable, and in force.
    Acted(Receipt),
    /// A vote: durable, and counted once.
    Voted(QuestionView),
    /// What this very event was answered with when it was applied, some time ago.
    Before(Receipt),
    /// This very event was refused some time ago; nothing of it stands.
    RefusedBefore,
    /// This very event has stood at this place for some time; what it was answered with isn't remembered.
    At(Seq),
    /// Something else: durable and applied, or so already.
    Done,
    /// A line that was overtaken by other rules, again and again: not there.
    Late,
    /// Not done.
    Refused(Refusal),
}

/// One running gateway.
pub struct Node {
    parts: Arc<Parts>,
    hub: Arc<Hub>,
    directory: Arc<Directory>,
    rules: ArcSwap<Rules>,
    users: Paces<String>,
    programs: Paces<String>,
    actors: Paces<String>,
    askers: Paces<String>,
    whisperers: Paces<String>,
    guests: Paces<AddressHash>,
    proofs: Arc<Proofs>,
    ledger: Ledger,
    turns: Arc<Semaphore>,
    /// Held by who tries rules.
    trying: AsyncMutex<()>,
    tasks: TaskTracker,
    leaving: AtomicBool,
    /// Ends the tasks that follow the log, which hold it open.
    _over: DropGuard,
}

impl Node {
    /// A node over this log: reads the directory, and nothing else until somebody asks for it.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, LogError> {
        let parts = Arc::new(parts);
        let over = CancellationToken::new();
        let directory = Directory::load(&parts, over.clone()).await?;
        let hub = Arc::new(Hub::new(parts.clone(), over.clone()));
        let sweeping = Hub::sweep(Arc::downgrade(&hub), parts.config.idle);
        tokio::spawn(over.clone().run_until_cancelled_owned(sweeping));
        let retention = parts.config.retention;
        let node = Arc::new(Self {
            rules: ArcSwap::from_pointee(parts.config.rules.clone()),
            users: Paces::default(),
            programs: Paces::default(),
            actors: Paces::default(),
            askers: Paces::default(),
            whisperers: Paces::default(),
            guests: Paces::default(),
            proofs: parts.tokens.proofs().clone(),
            ledger: Ledger::default(),
            turns: Arc::new(Semaphore::new(resume::AT_ONCE)),
            trying: AsyncMutex::default(),
            parts,
            hub,
            directory,
            tasks: TaskTracker::new(),
            leaving: AtomicBool::new(false),
            _over: over.clone().drop_guard(),
        });
        if let Some(age) = retention {
            tokio::spawn(over.run_until_cancelled_owned(Self::retain(Arc::downgrade(&node), age)));
        }
        Ok(node)
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    /// Time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }

    /// Which life of the log its places belong to.
    pub fn epoch(&self) -> Epoch {
        self.parts.log.epoch()
    }

    /// Goes on with these rules.
    pub fn configure(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Says to whoever asks that new connections are welcome no more; nothing else changes yet.
    pub fn begin_leaving(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether new connections are welcome.
    pub fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::Relaxed) && !self.is_draining()
    }

    /// Refuses new sends from now on, and waits until those under way are answered.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Begins something that a drain waits for, as long as the token is held; not when the gateway leaves. The token is
    /// taken before it is looked, so that whatever a drain doesn't wait for sees it: no event is written or dropped behind
    /// the back of the gateway that takes over. A snapshot may be; it says nothing that the log doesn't.
    fn begin(&self) -> Result<TaskTrackerToken, Refusal> {
        let token = self.tasks.token();
        // The tracker is none of those whose steps shuttle sees.
        #[cfg(shuttle)]
        shuttle::thread::yield_now();
        if self.is_draining() { Err(Refusal::Draining) } else { Ok(token) }
    }

    /// Whether the gateway is leaving.
    pub fn is_draining(&self) -> bool {
        self.tasks.is_closed()
    }
}
