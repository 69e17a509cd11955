//! What the site's backend tells that is no chat: donations, subscriptions, gifts, lines of the system, events.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::announcement::{Gift, MOST_GIVEN, MOST_RECEIVERS, News, Receiver, SystemLine};
use crate::model::id::{EventId, UserId};
use crate::model::message::{Author, Draft, Extras, Kind};
use crate::model::mode::Known;
use crate::model::occasion::{
    Donation, LARGEST_AMOUNT, LONGEST_DETAIL, MOST_RANKS, Mission, Occasion, Party, Purpose, Rank, Subscribed,
};
use crate::model::principal::Role;
use crate::model::time::Millis;
use crate::node::{Access, SiteLine};
use crate::proto::request::events;
use crate::proto::special::{mission_group, mission_status};

use super::Site;
use super::ask::{Answer, Body, IdempotencyKey, RequestEvent, channel_id, user_id};
use super::people::{MessageJson, PersonJson, speaker};
use super::problem::{Failure, Problem};

/// Longest identity in the site's books, in bytes.
const LONGEST_BOOK_ID: usize = 64;

/// The end of the year 2099, in milliseconds.
const LATEST_MS: i64 = 4_102_444_800_000;

/// Largest of the other numbers: what published clients hold in 32 bits.
const LARGEST_NUMBER: u32 = 1_000_000_000;

/// Longest nickname in characters.
const LONGEST_NICKNAME: usize = 30;

fn bad(why: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)
}

/// What is given, by whom, and what for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Donate {
    /// In won, 1 to 1,000,000,000.
    amount: u64,
    /// `chat` (when it isn't said), `video`, `mission`, `mission_participation` or `party`.
    r#type: Option<String>,
    /// What is read aloud, the video's title, or the mission. May be empty.
    #[serde(default)]
    text: String,
    /// Without it, the donor isn't named.
    user: Option<PersonJson>,
    /// Pictures of the emojis in the text, by name.
    #[serde(default)]
    emojis: BTreeMap<String, String>,
    /// Its identity in your books, 1 to 64 characters; `msgId` of the answer when it isn't said.
    donation_id: Option<String>,
    /// Days in a row on which the donor has given something.
    #[serde(default)]
    continuous_days: u32,
    /// Who has given most this week: at most 10.
    #[serde(default)]
    ranks: Vec<RankJson>,
    /// The donor's own place.
    own_rank: Option<RankJson>,
    /// Of a mission, or of a share in one.
    mission: Option<MissionJson>,
    /// Of a party.
    party: Option<PartyJson>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RankJson {
    uid: String,
    nickname: String,
    #[serde(default)]
    verified: bool,
    amount: u64,
    rank: u32,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MissionJson {
    mission_id: String,
    /// `alone`, `group` or `participation`
    group: String,
    seconds: u32,
    created_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    /// What all have given, in won.
    total: u64,
    #[serde(default)]
    participants: u32,
    /// `pending`, `approved`, `rejected`, `completed` or `expired`
    status: String,
    #[serde(default)]
    success: bool,
    /// Of a share: the mission that it is a share in.
    related_mission_id: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PartyJson {
    party_id: String,
    name: String,
    number: u32,
}

/// Tells everybody of a donation; a line like others, in the same order, that can be hidden.
#[utoipa::path(post, path = "/channels/{channel}/donations", tag = "specials",
    params(("channel" = String, Path), IdempotencyKey), request_body = Donate,
    responses((status = 201, body = MessageJson), Failure))]
