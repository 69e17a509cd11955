//! Who comes in, from where, and how many at once.
//!
//! Below a hard cap nothing is refused before the upgrade, because a refused TCP connection kills published clients:
//! whoever is one too many is told so in the answer to CONNECT. Addresses are kept as keyed hashes only.

mod address;
mod origin;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use ipnet::IpNet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock;
use crate::metrics::{Metrics, TurnedAway};
use crate::model::id::{AddressHash, UserId};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
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
    /// Most connections of any kind: one more is dropped without a word. From 95 % of it on, CONNECT is refused.
    pub connections: usize,
    /// Most WebSocket connections of one address (IPv6: of one /64). Beyond it CONNECT is refused; beyond twice as many
    /// open connections, HTTP ones included, an address is dropped without a word. `None`: any number.
    pub per_address: Option<u32>,
    /// Most sessions of one user.
    pub per_user: u32,
    /// How many may join at once; the others wait their turn. `None`: everybody.
    pub joins: Option<Rate>,
    /// How long whoever joins waits for their turn or for room: a client that is refused may come back at once, so
    /// waiting is also what keeps it from doing so all the time.
    pub patience: Duration,
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
            patience: Duration::from_millis(3_500),
            origins: Origins::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Config {
    /// Connections from which on CONNECT is refused: the rest is room to say so.
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
    addresses: DashMap<AddressHash, u32>,
    users: DashMap<UserId, u32>,
    joins: Pace,
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
            addresses: DashMap::new(),
            users: DashMap::new(),
            joins: Pace::default(),
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
        *self.addresses.entry(hash).or_default() += 1;
        let visitor = Visitor { place, address: Some(hash) };
        let over = |most: u32| visitor.count() > most.saturating_mul(2);
        if self.config.load().per_address.is_some_and(over) {
            self.turn_away(TurnedAway::Address);
            return None;
        }
        Some(visitor)
    }

    /// Takes a seat for one of a user's sessions, waiting for room when there are too many.
    pub async fn seat(self: &Arc<Self>, uid: &UserId) -> Result<UserSeat, Refusal> {
        self.wait_for(|| self.try_seat(uid)).await
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

    /// Tries until it succeeds or patience ends.
    async fn wait_for<T>(&self, attempt: impl Fn() -> Result<T, Refusal>) -> Result<T, Refusal> {
        let deadline = clock::instant() + self.config.load().patience;
        loop {
            match attempt() {
                Err(_) if clock::instant() < deadline => {
                    sleep_until(deadline.min(clock::instant() + LOOK_AGAIN)).await;
                }
                ended => return ended,
            }
        }
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

    /// Waits for this connection's turn to join, or says why it never comes.
    pub async fn turn(&self) -> Result<(), Refusal> {
        let gate = &self.place.gate;
        gate.wait_for(|| self.may_join()).await?;
        let config = gate.config.load_full();
        let Some(rate) = config.joins else { return Ok(()) };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = Millis(i64::try_from(millis(gate.begun.elapsed())).unwrap_or(i64::MAX));
        match gate.joins.queue(now, rate, millis(config.patience)) {
            Some(0) => Ok(()),
            Some(wait) => {
                sleep(Duration::from_millis(wait)).await;
                Ok(())
            }
            None => {
                // No turn comes in time, so this one only waits.
                sleep(config.patience).await;
                Err(Refusal::Busy { retry_after_ms: FULL_RETRY_MS })
            }
        }
    }

    fn may_join(&self) -> Result<(), Refusal> {
        let gate = &self.place.gate;
        let config = gate.config.load();
        if gate.open.load(Ordering::Relaxed) > config.full_at() {
            return Err(Refusal::Busy { retry_after_ms: FULL_RETRY_MS });
        }
        if config.per_address.is_some_and(|most| self.count() > most) {
            return Err(Refusal::TooManyConnections("this address"));
        }
        Ok(())
    }

    fn count(&self) -> u32 {
        self.address.and_then(|address| self.place.gate.addresses.get(&address).map(|count| *count)).unwrap_or_default()
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if let Some(address) = &self.address {
            leave(&self.place.gate.addresses, address);
        }
    }
}

/// One of a user's sessions. Dropping it is leaving.
pub struct UserSeat {
    gate: Arc<Gate>,
    uid: UserId,
}

impl UserSeat {
    /// Whose it is.
    pub fn uid(&self) -> &UserId {
        &self.uid
    }
}

impl Drop for UserSeat {
    fn drop(&mut self) {
        leave(&self.gate.users, &self.uid);
    }
}

fn leave<K: Eq + std::hash::Hash + Clone>(counts: &DashMap<K, u32>, key: &K) {
    counts.remove_if_mut(key, |_, count| {
        *count -= 1;
        *count == 0
    });
}

#[cfg(test)]
mod tests;
