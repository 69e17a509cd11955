//! A gateway of one's own for as long as something needs one: `serve --dev` on any port, its data thrown away afterwards.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Exit;
use super::data::{API_KEY, read_secret};

/// A gateway that ends with this.
#[derive(Debug)]
pub(super) struct OwnGateway {
    child: Child,
    address: String,
    data: PathBuf,
}

impl OwnGateway {
    /// Starts one, and waits until it listens.
    pub(super) fn start() -> Result<Self, Exit> {
        let this = std::env::current_exe().map_err(|error| Exit::io(&error.to_string()))?;
        let data = std::env::temp_dir().join(format!("madang-drive-{}", std::process::id()));
        let mut child = Command::new(this)
            .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Ctrl-C in a terminal is for the run: it still needs its gateway to come to its end.
            .process_group(0)
            .spawn()
            .map_err(|error| Exit::unavailable(&format!("no gateway could be started: {error}")))?;
        let out = child.stdout.take();
        let mut gateway = Self { child, address: String::new(), data };
        let mut lines = out.map(|out| BufReader::new(out).lines()).into_iter().flatten();
        let first = lines.next().and_then(Result::ok);
        let address = first.as_deref().and_then(|line| line.split_once("listens on ")).map(|(_, address)| address);
        let silent = || Exit::unavailable("the gateway of this run didn't start: what it says stands above");
        gateway.address = address.ok_or_else(silent)?.to_owned();
        // What else it says fits no pipe for ever.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(gateway)
    }

    /// Its chat socket.
    pub(super) fn url(&self) -> String {
        format!("ws://{}/chat", self.address)
    }

    /// Where its site API is.
    pub(super) fn site(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its secrets are.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// Its process.
    pub(super) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    /// The key of its site API.
    pub(super) fn key(&self) -> Result<String, Exit> {
        let key = read_secret(&self.data.join(API_KEY))?.ok_or_else(|| Exit::io("the gateway has no API key"))?;
        Ok(String::from_utf8_lossy(key.reveal()).into_owned())
    }
}

impl Drop for OwnGateway {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to stop; its data is of no use to anybody.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}
