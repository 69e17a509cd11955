//! What threads share without a lock around all of it, under a scheduler that decides at locks, atomics and waits which of
//! them goes on: each scenario runs in thousands of orders, and a failure says by which seed it comes again.
//!
//! `make threads` builds with `--cfg shuttle`, which puts that scheduler behind the locks, channels, waits and tasks of the
//! whole gateway. A plain `cargo test` has nothing here. ARCHITECTURE.md says what isn't seen so.

#![cfg(shuttle)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod acts;
mod arrivals;
mod gate;
mod leaving;
mod outbox;
mod people;
mod schedules;
mod support;
