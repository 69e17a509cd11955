//! What isn't ordinary chat: donations and subscriptions (SPECIAL, 93102), and what the site's backend tells beside: gifts
//! and lines of the system (SPECIAL), events (EVENT, 93006). Shapes: facts, 2.6 and 2.8.

use serde::Serialize;

use crate::model::announcement::{Gift, News, Receiver, SystemLine};
use crate::model::id::{ChannelId, Cid};
use crate::model::item::{AnnouncedView, LineView};
use crate::model::message::Author;
use crate::model::occasion::{
    Donation, Mission, MissionGroup, MissionStatus, Occasion, Party, Purpose, Rank, Subscribed,
};
use crate::model::own_lines::OwnLine;

use super::cmd::Cmd;
use super::people::{self, MODE_CHANGE, SYSTEM, SYSTEM_TYPE, korean_time};
use super::profile::{ExtrasJson, extras_json, extras_string, json, profile_string};
use super::push::{ChatItem, Place};

/// Who gave what has no giver who wants to be named (facts, 2.3).
const ANONYMOUS: &str = "anonymous";

/// How donations are paid here.
const CURRENCY: &str = "CURRENCY";

/// `msgTypeCode` of subscriptions that were given away.
const GIFT_TYPE: u8 = 12;

const GIFT: &str = "SUBSCRIPTION_GIFT";
const GIFT_RECEIVER: &str = "SUBSCRIPTION_GIFT_RECEIVER";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DonationExtras<'a> {
    #[serde(flatten)]
    chat: ExtrasJson<'a>,
    donation_id: &'a str,
    donation_type: &'static str,
    pay_type: &'static str,
    pay_amount: u64,
    is_anonymous: bool,
    continuous_donation_days: u32,
    weekly_rank_list: Vec<RankJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    donation_user_weekly_rank: Option<RankJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nickname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_mark: Option<bool>,
    #[serde(flatten)]
    mission: Option<MissionJson<'a>>,
    #[serde(flatten)]
    party: Option<PartyJson<'a>>,
}

/// `nickName` is spelled so on the real wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RankJson<'a> {
    user_id_hash: &'a str,
    nick_name: &'a str,
    verified_mark: bool,
    activated_achievement_badge_ids: [(); 0],
    donation_amount: u64,
    ranking: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MissionJson<'a> {
    mission_donation_id: &'a str,
    mission_donation_type: &'static str,
    mission_text: &'a str,
    duration_time: u32,
    mission_created_time: String,
    mission_start_time: Option<String>,
    mission_end_time: Option<String>,
    total_pay_amount: u64,
    participation_count: u32,
    status: &'static str,
    success: bool,
    user_id_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    related_mission_donation_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartyJson<'a> {
    party_donation_id: &'a str,
    party_name: &'a str,
    party_no: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionExtras<'a> {
    #[serde(flatten)]
    chat: ExtrasJson<'a>,
    month: u32,
    tier_no: u8,
    tier_name: &'a str,
    nickname: &'a str,
}

/// The `profile` string of a line's author; none of one who doesn't want to be named.
pub(super) fn profile(author: &Author) -> Option<String> {
    (!author.uid.is_anonymous()).then(|| profile_string(author))
}

/// The `extras` string of a line, with what it was said with.
pub fn extras(line: &LineView, channel: &ChannelId) -> String {
    let said = line.extras();
    match line.occasion() {
        None => extras_string(&said, channel),
        Some(Occasion::Donation(donation)) => json(&donation_extras(line, donation, extras_json(&said, channel))),
        Some(Occasion::Subscription(Subscribed { months, tier, tier_name })) => json(&SubscriptionExtras {
            chat: extras_json(&said, channel),
            month: *months,
            tier_no: *tier,
            tier_name,
            nickname: &line.author().profile.nickname,
        }),
    }
}

