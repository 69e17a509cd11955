//! Who gets the same bytes, and what spells them.

use std::sync::Arc;

use crate::model::aside::Aside;
use crate::model::id::{ChannelId, Cid, Epoch, Seq, UserId};
use crate::model::item::{Audience, Item};
use crate::model::message::Lane;
use crate::ws::frames::Frames;

/// A wire: which encoder spells items for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wire(pub &'static str);

/// How much of our own protocol a member asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Exactly the public wire.
    #[default]
    Plain,
    /// With places in the log, so that a member knows what it has missed.
    Ext,
}

/// What members of one group share: all of them get the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Whose encoder.
    pub wire: Wire,
    /// Which layer of that wire.
    pub layer: Layer,
    /// What they want to see.
    pub lane: Lane,
    /// Whether they see what is shown to staff.
    pub staff: bool,
    /// Largest message they take, in bytes.
    pub frame_limit: usize,
}

impl Group {
    /// Whether `item` is for members of this group, or for this one user among them.
    pub fn sees(&self, item: &Item, user: Option<&UserId>) -> bool {
        let meant = match item.audience() {
            Audience::All => true,
            Audience::Staff => self.staff,
            Audience::User(only) => user == Some(only),
        };
        meant && item.is_in(self.lane) && (self.layer == Layer::Ext || !item.is_ext())
    }
}

/// A part of a channel's log: everything behind `after`, up to and with `upto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// What went before ends here.
    pub after: Seq,
    /// It ends here.
    pub upto: Seq,
}

/// What is encoded at once.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Whose broadcast it is.
    pub channel: &'a ChannelId,
    /// Which broadcast.
    pub cid: &'a Cid,
    /// Which life of the log the places belong to.
    pub epoch: Epoch,
    /// What it covers: of it, the group sees what is in `items`.
    pub span: Span,
    /// In order, only what the group may see.
    pub items: &'a [&'a Item],
    /// Lines within the span that are left out, although the group might have seen them.
    pub left: u64,
    /// Members of the broadcast now: sockets.
    pub members: u32,
    /// Users among them who are known by name.
    pub users: u32,
}

/// Spells items for one wire.
pub trait Encoder: Send + Sync + 'static {
    /// The wire it spells.
    fn wire(&self) -> Wire;
    /// Whole messages, in one buffer, none larger than the group's limit.
    fn encode(&self, batch: &Batch<'_>, group: &Group) -> Frames;
    /// What is told beside the log, in a message; nothing on a layer that has no word for it.
    fn encode_aside(&self, cid: &Cid, aside: &Aside, group: &Group) -> Frames;
    /// How many members there are, in a message; nothing on a layer that has no word for it.
    fn encode_count(&self, batch: &Batch<'_>, group: &Group) -> Frames;
}

/// Every wire's encoder, shared by all feeds.
pub type Encoders = Arc<[Arc<dyn Encoder>]>;
