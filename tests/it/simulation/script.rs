//! What happens in one run: drawn from a seed, made smaller when it fails, kept as text.

use std::fmt;
use std::str::FromStr;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// One thing that happens. Numbers are taken modulo what there is, so that a script stays one when a part is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// A viewer connects, or comes back, to a machine.
    Join { viewer: usize, machine: usize },
    /// The same by a connection that takes only so many bytes.
    Crawl { viewer: usize, machine: usize, bytes: usize },
    /// A viewer's connection breaks.
    Leave { viewer: usize },
    /// A viewer sends something new.
    Send { viewer: usize },
    /// A viewer sends a question.
    Ask { viewer: usize },
    /// The site tells of a donation, or of an event when it is 0.
    Tell { machine: usize, paid: u64 },
    /// The channel says who comes and goes, kept when it is 2, not kept when it is 1, or no longer.
    Greet { machine: usize, how: usize },
    /// A guest chooses a name.
    Name { machine: usize, name: usize },
    /// A viewer says something to another alone.
    Whisper { viewer: usize, to: usize },
    /// A viewer votes for a question, or takes that back when it is 0.
    Vote { viewer: usize, question: usize, up: u64 },
    /// A question gets a status, by the version that it has or, when that is 0, by the one before.
    Mark { machine: usize, question: usize, status: usize, seen: u64 },
    /// A viewer sends so much at once that it goes out in several batches.
    Burst { viewer: usize },
    /// So many strangers talk that what was said before is no longer remembered.
    Flood,
    /// So many strangers come in that one flush can't serve them all at once.
    Crowd { machine: usize },
    /// A viewer sends what it sent last once more, as a retry.
    Retry { viewer: usize },
    /// One of the lines is hidden.
    Hide { machine: usize, line: usize },
    /// One of the lines is shown again.
    Show { machine: usize, line: usize },
    /// All that a viewer has said is hidden.
    Silence { machine: usize, viewer: usize },
    /// All that a viewer has said is shown again.
    Pardon { machine: usize, viewer: usize },
    /// What was said in so many seconds is hidden.
    Sweep { machine: usize, seconds: u64 },
    /// A viewer may send nothing for so many seconds, and what they have said is hidden.
    Penalize { machine: usize, viewer: usize, seconds: u64 },
    /// A viewer may send nothing for so many days; 0 is for good.
    Block { machine: usize, viewer: usize, days: u64 },
    /// A viewer is sent out.
    Kick { machine: usize, viewer: usize },
    /// A viewer becomes staff, or is so no longer.
    Appoint { machine: usize, viewer: usize, staff: u64 },
    /// Nobody but staff may send for so many seconds; 0 ends that.
    Panic { machine: usize, seconds: u64 },
    /// A viewer may send again.
    Lift { machine: usize, viewer: usize },
    /// Slow mode is so many seconds.
    Pace { machine: usize, seconds: u64 },
    /// A viewer sends something that may be forbidden.
    Curse { viewer: usize },
    /// What becomes of whoever says what may be forbidden: nothing, or one of the four measures.
    Forbid { machine: usize, measure: usize },
    /// One of the acts is taken back.
    Undo { machine: usize, act: usize },
    /// A line is pinned, for so many seconds; 0 is a text without an end.
    Pin { machine: usize, line: usize, seconds: u64 },
    /// Nothing is pinned any more.
    Unpin { machine: usize },
    /// What a viewer has said is erased; whoever wanted it waits only so long.
    Erase { machine: usize, viewer: usize, millis: u64 },
    /// What is older than so many seconds is dropped, unless that is cut off.
    Drop { machine: usize, seconds: u64, millis: u64 },
    /// A new broadcast begins.
    Open { machine: usize },
    /// A viewer takes only so many bytes from now on.
    Slow { viewer: usize, bytes: usize },
    /// A viewer takes everything again.
    Quick { viewer: usize },
    /// Nothing happens for a machine's tasks but this many turns.
    Turn { machine: usize, turns: usize },
    /// Time goes by for a machine.
    Run { machine: usize, millis: u64 },
    /// Time goes by on the clocks.
    Wait { seconds: i64 },
    /// A machine dies between two steps of whatever it was doing, and another takes its place.
    Crash { machine: usize },
    /// A machine's tails fall behind.
    Lag,
}

