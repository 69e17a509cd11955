//! What holds in the whole site: which channels there are, whose each `cid` is, which API keys hold and which tokens
//! don't. The fold of the directory's own log.
//!
//! About 200 bytes for each channel and for each broadcast that ever was, in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::channel::{Filtering, Trail};
use crate::eventlog::tail::{Tail, TailEnd};
use crate::eventlog::{EventLog, LARGEST_PAGE, LogError};
use crate::model::access::{ApiKey, Credential};
use crate::model::act::{Act, Deed};
use crate::model::event::{Body, Logged};
use crate::model::id::{ChannelId, Cid, Seq, UserId};
use crate::model::message::Receipt;
use crate::model::time::Millis;
use crate::policy::revoked::{Revocation, Revocations};
use crate::policy::rules::{self, Rules};

use super::append::{Waiters, WaitersOf};
use super::{Outcome, Parts};

/// Wait before a store that failed is asked again.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// The directory of one node.
pub(super) struct Directory {
    state: RwLock<State>,
    waiters: Waiters,
}

#[derive(Default)]
struct State {
    seq: Seq,
    channels: BTreeMap<ChannelId, Listing>,
    cids: HashMap<Cid, ChannelId>,
    /// With when each was made.
    keys: HashMap<String, (Arc<ApiKey>, Millis)>,
    revocations: Revocations,
    filtering: Filtering,
    trail: Trail,
}

/// A channel's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) name: String,
    /// Whether it is served.
    pub(super) listed: bool,
}

impl Directory {
    /// Reads the directory and keeps it up to date for as long as it is used.
    pub(super) async fn load(parts: &Parts, over: CancellationToken) -> Result<Arc<Self>, LogError> {
        let log = ChannelId::directory();
        let mut state = State::default();
        loop {
            let page = parts.log.read(&log, state.seq, LARGEST_PAGE).await?;
            let last = page.events.len() < LARGEST_PAGE;
            page.events.iter().for_each(|logged| drop(state.apply(logged)));
            if last {
                break;
            }
        }
        let tail = parts.log.follow(&log, state.seq);
        let directory = Arc::new(Self { state: RwLock::new(state), waiters: Waiters::default() });
        tokio::spawn(over.run_until_cancelled_owned(follow(directory.clone(), parts.log.clone(), tail)));
        Ok(directory)
    }

    /// Whose this broadcast is.
    pub(super) fn owner(&self, cid: &Cid) -> Option<ChannelId> {
        self.state.read().cids.get(cid).cloned()
    }

    /// A channel's entry.
    pub(super) fn listing(&self, channel: &ChannelId) -> Option<Listing> {
        self.state.read().channels.get(channel).cloned()
    }

    /// Up to `limit` served channels whose identity is behind `after`, in order.
    pub(super) fn page(&self, after: Option<&ChannelId>, limit: usize) -> Vec<ChannelId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state.read();
        let behind = state.channels.range::<ChannelId, _>((from, Bound::Unbounded));
        behind.filter(|(_, listing)| listing.listed).take(limit).map(|(id, _)| id.clone()).collect()
    }

    /// Everything up to here is in it.
    pub(super) fn seq(&self) -> Seq {
        self.state.read().seq
    }

    /// The API keys that hold, with when they were made.
    pub(super) fn keys(&self) -> Vec<(Arc<ApiKey>, Millis)> {
        self.state.read().keys.values().cloned().collect()
    }

    /// One of them.
    pub(super) fn key(&self, id: &str) -> Option<(Arc<ApiKey>, Millis)> {
        self.state.read().keys.get(id).cloned()
    }

    /// Whether the site has revoked this token.
    pub(super) fn is_revoked(&self, uid: &UserId, credential: &Credential) -> bool {
        self.state.read().revocations.hold(uid, credential)
    }

    /// Up to `limit` revocations before a place, newest first.
    pub(super) fn revocations(&self, before: Option<Seq>, limit: usize) -> Vec<Revocation> {
        self.state.read().revocations.page(before, limit)
    }

    /// What lines may not say in any channel.
    pub(super) fn rules(&self) -> Arc<Rules> {
        self.state.read().filtering.rules.clone()
    }

    /// The same, with what was before.
    pub(super) fn filtering(&self) -> Filtering {
        self.state.read().filtering.clone()
    }

    /// Where in its log up to `limit` things were done before a place, newest first.
    pub(super) fn trail(&self, before: Option<Seq>, limit: usize) -> Vec<Seq> {
        self.state.read().trail.before(before, limit)
    }

    fn apply(&self, events: &[Logged]) {
        let mut state = self.state.write();
        let outcomes: Vec<Outcome> = events.iter().map(|logged| state.apply(logged)).collect();
        drop(state);
        for (logged, outcome) in events.iter().zip(outcomes) {
            self.waiters.answer(logged.event.id, || outcome);
        }
    }
}

