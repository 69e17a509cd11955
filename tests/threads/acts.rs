//! An act that takes something back, while it is on its way to somebody.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use serde_json::{Value, json};
use uuid::Uuid;

use madang::endpoints::chat::session::Session;
use madang::eventlog::{EventLog, LARGEST_PAGE};
use madang::model::access::Revoked;
use madang::model::id::{Seq, UserId};
use madang::ws::outbox::Outbox;
use madang::ws::sock::Sock;

use crate::people::{CID, Viewer, channel, recent, talks, yard};
use crate::schedules::check;
use crate::support::reader::Reader;
use crate::support::yard::{Yard, open_yard};

const SECRET: &str = "a secret";

/// A socket that takes everything, and notes down what was written once an act was done.
#[derive(Clone, Default)]
struct Watched {
    done: Arc<AtomicBool>,
    early: Arc<Mutex<Vec<u8>>>,
    late: Arc<Mutex<Vec<u8>>>,
}

impl Sock for Watched {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = if self.done.load(Ordering::SeqCst) { &self.late } else { &self.early };
        written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn try_read(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn shut(&self) {}
}

/// Somebody who has connected, and has been told nothing yet of what was missed.
async fn connected(yard: &Yard, sock: &Watched, ext: Value) -> Session {
    let outbox = Arc::new(Outbox::new(Box::new(sock.clone()), yard.chat.ws.queue_bytes, Default::default()));
    let visitor = yard.gate.visitor(yard.gate.admit().unwrap(), [192, 0, 2, 1].into()).unwrap();
    let mut session = Session::new(yard.node.clone(), yard.gate.clone(), yard.chat, outbox, visitor, Uuid::new_v4());
    let mut body = json!({"accTkn": null, "auth": "READ"});
    body.as_object_mut().unwrap().extend(ext.as_object().unwrap().clone());
    session.receive(&json!({"ver": "3", "cmd": 100, "cid": CID, "tid": 1, "bdy": body}).to_string()).await;
    session
}

/// How somebody hears of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hears {
    /// As it is said.
    Live,
    /// By coming back.
    Late,
    /// By asking for recent chat.
    Recently,
}

/// What takes a line back.
#[derive(Clone, Copy)]
enum Act {
    Hide,
    Erase,
}

/// A line is taken back while somebody hears of it, and another asks for recent chat beside them. Whether the former had heard
/// of it before the act was done.
async fn takes_back(act: Act, how: Hears) -> bool {
    let (yard, log) = yard(open_yard()).await;
    let before = Viewer::comes(&yard, Reader::default(), None).await.leaves();
    let (mut writer, sock) = (yard.writer(CID, "mina").await, Watched::default());
    let ext = if how == Hears::Late { before.ext() } else { json!({}) };
    let live = if how == Hears::Live { Some(connected(&yard, &sock, json!({})).await) } else { None };
    let place = writer.sends_and_hears(CID, SECRET).await["bdy"]["seq"].as_u64().unwrap();
    let hearing = tokio::spawn({
        let (yard, sock) = (yard.clone(), sock.clone());
        async move {
            if live.is_some() {
                return live;
            }
            let mut session = connected(&yard, &sock, ext).await;
            while session.is_behind() {
                session.catch_up().await;
            }
            if how == Hears::Recently {
                session.receive(&recent()).await;
            }
            Some(session)
        }
    });
    // Something else that happens keeps a stretch from being the last one, and somebody else tells beside it.
    let goes_on = talks(yard.writer(CID, "juno").await, usize::from(how == Hears::Late));
    let another = tokio::spawn({
        let (yard, sock) = (yard.clone(), Watched::default());
        async move { connected(&yard, &sock, json!({})).await.receive(&recent()).await }
    });
    let channel = channel(&log).await;
    match act {
        Act::Hide => drop(yard.hides(&channel, place).await.unwrap()),
        Act::Erase => {
            let mina = UserId::parse("mina").unwrap();
            assert_eq!(yard.node.erase(&channel, &mina).await.unwrap(), 1);
        }
    }
    sock.done.store(true, Ordering::SeqCst);
    let session = hearing.await.unwrap();
    goes_on.await.unwrap();
    another.await.unwrap();
    let holds = |written: &Mutex<Vec<u8>>| {
        let written = written.lock().unwrap();
        written.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    };
    assert!(!holds(&sock.late), "it was taken back before");
    drop(session);
    holds(&sock.early)
}

/// Checks it in many orders, in some of which the act comes first, and in some the line.
fn takes_back_in_time(act: Act, how: Hears) {
    let heard = check(4_000, move || takes_back(act, how));
    assert!(heard.contains(&true) && heard.contains(&false));
}

#[test]
fn what_is_hidden_is_sent_no_more() {
    takes_back_in_time(Act::Hide, Hears::Live);
}

#[test]
fn what_is_hidden_is_told_to_nobody_who_comes_back() {
    takes_back_in_time(Act::Hide, Hears::Late);
}

#[test]
fn what_is_hidden_is_no_recent_chat() {
    takes_back_in_time(Act::Hide, Hears::Recently);
}

#[test]
fn what_is_erased_is_sent_no_more() {
    takes_back_in_time(Act::Erase, Hears::Live);
}

#[test]
fn what_is_erased_is_told_to_nobody_who_comes_back() {
    takes_back_in_time(Act::Erase, Hears::Late);
}

#[test]
fn what_is_erased_is_no_recent_chat() {
    takes_back_in_time(Act::Erase, Hears::Recently);
}

#[test]
fn whoever_is_revoked_says_nothing_more() {
    let taken = check(4_000, || async {
        let (yard, log) = yard(open_yard()).await;
        let talking = talks(yard.writer(CID, "mina").await, 2);
        let goes_on = talks(yard.writer(CID, "juno").await, 1);
        yard.node.revoke(&Revoked::User(UserId::parse("mina").unwrap())).await.unwrap();
        let last =
            log.read(&channel(&log).await, Seq::default(), LARGEST_PAGE).await.unwrap().events.pop().unwrap().seq;
        let answers = talking.await.unwrap();
        goes_on.await.unwrap();
        let taken: Vec<u64> = answers.iter().filter_map(|answer| answer["bdy"]["seq"].as_u64()).collect();
        assert!(taken.iter().all(|seq| *seq < last.0), "{taken:?} behind {last}");
        taken.len()
    });
    assert!(taken.contains(&0) && taken.iter().any(|taken| *taken > 0));
}
