//! Sentences to write tests in.

pub(crate) mod faulty;
pub(crate) mod frames;
pub(crate) mod process;
pub(crate) mod reader;
pub(crate) mod yard;
