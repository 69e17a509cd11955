//! Lines on their way into the log: judged by the rules, in the order in which their sender sent them, and once more when
//! other rules overtake them there.
//!
//! Rules that are new have to be compiled first, which takes tens of milliseconds for the largest. Then lines wait, and those
//! behind them, and one task sees to them.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::event::{Body, Event};
use crate::model::id::EventId;
use crate::model::message::{Line, Receipt};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::rules::Rules;

use super::append::{Answer, ONCE_MORE};
use super::live::Live;
use super::{Node, Outcome};

/// How often a line is judged that other rules overtake on its way; its sender may try again then.
const MOST_JUDGED: u32 = 3;

/// When that is worth it.
const RETRY_MS: u64 = 200;

/// A line that somebody has sent.
pub(super) struct Sent {
    /// The event that it becomes, where whoever sent it may send the same again.
    pub(super) id: Option<EventId>,
    /// When it was sent.
    pub(super) at: Millis,
    pub(super) line: Line,
    /// How often it was overtaken.
    pub(super) overtaken: u32,
    /// How often the same was refused before.
    pub(super) refused: u32,
    pub(super) answer: Answer,
}

/// What becomes of a line that may be sent.
enum Look {
    Passes,
    /// It is there already, and was answered with this.
    Repeats(Receipt),
    /// These rules have to be compiled before.
    Waits(Vec<Arc<Rules>>),
}

/// Lines of a channel that wait to be judged, oldest first. How many one session may have on their way bounds it.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Sent>,
    /// Whether a task sees to them.
    attended: bool,
}

impl Queue {
    /// Puts a line behind those that wait. It comes back when none does.
    fn join(&self, sent: Sent) -> Option<Sent> {
        let mut waiting = self.0.lock();
        if !waiting.attended {
            return Some(sent);
        }
        waiting.lines.push_back(sent);
        None
    }

    /// Lets a line wait. Whether a task has to be found that sees to it.
    fn wait(&self, sent: Sent) -> bool {
        let mut waiting = self.0.lock();
        waiting.lines.push_back(sent);
        !std::mem::replace(&mut waiting.attended, true)
    }

    /// The next line; with none, nobody sees to them any more.
    fn next(&self) -> Option<Sent> {
        let mut waiting = self.0.lock();
        let next = waiting.lines.pop_front();
        waiting.attended = next.is_some();
        next
    }
}

impl Node {
    /// Judges a line and appends it, behind those that wait.
    pub(super) fn judge(self: &Arc<Self>, live: &Arc<Live>, sent: Sent) {
        let Some(mut sent) = live.judging.join(sent) else { return };
        match self.look_at(live, &mut sent.line, sent.at) {
            Ok(Look::Passes) => self.append_line(live, sent),
            Ok(Look::Repeats(first)) => (sent.answer)(Outcome::Sent(first)),
            Ok(Look::Waits(_)) => self.judge_later(live, sent),
            Err(refusal) => (sent.answer)(Outcome::Refused(refusal)),
        }
    }

    fn judge_later(self: &Arc<Self>, live: &Arc<Live>, sent: Sent) {
        if live.judging.wait(sent) {
            let (node, live) = (self.clone(), live.clone());
            tokio::spawn(async move {
                while let Some(sent) = live.judging.next() {
                    node.judge_in_turn(&live, sent).await;
                }
            });
        }
    }

    async fn judge_in_turn(self: &Arc<Self>, live: &Arc<Live>, mut sent: Sent) {
        loop {
            match self.look_at(live, &mut sent.line, sent.at) {
                Ok(Look::Passes) => return self.append_line(live, sent),
                Ok(Look::Repeats(first)) => return (sent.answer)(Outcome::Sent(first)),
                Ok(Look::Waits(rules)) => compile(rules).await,
                Err(refusal) => return (sent.answer)(Outcome::Refused(refusal)),
            }
        }
    }

    /// Refuses a line that may not be sent as things stand now, and lets others pass as the rules say.
    fn look_at(&self, live: &Live, line: &mut Line, at: Millis) -> Result<Look, Refusal> {
        let state = live.state.lock();
        if let Some(first) = state.channel.admit(&self.rules().limits, at, line)? {
            return Ok(Look::Repeats(first));
        }
        let measures = state.channel.measures(line);
        drop(state);
        Ok(self.filter(line, &measures)?.map_or(Look::Passes, Look::Waits))
    }

    fn append_line(self: &Arc<Self>, live: &Arc<Live>, sent: Sent) {
        let Sent { id, at, line, overtaken, refused, answer } = sent;
        let line = Arc::new(line);
        let event = Event { id: id.unwrap_or_else(EventId::fresh), at, body: Body::Line(line.clone()) };
        // Weak, because it is kept by the channel itself until the line is judged.
        let (node, there) = (Arc::downgrade(self), Arc::downgrade(live));
        let told: Answer = Box::new(move |outcome| match (outcome, node.upgrade(), there.upgrade()) {
            (Outcome::Late, Some(node), Some(there)) if overtaken + 1 < MOST_JUDGED => {
                // It is as old as it is: a retry that came before it is what it repeats.
                let line = as_sent(Line::clone(&line));
                let id = id.map(EventId::once_more);
                node.judge_later(&there, Sent { id, at, line, overtaken: overtaken + 1, refused, answer });
            }
            // The same request was refused then, or overtaken; what it is now is judged anew.
            (Outcome::RefusedBefore, Some(node), Some(there)) if refused < ONCE_MORE => {
                let (line, id) = (as_sent(Line::clone(&line)), id.map(EventId::once_more));
                node.judge_later(&there, Sent { id, at, line, overtaken, refused: refused + 1, answer });
            }
            (Outcome::Late, ..) if id.is_none() => answer(Outcome::Refused(Refusal::Busy { retry_after_ms: RETRY_MS })),
            (other, ..) => answer(other),
        });
        self.append(live.id(), event, live.clone(), told);
    }
}

/// A line before any rules have made something of it.
fn as_sent(mut line: Line) -> Line {
    if let Some(sent) = line.filtered.take().and_then(|filtered| filtered.original.clone()) {
        line.draft.text = sent;
    }
    Line { judged: Line::UNJUDGED, ..line }
}

/// Compiles rules beside what goes on.
pub(super) async fn compile(rules: Vec<Arc<Rules>>) {
    // A panic has been told, and is one for whoever judges, too.
    let _ = tokio::task::spawn_blocking(move || rules.iter().for_each(|rules| rules.compile())).await;
}
