//! From a chat access token to a [`Principal`], and back for those we issue.
//!
//! A token is a JWT signed with the site's secret (HS256). A forged or foreign one is refused; a correctly signed one
//! that has ended still says who its bearer is, who may then only read.

mod claims;

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use thiserror::Error;

use crate::clock::Clock;
use crate::model::principal::{Principal, Role, Scope, Standing};

use claims::Claims;
pub use claims::Grant;

/// Longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 8 * 1024;

/// A key that never shows itself in traces, errors or printed configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Fewest bytes of a secret: the width of the signature.
    pub const SHORTEST: usize = 32;

    /// The secret, or `None` when it is too short to be one.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        (bytes.len() >= Self::SHORTEST).then_some(Self(bytes))
    }

    /// A new secret: 64 hexadecimal digits, 256 bits of chance.
    pub fn fresh() -> Self {
        let bits: [u8; 32] = rand::random();
        Self(bits.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect())
    }

    /// The bytes, to write them to a file or to sign with them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// How tokens are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who signs; a token of another issuer is foreign.
    pub issuer: String,
    /// How far clocks may differ, in seconds.
    pub leeway_seconds: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self { issuer: "madang".to_owned(), leeway_seconds: 30 }
    }
}

/// Why a token is refused. The words are for the bearer and hold nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It isn't a JWT, or its signature is not ours.
    #[error("not signed by this site")]
    Forged,
    /// Signed with our secret by somebody else.
    #[error("of another issuer")]
    Foreign,
    /// Made in the future.
    #[error("issued in the future")]
    NotYet,
    /// The signature holds and the content doesn't.
    #[error("{0}")]
    Content(&'static str),
}

/// Checks and issues tokens.
pub struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    config: Config,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// Tokens signed with `secret`.
    pub fn new(secret: &Secret, config: Config, clock: Arc<dyn Clock>) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are judged here, by the clock we are given; an expired token is not a forged one.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            signing: EncodingKey::from_secret(secret.reveal()),
            checking: DecodingKey::from_secret(secret.reveal()),
            validation,
            config,
            clock,
        }
    }

    /// What the token says, or why it is refused.
    pub fn check(&self, token: &str) -> Result<Standing, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Forged);
        }
        // Two steps, so that what fails before the signature was checked is told apart from what fails behind it.
        let signed = decode::<serde_json::Value>(token, &self.checking, &self.validation)
            .map_err(|_| TokenError::Forged)?
            .claims;
        let claims: Claims = serde_json::from_value(signed)
            .map_err(|_| TokenError::Content("a claim is missing or of the wrong type"))?;
        if claims.issuer != self.config.issuer {
            return Err(TokenError::Foreign);
        }
        let now = self.clock.now().seconds();
        if claims.issued > now.saturating_add(self.config.leeway_seconds) {
            return Err(TokenError::NotYet);
        }
        let expired = claims.expires.saturating_add(self.config.leeway_seconds) < now;
        let principal = claims.principal()?.map(|mut principal| {
            principal.expires = principal.expires + self.config.leeway_seconds * 1_000;
            principal
        });
        Ok(match principal {
            None => Standing::Anonymous,
            Some(principal) if expired => Standing::Expired(principal),
            Some(principal) => Standing::Valid(principal),
        })
    }

    /// A token for this grant, from now on.
    pub fn issue(&self, grant: &Grant) -> String {
        self.sign(&Claims::new(grant, &self.config.issuer, self.clock.now().seconds()))
    }

    /// A token for a bearer of whom nothing is known.
    pub fn issue_anonymous(&self, ttl_seconds: i64) -> String {
        self.sign(&Claims::anonymous(&self.config.issuer, self.clock.now().seconds(), ttl_seconds))
    }

    /// A token like `principal`'s own that holds only in `place` and not longer than `ttl_seconds`.
    pub fn narrow(&self, principal: &Principal, place: &str, ttl_seconds: i64) -> String {
        let now = self.clock.now().seconds();
        let left = principal.expires.seconds() - self.config.leeway_seconds - now;
        let grant = Grant {
            uid: principal.uid.clone(),
            profile: (*principal.profile).clone(),
            role: principal.role,
            scope: Scope::Only(place.to_owned()),
            ttl_seconds: ttl_seconds.min(left),
        };
        self.sign(&Claims::new(&grant, &self.config.issuer, now))
    }

    fn sign(&self, claims: &Claims) -> String {
        // Signing plain claims with an HMAC key has no way to fail.
        encode(&Header::new(Algorithm::HS256), claims, &self.signing).unwrap_or_default()
    }
}

