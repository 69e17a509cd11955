//! What goes beside the log over the socket: whispers, and who is here.

use crate::model::refusal::Refusal;
use crate::node::Seat;
use crate::proto::asides;
use crate::proto::cmd::Cmd;
use crate::proto::envelope::Envelope;
use crate::proto::request::asides::{self as request, Whispering};

use super::{Joined, Phase, Session, address};

impl Session {
    /// Says something to one member alone, or says what is taken from now on.
    pub(super) async fn whisper(&self, envelope: &Envelope<'_>) {
        match self.answer_whisper(envelope).await {
            Ok(answer) => self.push(&answer),
            Err(refusal) => self.refuse(Cmd::WHISPER, envelope, &refusal),
        }
    }

    async fn answer_whisper(&self, envelope: &Envelope<'_>) -> Result<String, Refusal> {
        let seat = self.seat(envelope)?;
        let to = address(envelope, seat);
        match request::whisper(envelope.body, self.config.extras_bytes).map_err(Refusal::BadRequest)? {
            Whispering::Say(user, text, extras) => {
                let (id, time) = self.node.whisper(seat, &user, text, extras).await?;
                return Ok(asides::whispered(&to, id, time));
            }
            Whispering::Hear(on) => self.node.hear_whispers(seat, on)?,
            Whispering::Block(user, block) => self.node.block_whispers(seat, &user, block)?,
        }
        Ok(asides::takes_whispers(&to))
    }

    /// Says what the channel says to whoever joins.
    pub(super) fn tell_welcome(&self, seat: &Seat) {
        if let Some(line) = self.node.welcome_line(seat) {
            self.push(&asides::push(seat.cid(), &line));
        }
    }

    /// Says who is here, and takes note of whether anybody looks at this session.
    pub(super) fn members(&mut self, envelope: &Envelope<'_>) {
        match self.list_members(envelope) {
            Ok(answer) => self.push(&answer),
            Err(refusal) => self.refuse(Cmd::MEMBERS, envelope, &refusal),
        }
    }

    fn list_members(&mut self, envelope: &Envelope<'_>) -> Result<String, Refusal> {
        self.seat(envelope)?;
        let asked = request::members(envelope.body).map_err(Refusal::BadRequest)?;
        let Phase::Joined(Joined { seat, .. }) = &mut self.phase else { return Err(Refusal::NotJoined) };
        if let Some(away) = asked.away {
            self.node.look_away(seat, away);
        }
        let here = self.node.members(seat, asked.after.as_ref(), asked.size)?;
        let counts = (here.sockets, here.users);
        Ok(asides::members(&address(envelope, seat), &here.members, here.more, counts, self.config.recent_bytes))
    }
}
