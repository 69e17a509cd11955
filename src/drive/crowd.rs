//! Who takes part: each viewer's channel and what it is, all of it by the seed alone.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::scenario::Scenario;

/// What a viewer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Reader,
    /// Reads and sends.
    Sender,
    /// Reads, and does what managers do.
    Moderator,
}

/// One viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The channel it belongs to, by size: 0 is the largest.
    pub channel: u32,
    /// What it may do.
    pub role: Role,
    /// Whether everything that it hears is verified.
    pub verified: bool,
    /// Whether it asks for the extended layer.
    pub ext: bool,
    /// Its system, as the wire spells it.
    pub os: &'static str,
}

/// Everybody, in the order in which they come.
#[derive(Clone, Debug)]
pub struct Crowd {
    people: Vec<Person>,
    cids: Vec<String>,
    own_cids: bool,
}

impl Crowd {
    /// Draws everybody of a scenario; `run` makes the cids of this run its own.
    pub fn draw(scenario: &Scenario, run: &str) -> Self {
        let mut rng = StdRng::seed_from_u64(scenario.seed);
        let sizes = sizes(scenario.most_viewers(), scenario.channel_count(), scenario.channels.zipf);
        let mut people: Vec<Person> = (0..)
            .zip(&sizes)
            .flat_map(|(channel, size)| {
                let (senders, moderators) = roles(scenario, *size);
                (0..*size).map(move |index| {
                    let role = match index {
                        _ if index < moderators => Role::Moderator,
                        _ if index < moderators + senders => Role::Sender,
                        _ => Role::Reader,
                    };
                    Person { channel, role, verified: true, ext: false, os: "PC" }
                })
            })
            .collect();
        people.shuffle(&mut rng);
        first_come_senders(&mut people, sizes.len());
        for person in &mut people {
            person.verified = person.role != Role::Reader || rng.random_bool(scenario.viewers.verified);
            person.ext = rng.random_bool(scenario.viewers.ext);
            person.os = os(rng.random());
        }
        let names = &scenario.channels.names;
        let cids = if names.is_empty() {
            (0..sizes.len()).map(|index| format!("{run}-{index}")).collect()
        } else {
            names.clone()
        };
        Self { people, cids, own_cids: names.is_empty() }
    }

    /// How many.
    pub fn len(&self) -> u32 {
        u32::try_from(self.people.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// One of them.
    pub fn person(&self, index: u32) -> Person {
        self.people[index as usize]
    }

    /// All of them.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The cid of a channel.
    pub fn cid(&self, channel: u32) -> &str {
        &self.cids[channel as usize]
    }

    /// The cids, the largest channel's first.
    pub fn cids(&self) -> &[String] {
        &self.cids
    }

    /// Whether nobody but this run knows the cids.
    pub fn is_alone(&self) -> bool {
        self.own_cids
    }
}

/// Of each channel a sender and its managers are the first to come: whatever the number of viewers, somebody can speak.
fn first_come_senders(people: &mut Vec<Person>, channels: usize) {
    let mut spoken = vec![false; channels];
    let (mut first, mut rest) = (Vec::new(), Vec::with_capacity(people.len()));
    for person in people.drain(..) {
        let early = match person.role {
            Role::Reader => false,
            Role::Moderator => true,
            Role::Sender => !std::mem::replace(&mut spoken[person.channel as usize], true),
        };
        if early { first.push(person) } else { rest.push(person) }
    }
    first.append(&mut rest);
    *people = first;
}

/// Senders and managers of a channel of so many.
fn roles(scenario: &Scenario, size: u32) -> (u32, u32) {
    let moderators = scenario.viewers.moderators.min(size.saturating_sub(1));
    if !scenario.speaks() {
        return (0, moderators);
    }
    let senders = (f64::from(size) * scenario.viewers.senders).round() as u32;
    (senders.clamp(1, size - moderators), moderators)
}

/// Sizes of channels, the largest first, each at least 1: the n-th has 1 / n^zipf of the largest.
fn sizes(viewers: u32, channels: u32, zipf: f64) -> Vec<u32> {
    let weights: Vec<f64> = (1..=channels).map(|rank| f64::from(rank).powf(-zipf)).collect();
    let all: f64 = weights.iter().sum();
    let spare = f64::from(viewers - channels);
    let mut sizes: Vec<u32> = weights.iter().map(|weight| 1 + (weight / all * spare) as u32).collect();
    // What rounding down has left over belongs to the largest.
    sizes[0] += viewers - sizes.iter().sum::<u32>();
    sizes
}

/// PC 71 %, AOS 21 %, IOS 8 % (facts, 9).
fn os(chance: f64) -> &'static str {
    match chance {
        _ if chance < 0.71 => "PC",
        _ if chance < 0.92 => "AOS",
        _ => "IOS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(seed: u64) -> Scenario {
        Scenario::read(&format!(
            "name = \"x\"\nseed = {seed}\n[channels]\ncount = 10\n[viewers]\nmoderators = 2\nverified = 0.5\n\
             [[stages]]\nfor = \"1s\"\nviewers = 5000\nrate = 1"
        ))
        .unwrap()
    }

    #[test]
    fn channels_have_the_sizes_of_zipf() {
        let sizes = sizes(10_000, 4, 1.0);
        assert_eq!(sizes.iter().sum::<u32>(), 10_000);
        assert!((4_795..4_810).contains(&sizes[0]) && (2_395..2_405).contains(&sizes[1]), "{sizes:?}");
        assert_eq!(super::sizes(9, 3, 0.0), [3, 3, 3]);
        assert_eq!(super::sizes(3, 3, 2.0), [1, 1, 1]);
    }

    #[test]
    fn the_same_seed_is_the_same_crowd() {
        assert_eq!(Crowd::draw(&scenario(5), "a").people, Crowd::draw(&scenario(5), "b").people);
        assert_ne!(Crowd::draw(&scenario(5), "a").people, Crowd::draw(&scenario(6), "a").people);
    }

    #[test]
    fn whoever_comes_first_can_speak() {
        let crowd = Crowd::draw(&scenario(1), "run");
        assert_eq!(crowd.len(), 5_000);
        let early = &crowd.people()[..30];
        for channel in 0..10 {
            let here = |role| early.iter().filter(|person| person.channel == channel && person.role == role).count();
            assert_eq!((here(Role::Sender), here(Role::Moderator)), (1, 2), "channel {channel}");
        }
        let readers: Vec<&Person> = crowd.people().iter().filter(|person| person.role == Role::Reader).collect();
        let verified = readers.iter().filter(|person| person.verified).count() as f64 / readers.len() as f64;
        assert!((0.45..0.55).contains(&verified), "{verified}");
        let phones = crowd.people().iter().filter(|person| person.os != "PC").count();
        assert!((1_300..1_600).contains(&phones), "{phones}");
    }
}
