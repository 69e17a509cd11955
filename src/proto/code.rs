//! Result codes: the one table from a refusal to its number. `proto-docs/codes.md` is its published form.

use crate::model::refusal::Refusal;

/// The `retCode` of a reply. Only 0 and 105 are the public wire's own (facts, 3); ours read like HTTP's, and keep clear
/// of 302, 303 and 304, which the site's own client takes for 'go to another server'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u16);

impl Code {
    /// Done.
    pub const SUCCESS: Self = Self(0);
    /// The request can't be read, or names what doesn't exist.
    pub const INCORRECT_PARAMETER: Self = Self(105);
    /// The access token is refused or has ended.
    pub const UNAUTHORIZED: Self = Self(401);
    /// This session may not do that.
    pub const FORBIDDEN: Self = Self(403);
    /// What is named isn't there.
    pub const NOT_FOUND: Self = Self(404);
    /// Out of turn: before CONNECT, or a second one.
    pub const OUT_OF_TURN: Self = Self(409);
    /// The broadcast is over.
    pub const ENDED: Self = Self(410);
    /// Over a size limit.
    pub const TOO_LARGE: Self = Self(413);
    /// Nothing in it, or something that is blocked.
    pub const EMPTY: Self = Self(422);
    /// The channel can't be written to by this build.
    pub const READ_ONLY: Self = Self(423);
    /// Too often, or too many at once.
    pub const TOO_MANY: Self = Self(429);
    /// Our own failure.
    pub const INTERNAL: Self = Self(500);
    /// Too busy, or going away.
    pub const BUSY: Self = Self(503);
    /// The disk is full.
    pub const NO_ROOM: Self = Self(507);

    /// The number that a refusal has on this wire.
    pub fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::BadRequest(_) | Refusal::UnknownCommand | Refusal::UnknownChannel | Refusal::OtherChannel => {
                Self::INCORRECT_PARAMETER
            }
            Refusal::TokenRefused(_) | Refusal::TokenExpired | Refusal::TokenRevoked => Self::UNAUTHORIZED,
            Refusal::ReadOnly
            | Refusal::KindNotAllowed
            | Refusal::OtherAccount
            | Refusal::Restricted { .. }
            | Refusal::NotStreamer
            | Refusal::Oneself
            | Refusal::NotInGroup { .. }
            | Refusal::EmojiOnly
            | Refusal::RealNameOnly
            | Refusal::NotStaff
            | Refusal::WhispersOff
            | Refusal::MembersHidden
            | Refusal::NoGuests
            | Refusal::ProofNeeded(_)
            | Refusal::Outranked => Self::FORBIDDEN,
            Refusal::NoSuchLine | Refusal::NobodyThere => Self::NOT_FOUND,
            Refusal::NotJoined
            | Refusal::AlreadyJoined
            | Refusal::NothingToUndo
            | Refusal::NicknameTaken(_)
            | Refusal::StaleQuestion(_)
            | Refusal::QuestionClosed(_) => Self::OUT_OF_TURN,
            Refusal::BroadcastEnded => Self::ENDED,
            Refusal::TextTooLong { .. } | Refusal::ExtrasTooLarge(_) | Refusal::ItemTooLarge(_) => Self::TOO_LARGE,
            Refusal::EmptyText | Refusal::Filtered(_) => Self::EMPTY,
            Refusal::ChannelReadOnly => Self::READ_ONLY,
            Refusal::TooFast { .. }
            | Refusal::SlowMode { .. }
            | Refusal::TooManyConnections(_)
            | Refusal::TooManyOpen(_)
            | Refusal::VotesFull
            | Refusal::NamesFull
            | Refusal::TooMany(_) => Self::TOO_MANY,
            Refusal::Fault => Self::INTERNAL,
            Refusal::DiskFull => Self::NO_ROOM,
            Refusal::Busy { .. } | Refusal::Draining => Self::BUSY,
        }
    }
}

/// The words beside a code: the wire's own where it has them.
pub fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownCommand | Refusal::UnknownChannel => "Incorrect parameter".to_owned(),
        other => other.to_string(),
    }
}
