//! Several at once from a queue. shuttle's queues give one at a time.

use tokio::sync::mpsc::Receiver;

/// Waits until there is something, and takes up to `most` of it. Whether there was: not when all senders are gone.
#[cfg(not(shuttle))]
pub(super) async fn some<T>(queue: &mut Receiver<T>, taken: &mut Vec<T>, most: usize) -> bool {
    queue.recv_many(taken, most).await > 0
}

#[cfg(shuttle)]
pub(super) async fn some<T>(queue: &mut Receiver<T>, taken: &mut Vec<T>, _: usize) -> bool {
    let before = taken.len();
    taken.extend(queue.recv().await);
    taken.len() > before
}

/// The same from a thread that may stand still.
#[cfg(not(shuttle))]
pub(super) fn some_blocking<T>(queue: &mut Receiver<T>, taken: &mut Vec<T>, most: usize) -> bool {
    queue.blocking_recv_many(taken, most) > 0
}

#[cfg(shuttle)]
pub(super) fn some_blocking<T>(queue: &mut Receiver<T>, taken: &mut Vec<T>, _: usize) -> bool {
    let before = taken.len();
    taken.extend(queue.blocking_recv());
    taken.len() > before
}
