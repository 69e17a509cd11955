//! What threads share without a lock around all of it, under a scheduler that decides at every lock, atomic and wait which
//! of them goes on: each scenario runs in thousands of orders, and one that fails is printed so that it can be run again.
//!
//! `make threads` builds with `--cfg shuttle`, which puts that scheduler behind the locks, atomics, channels, waits and
//! tasks of the whole gateway. A plain `cargo test` has nothing here.

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