pub(super) async fn donate(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    RequestEvent(id): RequestEvent,
    Body(asked): Body<Donate>,
) -> Answer<(StatusCode, Json<MessageJson>)> {
    let (author, known) = match asked.user {
        Some(user) => speaker(&site, Some(user)).await?,
        None => (nobody(), Known::default()),
    };
    let donation = Donation {
        id: asked.donation_id.map_or_else(|| Ok(id.to_string()), |given| book_id("donationId", given))?,
        amount: amount("amount", asked.amount)?,
        days: number("continuousDays", asked.continuous_days)?,
        ranks: ranks(asked.ranks)?,
        own_rank: asked.own_rank.map(rank).transpose()?,
        purpose: purpose(asked.r#type.as_deref().unwrap_or("chat"), asked.mission, asked.party)?,
    };
    let extras = Extras { emojis: asked.emojis.into_iter().collect(), ..Extras::default() };
    let draft = Draft { kind: Kind::Donation, text: asked.text, extras, ..Draft::default() };
    let line = SiteLine { author, known, draft, occasion: Some(Occasion::Donation(donation)), id };
    say(&site, &channel, line, &access).await
}

fn nobody() -> Author {
    Author { uid: UserId::anonymous(), profile: Arc::default(), role: Role::Viewer }
}

fn purpose(word: &str, mission: Option<MissionJson>, party: Option<PartyJson>) -> Answer<Purpose> {
    match (word.to_ascii_lowercase().as_str(), mission, party) {
        ("chat", None, None) => Ok(Purpose::Chat),
        ("video", None, None) => Ok(Purpose::Video),
        ("mission", Some(mission), None) => {
            if mission.related_mission_id.is_some() {
                return Err(bad("a mission has no relatedMissionId: that is for mission_participation"));
            }
            Ok(Purpose::Mission(read_mission(mission)?.0))
        }
        ("mission_participation", Some(mission), None) => match read_mission(mission)? {
            (mission, Some(related)) => Ok(Purpose::Participation(mission, related)),
            (_, None) => Err(bad("mission.relatedMissionId is missing")),
        },
        ("party", None, Some(PartyJson { party_id, name, number })) => {
            let (id, name) = (book_id("partyId", party_id)?, detail("party.name", name)?);
            Ok(Purpose::Party(Party { id, name, number: self::number("party.number", number)? }))
        }
        ("mission" | "mission_participation", None, _) => Err(bad("mission is missing")),
        ("party", _, None) => Err(bad("party is missing")),
        ("chat" | "video" | "mission" | "mission_participation" | "party", ..) => {
            Err(bad("mission and party are for donations of those types"))
        }
        _ => Err(bad("type is chat, video, mission, mission_participation or party")),
    }
}

fn read_mission(json: MissionJson) -> Answer<(Mission, Option<String>)> {
    let mission = Mission {
        id: book_id("missionId", json.mission_id)?,
        group: mission_group(&json.group).ok_or_else(|| bad("mission.group is alone, group or participation"))?,
        seconds: number("mission.seconds", json.seconds)?,
        created: moment(json.created_at)?,
        started: json.started_at.map(moment).transpose()?,
        ended: json.ended_at.map(moment).transpose()?,
        total: amount("mission.total", json.total)?,
        participants: number("mission.participants", json.participants)?,
        status: mission_status(&json.status)
            .ok_or_else(|| bad("mission.status is pending, approved, rejected, completed or expired"))?,
        success: json.success,
    };
    Ok((mission, json.related_mission_id.map(|id| book_id("relatedMissionId", id)).transpose()?))
}

fn moment(millis: i64) -> Answer<Millis> {
    let fits = (0..=LATEST_MS).contains(&millis);
    fits.then_some(Millis(millis)).ok_or_else(|| bad("times of a mission are milliseconds since 1970, up to 2100"))
}

fn nickname(name: String) -> Answer<String> {
    let fits = name.chars().count() <= LONGEST_NICKNAME;
    detail("nickname", name).ok().filter(|_| fits).ok_or_else(|| bad("nickname has 1 to 30 characters"))
}

fn ranks(ranks: Vec<RankJson>) -> Answer<Vec<Rank>> {
    if ranks.len() > MOST_RANKS {
        return Err(bad("ranks has at most 10"));
    }
    ranks.into_iter().map(rank).collect()
}

fn rank(json: RankJson) -> Answer<Rank> {
    let RankJson { uid, nickname, verified, amount: given, rank } = json;
    let (uid, nickname) = (user_id(&uid)?, self::nickname(nickname)?);
    Ok(Rank { uid, nickname, verified, amount: amount("rank.amount", given)?, place: number("rank.rank", rank)? })
}

fn number(field: &str, given: u32) -> Answer<u32> {
    (given <= LARGEST_NUMBER).then_some(given).ok_or_else(|| bad(&format!("{field} is {LARGEST_NUMBER} at most")))
}

fn amount(field: &str, won: u64) -> Answer<u64> {
    let fits = (1..=LARGEST_AMOUNT).contains(&won);
    fits.then_some(won).ok_or_else(|| bad(&format!("{field} is 1 to {LARGEST_AMOUNT} won")))
}

fn book_id(field: &str, text: String) -> Answer<String> {
    let fits = !text.is_empty() && text.len() <= LONGEST_BOOK_ID && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(text).ok_or_else(|| bad(&format!("{field} has 1 to 64 printable ASCII characters")))
}

fn detail(field: &str, text: String) -> Answer<String> {
    let fits = !text.is_empty() && text.len() <= LONGEST_DETAIL && !text.chars().any(char::is_control);
    fits.then_some(text).ok_or_else(|| bad(&format!("{field} has 1 to {LONGEST_DETAIL} bytes, no control characters")))
}

async fn say(site: &Site, channel: &str, line: SiteLine, access: &Access) -> Answer<(StatusCode, Json<MessageJson>)> {
    let (cid, receipt) = site.node.say(&channel_id(channel)?, line, access).await?;
    Ok((StatusCode::CREATED, Json(MessageJson::new(&cid, receipt))))
}

/// Who has subscribed for another month.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Subscribe {
    user: PersonJson,
    /// Months in all, 1 at least.
    months: u32,
    /// 1 or 2.
    tier: u8,
    tier_name: String,
    /// May be empty.
    #[serde(default)]
    text: String,
}