/// The script of one seed in so many has a flood or a crowd.
pub(super) const RARELY: u64 = 8;

/// The script of a seed.
pub(super) fn script(seed: u64) -> Vec<Op> {
    let mut chance = StdRng::seed_from_u64(seed);
    let length = chance.random_range(30..220);
    let mut ops: Vec<Op> = (0..6).map(|viewer| Op::Join { viewer, machine: viewer }).collect();
    ops.extend((0..length).map(|_| draw(&mut chance)));
    // What takes long happens in a few runs only.
    if seed.is_multiple_of(RARELY) {
        // Nothing happens then for which anybody may be told of a gap.
        ops.retain(|op| *op != Op::Lag);
        // A flood moves the times of its lines far ahead, and the model has no times.
        ops.retain(|op| !matches!(op, Op::Sweep { .. }));
        if seed.is_multiple_of(4 * RARELY) {
            // Whoever lost count by an erasure is told so, too.
            ops.retain(|op| !matches!(op, Op::Erase { .. }));
        }
        if seed.is_multiple_of(2 * RARELY) {
            // Somebody is on the way back when it comes, with much to hear.
            let bytes = chance.random_range(1_000..6_000);
            let somewhere = chance.random_range(6..ops.len());
            let flood = [
                Op::Join { viewer: 0, machine: 0 },
                Op::Join { viewer: 1, machine: 0 },
                Op::Leave { viewer: 0 },
                Op::Burst { viewer: 1 },
                Op::Run { machine: 0, millis: 400 },
                Op::Crawl { viewer: 0, machine: 0, bytes },
                Op::Flood,
                Op::Run { machine: 0, millis: 400 },
            ];
            ops.splice(somewhere..somewhere, flood);
        } else {
            // A crowd is gone with its machine.
            let near_the_end = ops.len() - chance.random_range(1..25);
            ops.insert(near_the_end, Op::Crowd { machine: 0 });
        }
    }
    ops
}

fn draw(chance: &mut StdRng) -> Op {
    let (viewer, machine) = (chance.random_range(0..8), chance.random_range(0..2));
    match chance.random_range(0..100) {
        0..26 => Op::Send { viewer },
        26..30 => Op::Curse { viewer },
        30..32 => Op::Ask { viewer },
        32..33 => draw_question(chance, machine, viewer),
        33..34 => Op::Burst { viewer },
        34..40 => Op::Retry { viewer },
        40..52 => Op::Join { viewer, machine },
        52..54 => draw_act(chance, machine, viewer),
        54..59 => Op::Leave { viewer },
        59..62 => Op::Hide { machine, line: chance.random_range(0..1_000) },
        62..64 => draw_act(chance, machine, viewer),
        64..66 => Op::Erase { machine, viewer, millis: chance.random_range(0..300) },
        66..68 => Op::Drop { machine, seconds: chance.random_range(1..40), millis: chance.random_range(0..300) },
        68..69 => Op::Open { machine },
        69..73 => Op::Slow { viewer, bytes: chance.random_range(0..3_000) },
        73..76 => Op::Quick { viewer },
        76..84 => Op::Turn { machine, turns: chance.random_range(0..6) },
        84..90 => Op::Run { machine, millis: chance.random_range(0..400) },
        90..92 => draw_guest(chance, machine),
        92..94 => draw_question(chance, machine, viewer),
        94..96 => Op::Wait { seconds: chance.random_range(1..20) },
        96..98 => Op::Lag,
        _ => Op::Crash { machine },
    }
}

fn draw_question(chance: &mut StdRng, machine: usize, viewer: usize) -> Op {
    let (question, seen) = (chance.random_range(0..1_000), chance.random_range(0..6));
    match chance.random_range(0..7) {
        0 => Op::Ask { viewer },
        5..7 => Op::Tell { machine, paid: seen % 2 },
        1..3 => Op::Vote { viewer, question, up: u64::from(seen > 0) },
        _ => Op::Mark { machine, question, status: chance.random_range(0..4), seen },
    }
}

fn draw_guest(chance: &mut StdRng, machine: usize) -> Op {
    match chance.random_range(0..3) {
        2 => Op::Whisper { viewer: chance.random_range(0..8), to: chance.random_range(0..8) },
        0 => Op::Greet { machine, how: [0, 1, 2, 2, 2][chance.random_range(0..5)] },
        _ => Op::Name { machine, name: chance.random_range(0..3) },
    }
}

