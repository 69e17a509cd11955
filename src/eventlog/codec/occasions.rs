//! The stored form of donations and subscriptions, and of what the site's backend tells.

use serde::{Deserialize, Serialize};

use crate::model::announcement::{Announcement, Gift, News, Receiver, SystemLine};
use crate::model::id::{Cid, UserId};
use crate::model::occasion::{
    Donation, Mission, MissionGroup, MissionStatus, Occasion, Party, Purpose, Rank, Subscribed,
};
use crate::model::own_lines::Visit;
use crate::model::time::Millis;

use super::acts::{StoredPerson, read_person, stored_person};
use super::{value, word};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredOccasion {
    Donation(Box<StoredDonation>),
    Subscription { months: u32, tier: u8, tier_name: String },
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredDonation {
    id: String,
    amount: u64,
    #[serde(default)]
    days: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ranks: Vec<StoredRank>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own_rank: Option<StoredRank>,
    purpose: StoredPurpose,
}

/// Who, what they are called, whether the site vouches for them, what they have given, and their place.
type StoredRank = (String, String, bool, u64, u32);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredPurpose {
    Chat,
    Video,
    Mission(StoredMission),
    Participation { mission: StoredMission, related: String },
    Party { id: String, name: String, number: u32 },
}

#[derive(Serialize, Deserialize)]
struct StoredMission {
    id: String,
    group: String,
    seconds: u32,
    created: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<i64>,
    total: u64,
    participants: u32,
    status: String,
    success: bool,
}

const GROUPS: [(MissionGroup, &str); 3] =
    [(MissionGroup::Alone, "alone"), (MissionGroup::Group, "group"), (MissionGroup::Participation, "participation")];

const STATUSES: [(MissionStatus, &str); 5] = [
    (MissionStatus::Pending, "pending"),
    (MissionStatus::Approved, "approved"),
    (MissionStatus::Rejected, "rejected"),
    (MissionStatus::Completed, "completed"),
    (MissionStatus::Expired, "expired"),
];

pub(super) fn stored(occasion: &Occasion) -> StoredOccasion {
    match occasion {
        Occasion::Subscription(Subscribed { months, tier, tier_name }) => {
            StoredOccasion::Subscription { months: *months, tier: *tier, tier_name: tier_name.clone() }
        }
        Occasion::Donation(donation) => StoredOccasion::Donation(Box::new(StoredDonation {
            id: donation.id.clone(),
            amount: donation.amount,
            days: donation.days,
            ranks: donation.ranks.iter().map(stored_rank).collect(),
            own_rank: donation.own_rank.as_ref().map(stored_rank),
            purpose: match &donation.purpose {
                Purpose::Chat => StoredPurpose::Chat,
                Purpose::Video => StoredPurpose::Video,
                Purpose::Mission(mission) => StoredPurpose::Mission(stored_mission(mission)),
                Purpose::Participation(mission, related) => {
                    StoredPurpose::Participation { mission: stored_mission(mission), related: related.clone() }
                }
                Purpose::Party(Party { id, name, number }) => {
                    StoredPurpose::Party { id: id.clone(), name: name.clone(), number: *number }
                }
            },
        })),
    }
}

pub(super) fn read(stored: StoredOccasion) -> Option<Occasion> {
    Some(match stored {
        StoredOccasion::Subscription { months, tier, tier_name } => {
            Occasion::Subscription(Subscribed { months, tier, tier_name })
        }
        StoredOccasion::Donation(donation) => Occasion::Donation(Donation {
            id: donation.id,
            amount: donation.amount,
            days: donation.days,
            ranks: donation.ranks.into_iter().map(read_rank).collect::<Option<_>>()?,
            own_rank: match donation.own_rank {
                Some(rank) => Some(read_rank(rank)?),
                None => None,
            },
            purpose: match donation.purpose {
                StoredPurpose::Chat => Purpose::Chat,
                StoredPurpose::Video => Purpose::Video,
                StoredPurpose::Mission(mission) => Purpose::Mission(read_mission(mission)?),
                StoredPurpose::Participation { mission, related } => {
                    Purpose::Participation(read_mission(mission)?, related)
                }
                StoredPurpose::Party { id, name, number } => Purpose::Party(Party { id, name, number }),
            },
        }),
    })
}

fn stored_rank(rank: &Rank) -> StoredRank {
    (rank.uid.to_string(), rank.nickname.clone(), rank.verified, rank.amount, rank.place)
}

fn read_rank((uid, nickname, verified, amount, place): StoredRank) -> Option<Rank> {
    Some(Rank { uid: UserId::parse(&uid)?, nickname, verified, amount, place })
}

fn stored_mission(mission: &Mission) -> StoredMission {
    StoredMission {
        id: mission.id.clone(),
        group: word(&GROUPS, mission.group),
        seconds: mission.seconds,
        created: mission.created.0,
        started: mission.started.map(|at| at.0),
        ended: mission.ended.map(|at| at.0),
        total: mission.total,
        participants: mission.participants,
        status: word(&STATUSES, mission.status),
        success: mission.success,
    }
}

fn read_mission(stored: StoredMission) -> Option<Mission> {
    Some(Mission {
        id: stored.id,
        group: value(&GROUPS, &stored.group)?,
        seconds: stored.seconds,
        created: Millis(stored.created),
        started: stored.started.map(Millis),
        ended: stored.ended.map(Millis),
        total: stored.total,
        participants: stored.participants,
        status: value(&STATUSES, &stored.status)?,
        success: stored.success,
    })
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredAnnouncement {
    cid: String,
    key: String,
    news: StoredNews,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredNews {
    Gift(Box<StoredGift>),
    System(Box<StoredSystem>),
    Event(String),
    Visit { uid: String, text: String },
}

#[derive(Serialize, Deserialize)]
struct StoredGift {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    giver: Option<StoredPerson>,
    tier: u8,
    tier_name: String,
    random: bool,
    quantity: u32,
    /// Who, what they are called, and whether the site vouches for them.
    receivers: Vec<(String, String, bool)>,
}

#[derive(Serialize, Deserialize)]
struct StoredSystem {
    title: String,
    description: String,
    style: u8,
    staff: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    people: Option<(StoredPerson, StoredPerson)>,
}

pub(super) fn stored_announcement(announcement: &Announcement) -> StoredAnnouncement {
    let Announcement { cid, key, news } = announcement;
    let receiver = |receiver: &Receiver| (receiver.uid.to_string(), receiver.nickname.clone(), receiver.verified);
    let news = match news {
        News::Event(json) => StoredNews::Event(json.clone()),
        News::Visit(visit) => StoredNews::Visit { uid: visit.uid.to_string(), text: visit.text.clone() },
        News::Gift(gift) => StoredNews::Gift(Box::new(StoredGift {
            id: gift.id.clone(),
            giver: gift.giver.as_ref().map(stored_person),
            tier: gift.tier,
            tier_name: gift.tier_name.clone(),
            random: gift.random,
            quantity: gift.quantity,
            receivers: gift.receivers.iter().map(receiver).collect(),
        })),
        News::System(line) => StoredNews::System(Box::new(StoredSystem {
            title: line.title.clone(),
            description: line.description.clone(),
            style: line.style,
            staff: line.staff,
            people: line.people.as_ref().map(|(by, target)| (stored_person(by), stored_person(target))),
        })),
    };
    StoredAnnouncement { cid: cid.to_string(), key: key.clone(), news }
}

pub(super) fn read_announcement(stored: StoredAnnouncement) -> Option<Announcement> {
    let receiver = |(uid, nickname, verified): (String, String, bool)| {
        Some(Receiver { uid: UserId::parse(&uid)?, nickname, verified })
    };
    let news = match stored.news {
        StoredNews::Event(json) => News::Event(json),
        StoredNews::Visit { uid, text } => News::Visit(Visit { uid: UserId::parse(&uid)?, text }),
        StoredNews::Gift(gift) => News::Gift(Gift {
            id: gift.id,
            giver: match gift.giver {
                Some(giver) => Some(read_person(giver)?),
                None => None,
            },
            tier: gift.tier,
            tier_name: gift.tier_name,
            random: gift.random,
            quantity: gift.quantity,
            receivers: gift.receivers.into_iter().map(receiver).collect::<Option<_>>()?,
        }),
        StoredNews::System(line) => News::System(SystemLine {
            title: line.title,
            description: line.description,
            style: line.style,
            staff: line.staff,
            people: match line.people {
                Some((by, target)) => Some((read_person(by)?, read_person(target)?)),
                None => None,
            },
        }),
    };
    Some(Announcement { cid: Cid::parse(&stored.cid)?, key: stored.key, news })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::eventlog::codec::{decode, encode};
    use crate::model::access::Credential;
    use crate::model::event::{Body, Event};
    use crate::model::message::{Author, Draft, Kind, Line};
    use crate::model::mode::Known;
    use crate::model::principal::Role;

    use super::*;

    fn comes_back(body: Body) {
        let event = Event::new(Millis(5), body);
        assert_eq!(decode(event.id, &encode(&event)), event);
    }

    fn someone() -> Author {
        Author { uid: UserId::parse("u").unwrap(), profile: Arc::default(), role: Role::Viewer }
    }

    #[test]
    fn donations_and_subscriptions_come_back_as_they_went() {
        let rank = |place| Rank {
            uid: UserId::parse("r").unwrap(),
            nickname: "랭커".to_owned(),
            verified: true,
            amount: 9_000,
            place,
        };
        let mission = |group, status| Mission {
            id: "m".to_owned(),
            group,
            seconds: 3_600,
            created: Millis(1),
            started: Some(Millis(2)),
            ended: None,
            total: 20_000,
            participants: 2,
            status,
            success: true,
        };
        let mut purposes = vec![
            Purpose::Chat,
            Purpose::Video,
            Purpose::Party(Party { id: "p".to_owned(), name: "파티".to_owned(), number: 3 }),
            Purpose::Participation(mission(MissionGroup::Participation, MissionStatus::Pending), "m0".to_owned()),
        ];
        purposes.extend(STATUSES.map(|(status, _)| Purpose::Mission(mission(MissionGroup::Alone, status))));
        purposes.push(Purpose::Mission(mission(MissionGroup::Group, MissionStatus::Approved)));
        let donation = |purpose| {
            let (id, amount, days) = ("d".to_owned(), 1_000, 3);
            Occasion::Donation(Donation { id, amount, days, ranks: vec![rank(1)], own_rank: Some(rank(2)), purpose })
        };
        let subscribed = Subscribed { months: 6, tier: 2, tier_name: "gold".to_owned() };
        let special = purposes.into_iter().map(|purpose| (Kind::Donation, UserId::anonymous(), donation(purpose)));
        let subscription = (Kind::Subscription, UserId::parse("u").unwrap(), Occasion::Subscription(subscribed));
        for (kind, uid, occasion) in special.chain([subscription]) {
            comes_back(Body::Line(Arc::new(Line {
                cid: Cid::parse("c").unwrap(),
                author: Author { uid, ..someone() },
                draft: Draft { kind, ..Draft::default() },
                members: 7,
                credential: Credential::default(),
                known: Known::default(),
                occasion: Some(Arc::new(occasion)),
                filtered: None,
                judged: Line::UNJUDGED,
            })));
        }
    }

    #[test]
    fn announcements_come_back_as_they_went() {
        let receiver = Receiver { uid: UserId::parse("r").unwrap(), nickname: "other".to_owned(), verified: false };
        let gift = |giver| {
            let (id, tier_name) = ("g".to_owned(), "gold".to_owned());
            Gift { id, giver, tier: 1, tier_name, random: true, quantity: 5, receivers: vec![receiver.clone()] }
        };
        let system = |people| {
            let (title, description) = ("t".to_owned(), "d".to_owned());
            SystemLine { title, description, style: 3, staff: true, people }
        };
        for news in [
            News::Gift(gift(None)),
            News::Gift(gift(Some(someone()))),
            News::System(system(None)),
            News::System(system(Some((someone(), someone())))),
            News::Event(r#"{"type":"X"}"#.to_owned()),
            News::Visit(Visit { uid: UserId::parse("u").unwrap(), text: "u has come".to_owned() }),
        ] {
            let announcement = Announcement { cid: Cid::parse("c").unwrap(), key: "k".to_owned(), news };
            comes_back(Body::Announced(Arc::new(announcement)));
        }
    }
}
