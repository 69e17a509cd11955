//! From a chat access token to a [`Principal`], and back for those we issue.
//!
//! A token is a JWT: signed with a secret (HS256), or with a key that the site publishes (EdDSA, ES256, RS256 by a JWKS).
//! Which algorithms are taken is settled by configuration, never by the token. A forged or foreign one is refused; a
//! correctly signed one that has ended still says who its bearer is, who may then only read.
//!
//! Three issuers are told apart: the site; the gateway itself, for the tokens it makes; and a gateway for trying things
//! out, whose tokens no other gateway takes.

mod claims;
mod jwks;
mod proof;
mod secret;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use thiserror::Error;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::access::OLDEST_TOKEN_MS;
use crate::model::principal::{Principal, Scope, Standing};
use crate::model::time::Millis;

use claims::{Claims, Signed};
use jwks::{Found, Jwks};

pub use claims::Grant;
pub use jwks::JwksUrl;
pub use proof::{Asked, Challenge, ProofError, Proofs};
pub use secret::{KeyDigest, Secret};

/// Longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 8 * 1024;

/// Who signs the tokens that the gateway makes itself.
pub const OWN_ISSUER: &str = "madang-gateway";

/// Who signs them with `--dev`: no other gateway takes these.
pub const DEV_ISSUER: &str = "madang-dev";

/// An algorithm that a site may sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// A secret that site and gateway share.
    Hs256,
    /// Ed25519, by JWKS.
    EdDsa,
    /// P-256, by JWKS.
    Es256,
    /// RSA of 2,048 bits at least, by JWKS.
    Rs256,
}

impl Alg {
    /// Every algorithm with its name in tokens (RFC 7518, RFC 8037).
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Hs256, "HS256"), (Self::EdDsa, "EdDSA"), (Self::Es256, "ES256"), (Self::Rs256, "RS256")];

    /// The algorithm of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(alg, _)| alg)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(alg, _)| *alg == self).map_or("", |(_, name)| name)
    }

    fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::HS256 => Some(Self::Hs256),
            Algorithm::EdDSA => Some(Self::EdDsa),
            Algorithm::ES256 => Some(Self::Es256),
            Algorithm::RS256 => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// How tokens are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who signs for the site; a token of anybody else is foreign.
    pub issuer: String,
    /// Whom a token must be for (`aud`), when that matters.
    pub audience: Option<String>,
    /// With what the site signs. Those with public keys need `jwks`.
    pub algorithms: Vec<Alg>,
    /// Where the site publishes its keys.
    pub jwks: Option<JwksUrl>,
    /// How far clocks may differ, in seconds.
    pub leeway_seconds: i64,
    /// Largest profile: the bytes of all its texts together.
    pub profile_bytes: usize,
    /// Whether this gateway is for trying things out.
    pub dev: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: "madang".to_owned(),
            audience: None,
            algorithms: vec![Alg::Hs256],
            jwks: None,
            leeway_seconds: 30,
            profile_bytes: 2_048,
            dev: false,
        }
    }
}

impl Config {
    /// Who signs the tokens that this gateway makes.
    pub fn own_issuer(&self) -> &'static str {
        if self.dev { DEV_ISSUER } else { OWN_ISSUER }
    }
}

/// Why a token is refused. The words are for the bearer and hold nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It isn't a JWT, or its signature is not the site's.
    #[error("not signed by this site")]
    Forged,
    /// Signed with a known key by somebody else.
    #[error("of another issuer")]
    Foreign,
    /// For another service.
    #[error("made for another audience")]
    OtherAudience,
    /// Made in the future.
    #[error("issued in the future: is a clock wrong?")]
    NotYet,
    /// The signature holds and the content doesn't.
    #[error("{0}")]
    Content(&'static str),
    /// The site's keys can't be had now, so nobody knows.
    #[error("the site's keys can't be had now")]
    KeysMissing {
        /// When to try again.
        retry_after_ms: u64,
    },
}

/// Checks and issues tokens.
pub struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    jwks: Option<Arc<Jwks>>,
    config: Config,
    clock: Arc<dyn Clock>,
    proofs: Arc<Proofs>,
}

/// A token whose signature holds.
struct Verified {
    alg: Alg,
    claims: serde_json::Value,
}

