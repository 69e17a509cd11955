//! What the gateway promises, from the inside out: the log's suite, sessions without sockets, real sockets, the
//! published examples, the command line, and killed processes.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

mod access;
mod acts;
mod api;
mod bad_input;
mod chat;
mod cli;
mod crash;
mod disk;
mod drive;
mod drive_cli;
mod edge;
mod eventlog;
mod ext;
mod filters;
mod flood;
mod golden;
mod guests;
mod history;
mod keys;
mod log_versions;
mod manage;
mod members;
mod own_lines;
mod people;
mod proxies;
mod questions;
mod retention;
mod simulation;
mod site;
mod slow;
mod snapshots;
mod socket;
mod specials;
