//! What stands in a token.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::access::LONGEST_TOKEN_ID;
use crate::model::id::UserId;
use crate::model::mode::Known;
use crate::model::principal::{Principal, Profile, Role, Scope, Subscription, Title, ViewerBadge};
use crate::model::time::Millis;

use super::TokenError;

/// Longest nickname in characters.
const LONGEST_NICKNAME: usize = 30;

/// Most badges in one profile.
const MOST_BADGES: usize = 10;

/// Most channels in which a token grants a role of its own.
const MOST_ROLES: usize = 100;

/// Colour of those who chose none.
const DEFAULT_COLOR: &str = "CC000";

/// What a token shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The account.
    pub uid: UserId,
    /// How it is shown.
    pub profile: Profile,
    /// What it may do.
    pub role: Role,
    /// Where.
    pub scope: Scope,
    /// Higher roles in single channels or broadcasts.
    pub roles: Vec<(String, Role)>,
    /// What else is known of the account.
    pub known: Known,
    /// Whether the name is made up.
    pub guest: bool,
    /// For how long, in seconds.
    pub ttl_seconds: i64,
}

impl Grant {
    /// A grant with nothing but a name in its profile. A `uid` that can't be one becomes a fresh one.
    pub fn plain(uid: &str, nickname: &str, role: Role, scope: Scope, ttl_seconds: i64) -> Self {
        let fresh = || UserId::parse(&uuid::Uuid::new_v4().simple().to_string());
        let profile =
            Profile { nickname: nickname.to_owned(), color_code: DEFAULT_COLOR.to_owned(), ..Profile::default() };
        let uid = UserId::parse(uid).or_else(fresh).expect("32 hexadecimal digits are an identity");
        Self { uid, profile, role, scope, roles: Vec::new(), known: Known::default(), guest: false, ttl_seconds }
    }
}

/// The claims: the registered ones, and ours. `proto-docs/connect.md` is their published description.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "iss")]
    pub(super) issuer: String,
    #[serde(rename = "iat")]
    pub(super) issued: i64,
    #[serde(rename = "exp")]
    pub(super) expires: i64,
    #[serde(rename = "nbf", default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<i64>,
    #[serde(rename = "aud", default, skip_serializing_if = "Option::is_none")]
    pub(super) audience: Option<Audience>,
    #[serde(rename = "jti", default, skip_serializing_if = "String::is_empty")]
    id: String,
    /// Missing in a token that says nothing about its bearer.
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    nickname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<RoleClaim>,
    /// A channel or broadcast; missing when the token holds everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// Roles in single channels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    roles: BTreeMap<String, RoleClaim>,
    /// Since when the bearer follows the channel, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    following_since: Option<i64>,
    /// Whether the site knows the bearer's name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    real_name: bool,
    /// Whether the bearer has a made-up name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    guest: bool,
    #[serde(default, skip_serializing_if = "Looks::is_default")]
    profile: Looks,
}

/// Whom a token is for: one name or several (RFC 7519, 4.1.3).
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, wanted: &str) -> bool {
        match self {
            Self::One(name) => name == wanted,
            Self::Several(names) => names.iter().any(|name| name == wanted),
        }
    }
}

