//! Which lines are withheld, and by which act.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::id::{Seq, UserId};
use crate::model::principal::Role;

/// Places that are remembered, about 50 bytes each; beyond them the oldest stretch of the log is withheld as a whole:
/// rather too much than too little.
const MOST: usize = 100_000;

/// Users all of whose lines are withheld up to a place, about 150 bytes each; beyond them, as above.
const MOST_USERS: usize = 10_000;

/// Lines of one of them that may be shown all the same; beyond them the oldest is withheld again.
const MOST_SHOWN: usize = 1_000;

/// Acts that withhold everything of one user, each of which can be taken back; beyond them the oldest is forgotten: what it
/// withholds, the later ones do, too.
const MOST_FOR_ONE: usize = 8;

/// What withholds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// The place of the act.
    pub act: Seq,
    /// What its author might do: nobody below that shows it again.
    pub rank: Role,
}

/// The lines of a channel that are withheld.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    places: BTreeMap<Seq, By>,
    /// Everything up to here is withheld.
    floor: Seq,
    /// Oldest act first.
    users: HashMap<UserId, Vec<Everything>>,
}

/// That all lines of somebody are withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Everything {
    /// Up to here.
    pub upto: Seq,
    /// By what.
    pub by: By,
    /// But for these.
    pub shown: BTreeSet<Seq>,
}

impl Everything {
    fn holds(&self, place: Seq) -> bool {
        place <= self.upto && !self.shown.contains(&place)
    }
}

impl Hidden {
    /// The state of these places, this floor, and these users, of whom each may come several times.
    pub fn new(
        places: impl IntoIterator<Item = (Seq, By)>,
        floor: Seq,
        users: impl IntoIterator<Item = (UserId, Everything)>,
    ) -> Self {
        let mut hidden = Self {
            places: places.into_iter().filter(|(place, _)| *place > floor).collect(),
            floor,
            users: HashMap::new(),
        };
        for (user, all) in users {
            hidden.users.entry(user).or_default().push(all);
        }
        hidden
    }

    /// Whether the line of this user at this place is withheld.
    pub fn holds(&self, place: Seq, author: &UserId) -> bool {
        self.holds_place(place) || self.everything(place, author).is_some()
    }

    /// Whether the line at this place is withheld, whoever has written it.
    pub fn holds_place(&self, place: Seq) -> bool {
        place <= self.floor || self.places.contains_key(&place)
    }

    /// What withholds the line of this user at this place.
    pub fn by(&self, place: Seq, author: &UserId) -> Option<By> {
        self.places.get(&place).copied().or_else(|| self.everything(place, author).map(|all| all.by))
    }

    fn everything(&self, place: Seq, author: &UserId) -> Option<&Everything> {
        self.users.get(author)?.iter().find(|all| all.holds(place))
    }

    /// Places with what withholds each, oldest first, beside all up to [`floor`](Self::floor).
    pub fn places(&self) -> impl Iterator<Item = (Seq, By)> {
        self.places.iter().map(|(place, by)| (*place, *by))
    }

    /// Everything up to here is withheld.
    pub fn floor(&self) -> Seq {
        self.floor
    }

    /// Users all of whose lines are withheld up to a place, in no order; of one user, the oldest act first.
    pub fn users(&self) -> impl Iterator<Item = (&UserId, &Everything)> {
        self.users.iter().flat_map(|(user, all)| all.iter().map(move |all| (user, all)))
    }

    /// Withholds a line.
    pub(super) fn hide(&mut self, place: Seq, by: By) {
        if place > self.floor {
            self.places.entry(place).or_insert(by);
        }
        if self.places.len() > MOST {
            self.floor = self.places.pop_first().map_or(self.floor, |(oldest, _)| oldest);
        }
    }

    /// Withholds everything that a user has said up to the act's place.
    pub(super) fn hide_all(&mut self, user: &UserId, by: By) {
        let theirs = self.users.entry(user.clone()).or_default();
        theirs.push(Everything { upto: by.act, by, shown: BTreeSet::new() });
        if theirs.len() > MOST_FOR_ONE {
            theirs.remove(0);
        }
        if self.users.len() > MOST_USERS {
            self.forget_oldest_user();
        }
    }

    fn forget_oldest_user(&mut self) {
        let last = |all: &[Everything]| all.last().map_or(Seq::default(), |all| all.upto);
        let oldest = self.users.iter().map(|(user, all)| (last(all), user.clone())).min();
        if let Some((upto, user)) = oldest {
            self.users.remove(&user);
            self.floor = self.floor.max(upto);
            self.places = self.places.split_off(&Seq(self.floor.0 + 1));
        }
    }

