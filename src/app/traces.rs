//! What the program says of itself, on standard error.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::ws;

/// Libraries whose finer traces hold what clients send, tokens among it, beside those of the WebSocket: whatever RUST_LOG
/// says, they only warn.
const SECRETIVE: [&str; 3] = ["hyper", "ureq", "rustls"];

/// How traces are written, one line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins to trace what RUST_LOG asks for, by default what people who run a gateway want to know. Once in a process.
pub fn trace(form: TraceForm) {
    let usual = || EnvFilter::new("madang=info");
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| usual());
    let discreet = filter_fn(|trace| {
        let mut secretive = SECRETIVE.iter().chain(&ws::LIBRARIES);
        *trace.level() <= Level::WARN || !secretive.any(|library| trace.target().starts_with(library))
    });
    let layer = fmt::layer().with_writer(std::io::stderr);
    let traces = tracing_subscriber::registry().with(asked).with(discreet);
    match form {
        TraceForm::Text => traces.with(layer.with_ansi(std::io::stderr().is_terminal())).init(),
        TraceForm::Json => traces.with(layer.json().flatten_event(true)).init(),
    }
}
