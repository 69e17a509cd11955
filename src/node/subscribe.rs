//! Joining a broadcast.

use std::sync::Arc;

use tokio::sync::watch;

use crate::feed::{Group, Place};
use crate::model::event::{Body, Event};
use crate::model::id::{AddressHash, ChannelId, Cid, EventId, Seq, UserId};
use crate::model::item::{LineView, NoticeView};
use crate::model::message::Author;
use crate::model::mode::Known;
use crate::model::principal::{Principal, Role, Standing};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::rate::{Pace, Rate};
use crate::ws::outbox::Outbox;

use super::append::refusal;
use super::lag::Lag;
use super::live::Live;
use super::resume::Trail;
use super::stage::Stage;
use super::{Node, append, station};

/// How often a session may come with a new token.
const REFRESHES: Rate = Rate { per_second: 1, burst: 5 };

/// Most channels that may open themselves.
const MOST_SELF_OPENED: usize = 10_000;

/// One session's place in a broadcast, and as whom. Dropping it is leaving.
pub struct Seat {
    pub(super) live: Arc<Live>,
    /// `None` in a broadcast that isn't the channel's newest: nothing is ever said there again.
    pub(super) stage: Option<Arc<Stage>>,
    pub(super) cid: Cid,
    /// `None` for a session that only reads.
    principal: Option<Box<Principal>>,
    pub(super) place: Option<Place>,
    /// Where it is on its way to hearing everything live.
    pub(super) trail: Option<Box<Trail>>,
    /// Whether it has been slow.
    pub(super) lag: Option<Box<Lag>>,
    /// Whether nobody looks at it.
    pub(super) away: bool,
    /// Whether its holder is here as nobody any more, because the token has ended or was revoked.
    lapsed: bool,
    /// Where its holder comes from.
    address: Option<AddressHash>,
    pub(super) sends: Pace,
    recents: Pace,
    refreshes: Pace,
}

impl Seat {
    /// The broadcast.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Its channel.
    pub fn channel(&self) -> &ChannelId {
        self.live.id()
    }

    /// How many sockets are in the broadcast.
    pub fn members(&self) -> u32 {
        self.stage.as_ref().map_or(0, |stage| stage.feed.headcount().now().sockets)
    }

    /// Lets everything that happens from now on into `outbox`. What has to be heard before must be in there already.
    pub fn listen(&mut self, group: Group, outbox: Arc<Outbox>) {
        let Some(stage) = &self.stage else { return };
        // Under the channel's lock, so that no line is applied between the place we note and the joining.
        let state = self.live.state.lock();
        self.place = Some(stage.feed.join(group, outbox, self.user().cloned(), state.channel.seq()));
    }

    /// Goes on listening as a member of this group, missing nothing and hearing nothing twice.
    pub fn regroup(&mut self, group: Group) {
        if let (Some(stage), Some(place)) = (&self.stage, self.place) {
            self.place = stage.feed.regroup(place, group, self.user().cloned());
        }
    }

    /// Who acts here; `None` for a session that only reads.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_deref()
    }

    /// What a line of its holder says of them.
    pub(super) fn known(&self, principal: &Principal) -> Known {
        Known { address: self.guest_address(principal), ..principal.known }
    }

    /// Where a guest comes from; of others nobody asks.
    fn guest_address(&self, principal: &Principal) -> Option<AddressHash> {
        self.address.filter(|_| principal.guest)
    }

    /// What its holder may do here now.
    pub fn role(&self) -> Role {
        let role = |principal: &Principal| {
            let (channel, credential) = (&self.live.state.lock().channel, principal.credential());
            // The channel may have heard of it before the directory has, on another machine than the one that revoked it.
            match channel.is_revoked(&principal.uid, &credential) {
                true => Role::Viewer,
                false => channel.role_of(&principal.uid, principal.role, &credential),
            }
        };
        self.principal().map_or(Role::Viewer, role)
    }

    /// Whether it sees what is shown to staff.
    pub fn is_staff(&self) -> bool {
        self.role().is_staff()
    }

    /// Waits until somebody's role here may have changed.
    pub fn role_changes(&self) -> watch::Receiver<u64> {
        self.live.roles.subscribe()
    }

    /// Takes a turn for a list that its holder asks for.
    pub(super) fn pace_list(&self, now: Millis, rate: Rate) -> Result<(), Refusal> {
        self.recents.take(now, rate).map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })
    }

    /// Who is here by name.
    pub(super) fn user(&self) -> Option<&UserId> {
        self.principal().filter(|_| !self.lapsed).map(|principal| &principal.uid)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.live.touch();
        let Some(stage) = &self.stage else { return };
        if let Some(place) = self.place {
            stage.feed.leave(place);
        }
        if let Some(principal) = self.principal.as_ref().filter(|_| !self.lapsed) {
            self.live.go(stage, principal, self.guest_address(principal), self.away);
        }
        stage.feed.headcount().go();
    }
}

