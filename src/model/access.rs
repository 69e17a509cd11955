//! Who of the site's own programs may do what, and whose tokens hold no more.

use super::id::UserId;
use super::time::Millis;

/// Longest identity of a token (`jti`) in bytes.
pub const LONGEST_TOKEN_ID: usize = 64;

/// How old a token may be at most, whatever it says of its end: 400 days. Revocations are remembered as long.
pub const OLDEST_TOKEN_MS: i64 = 400 * 24 * 3_600 * 1_000;

/// What an API key may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Look at channels and broadcasts.
    ReadChannels,
    /// Open, rename and close them.
    WriteChannels,
    /// Look at lines and questions.
    ReadMessages,
    /// Send lines, as anyone.
    WriteMessages,
    /// Tell of donations, subscriptions and the like.
    WriteSpecials,
    /// Hide lines, and show them again.
    HideMessages,
    /// Look at what staff did, and at what is hidden.
    ReadModeration,
    /// Do what staff do.
    WriteModeration,
    /// Erase what somebody said.
    EraseMessages,
    /// Make chat access tokens, for anyone.
    WriteTokens,
    /// Look at revocations.
    ReadRevocations,
    /// Revoke tokens.
    WriteRevocations,
    /// Make, list and revoke API keys.
    WriteKeys,
    /// Ask why somebody was disconnected, and read the metrics.
    ReadDiagnostics,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 14] = [
        Self::ReadChannels,
        Self::WriteChannels,
        Self::ReadMessages,
        Self::WriteMessages,
        Self::WriteSpecials,
        Self::HideMessages,
        Self::ReadModeration,
        Self::WriteModeration,
        Self::EraseMessages,
        Self::WriteTokens,
        Self::ReadRevocations,
        Self::WriteRevocations,
        Self::WriteKeys,
        Self::ReadDiagnostics,
    ];

    /// Its name, in the API and in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::ReadChannels => "channels:read",
            Self::WriteChannels => "channels:write",
            Self::ReadMessages => "messages:read",
            Self::WriteMessages => "messages:write",
            Self::WriteSpecials => "specials:write",
            Self::HideMessages => "messages:hide",
            Self::ReadModeration => "moderation:read",
            Self::WriteModeration => "moderation:write",
            Self::EraseMessages => "messages:erase",
            Self::WriteTokens => "tokens:write",
            Self::ReadRevocations => "revocations:read",
            Self::WriteRevocations => "revocations:write",
            Self::WriteKeys => "keys:write",
            Self::ReadDiagnostics => "diagnostics:read",
        }
    }

    /// The permission of this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.word() == word)
    }
}

/// A key of the site's backend. The key itself is told once, when it is made; this is what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its identity, which is part of the key.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// Whether it was made by a gateway for trying things out: no other takes it.
    pub dev: bool,
}

/// Whose tokens hold no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// Every token of this account that was made until then.
    User(UserId),
    /// The token with this identity.
    Token(String),
}

/// What a line says of the token it was sent with, so that a revocation can be judged in log order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credential {
    /// The token's own identity; empty when it has none.
    pub token_id: String,
    /// When the token was made.
    pub issued: Millis,
    /// Whether a gateway made it, by its own clock, and not the site.
    pub own: bool,
}

impl Credential {
    /// What a line says that the site's backend sent, without any token: nothing revokes it.
    pub fn of_the_site() -> Self {
        Self { token_id: String::new(), issued: Millis(i64::MAX), own: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_found_by_its_name() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.word()), Some(permission));
        }
        assert_eq!(Permission::parse("everything"), None);
    }
}
