//! Close codes. Published clients read just this from one: 1000 means stay away, anything else come back at once.

/// Why a connection is closed, as a number of RFC 6455, 7.4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// Coming back doesn't help: unknown channel, refused token, kicked.
    Normal = 1000,
    /// The gateway goes away; come back.
    Away = 1001,
    /// Broken framing.
    Protocol = 1002,
    /// Text that is not UTF-8.
    NotUtf8 = 1007,
    /// A message over the limit.
    TooLarge = 1009,
    /// The gateway restarts; come back.
    Restart = 1012,
    /// Too slow a reader, or too busy a gateway; come back later.
    TryLater = 1013,
}

impl CloseCode {
    /// Every code we send.
    pub const ALL: [Self; 7] =
        [Self::Normal, Self::Away, Self::Protocol, Self::NotUtf8, Self::TooLarge, Self::Restart, Self::TryLater];

    /// The number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }
}
