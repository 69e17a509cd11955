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

/// What keeping a stretch takes: its bytes, the buffer's spare room, and its place in the table.
fn cost(frames: &Frames) -> usize {
    frames.len() * 2 + 2 * size_of::<(Key, Frames)>()
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
    /// The stretch, if somebody has asked for it.
    pub(super) fn find(&self, group: Group, span: Span, revision: u64) -> Option<Frames> {
        let mut kept = self.0.lock();
        kept.used = Some(clock::instant());
        kept.stretches.get(&Key { group, span, revision }).cloned()
    }

    /// Keeps a stretch for others.
    pub(super) fn keep(&self, group: Group, span: Span, revision: u64, frames: Frames) {
        let mut kept = self.0.lock();
        if kept.bytes + cost(&frames) > MOST_BYTES {
            (kept.stretches, kept.bytes) = (HashMap::new(), 0);
        }
        kept.bytes += cost(&frames);
        if let Some(twice) = kept.stretches.insert(Key { group, span, revision }, frames) {
            kept.bytes -= cost(&twice);
        }
    }

    /// Lets go of everything.
    pub(super) fn forget(&self) {
        *self.0.lock() = Kept::default();
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
    async fn a_stretch_is_kept_until_something_is_hidden_or_nobody_asks() {
        let missed = Missed::default();
        missed.keep(GROUP, span(1), 0, Frames::text("x"));
        let found = |upto, revision| missed.find(GROUP, span(upto), revision).is_some();
        assert_eq!([found(1, 0), found(2, 0), found(1, 1)], [true, false, false]);
        tokio::time::advance(KEPT_FOR / 2).await;
        missed.tidy();
        assert!(found(1, 0));
        tokio::time::advance(KEPT_FOR).await;
        missed.tidy();
        assert!(!found(1, 0));
    }

    #[test]
    fn no_more_is_kept_than_stated() {
        let missed = Missed::default();
        for text in [String::new(), "x".repeat(MOST_BYTES / 10)] {
            let frames = Frames::text(&text);
            for upto in 0..50_000_u64.min(100 * MOST_BYTES as u64 / (text.len() as u64 + 1)) {
                missed.keep(GROUP, span(upto), 0, frames.clone());
                let kept = missed.0.lock();
                assert!(kept.bytes <= MOST_BYTES && kept.bytes >= kept.stretches.len() * cost(&frames) / 2);
            }
            assert!(!missed.0.lock().stretches.is_empty());
            missed.forget();
            assert_eq!(missed.0.lock().bytes, 0);
        }
    }
}
