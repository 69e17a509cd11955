//! Revoking tokens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, future, stream};

use crate::model::access::Revoked;
use crate::model::event::{Body, Event};
use crate::model::id::{ChannelId, EventId, Seq};
use crate::model::principal::Principal;
use crate::model::refusal::Refusal;
use crate::policy::revoked::Revocation;

use super::append::refusal;
use super::live::Live;
use super::station::StationError;
use super::{Node, append};

/// Channels that are told of a revocation at the same time.
const AT_ONCE: usize = 64;

/// How often the log is asked while its queue is full.
const ATTEMPTS: u32 = 20;

/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(100);

impl Node {
    /// Revokes tokens in the whole site: nothing is accepted from them any more once this is done. It is one event in
    /// the directory, where every later act is looked up, and one in each channel that is on air here, where it stands in
    /// order with the lines that are on their way. An error says that some of that is not certain: ask again.
    ///
    /// It goes on when nobody waits for it any more.
    pub async fn revoke(self: &Arc<Self>, revoked: &Revoked) -> Result<Revocation, StationError> {
        let (node, revoked, under_way) = (self.clone(), revoked.clone(), self.begin()?);
        let revoking = tokio::spawn(async move {
            let _under_way = under_way;
            node.revoke_everywhere(&revoked).await
        });
        revoking.await.unwrap_or(Err(Refusal::Fault.into()))
    }

    /// The same by whoever sees to it that it goes on.
    pub(super) async fn revoke_everywhere(&self, revoked: &Revoked) -> Result<Revocation, StationError> {
        let now = self.parts.clock.now();
        let until = now + self.parts.tokens.leeway_ms();
        let event = Event::new(now, Body::Revoked { revoked: revoked.clone(), until });
        let id = event.id;
        let directory = ChannelId::directory();
        let event = Arc::new(event);
        let seq = patiently(|| async {
            self.parts.log.append(&directory, event.clone()).await.map_err(|failure| refusal(&failure))
        });
        let seq = seq.await?;
        append::until(|| self.directory.seq() >= seq).await?;
        let tell = async |live: Arc<Live>| {
            let body = Body::Revoked { revoked: revoked.clone(), until };
            let event = Event { id: EventId::derived(&format!("{id} in {}", live.id())), at: now, body };
            patiently(|| self.append_once(&live, event.clone())).await.err()
        };
        // Many at once, so that they share commits; one channel that can't be written to keeps none of the others from
        // hearing of it.
        let on_air = self.hub.loaded().into_iter().filter(|live| live.is_on_air());
        let telling = stream::iter(on_air).map(tell).buffer_unordered(AT_ONCE);
        let failures: Vec<Refusal> = telling.filter_map(future::ready).collect().await;
        match failures.into_iter().next() {
            Some(refusal) => Err(refusal.into()),
            None => Ok(Revocation { seq, revoked: revoked.clone(), at: now, until }),
        }
    }

    /// Up to `limit` revocations before a place, newest first.
    pub fn revocations(&self, before: Option<Seq>, limit: usize) -> Vec<Revocation> {
        self.directory.revocations(before, limit)
    }

    /// Whether the site has revoked what this principal acts by.
    pub fn is_revoked(&self, principal: &Principal) -> bool {
        self.directory.is_revoked(&principal.uid, &principal.credential())
    }
}

/// Asks again for as long as it is worth it while the log is too busy.
pub(super) async fn patiently<T, F: Future<Output = Result<T, Refusal>>>(append: impl Fn() -> F) -> Result<T, Refusal> {
    for _ in 1..ATTEMPTS {
        match append().await {
            Err(Refusal::Busy { .. }) => tokio::time::sleep(PAUSE).await,
            ended => return ended,
        }
    }
    append().await
}
