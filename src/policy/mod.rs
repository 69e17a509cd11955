//! May this pass? Pure functions of values: no clock, no async, no IO. Every machine comes to the same verdict.

pub mod emoji;
pub mod filter;
pub mod names;
pub mod pace;
pub mod rate;
pub mod revoked;
pub mod rules;
pub mod text;