/// Roles by the names that the wire and its clients use.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleClaim {
    CommonUser,
    StreamingChatManager,
    StreamingChannelManager,
    Streamer,
    Manager,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Looks {
    #[serde(skip_serializing_if = "String::is_empty")]
    image: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<TitleClaim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<SubscriptionClaim>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    badges: Vec<BadgeClaim>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct TitleClaim {
    name: String,
    color: String,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct SubscriptionClaim {
    months: u32,
    tier: u8,
    #[serde(default)]
    name: String,
    #[serde(default)]
    badge: String,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct BadgeClaim {
    id: String,
    #[serde(default)]
    site: bool,
    image: String,
}

impl Claims {
    pub(super) fn new(grant: &Grant, signed: Signed<'_>) -> Self {
        let (channel, profile) = match &grant.scope {
            Scope::Everywhere => (None, &grant.profile),
            Scope::Only(place) => (Some(place.clone()), &grant.profile),
        };
        Self {
            id: signed.id,
            uid: Some(grant.uid.to_string()),
            nickname: profile.nickname.clone(),
            role: Some(grant.role.into()),
            channel,
            roles: grant.roles.iter().map(|(place, role)| (place.clone(), (*role).into())).collect(),
            following_since: grant.known.followed.map(Millis::seconds),
            real_name: grant.known.real_name,
            guest: grant.guest,
            profile: Looks::from(profile),
            issuer: signed.issuer.to_owned(),
            issued: signed.issued,
            expires: signed.issued.saturating_add(grant.ttl_seconds),
            not_before: None,
            audience: signed.audience.map(|name| Audience::One(name.to_owned())),
        }
    }

    pub(super) fn anonymous(ttl_seconds: i64, signed: Signed<'_>) -> Self {
        Self {
            id: signed.id,
            uid: None,
            nickname: String::new(),
            role: None,
            channel: None,
            roles: BTreeMap::new(),
            following_since: None,
            real_name: false,
            guest: false,
            profile: Looks::default(),
            issuer: signed.issuer.to_owned(),
            issued: signed.issued,
            expires: signed.issued.saturating_add(ttl_seconds),
            not_before: None,
            audience: signed.audience.map(|name| Audience::One(name.to_owned())),
        }
    }

    /// Who acts; `None` when the token says nothing about its bearer.
    pub(super) fn principal(self, largest_profile: usize) -> Result<Option<Principal>, TokenError> {
        let Some(uid) = &self.uid else { return Ok(None) };
        let uid = UserId::parse(uid).ok_or(TokenError::Content("sub can't be a user's identity"))?;
        if self.id.len() > LONGEST_TOKEN_ID {
            return Err(TokenError::Content("jti is longer than 64 bytes"));
        }
        if self.roles.len() > MOST_ROLES {
            return Err(TokenError::Content("roles names more than 100 channels"));
        }
        let profile = profile(self.nickname, self.profile, largest_profile)?;
        Ok(Some(Principal {
            uid,
            profile: Arc::new(profile),
            role: self.role.map_or(Role::Viewer, Role::from),
            scope: self.channel.map_or(Scope::Everywhere, Scope::Only),
            roles: self.roles.into_iter().map(|(place, role)| (place, role.into())).collect(),
            token_id: self.id,
            known: Known {
                followed: self.following_since.map(Millis::from_seconds),
                real_name: self.real_name,
                address: None,
            },
            guest: self.guest,
            issued: Millis::from_seconds(self.issued),
            own: false,
            expires: Millis::from_seconds(self.expires),
        }))
    }
}

/// What a token says of itself.
pub(super) struct Signed<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: Option<&'a str>,
    pub(super) id: String,
    pub(super) issued: i64,
}

fn profile(nickname: String, looks: Looks, largest: usize) -> Result<Profile, TokenError> {
    let characters = nickname.chars().count();
    if characters == 0 || characters > LONGEST_NICKNAME || nickname.chars().any(char::is_control) {
        return Err(TokenError::Content("nickname has 1 to 30 characters and no control characters"));
    }
    if looks.badges.len() > MOST_BADGES {
        return Err(TokenError::Content("profile.badges has at most 10"));
    }
    let profile = Profile {
        nickname,
        image_url: looks.image,
        color_code: if looks.color.is_empty() { DEFAULT_COLOR.to_owned() } else { looks.color },
        verified: looks.verified,
        badge_url: looks.badge,
        title: looks.title.map(|title| Title { name: title.name, color: title.color }),
        subscription: looks.subscription.map(|paid| Subscription {
            months: paid.months,
            tier: paid.tier,
            tier_name: paid.name,
            badge_url: paid.badge,
        }),
        viewer_badges: looks
            .badges
            .into_iter()
            .map(|badge| ViewerBadge { id: badge.id, site_wide: badge.site, image_url: badge.image })
            .collect(),
    };
    if text_bytes(&profile) > largest {
        return Err(TokenError::Content("profile is too large"));
    }
    Ok(profile)
}

fn text_bytes(profile: &Profile) -> usize {
    let title = profile.title.as_ref().map_or(0, |title| title.name.len() + title.color.len());
    let paid = profile.subscription.as_ref().map_or(0, |paid| paid.tier_name.len() + paid.badge_url.len());
    let badges: usize = profile.viewer_badges.iter().map(|badge| badge.id.len() + badge.image_url.len()).sum();
    let own = profile.nickname.len() + profile.image_url.len() + profile.color_code.len();
    own + profile.badge_url.as_ref().map_or(0, String::len) + title + paid + badges
}

impl Looks {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&Profile> for Looks {
    fn from(profile: &Profile) -> Self {
        Self {
            image: profile.image_url.clone(),
            color: profile.color_code.clone(),
            verified: profile.verified,
            badge: profile.badge_url.clone(),
            title: profile
                .title
                .as_ref()
                .map(|title| TitleClaim { name: title.name.clone(), color: title.color.clone() }),
            subscription: profile.subscription.as_ref().map(|paid| SubscriptionClaim {
                months: paid.months,
                tier: paid.tier,
                name: paid.tier_name.clone(),
                badge: paid.badge_url.clone(),
            }),
            badges: profile
                .viewer_badges
                .iter()
                .map(|badge| BadgeClaim { id: badge.id.clone(), site: badge.site_wide, image: badge.image_url.clone() })
                .collect(),
        }
    }
}

impl From<Role> for RoleClaim {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::CommonUser,
            Role::ChatManager => Self::StreamingChatManager,
            Role::ChannelManager => Self::StreamingChannelManager,
            Role::Streamer => Self::Streamer,
            Role::SiteManager => Self::Manager,
        }
    }
}

impl From<RoleClaim> for Role {
    fn from(claim: RoleClaim) -> Self {
        match claim {
            RoleClaim::CommonUser => Self::Viewer,
            RoleClaim::StreamingChatManager => Self::ChatManager,
            RoleClaim::StreamingChannelManager => Self::ChannelManager,
            RoleClaim::Streamer => Self::Streamer,
            RoleClaim::Manager => Self::SiteManager,
        }
    }
}
