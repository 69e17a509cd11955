//! A bus within one process.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dashmap::DashMap;
use tokio::sync::mpsc::{self, Sender};

use super::{Bus, MOST_WAITING, Subscription};

/// Fewest topics that are worth a look for those to let go of.
const SWEEP_FROM: usize = 256;

/// Listeners by topic.
#[derive(Debug, Default)]
pub struct Local {
    topics: DashMap<String, Vec<Sender<Bytes>>>,
    sweep_at: AtomicUsize,
}

impl Bus for Local {
    fn publish(&self, topic: &str, message: Bytes) -> Option<usize> {
        let Some(mut listeners) = self.topics.get_mut(topic) else { return Some(0) };
        listeners.retain(|listener| !listener.is_closed());
        // One that is too far behind has lost it: at most once.
        let told = listeners.iter().filter(|listener| listener.try_send(message.clone()).is_ok()).count();
        drop(listeners);
        self.forget(topic);
        Some(told)
    }

    fn subscribe(&self, topic: &str) -> Subscription {
        self.sweep();
        let (listener, subscription) = mpsc::channel(MOST_WAITING);
        let mut listeners = self.topics.entry(topic.to_owned()).or_default();
        listeners.retain(|listener| !listener.is_closed());
        listeners.push(listener);
        Subscription(subscription)
    }
}

impl Local {
    /// Lets go of a topic that nobody listens to.
    fn forget(&self, topic: &str) {
        self.topics.remove_if(topic, |_, listeners| listeners.iter().all(Sender::is_closed));
    }

    /// Lets go of all topics that nobody listens to, whenever there are twice as many as the last time.
    fn sweep(&self) {
        if self.topics.len() < self.sweep_at.load(Ordering::Relaxed).max(SWEEP_FROM) {
            return;
        }
        self.topics.retain(|_, listeners| !listeners.iter().all(Sender::is_closed));
        self.sweep_at.store(self.topics.len() * 2, Ordering::Relaxed);
    }

    /// Topics that somebody listens to, or did not long ago.
    pub fn topics(&self) -> usize {
        self.topics.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listens_is_told_once_and_who_does_not_is_not() {
        let bus = Local::default();
        assert_eq!(bus.publish("a", "nobody".into()), Some(0));
        let (mut one, mut two, mut other) = (bus.subscribe("a"), bus.subscribe("a"), bus.subscribe("b"));
        assert_eq!(bus.publish("a", "both".into()), Some(2));
        assert_eq!((one.next().await, two.next().await), (Some("both".into()), Some("both".into())));
        drop(two);
        assert_eq!(bus.publish("a", "one".into()), Some(1));
        assert_eq!(bus.publish("b", "other".into()), Some(1));
        assert_eq!((one.next().await, other.next().await), (Some("one".into()), Some("other".into())));
        drop((one, other));
        assert_eq!((bus.publish("a", "x".into()), bus.publish("b", "x".into()), bus.topics()), (Some(0), Some(0), 0));
    }

    #[test]
    fn topics_that_nobody_listens_to_any_more_are_let_go() {
        let bus = Local::default();
        let kept = bus.subscribe("kept");
        for number in 0..100_000 {
            drop(bus.subscribe(&format!("topic {number}")));
        }
        assert!(bus.topics() <= SWEEP_FROM + 1, "{}", bus.topics());
        assert_eq!(bus.publish("kept", "x".into()), Some(1));
        drop(kept);
    }

    #[tokio::test]
    async fn who_is_too_far_behind_loses_what_is_more() {
        let bus = Local::default();
        let mut slow = bus.subscribe("a");
        let told = (0..MOST_WAITING + 5).filter(|_| bus.publish("a", "x".into()) == Some(1)).count();
        assert_eq!(told, MOST_WAITING);
        for _ in 0..MOST_WAITING {
            assert!(slow.next().await.is_some());
        }
        assert_eq!(bus.publish("a", "again".into()), Some(1));
        assert_eq!(slow.next().await, Some("again".into()));
    }
}
