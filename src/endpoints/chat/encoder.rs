//! How the feed's items look on the chat wire.

use crate::feed::{Batch, Encoder, Group, Layer, Span, Wire};
use crate::model::aside::Aside;
use crate::model::id::Cid;
use crate::model::message::Lane;
use crate::proto::asides;
use crate::proto::push::{self, Place, Stretch};
use crate::ws::frames::{Builder, Frames};

/// The chat wire's name among the feed's wires.
pub(super) const WIRE: Wire = Wire("chat");

/// Bytes that a line usually takes, so that the buffer rarely grows.
const USUAL_LINE: usize = 1_024;

/// Spells lines as CHAT (93101) messages, several in one and as many messages as the group's limit asks for, and what staff
/// did as messages of their own, in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChatEncoder;

impl Encoder for ChatEncoder {
    fn wire(&self) -> Wire {
        WIRE
    }

    fn encode(&self, batch: &Batch<'_>, group: &Group) -> Frames {
        let mut builder = Builder::with_capacity(batch.items.len() * USUAL_LINE);
        let place = Place {
            channel: batch.channel,
            cid: batch.cid,
            members: batch.members,
            stretch: (group.layer == Layer::Ext).then(|| stretch(batch)),
        };
        push::items(&place, batch.items, group.frame_limit, |message| builder.text(message));
        builder.finish()
    }

    fn encode_aside(&self, cid: &Cid, aside: &Aside, group: &Group) -> Frames {
        let has_word = match aside {
            // Who is spoken to alone hears it whatever they want to see.
            Aside::Whisper(_) => group.layer == Layer::Ext,
            Aside::Joined(_) | Aside::Left(_) => group.layer == Layer::Ext && group.lane == Lane::All,
            Aside::Line(_) => group.lane == Lane::All,
        };
        if !has_word {
            return Frames::default();
        }
        Frames::text(&asides::push(cid, aside))
    }

    fn encode_count(&self, batch: &Batch<'_>, group: &Group) -> Frames {
        if group.layer != Layer::Ext || group.lane != Lane::All {
            return Frames::default();
        }
        Frames::text(&push::member_count(batch.cid, batch.members, batch.users, stretch(batch)))
    }
}

fn stretch(batch: &Batch<'_>) -> Stretch {
    let Span { after, upto } = batch.span;
    Stretch { epoch: batch.epoch, after, upto, left: batch.left }
}