fn tier(number: u8) -> Answer<u8> {
    (1..=2).contains(&number).then_some(number).ok_or_else(|| bad("tier is 1 or 2"))
}

/// Tells everybody that somebody has subscribed for another month; a line like others.
#[utoipa::path(post, path = "/channels/{channel}/subscriptions", tag = "specials",
    params(("channel" = String, Path), IdempotencyKey), request_body = Subscribe,
    responses((status = 201, body = MessageJson), Failure))]
pub(super) async fn subscribe(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    RequestEvent(id): RequestEvent,
    Body(asked): Body<Subscribe>,
) -> Answer<(StatusCode, Json<MessageJson>)> {
    let (author, known) = speaker(&site, Some(asked.user)).await?;
    if number("months", asked.months)? == 0 {
        return Err(bad("months is 1 at least"));
    }
    let (tier, tier_name) = (tier(asked.tier)?, detail("tierName", asked.tier_name)?);
    let occasion = Some(Occasion::Subscription(Subscribed { months: asked.months, tier, tier_name }));
    let draft = Draft { kind: Kind::Subscription, text: asked.text, ..Draft::default() };
    say(&site, &channel, SiteLine { author, known, draft, occasion, id }, &access).await
}

/// Subscriptions that somebody gives away.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Give {
    /// Without it, the giver isn't named.
    user: Option<PersonJson>,
    /// Its identity in your books, 1 to 64 characters; `msgId` of the answer when it isn't said.
    gift_id: Option<String>,
    /// 1 or 2.
    tier: u8,
    tier_name: String,
    /// Whether chance has chosen who gets them.
    #[serde(default)]
    random: bool,
    /// 1 to 1,000; as many as there are receivers when it isn't said.
    quantity: Option<u32>,
    /// Who has got one: at most 20.
    #[serde(default)]
    receivers: Vec<ReceiverJson>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReceiverJson {
    uid: String,
    nickname: String,
    #[serde(default)]
    verified: bool,
}

/// Tells everybody that somebody gives subscriptions away, and to whom.
#[utoipa::path(post, path = "/channels/{channel}/gifts", tag = "specials",
    params(("channel" = String, Path), IdempotencyKey), request_body = Give,
    responses((status = 201, body = MessageJson), Failure))]
