//! One connection's queue: pushed into from any thread, drained by the task of its connection, closed by both.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use madang::ws::Config;
use madang::ws::close::CloseCode;
use madang::ws::connection::{Connection, Ended, Inbound};
use madang::ws::frames::Frames;
use madang::ws::outbox::{Outbox, PushError};
use madang::ws::sock::Memory;

use crate::schedules::check;
use crate::support::frames::{Frame, split};

const PUSHERS: usize = 3;
const PUSHES: usize = 4;

/// What its connection has seen of it, and its peer.
struct Seen {
    /// Texts that were taken, of each thread.
    taken: Vec<Vec<String>>,
    was_slow: bool,
    heard: Vec<Frame>,
    ended: Ended,
}

/// Threads push all at once into a queue of `queue_bytes`, before it is closed; the peer reads a few bytes at a time, and
/// may ping meanwhile.
async fn talk(queue_bytes: usize, pings: bool) -> Seen {
    let sock = Memory::default();
    sock.set_room(0);
    let config = Config { queue_bytes, ..Config::default() };
    let mut connection = Connection::new(Box::new(sock.clone()), Bytes::new(), config, Default::default()).await;
    let outbox = connection.outbox().clone();
    let serving = tokio::spawn(async move {
        loop {
            if let Inbound::End(ended) = connection.next().await {
                connection.outbox().drained().await;
                return ended;
            }
        }
    });
    let pushing: Vec<_> = (0..PUSHERS).map(|thread| tokio::spawn(push(outbox.clone(), thread))).collect();
    if pings {
        sock.feed(b"\x89\x80\0\0\0\0");
    }
    let reading = tokio::spawn(read(sock.clone(), PUSHERS * PUSHES));
    let pushed: Vec<_> = join_all(pushing).await.into_iter().map(Result::unwrap).collect();
    // Whatever doesn't go out by itself isn't brought out by a Close.
    let mut heard = reading.await.unwrap();
    outbox.close(CloseCode::Away, "bye");
    if !heard.iter().any(|frame| matches!(frame, Frame::Close(..))) {
        heard.extend(read(sock.clone(), usize::MAX).await);
    }
    sock.feed(b"\x88\x80\0\0\0\0");
    let ended = serving.await.unwrap();
    assert_eq!(outbox.queued_bytes(), 0, "nothing is left behind");
    let was_slow = pushed.iter().any(|(_, slow)| *slow);
    Seen { taken: pushed.into_iter().map(|(taken, _)| taken).collect(), was_slow, heard, ended }
}

fn text_of(thread: usize, number: usize) -> String {
    format!("{thread}:{number}")
}

/// What was taken, and whether it was one too many.
async fn push(outbox: Arc<Outbox>, thread: usize) -> (Vec<String>, bool) {
    let mut taken = Vec::new();
    for number in 0..PUSHES {
        let text = text_of(thread, number);
        match outbox.push(&Frames::text(&text)) {
            Ok(()) => taken.push(text),
            Err(PushError::Slow) => return (taken, true),
            Err(PushError::Closed) => return (taken, false),
        }
        shuttle::future::yield_now().await;
    }
    (taken, false)
}

/// Reads a few bytes at a time until there are so many texts, or the Close.
async fn read(sock: Memory, texts: usize) -> Vec<Frame> {
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    loop {
        sock.set_room(7);
        sock.written().await;
        bytes.extend_from_slice(&sock.take());
        frames.extend(split(&mut bytes));
        let heard = frames.iter().filter(|frame| matches!(frame, Frame::Text(_))).count();
        if heard >= texts && bytes.is_empty() || matches!(frames.last(), Some(Frame::Close(..))) {
            return frames;
        }
    }
}

impl Seen {
    /// The texts that the peer has heard of one thread.
    fn texts_of(&self, thread: usize) -> Vec<&str> {
        let theirs = format!("{thread}:");
        let texts = self.heard.iter().filter_map(|frame| match frame {
            Frame::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.filter(|text| text.starts_with(&theirs)).collect()
    }
}

#[test]
fn what_was_taken_arrives_whole_and_in_order() {
    check(4_000, || async {
        let seen = talk(1_000, true).await;
        for (thread, taken) in seen.taken.iter().enumerate() {
            assert_eq!(taken.len(), PUSHES, "there was room for all");
            assert_eq!(seen.texts_of(thread), *taken);
        }
        let pongs = seen.heard.iter().filter(|frame| **frame == Frame::Pong(Vec::new())).count();
        assert_eq!(seen.heard.len(), PUSHERS * PUSHES + pongs + 1, "nothing else, and nothing behind the Close");
        assert_eq!(seen.heard.last(), Some(&Frame::Close(1001, "bye".to_owned())));
        assert_eq!(seen.ended, Ended::ByPeer(1005));
    });
}

/// Nothing that was heard is half or has a hole, nothing is dropped without a reason, and the reason is told. Whether the
/// peer was too slow.
async fn overflows(queue_bytes: usize, pings: bool) -> bool {
    let seen = talk(queue_bytes, pings).await;
    for (thread, taken) in seen.taken.iter().enumerate() {
        let heard = seen.texts_of(thread);
        // What was refused may have been half on the wire already; then it is finished.
        let most = (taken.len() + 1).min(PUSHES);
        assert!(heard.len() <= most && (0..).zip(&heard).all(|(number, text)| **text == text_of(thread, number)));
        assert!(seen.was_slow || heard.len() == PUSHES, "nothing is dropped without a reason");
    }
    let Some(Frame::Close(code, _)) = seen.heard.last() else { panic!("{:?}", seen.heard) };
    let expected = if seen.was_slow { (1013, Ended::Slow) } else { (1001, Ended::ByPeer(1005)) };
    assert_eq!((*code, seen.ended), expected);
    seen.was_slow
}

#[test]
fn a_queue_that_overflows_ends_with_a_close_and_nothing_half() {
    let slow = check(4_000, || overflows(24, true));
    assert!(slow.contains(&true) && slow.contains(&false));
}

#[test]
fn a_frame_that_is_larger_than_the_queue_is_finished_before_the_close() {
    let slow = check(2_000, || overflows(2, false));
    assert!(slow.contains(&true));
}
