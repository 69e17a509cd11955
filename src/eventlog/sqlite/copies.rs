//! Copies of the log: one to keep elsewhere, taken while it is in use, and one to go on from.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use crate::model::id::Epoch;

use super::schema;

/// Where a copy is written until it is whole.
pub fn unfinished(to: &Path) -> PathBuf {
    beside(to, ".unfinished")
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes a whole copy of the log at `file` to `to`, as it is at one moment; whoever uses the log goes on. `to` must not
/// be there; it is readable for its owner only. How many events are in it.
pub fn backup(file: &Path, to: &Path) -> Result<u64, String> {
    if !file.exists() {
        return Err(format!("{}: there is no log", file.display()));
    }
    if to.exists() {
        return Err(format!("{} is there already: choose another name", to.display()));
    }
    let copied = || -> Result<u64, Failure> {
        let log = schema::open(file)?;
        copy(&log, to)?;
        Ok(events(&read_only(to)?)?)
    };
    copied().map_err(|error| format!("can't copy {} to {}: {error}", file.display(), to.display()))
}

/// Makes the log at `file` from a copy, in a new epoch: places that clients remember may mean other lines now. `file` must
/// not be there, and nobody may be about to make it. How many events are in it.
pub fn restore(from: &Path, file: &Path) -> Result<u64, String> {
    // A write-ahead file or journal of another log would be taken for this one's.
    for there in [file.to_owned(), beside(file, "-wal"), beside(file, "-shm"), beside(file, "-journal")] {
        if there.exists() {
            return Err(format!("{} is there already: move it away first", there.display()));
        }
    }
    let copy = read_only(from).map_err(|error| format!("{}: {error}", from.display()))?;
    let version: i64 = copy
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| format!("{} is no copy of a log: {error}", from.display()))?;
    if version < 1 || schema::epoch_of(&copy).is_err() {
        return Err(format!("{} is no copy of a log", from.display()));
    }
    let restored = whole(file, |unfinished| {
        copy.execute("VACUUM INTO ?1", params![unfinished.to_string_lossy()])?;
        let log = Connection::open(unfinished)?;
        let sound: String = log.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if sound != "ok" {
            return Err(format!("the copy is damaged: {sound}").into());
        }
        log.execute("UPDATE meta SET value = ?1 WHERE key = 'epoch'", params![Epoch::fresh().0.as_bytes()])?;
        let events = events(&log)?;
        log.close().map_err(|(_, error)| error)?;
        Ok(events)
    });
    restored.map_err(|error| format!("can't make {} from {}: {error}", file.display(), from.display()))
}

/// Copies the log whole, or not at all.
pub(super) fn copy(log: &Connection, to: &Path) -> Result<(), Failure> {
    whole(to, |unfinished| {
        log.execute("VACUUM INTO ?1", params![unfinished.to_string_lossy()])?;
        Ok(())
    })
}

type Failure = Box<dyn std::error::Error>;

/// Makes a file that is there whole or not at all: `write` fills an empty one beside it that only its owner may read
/// (SQLite takes such a one to copy into). A file of that name that somebody else has made meanwhile stays.
fn whole<T>(file: &Path, write: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<T, Failure> {
    let unfinished = unfinished(file);
    // What an earlier one has left that was cut off is written over; one that is being written is locked.
    let handle = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&unfinished)?;
    handle.try_lock().map_err(|_| format!("{} is being written by another program", unfinished.display()))?;
    handle.set_permissions(Permissions::from_mode(0o600))?;
    handle.set_len(0)?;
    let made = write(&unfinished).and_then(|made| {
        handle.sync_all()?;
        publish(&unfinished, file)?;
        Ok(made)
    });
    // It has its own name now, or is of no use.
    let _ = remove(&unfinished);
    let made = made?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Not every file system syncs folders; the copy itself is on the disk.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(made)
}

/// Gives a file its name, unless another one has it.
fn publish(unfinished: &Path, file: &Path) -> std::io::Result<()> {
    match fs::hard_link(unfinished, file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // A file system without hard links.
        Err(_) if !file.exists() => fs::rename(unfinished, file),
        linked => linked,
    }
}

fn remove(file: &Path) -> std::io::Result<()> {
    if file.exists() { fs::remove_file(file) } else { Ok(()) }
}

fn read_only(file: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn events(log: &Connection) -> rusqlite::Result<u64> {
    let count: i64 = log.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}
