//! Which lines are withheld, and by which act.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::id::{Seq, UserId};

/// Places that are remembered, about 40 bytes each; beyond them the oldest stretch of the log is withheld as a whole:
/// rather too much than too little.
const MOST: usize = 100_000;

/// Users all of whose lines are withheld up to a place, about 100 bytes each; beyond them, as above.
const MOST_USERS: usize = 10_000;

/// Lines of one of them that may be shown all the same; beyond them the oldest is withheld again.
const MOST_SHOWN: usize = 1_000;

/// The lines of a channel that are withheld.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// With the act that withholds each.
    places: BTreeMap<Seq, Seq>,
    /// Everything up to here is withheld.
    floor: Seq,
    users: HashMap<UserId, Everything>,
}

/// That all lines of somebody are withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Everything {
    /// Up to here.
    pub upto: Seq,
    /// By this act.
    pub act: Seq,
    /// But for these.
    pub shown: BTreeSet<Seq>,
}

impl Everything {
    fn holds(&self, place: Seq) -> bool {
        place <= self.upto && !self.shown.contains(&place)
    }
}

impl Hidden {
    /// The state of these places with their acts, this floor, and these users.
    pub fn new(
        places: impl IntoIterator<Item = (Seq, Seq)>,
        floor: Seq,
        users: impl IntoIterator<Item = (UserId, Everything)>,
    ) -> Self {
        let places = places.into_iter().filter(|(place, _)| *place > floor).collect();
        Self { places, floor, users: users.into_iter().collect() }
    }

    /// Whether the line of this user at this place is withheld.
    pub fn holds(&self, place: Seq, author: &UserId) -> bool {
        self.holds_place(place) || self.users.get(author).is_some_and(|all| all.holds(place))
    }

    /// Whether the line at this place is withheld, whoever has written it.
    pub fn holds_place(&self, place: Seq) -> bool {
        place <= self.floor || self.places.contains_key(&place)
    }

    /// The act that withholds the line of this user at this place.
    pub fn by(&self, place: Seq, author: &UserId) -> Option<Seq> {
        let everything = || self.users.get(author).filter(|all| all.holds(place));
        self.places.get(&place).copied().or_else(|| everything().map(|all| all.act))
    }

    /// Places with their acts, oldest first, beside all up to [`floor`](Self::floor).
    pub fn places(&self) -> impl Iterator<Item = (Seq, Seq)> {
        self.places.iter().map(|(place, act)| (*place, *act))
    }

    /// Everything up to here is withheld.
    pub fn floor(&self) -> Seq {
        self.floor
    }

    /// Users all of whose lines are withheld up to a place, in no order.
    pub fn users(&self) -> impl Iterator<Item = (&UserId, &Everything)> {
        self.users.iter()
    }

    /// Withholds a line.
    pub(super) fn hide(&mut self, place: Seq, act: Seq) {
        if place > self.floor {
            self.places.entry(place).or_insert(act);
        }
        if self.places.len() > MOST {
            self.floor = self.places.pop_first().map_or(self.floor, |(oldest, _)| oldest);
        }
    }

    /// Withholds everything that a user has said up to the act's place.
    pub(super) fn hide_all(&mut self, user: &UserId, act: Seq) {
        self.users.insert(user.clone(), Everything { upto: act, act, shown: BTreeSet::new() });
        if self.users.len() > MOST_USERS {
            let oldest = self.users.iter().min_by_key(|(_, all)| all.upto).map(|(user, all)| (user.clone(), all.upto));
            if let Some((user, upto)) = oldest {
                self.users.remove(&user);
                self.raise_floor(upto);
            }
        }
    }

    /// Shows a line again. Whether that can be done: what is withheld with everything before it can't be.
    pub(super) fn show(&mut self, place: Seq, author: &UserId) -> bool {
        if place <= self.floor {
            return false;
        }
        self.places.remove(&place);
        if let Some(all) = self.users.get_mut(author).filter(|all| place <= all.upto) {
            all.shown.insert(place);
            if all.shown.len() > MOST_SHOWN {
                all.shown.pop_first();
            }
        }
        true
    }

    /// Shows a line again of which nothing but the place is known. Whether it was withheld by itself.
    pub(super) fn unhide(&mut self, place: Seq) -> bool {
        self.places.remove(&place).is_some()
    }

