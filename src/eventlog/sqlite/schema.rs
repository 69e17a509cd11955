//! The file's form and how it came to be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};
use uuid::Uuid;

use crate::model::id::Epoch;

use super::copies;

/// Every version of the form, oldest first. Released ones are never changed.
///
/// Events are clustered by channel and place: a fold reads neighbours, and what retention drops lies together at the
/// front of each channel (`docs/adr/0003-retention-by-chunked-deletes.md`). `gone` is the place up to which it dropped.
pub(super) const STEPS: &[M<'_>] = &[M::up(
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
     CREATE TABLE channel (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, gone INTEGER NOT NULL DEFAULT 0);
     CREATE TABLE event (
         channel INTEGER NOT NULL REFERENCES channel(no),
         seq INTEGER NOT NULL,
         id BLOB NOT NULL UNIQUE,
         at INTEGER NOT NULL,
         payload BLOB NOT NULL,
         PRIMARY KEY (channel, seq)
     ) WITHOUT ROWID;
     CREATE TABLE snapshot (
         channel INTEGER PRIMARY KEY REFERENCES channel(no),
         seq INTEGER NOT NULL,
         version INTEGER NOT NULL,
         bytes BLOB NOT NULL
     );",
)];

pub(super) const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// How long a connection waits for another one.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// A connection with the settings that every connection needs.
pub(super) fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // 64 MiB: a checkpoint that could not truncate the WAL gives the disk back at the next one.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is erased or dropped is overwritten in the file, not only unlinked.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Brings the file to the newest form; a file that has an older one is copied aside first.
pub(super) fn migrate(connection: &mut Connection, file: &Path, to: &Migrations<'_>) -> Result<(), String> {
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| error.to_string())?;
    let pending = to.pending_migrations(connection).map_err(|error| error.to_string())?;
    if version > 0 && pending > 0 {
        copy_aside(connection, &aside(file, version))?;
    }
    to.to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::MigrationDefinition(
            rusqlite_migration::MigrationDefinitionError::DatabaseTooFarAhead,
        ) => format!("{} was written by a newer madang: upgrade this one", file.display()),
        other => other.to_string(),
    })
}

/// Copies the log as it is before a migration; a copy that is there is kept.
fn copy_aside(connection: &Connection, to: &Path) -> Result<(), String> {
    if to.exists() {
        return Ok(());
    }
    copies::copy(connection, to).map_err(|error| format!("can't copy the log aside to {}: {error}", to.display()))
}

fn aside(file: &Path, version: i64) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".before-v{}", version + 1));
    name.into()
}

/// The log's life, begun when the file was made.
pub(super) fn epoch(connection: &Connection) -> rusqlite::Result<Epoch> {
    if let Some(epoch) = epoch_of(connection).optional()? {
        return Ok(epoch);
    }
    let epoch = Epoch::fresh();
    connection.execute("INSERT INTO meta (key, value) VALUES ('epoch', ?1)", params![epoch.0.as_bytes()])?;
    Ok(epoch)
}

/// The life of a log that is there.
pub(super) fn epoch_of(connection: &Connection) -> rusqlite::Result<Epoch> {
    let bytes = connection.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get::<_, [u8; 16]>(0));
    bytes.map(|bytes| Epoch(Uuid::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_sound() {
        MIGRATIONS.validate().unwrap();
    }

    #[test]
    fn an_older_file_is_copied_aside_before_it_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.db");
        let mut connection = open(&file).unwrap();
        migrate(&mut connection, &file, &MIGRATIONS).unwrap();
        let kept = epoch(&connection).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().filter(|f| is_copy(f.as_ref().unwrap())).count(), 0);

        // A copy that an earlier start did not finish is in nobody's way.
        std::fs::write(copies::unfinished(&folder.path().join("events.db.before-v2")), "half a copy").unwrap();
        let mut longer = STEPS.to_vec();
        longer.push(M::up("ALTER TABLE meta ADD COLUMN note TEXT"));
        migrate(&mut connection, &file, &Migrations::new(longer)).unwrap();
        assert!(connection.prepare("SELECT note FROM meta").is_ok());

        let copy = Connection::open(folder.path().join("events.db.before-v2")).unwrap();
        assert_eq!(epoch(&copy).unwrap(), kept);
        assert!(copy.prepare("SELECT note FROM meta").is_err());
    }

    fn is_copy(entry: &std::fs::DirEntry) -> bool {
        entry.file_name().to_string_lossy().contains("before")
    }

    #[test]
    fn a_newer_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events.db");
        let mut connection = open(&file).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(migrate(&mut connection, &file, &MIGRATIONS).unwrap_err().contains("newer"));
    }
}
