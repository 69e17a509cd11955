//! madang: a live-stream chat gateway. ARCHITECTURE.md is the map of this house.
//!
//! Rooms stand on floors and import only what `tests/floors.rs` allows; nobody imports through this root.

#[cfg(all(shuttle, not(debug_assertions)))]
compile_error!("with --cfg shuttle nothing waits for a clock: that is for tests/threads only");

pub mod app;
pub mod auth;
pub mod bus;
pub mod channel;
pub mod client;
pub mod clock;
pub mod config;
pub mod drive;
pub mod endpoints;
pub mod eventlog;
pub mod feed;
pub mod gate;
pub mod metrics;
pub mod model;
pub mod node;
pub mod policy;
pub mod proto;
pub mod ws;
