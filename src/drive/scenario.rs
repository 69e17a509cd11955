//! What shall be played: a file of stages, each with a shape.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::report::condition::Condition;

/// Most viewers of a scenario.
pub const MOST_VIEWERS: u32 = 5_000_000;

/// Most channels of a scenario.
pub const MOST_CHANNELS: u32 = 10_000;

/// Fastest rate of lines or acts, a second.
pub const FASTEST: f64 = 1_000_000.0;

/// Longest stage.
pub const LONGEST_STAGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is played, and what must hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, in reports.
    pub name: String,
    /// What it is about, in a sentence.
    #[serde(default)]
    pub about: String,
    /// The whole script follows from it.
    #[serde(default = "seed")]
    pub seed: u64,
    /// Conditions on the report, all of which must hold; what is verified must hold in any case.
    #[serde(default, deserialize_with = "conditions")]
    pub must: Vec<Condition>,
    /// Where.
    #[serde(default)]
    pub channels: Channels,
    /// Who.
    #[serde(default)]
    pub viewers: Viewers,
    /// What they say.
    #[serde(default)]
    pub lines: Lines,
    /// What happens, in order.
    #[serde(rename = "stages")]
    pub stages: Vec<Stage>,
}

/// The broadcasts that are joined.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Channels {
    /// How many.
    pub count: u32,
    /// The n-th largest has 1 / n^zipf of the viewers of the largest; 0 makes all alike.
    pub zipf: f64,
    /// Their cids; without any, cids of the run's own. Members that others bring make the member count unverifiable.
    pub names: Vec<String>,
}

impl Default for Channels {
    fn default() -> Self {
        Self { count: 1, zipf: 1.0, names: Vec::new() }
    }
}

/// Those who watch.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Viewers {
    /// Share that may send; at least one a channel.
    pub senders: f64,
    /// Managers in each channel.
    pub moderators: u32,
    /// Share by each of whom everything is verified; senders and managers always do.
    pub verified: f64,
    /// Share on the extended layer, where the server has it.
    pub ext: f64,
    /// Lines asked for on joining; 0 asks for none.
    pub recent: u32,
}

impl Default for Viewers {
    fn default() -> Self {
        Self { senders: 0.05, moderators: 0, verified: 1.0, ext: 0.25, recent: 0 }
    }
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lines {
    /// Bytes of each text; 0 writes as people do.
    pub text_bytes: usize,
    /// When the next one comes.
    pub arrivals: Arrivals,
    /// Share of questions (kind 40).
    pub questions: f64,
    /// Share of donations, told by the site API where its key is known.
    pub donations: f64,
}

impl Default for Lines {
    fn default() -> Self {
        // 109 of 31,709 lines were donations (facts, 9).
        Self { text_bytes: 0, arrivals: Arrivals::Poisson, questions: 0.0, donations: 0.0034 }
    }
}

/// How lines follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// As if nobody knew of the others.
    Poisson,
    /// Each as long after the one before.
    Even,
}

/// A part of the run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stage {
    /// Its name; its shape's without.
    pub name: Option<String>,
    /// What happens; it sets the usual values of what isn't given.
    #[serde(default)]
    pub shape: Shape,
    /// How long.
    #[serde(rename = "for", deserialize_with = "duration")]
    pub lasts: Duration,
    /// Whether it counts for latency and cost.
    #[serde(default = "yes")]
    pub measured: bool,
    /// How many are in at its end; as many as before without.
    pub viewers: Option<u32>,
    /// Lines a second in all channels; as before without.
    pub rate: Option<f64>,
    /// Whether the rate climbs from what it was before, instead of jumping.
    #[serde(default)]
    pub ramp: bool,
    /// Lines a second besides, in the largest channel, at the highest.
    pub peak: Option<f64>,
    /// Acts of managers a second.
    pub acts: Option<f64>,
    /// Share that leaves and comes back each minute.
    pub churn: Option<f64>,
    /// Share whose connections are cut at the beginning, and come back.
    pub cut: Option<f64>,
    /// Share of the other channels' viewers who move to the largest.
    pub raid: Option<f64>,
    /// How long those who are cut or move take to come, all of them.
    #[serde(default, deserialize_with = "maybe_duration")]
    pub within: Option<Duration>,
    /// Share that reads slowly.
    pub slow: Option<f64>,
    /// How slowly: bytes a second.
    pub slow_bytes: Option<u32>,
    /// Share that doesn't read at all.
    pub stuck: Option<f64>,
}

/// What happens in a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Everything goes on.
    #[default]
    Steady,
    /// Those who come do so all at about the same time.
    JoinWave,
    /// The largest channel shouts: 30 lines/s more, ebbing.
    Goal,
    /// Most of the other channels' viewers move to the largest, and say so.
    Raid,
    /// Managers hide, show and pin.
    ModeratorStorm,
    /// Half of the connections are cut and come back at once.
    ReconnectStorm,
    /// A tenth reads 1,024 bytes a second, a hundredth nothing.
    SlowReaders,
    /// Half of the viewers come and go each minute.
    Churn,
}

