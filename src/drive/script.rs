//! Who does what when: the steps of a run in order, from a scenario and its seed.
//!
//! A step never waits for an answer: the script is an open loop. Whatever yields steps in order can be played; a capture
//! that is read from a file would be another such source.

mod stages;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::crowd::{Crowd, Role};
use super::scenario::{Arrivals, Scenario};

/// Something that one viewer does at its time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When, in microseconds from the beginning.
    pub at: u64,
    /// Who.
    pub who: u32,
    /// What.
    pub what: What,
}

/// What a viewer does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// Connects and joins.
    Join {
        /// Which channel.
        channel: u32,
    },
    /// Says goodbye.
    Leave,
    /// Is gone without a word.
    Cut,
    /// Says a line.
    Say {
        /// Which one of its channel, from 0.
        number: u32,
        /// What its text follows from.
        seed: u64,
        /// Whether it is a question.
        question: bool,
    },
    /// Gives money; the site tells it.
    Donate {
        /// In which channel.
        channel: u32,
        /// Won.
        amount: u32,
        /// Without a name.
        anonymous: bool,
    },
    /// Does what managers do.
    Act(Act),
    /// Reads at another pace from now on.
    Read(Pace),
}

/// What a manager does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Hides a line, so many before the newest that is known.
    Hide(u32),
    /// Shows again what was hidden last.
    Show,
    /// Pins a text.
    Pin,
    /// Takes it down.
    Unpin,
}

/// How fast a viewer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Whatever comes.
    #[default]
    Full,
    /// So many bytes a second.
    Slow(u32),
    /// Nothing.
    Stuck,
}

/// Where a viewer is, as far as the script has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Out,
    In {
        channel: u32,
        /// Where it stands in the list of those who are in.
        index: u32,
        since: u64,
    },
}

/// Nobody speaks before having been in for so long, in microseconds: it takes time to come, and to read.
const SILENT: u64 = 1_000_000;

/// What is to be drawn or done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Stage(usize),
    /// The next one comes in.
    Come,
    /// Somebody goes.
    Go,
    Join {
        who: u32,
        channel: u32,
    },
    Cut {
        who: u32,
    },
    Leave {
        who: u32,
    },
    Pace {
        who: u32,
    },
    /// Somebody has been in for long enough to say something.
    Settled {
        who: u32,
        since: u64,
    },
    /// Of the stage with this number.
    Line(usize),
    Act(usize),
    Churn(usize),
}

/// The script of a scenario.
#[derive(Debug)]
pub struct Script {
    scenario: Arc<Scenario>,
    crowd: Arc<Crowd>,
    rng: StdRng,
    due: BinaryHeap<Reverse<(u64, u64, Due)>>,
    /// Keeps what is due at the same time in the order in which it was drawn.
    drawn: u64,
    stage: usize,
    begun: u64,
    places: Vec<Place>,
    inside: Vec<u32>,
    /// Those who are in and may send, by channel.
    senders: Vec<Vec<u32>>,
    moderators: Vec<Vec<u32>>,
    /// How many lines were said, by channel.
    numbers: Vec<u32>,
    paces: Vec<(u32, Pace)>,
    /// Who comes next when somebody is to come.
    newest: u32,
    rate_before: f64,
    /// Part of a line that is due, where they come evenly.
    owed: f64,
}

impl Script {
    /// From the beginning.
    pub fn new(scenario: Arc<Scenario>, crowd: Arc<Crowd>) -> Self {
        let channels = crowd.cids().len();
        let rng = StdRng::seed_from_u64(scenario.seed ^ 0x5c21_9700_0000_0001);
        let mut script = Self {
            rng,
            due: BinaryHeap::new(),
            drawn: 0,
            stage: 0,
            begun: 0,
            places: vec![Place::Out; crowd.len() as usize],
            inside: Vec::new(),
            senders: vec![Vec::new(); channels],
            moderators: vec![Vec::new(); channels],
            numbers: vec![0; channels],
            paces: Vec::new(),
            newest: 0,
            rate_before: 0.0,
            owed: 0.0,
            scenario,
            crowd,
        };
        script.draw(0, Due::Stage(0));
        script
    }

