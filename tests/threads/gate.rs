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
    /// One more, for as long as the answer is held.
    fn up(self: &Arc<Self>) -> impl Drop + use<> {
        self.highest.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Down(self.clone())
    }

    fn highest(&self) -> usize {
        self.highest.load(Ordering::SeqCst)
    }
}

struct Down(Arc<Height>);

impl Drop for Down {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Who is in at once, at most.
#[derive(Clone, Default)]
struct Heights {
    places: Arc<Height>,
    visitors: Arc<Height>,
    members: Arc<Height>,
    /// Of two users.
    sessions: [Arc<Height>; 2],
}

/// How far somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Comes {
    ToTheDoor,
    In,
    ToTheirPlace,
    ToTheirSeat,
}

const ADDRESS: [u8; 4] = [192, 0, 2, 1];

/// Comes in, joins as one of two users, stays for a moment and goes.
async fn comes(gate: Arc<Gate>, user: usize, heights: Heights) -> Comes {
    let soon = clock::instant() + Duration::from_millis(8);
    let Some(place) = gate.admit() else { return Comes::ToTheDoor };
    let Some(visitor) = gate.visitor(place, ADDRESS.into()) else { return Comes::ToTheDoor };
    let _one_more = (heights.places.up(), heights.visitors.up());
    let Ok(membership) = visitor.join(soon).await else { return Comes::In };
    let one_member = heights.members.up();
    let seat = gate.seat(&UserId::parse(&format!("user{user}")).unwrap(), soon).await;
    let one_session = seat.is_ok().then(|| heights.sessions[user].up());
    shuttle::future::yield_now().await;
    let came = if seat.is_ok() { Comes::ToTheirSeat } else { Comes::ToTheirPlace };
    drop((one_session, seat));
    drop(one_member);
    drop(membership);
    came
}

/// All come at once; how far each has come, and how many there were at most.
async fn all_come(config: Config) -> (Arc<Gate>, Vec<Comes>, Heights) {
    let (gate, heights) = (Gate::new(config, b"key", Arc::default()), Heights::default());
    let coming = (0..COMERS).map(|number| tokio::spawn(comes(gate.clone(), number % 2, heights.clone())));
    let came = join_all(coming).await.into_iter().map(Result::unwrap).collect();
    (gate, came, heights)
}

#[test]
fn nobody_is_one_too_many_and_every_place_is_given_back() {
    let came = check(4_000, || async {
        let config = Config { connections: 4, per_address: None, per_user: 1, joins: None, ..Config::default() };
        let (gate, came, heights) = all_come(config).await;
        assert!(heights.places.highest() <= 4);
        assert!(heights.members.highest() <= 2, "the rest of the four places is room to say that it is full");
        assert!(heights.sessions.iter().all(|sessions| sessions.highest() <= 1));
        let again: Vec<_> = (0..COMERS).map_while(|_| gate.admit()).collect();
        assert_eq!(again.len(), 4, "as many as before may come in again");
        drop(again);
        let (soon, mut memberships) = (clock::instant(), Vec::new());
        for number in 0..3 {
            let visitor = gate.visitor(gate.admit().unwrap(), ADDRESS.into()).unwrap();
            memberships.push(visitor.join(soon).await);
            assert_eq!(memberships[number].is_ok(), number < 2, "as many as before may join again");
        }
        came
    })
    .concat();
    for far in [Comes::ToTheDoor, Comes::In, Comes::ToTheirPlace, Comes::ToTheirSeat] {
        assert!(came.contains(&far), "{far:?}");
    }
}

#[test]
fn one_address_has_no_more_than_its_share() {
    let came = check(4_000, || async {
        let config = Config { per_address: Some(2), joins: None, ..Config::default() };
        let (gate, came, heights) = all_come(config).await;
        assert!(heights.members.highest() <= 2);
        assert!(heights.visitors.highest() <= 4, "twice as many may come in to be told so");
        let visitors: Vec<_> = (0..4).map_while(|_| gate.visitor(gate.admit()?, ADDRESS.into())).collect();
        assert_eq!(visitors.len(), 4, "as many as before may come in again");
        let soon = clock::instant();
        let mut memberships = Vec::new();
        for (number, visitor) in visitors.iter().enumerate() {
            memberships.push(visitor.join(soon).await);
            assert_eq!(memberships[number].is_ok(), number < 2, "as many as before may join again");
        }
        came
    })
    .concat();
    for far in [Comes::ToTheDoor, Comes::In, Comes::ToTheirSeat] {
        assert!(came.contains(&far), "{far:?}");
    }
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
