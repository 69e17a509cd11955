//! From what the threads counted to a report.

use std::collections::BTreeMap;

use super::check::Law;
use super::check::audit::disagreements;
use super::crowd::{Crowd, Role};
use super::engine::{Shared, Suspect};
use super::peers::Done;
use super::report::{
    Close, Dimensions, FORM, Generator, Latency, Refused, Report, Scene, Second, Server, StageSpan, Totals,
};
use super::scenario::Scenario;
use super::tally::{Counts, Measured, Part, Times};
use super::watch::{self, Cost};

/// A thread that is at work for this share of a second has no time left to be in time.
const FULL: f64 = 0.95;

/// Seconds of it that make the generator the limit.
const FULL_SECONDS: usize = 2;

/// Lateness of one step in a hundred, in milliseconds, that makes the generator the limit.
const LATE_MS: f64 = 20.0;

/// One second, of all threads, with what it cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    pub(super) part: Part,
    /// Latency of deliveries: half, 99 %, the longest; once all is there that was read in it.
    pub(super) latency: Option<(f64, f64, f64)>,
    /// Processor seconds of the generator in it.
    pub(super) own_cpu: f64,
    pub(super) own_memory: u64,
    /// Processor seconds of the server in it, and its memory.
    pub(super) server: Option<(f64, u64)>,
}

impl Slice {
    /// What is read of it from now on takes no histogram: a run of days has many seconds.
    pub(super) fn fold(&mut self) {
        self.latency = self.latency();
        self.part.delivery = Times::default();
    }

    pub(super) fn latency(&self) -> Option<(f64, f64, f64)> {
        let times = &self.part.delivery;
        self.latency.or(times
            .millis(50.0)
            .zip(times.millis(99.0))
            .zip(times.millis(100.0))
            .map(|((a, b), c)| (a, b, c)))
    }
}

/// What a run left behind.
#[derive(Debug, Default)]
pub(super) struct Remains {
    pub(super) slices: Vec<Slice>,
    /// Times of what was due in measured stages, and of all joins.
    pub(super) measured: Measured,
    pub(super) joins: Times,
    /// How late connections were begun, of all joins.
    pub(super) late_joins: Times,
    /// When the script came to its end, or was stopped, in seconds.
    pub(super) ended: f64,
    pub(super) begun: String,
    pub(super) seconds: f64,
    /// Why it ended before its end.
    pub(super) cut_short: Option<String>,
    pub(super) own_before: Cost,
    pub(super) own_after: Cost,
    pub(super) server_name: Option<String>,
    pub(super) server_before: Option<Cost>,
    pub(super) remarks: Vec<String>,
    pub(super) threads: u64,
    pub(super) processes: u64,
}

/// Looks at our own lines and at the member counts, once everything is at rest.
pub(super) fn audit(shared: &Shared, cut_short: bool) {
    let findings = &shared.findings;
    // Whoever is stopped doesn't wait for what is under way.
    let end = if cut_short { shared.now() } else { u64::MAX };
    for (index, ledger) in (0..).zip(&shared.ledgers) {
        let cid = shared.setting.crowd.cid(index);
        let audit = ledger.audit(end);
        findings.looked(Law::Lost, audit.acked);
        findings.looked(Law::Answers, audit.sent);
        if !audit.lost.is_empty() {
            let lost = audit.lost.len() as u64;
            findings.broken(Law::Lost, lost, || format!("{cid}: acknowledged and never told: {}", few(&audit.lost)));
        }
        if !audit.told_though_refused.is_empty() {
            let told = &audit.told_though_refused;
            findings.broken(Law::Answers, told.len() as u64, || format!("{cid}: refused and told: {}", few(told)));
        }
        findings.looked(Law::Acts, audit.acts);
        if audit.untold_acts > 0 {
            let untold = audit.untold_acts;
            findings.broken(Law::Acts, untold, || {
                format!("{cid}: {untold} acts were acknowledged and nobody heard of them")
            });
        }
        if !audit.unanswered.is_empty() && !cut_short {
            let none = &audit.unanswered;
            findings.broken(Law::Answers, none.len() as u64, || format!("{cid}: no answer to lines {}", few(none)));
        }
    }
    for Suspect { channel, key, heard, words } in shared.suspects.lock().drain(..) {
        if !shared.ledgers[channel as usize].is_forgiven(key, heard, end) {
            findings.broken(Law::Hidden, 1, || words);
        }
    }
    if !shared.setting.crowd.is_alone() {
        findings.skip(Law::Count, "others may be in channels that the scenario names");
    }
    if cut_short {
        findings.skip(Law::Count, "the run was cut short");
    }
}

