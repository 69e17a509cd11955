//! The threads of a process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};

use crate::drive::script::Script;

use super::Shared;
use super::worker::Worker;

/// Which one of the processes of a run this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number; the one that leads is 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
    /// Threads of each.
    pub threads: u32,
}

impl Process {
    /// Whether this viewer is one of its threads'.
    pub fn has(self, who: u32) -> bool {
        who % (self.of * self.threads) / self.threads == self.index
    }
}

/// The threads of a process.
#[derive(Debug)]
pub struct Workers(Vec<JoinHandle<io::Result<()>>>);

impl Workers {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start(shared: &Arc<Shared>, process: Process) -> io::Result<Self> {
        let mut threads = Vec::new();
        for thread in 0..process.threads {
            let (index, of) = (process.index * process.threads + thread, process.of * process.threads);
            let script = Script::new(shared.setting.scenario.clone(), shared.setting.crowd.clone());
            let shared = shared.clone();
            let run = move || Worker::new(shared, Box::new(script), index, of)?.run();
            threads.push(Builder::new().name(format!("drive-{index}")).spawn(run)?);
        }
        shared.threads.store(process.threads, Ordering::Release);
        Ok(Self(threads))
    }

    /// Whether one of them has ended before it was told to leave.
    pub fn any_ended(&self) -> bool {
        self.0.iter().any(JoinHandle::is_finished)
    }

    /// Waits for them, once they are told to leave.
    pub fn join(self, shared: &Shared) {
        for thread in self.0 {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => shared.trouble(&format!("a thread ended: {error}")),
                Err(_) => shared.trouble("a thread panicked: what its viewers heard is lost"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_viewer_is_one_process_s() {
        let processes = [0, 1, 2].map(|index| Process { index, of: 3, threads: 2 });
        for who in 0..100 {
            assert_eq!(processes.iter().filter(|process| process.has(who)).count(), 1, "{who}");
        }
    }
}
