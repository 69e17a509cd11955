//! What the tests of the whole gateway have for their sentences, as far as it serves here.

#![expect(dead_code, reason = "the other half is for those who can wait for a clock")]

#[path = "../it/support/frames.rs"]
pub(crate) mod frames;
#[path = "../it/support/reader.rs"]
pub(crate) mod reader;
#[path = "../it/support/yard.rs"]
pub(crate) mod yard;