fn few(numbers: &[u32]) -> String {
    let first: Vec<String> = numbers.iter().take(5).map(ToString::to_string).collect();
    let more =
        if numbers.len() > first.len() { format!(" and {} more", numbers.len() - first.len()) } else { String::new() };
    first.join(", ") + &more
}

/// Adds what other processes have found to what this one has.
pub(super) fn merge(shared: &Shared, remains: &mut Remains, others: &[Option<Done>]) {
    for done in others.iter().flatten() {
        shared.findings.merge(&done.checks);
        for Close { code, reason, expected, count } in &done.closes {
            shared.closed_times(*code, reason, *expected, *count);
        }
        for Refused { what, code, words, count } in &done.refusals {
            shared.refused_times(what, *code, words, *count);
        }
        done.troubles.iter().for_each(|trouble| shared.trouble(trouble));
        for (index, (ledger, order)) in (0..).zip(shared.ledgers.iter().zip(&done.orders)) {
            let wrong = disagreements(&ledger.order(), order);
            if wrong > 0 {
                let cid = shared.setting.crowd.cid(index);
                shared.findings.broken(Law::Order, wrong, || format!("{cid}: two processes heard another order"));
            }
        }
        remains.own_before.memory += done.memory.0;
        remains.own_after.cpu += done.cpu;
    }
    let lost = others.iter().filter(|done| done.is_none()).count();
    if lost > 0 {
        shared.trouble(&format!("{lost} of {} other processes told nothing of what they found", others.len()));
    }
}

/// The report.
pub(super) fn report(shared: &Shared, remains: Remains, url: &str, text: &str) -> Report {
    let scenario = &shared.setting.scenario;
    let stages = spans(scenario, remains.ended);
    let measured = |slice: &Slice| {
        let middle = f64::from(slice.part.second) + 0.5;
        stages.iter().any(|stage| stage.measured && (stage.from..stage.to).contains(&middle))
    };
    let window: Vec<&Slice> = remains.slices.iter().filter(|slice| measured(slice)).collect();
    let all = sum(&remains.slices.iter().collect::<Vec<_>>());
    let inside = sum(&window);
    let totals = totals(&remains, scenario, all, inside, window.len());
    Report {
        form: FORM,
        madang: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: Scene {
            name: scenario.name.clone(),
            about: scenario.about.clone(),
            seed: scenario.seed,
            text: text.to_owned(),
        },
        machine: watch::machine(),
        url: url.to_owned(),
        begun: remains.begun.clone(),
        dimensions: dimensions(shared, &remains, all, inside, window.len()),
        latency: latencies(&remains),
        checks: shared.findings.checks(),
        closes: closes(shared),
        refusals: refusals(shared),
        generator: generator(shared, &remains, &window, inside),
        server: server(&remains, &window),
        timeline: remains.slices.iter().map(second).collect(),
        stages,
        totals,
    }
}

fn sum(slices: &[&Slice]) -> Counts {
    let mut all = Counts::default();
    slices.iter().for_each(|slice| all += slice.part.counts);
    all
}

fn spans(scenario: &Scenario, seconds: f64) -> Vec<StageSpan> {
    let mut from = 0.0;
    let mut spans = Vec::new();
    for stage in &scenario.stages {
        let to = from + stage.lasts.as_secs_f64();
        let measured = stage.measured;
        spans.push(StageSpan { name: stage.title().to_owned(), from, to: to.min(seconds.max(from)), measured });
        from = to;
    }
    spans.retain(|span| span.from < seconds);
    spans
}

