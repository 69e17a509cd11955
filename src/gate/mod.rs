//! Who comes in, from where, and how many at once.
//!
//! Below a hard cap nothing is refused before the upgrade, because a refused TCP connection kills published clients:
//! whoever is one too many is told so in the answer to CONNECT. Addresses are kept as keyed hashes only.

mod address;
mod origin;

use std::net::IpAddr;
use std::sync::Arc;
#[cfg(not(shuttle))]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use ipnet::IpNet;
#[cfg(shuttle)]
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock;
use crate::metrics::{Metrics, TurnedAway};
use crate::model::id::{AddressHash, UserId};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::pace::Paces;
use crate::policy::rate::{Pace, Rate};

use address::Hasher;

pub use origin::{Origin, Origins};

/// How often whoever waits for room looks whether there is some.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// When a client should come back to a full gateway.
const FULL_RETRY_MS: u64 = 5_000;

/// Settings of the gate; all can change while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Most connections of any kind: one more is dropped without a word. At 95 % of them, those aside that wait to join,
    /// nobody joins.
    pub connections: usize,
    /// Most members of one address (IPv6: of one /64). Beyond twice as many open connections, HTTP ones included, an
    /// address is dropped without a word. `None`: any number.
    pub per_address: Option<u32>,
    /// Most sessions of one user.
    pub per_user: u32,
    /// How many may join at once; the others wait their turn. `None`: everybody.
    pub joins: Option<Rate>,
    /// How many HTTP requests of one address are answered. `None`: all.
    pub requests: Option<Rate>,
    /// How many of one address may be told what they missed. `None`: everybody.
    pub resumes: Option<Rate>,
    /// Which pages may use this gateway.
    pub origins: Origins,
    /// Whose word is taken for where a connection comes from.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_address: Some(1_000),
            per_user: 50,
            joins: Some(Rate { per_second: 5_000, burst: 5_000 }),
            requests: Some(Rate { per_second: 200, burst: 1_000 }),
            resumes: Some(Rate { per_second: 20, burst: 1_000 }),
            origins: Origins::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Config {
    /// Connections from which on nobody joins: the rest is room to say so.
    fn full_at(&self) -> usize {
        self.connections - (self.connections / 20).max(16).min(self.connections / 2)
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}

/// The gate of one gateway.
pub struct Gate {
    config: ArcSwap<Config>,
    /// What the turns of those who join are counted from: the wall clock may jump.
    begun: Instant,
    metrics: Arc<Metrics>,
    hasher: Hasher,
    open: AtomicUsize,
    /// Those of them that don't wait to join: whoever waits would take the very room that another leaves.
    settled: AtomicUsize,
    addresses: DashMap<AddressHash, Crowd>,
    users: DashMap<UserId, u32>,
    joins: Pace,
    requests: Paces<AddressHash>,
    resumes: Paces<AddressHash>,
}

/// Who is here of one address.
#[derive(Debug, Default)]
struct Crowd {
    connections: u32,
    members: u32,
}

impl Gate {
    /// A gate nobody has passed. `key` makes addresses unreadable; with the same key they can be told again after a
    /// restart.
    pub fn new(config: Config, key: &[u8], metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            config: ArcSwap::from_pointee(config),
            begun: clock::instant(),
            metrics,
            hasher: Hasher::new(key),
            open: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            addresses: DashMap::new(),
            users: DashMap::new(),
            joins: Pace::default(),
            requests: Paces::default(),
            resumes: Paces::default(),
        })
    }

    /// Goes on with these settings.
    pub fn configure(&self, config: Config) {
        self.config.store(Arc::new(config));
    }

    /// Whether this peer's word is taken for where its connections come from.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.config.load().trusts(peer)
    }

    /// Whether a page of this origin may use the gateway that it knows as `host`. No page at all may.
    pub fn allows(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        self.config.load().origins.allow(origin, host)
    }

    /// Whether a page of this origin may use the gateway, counting those that may not.
    pub fn admits_origin(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let allowed = self.allows(origin, host);
        if !allowed {
            self.turn_away(TurnedAway::Origin);
        }
        allowed
    }

    /// Takes a place for a connection that was accepted; `None` when it has to be dropped.
    pub fn admit(self: &Arc<Self>) -> Option<Place> {
        let place = Place { gate: self.clone() };
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.settled.fetch_add(1, Ordering::Relaxed);
        self.metrics.sockets.inc();
        if open > self.config.load().connections {
            self.turn_away(TurnedAway::Full);
            return None;
        }
        Some(place)
    }

    /// Takes note of where the connection comes from: `address` is its peer's, or what a proxy we trust says of it.
    /// `None` when it has to be dropped.
    pub fn visitor(self: &Arc<Self>, place: Place, address: IpAddr) -> Option<Arc<Visitor>> {
        let place = Arc::new(place);
        // Connections of a proxy are many, and who is behind each is told later, by its request.
        if self.trusts(address) {
            return Some(Arc::new(Visitor { place, address: None }));
        }
        self.visitor_from(place, address).map(Arc::new)
    }

    /// `None` beyond the hard cap of an address.
    fn visitor_from(&self, place: Arc<Place>, address: IpAddr) -> Option<Visitor> {
        let hash = self.hasher.hash(address);
        let connections = {
            let mut crowd = self.addresses.entry(hash).or_default();
            crowd.connections += 1;
            crowd.connections
        };
        let visitor = Visitor { place, address: Some(hash) };
        let over = |most: u32| connections > most.saturating_mul(2);
        if self.config.load().per_address.is_some_and(over) {
            self.turn_away(TurnedAway::Address);
            return None;
        }
        Some(visitor)
    }

    /// Takes a seat for one of a user's sessions, waiting for one until `deadline` when there are too many.
    pub async fn seat(self: &Arc<Self>, uid: &UserId, deadline: Instant) -> Result<UserSeat, Refusal> {
        wait_for(deadline, || self.try_seat(uid)).await
    }

    fn try_seat(self: &Arc<Self>, uid: &UserId) -> Result<UserSeat, Refusal> {
        let most = self.config.load().per_user;
        let mut sessions = self.users.entry(uid.clone()).or_default();
        if *sessions >= most {
            return Err(Refusal::TooManyConnections("this account"));
        }
        *sessions += 1;
        Ok(UserSeat { gate: self.clone(), uid: uid.clone() })
    }

    /// Takes a turn for an HTTP request of this visitor, or says in how many milliseconds it may come again. Where it comes
    /// from, if anybody knows.
    pub fn admit_request<'a>(
        &self,
        visitor: &Visitor,
        forwarded: impl Iterator<Item = &'a str>,
    ) -> Result<Option<AddressHash>, u64> {
        let config = self.config.load();
        let behind = || address::client(forwarded, |hop| config.trusts(hop)).map(|address| self.hasher.hash(address));
        let address = visitor.address.or_else(behind);
        if let (Some(address), Some(rate)) = (address, config.requests) {
            self.requests.take(&address, self.now(), rate)?;
        }
        Ok(address)
    }

    /// Takes a turn for this visitor to be told what it missed. Not when too many of its address have been.
    pub fn admit_resume(&self, visitor: &Visitor) -> bool {
        match (visitor.address, self.config.load().resumes) {
            (Some(address), Some(rate)) => self.resumes.take(&address, self.now(), rate).is_ok(),
            _ => true,
        }
    }

    /// Time that no clock's jump can touch.
    fn now(&self) -> Millis {
        Millis(i64::try_from(millis(self.begun.elapsed())).unwrap_or(i64::MAX))
    }

    fn turn_away(&self, why: TurnedAway) {
        self.metrics.turned_away.get_or_create(&why.into()).inc();
    }
}