    /// The first of those who may send that is in, by channel: who has the last word at the end.
    pub fn speakers(&self) -> Vec<Option<u32>> {
        self.senders.iter().map(|senders| senders.iter().min().copied()).collect()
    }

    /// Lines of each channel so far.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    fn draw(&mut self, at: u64, due: Due) {
        self.drawn += 1;
        self.due.push(Reverse((at, self.drawn, due)));
    }

    fn perform(&mut self, at: u64, due: Due) -> Option<Step> {
        let step = |who, what| Some(Step { at, who, what });
        match due {
            Due::Stage(index) => {
                self.begin(index, at);
                None
            }
            Due::Come => {
                let who = self.next_to_come()?;
                let channel = self.crowd.person(who).channel;
                self.enter(who, channel, at);
                step(who, What::Join { channel })
            }
            Due::Go => {
                let who = self.anybody()?;
                self.leave(who);
                step(who, What::Leave)
            }
            Due::Join { who, channel } => {
                if self.places[who as usize] != Place::Out {
                    return None;
                }
                self.enter(who, channel, at);
                step(who, What::Join { channel })
            }
            Due::Cut { who } => self.leave(who).then_some(Step { at, who, what: What::Cut }),
            Due::Leave { who } => self.leave(who).then_some(Step { at, who, what: What::Leave }),
            Due::Pace { who } => {
                let pace = self.paces.iter().rfind(|(index, _)| *index == who).map_or(Pace::Full, |(_, pace)| *pace);
                step(who, What::Read(pace))
            }
            Due::Settled { who, since } => {
                self.settle(who, since);
                None
            }
            Due::Line(stage) => self.line(at, stage),
            Due::Act(stage) => self.act(at, stage),
            Due::Churn(stage) => self.churn(at, stage),
        }
    }

    fn line(&mut self, at: u64, stage: usize) -> Option<Step> {
        if stage != self.stage {
            return None;
        }
        let (base, extra, most) = self.rates(at);
        let even = self.scenario.lines.arrivals == Arrivals::Even;
        let pause = if even { 1.0 / most } else { self.exponential(most) };
        self.draw(at + micros(pause), Due::Line(stage));
        // Of the steps of the highest rate as many count as the rate has at this time.
        let share = ((base + extra) / most).clamp(0.0, 1.0);
        let counts = if even { self.owes(share) } else { self.rng.random_bool(share) };
        if !counts {
            return None;
        }
        let largest = self.rng.random_bool((extra / (base + extra).max(1e-9)).clamp(0.0, 1.0));
        let channel = if largest {
            0
        } else {
            let anybody = self.anybody()?;
            match self.places[anybody as usize] {
                Place::In { channel, .. } => channel,
                Place::Out => return None,
            }
        };
        let who = self.speaker(channel)?;
        if self.rng.random_bool(self.scenario.lines.donations) {
            // 93 of 109 wanted no name (facts, 2.6).
            let anonymous = self.rng.random_bool(0.85);
            let amount = 1_000 * self.rng.random_range(1..=10_u32).pow(2);
            return Some(Step { at, who, what: What::Donate { channel, amount, anonymous } });
        }
        let number = self.numbers[channel as usize];
        self.numbers[channel as usize] += 1;
        let question = self.rng.random_bool(self.scenario.lines.questions);
        Some(Step { at, who, what: What::Say { number, seed: self.rng.random(), question } })
    }

    /// Whether with this share a whole line has come together.
    fn owes(&mut self, share: f64) -> bool {
        self.owed += share;
        let whole = self.owed >= 1.0 - 1e-9;
        if whole {
            self.owed -= 1.0;
        }
        whole
    }

    /// One of those who may send there: few say most.
    fn speaker(&mut self, channel: u32) -> Option<u32> {
        let chance: f64 = self.rng.random();
        let senders = &self.senders[channel as usize];
        senders.get((chance * chance * senders.len() as f64) as usize).copied()
    }

    fn act(&mut self, at: u64, stage: usize) -> Option<Step> {
        if stage != self.stage {
            return None;
        }
        let rate = self.scenario.stages[stage].acts();
        let pause = self.exponential(rate);
        self.draw(at + micros(pause), Due::Act(stage));
        let anybody = self.anybody()?;
        let Place::In { channel, .. } = self.places[anybody as usize] else { return None };
        let moderators = &self.moderators[channel as usize];
        if moderators.is_empty() {
            return None;
        }
        let who = moderators[self.rng.random_range(0..moderators.len())];
        let act = match self.rng.random_range(0..100) {
            0..70 => Act::Hide(self.rng.random_range(0..20)),
            70..80 => Act::Show,
            80..95 => Act::Pin,
            _ => Act::Unpin,
        };
        Some(Step { at, who, what: What::Act(act) })
    }

    fn churn(&mut self, at: u64, stage: usize) -> Option<Step> {
        if stage != self.stage {
            return None;
        }
        let a_second = self.scenario.stages[stage].churn() * self.inside.len() as f64 / 60.0;
        let pause = self.exponential(a_second.max(0.01));
        self.draw(at + micros(pause), Due::Churn(stage));
        let who = self.anybody()?;
        let Place::In { channel, .. } = self.places[who as usize] else { return None };
        self.leave(who);
        let back = at + self.rng.random_range(200_000..2_000_000);
        if back < self.stage_end() {
            self.draw(back, Due::Join { who, channel });
        } else {
            // So that the stage ends with as many as it began with.
            self.draw(self.stage_end().saturating_sub(1), Due::Join { who, channel });
        }
        Some(Step { at, who, what: What::Leave })
    }

    fn enter(&mut self, who: u32, channel: u32, at: u64) {
        let index = u32::try_from(self.inside.len()).unwrap_or(u32::MAX);
        self.places[who as usize] = Place::In { channel, index, since: at };
        self.inside.push(who);
        if self.crowd.person(who).role != Role::Reader {
            self.draw(at + SILENT, Due::Settled { who, since: at });
        }
    }

    fn settle(&mut self, who: u32, came: u64) {
        let Place::In { channel, since, .. } = self.places[who as usize] else { return };
        // It may have left and come back meanwhile.
        if since != came {
            return;
        }
        match self.crowd.person(who).role {
            Role::Sender => self.senders[channel as usize].push(who),
            Role::Moderator => self.moderators[channel as usize].push(who),
            Role::Reader => {}
        }
    }

    /// Whether it was in.
    fn leave(&mut self, who: u32) -> bool {
        let Place::In { channel, index, .. } = self.places[who as usize] else { return false };
        self.places[who as usize] = Place::Out;
        self.inside.swap_remove(index as usize);
        if let Some(moved) = self.inside.get(index as usize)
            && let Place::In { index: place, .. } = &mut self.places[*moved as usize]
        {
            *place = index;
        }
        match self.crowd.person(who).role {
            Role::Sender => self.senders[channel as usize].retain(|sender| *sender != who),
            Role::Moderator => self.moderators[channel as usize].retain(|moderator| *moderator != who),
            Role::Reader => {}
        }
        true
    }

    fn anybody(&mut self) -> Option<u32> {
        if self.inside.is_empty() {
            return None;
        }
        let index = self.rng.random_range(0..self.inside.len());
        Some(self.inside[index])
    }

    /// Those who never were in come first, in order; then whoever is out.
    fn next_to_come(&mut self) -> Option<u32> {
        let many = self.crowd.len();
        for _ in 0..many {
            let who = self.newest % many;
            self.newest = (self.newest + 1) % many;
            if self.places[who as usize] == Place::Out {
                return Some(who);
            }
        }
        None
    }

    fn exponential(&mut self, a_second: f64) -> f64 {
        let chance: f64 = self.rng.random();
        -(1.0 - chance).ln() / a_second
    }
}

impl Iterator for Script {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let end = micros(self.scenario.lasts().as_secs_f64());
        loop {
            let Reverse((at, _, due)) = self.due.pop()?;
            if at > end {
                continue;
            }
            if let Some(step) = self.perform(at, due) {
                return Some(step);
            }
        }
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

#[cfg(test)]
mod tests;
