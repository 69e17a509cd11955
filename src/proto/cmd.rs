//! Every command number, once.
//!
//! A reply is its request + 10000, always; a push of the same name is the request + 90000.

/// A command number. Unknown numbers survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cmd(pub u64);

impl Cmd {
    /// Liveness, either way.
    pub const PING: Self = Self(0);
    /// Join a channel.
    pub const CONNECT: Self = Self(100);
    /// A new access token for the same session.
    pub const REFRESH: Self = Self(200);
    /// Send a line.
    pub const SEND_CHAT: Self = Self(3101);
    /// Say something to one member alone; and the push that says it.
    pub const WHISPER: Self = Self(3301);
    /// Ask who is here.
    pub const MEMBERS: Self = Self(5201);
    /// Say how a question stands.
    pub const QUESTION_STATUS: Self = Self(3140);
    /// Vote for a question, or take the vote back.
    pub const QUESTION_VOTE: Self = Self(3141);
    /// Ask for questions.
    pub const QUESTIONS: Self = Self(5140);
    /// Close somebody's sessions; and the push that says so.
    pub const KICK: Self = Self(4005);
    /// Let somebody send nothing for days, or let them send again; and the push that says so.
    pub const BLOCK: Self = Self(4006);
    /// Let somebody send nothing for seconds, and hide what they said; and the push that says so.
    pub const PENALTY: Self = Self(4015);
    /// Give somebody a role, or take it.
    pub const ROLE: Self = Self(4020);
    /// Change how the chat is run.
    pub const CHAT_MODE: Self = Self(4030);
    /// Change what lines may not say.
    pub const FILTER: Self = Self(4040);
    /// Hide lines, or show them again; and the push that says so.
    pub const HIDE: Self = Self(4008);
    /// Pin a notice, or take it down; and the push that says so.
    pub const PIN: Self = Self(4010);
    /// Ask for the last lines.
    pub const RECENT_CHAT: Self = Self(5101);
    /// Answer to [`PING`](Self::PING), either way.
    pub const PONG: Self = Self::PING.reply();
    /// Lines, pushed to every member.
    pub const CHAT: Self = Self::SEND_CHAT.push();
    /// One member says something to this one alone.
    pub const WHISPERED: Self = Self::WHISPER.push();
    /// A user has come. It has no request.
    pub const JOINED: Self = Self(94_001);
    /// A user has gone. It has no request.
    pub const LEFT: Self = Self(94_002);
    /// A question stands otherwise now, or has other votes.
    pub const QUESTION_CHANGED: Self = Self::QUESTION_STATUS.push();
    /// Somebody's sessions are closed.
    pub const KICKED: Self = Self::KICK.push();
    /// Somebody may send nothing for days, or may send again.
    pub const BLOCKED: Self = Self::BLOCK.push();
    /// Somebody may send nothing for seconds.
    pub const PENALIZED: Self = Self::PENALTY.push();
    /// What isn't said by a viewer (facts, 2.6). It has no request.
    pub const SPECIAL: Self = Self(93_102);
    /// Lines are hidden, or shown again.
    pub const BLIND: Self = Self::HIDE.push();
    /// The pinned notice is another one now.
    pub const NOTICE: Self = Self::PIN.push();
    /// Ask for a line that is hidden, and what it is hidden by.
    pub const HIDDEN_LINE: Self = Self(5008);
    /// Something that is no line (facts, 2.8). It has no request.
    pub const EVENT: Self = Self(93_006);

    /// Every request that is answered, with its name.
    pub const REQUESTS: [(Self, &'static str); 19] = [
        (Self::PING, "PING"),
        (Self::CONNECT, "CONNECT"),
        (Self::REFRESH, "REFRESH"),
        (Self::SEND_CHAT, "SEND_CHAT"),
        (Self::QUESTION_STATUS, "QUESTION_STATUS"),
        (Self::QUESTION_VOTE, "QUESTION_VOTE"),
        (Self::WHISPER, "WHISPER"),
        (Self::KICK, "KICK"),
        (Self::BLOCK, "BLOCK"),
        (Self::HIDE, "BLIND"),
        (Self::PIN, "NOTICE"),
        (Self::PENALTY, "PENALTY"),
        (Self::ROLE, "ROLE"),
        (Self::CHAT_MODE, "CHAT_MODE"),
        (Self::FILTER, "FILTER"),
        (Self::HIDDEN_LINE, "HIDDEN_LINE"),
        (Self::RECENT_CHAT, "RECENT_CHAT"),
        (Self::QUESTIONS, "QUESTIONS"),
        (Self::MEMBERS, "MEMBERS"),
    ];

    /// Every push, with its name.
    pub const PUSHES: [(Self, &'static str); 12] = [
        (Self::CHAT, "CHAT"),
        (Self::SPECIAL, "SPECIAL"),
        (Self::EVENT, "EVENT"),
        (Self::QUESTION_CHANGED, "QUESTION_STATUS"),
        (Self::WHISPERED, "WHISPER"),
        (Self::JOINED, "JOIN"),
        (Self::LEFT, "QUIT"),
        (Self::KICKED, "KICK"),
        (Self::BLOCKED, "BLOCK"),
        (Self::BLIND, "BLIND"),
        (Self::NOTICE, "NOTICE"),
        (Self::PENALIZED, "PENALTY"),
    ];

    /// The number of the reply to this request.
    pub const fn reply(self) -> Self {
        Self(self.0 + 10_000)
    }

    /// The number of the push of the same name.
    const fn push(self) -> Self {
        Self(self.0 + 90_000)
    }

    /// Whether a client may be told of an error: replies, pushes and PING never get one, so that two servers or an
    /// echoing client can't talk to each other for ever.
    pub fn may_be_refused(self) -> bool {
        self != Self::PING && self.0 < 10_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_wire() {
        let replies = [
            (0, 10_000),
            (100, 10_100),
            (200, 10_200),
            (3101, 13_101),
            (3140, 13_140),
            (3141, 13_141),
            (3301, 13_301),
            (4005, 14_005),
            (4006, 14_006),
            (4008, 14_008),
            (4010, 14_010),
            (4015, 14_015),
            (4020, 14_020),
            (4030, 14_030),
            (4040, 14_040),
            (5008, 15_008),
            (5101, 15_101),
            (5140, 15_140),
            (5201, 15_201),
        ];
        assert_eq!(Cmd::REQUESTS.map(|(cmd, _)| (cmd.0, cmd.reply().0)), replies);
        let pushes = [93_101, 93_102, 93_006, 93_140, 93_301, 94_001, 94_002, 94_005, 94_006, 94_008, 94_010, 94_015];
        assert_eq!(Cmd::PUSHES.map(|(cmd, _)| cmd.0), pushes);
    }

    #[test]
    fn only_requests_are_refused() {
        assert!(Cmd(1).may_be_refused() && Cmd(9_999).may_be_refused());
        assert!(!Cmd(0).may_be_refused() && !Cmd(10_000).may_be_refused() && !Cmd(u64::MAX).may_be_refused());
    }
}