pub(super) async fn give(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    RequestEvent(id): RequestEvent,
    Body(asked): Body<Give>,
) -> Answer<(StatusCode, Json<MessageJson>)> {
    let giver = match asked.user {
        Some(user) => Some(speaker(&site, Some(user)).await?.0),
        None => None,
    };
    if asked.receivers.len() > MOST_RECEIVERS {
        return Err(bad("receivers has at most 20"));
    }
    let receiver = |json: ReceiverJson| {
        let ReceiverJson { uid, nickname, verified } = json;
        Ok(Receiver { uid: user_id(&uid)?, nickname: self::nickname(nickname)?, verified })
    };
    let receivers: Vec<Receiver> = asked.receivers.into_iter().map(receiver).collect::<Answer<_>>()?;
    let quantity = asked.quantity.unwrap_or(receivers.len() as u32);
    if !(1..=MOST_GIVEN).contains(&quantity) || (quantity as usize) < receivers.len() {
        return Err(bad("quantity is 1 to 1000, and no less than there are receivers"));
    }
    let gift = Gift {
        id: asked.gift_id.map_or_else(|| Ok(id.to_string()), |given| book_id("giftId", given))?,
        giver,
        tier: tier(asked.tier)?,
        tier_name: detail("tierName", asked.tier_name)?,
        random: asked.random,
        quantity,
        receivers,
    };
    announce(&site, (&channel, &access, id), News::Gift(gift)).await
}

/// A line of the system.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SayAsSystem {
    /// In short, up to 500 bytes.
    title: String,
    /// In full, up to 500 bytes.
    description: String,
    /// How it is shown: 1 (when it isn't said), 3 or 5.
    style: Option<u8>,
    /// Whether it is for staff alone.
    #[serde(default)]
    staff: bool,
    /// Who did something, and to whom: both or neither.
    by: Option<PersonJson>,
    target: Option<PersonJson>,
}

/// Shows a line of the system.
#[utoipa::path(post, path = "/channels/{channel}/system-lines", tag = "specials",
    params(("channel" = String, Path), IdempotencyKey), request_body = SayAsSystem,
    responses((status = 201, body = MessageJson), Failure))]
pub(super) async fn say_as_system(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    RequestEvent(id): RequestEvent,
    Body(asked): Body<SayAsSystem>,
) -> Answer<(StatusCode, Json<MessageJson>)> {
    let people = match (asked.by, asked.target) {
        (Some(by), Some(target)) => Some((speaker(&site, Some(by)).await?.0, speaker(&site, Some(target)).await?.0)),
        (None, None) => None,
        _ => return Err(bad("say both by and target, or neither: published clients break on one")),
    };
    let style = asked.style.unwrap_or(1);
    if ![1, 3, 5].contains(&style) {
        return Err(bad("style is 1, 3 or 5"));
    }
    let (title, description) = (detail("title", asked.title)?, detail("description", asked.description)?);
    let line = SystemLine { title, description, style, staff: asked.staff, people };
    announce(&site, (&channel, &access, id), News::System(line)).await
}

/// Pushes an event (93006) as it is: a JSON object of at most 8 KiB with a `type` in capitals. Those about missions are
/// looked at closely, because published clients are, too; those that the gateway tells itself are refused.
#[utoipa::path(post, path = "/channels/{channel}/events", tag = "specials",
    params(("channel" = String, Path), IdempotencyKey), request_body = serde_json::Value,
    responses((status = 201, body = MessageJson), Failure))]
pub(super) async fn push_event(
    State(site): State<Arc<Site>>,
    Extension(access): Extension<Access>,
    Path(channel): Path<String>,
    RequestEvent(id): RequestEvent,
    Body(asked): Body<serde_json::Value>,
) -> Answer<(StatusCode, Json<MessageJson>)> {
    let event = events::event(&asked).map_err(|why| bad(&why))?;
    announce(&site, (&channel, &access, id), News::Event(event)).await
}

async fn announce(
    site: &Site,
    (channel, access, id): (&str, &Access, EventId),
    news: News,
) -> Answer<(StatusCode, Json<MessageJson>)> {
    let (cid, receipt) = site.node.announce(&channel_id(channel)?, news, access, id).await?;
    Ok((StatusCode::CREATED, Json(MessageJson::new(&cid, receipt))))
}
