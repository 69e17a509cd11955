//! Donations, subscriptions, gifts, lines of the system, events.

use std::sync::Arc;

use serde_json::Value;
use time::macros::{format_description, offset};
use time::{Date, PrimitiveDateTime, Time};

use madang::model::announcement::{Announcement, Gift, News, Receiver, SystemLine};
use madang::model::aside::Aside;
use madang::model::id::{ChannelId, Cid, EventId, Seq, UserId};
use madang::model::item::{AnnouncedView, LineView, View};
use madang::model::message::{Author, Draft, Kind, Line, Status};
use madang::model::occasion::{Donation, Mission, Occasion, Purpose, Rank, Subscribed};
use madang::model::own_lines::OwnLine;
use madang::model::principal::Role;
use madang::model::time::Millis;
use madang::proto::asides;
use madang::proto::request::events;
use madang::proto::special::{mission_group, mission_status};

use super::acts::{author, pushed, system_again};
use super::{channel, extras, text};

/// SPECIAL: a line that is paid for, a gift, or a line of the system.
pub(super) fn special_again(example: &Value) -> String {
    let item = &example["bdy"][0];
    let with: Value = serde_json::from_str(item["extras"].as_str().unwrap()).unwrap();
    match item["msgTypeCode"].as_u64().unwrap() {
        10 => line_again(example, Kind::Donation, Occasion::Donation(donation(&with))),
        11 => line_again(example, Kind::Subscription, Occasion::Subscription(subscribed(&with))),
        12 => {
            let giver = item["profile"].as_str().map(|json| author(&serde_json::from_str(json).unwrap()));
            let gift = Gift { giver, ..gift(&with) };
            announced(example, News::Gift(gift), with.get("receiverUserIdHash").is_some())
        }
        _ if with.get("params").is_some() => system_again(example),
        // What the channel says by itself is as short as it is long.
        _ if item["msg"] == with["description"] => {
            let cid = Cid::parse(&text(&example["cid"])).unwrap();
            let members = item["mbrCnt"].as_u64().unwrap().try_into().unwrap();
            let time = Millis(item["msgTime"].as_i64().unwrap());
            asides::push(&cid, &Aside::Line(OwnLine { text: text(&item["msg"]), time, members }))
        }
        _ => {
            let line = SystemLine {
                title: text(&item["msg"]),
                description: text(&with["description"]),
                style: with["styleType"].as_u64().unwrap().try_into().unwrap(),
                staff: with["visibleRoles"].as_array().unwrap().len() == 4,
                people: None,
            };
            announced(example, News::System(line), false)
        }
    }
}

/// An event of a gift, or one that is passed on.
pub(super) fn event_again(example: &Value) -> String {
    let body = &example["bdy"];
    match body["type"].as_str().unwrap() {
        "SUBSCRIPTION_GIFT" => announced(example, News::Gift(gift(body)), false),
        _ => announced(example, News::Event(events::event(body).unwrap()), false),
    }
}

/// Of a gift, the message of the last receiver, or the first one.
fn announced(example: &Value, news: News, last: bool) -> String {
    let time = Millis(example["bdy"][0]["msgTime"].as_i64().unwrap_or_default());
    let cid = Cid::parse(&text(&example["cid"])).unwrap();
    let announcement = Arc::new(Announcement { cid, key: String::new(), news });
    let view = View::Announced(AnnouncedView { seq: Seq(1), id: EventId::fresh(), time, announcement });
    if last { super::acts::pushed_last(example, view) } else { pushed(example, view, &ChannelId::directory()) }
}

fn gift(with: &Value) -> Gift {
    let receiver = with["receiverUserIdHash"].as_str().map(|uid| Receiver {
        uid: UserId::parse(uid).unwrap(),
        nickname: text(&with["receiverNickname"]),
        verified: with["receiverVerifiedMark"].as_bool().unwrap(),
    });
    let giver = with["userIdHash"].as_str().map(|uid| Author {
        uid: UserId::parse(uid).unwrap(),
        profile: Arc::default(),
        role: Role::Viewer,
    });
    Gift {
        id: text(&with["giftId"]),
        giver,
        tier: with["giftTierNo"].as_u64().unwrap().try_into().unwrap(),
        tier_name: text(&with["giftTierName"]),
        random: with["selectionType"] == "RANDOM",
        quantity: with["quantity"].as_u64().unwrap_or(1).try_into().unwrap(),
        receivers: receiver.into_iter().collect(),
    }
}

