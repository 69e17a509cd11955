//! The one thread that writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use crate::clock;
use crate::eventlog::tail::Followers;
use crate::eventlog::{LogError, Snapshot, codec, queue};
use crate::metrics::Metrics;
use crate::model::event::{Event, Logged};
use crate::model::id::{ChannelId, EventId, Seq};
use crate::model::time::Millis;

use super::reader::{from_sql, to_sql};
use super::{schema, store};

/// Most commands in one commit, so that no answer waits for more than a few milliseconds of work.
const LARGEST_BATCH: usize = 1_024;

/// How often a batch is tried.
const ATTEMPTS: u32 = 4;

/// Wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);

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
    /// Empties the write-ahead file, in which what was erased may still stand; whether that could be done now.
    Settle(Answer<bool>),
    /// Up to a place, and at most so many.
    Drop(ChannelId, Seq, usize, Answer<Dropped>),
}

/// What became of a chunk of events that were to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    /// Whether more are left to drop.
    pub(super) rest: bool,
    /// For how long it held the writer itself.
    pub(super) took: Duration,
    /// And for how long its commit did, with whatever else was in it.
    pub(super) commit: Duration,
}

/// The writer's connection and what it knows by heart.
pub(super) struct Writer {
    connection: Connection,
    channels: HashMap<ChannelId, Known>,
    followers: Arc<Followers>,
    metrics: Arc<Metrics>,
    /// Whether the disk had no room for the last batch.
    full: bool,
}

#[derive(Clone, Copy)]
struct Known {
    no: i64,
    last: Seq,
}

/// What became of one command of a batch, once the batch is on disk.
enum Done {
    /// Its place, and whether it was new.
    Appended(Seq, bool),
    Stored,
    Dropped(Dropped),
    Failed(LogError),
}

impl Writer {
    pub(super) fn new(connection: Connection, followers: Arc<Followers>, metrics: Arc<Metrics>) -> Self {
        Self { connection, channels: HashMap::new(), followers, metrics, full: false }
    }

