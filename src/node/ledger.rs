//! Why somebody was disconnected: the last connections that ended.

use std::collections::VecDeque;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::model::id::{AddressHash, Cid, UserId};
use crate::model::time::Millis;

use super::Node;

/// Connections that are remembered, about 200 bytes each.
const MOST: usize = 10_000;

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The gateway.
    Gateway,
    /// The client, with a Close.
    Client,
    /// Nobody: the connection was lost.
    Nobody,
}

/// A connection that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Its identity, which CONNECT's answer told the client.
    pub connection: Uuid,
    /// When it was opened.
    pub opened: Millis,
    /// When it ended.
    pub ended: Millis,
    /// The close code; 1005 when the client gave none, 1006 when there was no Close at all.
    pub code: u16,
    /// The reason that went with it.
    pub reason: &'static str,
    /// Who ended it.
    pub by: EndedBy,
    /// The broadcast it had joined.
    pub cid: Option<Cid>,
    /// Whose it was, as far as a token said so.
    pub uid: Option<UserId>,
    /// Where it came from.
    pub address: Option<AddressHash>,
}

/// Which farewells are asked for: those that fit all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FarewellQuery {
    /// Of this connection.
    pub connection: Option<Uuid>,
    /// Of this user.
    pub uid: Option<UserId>,
    /// Of this broadcast.
    pub cid: Option<Cid>,
    /// Older than the one with this number.
    pub before: Option<u64>,
}

impl FarewellQuery {
    fn fits(&self, farewell: &Farewell) -> bool {
        self.connection.is_none_or(|connection| connection == farewell.connection)
            && (self.uid.is_none() || self.uid == farewell.uid)
            && (self.cid.is_none() || self.cid == farewell.cid)
    }
}

/// The last connections that ended, numbered from 1.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Lines>);

#[derive(Default)]
struct Lines {
    kept: VecDeque<Farewell>,
    /// The number of the newest.
    last: u64,
}

impl Node {
    /// Takes note of a connection that ended.
    pub fn remember_farewell(&self, farewell: Farewell) {
        let mut lines = self.ledger.0.lock();
        if lines.kept.len() == MOST {
            lines.kept.pop_front();
        }
        lines.kept.push_back(farewell);
        lines.last += 1;
    }

    /// Up to `limit` of the last ten thousand connections that ended, with their numbers, newest first.
    pub fn farewells(&self, query: &FarewellQuery, limit: usize) -> Vec<(u64, Farewell)> {
        let lines = self.ledger.0.lock();
        let numbered = lines.kept.iter().rev().zip(0..).map(|(farewell, back)| (lines.last - back, farewell));
        let older = numbered.filter(|(number, _)| query.before.is_none_or(|before| *number < before));
        let fitting = older.filter(|(_, farewell)| query.fits(farewell)).take(limit);
        fitting.map(|(number, farewell)| (number, farewell.clone())).collect()
    }
}
