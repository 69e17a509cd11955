//! What those who come back have missed, encoded once for all who missed the same.
//!
//! After a restart or a cut cable thousands come back at once, and have missed nearly the same. Stretches of the log are
//! cut at the same places for everybody, so that all but the first and last of somebody's stretches are everybody's.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock;
use crate::ws::frames::Frames;

use super::group::{Group, Span};

/// Most bytes that are kept for one broadcast; one more stretch and all are encoded anew.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How long after the last use they are kept.
const KEPT_FOR: Duration = Duration::from_secs(15);

/// Which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    group: Group,
    span: Span,
    /// What was revealed then: an act makes a new one.
    revision: u64,
}

/// Encoded stretches.
#[derive(Debug, Default)]
pub(super) struct Missed(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    stretches: HashMap<Key, Frames>,
    bytes: usize,
    used: Option<Instant>,
}

impl Missed {
    /// The stretch, made if nobody has asked for it.
    pub(super) fn stretch(&self, group: Group, span: Span, revision: u64, make: impl FnOnce() -> Frames) -> Frames {
        let key = Key { group, span, revision };
        {
            let mut kept = self.0.lock();
            kept.used = Some(clock::instant());
            if let Some(frames) = kept.stretches.get(&key) {
                return frames.clone();
            }
        }
        // Not under the lock: those who want another one shouldn't wait for it.
        let frames = make();
        let mut kept = self.0.lock();
        if kept.bytes + frames.len() > MOST_BYTES {
            (kept.stretches, kept.bytes) = (HashMap::new(), 0);
        }
        kept.bytes += frames.len();
        if let Some(twice) = kept.stretches.insert(key, frames.clone()) {
            kept.bytes -= twice.len();
        }
        frames
    }

    /// Lets go of what nobody has asked for lately.
    pub(super) fn tidy(&self) {
        let mut kept = self.0.lock();
        if kept.used.is_some_and(|used| used.elapsed() >= KEPT_FOR) {
            *kept = Kept::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::{Layer, Wire};
    use super::*;
    use crate::model::id::Seq;
    use crate::model::message::Lane;

    const GROUP: Group =
        Group { wire: Wire("test"), layer: Layer::Ext, lane: Lane::All, staff: false, frame_limit: 32_768 };

    fn span(upto: u64) -> Span {
        Span { after: Seq(0), upto: Seq(upto) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stretch_is_made_once_until_something_is_hidden_or_nobody_asks() {
        let missed = Missed::default();
        let mut made = 0;
        let mut ask = |upto, revision| {
            missed.stretch(GROUP, span(upto), revision, || {
                made += 1;
                Frames::text("x")
            });
            made
        };
        assert_eq!([ask(1, 0), ask(1, 0), ask(2, 0), ask(1, 1), ask(1, 0)], [1, 1, 2, 3, 3]);
        tokio::time::advance(KEPT_FOR / 2).await;
        missed.tidy();
        assert_eq!(missed.0.lock().stretches.len(), 3);
        tokio::time::advance(KEPT_FOR / 2).await;
        missed.tidy();
        assert_eq!(missed.0.lock().stretches.len(), 0);
    }

    #[test]
    fn no_more_is_kept_than_stated() {
        let missed = Missed::default();
        let large = Frames::text(&"x".repeat(MOST_BYTES / 4));
        for upto in 0..20 {
            missed.stretch(GROUP, span(upto), 0, || large.clone());
            let kept = missed.0.lock();
            assert_eq!(kept.bytes, kept.stretches.values().map(Frames::len).sum::<usize>());
            assert!(kept.bytes <= MOST_BYTES && !kept.stretches.is_empty());
        }
    }
}