impl WaitersOf for Arc<Directory> {
    fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    fn applied(&self, seq: Seq) -> bool {
        self.seq() >= seq
    }

    fn became_of(&self, seq: Seq) -> Outcome {
        Outcome::At(seq)
    }
}

impl State {
    fn apply(&mut self, logged: &Logged) -> Outcome {
        self.seq = logged.seq;
        match &logged.event.body {
            Body::Listed { channel, name } => {
                self.channels.insert(channel.clone(), Listing { name: name.clone(), listed: true });
            }
            Body::Unlisted { channel } => {
                if let Some(listing) = self.channels.get_mut(channel) {
                    listing.listed = false;
                }
            }
            Body::Allotted { cid, channel } => {
                // The first owner stays: whoever lost a race makes another cid.
                self.cids.entry(cid.clone()).or_insert_with(|| channel.clone());
            }
            Body::KeyMade(key) => {
                self.keys.insert(key.id.clone(), (key.clone(), logged.event.at));
            }
            Body::KeyRevoked { id } => {
                self.keys.remove(id);
            }
            Body::Revoked { revoked, until } => {
                let (seq, revoked, at) = (logged.seq, revoked.clone(), logged.event.at);
                self.revocations.add(Revocation { seq, revoked, at, until: *until });
            }
            Body::Opened { .. }
            | Body::Closed { .. }
            | Body::Line(_)
            | Body::Lapsed { .. }
            | Body::Wiped { .. }
            | Body::Dropped { .. }
            | Body::Erased { .. }
            | Body::Vote(_)
            | Body::Named(_)
            | Body::Announced(_)
            | Body::Unreadable { .. } => {}
            Body::Act(act) => return self.act(logged, act),
        }
        Outcome::Done
    }

    /// Does what is done in the whole site.
    fn act(&mut self, logged: &Logged, act: &Act) -> Outcome {
        let (seq, at) = (logged.seq, logged.event.at);
        if let Deed::Filter(change) = &act.deed
            && let Err(refusal) = rules::fits(self.filtering.rules.filter(), change)
        {
            // Two were added at the same moment, with room for one.
            return Outcome::Refused(refusal);
        }
        let done = match &act.deed {
            Deed::Filter(change) => self.filtering.change(seq, at, &act.by.profile.nickname, change),
            Deed::Undo(place) => self.filtering.undo(seq, *place),
            _ => false,
        };
        if !done {
            return Outcome::Done;
        }
        self.trail.push(seq);
        Outcome::Acted(Receipt { id: logged.event.id, time: at, seq })
    }
}

async fn follow(directory: Arc<Directory>, log: Arc<dyn EventLog>, mut tail: Tail) {
    loop {
        match tail.next().await {
            Ok(events) => directory.apply(&events),
            Err(TailEnd::Closed) => return,
            Err(end) => {
                if !matches!(end, TailEnd::Lagged(_)) {
                    error!(?end, "the directory can't be followed");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
                let seq = directory.state.read().seq;
                tail = log.follow(&ChannelId::directory(), seq);
            }
        }
    }
}
