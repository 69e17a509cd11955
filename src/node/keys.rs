//! The keys of the site's own programs.

use std::sync::Arc;

use crate::auth::KeyDigest;
use crate::model::access::{ApiKey, Permission};
use crate::model::event::Body;
use crate::model::refusal::Refusal;
use crate::model::time::Millis;

use super::Node;
use super::station::StationError;

/// Most keys that hold at one time.
const MOST_KEYS: usize = 1_000;

/// What the key of the settings or the data directory is called.
const ROOT: &str = "root";

/// What keys begin with, so that whoever finds one knows what it opens.
const PREFIX: &str = "madang";

/// The same for those of a gateway for trying things out.
const DEV_PREFIX: &str = "madang-dev";

/// Which program asks, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The key's identity; `root` for the one of the settings or the data directory.
    pub id: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
}

impl Node {
    /// Makes a key. Its text is told now and never again.
    pub async fn make_key(&self, name: &str, permissions: Vec<Permission>) -> Result<(ApiKey, String), StationError> {
        if self.directory.keys().len() >= MOST_KEYS {
            return Err(StationError::TooMany("API keys: 1,000 at most, revoke some first"));
        }
        let dev = self.parts.config.dev;
        let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
        let secret: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("{}_{id}_{secret}", if dev { DEV_PREFIX } else { PREFIX });
        let digest = KeyDigest::of(text.as_bytes()).0;
        let key = ApiKey { id, name: name.to_owned(), digest, permissions, dev };
        self.write_directory(Body::KeyMade(Arc::new(key.clone()))).await?;
        Ok((key, text))
    }

    /// The keys that hold, with when they were made, oldest first.
    pub fn keys(&self) -> Vec<(Arc<ApiKey>, Millis)> {
        let mut keys = self.directory.keys();
        keys.sort_by_key(|(_, made)| *made);
        keys
    }

    /// Revokes a key, at once and for good.
    pub async fn revoke_key(&self, id: &str) -> Result<(), StationError> {
        if self.directory.key(id).is_none() {
            return Err(StationError::NoKey);
        }
        self.write_directory(Body::KeyRevoked { id: id.to_owned() }).await
    }

    /// What a presented key may do; `None` when it holds no more or never did.
    pub fn access(&self, presented: &str) -> Option<Access> {
        if self.parts.root_key.opens(presented) {
            return Some(Access { id: ROOT.to_owned(), permissions: Permission::ALL.to_vec() });
        }
        let mut parts = presented.splitn(3, '_');
        let (prefix, id) = (parts.next()?, parts.next()?);
        let dev = self.parts.config.dev;
        if prefix != if dev { DEV_PREFIX } else { PREFIX } {
            return None;
        }
        let (key, _) = self.directory.key(id).filter(|(key, _)| key.dev == dev)?;
        let opens = KeyDigest(key.digest).opens(presented);
        opens.then(|| Access { id: key.id.clone(), permissions: key.permissions.clone() })
    }

    /// Takes a turn for a program that sends.
    pub(super) fn pace_program(&self, access: &str) -> Result<(), Refusal> {
        let taken = self.programs.take(access, self.parts.clock.now(), self.rules().session_sends);
        taken.map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })
    }
}
