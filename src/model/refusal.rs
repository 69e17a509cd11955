//! Every 'no' that a client may hear.

use thiserror::Error;

use super::filter::Rule;
use super::mode::Group;
use super::question::{QuestionState, QuestionStatus};

/// A 'no' that a client hears, in words that say what to do. `proto::code` maps each to a number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The request can't be read.
    #[error("{0}")]
    BadRequest(String),
    /// The command is not one of ours.
    #[error("unknown command")]
    UnknownCommand,
    /// No broadcast has this `cid`.
    #[error("no such chat channel")]
    UnknownChannel,
    /// The request names another channel than the one joined.
    #[error("this connection has joined another channel; open a second one for a second channel")]
    OtherChannel,
    /// Something else before CONNECT.
    #[error("send CONNECT (100) first")]
    NotJoined,
    /// A second CONNECT.
    #[error("this connection has joined already")]
    AlreadyJoined,
    /// The token is forged, foreign, or not a chat access token.
    #[error("the access token is refused: {0}")]
    TokenRefused(String),
    /// A READ session sends.
    #[error("this session may only read: join with auth SEND and a valid access token")]
    ReadOnly,
    /// A token that was valid at join has ended.
    #[error("the access token has expired: get a new one, then send REFRESH (200) or join again")]
    TokenExpired,
    /// The token was revoked.
    #[error("the access token was revoked: log in again")]
    TokenRevoked,
    /// A new token for a session of somebody else.
    #[error("the new access token is of another account: open a new connection for it")]
    OtherAccount,
    /// This principal may not send lines of this kind.
    #[error("lines of this kind can't be sent here")]
    KindNotAllowed,
    /// Somebody who may not send here for a while, or for good.
    #[error("you may not send here {}", until_when(*.for_ms))]
    Restricted {
        /// For so long; `None`: for good.
        for_ms: Option<u64>,
    },
    /// Only some may send now.
    #[error("{}", who_may(*.group, *.minutes))]
    NotInGroup {
        /// Who may.
        group: Group,
        /// For how long followers must have followed.
        minutes: u32,
    },
    /// Lines hold nothing but emojis now.
    #[error("only emojis can be sent here now")]
    EmojiOnly,
    /// Only those may send now whose name the site knows.
    #[error("only who has told the site their real name may send here now")]
    RealNameOnly,
    /// Slow mode: too early for another line.
    #[error("slow mode: one line in {seconds} s")]
    SlowMode {
        /// What slow mode asks for.
        seconds: u32,
        /// When to try again.
        retry_after_ms: u64,
    },
    /// An act against oneself.
    #[error("you can't do that to yourself")]
    Oneself,
    /// Roles are the streamer's to give.
    #[error("only the streamer or the site may give and take roles")]
    NotStreamer,
    /// There is no room for one more.
    #[error("too many {0}: take some back first")]
    TooMany(&'static str),
    /// An act of somebody who is no staff here.
    #[error("only the streamer and managers of this channel may do that")]
    NotStaff,
    /// An act against somebody with the same rights or more.
    #[error("only the streamer or the site may do that to a manager, and nobody to the streamer but the site")]
    Outranked,
    /// There is no such line, or it can be dealt with no more.
    #[error("no such line in this channel")]
    NoSuchLine,
    /// Nothing of an act holds any more.
    #[error("nothing of that act is left to take back")]
    NothingToUndo,
    /// Somebody else has changed the question since; this is how it stands.
    #[error("the question was changed meanwhile: it is {} now, version {}", .0.status.word(), .0.version)]
    StaleQuestion(QuestionState),
    /// A question that waits for no answer any more.
    #[error("the question is {}: it can't be voted for", .0.word())]
    QuestionClosed(QuestionStatus),
    /// Too many questions wait for an answer already: so many of whoever asks, or too many of all.
    #[error("{} wait for an answer already: wait until some are answered", which_questions(*.0))]
    TooManyOpen(Option<usize>),
    /// A channel remembers no more voters.
    #[error("no more votes can be counted here until some questions are answered")]
    VotesFull,
    /// Nobody of this name is here who could hear it.
    #[error("this member isn't here, or nobody of theirs could hear it")]
    NobodyThere,
    /// Somebody takes no whispers, or none of this member.
    #[error("this member doesn't take whispers of yours")]
    WhispersOff,
    /// Who is here isn't told to everybody.
    #[error("who is here is told to staff, and in small channels to those who have logged in")]
    MembersHidden,
    /// Another guest is called so here, or somebody whom the site knows.
    #[error("this nickname is taken here{}", .0.as_ref().map_or_else(String::new, |other| format!(": {other} isn't")))]
    NicknameTaken(Option<String>),
    /// Guests hold too many names here, or this one does, or those of an address.
    #[error("no more nicknames can be chosen now: go on with one that is yours, or come without one")]
    NamesFull,
    /// The site has no guests.
    #[error("this site has no guests: log in first")]
    NoGuests,
    /// A guest has to prove something first.
    #[error("{0}")]
    ProofNeeded(&'static str),
    /// Nothing to see in the text.
    #[error("the text is empty")]
    EmptyText,
    /// The channel's or the site's rules don't let the text pass.
    #[error("{}", what_is_blocked(.0))]
    Filtered(Rule),
    /// The text is over a limit.
    #[error("the text is too long: at most {graphemes} characters and {bytes} bytes")]
    TextTooLong {
        /// Limit in user-perceived characters.
        graphemes: usize,
        /// Limit in bytes of UTF-8.
        bytes: usize,
    },
    /// The extras are over their limit.
    #[error("the extras are too large: at most {0} bytes")]
    ExtrasTooLarge(usize),
    /// Text, profile and extras together would make too large an item.
    #[error("the line is too large once encoded: at most {0} bytes")]
    ItemTooLarge(usize),
    /// The broadcast is over.
    #[error("this broadcast has ended")]
    BroadcastEnded,
    /// The channel's log was written by a newer build.
    #[error("this channel is read-only until the gateway is upgraded")]
    ChannelReadOnly,
    /// Too much at once, here or in the whole gateway.
    #[error("too many requests are waiting: try again in {retry_after_ms} ms")]
    Busy {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// One user or session asks too often.
    #[error("too fast: try again in {retry_after_ms} ms")]
    TooFast {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// Too many connections of one user or one address.
    #[error("too many connections of {0}: close some first")]
    TooManyConnections(&'static str),
    /// The disk is full: nothing was written.
    #[error("the gateway's disk is full: nothing was sent, try again later")]
    DiskFull,
    /// The gateway is draining.
    #[error("the gateway is restarting: come back in a moment")]
    Draining,
    /// Our own failure. What was asked may or may not have happened.
    #[error("internal error: whether the request took effect is not known")]
    Fault,
}

impl Refusal {
    /// When asking again may help.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Busy { retry_after_ms }
            | Self::TooFast { retry_after_ms }
            | Self::SlowMode { retry_after_ms, .. } => Some(*retry_after_ms),
            Self::Restricted { for_ms } => *for_ms,
            Self::Draining => Some(1_000),
            Self::DiskFull => Some(5_000),
            _ => None,
        }
    }
}

fn until_when(for_ms: Option<u64>) -> String {
    for_ms.map_or_else(|| "any more".to_owned(), |millis| format!("for another {} s", millis.div_ceil(1_000)))
}

fn which_questions(yours: Option<usize>) -> String {
    yours.map_or_else(|| "too many questions".to_owned(), |most| format!("{most} questions of yours"))
}

fn who_may(group: Group, minutes: u32) -> String {
    match group {
        Group::All => "everybody may send here".to_owned(),
        Group::Followers => format!("only who has followed the channel for {minutes} minutes may send here now"),
        Group::Subscribers => "only subscribers may send here now".to_owned(),
        Group::Managers => "only the streamer and managers may send here now".to_owned(),
    }
}

/// Words and patterns aren't told: whoever knows them knows how to get around them.
fn what_is_blocked(rule: &Rule) -> &'static str {
    match rule {
        Rule::Word(_) | Rule::Pattern(_) => "something in the text is blocked here",
        Rule::Link(_) => "links can't be sent here",
        Rule::Repeats => "the text says the same too often in a row",
        Rule::Marks => "the text heaps too many marks on its letters",
        Rule::Directions => "the text turns the direction of writing around",
    }
}
