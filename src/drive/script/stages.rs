//! What a stage adds to the script when it begins.

use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::drive::crowd::Role;
use crate::drive::scenario::{Shape, Stage};

use super::{Due, Pace, Place, Script, micros};

/// From a raider's leaving to its joining, in microseconds.
const BETWEEN_CHANNELS: u64 = 50_000;

/// How long a shout takes to be at its loudest.
const RISE_SECONDS: f64 = 1.0;

impl Script {
    /// The stage with this number begins.
    pub(super) fn begin(&mut self, index: usize, at: u64) {
        let scenario = self.scenario.clone();
        self.wake_readers(at);
        let Some(stage) = scenario.stages.get(index) else { return };
        if index > 0 {
            self.rate_before = self.rate_at_end(self.stage);
        }
        self.stage = index;
        self.begun = at;
        let end = self.stage_end();
        self.come_and_go(stage, at, end);
        self.cut(stage, at, end);
        self.raid(stage, at, end);
        self.slow_down(stage, at);
        // The first of each a pause later, so that no stage begins with a jolt that nobody asked for.
        if self.rates(at).2 > 0.0 {
            let pause = self.exponential(self.rates(at).2);
            self.draw(at + micros(pause), Due::Line(index));
        }
        if stage.acts() > 0.0 {
            let pause = self.exponential(stage.acts());
            self.draw(at + micros(pause), Due::Act(index));
        }
        if stage.churn() > 0.0 {
            self.draw(at + 1, Due::Churn(index));
        }
        self.draw(end, Due::Stage(index + 1));
    }

    pub(super) fn stage_end(&self) -> u64 {
        let lasts = self.scenario.stages.get(self.stage).map_or(0.0, |stage| stage.lasts.as_secs_f64());
        self.begun + micros(lasts)
    }

    /// Lines a second now: everywhere, in the largest channel besides, and both at their highest.
    pub(super) fn rates(&self, at: u64) -> (f64, f64, f64) {
        let stage = &self.scenario.stages[self.stage];
        let seconds = at.saturating_sub(self.begun) as f64 / 1e6;
        let lasts = stage.lasts.as_secs_f64();
        let to = self.rate_at_end(self.stage);
        let from = if stage.ramp { self.rate_before } else { to };
        let base = from + (to - from) * (seconds / lasts).min(1.0);
        let shout = if seconds < RISE_SECONDS {
            seconds / RISE_SECONDS
        } else {
            // Half as loud after each quarter of the stage.
            0.5_f64.powf((seconds - RISE_SECONDS) / (lasts / 4.0))
        };
        (base, stage.peak() * shout, from.max(to) + stage.peak())
    }

    /// A stage that doesn't say goes on as the one before.
    fn rate_at_end(&self, stage: usize) -> f64 {
        self.scenario.stages[..=stage].iter().rev().find_map(|stage| stage.rate).unwrap_or(0.0)
    }

    fn come_and_go(&mut self, stage: &Stage, at: u64, end: u64) {
        let Some(target) = stage.viewers else { return };
        let now = u32::try_from(self.inside.len()).unwrap_or(u32::MAX);
        let many = target.abs_diff(now);
        for index in 0..many {
            let share = if stage.shape == Shape::JoinWave {
                // The mean of four chances is close to a bell: most come in the middle.
                (0..4).map(|_| self.rng.random::<f64>()).sum::<f64>() / 4.0
            } else {
                f64::from(index) / f64::from(many)
            };
            let when = at + ((end - at) as f64 * share) as u64;
            self.draw(when, if target > now { Due::Come } else { Due::Go });
        }
    }

    fn cut(&mut self, stage: &Stage, at: u64, end: u64) {
        if stage.cut() == 0.0 {
            return;
        }
        for who in self.some(stage.cut(), |_| true) {
            let Place::In { channel, .. } = self.places[who as usize] else { continue };
            let when = at + self.rng.random_range(0..20_000);
            let pause = (stage.within().as_micros() as f64 * self.rng.random::<f64>()) as u64;
            self.draw(when, Due::Cut { who });
            self.draw((when + 1_000 + pause).min(end.saturating_sub(1)), Due::Join { who, channel });
        }
    }

    /// Readers alone: a guest's token holds in one channel.
    fn raid(&mut self, stage: &Stage, at: u64, end: u64) {
        if stage.raid() == 0.0 {
            return;
        }
        let within = stage.within().as_micros() as f64;
        let elsewhere = |script: &Self, who: u32| {
            let away = !matches!(script.places[who as usize], Place::In { channel: 0, .. });
            away && script.crowd.person(who).role == Role::Reader
        };
        let candidates: Vec<u32> = self.inside.iter().copied().filter(|who| elsewhere(self, *who)).collect();
        let others =
            self.inside.iter().filter(|who| !matches!(self.places[**who as usize], Place::In { channel: 0, .. }));
        let many = (others.count() as f64 * stage.raid()).round() as usize;
        for who in candidates.sample(&mut self.rng, many).copied().collect::<Vec<_>>() {
            let when = at + (within * self.rng.random::<f64>()) as u64;
            // Nobody is on the way when the stage ends, however short it is.
            let when = when.min(end.saturating_sub(2 * BETWEEN_CHANNELS)).max(at);
            self.draw(when, Due::Leave { who });
            self.draw(when + BETWEEN_CHANNELS, Due::Join { who, channel: 0 });
        }
    }

    fn slow_down(&mut self, stage: &Stage, at: u64) {
        let slow = self.some(stage.slow() + stage.stuck(), |role| role == Role::Reader);
        let all = stage.slow() + stage.stuck();
        let stuck = if all > 0.0 { (slow.len() as f64 * stage.stuck() / all).round() as usize } else { 0 };
        for (index, who) in slow.into_iter().enumerate() {
            let pace = if index < stuck { Pace::Stuck } else { Pace::Slow(stage.slow_bytes()) };
            self.paces.push((who, pace));
            self.draw(at, Due::Pace { who });
        }
    }

    fn wake_readers(&mut self, at: u64) {
        for (who, _) in std::mem::take(&mut self.paces) {
            self.draw(at, Due::Pace { who });
        }
    }

    /// A share of those who are in and of this kind, drawn anew.
    fn some(&mut self, share: f64, is: impl Fn(Role) -> bool) -> Vec<u32> {
        let mut of_kind: Vec<u32> =
            self.inside.iter().copied().filter(|who| is(self.crowd.person(*who).role)).collect();
        of_kind.shuffle(&mut self.rng);
        of_kind.truncate((self.inside.len() as f64 * share).round() as usize);
        of_kind
    }
}