impl Shape {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::JoinWave => "join-wave",
            Self::Goal => "goal",
            Self::Raid => "raid",
            Self::ModeratorStorm => "moderator-storm",
            Self::ReconnectStorm => "reconnect-storm",
            Self::SlowReaders => "slow-readers",
            Self::Churn => "churn",
        }
    }
}

impl Stage {
    /// Its own name or its shape's.
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(self.shape.name())
    }

    /// Lines a second besides, in the largest channel.
    pub fn peak(&self) -> f64 {
        self.or(self.peak, &[(Shape::Goal, 30.0), (Shape::Raid, 10.0)])
    }

    /// Acts a second.
    pub fn acts(&self) -> f64 {
        self.or(self.acts, &[(Shape::ModeratorStorm, 5.0)])
    }

    /// Share that comes and goes each minute.
    pub fn churn(&self) -> f64 {
        self.or(self.churn, &[(Shape::Churn, 0.5)])
    }

    /// Share that is cut.
    pub fn cut(&self) -> f64 {
        self.or(self.cut, &[(Shape::ReconnectStorm, 0.5)])
    }

    /// Share of the others who move to the largest channel.
    pub fn raid(&self) -> f64 {
        self.or(self.raid, &[(Shape::Raid, 0.6)])
    }

    /// How long those who are cut or move take to come.
    pub fn within(&self) -> Duration {
        let usual = if self.shape == Shape::Raid { Duration::from_secs(5) } else { Duration::ZERO };
        self.within.unwrap_or(usual)
    }

    /// Share of slow readers.
    pub fn slow(&self) -> f64 {
        self.or(self.slow, &[(Shape::SlowReaders, 0.1)])
    }

    /// Bytes a second that a slow one reads.
    pub fn slow_bytes(&self) -> u32 {
        self.slow_bytes.unwrap_or(1_024)
    }

    /// Share of those who don't read.
    pub fn stuck(&self) -> f64 {
        self.or(self.stuck, &[(Shape::SlowReaders, 0.01)])
    }

    fn or(&self, given: Option<f64>, usual: &[(Shape, f64)]) -> f64 {
        let usual = usual.iter().find(|(shape, _)| *shape == self.shape).map_or(0.0, |(_, value)| *value);
        given.unwrap_or(usual)
    }
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    ///
    /// Says what is wrong, with line and key.
    pub fn read(text: &str) -> Result<Self, String> {
        let scenario: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        scenario.check()?;
        Ok(scenario)
    }

    /// How long it takes.
    pub fn lasts(&self) -> Duration {
        self.stages.iter().map(|stage| stage.lasts).sum()
    }

    /// Whether what is due at this time, in microseconds of the run, counts for latency.
    pub fn measures(&self, due: u64) -> bool {
        let due = Duration::from_micros(due);
        let mut end = Duration::ZERO;
        self.stages
            .iter()
            .find(|stage| {
                end += stage.lasts;
                due < end
            })
            .is_some_and(|stage| stage.measured)
    }

    /// Viewers that are in at the same time, at most.
    pub fn most_viewers(&self) -> u32 {
        self.stages.iter().filter_map(|stage| stage.viewers).max().unwrap_or(0)
    }

    /// How many broadcasts are joined.
    pub fn channel_count(&self) -> u32 {
        if self.channels.names.is_empty() {
            self.channels.count
        } else {
            u32::try_from(self.channels.names.len()).unwrap_or(u32::MAX)
        }
    }

    /// Whether anybody says anything.
    pub fn speaks(&self) -> bool {
        self.stages.iter().any(|stage| stage.rate.unwrap_or(0.0) > 0.0 || stage.peak() > 0.0)
    }

    fn check(&self) -> Result<(), String> {
        if self.stages.is_empty() {
            return Err("a scenario has at least one [[stages]]".to_owned());
        }
        let viewers = self.most_viewers();
        if viewers == 0 {
            return Err("nobody ever joins: one of [[stages]] says viewers = N".to_owned());
        }
        within("viewers", f64::from(viewers), 1.0, f64::from(MOST_VIEWERS))?;
        within("channels.count", f64::from(self.channel_count()), 1.0, f64::from(MOST_CHANNELS))?;
        within("channels.zipf", self.channels.zipf, 0.0, 5.0)?;
        let mut names = self.channels.names.clone();
        names.sort();
        if names.windows(2).any(|two| two[0] == two[1]) {
            return Err("channels.names says a name twice".to_owned());
        }
        if self.channel_count() > viewers {
            return Err(format!("{} channels and {viewers} viewers: each has one at least", self.channel_count()));
        }
        for (name, share) in [
            ("viewers.senders", self.viewers.senders),
            ("viewers.verified", self.viewers.verified),
            ("viewers.ext", self.viewers.ext),
            ("lines.questions", self.lines.questions),
            ("lines.donations", self.lines.donations),
        ] {
            within(name, share, 0.0, 1.0)?;
        }
        within("viewers.recent", f64::from(self.viewers.recent), 0.0, 200.0)?;
        within("lines.text_bytes", f64::from(u32::try_from(self.lines.text_bytes).unwrap_or(u32::MAX)), 0.0, 16_384.0)?;
        self.stages.iter().try_for_each(|stage| self.check_stage(stage))
    }

    fn check_stage(&self, stage: &Stage) -> Result<(), String> {
        let named = |error: String| format!("stage {:?}: {error}", stage.title());
        let seconds = stage.lasts.as_secs_f64();
        within("for (seconds)", seconds, 0.1, LONGEST_STAGE.as_secs_f64()).map_err(named)?;
        within("rate", stage.rate.unwrap_or(0.0), 0.0, FASTEST).map_err(named)?;
        within("peak", stage.peak(), 0.0, FASTEST).map_err(named)?;
        within("acts", stage.acts(), 0.0, FASTEST).map_err(named)?;
        within("churn", stage.churn(), 0.0, 60.0).map_err(named)?;
        within("slow-bytes", f64::from(stage.slow_bytes()), 1.0, 1e9).map_err(named)?;
        for (name, share) in [
            ("cut", stage.cut()),
            ("raid", stage.raid()),
            ("slow", stage.slow()),
            ("stuck", stage.stuck()),
            ("slow and stuck together", stage.slow() + stage.stuck()),
        ] {
            within(name, share, 0.0, 1.0).map_err(named)?;
        }
        if stage.acts() > 0.0 && self.viewers.moderators == 0 {
            return Err(named("acts need viewers.moderators = 1 or more".to_owned()));
        }
        if stage.raid() > 0.0 && self.channel_count() < 2 {
            return Err(named("a raid needs two channels".to_owned()));
        }
        Ok(())
    }
}

