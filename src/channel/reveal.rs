//! The one way out: what of a line an audience may see.

use crate::model::id::Seq;
use crate::model::item::{Audience, Item};
use crate::model::message::Status;

use super::{Channel, Kept};

impl Channel {
    /// The line as `audience` may see it now.
    pub fn reveal(&self, kept: &Kept, audience: Audience) -> Item {
        Item::revealed(kept.seq, kept.id, kept.time, self.status(kept.seq), audience, kept.line.clone())
    }

    /// What was revealed before, as it may be seen now.
    pub fn reveal_again(&self, item: Item) -> Item {
        if item.seq() <= self.dropped {
            // Whether it was hidden is forgotten with it: it stays as it was.
            return item;
        }
        let status = self.status(item.seq());
        item.with_status(status)
    }

    /// What was revealed before, without what it says.
    pub fn conceal(&self, item: Item) -> Item {
        item.with_status(Status::Hidden)
    }

    fn status(&self, seq: Seq) -> Status {
        if self.hidden.holds(seq) { Status::Hidden } else { Status::Normal }
    }
}
