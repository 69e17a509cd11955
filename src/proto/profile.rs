//! `profile` and `extras`: JSON that travels inside a JSON string.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::model::id::ChannelId;
use crate::model::message::{Author, Extras, Os};
use crate::model::principal::{Profile, Role};

/// The wire's name of a role.
pub fn role_code(role: Role) -> &'static str {
    match role {
        Role::Viewer => "common_user",
        Role::ChatManager => "streaming_chat_manager",
        Role::ChannelManager => "streaming_channel_manager",
        Role::Streamer => "streamer",
        Role::SiteManager => "manager",
    }
}

/// The role that has this name on the wire.
pub fn role_of(code: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role_code(*role) == code)
}

/// An author's profile as the wire has it (facts, 2.5).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileJson<'a> {
    user_id_hash: &'a str,
    nickname: &'a str,
    profile_image_url: &'a str,
    user_role_code: &'static str,
    badge: Option<ImageJson<'a>>,
    title: Option<TitleJson<'a>>,
    verified_mark: bool,
    verified_mark_type: Option<()>,
    activity_badges: [(); 0],
    streaming_property: StreamingJson<'a>,
    viewer_badges: Vec<ViewerBadgeJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageJson<'a> {
    image_url: &'a str,
}

#[derive(Serialize)]
struct TitleJson<'a> {
    name: &'a str,
    color: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamingJson<'a> {
    nickname_color: ColorJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<SubscriptionJson<'a>>,
    activated_achievement_badge_ids: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ColorJson<'a> {
    color_code: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionJson<'a> {
    accumulative_month: u32,
    tier: u8,
    tier_name: &'a str,
    badge: ImageJson<'a>,
}

#[derive(Serialize)]
struct ViewerBadgeJson<'a> {
    r#type: &'static str,
    badge: BadgeJson<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BadgeJson<'a> {
    badge_id: &'a str,
    scope: &'static str,
    image_url: &'a str,
}

impl<'a> ProfileJson<'a> {
    /// The wire's view of an author.
    pub fn new(author: &'a Author) -> Self {
        let profile: &Profile = &author.profile;
        Self {
            user_id_hash: author.uid.as_str(),
            nickname: &profile.nickname,
            profile_image_url: &profile.image_url,
            user_role_code: role_code(author.role),
            badge: profile.badge_url.as_deref().map(|image_url| ImageJson { image_url }),
            title: profile.title.as_ref().map(|title| TitleJson { name: &title.name, color: &title.color }),
            verified_mark: profile.verified,
            verified_mark_type: None,
            activity_badges: [],
            streaming_property: StreamingJson {
                nickname_color: ColorJson { color_code: &profile.color_code },
                subscription: profile.subscription.as_ref().map(|subscription| SubscriptionJson {
                    accumulative_month: subscription.months,
                    tier: subscription.tier,
                    tier_name: &subscription.tier_name,
                    badge: ImageJson { image_url: &subscription.badge_url },
                }),
                activated_achievement_badge_ids: [],
            },
            viewer_badges: profile.viewer_badges.iter().map(viewer_badge).collect(),
        }
    }
}

fn viewer_badge(badge: &crate::model::principal::ViewerBadge) -> ViewerBadgeJson<'_> {
    let scope = if badge.site_wide { "GLOBAL" } else { "CHANNEL" };
    ViewerBadgeJson { r#type: "STANDARD", badge: BadgeJson { badge_id: &badge.id, scope, image_url: &badge.image_url } }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExtrasJson<'a> {
    chat_type: &'static str,
    os_type: &'static str,
    streaming_channel_id: &'a str,
    emojis: Pairs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    register_profile: Option<&'a ProfileJson<'a>>,
}

struct Pairs<'a>(&'a [(String, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, picture) in self.0 {
            map.serialize_entry(name, picture)?;
        }
        map.end()
    }
}

/// The `profile` string of a line.
pub fn profile_string(author: &Author) -> String {
    json(&ProfileJson::new(author))
}

/// The `extras` string of a line: rebuilt, so that one sender can't break another's client.
pub fn extras_string(extras: &Extras, channel: &ChannelId) -> String {
    json(&extras_json(extras, channel))
}

/// The `extras` string of a notice: with who pinned it, as an object inside (facts, 2.3).
pub(super) fn extras_with_register(extras: &Extras, channel: &ChannelId, register: &ProfileJson<'_>) -> String {
    json(&ExtrasJson { register_profile: Some(register), ..extras_json(extras, channel) })
}

/// The keys of `extras` that every line has.
pub(super) fn extras_json<'a>(extras: &'a Extras, channel: &'a ChannelId) -> ExtrasJson<'a> {
    let os_type = match extras.os {
        Os::Pc => "PC",
        Os::Android => "AOS",
        Os::Ios => "IOS",
    };
    ExtrasJson {
        chat_type: "STREAMING",
        os_type,
        streaming_channel_id: channel.as_str(),
        emojis: Pairs(&extras.emojis),
        register_profile: None,
    }
}

/// JSON of a type whose serialisation can't fail: no maps with keys that aren't text, no failing `Serialize`.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_one_name_each() {
        for role in Role::ALL {
            assert_eq!(role_of(role_code(role)), Some(role));
        }
        assert_eq!(role_of("king"), None);
    }
}