fn within(name: &str, value: f64, least: f64, most: f64) -> Result<(), String> {
    if value >= least && value <= most { Ok(()) } else { Err(format!("{name} is {value}: {least} to {most}")) }
}

fn seed() -> u64 {
    1
}

fn yes() -> bool {
    true
}

fn conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Condition>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| serde::de::Error::custom(format!("{text:?}: {error}, as in \"30s\"")))
}

fn maybe_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name = \"small\"\n[[stages]]\nfor = \"10s\"\nviewers = 10\nrate = 5\n";

    #[test]
    fn a_small_file_is_enough() {
        let scenario = Scenario::read(SMALL).unwrap();
        assert_eq!((scenario.most_viewers(), scenario.channel_count()), (10, 1));
        assert_eq!((scenario.lasts(), scenario.speaks()), (Duration::from_secs(10), true));
        assert_eq!(scenario.viewers, Viewers::default());
    }

    #[test]
    fn a_shape_sets_what_is_not_given() {
        let stage = |extra: &str| {
            let text = format!("name = \"x\"\n[channels]\ncount = 2\n[[stages]]\nfor = \"1s\"\nviewers = 9\n{extra}");
            Scenario::read(&text).unwrap().stages[0].clone()
        };
        assert_eq!(stage("shape = \"goal\"").peak(), 30.0);
        assert_eq!(stage("shape = \"goal\"\npeak = 5").peak(), 5.0);
        assert_eq!(stage("shape = \"raid\"").within(), Duration::from_secs(5));
        assert_eq!(stage("shape = \"raid\"\nwithin = \"1s\"").within(), Duration::from_secs(1));
        assert_eq!(stage("shape = \"reconnect-storm\"").cut(), 0.5);
        assert_eq!(stage("").cut(), 0.0);
        assert_eq!(stage("shape = \"churn\"").title(), "churn");
    }

    #[test]
    fn mistakes_are_told_with_what_to_do() {
        let wrong = |from: &str, to: &str| Scenario::read(&SMALL.replace(from, to)).unwrap_err();
        assert!(wrong("viewers = 10", "viewer = 10").contains("unknown field `viewer`"));
        assert!(wrong("10s", "10 parsecs").contains("10 parsecs"));
        assert!(wrong("viewers = 10\n", "").contains("nobody ever joins"));
        assert!(wrong("rate = 5", "rate = -1").contains("rate is -1"));
        assert!(wrong("rate = 5", "shape = \"raid\"").contains("two channels"));
        assert!(wrong("rate = 5", "shape = \"moderator-storm\"").contains("moderators"));
        assert!(wrong("rate = 5", "shape = \"gaol\"").contains("unknown variant `gaol`"));
        assert!(wrong("name = \"small\"", "name = \"small\"\nmust = [\"p99 ~ 5\"]").contains("p99 ~ 5"));
    }
}
