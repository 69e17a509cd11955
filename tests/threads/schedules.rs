//! Running a scenario in many orders.

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use shuttle::future::block_on;
use shuttle::scheduler::{PctScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, MaxSteps, Runner};

/// One turn in so many is the last of a thread for a while.
const SELDOM: u32 = 40;

/// Turns of others that such a thread waits at most.
const LONGEST_NAP: usize = 200;

/// Turns of others that a thread waits at most that has nothing to do but look again.
const SHORTEST_NAP: usize = 8;

/// How often a schedule of the second kind changes which thread goes first.
const CHANGES: usize = 3;

/// Longest run of one schedule: what isn't done by then waits for what never comes.
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
    let number = |name: &str| env::var(name).map_or(1, |set| set.parse::<u64>().expect("it is a number"));
    let (seed, times) = (number("SHUTTLE_SEED"), usize::try_from(number("SHUTTLE_RUNS")).unwrap());
    let half = (runs * times).div_ceil(2);
    let mut outcomes = run(Dawdlers::new(seed, half), scenario.clone());
    outcomes.extend(run(PctScheduler::new_from_seed(seed, CHANGES, half), scenario));
    outcomes
}

fn run<T: Send + 'static, F: Future<Output = T>>(
    scheduler: impl Scheduler + 'static,
    scenario: impl Fn() -> F + Send + Sync + 'static,
) -> Vec<T> {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    config.silence_warnings = true;
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let kept = outcomes.clone();
    Runner::new(scheduler, config).run(move || {
        let outcome = block_on(scenario());
        kept.lock().unwrap().push(outcome);
    });
    std::mem::take(&mut outcomes.lock().unwrap())
}

/// Draws who goes on, and lets a thread nap at times: what goes wrong between two neighbouring steps of one needs many of
/// the others in between.
struct Dawdlers {
    seed: u64,
    left: usize,
    chance: StdRng,
    step: usize,
    /// Until which step.
    naps: HashMap<TaskId, usize>,
}

impl Dawdlers {
    fn new(seed: u64, runs: usize) -> Self {
        Self { seed: seed - 1, left: runs + 1, chance: StdRng::seed_from_u64(0), step: 0, naps: HashMap::new() }
    }
}

impl Scheduler for Dawdlers {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.left -= 1;
        self.seed += 1;
        self.chance = StdRng::seed_from_u64(self.seed);
        self.step = 0;
        self.naps.clear();
        (self.left > 0).then(|| Schedule::new(self.seed))
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
        ready.choose(&mut self.chance).copied()
    }

    fn next_u64(&mut self) -> u64 {
        self.chance.random()
    }
}

impl Drop for Dawdlers {
    fn drop(&mut self) {
        if self.left > 0 {
            eprintln!("it comes again with SHUTTLE_SEED={}", self.seed);
        }
    }
}

/// Somebody looks, and waits until they are told that it is worth another look.
#[test]
#[should_panic(expected = "deadlock")]
fn a_word_that_came_between_a_look_and_the_wait_is_noticed() {
    check(1_000, || async {
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
    });
}

#[test]
#[should_panic(expected = "left: 1")]
fn what_two_read_before_either_writes_is_noticed() {
    check(1_000, || async {
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
    });
}
