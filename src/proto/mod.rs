//! The chat wire: the cmd-coded JSON envelope, its bodies and its numbers. No IO.
//!
//! Every abbreviation of the wire (`bdy`, `mbrCnt`, `msgTypeCode`) stands in a serde rename of this room and nowhere
//! else. Shapes follow what published clients of the Chzzk wire need; `proto-docs/` is the published description and
//! its examples are decoded and encoded again by a test.

mod acts;
pub mod asides;
pub mod cmd;
pub mod code;
pub mod envelope;
pub mod heard;
pub mod people;
pub mod profile;
pub mod push;
pub mod questions;
pub mod reply;
pub mod request;
pub mod special;
pub mod witness;
pub mod word;
