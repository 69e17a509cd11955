//! The keys that a site publishes (RFC 7517), fetched and kept.
//!
//! Asked for at the start, every ten minutes, and when a token names a key that isn't known, but then not more than once
//! in 30 seconds, whatever tokens come. The last good set is kept whatever the endpoint answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use ureq::Agent;
use ureq::http::Uri;

use crate::clock;
use crate::metrics::Metrics;

/// Largest answer that is read, in bytes.
const LARGEST_SET: u64 = 256 * 1024;

/// Most keys of a set that are looked at.
const MOST_KEYS: usize = 100;

/// Fewest bytes of an RSA modulus: 2,048 bits.
const SHORTEST_RSA: usize = 256;

/// How long the endpoint may take in all.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a token's bearer waits for keys to be fetched: CONNECT has four seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Least time between two fetches that tokens cause.
const FLOOR: Duration = Duration::from_secs(30);

/// Time between two fetches that nothing causes.
const USUAL_PAUSE: Duration = Duration::from_secs(600);

/// Where a site publishes its keys: `https://…`, or `http://…` inside one's own network.
#[derive(Clone, PartialEq, Eq)]
pub struct JwksUrl(Uri);

impl JwksUrl {
    /// The address, or why it can't be one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("it is not a URL: {error}"))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("https" | "http"), Some(_)) => Ok(Self(uri)),
            _ => Err("it is neither https://… nor http://…".to_owned()),
        }
    }

    /// The address without what may be secret in it: name, password and query.
    pub fn masked(&self) -> String {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{}://{host}{}", self.0.scheme_str().unwrap_or_default(), self.0.path())
    }

    /// Whether somebody between here and there could put in keys of their own.
    pub fn is_plain(&self) -> bool {
        self.0.scheme_str() != Some("https")
    }
}

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwksUrl({})", self.masked())
    }
}

/// What is known of a key that a token names.
pub(super) enum Found {
    Key(Arc<DecodingKey>),
    /// The site has no such key.
    Unknown,
    /// Nobody can tell before so many milliseconds.
    Later(u64),
}

/// A site's keys.
pub(super) struct Jwks {
    url: JwksUrl,
    agent: Agent,
    keys: ArcSwapOption<Vec<Key>>,
    /// When the endpoint was asked last; held while it is being asked.
    asked: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: Arc<DecodingKey>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Jwks {
    pub(super) fn new(url: JwksUrl, metrics: Arc<Metrics>) -> Self {
        let settings = Agent::config_builder().timeout_global(Some(FETCH_TIMEOUT)).max_redirects(0);
        let agent = settings.user_agent(concat!("madang/", env!("CARGO_PKG_VERSION"))).build().into();
        Self { url, agent, keys: ArcSwapOption::empty(), asked: Mutex::new(None), metrics }
    }

    /// The key of this name for this algorithm, fetched first if it isn't known. A token without a name gets the only
    /// key there is for its algorithm.
    pub(super) async fn find(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Found {
        if let Some(key) = self.known(id, algorithm) {
            return Found::Key(key);
        }
        // In a task of its own: whoever gives up waiting doesn't stop it for the others.
        let jwks = self.clone();
        let fetching = tokio::spawn(async move { jwks.refresh(FLOOR).await });
        let wait = match timeout(PATIENCE, fetching).await {
            Ok(Ok(wait)) => wait,
            _ => Some(FETCH_TIMEOUT),
        };
        match (self.known(id, algorithm), wait) {
            (Some(key), _) => Found::Key(key),
            (None, None) => Found::Unknown,
            (None, Some(wait)) => Found::Later(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let keys = self.keys.load();
        let mut fitting = keys
            .iter()
            .flat_map(|keys| keys.iter())
            .filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then(|| first.key.clone())
    }

    /// Fetches the keys unless that was done less than `floor` ago. How long until it may be known better; `None` when
    /// this is the site's last word.
    async fn refresh(&self, floor: Duration) -> Option<Duration> {
        let mut asked = self.asked.lock().await;
        let now = clock::instant();
        if let Some(before) = *asked
            && now < before + floor
        {
            return Some(before + floor - now);
        }
        *asked = Some(now);
        match self.fetch().await {
            Ok(keys) => {
                self.metrics.jwks_fetches.inc();
                self.keys.store(Some(Arc::new(keys)));
                None
            }
            Err(why) => {
                self.metrics.jwks_failures.inc();
                warn!(url = self.url.masked(), why, kept = self.keys.load().is_some(), "the site's keys can't be had");
                Some(floor)
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let (agent, url) = (self.agent.clone(), self.url.0.clone());
        let fetched = tokio::task::spawn_blocking(move || {
            let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
            if answer.status() != 200 {
                return Err(format!("it answers {}", answer.status()));
            }
            answer.body_mut().with_config().limit(LARGEST_SET).read_to_vec().map_err(|error| error.to_string())
        });
        let bytes = fetched.await.map_err(|error| error.to_string())??;
        read(&bytes)
    }

    /// Fetches now, whenever that was done last.
    pub(super) async fn reload(&self) {
        self.refresh(Duration::ZERO).await;
    }

    /// Fetches again and again, for ever.
    pub(super) async fn keep(&self) {
        loop {
            let kept = self.refresh(Duration::ZERO).await.is_none();
            if kept {
                info!(
                    url = self.url.masked(),
                    keys = self.keys.load().as_ref().map_or(0, |keys| keys.len()),
                    "the site's keys"
                );
            }
            sleep(if kept { USUAL_PAUSE } else { FLOOR }).await;
        }
    }
}

/// The keys of a set that can be used; those that can't are left out, as RFC 7517, 5, wants it.
fn read(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let set: Set = serde_json::from_slice(bytes).map_err(|error| format!("it is no set of keys: {error}"))?;
    let keys: Vec<Key> =
        set.keys.into_iter().take(MOST_KEYS).filter_map(|key| usable(serde_json::from_value(key).ok()?)).collect();
    if keys.is_empty() { Err("it holds no key that can be used".to_owned()) } else { Ok(keys) }
}

fn usable(jwk: Jwk) -> Option<Key> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(rsa) if decoded_len(&rsa.n) >= SHORTEST_RSA => (Algorithm::RS256, KeyAlgorithm::RS256),
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|own| own != named) {
        return None;
    }
    let key = Arc::new(DecodingKey::from_jwk(&jwk).ok()?);
    Some(Key { id: jwk.common.key_id, algorithm, key })
}

/// Bytes behind so many characters of base64url.
fn decoded_len(base64: &str) -> usize {
    base64.len() * 3 / 4
}
