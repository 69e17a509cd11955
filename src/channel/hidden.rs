//! Which lines are withheld.

use std::collections::BTreeSet;

use crate::model::id::Seq;

/// Places that are remembered, about 20 bytes each; beyond them the oldest stretch of the log is withheld as a whole:
/// rather too much than too little.
const MOST: usize = 100_000;

/// The lines of a channel that are withheld.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    places: BTreeSet<Seq>,
    /// Everything up to here is withheld.
    floor: Seq,
}

impl Hidden {
    /// The state of these places and this floor.
    pub fn new(places: impl IntoIterator<Item = Seq>, floor: Seq) -> Self {
        Self { places: places.into_iter().filter(|place| *place > floor).collect(), floor }
    }

    /// Whether the line at this place is withheld.
    pub fn holds(&self, place: Seq) -> bool {
        place <= self.floor || self.places.contains(&place)
    }

    /// Places, oldest first, beside all up to [`floor`](Self::floor).
    pub fn places(&self) -> impl Iterator<Item = Seq> {
        self.places.iter().copied()
    }

    /// Everything up to here is withheld.
    pub fn floor(&self) -> Seq {
        self.floor
    }

    /// Withholds a line. Whether it was shown before.
    pub(super) fn hide(&mut self, place: Seq) -> bool {
        if self.holds(place) {
            return false;
        }
        self.places.insert(place);
        if self.places.len() > MOST {
            self.floor = self.places.pop_first().unwrap_or_default();
        }
        true
    }

    /// Forgets lines that are no more.
    pub(super) fn forget(&mut self, upto: Seq) {
        self.places = self.places.split_off(&Seq(upto.0 + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_what_is_remembered_rather_too_much_is_withheld() {
        let mut hidden = Hidden::default();
        for place in 1..=MOST as u64 {
            assert!(hidden.hide(Seq(place * 2)));
        }
        assert!(!hidden.holds(Seq(1)) && hidden.holds(Seq(2)) && !hidden.holds(Seq(3)));
        assert!(!hidden.hide(Seq(2)), "it is hidden already");
        assert!(hidden.hide(Seq(900_000)));
        assert_eq!((hidden.floor(), hidden.places().count()), (Seq(2), MOST));
        assert!(hidden.holds(Seq(1)) && !hidden.holds(Seq(3)));
        assert_eq!(Hidden::new(hidden.places(), hidden.floor()), hidden);
        hidden.forget(Seq(100));
        assert!(!hidden.places().any(|place| place <= Seq(100)) && hidden.holds(Seq(102)));
    }
}