fn draw_act(chance: &mut StdRng, machine: usize, viewer: usize) -> Op {
    let number = chance.random_range(0..1_000);
    match chance.random_range(0..16) {
        0 => Op::Show { machine, line: number },
        1 => Op::Silence { machine, viewer },
        2 => Op::Pardon { machine, viewer },
        3 => Op::Sweep { machine, seconds: chance.random_range(1..30) },
        4 => Op::Undo { machine, act: number },
        5 => Op::Pin { machine, line: number, seconds: chance.random_range(0..20) },
        6 => Op::Penalize { machine, viewer, seconds: chance.random_range(1..30) },
        7 => Op::Lift { machine, viewer },
        8..10 => Op::Forbid { machine, measure: number % 5 },
        10 => Op::Pace { machine, seconds: [0, 0, 0, 3, 5, 10][number % 6] },
        11 => Op::Unpin { machine },
        12 => Op::Block { machine, viewer, days: chance.random_range(0..3) },
        13 => Op::Kick { machine, viewer },
        14 => Op::Appoint { machine, viewer, staff: chance.random_range(0..2) },
        _ => Op::Panic { machine, seconds: chance.random_range(0..12) },
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join { viewer, machine } => write!(f, "join {viewer} {machine}"),
            Self::Crawl { viewer, machine, bytes } => write!(f, "crawl {viewer} {machine} {bytes}"),
            Self::Leave { viewer } => write!(f, "leave {viewer}"),
            Self::Send { viewer } => write!(f, "send {viewer}"),
            Self::Ask { viewer } => write!(f, "ask {viewer}"),
            Self::Tell { machine, paid } => write!(f, "tell {machine} {paid}"),
            Self::Greet { machine, how } => write!(f, "greet {machine} {how}"),
            Self::Name { machine, name } => write!(f, "name {machine} {name}"),
            Self::Whisper { viewer, to } => write!(f, "whisper {viewer} {to}"),
            Self::Vote { viewer, question, up } => write!(f, "vote {viewer} {question} {up}"),
            Self::Mark { machine, question, status, seen } => write!(f, "mark {machine} {question} {status} {seen}"),
            Self::Burst { viewer } => write!(f, "burst {viewer}"),
            Self::Flood => write!(f, "flood"),
            Self::Crowd { machine } => write!(f, "crowd {machine}"),
            Self::Retry { viewer } => write!(f, "retry {viewer}"),
            Self::Hide { machine, line } => write!(f, "hide {machine} {line}"),
            Self::Show { machine, line } => write!(f, "show {machine} {line}"),
            Self::Silence { machine, viewer } => write!(f, "silence {machine} {viewer}"),
            Self::Pardon { machine, viewer } => write!(f, "pardon {machine} {viewer}"),
            Self::Sweep { machine, seconds } => write!(f, "sweep {machine} {seconds}"),
            Self::Penalize { machine, viewer, seconds } => write!(f, "penalize {machine} {viewer} {seconds}"),
            Self::Block { machine, viewer, days } => write!(f, "block {machine} {viewer} {days}"),
            Self::Kick { machine, viewer } => write!(f, "kick {machine} {viewer}"),
            Self::Appoint { machine, viewer, staff } => write!(f, "appoint {machine} {viewer} {staff}"),
            Self::Panic { machine, seconds } => write!(f, "panic {machine} {seconds}"),
            Self::Lift { machine, viewer } => write!(f, "lift {machine} {viewer}"),
            Self::Pace { machine, seconds } => write!(f, "pace {machine} {seconds}"),
            Self::Curse { viewer } => write!(f, "curse {viewer}"),
            Self::Forbid { machine, measure } => write!(f, "forbid {machine} {measure}"),
            Self::Undo { machine, act } => write!(f, "undo {machine} {act}"),
            Self::Pin { machine, line, seconds } => write!(f, "pin {machine} {line} {seconds}"),
            Self::Unpin { machine } => write!(f, "unpin {machine}"),
            Self::Erase { machine, viewer, millis } => write!(f, "erase {machine} {viewer} {millis}"),
            Self::Drop { machine, seconds, millis } => write!(f, "drop {machine} {seconds} {millis}"),
            Self::Open { machine } => write!(f, "open {machine}"),
            Self::Slow { viewer, bytes } => write!(f, "slow {viewer} {bytes}"),
            Self::Quick { viewer } => write!(f, "quick {viewer}"),
            Self::Turn { machine, turns } => write!(f, "turn {machine} {turns}"),
            Self::Run { machine, millis } => write!(f, "run {machine} {millis}"),
            Self::Wait { seconds } => write!(f, "wait {seconds}"),
            Self::Crash { machine } => write!(f, "crash {machine}"),
            Self::Lag => write!(f, "lag"),
        }
    }
}

