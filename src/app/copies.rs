//! `madang backup` and `madang restore`: the log, copied while the gateway runs, and brought back.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use crate::eventlog::sqlite::{self, copies};

use super::Exit;
use super::data::Data;

/// How often a long copy says how far it is.
const TELL: Duration = Duration::from_secs(1);

/// Copies the log of a data directory, which may be in use, to a file.
pub async fn backup(data: &Path, to: &Path) -> Result<(), Exit> {
    let (log, copy) = (sqlite::file_in(data), to.to_owned());
    let whole = size(&log);
    let copying = {
        let (log, copy) = (log.clone(), copy.clone());
        tokio::task::spawn_blocking(move || copies::backup(&log, &copy))
    };
    let events = watched(copying, &copies::unfinished(to), whole).await?;
    println!("{}: {events} events, {} bytes", copy.display(), size(&copy));
    Ok(())
}

/// Makes the log of a data directory from a copy.
pub async fn restore(from: &Path, data: &Path) -> Result<(), Exit> {
    // Held until the log is there: a gateway that starts meanwhile waits.
    let _data = Data::take_idle(data).await?;
    let (copy, log) = (from.to_owned(), sqlite::file_in(data));
    let (whole, unfinished) = (size(from), copies::unfinished(&log));
    let restoring = {
        let log = log.clone();
        tokio::task::spawn_blocking(move || copies::restore(&copy, &log))
    };
    let events = watched(restoring, &unfinished, whole).await?;
    println!("{}: {events} events, in a new epoch: clients that come back begin anew", log.display());
    Ok(())
}

/// Waits for a copy; at a terminal it is told how far it is.
async fn watched(
    mut copying: tokio::task::JoinHandle<Result<u64, String>>,
    file: &Path,
    whole: u64,
) -> Result<u64, Exit> {
    let terminal = std::io::stderr().is_terminal();
    loop {
        tokio::select! {
            copied = &mut copying => {
                if terminal {
                    eprint!("\r\x1b[K");
                }
                return copied.map_err(|error| Exit::io(&error.to_string()))?.map_err(|error| Exit::io(&error));
            }
            () = tokio::time::sleep(TELL) => {
                if terminal && whole > 0 {
                    eprint!("\rcopying: {} %", (size(file) * 100 / whole).min(99));
                }
            }
        }
    }
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |found| found.len())
}
