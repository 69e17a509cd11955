//! A machine that tries to break the contract: scripts drawn from seeds, run by two gateways over one log that loses
//! answers, does things twice and dawdles, with crashes between any two steps; everything that anybody was told is compared
//! with what a model of a hundred lines says is true.
//!
//!     make simulate SEEDS=100000
//!
//! A script that fails is made as short as possible, printed, and kept under `tests/simulation/`; what is kept there is run
//! every time.

mod asides;
mod crowd;
mod guests;
mod judge;
mod ledger;
mod manners;
mod planted;
mod script;
mod truth;
mod world;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use planted::Planted;
use script::{Op, RARELY, script, shrink};
use world::{World, Wrong};

/// Seeds of a usual run.
const SEEDS: u64 = 500;

fn run(seed: u64, ops: &[Op], planted: Option<Planted>) -> Vec<Wrong> {
    let ops = ops.to_vec();
    let ran = std::panic::catch_unwind(move || World::new(seed, planted).run(&ops));
    ran.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        vec![words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()]
    })
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulation")
}

fn text(seed: u64, ops: &[Op], wrong: &[Wrong]) -> String {
    let mut text = format!("# seed {seed}\n");
    wrong.iter().take(3).for_each(|wrong| text.push_str(&format!("# {}\n", wrong.replace('\n', " "))));
    ops.iter().for_each(|op| text.push_str(&format!("{op}\n")));
    text
}

/// Makes a failing script shorter, keeps it, and says so.
fn failed(seed: u64) -> String {
    let ops = shrink(script(seed), |ops| !run(seed, ops, None).is_empty());
    let told = text(seed, &ops, &run(seed, &ops, None));
    let file = folder().join(format!("seed-{seed}.script"));
    let kept = fs::create_dir_all(folder()).and_then(|()| fs::write(&file, &told));
    format!("{}: {kept:?}\n{told}", file.display())
}

#[test]
fn nothing_is_lost_or_doubled_and_all_agree_whatever_happens() {
    let seeds = std::env::var("SIMULATE_SEEDS").ok().map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let first = std::env::var("SIMULATE_FROM").ok().map_or(0, |seed| seed.parse().unwrap());
    let next = AtomicU64::new(first);
    let failures: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut failures = Vec::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + seeds || failures.len() > 2 {
                            return failures;
                        }
                        if !run(seed, &script(seed), None).is_empty() {
                            failures.push(seed);
                        }
                        if seed % 10_000 == 9_999 {
                            println!("{} of {seeds} seeds", seed + 1 - first);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let told: Vec<String> = failures.into_iter().map(failed).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn what_once_failed_holds() {
    let kept: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!kept.is_empty());
    for file in kept {
        let text = fs::read_to_string(&file).unwrap();
        let seed = text.lines().next().and_then(|line| line.strip_prefix("# seed ")).unwrap().parse().unwrap();
        let ops: Vec<Op> =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| line.parse().unwrap()).collect();
        assert!(!ops.is_empty(), "{} says nothing that could fail", file.display());
        assert_eq!(run(seed, &ops, None), Vec::<Wrong>::new(), "{text}");
    }
}

#[test]
fn every_planted_fault_is_noticed() {
    for planted in [
        Planted::LosesLines,
        Planted::DoublesPushes,
        Planted::SwapsTexts,
        Planted::LiesAboutSpans,
        Planted::HidesGaps,
        Planted::ShowsHidden,
        Planted::LosesActs,
        Planted::LosesMarks,
        Planted::Miscounts,
        Planted::LosesNews,
        Planted::LosesVisits,
        Planted::SharesNames,
        Planted::Gossips,
        Planted::Forgets,
        Planted::SpellsOut,
        Planted::RetriesBecomeLines,
        Planted::LosesAcked,
        Planted::Diverges,
        Planted::SkipsAtTheSeam,
        Planted::LeavesUncounted,
    ] {
        // Some need a flood or a crowd.
        let noticed = (0..40)
            .chain((0..200).map(|rare| rare * RARELY))
            .any(|seed| !run(seed, &script(seed), Some(planted)).is_empty());
        assert!(noticed, "{planted:?}");
    }
}

#[test]
fn a_script_is_kept_as_text() {
    let ops = script(7);
    let text = text(7, &ops, &["because".to_owned()]);
    let read: Vec<Op> = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.parse().unwrap()).collect();
    assert_eq!(read, ops);
    assert!("dance 1".parse::<Op>().is_err() && "join 1".parse::<Op>().is_err());
}

#[test]
fn a_failing_script_is_made_as_short_as_it_can_be() {
    let fails = |ops: &[Op]| {
        let waits = ops.iter().filter(|op| matches!(op, Op::Lag)).count();
        waits >= 2 && ops.iter().any(|op| matches!(op, Op::Crash { .. }))
    };
    let seed = (0..).find(|seed| fails(&script(*seed))).unwrap();
    assert_eq!(shrink(script(seed), fails).len(), 3);
}
