//! Identities. Each is parsed once, where it comes in, and is valid ever after.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// Longest channel, broadcast or user identity in bytes.
pub const LONGEST_ID: usize = 64;

/// Author names with a meaning of their own on the wire (facts, 2.3); no user may have one.
const RESERVED_USERS: [&str; 3] = [ANONYMOUS, "SYSTEM_MESSAGE", "@OPEN"];

/// Who wrote a line without wanting to be named.
const ANONYMOUS: &str = "anonymous";

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identity, or `None` when `text` can't be one.
            pub fn parse(text: &str) -> Option<Self> {
                let valid: fn(&str) -> bool = $valid;
                (!text.is_empty() && text.len() <= LONGEST_ID && valid(text)).then(|| Self(text.into()))
            }

            /// The identity as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A streamer's channel: one log. 32 hexadecimal digits on Chzzk; here 1 to 64 of `A-Z a-z 0-9 _ -`.
    ChannelId,
    word
);
text_id!(
    /// One broadcast's chat (`cid`): six characters when we make it; here 1 to 64 of `A-Z a-z 0-9 _ -`.
    Cid,
    word
);
text_id!(
    /// An account (`uid`): 1 to 64 printable ASCII characters without blanks, quotes or backslashes.
    UserId,
    |text| !RESERVED_USERS.contains(&text)
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'\\<>".contains(&byte))
);

fn word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

impl ChannelId {
    /// The log that lists channels and whom each `cid` belongs to. No parsed identity can be equal to it.
    pub fn directory() -> Self {
        Self("#directory".into())
    }

    /// A name as read back from the log's own store, which may be the directory's.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }
}

/// A network address that can be told from others and not be read back: a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressHash(pub [u8; 16]);

impl AddressHash {
    /// The hash that these hexadecimal digits spell.
    pub fn parse(digits: &str) -> Option<Self> {
        let number = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for AddressHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl UserId {
    /// Whose lines are that have no author who wants to be named (facts, 2.3).
    pub fn anonymous() -> Self {
        Self(ANONYMOUS.into())
    }

    /// Whether it is nobody's.
    pub fn is_anonymous(&self) -> bool {
        self.as_str() == ANONYMOUS
    }

    /// A name as read back from the log's own store, which may be nobody's.
    pub fn stored(text: &str) -> Option<Self> {
        if text == ANONYMOUS { Some(Self::anonymous()) } else { Self::parse(text) }
    }

    /// A number that stands for it where many are remembered: of millions of users hardly two have the same.
    pub fn digest(&self) -> u64 {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, self.as_str().as_bytes()).as_u64_pair().1
    }
}

/// What happened, once: the key under which a log remembers an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub Uuid);

impl EventId {
    /// A fresh identity that sorts by the time it was made.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }

    /// The identity of the line that stands for this request: the same request is the same line.
    pub fn of_request(access: &str, path: &str, key: &str) -> Self {
        Self::derived(&format!("request {access} {path} {key}"))
    }

    /// What the same request is the next time, after it was refused in the log: the same for whoever asks for it again.
    pub fn once_more(self) -> Self {
        Self::derived(&format!("{self} once more"))
    }

    /// The identity that every machine derives for `what`, so that it happens once.
    pub fn derived(what: &str) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, what.as_bytes()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in one channel's log: rises strictly, may skip, never 0 for an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which life of a log a [`Seq`] belongs to: a new one after a restore or a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub Uuid);

impl Epoch {
    /// A life that no log has had.
    pub fn fresh() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_what_they_may_and_nothing_else() {
        assert!(Cid::parse("N2l-x_").is_some());
        assert!(Cid::parse("demo").is_some());
        for bad in ["", "a b", "한글", "#directory", "a/b", &"x".repeat(65)] {
            assert_eq!(Cid::parse(bad), None, "{bad}");
        }
        assert!(UserId::parse("user.1@site:7").is_some());
        for bad in ["", "anonymous", "SYSTEM_MESSAGE", "@OPEN", "a b", "a\"b", "a\\b", "<b>"] {
            assert_eq!(UserId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_hash_is_read_as_it_is_written() {
        let hash = AddressHash(std::array::from_fn(|at| at as u8 * 11));
        assert_eq!(AddressHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(AddressHash::parse("12"), None);
        assert_eq!(AddressHash::parse(&"x".repeat(32)), None);
    }

    #[test]
    fn derived_ids_are_the_same_everywhere() {
        assert_eq!(EventId::derived("opened demo"), EventId::derived("opened demo"));
        assert_ne!(EventId::derived("opened demo"), EventId::derived("opened demo2"));
        assert_ne!(EventId::fresh(), EventId::fresh());
    }
}