/// One connection's place among all. Dropping it gives it back.
pub struct Place {
    gate: Arc<Gate>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Ordering::Relaxed);
        self.gate.settled.fetch_sub(1, Ordering::Relaxed);
        self.gate.metrics.sockets.dec();
    }
}

/// One connection, and where it comes from. Dropping it is leaving.
pub struct Visitor {
    place: Arc<Place>,
    /// `None` for a proxy's own connection.
    address: Option<AddressHash>,
}

impl Visitor {
    /// Where it comes from.
    pub fn address(&self) -> Option<AddressHash> {
        self.address
    }

    /// The same connection, as the request on it says: `forwarded` are its X-Forwarded-For headers, first to last, which
    /// count for nothing unless the peer is a proxy we trust.
    /// `None` beyond the hard cap of an address.
    pub fn behind<'a>(self: &Arc<Self>, forwarded: impl Iterator<Item = &'a str>) -> Option<Arc<Self>> {
        let gate = &self.place.gate;
        if self.address.is_some() {
            return Some(self.clone());
        }
        let config = gate.config.load();
        match address::client(forwarded, |hop| config.trusts(hop)) {
            Some(address) => gate.visitor_from(self.place.clone(), address).map(Arc::new),
            None => Some(self.clone()),
        }
    }

    /// Makes this connection a member, waiting until `deadline` for room and for its turn: a client that is refused may
    /// come back at once, so waiting is also what keeps it from doing so all the time.
    pub async fn join(self: &Arc<Self>, deadline: Instant) -> Result<Membership, Refusal> {
        let gate = &self.place.gate;
        let waiting = Waiting::new(gate);
        let membership = wait_for(deadline, || self.try_join(&waiting)).await?;
        let Some(rate) = gate.config.load().joins else { return Ok(membership) };
        let patience = deadline.saturating_duration_since(clock::instant());
        match gate.joins.queue(gate.now(), rate, millis(patience)) {
            Some(0) => Ok(membership),
            Some(wait) => {
                sleep(Duration::from_millis(wait)).await;
                Ok(membership)
            }
            None => {
                // No turn comes in time, so this one only waits, and not in anybody's way.
                drop(membership);
                waiting.wait();
                sleep_until(deadline).await;
                Err(Refusal::Busy { retry_after_ms: FULL_RETRY_MS })
            }
        }
    }

    fn try_join(self: &Arc<Self>, waiting: &Waiting<'_>) -> Result<Membership, Refusal> {
        let gate = &self.place.gate;
        let config = gate.config.load();
        if !waiting.settle(config.full_at()) {
            return Err(Refusal::Busy { retry_after_ms: FULL_RETRY_MS });
        }
        if let Some(mut crowd) = self.address.and_then(|address| gate.addresses.get_mut(&address)) {
            if config.per_address.is_some_and(|most| crowd.members >= most) {
                waiting.wait();
                return Err(Refusal::TooManyConnections("this address"));
            }
            crowd.members += 1;
        }
        Ok(Membership { visitor: self.clone() })
    }
}