fn totals(remains: &Remains, scenario: &Scenario, all: Counts, inside: Counts, window: usize) -> Totals {
    Totals {
        seconds: remains.seconds,
        planned_seconds: scenario.lasts().as_secs_f64(),
        cut_short: remains.cut_short.is_some(),
        joined: all.joined,
        join_failures: all.join_failures,
        offered: all.offered,
        sent: all.sent,
        unsent: all.unsent,
        acked: all.acked,
        refused: all.refused,
        acts: all.acts,
        frames: all.frames,
        lines: all.lines,
        deliveries: all.deliveries(),
        bytes: all.bytes,
        deliveries_per_second: ratio(inside.deliveries() as f64, window as f64),
    }
}

fn dimensions(shared: &Shared, remains: &Remains, all: Counts, inside: Counts, window: usize) -> Dimensions {
    let crowd: &Crowd = &shared.setting.crowd;
    let largest = crowd.people().iter().filter(|person| person.channel == 0).count() as u64;
    let viewers = remains.slices.iter().map(|slice| slice.part.joined).max().unwrap_or(0);
    let share = |many: usize| ratio(many as f64, crowd.people().len() as f64);
    Dimensions {
        viewers,
        channels: crowd.cids().len() as u64,
        largest_channel: largest,
        senders: crowd.people().iter().filter(|person| person.role == Role::Sender).count() as u64,
        verified: share(crowd.people().iter().filter(|person| person.verified).count()),
        ext: share(crowd.people().iter().filter(|person| person.ext).count()),
        lines_per_second: ratio(inside.offered as f64, window as f64),
        line_bytes: ratio(all.line_bytes as f64, all.lines as f64),
        lines_per_frame: ratio(all.lines as f64, all.line_frames as f64),
        window_seconds: window as f64,
        processes: remains.processes,
        workers: remains.threads,
    }
}

/// Joins of a whole run: they often come in stages that are not measured.
fn latencies(remains: &Remains) -> BTreeMap<String, Latency> {
    let Measured { delivery, ack, act, .. } = &remains.measured;
    let named = [("delivery", delivery), ("ack", ack), ("act", act), ("join", &remains.joins)];
    named
        .into_iter()
        .filter(|(_, times)| !times.is_empty())
        .map(|(name, times): (&str, &Times)| (name.to_owned(), times.latency()))
        .collect()
}

pub(super) fn closes(shared: &Shared) -> Vec<Close> {
    let mut closes: Vec<Close> = (shared.closes.lock().iter())
        .map(|((code, reason, expected), count)| Close {
            code: *code,
            reason: reason.clone(),
            expected: *expected,
            count: *count,
        })
        .collect();
    closes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
    closes
}

pub(super) fn refusals(shared: &Shared) -> Vec<Refused> {
    let mut refusals: Vec<Refused> = (shared.refusals.lock().iter())
        .map(|((what, code, words), count)| Refused {
            what: what.clone(),
            code: *code,
            words: words.clone(),
            count: *count,
        })
        .collect();
    refusals.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.words.cmp(&b.words)));
    refusals
}

