//! Who may come in, and with what.

use crate::auth::{Grant, TokenError, guest};
use crate::model::id::Cid;
use crate::model::principal::{Principal, Standing};
use crate::model::refusal::Refusal;

use super::Node;

impl Node {
    /// What a token says of its bearer, or that it is forged or foreign.
    pub async fn check_token(&self, token: &str) -> Result<Standing, Refusal> {
        self.parts.tokens.check(token).await.map_err(|error| match error {
            TokenError::KeysMissing { retry_after_ms } => Refusal::Busy { retry_after_ms },
            other => Refusal::TokenRefused(other.to_string()),
        })
    }

    /// A chat access token for one broadcast: the login's own rights, never longer than the login; without a login a
    /// guest's where the site has guests, else one that may only read.
    pub fn chat_token(&self, login: Option<&Principal>, cid: &Cid) -> String {
        let (tokens, seconds) = (&self.parts.tokens, self.parts.config.token_seconds);
        match login {
            Some(principal) => tokens.narrow(principal, cid.as_str(), seconds),
            None if self.parts.config.guests => tokens.issue(&guest(seconds)),
            None => tokens.issue_anonymous(seconds),
        }
    }

    /// A chat access token for whomever the site's backend says, and what it says once it is checked: what the gateway
    /// would refuse later is refused now.
    pub async fn token_for(&self, grant: &Grant) -> Result<(String, Principal), Refusal> {
        let token = self.parts.tokens.issue(grant);
        match self.check_token(&token).await? {
            Standing::Valid(principal) | Standing::Expired(principal) => Ok((token, principal)),
            Standing::Anonymous => Err(Refusal::Fault),
        }
    }
}
