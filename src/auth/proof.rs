//! What a guest shows before getting a name: a piece of work, or a ticket of the site. Each is good once.

use std::collections::{HashSet, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::model::time::Millis;

/// How long a challenge may be worked on.
const CHALLENGE_MS: i64 = 300_000;

/// Challenges and tickets that were shown are remembered until they end, so many at most: 100 bytes each.
const MOST_SPENT: usize = 100_000;

/// Longest proof that is looked at, in bytes.
const LONGEST_PROOF: usize = 2_048;

const ALGORITHM: &str = "SHA-256";

/// What guests are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// Work: a number is searched whose hash is known.
    Work,
    /// A ticket that the site's backend has fetched for them.
    Ticket,
}

impl Asked {
    /// Each, by its name in settings.
    pub const ALL: [(Self, &str); 3] = [(Self::Nothing, "none"), (Self::Work, "work"), (Self::Ticket, "ticket")];

    /// Its name in settings.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(asked, _)| *asked == self).map_or("none", |(_, word)| word)
    }

    /// What is called so.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(asked, _)| *asked)
    }
}

/// Work to be done, in the form that ALTCHA's widgets and libraries read: search `number` from 0 to `maxnumber` so that the
/// SHA-256 of `salt` followed by it is `challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// Always `SHA-256`.
    pub algorithm: &'static str,
    /// The hash to find, 64 hexadecimal digits.
    pub challenge: String,
    /// The number is no higher.
    pub maxnumber: u32,
    /// What is hashed before the number, with the time until when it counts.
    pub salt: String,
    /// Says that we have made it.
    pub signature: String,
}

/// Work that was done: what such a widget sends, as JSON in base64.
#[derive(Deserialize)]
struct Solution {
    algorithm: String,
    challenge: String,
    number: u64,
    salt: String,
    signature: String,
}

/// Why a proof isn't one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// It is missing, broken, ours no longer, or somebody else's.
    #[error("the proof is missing or wrong: get a new one and send it once")]
    Wrong,
    /// It was shown before, or its time is over.
    #[error("the proof has ended or was used: get a new one and send it once")]
    Over,
    /// Too many were shown lately to remember one more.
    #[error("too many proofs at once: try again in a second")]
    Busy,
}

/// Makes and checks proofs.
pub struct Proofs {
    key: Hmac<Sha256>,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    by_end: VecDeque<(i64, String)>,
    all: HashSet<String>,
}

impl Proofs {
    /// Proofs by a key that follows from this secret, which signs tokens too.
    pub fn new(secret: &[u8]) -> Self {
        let keyed = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let own = keyed(secret).chain_update("what guests show").finalize().into_bytes();
        Self { key: keyed(&own), spent: Mutex::default() }
    }

    /// Work for somebody: `most` hashes at most, half of them on average.
    pub fn challenge(&self, now: Millis, most: u32) -> Challenge {
        let random: [u8; 16] = rand::random();
        let ends = (now + CHALLENGE_MS).seconds();
        // What ends the salt keeps its last digits from being taken for the number's first.
        let salt = format!("{}?expires={ends}&", hex(&random));
        let challenge = hash_of(&salt, u64::from(rand::random_range(0..=most)));
        let signature = self.sign(&challenge);
        Challenge { algorithm: ALGORITHM, challenge, maxnumber: most, salt, signature }
    }

    /// A ticket that is good until then.
    pub fn ticket(&self, until: Millis) -> String {
        let random: [u8; 16] = rand::random();
        let content = format!("ticket.{}.{}", until.seconds(), hex(&random));
        let signature = self.sign(&content);
        format!("{content}.{signature}")
    }

    /// An identity that only whoever knows `secret` can have, and nobody can tell from another's.
    pub fn identity(&self, secret: &str) -> String {
        let mut digits = self.sign(&format!("identity.{secret}"));
        digits.truncate(32);
        digits
    }

