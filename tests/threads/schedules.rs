//! Running a scenario in many orders.

use std::collections::HashMap;
use std::env;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use shuttle::future::block_on;
use shuttle::scheduler::{PctScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, MaxSteps, Runner};

use madang::clock;

/// One turn in so many is the last of a thread for a while.
const SELDOM: u32 = 40;

/// Turns of others that such a thread waits at most.
const LONGEST_NAP: usize = 200;

/// Turns of others that a thread waits at most that has nothing to do but look again.
const SHORTEST_NAP: usize = 8;

/// How often a scenario that is over lets the others go on.
const WIND_DOWN: usize = 100;

/// Parts of an order by ranks: between two of them another thread goes first.
const PARTS: usize = 3;

/// Longest run of one order: what isn't done by then waits for what never comes.
const MOST_STEPS: usize = 200_000;

/// Runs a scenario in so many orders, and gives what came of each. Half of them are drawn at random, with threads that stop
/// between two steps while others do a lot; half go by ranks of the threads, which change a few times.
///
/// `SHUTTLE_RUNS` is by how much `runs` is multiplied; `SHUTTLE_SEED` is where it begins: a failure says with which seed it
/// comes again.
pub(crate) fn check<T: Send + 'static, F: Future<Output = T>>(
    runs: usize,
    scenario: impl Fn() -> F + Send + Sync + Clone + 'static,
) -> Vec<T> {
    let mut outcomes = dawdling(runs.div_ceil(2), scenario.clone());
    outcomes.extend(ranked(runs.div_ceil(2), scenario));
    outcomes
}

fn dawdling<T: Send + 'static, F: Future<Output = T>>(
    runs: usize,
    scenario: impl Fn() -> F + Send + Sync + Clone + 'static,
) -> Vec<T> {
    seeds(runs).flat_map(|seed| run(seed, Dawdlers::new(seed), scenario.clone())).collect()
}

fn ranked<T: Send + 'static, F: Future<Output = T>>(
    runs: usize,
    scenario: impl Fn() -> F + Send + Sync + Clone + 'static,
) -> Vec<T> {
    // The first order of each only finds out how long one is.
    let scheduler = |seed| PctScheduler::new_from_seed(seed, PARTS, 2);
    seeds(runs.div_ceil(2)).flat_map(|seed| run(seed, scheduler(seed), scenario.clone())).collect()
}

fn seeds(runs: usize) -> impl Iterator<Item = u64> {
    let number = |name: &str| env::var(name).map_or(1, |set| set.parse::<u64>().expect("it is a number"));
    let (seed, times) = (number("SHUTTLE_SEED"), number("SHUTTLE_RUNS"));
    seed..seed + runs as u64 * times
}

fn run<T: Send + 'static, F: Future<Output = T>>(
    seed: u64,
    scheduler: impl Scheduler + 'static,
    scenario: impl Fn() -> F + Send + Sync + 'static,
) -> Vec<T> {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    config.silence_warnings = true;
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let kept = outcomes.clone();
    let failing = Failing(seed);
    Runner::new(scheduler, config).run(move || {
        clock::begin();
        let outcome = block_on(scenario());
        // Whoever is cut off in the middle keeps its locks, and what is let go of at the end may want one of them.
        (0..WIND_DOWN).for_each(|_| shuttle::thread::yield_now());
        kept.lock().unwrap().push(outcome);
    });
    std::mem::forget(failing);
    std::mem::take(&mut outcomes.lock().unwrap())
}

/// Says how a failure comes again, unless there was none.
struct Failing(u64);

impl Drop for Failing {
    fn drop(&mut self) {
        eprintln!("it comes again with SHUTTLE_SEED={}", self.0);
    }
}

/// Draws who goes on, and lets a thread nap at times: what goes wrong between two neighbouring steps of one needs many of
/// the others in between.
struct Dawdlers {
    seed: Option<u64>,
    chance: StdRng,
    step: usize,
    /// Until which step.
    naps: HashMap<TaskId, usize>,
    /// How many turns there were, and whose.
    turns: Arc<Mutex<(usize, DefaultHasher)>>,
}

impl Dawdlers {
    fn new(seed: u64) -> Self {
        let chance = StdRng::seed_from_u64(seed);
        Self { seed: Some(seed), chance, step: 0, naps: HashMap::new(), turns: Arc::default() }
    }
}

impl Scheduler for Dawdlers {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.seed.take().map(Schedule::new)
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        self.step += 1;
        if let Some(current) = current {
            let longest = if self.chance.random_ratio(1, SELDOM) { LONGEST_NAP } else { SHORTEST_NAP };
            if is_yielding || longest == LONGEST_NAP {
                self.naps.insert(current, self.step + self.chance.random_range(1..longest));
            }
        }
        let tasks: Vec<TaskId> = runnable.iter().map(|task| task.id()).collect();
        let is_awake = |task: &&TaskId| self.naps.get(*task).is_none_or(|until| *until < self.step);
        let awake: Vec<TaskId> = tasks.iter().filter(is_awake).copied().collect();
        let ready = if awake.is_empty() { &tasks } else { &awake };
        let next = ready.choose(&mut self.chance).copied();
        let mut turns = self.turns.lock().unwrap();
        turns.0 += 1;
        next.hash(&mut turns.1);
        next
    }

    fn next_u64(&mut self) -> u64 {
        self.chance.random()
    }
}

/// Somebody looks, and waits until they are told that it is worth another look.
async fn looks_before_it_waits() {
    let (there, told) = (Arc::new(parking_lot::Mutex::new(false)), Arc::new(tokio::sync::Notify::new()));
    let (set, tells) = (there.clone(), told.clone());
    let comes = tokio::spawn(async move {
        *set.lock() = true;
        tells.notify_waiters();
    });
    while !*there.lock() {
        told.notified().await;
    }
    comes.await.unwrap();
}

/// Two read a number and write the next one.
async fn counts_under_two_locks() {
    let number = Arc::new(parking_lot::Mutex::new(0));
    let adding = [(); 2].map(|()| {
        let number = number.clone();
        tokio::spawn(async move {
            let before = *number.lock();
            *number.lock() = before + 1;
        })
    });
    for adds in adding {
        adds.await.unwrap();
    }
    assert_eq!(*number.lock(), 2);
}

#[test]
#[should_panic(expected = "deadlock")]
fn dawdlers_notice_a_word_that_came_between_a_look_and_the_wait() {
    dawdling(1_000, looks_before_it_waits);
}

#[test]
#[should_panic(expected = "deadlock")]
fn ranks_notice_a_word_that_came_between_a_look_and_the_wait() {
    ranked(1_000, looks_before_it_waits);
}

#[test]
#[should_panic(expected = "left: 1")]
fn dawdlers_notice_what_two_read_before_either_writes() {
    dawdling(1_000, counts_under_two_locks);
}

#[test]
#[should_panic(expected = "left: 1")]
fn ranks_notice_what_two_read_before_either_writes() {
    ranked(1_000, counts_under_two_locks);
}

#[test]
fn a_seed_is_one_order() {
    let order = |seed| {
        let scheduler = Dawdlers::new(seed);
        let turns = scheduler.turns.clone();
        run(seed, scheduler, crate::arrivals::comes_back_while_others_talk);
        let turns = turns.lock().unwrap();
        (turns.0, turns.1.finish())
    };
    let (first, again, other) = (order(7), order(7), order(8));
    assert!(first.0 > 100 && first == again && first != other);
}