    /// Shows again everything that a user has said; `lines` of it may be withheld one by one. Whether everything was.
    pub(super) fn show_all(&mut self, user: &UserId, lines: &[Seq]) -> bool {
        for place in lines {
            self.places.remove(place);
        }
        self.users.remove(user).is_some()
    }

    /// Whether this act withholds anything.
    pub fn is_by(&self, act: Seq) -> bool {
        self.users.values().any(|all| all.act == act) || self.places.values().any(|by| *by == act)
    }

    /// Takes back what an act has withheld. Whether it had.
    pub(super) fn undo(&mut self, act: Seq) -> bool {
        let before = self.places.len() + self.users.len();
        self.places.retain(|_, by| *by != act);
        self.users.retain(|_, all| all.act != act);
        self.places.len() + self.users.len() < before
    }

    /// Forgets lines that are no more.
    pub(super) fn forget(&mut self, upto: Seq) {
        self.places = self.places.split_off(&Seq(upto.0 + 1));
        self.users.retain(|_, all| {
            all.shown.retain(|place| *place > upto);
            all.upto > upto
        });
    }

    fn raise_floor(&mut self, upto: Seq) {
        self.floor = self.floor.max(upto);
        self.places = self.places.split_off(&Seq(self.floor.0 + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACT: Seq = Seq(1_000_000);

    fn user(uid: &str) -> UserId {
        UserId::parse(uid).unwrap()
    }

    #[test]
    fn beyond_what_is_remembered_rather_too_much_is_withheld() {
        let mut hidden = Hidden::default();
        for place in 1..=MOST as u64 {
            hidden.hide(Seq(place * 2), ACT);
        }
        let holds = |hidden: &Hidden, place| hidden.holds(Seq(place), &user("a"));
        assert!(!holds(&hidden, 1) && holds(&hidden, 2) && !holds(&hidden, 3));
        hidden.hide(Seq(2), ACT);
        hidden.hide(Seq(900_000), ACT);
        assert_eq!((hidden.floor(), hidden.places().count()), (Seq(2), MOST));
        assert!(holds(&hidden, 1) && !holds(&hidden, 3));
        assert!(!hidden.show(Seq(1), &user("a")), "what is withheld as a whole stays so");
        hidden.forget(Seq(100));
        assert!(!hidden.places().any(|(place, _)| place <= Seq(100)) && holds(&hidden, 102));
        for number in 0..=MOST_USERS as u64 {
            hidden.hide_all(&user(&number.to_string()), Seq(1_000_000 + number));
        }
        assert_eq!((hidden.floor(), hidden.users().count(), hidden.places().count()), (ACT, MOST_USERS, 0));
        let users = hidden.users().map(|(user, all)| (user.clone(), all.clone()));
        assert_eq!(Hidden::new(hidden.places(), hidden.floor(), users), hidden);
    }

    #[test]
    fn an_act_is_taken_back_and_others_stay() {
        let (mut hidden, [a, b]) = (Hidden::default(), ["a", "b"].map(user));
        hidden.hide(Seq(3), Seq(10));
        hidden.hide(Seq(4), Seq(10));
        hidden.hide_all(&a, Seq(11));
        hidden.hide(Seq(4), Seq(12));
        assert_eq!(hidden.by(Seq(4), &b), Some(Seq(10)), "it was hidden already");
        assert!(hidden.holds(Seq(5), &a) && !hidden.holds(Seq(5), &b) && !hidden.holds(Seq(12), &a));
        assert!(hidden.show(Seq(5), &a) && !hidden.holds(Seq(5), &a) && hidden.holds(Seq(6), &a));
        hidden.hide(Seq(5), Seq(13));
        assert_eq!(hidden.by(Seq(5), &a), Some(Seq(13)));
        assert!(hidden.undo(Seq(10)) && !hidden.undo(Seq(10)));
        assert!(!hidden.holds(Seq(4), &b) && hidden.holds(Seq(4), &a), "everything of theirs is withheld");
        assert!(hidden.is_by(Seq(11)) && hidden.show_all(&a, &[Seq(5)]) && !hidden.is_by(Seq(11)));
        assert!(!hidden.holds(Seq(4), &a) && !hidden.holds(Seq(5), &a));
    }
}
