//! Revoking tokens.

use std::sync::Arc;

use crate::model::access::Revoked;
use crate::model::event::{Body, Event};
use crate::model::id::{EventId, Seq};
use crate::model::principal::Principal;
use crate::policy::revoked::Revocation;

use super::append::refusal;
use super::live::Live;
use super::station::StationError;
use super::{Node, append};

impl Node {
    /// Revokes tokens in the whole site: nothing is accepted from them any more once this is done. It is one event in
    /// the directory, where every later act is looked up, and one in each channel with members, where it stands in
    /// order with the lines that are on their way.
    pub async fn revoke(&self, revoked: &Revoked) -> Result<Revocation, StationError> {
        let event = Event::new(self.parts.clock.now(), Body::Revoked(revoked.clone()));
        let (id, at) = (event.id, event.at);
        let directory = crate::model::id::ChannelId::directory();
        let seq = self.parts.log.append(&directory, Arc::new(event)).await.map_err(|failure| refusal(&failure))?;
        append::until(|| self.directory.seq() >= seq).await?;
        for live in self.hub.loaded() {
            if live.has_members() {
                self.revoke_in(&live, id, revoked).await?;
            }
        }
        Ok(Revocation { seq, revoked: revoked.clone(), at })
    }

    async fn revoke_in(&self, live: &Arc<Live>, first: EventId, revoked: &Revoked) -> Result<(), StationError> {
        let id = EventId::derived(&format!("{first} in {}", live.id()));
        let event = Event { id, at: self.parts.clock.now(), body: Body::Revoked(revoked.clone()) };
        Ok(self.append_once(live, event).await?)
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