impl Node {
    /// Takes a seat in a broadcast, one that is over included, for somebody who comes from `address`. Nothing is heard there
    /// before [`Seat::listen`]. Whose token has ended or was revoked takes it to read.
    pub async fn enter(&self, cid: &Cid, standing: Standing, address: Option<AddressHash>) -> Result<Seat, Refusal> {
        let live = self.channel_of(cid).await?;
        let principal = self.settle(&live, cid, standing)?.ok();
        let stage = live.stage_of(cid);
        if let Some(stage) = &stage {
            stage.feed.headcount().come();
            let now = self.parts.clock.now();
            if let Some(principal) = &principal {
                live.come(stage, principal, address.filter(|_| principal.guest), now);
            }
        }
        self.parts.metrics.joins.inc();
        let (sends, recents, refreshes) = Default::default();
        let (cid, place, trail, lag) = (cid.clone(), None, None, None);
        Ok(Seat {
            live,
            stage,
            cid,
            principal,
            place,
            trail,
            lag,
            away: false,
            lapsed: false,
            address,
            sends,
            recents,
            refreshes,
        })
    }

    /// Takes a turn for a new token of this session: looking at one costs more than most requests.
    pub fn pace_refresh(&self, seat: &Seat) -> Result<(), Refusal> {
        let paced = seat.refreshes.take(self.parts.clock.now(), REFRESHES);
        paced.map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })
    }

    /// Goes on with a new token, of the same account. A refusal leaves everything as it was.
    pub fn refresh(&self, seat: &mut Seat, standing: Standing) -> Result<(), Refusal> {
        let principal = self.settle(&seat.live, &seat.cid, standing)??;
        if seat.principal().is_some_and(|before| before.uid != principal.uid) {
            return Err(Refusal::OtherAccount);
        }
        if let Some(stage) = &seat.stage {
            seat.live.come(stage, &principal, seat.guest_address(&principal), self.parts.clock.now());
            if seat.away {
                stage.roster.look(&principal.uid, true);
            }
            if let Some(before) = seat.principal.as_ref().filter(|_| !seat.lapsed) {
                seat.live.go(stage, before, seat.guest_address(before), seat.away);
            }
        }
        (seat.principal, seat.lapsed) = (Some(principal), false);
        Ok(())
    }

    /// Whoever acts by a token that has ended, or was revoked, is here as nobody from now on: nothing is told to them alone.
    /// Whether that is new.
    pub fn lapses(&self, seat: &mut Seat) -> bool {
        let Some(principal) = seat.principal.as_ref().filter(|_| !seat.lapsed) else { return false };
        if self.still_holds(principal).is_ok() {
            return false;
        }
        if let Some(stage) = &seat.stage {
            // They go on reading: nobody has left, so the channel says nothing of it.
            stage.leave(&principal.uid, &principal.credential(), seat.away, || ());
        }
        seat.lapsed = true;
        true
    }

    /// Who acts in this broadcast, with the role that holds there; the outer error is for whom this token is refused,
    /// the inner one for whom it lets only read.
    pub(super) fn settle(
        &self,
        live: &Live,
        cid: &Cid,
        standing: Standing,
    ) -> Result<Result<Box<Principal>, Refusal>, Refusal> {
        let (mut principal, expired) = match standing {
            Standing::Valid(principal) => (principal, false),
            Standing::Expired(principal) => (principal, true),
            Standing::Anonymous => return Ok(Err(Refusal::TokenRefused("it names nobody".to_owned()))),
        };
        if !principal.scope.covers(live.id(), cid) {
            return Err(Refusal::TokenRefused("it holds in another channel".to_owned()));
        }
        if expired {
            return Ok(Err(Refusal::TokenExpired));
        }
        if self.is_revoked(&principal) {
            return Ok(Err(Refusal::TokenRevoked));
        }
        principal.role = principal.role_in(live.id(), cid);
        Ok(Ok(Box::new(principal)))
    }

    /// Tells the last `count` lines as everybody may see them, oldest first, what is pinned, and how far the log is.
    pub fn recent(
        &self,
        seat: &Seat,
        count: usize,
        tell: impl FnOnce(Vec<LineView>, Option<NoticeView>, Seq),
    ) -> Result<(), Refusal> {
        seat.pace_list(self.parts.clock.now(), self.rules().recents)?;
        // Whoever hides something waits for those who are telling what they saw before.
        let state = seat.live.state.lock();
        let _telling = seat.live.tells();
        let (lines, seq) = (state.channel.recent(&seat.cid, count, seat.user()), state.channel.seq());
        let notice = state.channel.notice(self.parts.clock.now()).filter(|notice| notice.cid == seat.cid);
        drop(state);
        tell(lines, notice, seq);
        Ok(())
    }

    /// The author behind a user's identity: somebody who is in the broadcast, or who wrote one of its last lines.
    pub async fn author(&self, cid: &Cid, uid: &UserId) -> Result<Option<Author>, Refusal> {
        let live = self.channel_of(cid).await?;
        let present = live.stage_of(cid).and_then(|stage| stage.roster.find(uid));
        Ok(present.or_else(|| live.state.lock().channel.author(uid.as_str()).cloned()))
    }

    pub(super) async fn channel_of(&self, cid: &Cid) -> Result<Arc<Live>, Refusal> {
        if let Some(owner) = self.directory.owner(cid) {
            return self.hub.live(&owner).await.map_err(|failure| refusal(&failure));
        }
        if !self.parts.config.open_unknown {
            return Err(Refusal::UnknownChannel);
        }
        self.open_itself(cid).await
    }

    /// Opens an unknown `cid`, under a channel that is derived from it, once on all machines.
    async fn open_itself(&self, cid: &Cid) -> Result<Arc<Live>, Refusal> {
        let channel = station::derived_channel(cid);
        if !self.hub.holds(&channel) && self.hub.len() >= MOST_SELF_OPENED {
            return Err(Refusal::Busy { retry_after_ms: 60_000 });
        }
        let live = self.hub.live(&channel).await.map_err(|failure| refusal(&failure))?;
        let known = live.state.lock().channel.broadcasts().iter().any(|broadcast| broadcast.cid == *cid);
        if !known {
            let opened = Event {
                id: EventId::derived(&format!("{channel} opens itself as {cid}")),
                at: self.parts.clock.now(),
                body: Body::Opened { cid: cid.clone(), title: cid.to_string() },
            };
            self.append_once(&live, opened).await?;
        }
        Ok(live)
    }

    /// Appends an event that others may be appending at the same time: whoever is not the first waits for the log and
    /// then for this node to have applied it. Its place.
    pub(super) async fn append_once(&self, live: &Arc<Live>, event: Event) -> Result<Seq, Refusal> {
        let _under_way = self.begin()?;
        let seq = self.parts.log.append(live.id(), Arc::new(event)).await.map_err(|failure| refusal(&failure))?;
        append::until(|| live.state.lock().channel.seq() >= seq).await?;
        Ok(seq)
    }
}
