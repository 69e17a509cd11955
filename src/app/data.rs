//! The data directory: who may use it, and the secrets in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::info;

use crate::auth::Secret;
use crate::clock;

use super::Exit;

/// How long a starting gateway waits for the one before it to leave the directory.
const HANDOVER: Duration = Duration::from_secs(30);

/// A data directory that nobody else uses as long as this lives.
#[derive(Debug)]
pub(super) struct Data {
    folder: PathBuf,
    _lock: File,
}

impl Data {
    /// Takes the directory, making it when it is new. Waits while another gateway is leaving it.
    pub(super) async fn take(folder: &Path) -> Result<Self, Exit> {
        make(folder)?;
        let lock = open_private(&folder.join("lock")).map_err(|error| failure(folder, &error))?;
        let deadline = clock::instant() + HANDOVER;
        let mut told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder: folder.to_owned(), _lock: lock }),
                Err(TryLockError::WouldBlock) if clock::instant() < deadline => {
                    if !told {
                        info!(folder = %folder.display(), "waiting for another gateway to leave the data directory");
                        told = true;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let why = format!("{} is in use by another gateway: stop it, or use --data", folder.display());
                    return Err(Exit::unavailable(&why));
                }
                Err(TryLockError::Error(error)) => return Err(failure(folder, &error)),
            }
        }
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The secret in a file of the directory, made when there is none.
    pub(super) fn secret(&self, name: &str) -> Result<Secret, Exit> {
        let file = self.folder.join(name);
        if let Some(secret) = read_secret(&file)? {
            return Ok(secret);
        }
        let secret = Secret::fresh();
        let written = open_private(&file).and_then(|mut handle| {
            handle.write_all(secret.reveal())?;
            handle.sync_all()
        });
        written.map_err(|error| failure(&file, &error))?;
        Ok(secret)
    }
}

/// The secret that tokens of a data directory are signed with.
pub(super) const TOKEN_SECRET: &str = "secret";

/// The key that opens its `/v1`.
pub(super) const API_KEY: &str = "api-key";

/// The secret in this file; `None` when there is no file.
pub(super) fn read_secret(file: &Path) -> Result<Option<Secret>, Exit> {
    let mut text = String::new();
    match File::open(file).and_then(|mut handle| handle.read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(file, &error)),
    }
    let short = format!("{} holds no secret of at least {} bytes", file.display(), Secret::SHORTEST);
    Secret::new(text.trim()).map(Some).ok_or_else(|| Exit::config(&short))
}

fn make(folder: &Path) -> Result<(), Exit> {
    if fs::metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failure(folder, &error))
}

fn open_private(file: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file)
}

fn failure(path: &Path, error: &std::io::Error) -> Exit {
    Exit::io(&format!("{}: {error}", path.display()))
}
