//! Who may come in, and with what.

use crate::auth::guest;
use crate::model::id::Cid;
use crate::model::principal::{Principal, Standing};
use crate::model::refusal::Refusal;

use super::Node;

impl Node {
    /// What a token says of its bearer, or that it is forged or foreign.
    pub fn check_token(&self, token: &str) -> Result<Standing, Refusal> {
        self.parts.tokens.check(token).map_err(|error| Refusal::TokenRefused(error.to_string()))
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
}