    /// Takes a proof, which is spent then.
    pub fn spend(&self, asked: Asked, given: Option<&str>, now: Millis) -> Result<(), ProofError> {
        let (name, ends) = match asked {
            Asked::Nothing => return Ok(()),
            _ if given.is_none_or(|given| given.len() > LONGEST_PROOF) => return Err(ProofError::Wrong),
            Asked::Work => self.read_work(given.unwrap_or_default()),
            Asked::Ticket => self.read_ticket(given.unwrap_or_default()),
        }
        .ok_or(ProofError::Wrong)?;
        if ends < now.seconds() {
            return Err(ProofError::Over);
        }
        self.spent.lock().add(name, ends, now.seconds())
    }

    /// What was taken for nothing counts again.
    pub fn give_back(&self, asked: Asked, given: Option<&str>) {
        let read = given.and_then(|given| match asked {
            Asked::Nothing => None,
            Asked::Work => self.read_work(given),
            Asked::Ticket => self.read_ticket(given),
        });
        if let Some((name, _)) = read {
            let spent = &mut *self.spent.lock();
            spent.all.remove(&name);
            spent.by_end.retain(|(_, other)| *other != name);
        }
    }

    /// The challenge that was worked on, and until when it counts.
    fn read_work(&self, given: &str) -> Option<(String, i64)> {
        let solution: Solution = serde_json::from_slice(&STANDARD.decode(given).ok()?).ok()?;
        let ends = solution.salt.strip_suffix('&')?.rsplit_once("?expires=")?.1.parse().ok()?;
        let done = solution.algorithm == ALGORITHM
            && hash_of(&solution.salt, solution.number) == solution.challenge
            && self.is_signed(&solution.challenge, &solution.signature);
        done.then_some((solution.challenge, ends))
    }

    fn read_ticket(&self, given: &str) -> Option<(String, i64)> {
        let (content, signature) = given.rsplit_once('.')?;
        let (until, _) = content.strip_prefix("ticket.")?.split_once('.')?;
        let ends = until.parse().ok()?;
        self.is_signed(content, signature).then(|| (content.to_owned(), ends))
    }

    fn sign(&self, content: &str) -> String {
        hex(&self.key.clone().chain_update(content).finalize().into_bytes())
    }

    fn is_signed(&self, content: &str, signature: &str) -> bool {
        let bytes = |at: usize| u8::from_str_radix(signature.get(at..at + 2)?, 16).ok();
        let Some(bytes) = (0..signature.len()).step_by(2).map(bytes).collect::<Option<Vec<u8>>>() else { return false };
        self.key.clone().chain_update(content).verify_slice(&bytes).is_ok()
    }
}

impl Spent {
    fn add(&mut self, name: String, ends: i64, now: i64) -> Result<(), ProofError> {
        if self.all.contains(&name) {
            return Err(ProofError::Over);
        }
        if self.all.len() >= MOST_SPENT {
            let (kept, over): (VecDeque<_>, VecDeque<_>) = self.by_end.drain(..).partition(|(ends, _)| *ends >= now);
            over.iter().for_each(|(_, name)| _ = self.all.remove(name));
            self.by_end = kept;
        }
        if self.all.len() >= MOST_SPENT {
            return Err(ProofError::Busy);
        }
        self.all.insert(name.clone());
        self.by_end.push_back((ends, name));
        Ok(())
    }
}

