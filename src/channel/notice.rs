//! What is pinned above the chat.

use crate::model::act::{Act, Pin, PinContent};
use crate::model::id::{Cid, Seq};
use crate::model::message::{Author, Extras};
use crate::model::time::Millis;

use super::Kept;

/// The pinned notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// The place of the act that pinned it.
    pub(super) act: Seq,
    /// The place of the act since which it is up: that one, or one that has brought it back.
    pub(super) up: Seq,
    pub(super) cid: Cid,
    pub(super) at: Millis,
    pub(super) by: Author,
    pub(super) until: Option<Millis>,
    pub(super) says: Says,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Line(Kept),
    Text(String, Extras),
}

impl Notice {
    /// What an act at this place pins; `line` is the one that it names. `None` when there is none.
    pub(super) fn pinned(place: Seq, at: Millis, act: &Act, pin: &Pin, line: Option<Kept>) -> Option<Self> {
        let says = match &pin.content {
            PinContent::Line(_) => Says::Line(line?),
            PinContent::Text(text, extras) => Says::Text(text.clone(), extras.clone()),
        };
        Some(Self { act: place, up: place, cid: pin.cid.clone(), at, by: act.by.clone(), until: pin.until, says })
    }

    /// The line that it repeats.
    pub(super) fn line(&self) -> Option<&Kept> {
        match &self.says {
            Says::Line(kept) => Some(kept),
            Says::Text(..) => None,
        }
    }

    /// Whose text it is.
    pub(super) fn author(&self) -> &Author {
        self.line().map_or(&self.by, |kept| &kept.line.author)
    }
}
