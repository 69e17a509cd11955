//! The one thread that writes.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::eventlog::tail::Followers;
use crate::eventlog::{LogError, Snapshot, codec};
use crate::metrics::Metrics;
use crate::model::event::{Body, Event, Logged};
use crate::model::id::{ChannelId, EventId, Seq};
use crate::model::time::Millis;

use super::reader::{from_sql, to_sql};
use super::store;

/// Most commands in one commit, so that no answer waits for more than a few milliseconds of work.
const LARGEST_BATCH: usize = 1_024;

/// Channels whose last place is known by heart, about 150 bytes each; one more and all are looked up again.
const MOST_KNOWN: usize = 50_000;

/// An event to append.
pub(super) struct Append {
    pub(super) channel: ChannelId,
    pub(super) event: Arc<Event>,
    pub(super) payload: Vec<u8>,
}

type Answer<T> = oneshot::Sender<Result<T, LogError>>;

/// What the writer does.
pub(super) enum Command {
    Append(Append, Answer<Seq>),
    PutSnapshot(ChannelId, Snapshot, Answer<()>),
    Erase(ChannelId, Vec<Seq>, Answer<()>),
}

/// The writer's connection and what it knows by heart.
pub(super) struct Writer {
    connection: Connection,
    channels: HashMap<ChannelId, Known>,
    followers: Arc<Followers>,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Copy)]
struct Known {
    no: i64,
    last: Seq,
}

/// What is answered once the batch is on disk.
enum Done {
    Appended { channel: ChannelId, logged: Logged, fresh: bool, answer: Answer<Seq> },
    Other(Answer<()>),
}

impl Writer {
    pub(super) fn new(connection: Connection, followers: Arc<Followers>, metrics: Arc<Metrics>) -> Self {
        Self { connection, channels: HashMap::new(), followers, metrics }
    }

    /// Commits batch after batch until every sender is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(LARGEST_BATCH);
        while queue.blocking_recv_many(&mut batch, LARGEST_BATCH) > 0 {
            self.metrics.log_queue.dec_by(i64::try_from(batch.len()).unwrap_or_default());
            self.commit(batch.drain(..));
        }
        // Nothing depends on the statistics; the next start reads them if they are there.
        let _ = self.connection.execute_batch("PRAGMA optimize");
    }

    fn commit(&mut self, batch: impl Iterator<Item = Command>) {
        let transaction = match self.connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => return refuse_all(batch, &store(&error)),
        };
        let mut done = Vec::new();
        for command in batch {
            match command {
                Command::Append(append, answer) => match insert(&transaction, &mut self.channels, &append) {
                    Ok((seq, fresh)) => {
                        let logged = Logged { seq, event: append.event };
                        done.push(Done::Appended { channel: append.channel, logged, fresh, answer });
                    }
                    Err(error) => {
                        self.channels.remove(&append.channel);
                        tell(answer, Err(store(&error)));
                    }
                },
                Command::PutSnapshot(channel, snapshot, answer) => {
                    match put_snapshot(&transaction, &mut self.channels, &channel, &snapshot) {
                        Ok(()) => done.push(Done::Other(answer)),
                        Err(error) => tell(answer, Err(store(&error))),
                    }
                }
                Command::Erase(channel, places, answer) => match erase(&transaction, &channel, &places) {
                    Ok(()) => done.push(Done::Other(answer)),
                    Err(error) => tell(answer, Err(store(&error))),
                },
            }
        }
        match transaction.commit() {
            Ok(()) => self.finish(done),
            Err(error) => {
                error!(%error, events = done.len(), "the log could not commit");
                self.metrics.faults.inc();
                // The next places are read from the file again: these may or may not be in it.
                self.channels.clear();
                for done in done {
                    match done {
                        Done::Appended { answer, .. } => tell(answer, Err(LogError::Unknown)),
                        Done::Other(answer) => tell(answer, Err(LogError::Unknown)),
                    }
                }
            }
        }
    }

    fn finish(&self, done: Vec<Done>) {
        self.metrics.log_commits.inc();
        for done in done {
            match done {
                Done::Appended { channel, logged, fresh, answer } => {
                    if fresh {
                        self.metrics.log_events.inc();
                        self.followers.publish(&channel, &logged);
                    }
                    tell(answer, Ok(logged.seq));
                }
                Done::Other(answer) => tell(answer, Ok(())),
            }
        }
    }
}

