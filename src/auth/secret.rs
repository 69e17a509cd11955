//! Keys that nobody may see.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

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

    /// The same secret behind a few plain characters that tell what it is for.
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self([prefix.as_bytes(), &self.0].concat())
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

/// What is kept of a key that somebody presents: enough to know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDigest(pub [u8; 32]);

impl KeyDigest {
    /// The digest of this key. A plain hash does, because our keys are 256 bits of chance.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Whether this is the key; takes the same time whatever is wrong with it.
    pub fn opens(&self, presented: &str) -> bool {
        Self::of(presented.as_bytes()).0.ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::fresh()), "Secret(***)");
        assert_eq!(Secret::new("short"), None);
        assert_eq!(Secret::fresh().reveal().len(), 64);
    }

    #[test]
    fn a_key_is_known_by_its_digest() {
        let digest = KeyDigest::of(b"the key");
        assert!(digest.opens("the key") && !digest.opens("the kez") && !digest.opens(""));
    }
}
