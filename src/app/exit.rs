//! How a command ends, for scripts: numbers of sysexits.h.

use std::fmt;

/// A command that failed: its exit code and a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The process's exit code.
    pub code: u8,
    /// What went wrong.
    pub reason: String,
}

impl Exit {
    /// 3: something that must hold did not.
    pub fn broken(reason: &str) -> Self {
        Self { code: 3, reason: reason.to_owned() }
    }

    /// 4: stopped before its end.
    pub fn cut_short(reason: &str) -> Self {
        Self { code: 4, reason: reason.to_owned() }
    }

    /// 5: the generator, not the server, was the limit.
    pub fn generator(reason: &str) -> Self {
        Self { code: 5, reason: reason.to_owned() }
    }

    /// 64: a mistake in the settings or on the command line.
    pub fn config(reason: &str) -> Self {
        Self { code: 64, reason: reason.to_owned() }
    }

    /// 69: a server that can't be reached, a port that can't be had.
    pub fn unavailable(reason: &str) -> Self {
        Self { code: 69, reason: reason.to_owned() }
    }

    /// 74: files that can't be read or written.
    pub fn io(reason: &str) -> Self {
        Self { code: 74, reason: reason.to_owned() }
    }

    /// 77: a server that refused.
    pub fn refused(reason: &str) -> Self {
        Self { code: 77, reason: reason.to_owned() }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