fn donation_extras<'a>(line: &'a LineView, donation: &'a Donation, chat: ExtrasJson<'a>) -> DonationExtras<'a> {
    let named = Some(line.author()).filter(|donor| !donor.uid.is_anonymous());
    let (donation_type, mission, party) = match &donation.purpose {
        Purpose::Chat => ("CHAT", None, None),
        Purpose::Video => ("VIDEO", None, None),
        Purpose::Mission(mission) => ("MISSION", Some(mission_json(line, mission, None)), None),
        Purpose::Participation(mission, related) => {
            ("MISSION_PARTICIPATION", Some(mission_json(line, mission, Some(related))), None)
        }
        Purpose::Party(Party { id, name, number }) => {
            ("PARTY", None, Some(PartyJson { party_donation_id: id, party_name: name, party_no: *number }))
        }
    };
    DonationExtras {
        chat,
        donation_id: &donation.id,
        donation_type,
        pay_type: CURRENCY,
        pay_amount: donation.amount,
        is_anonymous: named.is_none(),
        continuous_donation_days: donation.days,
        weekly_rank_list: donation.ranks.iter().map(rank).collect(),
        donation_user_weekly_rank: donation.own_rank.as_ref().map(rank),
        nickname: named.map(|donor| donor.profile.nickname.as_str()),
        verified_mark: named.map(|donor| donor.profile.verified),
        mission,
        party,
    }
}

fn rank(rank: &Rank) -> RankJson<'_> {
    RankJson {
        user_id_hash: rank.uid.as_str(),
        nick_name: &rank.nickname,
        verified_mark: rank.verified,
        activated_achievement_badge_ids: [],
        donation_amount: rank.amount,
        ranking: rank.place,
    }
}

/// What shall be done is what the line says: withheld with it.
fn mission_json<'a>(line: &'a LineView, mission: &'a Mission, related: Option<&'a str>) -> MissionJson<'a> {
    let donor = &line.author().uid;
    MissionJson {
        mission_donation_id: &mission.id,
        mission_donation_type: group_name(mission.group),
        mission_text: line.text(),
        duration_time: mission.seconds,
        mission_created_time: korean_time(mission.created),
        mission_start_time: mission.started.map(korean_time),
        mission_end_time: mission.ended.map(korean_time),
        total_pay_amount: mission.total,
        participation_count: mission.participants,
        status: status_name(mission.status),
        success: mission.success,
        user_id_hash: Some(donor.as_str()).filter(|_| !donor.is_anonymous()),
        related_mission_donation_id: related,
    }
}

const GROUPS: [(MissionGroup, &str); 3] =
    [(MissionGroup::Alone, "ALONE"), (MissionGroup::Group, "GROUP"), (MissionGroup::Participation, "PARTICIPATION")];

const STATUSES: [(MissionStatus, &str); 5] = [
    (MissionStatus::Pending, "PENDING"),
    (MissionStatus::Approved, "APPROVED"),
    (MissionStatus::Rejected, "REJECTED"),
    (MissionStatus::Completed, "COMPLETED"),
    (MissionStatus::Expired, "EXPIRED"),
];

fn group_name(group: MissionGroup) -> &'static str {
    GROUPS.iter().find(|(known, _)| *known == group).map_or("", |(_, name)| name)
}

fn status_name(status: MissionStatus) -> &'static str {
    STATUSES.iter().find(|(known, _)| *known == status).map_or("", |(_, name)| name)
}

/// Who gives for a mission, by the wire's name in any case.
pub fn mission_group(name: &str) -> Option<MissionGroup> {
    GROUPS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(group, _)| *group)
}

/// How a mission stands, by the wire's name in any case.
pub fn mission_status(name: &str) -> Option<MissionStatus> {
    STATUSES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(status, _)| *status)
}

/// The messages of what the site's backend tells: one item in each, because one published client reads no more of a message
/// that holds an item which it can't read.
pub(super) fn announced(place: &Place<'_>, view: &AnnouncedView) -> Vec<(Cmd, String)> {
    match &view.announcement.news {
        News::Event(json) => vec![(Cmd::EVENT, json.clone())],
        News::System(line) => vec![(Cmd::SPECIAL, system(place, view, line))],
        News::Visit(visit) => {
            vec![(Cmd::SPECIAL, json(&[own_item(&visit.text, item(place, view, SYSTEM_TYPE, SYSTEM))]))]
        }
        News::Gift(gift) => gifts(place, view, gift),
    }
}