impl Tokens {
    /// Tokens signed with `secret`, or by the site's published keys.
    pub fn new(secret: &Secret, config: Config, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            signing: EncodingKey::from_secret(secret.reveal()),
            checking: DecodingKey::from_secret(secret.reveal()),
            jwks: config.jwks.clone().map(|url| Arc::new(Jwks::new(url, metrics))),
            config,
            clock,
            proofs: Arc::new(Proofs::new(secret.reveal())),
        }
    }

    /// How far clocks may differ, in milliseconds. A revocation reaches so far into the future, for tokens that go by the
    /// site's clock; those that the gateway makes go by its own.
    pub fn leeway_ms(&self) -> i64 {
        self.config.leeway_seconds * 1_000
    }

    /// What guests show first.
    pub fn proofs(&self) -> &Arc<Proofs> {
        &self.proofs
    }

    /// Keeps the site's published keys fresh, for ever; at once over when it has none.
    pub async fn keep_keys(self: Arc<Self>) {
        if let Some(jwks) = &self.jwks {
            jwks.keep().await;
        }
    }

    /// Asks for the site's published keys now, on somebody's order.
    pub async fn reload_keys(&self) {
        if let Some(jwks) = &self.jwks {
            jwks.reload().await;
        }
    }

    /// What the token says, or why it is refused. May have to ask the site for its keys first, which takes up to three
    /// seconds, and happens once in 30 seconds at most.
    pub async fn check(&self, token: &str) -> Result<Standing, TokenError> {
        let verified = self.verify(token).await?;
        self.judge(verified)
    }

    async fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Forged);
        }
        let header = decode_header(token).map_err(|_| TokenError::Forged)?;
        let alg = Alg::of(header.alg).ok_or(TokenError::Forged)?;
        // A header that has to be understood (RFC 7515, 4.1.11) and isn't.
        if header.crit.is_some() {
            return Err(TokenError::Forged);
        }
        let claims = match (alg, &self.jwks) {
            (Alg::Hs256, _) => signed_claims(token, &self.checking, header.alg)?,
            (_, Some(jwks)) if self.config.algorithms.contains(&alg) => {
                match jwks.find(header.kid.as_deref(), header.alg).await {
                    Found::Key(key) => signed_claims(token, &key, header.alg)?,
                    Found::Unknown => return Err(TokenError::Forged),
                    Found::Later(retry_after_ms) => return Err(TokenError::KeysMissing { retry_after_ms }),
                }
            }
            _ => return Err(TokenError::Forged),
        };
        Ok(Verified { alg, claims })
    }

    fn judge(&self, Verified { alg, claims }: Verified) -> Result<Standing, TokenError> {
        let claims: Claims = serde_json::from_value(claims)
            .map_err(|_| TokenError::Content("a claim is missing or of the wrong type"))?;
        let own = alg == Alg::Hs256 && claims.issuer == self.config.own_issuer();
        let of_the_site = claims.issuer == self.config.issuer && self.config.algorithms.contains(&alg);
        if !own && !of_the_site {
            return Err(TokenError::Foreign);
        }
        let wanted = self.config.audience.as_deref();
        if wanted.is_some_and(|wanted| !claims.audience.as_ref().is_some_and(|audience| audience.names(wanted))) {
            return Err(TokenError::OtherAudience);
        }
        let (now, leeway) = (self.clock.now().seconds(), self.config.leeway_seconds);
        if claims.issued.max(claims.not_before.unwrap_or(i64::MIN)) > now.saturating_add(leeway) {
            return Err(TokenError::NotYet);
        }
        let oldest = claims.issued.saturating_add(OLDEST_TOKEN_MS / 1_000);
        let ends = claims.expires.min(oldest).saturating_add(leeway);
        let principal = claims.principal(self.config.profile_bytes)?.map(|mut principal| {
            principal.expires = Millis::from_seconds(ends);
            principal.own = own;
            principal
        });
        Ok(match principal {
            None => Standing::Anonymous,
            Some(principal) if ends < now => Standing::Expired(principal),
            Some(principal) => Standing::Valid(principal),
        })
    }

    /// A token for this grant, from now on.
    pub fn issue(&self, grant: &Grant) -> String {
        self.issue_as(grant, self.config.own_issuer())
    }

    /// A token for this grant that says it comes from `issuer`.
    pub fn issue_as(&self, grant: &Grant, issuer: &str) -> String {
        self.sign(&Claims::new(grant, Signed { issuer, ..self.fresh() }))
    }

    /// A token for a bearer of whom nothing is known.
    pub fn issue_anonymous(&self, ttl_seconds: i64) -> String {
        self.sign(&Claims::anonymous(ttl_seconds, self.fresh()))
    }

    /// A token like `principal`'s own that holds only in `place`, from when theirs was made and not longer, under the
    /// same identity: whatever revokes the first revokes this one.
    pub fn narrow(&self, principal: &Principal, place: &str, ttl_seconds: i64) -> String {
        // What we sign goes by our own clock when it comes to revocations: as late as the site's may be.
        let margin = if principal.own { 0 } else { self.leeway_ms() };
        let (now, issued) = (self.clock.now().seconds(), (principal.issued - margin).seconds());
        let ends = principal.expires.seconds() - self.config.leeway_seconds;
        let grant = Grant {
            uid: principal.uid.clone(),
            profile: (*principal.profile).clone(),
            role: principal.role,
            scope: Scope::Only(place.to_owned()),
            roles: principal.roles.clone(),
            known: principal.known,
            guest: principal.guest,
            ttl_seconds: ends.min(now.saturating_add(ttl_seconds)) - issued,
        };
        self.sign(&Claims::new(&grant, Signed { id: principal.token_id.clone(), issued, ..self.fresh() }))
    }

    fn fresh(&self) -> Signed<'_> {
        Signed {
            issuer: self.config.own_issuer(),
            audience: self.config.audience.as_deref(),
            id: uuid::Uuid::new_v4().simple().to_string(),
            issued: self.clock.now().seconds(),
        }
    }

    fn sign(&self, claims: &Claims) -> String {
        // Signing plain claims with an HMAC key has no way to fail.
        encode(&Header::new(Algorithm::HS256), claims, &self.signing).unwrap_or_default()
    }
}

/// The claims of a token that this key has signed. Times, issuer and audience are judged elsewhere: by the clock we are
/// given, and because an expired token is not a forged one.
fn signed_claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<serde_json::Value, TokenError> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode::<serde_json::Value>(token, key, &validation).map(|token| token.claims).map_err(|_| TokenError::Forged)
}

#[cfg(test)]
mod tests;
