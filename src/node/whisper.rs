//! What one member says to another alone: by the bus, to all of their sessions on every machine, and never in the log.

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

use crate::bus::Subscription;
use crate::eventlog::codec;
use crate::model::access::Credential;
use crate::model::aside::{Aside, Whisper};
use crate::model::id::{ChannelId, Cid, EventId, UserId};
use crate::model::message::{Author, Draft, Extras, Line};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::rate::PerMinute;
use crate::policy::text;

use super::judging::compile;
use super::live::Live;
use super::{Node, Seat};

/// How long the sender waits for a machine that has the other one, where nobody knows how many machines there are.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a machine answers that has heard of a whisper.
const QUEUED: &str = "queued";
const NOT_HERE: &str = "not here";
const NOT_TAKEN: &str = "not taken";

/// A whisper on its way.
#[derive(Serialize, Deserialize)]
struct Sent {
    id: Uuid,
    cid: String,
    at: i64,
    from: serde_json::Value,
    to: String,
    text: String,
    emojis: Vec<(String, String)>,
}

impl Node {
    /// Says something to one member's sessions alone; over when it is queued to one of them, and not before. It is gone
    /// then: it is kept nowhere.
    pub async fn whisper(
        &self,
        seat: &Seat,
        to: &UserId,
        says: String,
        extras: Extras,
    ) -> Result<(EventId, Millis), Refusal> {
        let whisper = self.admit_whisper(seat, to, says, extras).await?;
        let (id, time) = (whisper.id, whisper.time);
        let mut answers = self.parts.bus.subscribe(&answers_of(id));
        let sent = Sent {
            id: id.0,
            cid: seat.cid().to_string(),
            at: time.0,
            from: codec::author_json(&whisper.from),
            to: to.to_string(),
            text: whisper.text,
            emojis: whisper.extras.emojis,
        };
        // Writing plain structs to memory can't fail.
        let message = serde_json::to_vec(&sent).unwrap_or_default();
        let asked = self.parts.bus.publish(&topic(seat.channel()), message.into());
        let told = timeout(LONGEST_WAIT, first_of(&mut answers, asked)).await;
        told.unwrap_or(Err(Refusal::NobodyThere)).map(|()| (id, time))
    }

    async fn admit_whisper(
        &self,
        seat: &Seat,
        to: &UserId,
        says: String,
        mut extras: Extras,
    ) -> Result<Whisper, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let principal = seat.principal().ok_or(Refusal::ReadOnly)?;
        self.still_holds(principal)?;
        if principal.uid == *to {
            return Err(Refusal::Oneself);
        }
        self.pace(seat, principal)?;
        let (now, rules) = (self.parts.clock.now(), self.rules());
        let paced = self.whisperers.take(principal.uid.as_str(), now, PerMinute(rules.whispers_per_minute));
        paced.map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })?;
        let from = Author::from(principal);
        text::trim_emojis(&rules.limits, &says, &mut extras);
        text::judge_text(&rules.limits, &from, &says, &extras)?;
        let mut line = Line {
            cid: seat.cid().clone(),
            author: from,
            draft: Draft { text: says, extras, ..Draft::default() },
            members: 0,
            credential: principal.credential(),
            known: seat.known(principal),
            occasion: None,
            filtered: None,
            judged: Line::UNJUDGED,
        };
        let measures = {
            let channel = &seat.live.state.lock().channel;
            channel.may_whisper(&line, now)?;
            line.author.role = channel.role_of(&principal.uid, principal.role, &line.credential);
            channel.measures(&line)
        };
        while let Some(rules) = self.filter(&mut line, &measures)? {
            compile(rules).await;
        }
        if let Some(filtered) = line.filtered.as_ref().filter(|_| line.is_blinded() || line.is_shadowed()) {
            // It has nobody else who could look at it.
            return Err(Refusal::Filtered(filtered.rule.clone()));
        }
        let Line { author: from, draft, .. } = line;
        Ok(Whisper { id: EventId::fresh(), time: now, from, text: draft.text, extras: draft.extras })
    }

    /// Takes whispers from now on, in all sessions of the seat's holder here, or no more.
    pub fn hear_whispers(&self, seat: &Seat, hear: bool) -> Result<(), Refusal> {
        let user = seat.user().ok_or(Refusal::ReadOnly)?;
        if let Some(stage) = &seat.stage {
            stage.roster.hear_whispers(user, hear);
        }
        Ok(())
    }

    /// Takes no whispers of somebody from now on, or takes them again.
    pub fn block_whispers(&self, seat: &Seat, other: &UserId, block: bool) -> Result<(), Refusal> {
        let user = seat.user().ok_or(Refusal::ReadOnly)?;
        seat.stage.as_ref().map_or(Ok(()), |stage| stage.roster.block(user, other, block))
    }
}

/// Waits for a machine that has queued it, or until all have answered that there are.
async fn first_of(answers: &mut Subscription, asked: Option<usize>) -> Result<(), Refusal> {
    let (mut heard, mut refusal) = (0, Refusal::NobodyThere);
    while asked.is_none_or(|asked| heard < asked) {
        let Some(answer) = answers.next().await else { break };
        heard += 1;
        match &answer[..] {
            answer if answer == QUEUED.as_bytes() => return Ok(()),
            answer if answer == NOT_TAKEN.as_bytes() => refusal = Refusal::WhispersOff,
            _ => {}
        }
    }
    Err(refusal)
}

pub(super) fn topic(channel: &ChannelId) -> String {
    format!("whispers {channel}")
}

fn answers_of(id: EventId) -> String {
    format!("whisper {id}")
}

/// Hands whispers of a channel to those of its members who are here, for as long as anybody holds it.
pub(super) async fn hear(live: Weak<Live>, bus: Arc<dyn crate::bus::Bus>, mut whispers: Subscription) {
    while let Some(message) = whispers.next().await {
        let Some(live) = live.upgrade() else { return };
        let Some((id, answer)) = take(&live, &message) else { continue };
        bus.publish(&answers_of(id), answer.into());
    }
}

fn take(live: &Live, message: &[u8]) -> Option<(EventId, &'static str)> {
    let Sent { id, cid, at, from, to, text, emojis } = serde_json::from_slice(message).ok()?;
    let (id, to) = (EventId(id), UserId::parse(&to)?);
    let from = codec::read_author(from)?;
    let Some(stage) = Cid::parse(&cid).and_then(|cid| live.stage_of(&cid)) else { return Some((id, NOT_HERE)) };
    // Whoever has lost their token goes on reading, as nobody.
    let theirs = stage.roster.credentials(&to);
    let lost = |credential: &Credential| live.state.lock().channel.is_revoked(&to, credential);
    if theirs.iter().all(lost) {
        return Some((id, NOT_HERE));
    }
    match stage.roster.takes_whispers(&to, &from.uid) {
        None => return Some((id, NOT_HERE)),
        Some(false) => return Some((id, NOT_TAKEN)),
        Some(true) => {}
    }
    let extras = Extras { emojis, ..Extras::default() };
    let whisper = Aside::Whisper(Whisper { id, time: Millis(at), from, text, extras });
    let queued = stage.feed.tell_aside(&whisper, Some(&to)) > 0;
    Some((id, if queued { QUEUED } else { NOT_HERE }))
}