/// A special item with no other author than the wire's own.
fn item<'a>(place: &Place<'a>, view: &AnnouncedView, code: u8, uid: &'a str) -> ChatItem<'a> {
    ChatItem::blank(place.cid, place.members, view.time, (code, uid)).placed(place, view.id, view.seq)
}

fn system(place: &Place<'_>, view: &AnnouncedView, line: &SystemLine) -> String {
    let extras = people::system_extras(
        line.description.clone(),
        line.style,
        line.staff,
        line.people.as_ref().map(|(by, to)| (by, to)),
    );
    json(&[ChatItem {
        profile: Some("{}".to_owned()),
        msg: &line.title,
        extras,
        ..item(place, view, SYSTEM_TYPE, SYSTEM)
    }])
}

/// A line of the channel's own that stands in no log, as the one item of its message.
pub(super) fn own_line(cid: &Cid, line: &OwnLine) -> String {
    let OwnLine { text, time, members } = line;
    json(&[own_item(text, ChatItem::blank(cid, *members, *time, (SYSTEM_TYPE, SYSTEM)))])
}

/// What the channel says by itself, as a line of the system for all.
fn own_item<'a>(text: &'a str, blank: ChatItem<'a>) -> ChatItem<'a> {
    let extras = people::system_extras(text.to_owned(), MODE_CHANGE, false, None);
    ChatItem { profile: Some("{}".to_owned()), msg: text, extras, ..blank }
}

/// What is said of a gift, in its line and in its event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GiftJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    gift_id: &'a str,
    gift_type: &'static str,
    gift_tier_no: u8,
    gift_tier_name: &'a str,
    selection_type: &'static str,
    #[serde(flatten)]
    given: Option<GivenJson>,
    #[serde(flatten)]
    receiver: Option<ReceiverJson<'a>>,
    user_id_hash: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GivenJson {
    quantity: u32,
    completed_quantity: u32,
    partial_refunded_quantity: u32,
    sender_tier_no: Option<()>,
    failed_users: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReceiverJson<'a> {
    receiver_user_id_hash: &'a str,
    receiver_nickname: &'a str,
    receiver_verified_mark: bool,
    receiver_verified_mark_type: Option<()>,
}

/// The gift, then each receiver: an event and a line of each, as the real wire has both.
fn gifts(place: &Place<'_>, view: &AnnouncedView, gift: &Gift) -> Vec<(Cmd, String)> {
    let giver = gift.giver.as_ref();
    let both = |event: GiftJson<'_>| {
        let line = GiftJson { r#type: None, ..event };
        let uid = giver.map_or(ANONYMOUS, |giver| giver.uid.as_str());
        let profile = giver.map(profile_string);
        let item = ChatItem { profile, extras: json(&line), ..item(place, view, GIFT_TYPE, uid) };
        let special = (Cmd::SPECIAL, json(&[item]));
        [(Cmd::EVENT, json(&GiftJson { r#type: Some(line.gift_type), ..line })), special]
    };
    let given = gift.receivers.iter().map(Some);
    std::iter::once(None).chain(given).flat_map(|receiver| both(gift_json(gift, receiver))).collect()
}

fn gift_json<'a>(gift: &'a Gift, receiver: Option<&'a Receiver>) -> GiftJson<'a> {
    let given = GivenJson {
        quantity: gift.quantity,
        completed_quantity: gift.quantity,
        partial_refunded_quantity: 0,
        sender_tier_no: None,
        failed_users: [],
    };
    GiftJson {
        r#type: None,
        gift_id: &gift.id,
        gift_type: if receiver.is_some() { GIFT_RECEIVER } else { GIFT },
        gift_tier_no: gift.tier,
        gift_tier_name: &gift.tier_name,
        selection_type: if gift.random { "RANDOM" } else { "MANUAL" },
        given: receiver.is_none().then_some(given),
        receiver: receiver.map(|receiver| ReceiverJson {
            receiver_user_id_hash: receiver.uid.as_str(),
            receiver_nickname: &receiver.nickname,
            receiver_verified_mark: receiver.verified,
            receiver_verified_mark_type: None,
        }),
        user_id_hash: gift.giver.as_ref().map(|giver| giver.uid.as_str()),
    }
}
