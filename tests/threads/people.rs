//! Who is in these scenarios, and what the log says of them.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use madang::eventlog::memory::Memory;
use madang::eventlog::{EventLog, LARGEST_PAGE};
use madang::model::event::Body;
use madang::model::id::{ChannelId, Seq};
use madang::node::Config;

use crate::support::reader::Reader;
use crate::support::yard::{Guest, Yard};

pub(crate) const CID: &str = "c0ffee";

/// A gateway, and a way to look into its log.
pub(crate) async fn yard(config: Config) -> (Arc<Yard>, Memory) {
    let log = Memory::new(Arc::default());
    (Arc::new(Yard::over(Arc::new(log.clone()), config).await), log)
}

/// The channel that has opened itself.
pub(crate) async fn channel(log: &Memory) -> ChannelId {
    log.channels(None, 1).await.unwrap().pop().unwrap()
}

/// The lines in the log, with their places.
pub(crate) async fn lines(log: &Memory) -> Vec<(u64, String)> {
    let page = log.read(&channel(log).await, Seq::default(), LARGEST_PAGE).await.unwrap();
    let text = |body: &Body| match body {
        Body::Line(line) => Some(line.draft.text.to_string()),
        _ => None,
    };
    page.events.iter().filter_map(|logged| Some((logged.seq.0, text(&logged.event.body)?))).collect()
}

/// Somebody says so many lines beside all else; the answers.
pub(crate) fn talks(mut writer: Guest, count: usize) -> JoinHandle<Vec<Value>> {
    tokio::spawn(async move {
        let mut answers = Vec::new();
        for number in 0..count {
            answers.push(writer.sends_and_hears(CID, &number.to_string()).await);
        }
        answers
    })
}

/// Somebody says something and waits until the answer and their own line have come, whichever is first. Its place.
pub(crate) async fn says(writer: &mut Guest, text: &str) -> u64 {
    writer.sends(CID, text).await;
    let (mut place, mut heard) = (None, false);
    while place.is_none() || !heard {
        let message = writer.hears_anything().await;
        place = place.or(message["bdy"]["seq"].as_u64());
        heard |= message["bdy"].as_array().into_iter().flatten().any(|line| line["msg"] == text);
    }
    place.unwrap()
}

/// RECENT_CHAT.
pub(crate) fn recent() -> String {
    json!({"ver": "3", "cmd": 5101, "cid": CID, "tid": 2, "bdy": {"recentMessageCount": 50}}).to_string()
}

/// Somebody with our own layer, who trusts nothing.
pub(crate) struct Viewer {
    pub(crate) guest: Guest,
    pub(crate) reader: Reader,
}

impl Viewer {
    /// Comes in where `reader` was, and is told what it missed.
    pub(crate) async fn comes(yard: &Yard, reader: Reader, token: Option<&str>) -> Self {
        let mut viewer = Self { guest: yard.guest(), reader };
        let connected = viewer.guest.connect_ext(CID, token, viewer.reader.ext()).await;
        assert!(viewer.reader.connected(&connected), "nothing is too old: {connected}");
        viewer
    }

    /// Leaves with what has come by now.
    pub(crate) fn leaves(mut self) -> Reader {
        self.guest.heard_by_now().iter().for_each(|message| self.reader.hear(message));
        self.reader
    }

    pub(crate) async fn hears_up_to(&mut self, place: u64) {
        while self.reader.upto < place {
            self.reader.hear(&self.guest.hears_anything().await);
        }
    }

    /// Waits until it is told that so many sockets and users are there.
    pub(crate) async fn hears_of_members(&mut self, there: (u64, u64)) {
        while self.reader.members != Some(there) {
            self.reader.hear(&self.guest.hears_anything().await);
        }
    }

    /// It has heard all of these lines, each once, and every push held what it said.
    pub(crate) fn has_all(&self, lines: &[(u64, String)]) {
        assert_eq!(self.reader.lines, lines);
        self.reader.is_whole(&lines.iter().map(|(place, _)| *place).collect::<Vec<_>>());
    }
}