fn hash_of(salt: &str, number: u64) -> String {
    hex(&Sha256::digest(format!("{salt}{number}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn solved(challenge: &Challenge) -> serde_json::Value {
        let number = (0..=u64::from(challenge.maxnumber))
            .find(|number| hash_of(&challenge.salt, *number) == challenge.challenge)
            .unwrap();
        serde_json::json!({
            "algorithm": challenge.algorithm, "challenge": challenge.challenge, "number": number,
            "salt": challenge.salt, "signature": challenge.signature, "took": 12,
        })
    }

    fn spelled(solution: &serde_json::Value) -> String {
        STANDARD.encode(solution.to_string())
    }

    #[test]
    fn work_counts_once_and_for_its_time() {
        let proofs = Proofs::new(b"key");
        let work = |proof: &str, now| proofs.spend(Asked::Work, Some(proof), now);
        let proof = spelled(&solved(&proofs.challenge(NOW, 500)));
        assert_eq!(work(&proof, NOW + CHALLENGE_MS + 1_000), Err(ProofError::Over));
        assert_eq!(work(&proof, NOW), Ok(()));
        assert_eq!(work(&proof, NOW), Err(ProofError::Over));
        assert_eq!(proofs.spend(Asked::Work, None, NOW), Err(ProofError::Wrong));
        assert_eq!(proofs.spend(Asked::Nothing, None, NOW), Ok(()));
    }

    #[test]
    fn work_that_wasnt_done_is_none() {
        let (proofs, other) = (Proofs::new(b"key"), Proofs::new(b"other"));
        let whole = solved(&proofs.challenge(NOW, 500));
        let changed = |key: &str, value: serde_json::Value| {
            let mut changed = whole.clone();
            changed[key] = value;
            spelled(&changed)
        };
        let later = whole["salt"].as_str().unwrap().replace("expires=1", "expires=9");
        let (salt, number) = (whole["salt"].as_str().unwrap(), whole["number"].as_u64().unwrap());
        let mut moved = whole.clone();
        // The number's digits are no part of the time.
        (moved["salt"], moved["number"]) = (format!("{salt}{number}&").into(), 0.into());
        let own = Challenge { signature: "00".repeat(32), ..proofs.challenge(NOW, 10) };
        for proof in [
            String::new(),
            "!".to_owned(),
            STANDARD.encode("{}"),
            changed("number", 501.into()),
            changed("number", (-1).into()),
            changed("algorithm", "MD5".into()),
            changed("signature", "é".into()),
            changed("signature", "".into()),
            changed("salt", later.into()),
            spelled(&moved),
            spelled(&solved(&own)),
            spelled(&solved(&other.challenge(NOW, 10))),
            "A".repeat(LONGEST_PROOF + 1),
            proofs.ticket(NOW + 1_000),
        ] {
            assert_eq!(proofs.spend(Asked::Work, Some(&proof), NOW), Err(ProofError::Wrong), "{proof}");
        }
        assert_eq!(proofs.spend(Asked::Work, Some(&spelled(&whole)), NOW), Ok(()));
    }

    #[test]
    fn a_ticket_counts_once_and_for_its_time() {
        let proofs = Proofs::new(b"key");
        let show = |ticket: &str, now| proofs.spend(Asked::Ticket, Some(ticket), now);
        let ticket = proofs.ticket(NOW + 60_000);
        assert_eq!(show(&ticket, NOW + 61_000), Err(ProofError::Over));
        assert_eq!(show(&ticket, NOW), Ok(()));
        assert_eq!(show(&ticket, NOW), Err(ProofError::Over));
        proofs.give_back(Asked::Ticket, Some(&ticket));
        assert_eq!((show(&ticket, NOW), show(&ticket, NOW)), (Ok(()), Err(ProofError::Over)));
        let longer = proofs.ticket(NOW + 60_000).replacen("ticket.1", "ticket.2", 1);
        for wrong in ["", "ticket", "ticket.1.2.3", &longer, &Proofs::new(b"other").ticket(NOW + 60_000)] {
            assert_eq!(show(wrong, NOW), Err(ProofError::Wrong), "{wrong}");
        }
        let work = spelled(&solved(&proofs.challenge(NOW, 10)));
        assert_eq!(show(&work, NOW), Err(ProofError::Wrong));
    }

    #[test]
    fn what_was_spent_is_remembered_within_bounds() {
        let mut spent = Spent::default();
        for number in 0..MOST_SPENT {
            assert_eq!(spent.add(number.to_string(), 10, 0), Ok(()));
        }
        assert_eq!(spent.add("more".to_owned(), 10, 10), Err(ProofError::Busy));
        assert_eq!(spent.add("more".to_owned(), 20, 11), Ok(()), "those have ended");
        assert_eq!((spent.all.len(), spent.by_end.len()), (1, 1));
    }
}
