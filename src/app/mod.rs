//! Puts the house together and runs it: the only room that knows every other.

mod child;
mod copies;
mod data;
mod drive;
mod exit;
mod listen;
mod routes;
mod serve;
mod signals;
mod talk;
mod token;
mod traces;
mod welcome;

pub use copies::{backup, restore};
pub use drive::{AdHoc, Load, Outputs, compare, load, scenarios};
pub use exit::Exit;
pub use serve::serve;
pub use talk::{Talk, talk};
pub use token::{TokenRequest, token};
pub use traces::{TraceForm, trace};

use crate::config::{Config, Environment, Flags};

/// Prints the effective settings, secrets masked.
pub fn check(flags: &Flags) -> Result<(), Exit> {
    let config = Config::load(flags, &Environment::of_process()).map_err(|error| Exit::config(&error.to_string()))?;
    print!("{}", config.masked());
    Ok(())
}
