//! What ends by itself, and members have to be told of: any machine writes it down when its time is up, as an event whose
//! identity says what began it, so that it happens once. A drain doesn't wait for that: whichever gateway writes it down, it
//! is the same event.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tracing::warn;

use crate::model::event::{Body, Event};
use crate::model::id::{ChannelId, EventId, Seq};
use crate::model::time::Millis;

use super::Parts;
use super::live::Live;

/// Longest time between two looks at the clock: it may be moved.
const LOOK: Duration = Duration::from_secs(1);

/// Pause after an ending that could not be written down.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Writes down what ends, for as long as there is something that will.
pub(super) async fn watch(live: Weak<Live>, parts: Arc<Parts>) {
    loop {
        let Some(channel) = live.upgrade() else { return };
        let Some((until, act, up)) = channel.next_lapse() else { return };
        let left = until.0 - parts.clock.now().0;
        if left > 0 {
            drop(channel);
            tokio::time::sleep(Duration::from_millis(left.unsigned_abs()).min(LOOK)).await;
            continue;
        }
        let event = ending(channel.id(), until, (act, up));
        if let Err(failure) = parts.log.append(channel.id(), Arc::new(event)).await {
            warn!(%failure, channel = %channel.id(), "an ending could not be written down");
        }
        drop(channel);
        // It comes back by the tail; or it is tried again.
        tokio::time::sleep(AFTER_FAILURE).await;
    }
}

/// The same on every machine; another one for what was brought back since.
fn ending(channel: &ChannelId, until: Millis, (act, up): (Seq, Seq)) -> Event {
    let id = EventId::derived(&format!("what {channel} began at {act}, and holds since {up}, is over"));
    Event { id, at: until, body: Body::Lapsed { act } }
}