fn generator(shared: &Shared, remains: &Remains, window: &[&Slice], inside: Counts) -> Generator {
    let busiest = window.iter().map(|slice| slice.part.busy).fold(0.0, f64::max);
    let memory = remains.slices.iter().map(|slice| slice.own_memory).max().unwrap_or(remains.own_after.memory);
    let viewers = remains.slices.iter().map(|slice| slice.part.joined).max().unwrap_or(0);
    let came = memory.saturating_sub(remains.own_before.memory) as f64;
    let cpu: f64 = window.iter().map(|slice| slice.own_cpu).sum();
    let late_p99 = remains.measured.late.millis(99.0).unwrap_or(0.0);
    let deliveries = inside.deliveries() as f64;
    let mut limits = shared.troubles.lock().clone();
    // What is verified is verified in all seconds, what is measured in measured ones.
    let all: Vec<&Slice> = remains.slices.iter().collect();
    let judged = if shared.findings.so_far() > 0 { &all[..] } else { window };
    let full = full_seconds(judged);
    if full >= FULL_SECONDS {
        limits.push(format!(
            "its busiest thread had no time left in {full} of {} seconds: use more threads (--threads), more processes \
             (--peers), or verify a smaller share",
            judged.len()
        ));
    }
    if late_p99 > LATE_MS {
        limits.push(format!("one step in a hundred was done {late_p99:.0} ms late or later"));
    }
    Generator {
        cpu_seconds: remains.own_after.cpu - remains.own_before.cpu,
        cpu_per_delivery_us: (deliveries > 0.0).then(|| cpu * 1e6 / deliveries),
        busiest,
        late_p99,
        memory_bytes: memory,
        bytes_per_viewer: (viewers > 0).then(|| came / viewers as f64),
        limits,
        remarks: remains.cut_short.iter().chain(&remains.remarks).chain(&of_joins(remains)).cloned().collect(),
    }
}

/// Seconds in which its busiest thread had no time left.
fn full_seconds(slices: &[&Slice]) -> usize {
    slices.iter().filter(|slice| slice.part.busy >= FULL).count()
}

/// What the generator was late with is in the times of joins, in stages that are not measured, too.
fn of_joins(remains: &Remains) -> Option<String> {
    let late = remains.late_joins.millis(99.0).unwrap_or(0.0);
    let full = full_seconds(&remains.slices.iter().collect::<Vec<_>>());
    let words = match (late > LATE_MS, full) {
        (true, 0) => format!("one join in a hundred was begun {late:.0} ms late or later"),
        (false, 1..) => format!("its busiest thread had no time left in {full} seconds of the whole run"),
        (true, 1..) => format!(
            "its busiest thread had no time left in {full} seconds of the whole run, and one join in a hundred was begun \
             {late:.0} ms late or later"
        ),
        (false, 0) => return None,
    };
    Some(words + ": it is in the times of joins")
}

/// Of the seconds in which it could be looked at.
fn server(remains: &Remains, window: &[&Slice]) -> Option<Server> {
    let source = remains.server_name.clone()?;
    let seen: Vec<&Slice> = window.iter().copied().filter(|slice| slice.server.is_some()).collect();
    if seen.is_empty() && !window.is_empty() {
        return None;
    }
    let cpu: f64 = seen.iter().filter_map(|slice| slice.server).map(|(cpu, _)| cpu).sum();
    let deliveries = sum(&seen).deliveries() as f64;
    Some(Server {
        source,
        cpu_seconds: cpu,
        cores_busy: ratio(cpu, seen.len() as f64),
        cpu_per_delivery_us: (deliveries > 0.0).then(|| cpu * 1e6 / deliveries),
        memory_before: remains.server_before.map(|cost| cost.memory),
        memory_max: remains.slices.iter().filter_map(|slice| slice.server).map(|(_, memory)| memory).max(),
    })
}

fn second(slice: &Slice) -> Second {
    let (counts, latency) = (&slice.part.counts, slice.latency());
    Second {
        at: f64::from(slice.part.second) + 1.0,
        joined: slice.part.joined,
        joining: slice.part.joining,
        sent: counts.sent,
        acked: counts.acked,
        refused: counts.refused,
        frames: counts.frames,
        lines: counts.lines,
        deliveries: counts.deliveries(),
        bytes: counts.bytes,
        lost_connections: counts.lost,
        p50: latency.map(|(p50, _, _)| p50),
        p99: latency.map(|(_, p99, _)| p99),
        max: latency.map(|(_, _, max)| max),
        generator_cores: slice.own_cpu,
        generator_busy: slice.part.busy,
        generator_memory: slice.own_memory,
        server_cores: slice.server.map(|(cpu, _)| cpu),
        server_memory: slice.server.map(|(_, memory)| memory),
    }
}

/// 0 where there is nothing to divide by: a report has no numbers that are none.
fn ratio(of: f64, by: f64) -> f64 {
    if by > 0.0 { of / by } else { 0.0 }
}
