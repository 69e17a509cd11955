//! When users first said something in a channel, as far as that is remembered: about 80 bytes each.

use std::collections::HashMap;

use crate::model::id::UserId;
use crate::model::time::Millis;

/// Users who are remembered since they said something, and as many before them; of those who said nothing for longer it
/// is forgotten that they ever did, and they count as newcomers when they come back. Whoever is erased counts until then: a
/// machine that finds their lines erased begins anew some users later.
const MOST: usize = 10_000;

const MINUTE_MS: i64 = 60_000;

/// Users who have said something in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newcomers {
    /// With the minute of their first line.
    pub(super) lately: HashMap<UserId, i64>,
    /// Those who said nothing since `lately` began.
    pub(super) before: HashMap<UserId, i64>,
}

impl Newcomers {
    /// The state of these users, with the minutes of their first lines.
    pub fn new(
        lately: impl IntoIterator<Item = (UserId, i64)>,
        before: impl IntoIterator<Item = (UserId, i64)>,
    ) -> Self {
        Self { lately: lately.into_iter().collect(), before: before.into_iter().collect() }
    }

    /// Both parts, in no order.
    pub fn parts(&self) -> [&HashMap<UserId, i64>; 2] {
        [&self.lately, &self.before]
    }

    /// Takes note that somebody said something.
    pub(super) fn note(&mut self, user: &UserId, at: Millis) {
        if self.lately.contains_key(user) {
            return;
        }
        let first = self.before.remove(user).unwrap_or(at.0.div_euclid(MINUTE_MS));
        if self.lately.len() >= MOST {
            self.before = std::mem::take(&mut self.lately);
        }
        self.lately.insert(user.clone(), first);
    }

    /// Whether this user said something for the first time at most so many minutes before `at`.
    pub(super) fn is_one(&self, user: &UserId, at: Millis, minutes: u32) -> bool {
        let first = self.lately.get(user).or_else(|| self.before.get(user));
        first.is_some_and(|first| at.0.div_euclid(MINUTE_MS) - first <= i64::from(minutes))
    }

    /// Forgets a user.
    pub(super) fn forget(&mut self, user: &UserId) {
        self.lately.remove(user);
        self.before.remove(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_speaks_now_and_then_is_no_newcomer() {
        let user = |number: usize| UserId::parse(&format!("u{number}")).unwrap();
        let mut newcomers = Newcomers::default();
        newcomers.note(&user(0), Millis(0));
        for number in 1..MOST * 3 {
            newcomers.note(&user(number), Millis(600_000));
            if number % 5_000 == 0 {
                newcomers.note(&user(0), Millis(600_000));
            }
        }
        assert!(!newcomers.is_one(&user(0), Millis(600_000), 9) && newcomers.is_one(&user(0), Millis(600_000), 10));
        assert!(newcomers.is_one(&user(MOST * 3 - 1), Millis(600_000), 1));
        assert!(!newcomers.is_one(&user(1), Millis(600_000), 1_000), "forgotten, so nothing is known of them");
        assert!(newcomers.lately.len() <= MOST && newcomers.before.len() <= MOST);
        newcomers.forget(&user(0));
        assert!(!newcomers.is_one(&user(0), Millis(600_000), 1_000));
    }
}