fn line_again(example: &Value, kind: Kind, occasion: Occasion) -> String {
    let item = &example["bdy"][0];
    let nobody = || Author { uid: UserId::anonymous(), profile: Arc::default(), role: Role::Viewer };
    let author = item["profile"].as_str().map_or_else(nobody, |json| author(&serde_json::from_str(json).unwrap()));
    let draft =
        Draft { kind, text: text(&item["msg"]), extras: extras(item["extras"].as_str().unwrap()), ..Draft::default() };
    let line = Line {
        cid: Cid::parse(&text(&item["cid"])).unwrap(),
        author,
        draft,
        members: 0,
        credential: Default::default(),
        known: Default::default(),
        occasion: Some(Arc::new(occasion)),
        filtered: None,
        judged: Default::default(),
    };
    let id = item["msgId"].as_str().map_or_else(EventId::fresh, |id| EventId(id.parse().unwrap()));
    let seq = Seq(item["seq"].as_u64().unwrap_or(1));
    let view = LineView::revealed(seq, id, Millis(item["msgTime"].as_i64().unwrap()), Status::Normal, Arc::new(line));
    super::acts::pushed_to(example, View::Line(view), &channel(&item["extras"]), item["mbrCnt"].as_u64().unwrap())
}

fn subscribed(with: &Value) -> Subscribed {
    Subscribed {
        months: with["month"].as_u64().unwrap().try_into().unwrap(),
        tier: with["tierNo"].as_u64().unwrap().try_into().unwrap(),
        tier_name: text(&with["tierName"]),
    }
}

fn donation(with: &Value) -> Donation {
    let rank = |rank: &Value| Rank {
        uid: UserId::parse(&text(&rank["userIdHash"])).unwrap(),
        nickname: text(&rank["nickName"]),
        verified: rank["verifiedMark"].as_bool().unwrap(),
        amount: rank["donationAmount"].as_u64().unwrap(),
        place: rank["ranking"].as_u64().unwrap().try_into().unwrap(),
    };
    let purpose = match with["donationType"].as_str().unwrap() {
        "CHAT" => Purpose::Chat,
        "VIDEO" => Purpose::Video,
        "MISSION" => Purpose::Mission(mission(with)),
        other => panic!("{other}"),
    };
    Donation {
        id: text(&with["donationId"]),
        amount: with["payAmount"].as_u64().unwrap(),
        days: with["continuousDonationDays"].as_u64().unwrap().try_into().unwrap(),
        ranks: with["weeklyRankList"].as_array().unwrap().iter().map(rank).collect(),
        own_rank: with.get("donationUserWeeklyRank").map(rank),
        purpose,
    }
}

fn mission(with: &Value) -> Mission {
    let korean = |value: &Value| {
        let time = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
        let (day, hour) = value.as_str()?.split_once('T')?;
        let day = Date::parse(day, format_description!("[year]-[month]-[day]")).unwrap();
        let then = PrimitiveDateTime::new(day, Time::parse(hour, time).unwrap()).assume_offset(offset!(+9));
        Some(Millis(i64::try_from(then.unix_timestamp_nanos() / 1_000_000).unwrap()))
    };
    Mission {
        id: text(&with["missionDonationId"]),
        group: mission_group(with["missionDonationType"].as_str().unwrap()).unwrap(),
        seconds: with["durationTime"].as_u64().unwrap().try_into().unwrap(),
        created: korean(&with["missionCreatedTime"]).unwrap(),
        started: korean(&with["missionStartTime"]),
        ended: korean(&with["missionEndTime"]),
        total: with["totalPayAmount"].as_u64().unwrap(),
        participants: with["participationCount"].as_u64().unwrap().try_into().unwrap(),
        status: mission_status(with["status"].as_str().unwrap()).unwrap(),
        success: with["success"].as_bool().unwrap(),
    }
}
