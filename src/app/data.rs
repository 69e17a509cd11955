//! The data directory: who may use it, and the secrets in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
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
    /// Takes the directory for this use, making it when it is new. Waits while another gateway is leaving it.
    pub(super) async fn take(folder: &Path, purpose: Purpose) -> Result<Self, Exit> {
        make(folder)?;
        let data = Self::lock(folder).await?;
        data.settle(purpose)?;
        Ok(data)
    }

    /// Takes the directory for a moment, whatever it is for; not while a gateway uses it.
    pub(super) async fn take_idle(folder: &Path) -> Result<Self, Exit> {
        make(folder)?;
        Self::lock(folder).await
    }

    async fn lock(folder: &Path) -> Result<Self, Exit> {
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

    /// Keeps data for trying things out apart from data that matters.
    fn settle(&self, purpose: Purpose) -> Result<(), Exit> {
        let folder = self.folder.display();
        match (is_dev(&self.folder), purpose) {
            (true, Purpose::Dev) | (false, Purpose::Real | Purpose::AdoptDev) => Ok(()),
            (true, Purpose::Real) => Err(Exit::config(&format!(
                "{folder} holds data of 'serve --dev', whose tokens and keys anyone may have: use another --data, or \
                 --adopt-dev-data to keep the data and make new secrets"
            ))),
            (true, Purpose::AdoptDev) => self.adopt(),
            (false, Purpose::Dev) if self.is_used() => Err(Exit::config(&format!(
                "{folder} holds data of a gateway without --dev, which would be open to everyone: use another --data"
            ))),
            (false, Purpose::Dev) => {
                let written = open_private(&self.folder.join(DEV_MARK)).and_then(|mut mark| {
                    mark.write_all(b"made by 'madang serve --dev': its tokens and keys open no other gateway\n")?;
                    mark.sync_all()
                });
                written.map_err(|error| failure(&self.folder, &error))
            }
        }
    }

    /// Whether a gateway has had this directory before.
    fn is_used(&self) -> bool {
        [TOKEN_SECRET, API_KEY, "events.db"].iter().any(|name| self.folder.join(name).exists())
    }

    /// Drops everything secret, so that it is made anew, and then the mark.
    fn adopt(&self) -> Result<(), Exit> {
        for name in [TOKEN_SECRET, API_KEY, ADDRESS_KEY, DEV_MARK] {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failure(&self.folder, &error)),
                _ => {}
            }
        }
        info!(folder = %self.folder.display(), "adopted data of 'serve --dev': all secrets are new");
        Ok(())
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The secret in a file of the directory, made when there is none: `prefix` and 64 hexadecimal digits.
    pub(super) fn secret(&self, name: &str, prefix: &str) -> Result<Secret, Exit> {
        let file = self.folder.join(name);
        if let Some(secret) = read_secret(&file)? {
            return Ok(secret);
        }
        let secret = Secret::fresh().with_prefix(prefix);
        let written = open_private(&file).and_then(|mut handle| {
            handle.write_all(secret.reveal())?;
            handle.sync_all()
        });
        written.map_err(|error| failure(&file, &error))?;
        Ok(secret)
    }
}

/// What a data directory is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For trying things out.
    Dev,
    /// For a site.
    Real,
    /// For a site, even if it was for trying things out before.
    AdoptDev,
}

/// The file that marks data for trying things out.
const DEV_MARK: &str = "dev";

/// Whether this directory is for trying things out.
pub(super) fn is_dev(folder: &Path) -> bool {
    folder.join(DEV_MARK).exists()
}

/// The secret that tokens of a data directory are signed with.
pub(super) const TOKEN_SECRET: &str = "secret";

/// The key that opens its `/v1`.
pub(super) const API_KEY: &str = "api-key";

/// What makes addresses unreadable.
pub(super) const ADDRESS_KEY: &str = "address-key";

/// The secret in this file; `None` when there is no file.
pub(super) fn read_secret(file: &Path) -> Result<Option<Secret>, Exit> {
    let mut text = String::new();
    match File::open(file).and_then(|mut handle| handle.read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(file, &error)),
    }
    if fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
        let how = format!("{0}: others may read this secret; chmod 600 {0}", file.display());
        return Err(Exit::config(&how));
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
