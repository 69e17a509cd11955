//! The one way out: what of a line an audience may see.

use crate::model::item::{Audience, Item};
use crate::model::message::Status;

use super::{Channel, Kept};

impl Channel {
    /// The line as `audience` may see it now.
    pub fn reveal(&self, kept: &Kept, audience: Audience) -> Item {
        Item::revealed(kept.seq, kept.id, kept.time, Status::Normal, audience, kept.line.clone())
    }
}
