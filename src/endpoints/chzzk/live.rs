//! What clients learn of a broadcast before they connect.

use serde_json::{Value, json};
use time::format_description::BorrowedFormatItem;
use time::macros::{format_description, offset};
use time::{OffsetDateTime, UtcOffset};

use crate::model::time::Millis;
use crate::node::ChannelView;
use crate::proto::people::condition_name;
use crate::proto::word::group_name;

/// Dates without a zone on this wire are Korean time.
const KOREA: UtcOffset = offset!(+9);

const DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// live-status: the superset that satisfies every client that was read (facts, 4.2).
pub(super) fn status(view: &ChannelView) -> Value {
    let on_air = view.on_air();
    let newest = view.broadcasts.last();
    let date = |instant: Option<Millis>| instant.map(korean_date);
    json!({
        "liveTitle": newest.map_or("", |broadcast| &broadcast.title),
        "status": if on_air.is_some() { "OPEN" } else { "CLOSE" },
        "concurrentUserCount": view.there.sockets,
        "cvExposure": true,
        "accumulateCount": 0,
        "paidPromotion": false,
        "adult": false,
        "krOnlyViewing": false,
        "openDate": date(newest.map(|broadcast| broadcast.opened)),
        "closeDate": date(newest.and_then(|broadcast| broadcast.closed)),
        "clipActive": false,
        "chatChannelId": on_air.map(|broadcast| broadcast.cid.as_str()),
        "tags": [],
        "categoryType": null,
        "liveCategory": "",
        "liveCategoryValue": "",
        "livePollingStatusJson": polling_status(on_air.is_some()),
        "faultStatus": null,
        "liveConnecting": false,
        "userAdultStatus": "NOT_LOGIN_USER",
        "abroadCountry": false,
        "blindType": null,
        "playerRecommendContent": {},
        "chatActive": true,
        "chatAvailableGroup": group_name(view.modes.group),
        "chatAvailableCondition": condition_name(&view.modes),
        "minFollowerMinute": view.modes.follow_minutes,
        "allowSubscriberInFollowerMode": view.modes.subscribers_too,
        "chatSlowModeSec": view.modes.slow_seconds,
        "chatEmojiMode": view.modes.emoji_only,
        "chatDonationRankingExposure": false,
        "dropsCampaignNo": null,
        "liveTokenList": [],
        "watchPartyNo": null,
        "watchPartyTag": null,
        "watchPartyType": null,
        "timeMachineActive": false,
        "channelId": view.id.as_str(),
    })
}

/// live-setting: what a streamer sets, of which we have how the chat is run. Not what holds in panic: clients write back what they
/// have read.
pub(super) fn setting(view: &ChannelView) -> Value {
    let newest = view.broadcasts.last();
    json!({
        "defaultLiveTitle": newest.map_or("", |broadcast| &broadcast.title),
        "category": {"categoryType": null, "categoryId": null, "categoryValue": null, "posterImageUrl": null, "tags": []},
        "defaultThumbnailImageUrl": null,
        "adult": false,
        "chatActive": true,
        "chatAvailableGroup": group_name(view.set.group),
        "chatAvailableCondition": condition_name(&view.set),
        "minFollowerMinute": view.set.follow_minutes,
        "allowSubscriberInFollowerMode": view.set.subscribers_too,
        "chatSlowModeSec": view.set.slow_seconds,
        "chatEmojiMode": view.set.emoji_only,
        "chatDonationRankingExposure": false,
        "dropsCampaignNo": null,
        "krOnlyViewing": false,
        "paidPromotion": false,
        "tags": [],
        "clipActive": false,
        "replayPublishType": "AUTO",
    })
}

/// live-detail: live-status and what one asks once.
///
/// `closeDate` repeats `openDate` while the broadcast is on: chzzkpy's type for it has no room for null.
pub(super) fn detail(view: &ChannelView) -> Value {
    let mut detail = status(view);
    let newest = view.broadcasts.last();
    let more = json!({
        "liveId": newest.map_or(0, |broadcast| broadcast.opened.0),
        "liveImageUrl": "",
        "defaultThumbnailImageUrl": null,
        "closeDate": newest.map(|broadcast| korean_date(broadcast.closed.unwrap_or(broadcast.opened))),
        "livePlaybackJson": null,
        "channel": {
            "channelId": view.id.as_str(),
            "channelName": view.name,
            "channelImageUrl": null,
            "verifiedMark": false,
        },
    });
    if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
        detail.extend(more);
    }
    detail
}

fn polling_status(on_air: bool) -> String {
    json!({
        "status": if on_air { "STARTED" } else { "STOPPED" },
        "isPublishing": on_air,
        "playableStatus": if on_air { "PLAYABLE" } else { "NOT_PLAYABLE" },
        "trafficThrottling": -1,
        "callPeriodMilliSecond": 10_000,
    })
    .to_string()
}

pub(super) fn korean_date(instant: Millis) -> String {
    OffsetDateTime::from_unix_timestamp(instant.seconds())
        .ok()
        .and_then(|utc| utc.to_offset(KOREA).format(DATE).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_korean() {
        assert_eq!(korean_date(Millis(1_790_780_400_123)), "2026-10-01 00:00:00");
    }
}
