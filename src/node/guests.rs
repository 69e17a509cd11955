//! Guests: what they are called, and what they show first.

use std::sync::Arc;

use crate::auth::{Asked, Challenge, Grant, ProofError};
use crate::model::event::{Body, Event};
use crate::model::guest::Naming;
use crate::model::id::{AddressHash, Cid, EventId, UserId};
use crate::model::palette::Color;
use crate::model::principal::{Profile, Role, Scope, Title};
use crate::model::refusal::Refusal;
use crate::model::time::Millis;
use crate::policy::names;
use crate::policy::rate::PerMinute;

use super::live::Live;
use super::{Node, Outcome};

/// Characters of which no two look alike: five bits each.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Letters of the name of a guest who chooses none: 40 bits, so that of 10,000 in a channel two are called the same once in
/// 20,000 times.
const GIVEN_LETTERS: usize = 8;

/// Lengths of the secret by which a guest comes back as the same, in characters.
const SECRETS: std::ops::RangeInclusive<usize> = 16..=64;

/// How long it may take from asking for a name until there is a token that says it.
const MAKING_MS: i64 = 30_000;

/// How long a ticket is good.
const TICKET_MS: i64 = 600_000;

/// What guests get and are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestConfig {
    /// What they show first.
    pub asked: Asked,
    /// Hashes of a piece of work, at most.
    pub work: u32,
    /// The title before their names.
    pub title: Option<String>,
    /// The picture of the badge beside them.
    pub badge_url: Option<String>,
}

impl Default for GuestConfig {
    fn default() -> Self {
        Self { asked: Asked::Nothing, work: 100_000, title: None, badge_url: None }
    }
}

/// Who would like to be a guest.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuestWish<'a> {
    /// What to be called; one is given to whoever chooses none.
    pub nickname: Option<&'a str>,
    /// By what they come back as the same: 16 to 64 characters that nobody else knows.
    pub secret: Option<&'a str>,
    /// What the site asks for.
    pub proof: Option<&'a str>,
    /// Where they come from.
    pub address: Option<AddressHash>,
}

/// Somebody who is a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcomed {
    /// A chat access token for the channel.
    pub token: String,
    /// Who they are.
    pub uid: UserId,
    /// What they are called.
    pub nickname: String,
    /// The colour of their name.
    pub color: &'static Color,
    /// Until when the token and the name are theirs.
    pub until: Millis,
}

impl Node {
    /// What guests are asked for; `None` where there are none.
    pub fn asked_of_guests(&self) -> Option<Asked> {
        let config = &self.parts.config;
        config.guests.then_some(config.guest.asked)
    }

    /// Work for somebody who would like to be a guest.
    pub fn challenge(&self) -> Challenge {
        self.proofs.challenge(self.parts.clock.now(), self.parts.config.guest.work)
    }

    /// A ticket for somebody whom the site's backend has looked at, and until when it is good.
    pub fn ticket(&self) -> (String, Millis) {
        let until = self.parts.clock.now() + TICKET_MS;
        (self.proofs.ticket(until), until)
    }

    /// Makes somebody a guest of a channel.
    pub async fn welcome(&self, cid: &Cid, wish: GuestWish<'_>) -> Result<Welcomed, Refusal> {
        let asked = self.asked_of_guests().ok_or(Refusal::NoGuests)?;
        self.pace_guests(wish.address)?;
        let live = self.channel_of(cid).await?;
        let uid = self.guest_of(&live, wish.secret)?;
        let nickname = match wish.nickname {
            None => {
                self.spend(asked, wish.proof)?;
                given_name(&uid)
            }
            Some(nickname) => {
                let naming = self.chosen(&live, (&uid, nickname), wish.address)?;
                self.spend(asked, wish.proof)?;
                let nickname = naming.nickname.clone();
                if let Err(refusal) = self.claim(&live, naming).await {
                    // A name that can't be had costs nobody the proof; one that may be theirs does.
                    if refusal != Refusal::Fault {
                        self.proofs.give_back(asked, wish.proof);
                    }
                    return Err(refusal);
                }
                nickname
            }
        };
        let place = Scope::Only(live.id().to_string());
        let (token, principal) = self.token_for(&self.guest_grant(&uid, &nickname, place)).await?;
        // They may have been erased meanwhile.
        if wish.nickname.is_some() && !live.state.lock().channel.has_named(&uid) {
            return Err(Refusal::Busy { retry_after_ms: 1_000 });
        }
        let (color, until) = (Color::of(&uid), principal.expires - self.parts.tokens.leeway_ms());
        Ok(Welcomed { token, uid, nickname, color, until })
    }

    /// A token for a guest who chooses nothing, good everywhere.
    pub(super) fn passing_guest(&self) -> String {
        let uid = fresh();
        self.parts.tokens.issue(&self.guest_grant(&uid, &given_name(&uid), Scope::Everywhere))
    }