    /// Shows a line again. Whether that can be done: what is withheld with everything before it can't be.
    pub(super) fn show(&mut self, place: Seq, author: &UserId) -> bool {
        if place <= self.floor {
            return false;
        }
        self.places.remove(&place);
        for all in self.users.get_mut(author).into_iter().flatten().filter(|all| place <= all.upto) {
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

    /// The highest rank by which anything of a user is withheld as a whole.
    pub fn rank_over(&self, user: &UserId) -> Option<Role> {
        self.users.get(user)?.iter().map(|all| all.by.rank).max()
    }

    /// By whose rank this act withholds anything.
    pub fn rank_of(&self, act: Seq) -> Option<Role> {
        let of_users = || self.users().map(|(_, all)| all.by).find(|by| by.act == act);
        of_users().or_else(|| self.places.values().find(|by| by.act == act).copied()).map(|by| by.rank)
    }

    /// Takes back what an act has withheld. Whether it had.
    pub(super) fn undo(&mut self, act: Seq) -> bool {
        let before = (self.places.len(), self.users().count());
        self.places.retain(|_, by| by.act != act);
        self.users.retain(|_, theirs| {
            theirs.retain(|all| all.by.act != act);
            !theirs.is_empty()
        });
        (self.places.len(), self.users().count()) != before
    }

    /// Forgets lines that are no more.
    pub(super) fn forget(&mut self, upto: Seq) {
        self.places = self.places.split_off(&Seq(upto.0 + 1));
        self.users.retain(|_, theirs| {
            theirs.retain_mut(|all| {
                all.shown.retain(|place| *place > upto);
                all.upto > upto
            });
            !theirs.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(act: u64) -> By {
        By { act: Seq(act), rank: Role::ChatManager }
    }

    fn user(uid: &str) -> UserId {
        UserId::parse(uid).unwrap()
    }

    #[test]
    fn beyond_what_is_remembered_rather_too_much_is_withheld() {
        let (mut hidden, act) = (Hidden::default(), by(1_000_000));
        for place in 1..=MOST as u64 {
            hidden.hide(Seq(place * 2), act);
        }
        let holds = |hidden: &Hidden, place| hidden.holds(Seq(place), &user("a"));
        assert!(!holds(&hidden, 1) && holds(&hidden, 2) && !holds(&hidden, 3));
        hidden.hide(Seq(2), act);
        hidden.hide(Seq(900_000), act);
        assert_eq!((hidden.floor(), hidden.places().count()), (Seq(2), MOST));
        assert!(holds(&hidden, 1) && !holds(&hidden, 3));
        assert!(!hidden.show(Seq(1), &user("a")), "what is withheld as a whole stays so");
        hidden.forget(Seq(100));
        assert!(!hidden.places().any(|(place, _)| place <= Seq(100)) && holds(&hidden, 102));
        for number in 0..=MOST_USERS as u64 {
            hidden.hide_all(&user(&number.to_string()), by(1_000_000 + number));
        }
        assert_eq!((hidden.floor(), hidden.users().count(), hidden.places().count()), (act.act, MOST_USERS, 0));
        let users = hidden.users().map(|(user, all)| (user.clone(), all.clone()));
        assert_eq!(Hidden::new(hidden.places(), hidden.floor(), users), hidden);
    }

    #[test]
    fn an_act_is_taken_back_and_others_stay() {
        let (mut hidden, [a, b]) = (Hidden::default(), ["a", "b"].map(user));
        hidden.hide(Seq(3), by(10));
        hidden.hide(Seq(4), by(10));
        hidden.hide_all(&a, by(11));
        hidden.hide(Seq(4), by(12));
        assert_eq!(hidden.by(Seq(4), &b), Some(by(10)), "it was hidden already");
        assert!(hidden.holds(Seq(5), &a) && !hidden.holds(Seq(5), &b) && !hidden.holds(Seq(12), &a));
        assert!(hidden.show(Seq(5), &a) && !hidden.holds(Seq(5), &a) && hidden.holds(Seq(6), &a));
        hidden.hide(Seq(5), by(13));
        assert_eq!(hidden.by(Seq(5), &a), Some(by(13)));
        assert!(hidden.undo(Seq(10)) && !hidden.undo(Seq(10)));
        assert!(!hidden.holds(Seq(4), &b) && hidden.holds(Seq(4), &a), "everything of theirs is withheld");
        assert!(
            hidden.rank_of(Seq(11)).is_some() && hidden.show_all(&a, &[Seq(5)]) && hidden.rank_of(Seq(11)).is_none()
        );
        assert!(!hidden.holds(Seq(4), &a) && !hidden.holds(Seq(5), &a));
    }

    #[test]
    fn taking_back_the_second_leaves_the_first() {
        let (mut hidden, a) = (Hidden::default(), user("a"));
        hidden.hide_all(&a, by(10));
        hidden.hide_all(&a, by(20));
        assert!(hidden.holds(Seq(15), &a) && hidden.undo(Seq(20)));
        assert!(!hidden.holds(Seq(15), &a) && hidden.holds(Seq(9), &a));
        for act in 30..50 {
            hidden.hide_all(&a, by(act));
        }
        assert!(hidden.users().count() == MOST_FOR_ONE && hidden.holds(Seq(49), &a));
    }
}