impl FromStr for Op {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|word| word.parse::<usize>().ok()).ok_or(text.to_owned());
        Ok(match name {
            "join" => Self::Join { viewer: number()?, machine: number()? },
            "crawl" => Self::Crawl { viewer: number()?, machine: number()?, bytes: number()? },
            "leave" => Self::Leave { viewer: number()? },
            "send" => Self::Send { viewer: number()? },
            "ask" => Self::Ask { viewer: number()? },
            "tell" => Self::Tell { machine: number()?, paid: number()? as u64 },
            "greet" => Self::Greet { machine: number()?, how: number()? },
            "name" => Self::Name { machine: number()?, name: number()? },
            "whisper" => Self::Whisper { viewer: number()?, to: number()? },
            "vote" => Self::Vote { viewer: number()?, question: number()?, up: number()? as u64 },
            "mark" => Self::Mark { machine: number()?, question: number()?, status: number()?, seen: number()? as u64 },
            "burst" => Self::Burst { viewer: number()? },
            "flood" => Self::Flood,
            "crowd" => Self::Crowd { machine: number()? },
            "retry" => Self::Retry { viewer: number()? },
            "hide" => Self::Hide { machine: number()?, line: number()? },
            "show" => Self::Show { machine: number()?, line: number()? },
            "silence" => Self::Silence { machine: number()?, viewer: number()? },
            "pardon" => Self::Pardon { machine: number()?, viewer: number()? },
            "sweep" => Self::Sweep { machine: number()?, seconds: number()? as u64 },
            "penalize" => Self::Penalize { machine: number()?, viewer: number()?, seconds: number()? as u64 },
            "block" => Self::Block { machine: number()?, viewer: number()?, days: number()? as u64 },
            "kick" => Self::Kick { machine: number()?, viewer: number()? },
            "appoint" => Self::Appoint { machine: number()?, viewer: number()?, staff: number()? as u64 },
            "panic" => Self::Panic { machine: number()?, seconds: number()? as u64 },
            "lift" => Self::Lift { machine: number()?, viewer: number()? },
            "pace" => Self::Pace { machine: number()?, seconds: number()? as u64 },
            "curse" => Self::Curse { viewer: number()? },
            "forbid" => Self::Forbid { machine: number()?, measure: number()? },
            "undo" => Self::Undo { machine: number()?, act: number()? },
            "pin" => Self::Pin { machine: number()?, line: number()?, seconds: number()? as u64 },
            "unpin" => Self::Unpin { machine: number()? },
            "erase" => Self::Erase { machine: number()?, viewer: number()?, millis: number()? as u64 },
            "drop" => Self::Drop { machine: number()?, seconds: number()? as u64, millis: number()? as u64 },
            "open" => Self::Open { machine: number()? },
            "slow" => Self::Slow { viewer: number()?, bytes: number()? },
            "quick" => Self::Quick { viewer: number()? },
            "turn" => Self::Turn { machine: number()?, turns: number()? },
            "run" => Self::Run { machine: number()?, millis: number()? as u64 },
            "wait" => Self::Wait { seconds: number()? as i64 },
            "crash" => Self::Crash { machine: number()? },
            "lag" => Self::Lag,
            _ => return Err(text.to_owned()),
        })
    }
}

/// The shortest script found that still fails: cuts out ever smaller parts for as long as that helps.
pub(super) fn shrink(mut ops: Vec<Op>, fails: impl Fn(&[Op]) -> bool) -> Vec<Op> {
    let mut part = ops.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < ops.len() {
            let mut shorter = ops.clone();
            shorter.drain(from..(from + part).min(ops.len()));
            if fails(&shorter) {
                ops = shorter;
            } else {
                from += part;
            }
        }
        part /= 2;
    }
    ops
}
