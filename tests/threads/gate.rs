//! Who comes in and how fast: numbers that every thread turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use madang::clock;
use madang::gate::{Config, Gate};
use madang::model::id::UserId;
use madang::model::time::Millis;
use madang::policy::rate::{Pace, Rate};

use crate::schedules::check;

const COMERS: usize = 6;

/// How many there are of something, and how many there were at most.
#[derive(Default)]
struct Height {
    now: AtomicUsize,
    highest: AtomicUsize,
}

impl Height {
    fn up(&self) {
        self.highest.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    fn down(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Comes in, joins as one of two users, stays for a moment and goes. Whether there was room.
async fn comes(gate: Arc<Gate>, number: usize, members: Arc<Height>, sessions: [Arc<Height>; 2]) -> bool {
    let Some(place) = gate.admit() else { return false };
    let Some(visitor) = gate.visitor(place, [192, 0, 2, 1].into()) else { return false };
    let soon = clock::instant() + Duration::from_millis(1);
    let Ok(membership) = visitor.join(soon).await else { return false };
    members.up();
    let user = number % 2;
    let seat = gate.seat(&UserId::parse(&format!("user{user}")).unwrap(), soon).await;
    if seat.is_ok() {
        sessions[user].up();
        shuttle::future::yield_now().await;
        sessions[user].down();
    }
    drop(seat);
    members.down();
    drop(membership);
    true
}

#[test]
fn nobody_is_one_too_many_and_every_place_is_given_back() {
    check(4_000, || async {
        let config = Config { connections: 4, per_address: Some(3), per_user: 1, joins: None, ..Config::default() };
        let gate = Gate::new(config, b"key", Arc::default());
        let (members, sessions) = (Arc::new(Height::default()), [Arc::default(), Arc::<Height>::default()]);
        let coming =
            (0..COMERS).map(|number| tokio::spawn(comes(gate.clone(), number, members.clone(), sessions.clone())));
        let joined = join_all(coming).await.into_iter().filter(|came| *came.as_ref().unwrap()).count();
        assert!(joined > 0, "there is room for somebody");
        let highest = |height: &Height| height.highest.load(Ordering::SeqCst);
        assert!(highest(&members) <= 2, "the rest of the four places is room to say that it is full");
        assert!(sessions.iter().all(|sessions| highest(sessions) <= 1));
        let again: Vec<_> = (0..COMERS).map_while(|_| gate.admit()).collect();
        assert_eq!(again.len(), 4, "as many as before may come in again");
        drop(again);
        let (soon, mut memberships) = (clock::instant(), Vec::new());
        for number in 0..3 {
            let visitor = gate.visitor(gate.admit().unwrap(), [192, 0, 2, 1].into()).unwrap();
            memberships.push(visitor.join(soon).await);
            assert_eq!(memberships[number].is_ok(), number < 2, "as many as before may join again");
        }
    });
}

#[test]
fn a_burst_is_a_burst_however_many_take_from_it() {
    check(4_000, || async {
        let (pace, rate) = (Arc::new(Pace::default()), Rate { per_second: 5, burst: 4 });
        let taking = (0..3).map(|_| {
            let pace = pace.clone();
            tokio::spawn(async move { (0..3).filter(|_| pace.take(Millis(1_000), rate).is_ok()).count() })
        });
        let taken: usize = join_all(taking).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(taken, 4);
        assert_eq!(pace.take(Millis(1_200), rate), Ok(()));
        assert!(pace.take(Millis(1_200), rate).is_err());
    });
}
