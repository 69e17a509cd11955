//! Questions in the orders in which they are listed: nobody who asks for a list has the others searched.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::iter::Peekable;
use std::ops::Bound;

use crate::model::id::{Cid, Seq};
use crate::model::question::{QuestionOrder, QuestionQuery, QuestionStatus};

/// Where a question stands in a list: most votes first, which are the same for all in a list by age; then the oldest first.
pub(super) type Rank = (Reverse<u64>, Seq);

/// Questions of each broadcast and status, without those for their authors alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shelves(HashMap<(Cid, QuestionStatus), Shelf>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shelf {
    by_votes: BTreeSet<Rank>,
    by_age: BTreeSet<Rank>,
}

/// The same place in a list by age.
fn by_age((_, place): Rank) -> Rank {
    (Reverse(0), place)
}

/// Where a question is in a list of this order.
pub(super) fn rank_in(order: QuestionOrder, rank: Rank) -> Rank {
    match order {
        QuestionOrder::Age => by_age(rank),
        QuestionOrder::Votes => rank,
    }
}

/// Behind which place a page begins.
pub(super) fn begin(query: &QuestionQuery) -> Bound<Rank> {
    query
        .after
        .map_or(Bound::Unbounded, |(votes, place)| Bound::Excluded(rank_in(query.order, (Reverse(votes), place))))
}

impl Shelves {
    pub(super) fn put(&mut self, cid: &Cid, status: QuestionStatus, rank: Rank) {
        let shelf = self.0.entry((cid.clone(), status)).or_default();
        shelf.by_votes.insert(rank);
        shelf.by_age.insert(by_age(rank));
    }

    pub(super) fn take(&mut self, cid: &Cid, status: QuestionStatus, rank: Rank) {
        let key = (cid.clone(), status);
        let Some(shelf) = self.0.get_mut(&key) else { return };
        shelf.by_votes.remove(&rank);
        shelf.by_age.remove(&by_age(rank));
        if shelf.by_votes.is_empty() {
            self.0.remove(&key);
        }
    }

    /// How many wait for an answer in a broadcast.
    pub(super) fn open(&self, cid: &Cid) -> usize {
        let open = QuestionStatus::ALL.into_iter().filter(|status| status.is_open());
        open.filter_map(|status| self.0.get(&(cid.clone(), status))).map(|shelf| shelf.by_votes.len()).sum()
    }

    /// The places of those that are asked for, and of `more` that are in order, in the order that is asked for.
    pub(super) fn list<'a>(&'a self, query: &QuestionQuery, more: Vec<Rank>) -> impl Iterator<Item = Seq> + 'a {
        let shelves: Vec<&Shelf> = match &query.cid {
            Some(cid) => query.statuses.iter().filter_map(|status| self.0.get(&(cid.clone(), *status))).collect(),
            None => {
                let of_any = self.0.iter().filter(|((_, status), _)| query.statuses.contains(status));
                of_any.map(|(_, shelf)| shelf).collect()
            }
        };
        let (begin, order) = (begin(query), query.order);
        let ranks = shelves.into_iter().map(move |shelf| {
            let sorted = if order == QuestionOrder::Votes { &shelf.by_votes } else { &shelf.by_age };
            Box::new(sorted.range((begin, Bound::Unbounded)).copied()) as Box<dyn Iterator<Item = Rank> + 'a>
        });
        let more: Box<dyn Iterator<Item = Rank> + 'a> = Box::new(more.into_iter());
        merged(ranks.chain([more]).map(Iterator::peekable).collect())
    }
}

/// What several lists have, each in order, in one order.
fn merged<I: Iterator<Item = Rank>>(mut lists: Vec<Peekable<I>>) -> impl Iterator<Item = Seq> {
    std::iter::from_fn(move || {
        let next = |list: &mut Peekable<I>| list.peek().copied();
        let first = lists.iter_mut().enumerate().filter_map(|(index, list)| Some((next(list)?, index))).min();
        let ((_, place), index) = first?;
        lists[index].next();
        Some(place)
    })
}
