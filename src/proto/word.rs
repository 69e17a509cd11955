//! Words that replies and pushes share.

use crate::model::message::{Kind, Status};

/// The service every Chzzk client names.
pub const SERVICE: &str = "game";

/// On the plain wire a question is an ordinary line: a strict client drops the rest of a frame that holds an unknown
/// type.
pub(super) fn plain_kind(kind: Kind) -> u8 {
    match kind {
        Kind::Text | Kind::Question => 1,
    }
}

/// The wire's word for how a line stands.
pub(super) fn status_code(status: Status) -> &'static str {
    match status {
        Status::Normal => "NORMAL",
        Status::Hidden => "HIDDEN",
    }
}