fn refuse_all(batch: impl Iterator<Item = Command>, reason: &LogError) {
    error!(error = %reason, "the log could not begin a transaction");
    for command in batch {
        match command {
            Command::Append(_, answer) => tell(answer, Err(reason.clone())),
            Command::PutSnapshot(_, _, answer) | Command::Erase(_, _, answer) => tell(answer, Err(reason.clone())),
        }
    }
}

/// Answers; whoever asked may have gone, and then nobody needs to know.
fn tell<T>(answer: Answer<T>, result: Result<T, LogError>) {
    let _ = answer.send(result);
}

/// Inserts the event, or finds the place it already has.
fn insert(
    connection: &Connection,
    channels: &mut HashMap<ChannelId, Known>,
    append: &Append,
) -> rusqlite::Result<(Seq, bool)> {
    let known = known(connection, channels, &append.channel)?;
    let seq = Seq(known.last.0 + 1);
    let id = append.event.id.0.as_bytes();
    let inserted = connection
        .prepare_cached(
            "INSERT INTO event (channel, seq, id, at, payload) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![known.no, to_sql(seq), id, append.event.at.0, append.payload])?;
    if inserted == 1 {
        known.last = seq;
        return Ok((seq, true));
    }
    let first =
        connection.prepare_cached("SELECT seq FROM event WHERE id = ?1")?.query_row(params![id], |row| row.get(0))?;
    Ok((from_sql(first), false))
}

/// The channel's number and last place, made when it is new.
fn known<'a>(
    connection: &Connection,
    channels: &'a mut HashMap<ChannelId, Known>,
    channel: &ChannelId,
) -> rusqlite::Result<&'a mut Known> {
    if !channels.contains_key(channel) {
        if channels.len() >= MOST_KNOWN {
            channels.clear();
        }
        connection
            .prepare_cached("INSERT INTO channel (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
            .execute(params![channel.as_str()])?;
        let (no, last): (i64, i64) = connection
            .prepare_cached(
                "SELECT no, max(gone, coalesce((SELECT max(seq) FROM event WHERE channel = no), 0))
                 FROM channel WHERE name = ?1",
            )?
            .query_row(params![channel.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        channels.insert(channel.clone(), Known { no, last: from_sql(last) });
    }
    channels.get_mut(channel).ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn put_snapshot(
    connection: &Connection,
    channels: &mut HashMap<ChannelId, Known>,
    channel: &ChannelId,
    snapshot: &Snapshot,
) -> rusqlite::Result<()> {
    let no = known(connection, channels, channel)?.no;
    connection
        .prepare_cached(
            "INSERT INTO snapshot (channel, seq, version, bytes) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (channel) DO UPDATE SET seq = excluded.seq, version = excluded.version, bytes = excluded.bytes
             WHERE excluded.seq >= snapshot.seq",
        )?
        .execute(params![no, to_sql(snapshot.seq), snapshot.version, &snapshot.bytes[..]])?;
    Ok(())
}

fn erase(connection: &Connection, channel: &ChannelId, places: &[Seq]) -> rusqlite::Result<()> {
    let no: Option<i64> = connection
        .prepare_cached("SELECT no FROM channel WHERE name = ?1")?
        .query_row(params![channel.as_str()], |row| row.get(0))
        .optional()?;
    let Some(no) = no else { return Ok(()) };
    let mut find = connection.prepare_cached("SELECT at FROM event WHERE channel = ?1 AND seq = ?2")?;
    let mut overwrite = connection.prepare_cached("UPDATE event SET payload = ?3 WHERE channel = ?1 AND seq = ?2")?;
    for place in places {
        let at: Option<i64> = find.query_row(params![no, to_sql(*place)], |row| row.get(0)).optional()?;
        if let Some(at) = at {
            // The payload's id is not part of it, so any will do.
            let erased = Event { id: EventId::derived("erased"), at: Millis(at), body: Body::Erased };
            overwrite.execute(params![no, to_sql(*place), codec::encode(&erased)])?;
        }
    }
    Ok(())
}
