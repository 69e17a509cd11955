//! The table of `docs/performance.md`: `madang drive load` as the generator on core 1, the program and a bare relay by
//! turns on core 0, and a generator in Node beside ours.
//!
//!     cargo bench --bench load -- table | quick
//!
//! `table` measures everything and writes it between the marks of `docs/performance.md`; `quick` plays one small round and
//! only prints it. `relay ADDRESS` is what both start for themselves. A run in which anything verified did not hold ends
//! the benchmark with the report's words.

#![expect(clippy::unwrap_used, reason = "a benchmark that is wrong must stop")]

mod drive;
mod figures;
mod node;
mod page;
#[path = "../relay/mod.rs"]
mod relay;
#[path = "../wire/mod.rs"]
mod wire;

use drive::Load;
use figures::{Figures, Series};
use wire::Server;

/// How often everything of a group is measured.
const ROUNDS: usize = 3;

/// Most viewers of a run, where the limit of open files lets so many in.
const MOST_VIEWERS: u64 = 19_000;

/// Files that the program keeps for itself, and the share of the others up to which it lets viewers in, in percent
/// (docs/limits.md).
const OWN_FILES: u64 = 300;
const LET_IN: u64 = 95;

/// Share of what the relay did when it was behind that it is offered, to see its latency.
const BEARABLE: f64 = 0.9;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["table"] => page::write(&measure()),
        ["quick"] => print!("{}", page::section(&quick())),
        ["relay", address] => relay::run(address.parse().unwrap()).unwrap(),
        _ => println!("say what: table | quick"),
    }
}

/// The other end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Madang,
    Relay,
}

/// Who plays the viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Player {
    /// `madang drive load`, every viewer verified.
    Verifying,
    /// The same; who sends verifies, all others count.
    Counting,
    /// `viewers.mjs`.
    Node,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) player: Player,
    pub(crate) load: Load,
}

/// Everything that was measured, in the order of the page.
#[derive(Default)]
pub(crate) struct Results {
    /// What servers cost.
    pub(crate) servers: Vec<Series>,
    /// What the generators cost.
    pub(crate) generators: Vec<Series>,
}

use Kind::{Madang, Relay};
use Player::{Counting, Node, Verifying};

fn measure() -> Results {
    node::look();
    let most = most_viewers();
    let case = |kind, player, viewers, rate| Case { kind, player, load: Load { viewers, rate } };
    let few = by_turns(&[
        case(Madang, Verifying, 1_000, 20.0),
        case(Relay, Verifying, 1_000, 20.0),
        case(Relay, Counting, 1_000, 20.0),
        case(Relay, Node, 1_000, 20.0),
    ]);
    let busy = by_turns(&[case(Madang, Verifying, 5_000, 60.0), case(Relay, Verifying, 5_000, 60.0)]);
    let bearable = busy[1].median(|figures| figures.deliveries) * BEARABLE;
    let full = by_turns(&[
        case(Madang, Verifying, 5_000, 200.0),
        case(Madang, Counting, 5_000, 200.0),
        case(Relay, Verifying, 5_000, (bearable / 5_000.0).floor()),
    ]);
    let slowly = (bearable / most as f64).floor().clamp(1.0, 10.0);
    let many = by_turns(&[case(Madang, Verifying, most, 10.0), case(Relay, Verifying, most, slowly)]);
    let beside = by_turns(&[
        case(Relay, Verifying, 5_000, 10.0),
        case(Relay, Counting, 5_000, 10.0),
        case(Relay, Node, 5_000, 10.0),
    ]);
    let limit = by_turns(&[case(Madang, Verifying, most, 100.0)]);
    // Their memory is the same each time.
    let idle = [case(Madang, Verifying, most, 0.0), case(Madang, Counting, most, 0.0)].map(alone);
    Results {
        servers: [&few[..2], &busy, &full[..1], &full[2..], &many, &limit].concat(),
        generators: [&few[1..], &beside, &full[..2], &limit, &idle].concat(),
    }
}

fn quick() -> Results {
    let load = Load { viewers: 1_000, rate: 20.0 };
    let all = [(Madang, Verifying), (Relay, Verifying), (Relay, Counting), (Relay, Node)];
    let all = all.map(|(kind, player)| alone(Case { kind, player, load }));
    Results { servers: all[..2].to_vec(), generators: all[1..].to_vec() }
}

fn alone(case: Case) -> Series {
    Series { case, rounds: vec![once(case)] }
}

/// Each once, then each once more: what changes on the machine meanwhile meets all of them.
fn by_turns(cases: &[Case]) -> Vec<Series> {
    let mut all: Vec<Series> = cases.iter().map(|case| Series { case: *case, rounds: Vec::new() }).collect();
    for round in 1..=ROUNDS {
        for series in &mut all {
            eprint!("round {round} of {ROUNDS}: ");
            series.rounds.push(once(series.case));
        }
    }
    all
}

fn once(case: Case) -> Figures {
    eprint!("{}: ", case.words());
    let server = match case.kind {
        Madang => Server::start(),
        Relay => Server::start_other(std::env::current_exe().unwrap(), &["relay", "127.0.0.1:0"]),
    };
    let figures = match case.player {
        Verifying => drive::play(&server, case.load, 1.0),
        Counting => drive::play(&server, case.load, 0.0),
        Node => node::play(&server, case.load),
    };
    eprintln!("{figures:?}");
    figures
}

/// As many as there may be, in whole hundreds.
fn most_viewers() -> u64 {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let let_in = files.saturating_sub(OWN_FILES) * LET_IN / 100;
    // A few connections come besides: the generator's first look, and requests for tokens.
    MOST_VIEWERS.min(let_in.saturating_sub(100) / 100 * 100)
}

impl Case {
    fn words(&self) -> String {
        let Self { kind, player, load } = self;
        format!("{}, {}, {}", load.words(), kind.name(), player.name())
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Madang => "madang",
            Self::Relay => "relay",
        }
    }
}

impl Player {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Verifying => "drive, verified 1.0",
            Self::Counting => "drive, verified 0.0",
            Self::Node => "Node, ws",
        }
    }
}
