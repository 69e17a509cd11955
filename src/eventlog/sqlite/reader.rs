//! Reads, beside the writer and never in its way.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::eventlog::{LogError, Page, Pending, Snapshot, codec};
use crate::model::event::Logged;
use crate::model::id::{ChannelId, EventId, Seq};
use crate::model::time::Millis;

use super::{schema, store};

/// Idle connections that are kept; reads beyond them open one of their own for a moment.
const KEPT: usize = 4;

/// Connections for reading.
pub(super) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, idle: Mutex::default() }
    }

    /// Closes connections that nobody reads with.
    pub(super) fn close(&self) {
        self.idle.lock().clear();
    }

    pub(super) fn page(self: &Arc<Self>, channel: &ChannelId, after: Seq, limit: usize) -> Pending<Page> {
        let channel = channel.clone();
        self.read(move |connection| page(connection, &channel, after, limit))
    }

    pub(super) fn snapshot(self: &Arc<Self>, channel: &ChannelId) -> Pending<Option<Snapshot>> {
        let channel = channel.clone();
        self.read(move |connection| snapshot(connection, &channel))
    }

    pub(super) fn channels(self: &Arc<Self>, after: Option<&ChannelId>, limit: usize) -> Pending<Vec<ChannelId>> {
        let after = after.map_or_else(String::new, ToString::to_string);
        self.read(move |connection| {
            let mut select = connection
                .prepare_cached("SELECT name FROM channel WHERE name > ?1 AND name != ?2 ORDER BY name LIMIT ?3")?;
            let directory = ChannelId::directory();
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let names = select.query_map(params![after, directory.as_str(), limit], |row| row.get::<_, String>(0))?;
            names.map(|name| Ok(ChannelId::stored(&name?))).collect()
        })
    }

    pub(super) fn aged(self: &Arc<Self>, channel: &ChannelId, time: Millis) -> Pending<Option<Seq>> {
        let channel = channel.clone();
        self.read(move |connection| aged(connection, &channel, time))
    }

    fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Pending<T> {
        let readers = self.clone();
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || {
                let idle = readers.idle.lock().pop();
                let mut connection = match idle {
                    Some(connection) => connection,
                    None => schema::open(&readers.file)?,
                };
                let result = query(&mut connection);
                let mut idle = readers.idle.lock();
                if idle.len() < KEPT {
                    idle.push(connection);
                }
                result
            });
            match done.await {
                Ok(result) => result.map_err(|error| store(&error)),
                Err(_) => Err(LogError::Closed),
            }
        })
    }
}

fn page(connection: &mut Connection, channel: &ChannelId, after: Seq, limit: usize) -> rusqlite::Result<Page> {
    // One transaction, so that `gone` and the events are of the same moment.
    let reading = connection.transaction()?;
    let found: Option<(i64, i64)> = reading
        .prepare_cached("SELECT no, gone FROM channel WHERE name = ?1")?
        .query_row(params![channel.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((no, gone)) = found else { return Ok(Page::default()) };
    let mut select = reading
        .prepare_cached("SELECT seq, id, payload FROM event WHERE channel = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?;
    let events = select
        .query_map(params![no, to_sql(after), i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            let id = EventId(Uuid::from_bytes(row.get(1)?));
            let event = codec::decode(id, row.get_ref(2)?.as_blob()?);
            Ok(Logged { seq: from_sql(row.get(0)?), event: Arc::new(event) })
        })?
        .collect::<rusqlite::Result<Vec<Logged>>>()?;
    Ok(Page { events, gone: from_sql(gone) })
}

/// The events of a channel are found by place only, so their times are searched by halves.
fn aged(connection: &mut Connection, channel: &ChannelId, time: Millis) -> rusqlite::Result<Option<Seq>> {
    let reading = connection.transaction()?;
    let found: Option<(i64, Option<i64>, Option<i64>)> = reading
        .prepare_cached(
            "SELECT no, (SELECT min(seq) FROM event WHERE channel = no), (SELECT max(seq) FROM event WHERE channel = no)
             FROM channel WHERE name = ?1",
        )?
        .query_row(params![channel.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((no, Some(first), Some(last))) = found else { return Ok(None) };
    // The event at a place, or the next one before it: places may skip.
    let mut upto = reading
        .prepare_cached("SELECT seq, at FROM event WHERE channel = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1")?;
    let (mut aged, mut low, mut high) = (None, first, last);
    while low <= high {
        let middle = low + (high - low) / 2;
        let (seq, at): (i64, i64) = upto.query_row(params![no, middle], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if at < time.0 {
            (aged, low) = (Some(from_sql(seq)), middle + 1);
        } else {
            high = seq - 1;
        }
    }
    Ok(aged)
}

fn snapshot(connection: &mut Connection, channel: &ChannelId) -> rusqlite::Result<Option<Snapshot>> {
    connection
        .prepare_cached(
            "SELECT seq, version, bytes FROM snapshot JOIN channel ON snapshot.channel = channel.no WHERE name = ?1",
        )?
        .query_row(params![channel.as_str()], |row| {
            let bytes: Vec<u8> = row.get(2)?;
            Ok(Snapshot { seq: from_sql(row.get(0)?), version: row.get(1)?, bytes: Bytes::from(bytes) })
        })
        .optional()
}

/// Places stay far below 2^63.
pub(super) fn to_sql(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(super) fn from_sql(seq: i64) -> Seq {
    Seq(u64::try_from(seq).unwrap_or_default())
}
