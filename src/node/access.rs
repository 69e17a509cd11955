//! Who may come in, and with what.

use std::time::Duration;

use crate::auth::{Asked, Grant, TokenError};
use crate::model::id::{AddressHash, Cid};
use crate::model::principal::{Principal, Standing};
use crate::model::refusal::Refusal;

use super::{Node, Seat, station};

const SECOND: Duration = Duration::from_secs(1);

impl Node {
    /// What a token says of its bearer, or that it is forged or foreign.
    pub async fn check_token(&self, token: &str) -> Result<Standing, Refusal> {
        self.parts.tokens.check(token).await.map_err(|error| match error {
            TokenError::KeysMissing { retry_after_ms } => Refusal::Busy { retry_after_ms },
            other => Refusal::TokenRefused(other.to_string()),
        })
    }

    /// Whether this seat's holder may act now.
    pub fn may_act(&self, seat: &Seat) -> bool {
        seat.principal().is_some_and(|principal| self.still_holds(principal).is_ok())
    }

    /// Whether the token that somebody acts by holds now.
    pub(super) fn still_holds(&self, principal: &Principal) -> Result<(), Refusal> {
        if principal.expires < self.parts.clock.now() {
            return Err(Refusal::TokenExpired);
        }
        if self.is_revoked(principal) { Err(Refusal::TokenRevoked) } else { Ok(()) }
    }

    /// A chat access token for one broadcast: the login's own rights, never longer than the login; without a login a
    /// guest's where the site has guests and asks them for nothing, as many a minute as an address may have; else one that may
    /// only read. A login that holds in another channel gets none: it would hold in two then.
    pub fn chat_token(
        &self,
        login: Option<&Principal>,
        cid: &Cid,
        address: Option<AddressHash>,
    ) -> Result<String, Refusal> {
        let (tokens, seconds) = (&self.parts.tokens, self.parts.config.token_seconds);
        let Some(principal) = login else {
            // Whoever only wants to read asks here, too: nobody is refused.
            let may = self.asked_of_guests() == Some(Asked::Nothing) && self.pace_guests(address).is_ok();
            return Ok(if may { self.passing_guest() } else { tokens.issue_anonymous(seconds) });
        };
        let channel = self.directory.owner(cid).unwrap_or_else(|| station::derived_channel(cid));
        if !principal.scope.covers(&channel, cid) {
            return Err(Refusal::TokenRefused("it holds in another channel".to_owned()));
        }
        Ok(tokens.narrow(principal, cid.as_str(), seconds))
    }

    /// A chat access token for whomever the site's backend says, and what it says once it is checked: what the gateway
    /// would refuse later is refused now.
    pub async fn token_for(&self, grant: &Grant) -> Result<(String, Principal), Refusal> {
        // Tokens count whole seconds, so one that is made in the second of a revocation is void.
        for wait in [Duration::ZERO, SECOND] {
            tokio::time::sleep(wait).await;
            let token = self.parts.tokens.issue(grant);
            match self.check_token(&token).await? {
                Standing::Valid(principal) if self.is_revoked(&principal) => {}
                Standing::Valid(principal) | Standing::Expired(principal) => return Ok((token, principal)),
                Standing::Anonymous => return Err(Refusal::Fault),
            }
        }
        Err(Refusal::Busy { retry_after_ms: 1_000 })
    }
}
