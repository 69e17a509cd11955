//! madang: a live-stream chat gateway. ARCHITECTURE.md is the map of this house.
//!
//! Rooms stand on floors and import only what `tests/floors.rs` allows; nobody imports through this root.

pub mod auth;
pub mod channel;
pub mod clock;
pub mod eventlog;
pub mod feed;
pub mod metrics;
pub mod model;
pub mod policy;
pub mod proto;
pub mod ws;
