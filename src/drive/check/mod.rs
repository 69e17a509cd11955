//! What is verified, and what was found.

pub mod audit;
pub mod ledger;

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::report::{Check, Verdict};

/// Examples that are kept of each kind of finding.
const EXAMPLES: usize = 5;

/// A thing that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Whoever is asked to join is in.
    Joins,
    /// All hear all lines in one order.
    Order,
    /// Nothing is missing.
    Gaps,
    /// Nothing comes twice.
    Duplicates,
    /// What was acknowledged is told.
    Lost,
    /// Lines and questions for the last of them are answered, and what was refused isn't told.
    Answers,
    /// A hidden text isn't heard any more.
    Hidden,
    /// What managers did is told.
    Acts,
    /// Whoever comes back is told what it missed.
    Resume,
    /// At rest the member count is right.
    Count,
    /// Messages are within the limits of the wire.
    Frames,
    /// Whatever comes can be read.
    Wire,
    /// No connection ends without being asked to.
    Closes,
}

impl Law {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 13] = [
        Self::Joins,
        Self::Order,
        Self::Gaps,
        Self::Duplicates,
        Self::Lost,
        Self::Answers,
        Self::Hidden,
        Self::Acts,
        Self::Resume,
        Self::Count,
        Self::Frames,
        Self::Wire,
        Self::Closes,
    ];

    /// Its short name, as conditions know it.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Joins => ("joins", "whoever is asked to join is in"),
            Self::Order => ("order", "all hear the lines of a channel in one order"),
            Self::Gaps => ("gaps", "no line is missing, by neighbours and by after/upto"),
            Self::Duplicates => ("duplicates", "no line comes twice"),
            Self::Lost => ("lost", "every line that was acknowledged is told"),
            Self::Answers => {
                ("answers", "every line, act and RECENT_CHAT is answered, and no line that was refused is told")
            }
            Self::Hidden => ("hidden", "no hidden text is heard after the act that hid it"),
            Self::Acts => ("acts", "every act on a line that was acknowledged is told"),
            Self::Resume => ("resume", "whoever comes back on the extended layer is told what it missed"),
            Self::Count => ("count", "at rest everybody is told the right number of members"),
            Self::Frames => {
                ("frames", "messages have at most 32,768 bytes (recent lines: 61,440; extended layer: 98,304)")
            }
            Self::Wire => ("wire", "whatever comes is WebSocket and can be read"),
            Self::Closes => ("closes", "no connection ends without being asked to"),
        }
    }
}

/// What was found of each law.
#[derive(Debug)]
pub struct Findings([Finding; Law::ALL.len()]);

#[derive(Debug, Default)]
struct Finding {
    looked: AtomicU64,
    broken: AtomicU64,
    examples: Mutex<Vec<String>>,
    /// Why it can't be looked at.
    skipped: Mutex<Option<String>>,
}

impl Default for Findings {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Finding::default()))
    }
}

impl Findings {
    /// It was looked at so many times.
    pub fn looked(&self, law: Law, times: u64) {
        self.0[law as usize].looked.fetch_add(times, Ordering::Relaxed);
    }

    /// It did not hold, so many times; `example` says how one of them looks.
    pub fn broken(&self, law: Law, times: u64, example: impl FnOnce() -> String) {
        let finding = &self.0[law as usize];
        finding.broken.fetch_add(times, Ordering::Relaxed);
        let mut examples = finding.examples.lock();
        if examples.len() < EXAMPLES {
            examples.push(example());
        }
    }

    /// It can't be looked at, for a reason; what was found already stays.
    pub fn skip(&self, law: Law, why: &str) {
        self.0[law as usize].skipped.lock().get_or_insert_with(|| why.to_owned());
    }

    /// How often anything did not hold, so far.
    pub fn so_far(&self) -> u64 {
        self.0.iter().map(|finding| finding.broken.load(Ordering::Relaxed)).sum()
    }

    /// The checks of a report.
    pub fn checks(&self) -> Vec<Check> {
        Law::ALL.iter().map(|law| self.check(*law)).collect()
    }

    /// Adds what another process has found.
    pub fn merge(&self, checks: &[Check]) {
        for check in checks {
            let Some(law) = Law::ALL.into_iter().find(|law| law.name() == check.name) else { continue };
            let finding = &self.0[law as usize];
            finding.looked.fetch_add(check.looked.unwrap_or(0), Ordering::Relaxed);
            finding.broken.fetch_add(check.broken, Ordering::Relaxed);
            let mut examples = finding.examples.lock();
            let room = EXAMPLES.saturating_sub(examples.len());
            examples.extend(check.examples.iter().take(room).cloned());
        }
    }

    fn check(&self, law: Law) -> Check {
        let finding = &self.0[law as usize];
        let (name, words) = law.words();
        let looked = finding.looked.load(Ordering::Relaxed);
        let broken = finding.broken.load(Ordering::Relaxed);
        let skipped = finding.skipped.lock().clone().or((looked == 0).then(|| "nothing to look at".to_owned()));
        let (verdict, words) = match skipped {
            _ if broken > 0 => (Verdict::Broken, words.to_owned()),
            Some(why) => (Verdict::Skipped, format!("{words}: {why}")),
            None => (Verdict::Held, words.to_owned()),
        };
        let examples = finding.examples.lock().clone();
        Check { name: name.to_owned(), verdict, looked: Some(looked), broken, words, examples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_stand_where_their_number_says() {
        for (index, law) in Law::ALL.into_iter().enumerate() {
            assert_eq!(law as usize, index);
        }
    }

    #[test]
    fn a_check_holds_only_when_it_was_looked_at() {
        let findings = Findings::default();
        findings.looked(Law::Order, 10);
        findings.looked(Law::Gaps, 10);
        findings.broken(Law::Gaps, 3, || "viewer 1".to_owned());
        findings.broken(Law::Wire, 1, || "garbage".to_owned());
        findings.looked(Law::Count, 1);
        findings.skip(Law::Count, "others are in the channel");
        let verdict = |law: Law| findings.check(law).verdict;
        assert_eq!(verdict(Law::Order), Verdict::Held);
        assert_eq!(verdict(Law::Gaps), Verdict::Broken);
        assert_eq!(verdict(Law::Wire), Verdict::Broken, "found without being counted");
        assert_eq!(verdict(Law::Hidden), Verdict::Skipped, "nobody looked");
        assert_eq!(verdict(Law::Count), Verdict::Skipped);
        assert_eq!((findings.so_far(), findings.check(Law::Gaps).examples.len()), (4, 1));
        let sum = Findings::default();
        sum.merge(&findings.checks());
        sum.merge(&findings.checks());
        assert_eq!((sum.check(Law::Gaps).broken, sum.check(Law::Order).looked), (6, Some(20)));
    }
}