/// A guest: a viewer with a made-up identity.
pub fn guest(ttl_seconds: i64) -> Grant {
    let uid = uuid::Uuid::new_v4().simple().to_string();
    let nickname = format!("guest-{}", &uid[..6]);
    Grant::plain(&uid, &nickname, Role::Viewer, Scope::Everywhere, ttl_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Manual;
    use crate::model::principal::{Profile, ViewerBadge};
    use crate::model::time::Millis;

    const NOW: i64 = 1_790_000_000;

    fn tokens(secret: &str, issuer: &str, now: i64) -> Tokens {
        let secret = Secret::new(secret.repeat(32)).unwrap();
        let config = Config { issuer: issuer.to_owned(), ..Config::default() };
        Tokens::new(&secret, config, Arc::new(Manual::at(Millis::from_seconds(now))))
    }

    fn grant() -> Grant {
        Grant::plain("u1", "마당", Role::ChatManager, Scope::Only("N2abCd".to_owned()), 60)
    }

    #[test]
    fn a_token_says_who_its_bearer_is() {
        let tokens = tokens("a", "madang", NOW);
        let Ok(Standing::Valid(principal)) = tokens.check(&tokens.issue(&grant())) else { panic!() };
        assert_eq!((principal.uid.as_str(), principal.profile.nickname.as_str()), ("u1", "마당"));
        assert_eq!((principal.role, principal.scope), (Role::ChatManager, Scope::Only("N2abCd".to_owned())));
        assert_eq!(principal.expires, Millis::from_seconds(NOW + 60 + 30), "with the leeway");
        assert_eq!(tokens.check(&tokens.issue_anonymous(60)), Ok(Standing::Anonymous));
    }

    #[test]
    fn an_expired_token_is_not_a_forged_one() {
        let token = tokens("a", "madang", NOW).issue(&grant());
        assert!(matches!(tokens("a", "madang", NOW + 90).check(&token), Ok(Standing::Valid(_))));
        assert!(matches!(tokens("a", "madang", NOW + 91).check(&token), Ok(Standing::Expired(_))));
    }

    #[test]
    fn forged_foreign_and_future_tokens_are_refused() {
        let token = tokens("a", "madang", NOW).issue(&grant());
        assert_eq!(tokens("b", "madang", NOW).check(&token), Err(TokenError::Forged));
        assert_eq!(tokens("a", "other", NOW).check(&token), Err(TokenError::Foreign));
        assert_eq!(tokens("a", "madang", NOW - 31).check(&token), Err(TokenError::NotYet));
        let (_, body) = token.split_once('.').unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", body.split_once('.').unwrap().0);
        for bad in ["", "null", "a.b.c", unsigned.as_str(), &"x".repeat(9_000)] {
            assert_eq!(tokens("a", "madang", NOW).check(bad), Err(TokenError::Forged), "{bad}");
        }
    }

    #[test]
    fn a_profile_that_cannot_be_shown_is_refused() {
        let tokens = tokens("a", "madang", NOW);
        let verdict = |profile: Profile| tokens.check(&tokens.issue(&Grant { profile, ..grant() })).map(drop);
        let named = |nickname: &str| Profile { nickname: nickname.to_owned(), ..Profile::default() };
        assert_eq!(verdict(named(&"가".repeat(30))), Ok(()));
        for nickname in ["", "a\nb", "\u{1b}[2J", &"x".repeat(31)] {
            assert!(matches!(verdict(named(nickname)), Err(TokenError::Content(_))), "{nickname:?}");
        }
        let large = Profile { image_url: "x".repeat(2_048), ..named("n") };
        assert!(matches!(verdict(large), Err(TokenError::Content(_))));
        let badge = || ViewerBadge { id: "b".to_owned(), site_wide: false, image_url: String::new() };
        let many = Profile { viewer_badges: (0..11).map(|_| badge()).collect(), ..named("n") };
        assert!(matches!(verdict(many), Err(TokenError::Content(_))));
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::fresh()), "Secret(***)");
        assert_eq!(Secret::new("short"), None);
        assert_eq!(Secret::fresh().reveal().len(), 64);
    }

    #[test]
    fn a_narrowed_token_never_outlives_the_first() {
        let tokens = tokens("a", "madang", NOW);
        let Ok(Standing::Valid(first)) = tokens.check(&tokens.issue(&grant())) else { panic!() };
        let Ok(Standing::Valid(second)) = tokens.check(&tokens.narrow(&first, "demo", 3_600)) else { panic!() };
        assert_eq!(second.expires, first.expires);
        assert_eq!(second.scope, Scope::Only("demo".to_owned()));
    }
}