    /// Takes a turn for one more who would like to be a guest, of an address. Where nobody knows it nobody is held back.
    pub(super) fn pace_guests(&self, address: Option<AddressHash>) -> Result<(), Refusal> {
        let (Some(address), Some(most)) = (address, self.rules().guests_per_minute) else { return Ok(()) };
        let paced = self.guests.take(&address, self.parts.clock.now(), PerMinute(most));
        paced.map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })
    }

    fn spend(&self, asked: Asked, proof: Option<&str>) -> Result<(), Refusal> {
        self.proofs.spend(asked, proof, self.parts.clock.now()).map_err(|error| match error {
            ProofError::Busy => Refusal::Busy { retry_after_ms: 1_000 },
            ProofError::Wrong => Refusal::ProofNeeded(match asked {
                Asked::Ticket => {
                    "the site asks guests for a ticket of its own: get one there and send it once as proof"
                }
                _ => "the site asks guests for some work: do what guests/challenge says and send it once as proof",
            }),
            ProofError::Over => Refusal::ProofNeeded("the proof has ended or was used: get a new one and send it once"),
        })
    }

    fn guest_of(&self, live: &Live, secret: Option<&str>) -> Result<UserId, Refusal> {
        let Some(secret) = secret else { return Ok(fresh()) };
        if !SECRETS.contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refusal::BadRequest(
                "guestKey has 16 to 64 characters of ASCII, none of them a blank".to_owned(),
            ));
        }
        // Another in each channel, so that nobody is followed from one to the next.
        let identity = self.proofs.identity(&format!("{}.{secret}", live.id()));
        Ok(UserId::parse(&identity).unwrap_or_else(fresh))
    }

    /// A name that somebody chooses, if they may have it as things stand.
    fn chosen(
        &self,
        live: &Live,
        (uid, wish): (&UserId, &str),
        address: Option<AddressHash>,
    ) -> Result<Naming, Refusal> {
        let nickname = names::clean(wish).map_err(|why| Refusal::BadRequest(why.to_owned()))?;
        let now = self.parts.clock.now();
        // Until no token counts any more that says it, however long it takes to make one.
        let until = now + self.parts.config.token_seconds * 1_000 + self.parts.tokens.leeway_ms() + MAKING_MS;
        // Where nobody is held back by their address, nor are their names counted.
        let address = address.filter(|_| self.rules().guests_per_minute.is_some());
        let naming = Naming { uid: uid.clone(), looks: names::looks(&nickname), nickname, address, until };
        if self.taken_names(live, uid)(&naming.looks) {
            return Err(self.taken(live, &naming));
        }
        self.passes_here(live, &naming.nickname)?;
        live.state.lock().channel.admit_name(&naming, now)?;
        Ok(naming)
    }

    /// Makes it theirs: of two who ask at once, the first in the log has it.
    async fn claim(&self, live: &Arc<Live>, naming: Naming) -> Result<(), Refusal> {
        let naming = Arc::new(naming);
        let event = Event { id: EventId::fresh(), at: self.parts.clock.now(), body: Body::Named(Arc::clone(&naming)) };
        let (answer, told) = super::append::waited_for();
        self.append(live.id(), event, Arc::clone(live), answer);
        match told.await {
            Outcome::Refused(Refusal::NicknameTaken(_)) => Err(self.taken(live, &naming)),
            Outcome::Refused(refusal) => Err(refusal),
            _ if live.state.lock().channel.holds_name(&naming.looks, &naming.uid) => Ok(()),
            _ => Err(self.taken(live, &naming)),
        }
    }

    fn taken(&self, live: &Live, naming: &Naming) -> Refusal {
        let other = names::suggest(&naming.nickname, self.taken_names(live, &naming.uid));
        Refusal::NicknameTaken(other)
    }

    /// Whether somebody else is called so: the streamer, somebody who is in the newest broadcast, or a guest who holds the
    /// name.
    fn taken_names<'a>(&'a self, live: &'a Live, uid: &'a UserId) -> impl Fn(&[String]) -> bool + 'a {
        let streamer = self.directory.listing(live.id()).map(|listing| names::looks(&listing.name)).unwrap_or_default();
        let stage = live.state.lock().stage.clone();
        move |looks| {
            let here = || stage.as_ref().is_some_and(|stage| stage.roster.is_called(looks, uid));
            let held = || live.state.lock().channel.is_name_taken(looks, uid, self.parts.clock.now());
            looks.iter().any(|look| streamer.contains(look)) || here() || held()
        }
    }

    fn guest_grant(&self, uid: &UserId, nickname: &str, scope: Scope) -> Grant {
        let (config, color) = (&self.parts.config, Color::of(uid));
        let title = config.guest.title.as_ref();
        let profile = Profile {
            nickname: nickname.to_owned(),
            color_code: color.code.to_owned(),
            badge_url: config.guest.badge_url.clone(),
            // Where the page is dark or light isn't known, and titles have one colour.
            title: title.map(|name| Title { name: name.clone(), color: color.both.to_owned() }),
            ..Profile::default()
        };
        let plain = Grant::plain(uid.as_str(), nickname, Role::Viewer, scope, config.token_seconds);
        Grant { guest: true, profile, ..plain }
    }
}

fn fresh() -> UserId {
    UserId::parse(&uuid::Uuid::new_v4().simple().to_string()).expect("32 hexadecimal digits are an identity")
}

/// The name of a guest who chooses none: it follows from who they are.
fn given_name(uid: &UserId) -> String {
    let bits = uid.as_str().get(..10).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default();
    let letter = |place: usize| char::from(DIGITS[(bits >> (5 * place)) as usize % DIGITS.len()]);
    format!("{}{}", names::GIVEN, (0..GIVEN_LETTERS).map(letter).collect::<String>())
}
