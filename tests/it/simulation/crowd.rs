//! Many at once: more lines than a channel remembers, more members than one step of a flush serves.

use std::sync::Arc;

use futures_util::FutureExt;

use madang::eventlog::EventLog;
use madang::model::access::Credential;
use madang::model::event::{Body, Event};
use madang::model::id::{Cid, UserId};
use madang::model::message::{Author, Draft, Line};
use madang::model::principal::Role;
use madang::model::time::Millis;

use crate::support::reader::Reader;
use crate::support::yard::{Guest, NOON};

use super::planted::Planted;
use super::world::{Machine, World};

/// More lines than a channel remembers.
const FLOOD: u32 = 4_200;

/// More than one step of a flush serves.
const CROWD: u32 = 300;

/// Somebody who is asked in the end what came.
pub(super) struct Stranger {
    guest: Guest,
    pub(super) reader: Reader,
    pub(super) cid: String,
}

impl Stranger {
    pub(super) fn tells(&mut self, planted: Option<Planted>) -> &Reader {
        let mut heard = self.guest.heard_by_now();
        if planted == Some(Planted::SkipsAtTheSeam) {
            heard.retain(|message| message["cmd"] != 93101);
        }
        heard.iter().for_each(|message| self.reader.hear(message));
        &self.reader
    }
}

impl World {
    /// More lines than a channel remembers, from a machine that isn't looked at.
    pub(super) fn flood(&mut self) {
        for number in 0..FLOOD {
            let text = format!("flood {number} at {}", self.now);
            let uid = UserId::parse("stranger").unwrap();
            let author = Author { uid, profile: Arc::default(), role: Role::Viewer };
            let draft = Draft { text, tid: number.to_string(), ..Draft::default() };
            let cid = Cid::parse(&self.cid).unwrap();
            let line = Line {
                occasion: None,
                filtered: None,
                judged: Default::default(),
                cid,
                author,
                draft,
                members: 0,
                credential: Credential::default(),
                known: Default::default(),
            };
            let event = Event::new(Millis(NOON + self.now), Body::Line(Arc::new(line)));
            self.log.append(&self.channel, Arc::new(event)).now_or_never().unwrap().unwrap();
        }
    }

    pub(super) fn crowd(&mut self, machine: usize) {
        let Machine { runtime, yard, strangers, .. } = &mut self.machines[machine];
        runtime.block_on(async {
            for _ in 0..CROWD {
                let (mut guest, mut reader) = (yard.guest(), Reader::default());
                let connected = guest.connect_ext(&self.cid, None, reader.ext()).await;
                if connected["retCode"] == 0 {
                    reader.connected(&connected);
                    strangers.push(Stranger { guest, reader, cid: self.cid.clone() });
                }
            }
        });
    }
}
