//! How the feed's items look on the chat wire.

use crate::feed::{Batch, Encoder, Group, Wire};
use crate::proto::push;
use crate::ws::frames::{Builder, Frames};

/// The chat wire's name among the feed's wires.
pub(super) const WIRE: Wire = Wire("chat");

/// Bytes that a line usually takes, so that the buffer rarely grows.
const USUAL_LINE: usize = 1_024;

/// Spells items as CHAT (93101) messages: several lines in one, as many messages as the group's limit asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChatEncoder;

impl Encoder for ChatEncoder {
    fn wire(&self) -> Wire {
        WIRE
    }

    fn encode(&self, batch: &Batch<'_>, group: &Group) -> Frames {
        let mut builder = Builder::with_capacity(batch.items.len() * USUAL_LINE);
        let Batch { channel, cid, items, members } = *batch;
        push::chat(channel, cid, items, members, group.frame_limit, |message| builder.text(message));
        builder.finish()
    }
}