    /// Commits batch after batch until every sender is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(LARGEST_BATCH);
        while queue::some_blocking(&mut queue, &mut batch, LARGEST_BATCH) {
            self.metrics.log_queue.dec_by(i64::try_from(batch.len()).unwrap_or_default());
            self.commit(std::mem::take(&mut batch));
        }
        // Nothing depends on the statistics; the next start reads them if they are there.
        let _ = self.connection.execute_batch("PRAGMA optimize");
        if !self.settle().unwrap_or(false) {
            info!("the log's write-ahead file is still read; the next start puts it in order");
        }
    }

    /// Commits a batch, trying again as a whole, so that a passing failure changes no order.
    fn commit(&mut self, batch: Vec<Command>) {
        let mut wait = FIRST_WAIT;
        let begun = clock::instant();
        for attempt in 0..ATTEMPTS {
            match self.attempt(&batch) {
                Ok(done) => {
                    self.metrics.log_commit_seconds.observe(begun.elapsed().as_secs_f64());
                    self.tell_room(true);
                    return self.finish(batch, done, attempt == 0, begun.elapsed());
                }
                // SQLite has undone everything. Only if no earlier attempt may have got through is that certain.
                Err(error) if attempt == 0 && is_full(&error) => {
                    self.channels.clear();
                    self.tell_room(false);
                    return refuse(batch, &LogError::NoRoom);
                }
                Err(error) => {
                    error!(%error, commands = batch.len(), attempt, "the log could not commit");
                    self.metrics.faults.inc();
                    // The next places are read from the file again.
                    self.channels.clear();
                    std::thread::sleep(wait);
                    wait *= 2;
                }
            }
        }
        // What a failed commit has left in the file, followers find there.
        self.followers.reset();
        refuse(batch, &LogError::Unknown);
    }

    /// Brings everything from the write-ahead file into the log's own, and empties it. Whether it did: a reader that is in
    /// the way is not waited for.
    fn settle(&self) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        self.connection.busy_timeout(schema::BUSY)?;
        Ok(!busy?)
    }

    /// Says once that the disk is full, and once that it no longer is.
    fn tell_room(&mut self, room: bool) {
        match (self.full, room) {
            (false, false) => {
                self.metrics.faults.inc();
                error!("the disk is full: nothing is accepted until there is room");
            }
            (true, true) => info!("the disk has room again"),
            _ => {}
        }
        self.full = !room;
    }

    /// One transaction for the whole batch. A command that fails alone fails alone; some errors (a full disk, for one)
    /// make SQLite roll everything back by itself, and nothing may be written after that.
    fn attempt(&mut self, batch: &[Command]) -> rusqlite::Result<Vec<Done>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut done = Vec::with_capacity(batch.len());
        for command in batch {
            let result = match command {
                Command::Append(append, _) => {
                    insert(&transaction, &mut self.channels, append).map(|(seq, fresh)| Done::Appended(seq, fresh))
                }
                Command::PutSnapshot(channel, snapshot, _) => {
                    put_snapshot(&transaction, &mut self.channels, channel, snapshot).map(|()| Done::Stored)
                }
                Command::Erase(channel, places, _) => erase(&transaction, channel, places).map(|()| Done::Stored),
                Command::Settle(_) => Ok(Done::Stored),
                Command::Drop(channel, upto, rows, _) => {
                    drop_some(&transaction, channel, *upto, *rows).map(Done::Dropped)
                }
            };
            match result {
                Ok(result) => done.push(result),
                Err(error) if transaction.is_autocommit() => return Err(error),
                Err(error) => done.push(Done::Failed(store(&error))),
            }
        }
        transaction.commit()?;
        Ok(done)
    }

    fn finish(&self, batch: Vec<Command>, done: Vec<Done>, first: bool, took: Duration) {
        self.metrics.log_commits.inc();
        if !first {
            // An attempt that seemed to fail may have been written: only the file knows what followers have to get.
            self.followers.reset();
        }
        for (command, done) in batch.into_iter().zip(done) {
            match (command, done) {
                (Command::Append(append, answer), Done::Appended(seq, fresh)) => {
                    if fresh {
                        self.metrics.log_events.inc();
                    }
                    if fresh && first {
                        self.followers.publish(&append.channel, &Logged { seq, event: append.event });
                    }
                    tell(answer, Ok(seq));
                }
                (Command::Append(_, answer), Done::Failed(error)) => tell(answer, Err(error)),
                (Command::PutSnapshot(_, _, answer) | Command::Erase(_, _, answer), done) => match done {
                    Done::Failed(error) => tell(answer, Err(error)),
                    _ => tell(answer, Ok(())),
                },
                (Command::Settle(answer), _) => tell(answer, self.settle().map_err(|error| store(&error))),
                (Command::Drop(_, _, _, answer), Done::Dropped(dropped)) => {
                    self.metrics.log_drop_seconds.observe(dropped.took.as_secs_f64());
                    tell(answer, Ok(Dropped { commit: took, ..dropped }));
                }
                (Command::Drop(_, _, _, answer), Done::Failed(error)) => tell(answer, Err(error)),
                (Command::Drop(_, _, _, answer), _) => tell(answer, Err(LogError::Unknown)),
                (Command::Append(_, answer), Done::Stored | Done::Dropped(_)) => tell(answer, Err(LogError::Unknown)),
            }
        }
    }
}

