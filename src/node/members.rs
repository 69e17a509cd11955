//! Who is here, by name, and what whoever joins is told.

use crate::model::aside::{Aside, Member};
use crate::model::id::{ChannelId, UserId};
use crate::model::message::Author;
use crate::model::own_lines::{OwnLine, OwnLines};
use crate::model::refusal::Refusal;

use super::append::refusal;
use super::live::Live;
use super::stage::Stage;
use super::{Node, Seat, StationError};

/// Members of a broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// A page of them, by the order of their identities.
    pub members: Vec<Member>,
    /// Whether there may be more behind it.
    pub more: bool,
    /// Connections in the broadcast, those of nobody known included.
    pub sockets: u32,
    /// Users who are known by name.
    pub users: u32,
}

impl Node {
    /// Up to `limit` members behind this one: for staff, and for everybody who is known where there are few.
    pub fn members(&self, seat: &Seat, after: Option<&UserId>, limit: usize) -> Result<Present, Refusal> {
        let rules = self.rules();
        seat.pace_list(self.parts.clock.now(), rules.recents)?;
        let Some(stage) = &seat.stage else { return Ok(Present::default()) };
        let few = stage.feed.headcount().now().users <= rules.members_listed;
        let staff = self.may_act(seat) && seat.is_staff();
        if !(staff || few && self.may_act(seat)) {
            return Err(Refusal::MembersHidden);
        }
        Ok(present(&seat.live, stage, after, limit))
    }

    /// The same for the site's backend, of the newest broadcast.
    pub async fn members_for_site(
        &self,
        channel: &ChannelId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Present, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let stage = live.state.lock().stage.clone();
        Ok(stage.map_or_else(Present::default, |stage| present(&live, &stage, after, limit)))
    }

    /// What the channel says to whoever joins, while something is said in it at all.
    pub fn welcome_line(&self, seat: &Seat) -> Option<Aside> {
        let state = seat.live.state.lock();
        let here = state.is_newest(seat.stage.as_ref()) && state.channel.on_air().is_some();
        let text = state.channel.own_lines().welcome.clone().filter(|_| here)?;
        Some(Aside::Line(OwnLine { text, time: self.parts.clock.now(), members: seat.members() }))
    }

    /// What a channel says by itself.
    pub async fn own_lines(&self, channel: &ChannelId) -> Result<OwnLines, StationError> {
        let view = self.channel(channel).await?;
        let live = self.hub.live(&view.id).await.map_err(|failure| refusal(&failure))?;
        let state = live.state.lock();
        Ok(state.channel.own_lines().clone())
    }

    /// Says of a session whether nobody looks at it.
    pub fn look_away(&self, seat: &mut Seat, away: bool) {
        if seat.away == away {
            return;
        }
        seat.away = away;
        if let (Some(stage), Some(user)) = (&seat.stage, seat.user()) {
            stage.roster.look(user, away);
        }
    }
}

fn present(live: &Live, stage: &Stage, after: Option<&UserId>, limit: usize) -> Present {
    let found = stage.roster.page(after, limit);
    let more = found.len() == limit;
    let channel = &live.state.lock().channel;
    let here = |(member, credential): (Member, _)| {
        let role = channel.role_of(&member.author.uid, member.author.role, &credential);
        Member { author: Author { role, ..member.author }, ..member }
    };
    let there = stage.feed.headcount().now();
    Present { members: found.into_iter().map(here).collect(), more, sockets: there.sockets, users: there.users }
}
