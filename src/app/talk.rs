//! `madang chat`: a channel in the terminal.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::client::{ChatClient, Event, JoinError, fetch_token};
use crate::clock::{Clock, System};
use crate::proto::cmd::Cmd;
use crate::proto::heard::Heard;

use super::Exit;

/// Lines shown of what was said before.
const SHOWN_BEFORE: usize = 20;

/// How long `--send` waits for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `madang chat` was asked to do.
#[derive(Clone, Debug)]
pub struct Talk {
    /// The broadcast.
    pub cid: String,
    /// Where.
    pub url: String,
    /// Who; without one the gateway is asked for a guest's.
    pub token: Option<String>,
    /// Send this, wait for the answer, and leave.
    pub send: Option<String>,
    /// Print frames instead of lines.
    pub json: bool,
}

/// Joins, prints what is said, sends what is typed.
pub async fn talk(talk: &Talk) -> Result<(), Exit> {
    if !talk.url.starts_with("ws://") {
        return Err(Exit::config("--url: ws://HOST:PORT/chat; for wss:// go through a proxy that ends TLS"));
    }
    let token = match &talk.token {
        Some(token) => Some(token.clone()),
        None => fetch_token(&talk.url, &talk.cid).await,
    };
    let mut client = ChatClient::join(&talk.url, &talk.cid, token.as_deref()).await.map_err(exit)?;
    match &talk.send {
        Some(text) => send_one(&mut client, talk, text).await,
        None => converse(&mut client, talk).await,
    }
}

async fn send_one(client: &mut ChatClient, talk: &Talk, text: &str) -> Result<(), Exit> {
    let tid = client.send(text, System.now().0).await.map_err(exit)?;
    let answered = async {
        loop {
            match client.next().await {
                Event::Message(frame, heard) if is_answer(&heard, &tid) => {
                    if talk.json {
                        println!("{frame}");
                    }
                    return match heard.code {
                        0 => Ok(()),
                        code => Err(Exit::refused(&format!("refused ({code}): {}", heard.words))),
                    };
                }
                Event::Message(..) => {}
                Event::Closed(code, reason) => return Err(closed(code, &reason)),
            }
        }
    };
    let late = || Err(Exit::unavailable("the gateway did not answer in 10 s"));
    tokio::time::timeout(PATIENCE, answered).await.unwrap_or_else(|_| late())
}

async fn converse(client: &mut ChatClient, talk: &Talk) -> Result<(), Exit> {
    if !talk.json {
        let may = if client.writes() { "type to send, Ctrl-D to leave" } else { "reading only" };
        eprintln!("joined {} ({may})", talk.cid);
    }
    client.ask_recent(SHOWN_BEFORE).await.map_err(exit)?;
    let mut typed = Some(BufReader::new(tokio::io::stdin()).lines());
    let mut waiting = HashSet::new();
    loop {
        tokio::select! {
            event = client.next() => match event {
                Event::Message(frame, _) if talk.json => println!("{frame}"),
                Event::Message(_, heard) => show(&heard, &mut waiting),
                Event::Closed(code, reason) => return Err(closed(code, &reason)),
            },
            line = next_line(&mut typed) => match line {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => {
                    waiting.insert(client.send(&line, System.now().0).await.map_err(exit)?);
                }
                None if std::io::stdin().is_terminal() => return Ok(()),
                // A pipe that ended: what is said is still worth printing.
                None => typed = None,
            },
        }
    }
}

async fn next_line(typed: &mut Option<Lines<BufReader<Stdin>>>) -> Option<String> {
    match typed {
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

fn show(heard: &Heard, waiting: &mut HashSet<String>) {
    for line in &heard.lines {
        // Nobody's lines: the system's, and the channel's own.
        let by = if line.nickname.is_empty() { "*".to_owned() } else { format!("{}:", shown(&line.nickname)) };
        println!("[{}] {by} {}", line.members, shown(&line.text));
    }
    let ours = heard.tid.as_ref().is_some_and(|tid| heard.cmd == Some(Cmd::SEND_CHAT.reply()) && waiting.remove(tid));
    if ours && heard.code != 0 {
        eprintln!("not sent ({}): {}", heard.code, shown(&heard.words));
    }
}

/// What strangers write, without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

fn is_answer(heard: &Heard, tid: &str) -> bool {
    heard.cmd == Some(Cmd::SEND_CHAT.reply()) && heard.tid.as_deref() == Some(tid)
}

fn closed(code: u16, reason: &str) -> Exit {
    Exit::unavailable(&format!("the gateway closed the connection: {code} {reason}"))
}

fn exit(error: JoinError) -> Exit {
    match error {
        JoinError::Unreachable { .. } => Exit::unavailable(&error.to_string()),
        JoinError::Refused { .. } => Exit::refused(&error.to_string()),
    }
}