/// A connection that waits to join.
struct Waiting<'a> {
    gate: &'a Gate,
    settled: AtomicBool,
}

impl<'a> Waiting<'a> {
    fn new(gate: &'a Gate) -> Self {
        let waiting = Self { gate, settled: AtomicBool::new(true) };
        waiting.wait();
        waiting
    }

    fn wait(&self) {
        if self.settled.swap(false, Ordering::Relaxed) {
            self.gate.settled.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits no more, if there are fewer than `most` who don't.
    fn settle(&self, most: usize) -> bool {
        let room = |settled: usize| (settled < most).then_some(settled + 1);
        let found = self.gate.settled.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok();
        self.settled.fetch_or(found, Ordering::Relaxed);
        found
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.settled.load(Ordering::Relaxed) {
            self.gate.settled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        self.place.gate.addresses.remove_if_mut(&address, |_, crowd| {
            crowd.connections -= 1;
            crowd.connections == 0
        });
    }
}

/// A connection that has joined. Dropping it makes room for another.
pub struct Membership {
    visitor: Arc<Visitor>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let gate = &self.visitor.place.gate;
        if let Some(mut crowd) = self.visitor.address.and_then(|address| gate.addresses.get_mut(&address)) {
            crowd.members -= 1;
        }
    }
}

/// One of a user's sessions. Dropping it is leaving.
pub struct UserSeat {
    gate: Arc<Gate>,
    uid: UserId,
}

impl Drop for UserSeat {
    fn drop(&mut self) {
        self.gate.users.remove_if_mut(&self.uid, |_, sessions| {
            *sessions -= 1;
            *sessions == 0
        });
    }
}

/// Tries until it succeeds or `deadline` is over.
async fn wait_for<T>(deadline: Instant, attempt: impl Fn() -> Result<T, Refusal>) -> Result<T, Refusal> {
    loop {
        match attempt() {
            Err(_) if clock::instant() < deadline => sleep_until(deadline.min(clock::instant() + LOOK_AGAIN)).await,
            ended => return ended,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
