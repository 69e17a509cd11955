//! The nouns: what every room of the house talks about, and nothing it does.
//!
//! No IO, no clock, no async, no wire: names of the wire appear only in `proto`, names of the store only in
//! `eventlog::codec`.

pub mod access;
pub mod act;
pub mod announcement;
pub mod aside;
pub mod broadcast;
pub mod event;
pub mod filter;
pub mod guest;
pub mod id;
pub mod item;
pub mod message;
pub mod mode;
pub mod occasion;
pub mod own_lines;
pub mod palette;
pub mod principal;
pub mod question;
pub mod refusal;
pub mod time;
