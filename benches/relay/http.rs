//! The requests before a WebSocket, and beside it.

use httparse::{EMPTY_HEADER, Request, Status};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Largest request head in bytes.
const LARGEST_HEAD: usize = 16 * 1024;

/// Headers that a request may have.
const MOST_HEADERS: usize = 64;

/// Part of the path at which clients ask for a token; every other path leads to the chat.
const TOKEN_PATH: &str = "access-token";

/// The token that everybody gets, in what clients read it from.
const TOKEN: &str = concat!(
    r#"{"code":200,"message":null,"content":{"accessToken":"relay","chatTime":null,"extraToken":"relay","#,
    r#""realNameAuth":false,"remainingChatTimeMs":null,"temporaryRestrict":{"createdTime":null,"duration":null,"#,
    r#""temporaryRestrict":false,"times":0}}}"#
);

const REFUSAL: &str = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What is to be done about a request. The numbers are its bytes.
pub(super) enum Answer {
    /// It isn't whole yet.
    Later,
    /// Say this, and read the next request.
    Say(usize, String),
    /// Say this, and read frames.
    Upgrade(usize, String),
    /// Say this, and hang up.
    Refuse(&'static str),
}

/// Answers the request at the beginning of `bytes`: with a token, or an upgrade.
pub(super) fn answer(bytes: &[u8]) -> Answer {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = Request::new(&mut headers);
    let used = match request.parse(bytes) {
        Ok(Status::Complete(used)) => used,
        Ok(Status::Partial) if bytes.len() <= LARGEST_HEAD => return Answer::Later,
        _ => return Answer::Refuse(REFUSAL),
    };
    if request.path.is_some_and(|path| path.contains(TOKEN_PATH)) {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        return Answer::Say(used, format!("{head} {}\r\n\r\n{TOKEN}", TOKEN.len()));
    }
    let key = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("sec-websocket-key"));
    key.map_or(Answer::Refuse(REFUSAL), |key| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        Answer::Upgrade(used, format!("{head}Sec-WebSocket-Accept: {}\r\n\r\n", derive_accept_key(key.value)))
    })
}