fn refuse(batch: Vec<Command>, why: &LogError) {
    for command in batch {
        match command {
            Command::Append(_, answer) => tell(answer, Err(why.clone())),
            Command::PutSnapshot(_, _, answer) | Command::Erase(_, _, answer) => tell(answer, Err(why.clone())),
            Command::Settle(answer) => tell(answer, Err(why.clone())),
            Command::Drop(_, _, _, answer) => tell(answer, Err(why.clone())),
        }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
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
    let mut find = connection.prepare_cached("SELECT at, payload FROM event WHERE channel = ?1 AND seq = ?2")?;
    let mut overwrite = connection.prepare_cached("UPDATE event SET payload = ?3 WHERE channel = ?1 AND seq = ?2")?;
    for place in places {
        let there = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
        if let Some((at, payload)) = find.query_row(params![no, to_sql(*place)], there).optional()? {
            // The payload's id is not part of it, so any will do.
            let there = codec::decode(EventId::derived("erased"), &payload);
            let erased = Event { at: Millis(at), body: there.body.erased(), ..there };
            overwrite.execute(params![no, to_sql(*place), codec::encode(&erased)])?;
        }
    }
    Ok(())
}

/// Drops the oldest events up to a place, at most `rows` of them; how far they are gone is noted with it.
fn drop_some(connection: &Connection, channel: &ChannelId, upto: Seq, rows: usize) -> rusqlite::Result<Dropped> {
    let begun = clock::instant();
    let dropped = |rest| Dropped { rest, took: begun.elapsed(), commit: Duration::ZERO };
    let no: Option<i64> = connection
        .prepare_cached("SELECT no FROM channel WHERE name = ?1")?
        .query_row(params![channel.as_str()], |row| row.get(0))
        .optional()?;
    let Some(no) = no else { return Ok(dropped(false)) };
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT max(seq) FROM (SELECT seq FROM event WHERE channel = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)",
        )?
        .query_row(params![no, to_sql(upto), rows], |row| row.get(0))?;
    let Some(last) = last else { return Ok(dropped(false)) };
    let deleted =
        connection.prepare_cached("DELETE FROM event WHERE channel = ?1 AND seq <= ?2")?.execute(params![no, last])?;
    connection.prepare_cached("UPDATE channel SET gone = max(gone, ?2) WHERE no = ?1")?.execute(params![no, last])?;
    Ok(dropped(deleted as i64 == rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::sqlite::schema;
    use crate::model::event::Body;
    use crate::model::id::Cid;

    fn append(turn: usize) -> (Command, oneshot::Receiver<Result<Seq, LogError>>) {
        let title = format!("{turn:05}{}", "x".repeat(2_000));
        let event = Event::new(Millis(1), Body::Opened { cid: Cid::parse("demo").unwrap(), title });
        let (answer, answered) = oneshot::channel();
        let payload = codec::encode(&event);
        let channel = ChannelId::parse("one").unwrap();
        (Command::Append(Append { channel, event: Arc::new(event), payload }, answer), answered)
    }

    fn places(connection: &Connection) -> Vec<i64> {
        let mut select = connection.prepare("SELECT seq FROM event ORDER BY seq").unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn a_disk_that_fills_in_the_middle_of_a_batch_leaves_none_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.db");
        let mut connection = schema::open(&file).unwrap();
        schema::migrate(&mut connection, &file, &schema::MIGRATIONS).unwrap();
        let metrics = Arc::new(Metrics::default());
        let mut writer = Writer::new(connection, Followers::new(metrics.clone()), metrics);
        let limit = |writer: &Writer, pages: i64| {
            writer.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };

        let (first, mut answered) = append(0);
        writer.commit(vec![first]);
        assert_eq!(answered.try_recv().unwrap(), Ok(Seq(1)));

        limit(&writer, 40);
        let (batch, answers): (Vec<_>, Vec<_>) = (1..=200).map(append).unzip();
        writer.commit(batch);
        for mut answer in answers {
            assert_eq!(answer.try_recv().unwrap(), Err(LogError::NoRoom));
        }
        assert_eq!(places(&writer.connection), [1], "all of a batch or nothing");

        limit(&writer, 1_000_000);
        let (batch, answers): (Vec<_>, Vec<_>) = (201..=400).map(append).unzip();
        writer.commit(batch);
        for (turn, mut answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.try_recv().unwrap(), Ok(Seq(turn as u64 + 2)));
        }
        assert_eq!(places(&writer.connection).len(), 201);
    }
}
