//! Appending an event and answering whoever asked, once it has been applied here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::error;

use crate::clock;
use crate::eventlog::LogError;
use crate::model::event::Event;
use crate::model::id::{ChannelId, EventId, Seq};
use crate::model::refusal::Refusal;

use super::{Node, Outcome};

/// How often the same request is tried that was refused before, each time as another event.
pub(super) const ONCE_MORE: u32 = 32;

/// How often an append is tried again whose outcome isn't known. The same id can't become a second event.
const RETRIES: u32 = 5;

/// Wait before the first of them; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// How long an event that is in the log may take to be applied before it is looked whether it was so long ago; and then
/// each time. The first look is soon, because whoever asks for the same again may wait for a chain of them.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// Longest wait for an event that is in the log to be applied here.
const LONGEST_APPLY: Duration = Duration::from_secs(4);

/// When a client should ask again while the log's queue is full.
const BUSY_RETRY_MS: u64 = 500;

/// Told once how the request ended. Called from the task that applies the log, so it must not block.
pub type Answer = Box<dyn FnOnce(Outcome) + Send>;

/// Who waits for which event to be applied. Whoever is here has an append under way, which the log's queue bounds, or
/// an event on its way back, which the tail bounds.
#[derive(Default)]
pub(super) struct Waiters(Mutex<HashMap<EventId, Answer>>);

impl Waiters {
    pub(super) fn add(&self, id: EventId, answer: Answer) {
        self.0.lock().insert(id, answer);
    }

    /// Answers whoever waits for this event; most events of other machines have nobody.
    pub(super) fn answer(&self, id: EventId, outcome: impl FnOnce() -> Outcome) {
        let waiting = self.0.lock().remove(&id);
        if let Some(answer) = waiting {
            answer(outcome());
        }
    }
}

impl Node {
    /// Appends `event`; `answer` is told when it has been applied, or why it never will be.
    pub(super) fn append(&self, channel: &ChannelId, event: Event, waiters: impl WaitersOf, answer: Answer) {
        let under_way = match self.begin() {
            Ok(under_way) => under_way,
            Err(refusal) => return answer(Outcome::Refused(refusal)),
        };
        let (id, event) = (event.id, Arc::new(event));
        let (told, applied) = oneshot::channel();
        let tell = Box::new(move |outcome| {
            answer(outcome);
            // Nobody listens any more only if the append itself failed first.
            let _ = told.send(());
        });
        waiters.waiters().add(id, tell);
        let first = self.parts.log.append(channel, event.clone());
        let (parts, channel) = (self.parts.clone(), channel.clone());
        tokio::spawn(async move {
            let mut result = first.await;
            let mut wait = FIRST_WAIT;
            let mut doubtful = false;
            for _ in 0..RETRIES {
                doubtful |= result == Err(LogError::Unknown);
                if !may_retry(&result, doubtful) {
                    break;
                }
                tokio::time::sleep(wait).await;
                wait *= 2;
                result = parts.log.append(&channel, event.clone()).await;
            }
            if doubtful && result.is_err() {
                result = Err(LogError::Unknown);
            }
            match result {
                // Applied events come by the tail; a sender that went away stops waiting.
                Ok(seq) => wait_for_verdict(applied, &waiters, id, seq).await,
                Err(failure) => {
                    if !matches!(failure, LogError::Full | LogError::NoRoom | LogError::Closed) {
                        parts.metrics.faults.inc();
                        error!(%failure, %channel, "an event could not be appended");
                    }
                    waiters.waiters().answer(id, || Outcome::Refused(refusal(&failure)));
                }
            }
            // A drain waits for the answer and not only for the disk.
            drop(under_way);
        });
    }

    /// Appends `event` and waits until it has been applied.
    pub(super) async fn append_and_wait(
        &self,
        channel: &ChannelId,
        event: Event,
        waiters: impl WaitersOf,
    ) -> Result<(), Refusal> {
        let (answer, told) = waited_for();
        self.append(channel, event, waiters, answer);
        match told.await {
            Outcome::Refused(refusal) => Err(refusal),
            _ => Ok(()),
        }
    }
}

/// An answer, and what waits for it.
pub(super) fn waited_for() -> (Answer, impl Future<Output = Outcome>) {
    let (tell, told) = oneshot::channel();
    let answer = Box::new(move |outcome| {
        // Whoever asked may have hung up; the event stands all the same.
        let _ = tell.send(outcome);
    });
    (answer, async { told.await.unwrap_or(Outcome::Refused(Refusal::Fault)) })
}

/// Waits until whoever asked has been told. An event that was in the log before is not brought by the tail again: its
/// verdict is what became of it then.
async fn wait_for_verdict(mut applied: oneshot::Receiver<()>, waiters: &impl WaitersOf, id: EventId, seq: Seq) {
    let mut patience = FIRST_LOOK;
    while timeout(patience, &mut applied).await.is_err() {
        patience = REPEAT_AFTER;
        if waiters.applied(seq) {
            return waiters.waiters().answer(id, || waiters.became_of(seq));
        }
    }
}

/// Waits for this node to have applied what is in the log.
pub(super) async fn until(applied: impl Fn() -> bool) -> Result<(), Refusal> {
    let deadline = clock::instant() + LONGEST_APPLY;
    while !applied() {
        if clock::instant() > deadline {
            return Err(Refusal::Fault);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Whether to append again. A full queue is a clear answer, unless an earlier attempt may have got through: then only
/// the log can tell, and a refusal could be a lie.
fn may_retry(result: &Result<Seq, LogError>, doubtful: bool) -> bool {
    match result {
        Err(LogError::Unknown) => true,
        Err(LogError::Full) => doubtful,
        Err(LogError::Closed | LogError::NoRoom | LogError::Store(_)) | Ok(_) => false,
    }
}

/// Something that keeps the waiters of one log.
pub(super) trait WaitersOf: Send + Sync + 'static {
    fn waiters(&self) -> &Waiters;

    /// Whether everything up to here has been applied.
    fn applied(&self, seq: Seq) -> bool;

    /// What became of the event at this place, as long as that is remembered.
    fn became_of(&self, seq: Seq) -> Outcome;
}

/// What a client hears of the log's failure.
pub(super) fn refusal(failure: &LogError) -> Refusal {
    match failure {
        LogError::Full => Refusal::Busy { retry_after_ms: BUSY_RETRY_MS },
        LogError::Closed => Refusal::Draining,
        LogError::NoRoom => Refusal::DiskFull,
        LogError::Unknown | LogError::Store(_) => Refusal::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_after_a_lost_answer_is_no_refusal() {
        assert!(may_retry(&Err(LogError::Unknown), true));
        assert!(may_retry(&Err(LogError::Full), true), "the first attempt may be in the log");
        assert!(!may_retry(&Err(LogError::Full), false), "nothing was appended: say so at once");
        assert!(!may_retry(&Ok(Seq(1)), true));
        assert!(!may_retry(&Err(LogError::Closed), true));
    }
}
