//! What was said, read back from the log.

use crate::eventlog::{LARGEST_PAGE, LogError};
use crate::model::event::Logged;
use crate::model::id::{ChannelId, Cid, Seq, UserId};
use crate::model::item::LineView;
use crate::model::message::Kind;
use crate::model::question::QuestionStatus;
use crate::model::time::Millis;

use super::append::refusal;
use super::live::Live;
use super::{Node, StationError};

/// Events that one request looks at, at most; what it hasn't found by then is for the next.
const MOST_READ: usize = 50_000;

/// How far one look goes, in places.
const LOOK: u64 = LARGEST_PAGE as u64;

/// Times in the log may go back a little: what clocks of one site differ by at most.
const CLOCKS_MS: i64 = 60_000;

/// Which lines somebody wants to see: those that fit all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of this broadcast.
    pub cid: Option<Cid>,
    /// Of this user.
    pub uid: Option<UserId>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Whose text is withheld, or isn't.
    pub hidden: Option<bool>,
    /// Questions that stand so.
    pub status: Option<QuestionStatus>,
    /// Said at this time or later.
    pub from: Option<Millis>,
    /// Said before this time.
    pub to: Option<Millis>,
    /// At places behind this one.
    pub after: Seq,
    /// At places before this one.
    pub before: Option<Seq>,
    /// Oldest first, and not newest first.
    pub oldest_first: bool,
}

impl HistoryQuery {
    fn fits(&self, line: &LineView) -> bool {
        let time = line.time();
        self.cid.as_ref().is_none_or(|cid| cid == line.cid())
            && self.uid.as_ref().is_none_or(|uid| *uid == line.author().uid)
            && self.kind.is_none_or(|kind| kind == line.kind())
            && self.hidden.is_none_or(|hidden| hidden == line.status().withholds())
            && self.status.is_none_or(|status| line.question().is_some_and(|question| question.status == status))
            && self.from.is_none_or(|from| time >= from)
            && self.to.is_none_or(|to| time < to)
    }

    /// Whether nothing more can fit, on the way that is gone, behind an event of this time.
    fn is_beyond(&self, at: Millis) -> bool {
        match self.oldest_first {
            true => self.to.is_some_and(|to| at > to + CLOCKS_MS),
            false => self.from.is_some_and(|from| at < from - CLOCKS_MS),
        }
    }
}

impl Node {
    /// Tells up to `limit` lines of a channel as everybody may see them now, and the place at which to go on; there may be a
    /// place even where nothing was found.
    pub async fn history<T>(
        &self,
        channel: &ChannelId,
        query: &HistoryQuery,
        limit: usize,
        tell: impl FnOnce(&[LineView], Option<Seq>) -> T,
    ) -> Result<T, StationError> {
        let id = self.channel(channel).await?.id;
        let live = self.hub.live(&id).await.map_err(|failure| refusal(&failure))?;
        let (found, next) = self.look_back(&live, query, limit).await.map_err(|failure| refusal(&failure))?;
        // It may have been hidden or erased since it was read.
        let state = live.state.lock();
        let _telling = live.tells();
        let lines = found.iter().filter_map(|logged| state.channel.line_in_log(logged));
        let lines: Vec<LineView> = lines.filter(|line| query.fits(line)).collect();
        drop(state);
        Ok(tell(&lines, next))
    }

    async fn look_back(
        &self,
        live: &Live,
        query: &HistoryQuery,
        limit: usize,
    ) -> Result<(Vec<Logged>, Option<Seq>), LogError> {
        let (log, id) = (&self.parts.log, live.id());
        let (newest, dropped) = {
            let channel = &live.state.lock().channel;
            (channel.seq(), channel.dropped())
        };
        // Places between which they lie, both left out.
        let end = Seq(newest.0.saturating_add(1));
        let (mut after, mut before) = (query.after.max(dropped), query.before.unwrap_or(end).min(end));
        if let Some(from) = query.from.filter(|_| query.oldest_first) {
            after = after.max(log.aged(id, from - CLOCKS_MS).await?.unwrap_or_default());
        }
        if let Some(to) = query.to.filter(|_| !query.oldest_first) {
            before = before.min(Seq(log.aged(id, to + CLOCKS_MS).await?.unwrap_or_default().0 + 1));
        }
        let (mut found, mut read) = (Vec::new(), 0);
        while after.0.saturating_add(1) < before.0 && read < MOST_READ {
            let start = if query.oldest_first { after } else { Seq(before.0.saturating_sub(LOOK + 1)).max(after) };
            let page = log.read(id, start, LARGEST_PAGE).await?;
            // Whatever comes of it, it was work.
            read += page.events.len().max(LARGEST_PAGE / 10);
            after = after.max(page.gone);
            let mut events: Vec<Logged> = page.events.into_iter().filter(|logged| logged.seq < before).collect();
            let last = events.last().map_or(Seq(before.0 - 1), |logged| logged.seq);
            if !query.oldest_first {
                events.reverse();
            }
            for logged in events {
                if query.is_beyond(logged.event.at) {
                    return Ok((found, None));
                }
                let line = live.state.lock().channel.line_in_log(&logged);
                if line.is_some_and(|line| query.fits(&line)) {
                    let place = logged.seq;
                    found.push(logged);
                    if found.len() == limit {
                        return Ok((found, Some(place)));
                    }
                }
            }
            if query.oldest_first {
                after = last;
            } else {
                before = Seq(start.0 + 1);
            }
        }
        let next = if query.oldest_first { after } else { before };
        Ok((found, Some(next).filter(|_| after.0.saturating_add(1) < before.0)))
    }
}
