//! Who acts, and with which rights.

use std::sync::Arc;

use super::access::Credential;
use super::id::{ChannelId, Cid, UserId};
use super::mode::Known;
use super::time::Millis;

/// What a user may do in a channel, lowest first: of two roles the higher one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads and writes lines.
    #[default]
    Viewer,
    /// Moderates the chat, appointed by the streamer.
    ChatManager,
    /// Moderates the chat and manages the channel, appointed by the streamer.
    ChannelManager,
    /// Owns the channel.
    Streamer,
    /// Works for the site.
    SiteManager,
}

impl Role {
    /// Every role, lowest first.
    pub const ALL: [Self; 5] =
        [Self::Viewer, Self::ChatManager, Self::ChannelManager, Self::Streamer, Self::SiteManager];

    /// Whether this role sees what is shown to staff and may moderate.
    pub fn is_staff(self) -> bool {
        self > Self::Viewer
    }
}

/// How a user is shown beside a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// 1 to 30 characters, no control characters.
    pub nickname: String,
    /// Empty when the user has no picture.
    pub image_url: String,
    /// A code of the nickname colour table (facts, 2.5), `CC000` for the default.
    pub color_code: String,
    /// Whether the site vouches for the account.
    pub verified: bool,
    /// Picture of the role badge.
    pub badge_url: Option<String>,
    /// Title shown before the nickname.
    pub title: Option<Title>,
    /// Subscription to this channel.
    pub subscription: Option<Subscription>,
    /// Badges the viewer has put on.
    pub viewer_badges: Vec<ViewerBadge>,
}

impl Profile {
    /// Bytes of all its texts.
    pub fn bytes(&self) -> usize {
        let title = self.title.iter().flat_map(|title| [&title.name, &title.color]);
        let paid = self.subscription.iter().flat_map(|paid| [&paid.tier_name, &paid.badge_url]);
        let badges = self.viewer_badges.iter().flat_map(|badge| [&badge.id, &badge.image_url]);
        let texts = [&self.nickname, &self.image_url, &self.color_code].into_iter().chain(&self.badge_url);
        texts.chain(title).chain(paid).chain(badges).map(String::len).sum()
    }
}

/// A title before a nickname.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    /// The words.
    pub name: String,
    /// `#RRGGBB`.
    pub color: String,
}

/// A subscription to the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Months in all.
    pub months: u32,
    /// 1 or 2.
    pub tier: u8,
    /// The streamer's name for the tier.
    pub tier_name: String,
    /// Picture of the badge.
    pub badge_url: String,
}

/// A badge a viewer has put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewerBadge {
    /// The badge's name in the site's catalogue.
    pub id: String,
    /// Whether it belongs to the whole site rather than to one channel.
    pub site_wide: bool,
    /// Its picture.
    pub image_url: String,
}

/// Where a token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In every channel.
    Everywhere,
    /// Where the channel's or the broadcast's identity is this text.
    Only(String),
}

impl Scope {
    /// Whether the token holds in this broadcast of this channel.
    pub fn covers(&self, channel: &ChannelId, cid: &Cid) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Only(place) => place == channel.as_str() || place == cid.as_str(),
        }
    }
}

/// Who acts: what a valid token says of its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The account.
    pub uid: UserId,
    /// How it is shown.
    pub profile: Arc<Profile>,
    /// What the token grants.
    pub role: Role,
    /// Where it grants it.
    pub scope: Scope,
    /// Higher roles in single channels or broadcasts, by their identity.
    pub roles: Vec<(String, Role)>,
    /// The token's own identity, for revocation; empty when it has none.
    pub token_id: String,
    /// What is known of them beside their profile.
    pub known: Known,
    /// Whether they have a made-up name, and may have another at any time.
    pub guest: bool,
    /// When the token was made.
    pub issued: Millis,
    /// Whether a gateway made it, by its own clock, and not the site.
    pub own: bool,
    /// When its rights end, with the leeway for clocks that differ.
    pub expires: Millis,
}

impl Principal {
    /// What the token grants in this broadcast of this channel: the highest of its roles that holds there.
    pub fn role_in(&self, channel: &ChannelId, cid: &Cid) -> Role {
        let here = self.roles.iter().filter(|(place, _)| place == channel.as_str() || place == cid.as_str());
        here.map(|(_, role)| *role).chain([self.role]).max().unwrap_or_default()
    }

    /// What a line of theirs says of the token.
    pub fn credential(&self) -> Credential {
        Credential { token_id: self.token_id.clone(), issued: self.issued, own: self.own }
    }
}

/// What a correctly signed token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its bearer acts as this.
    Valid(Principal),
    /// Its bearer was this, and may now only read.
    Expired(Principal),
    /// It says nothing about its bearer, who may only read.
    Anonymous,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_that_holds_here_counts() {
        let roles = [("c1", Role::ChatManager), ("N2abcd", Role::Streamer)];
        let principal = Principal {
            uid: UserId::parse("u").unwrap(),
            profile: Arc::default(),
            role: Role::Viewer,
            scope: Scope::Everywhere,
            roles: roles.map(|(place, role)| (place.to_owned(), role)).to_vec(),
            token_id: String::new(),
            known: Known::default(),
            guest: false,
            issued: Millis(0),
            own: false,
            expires: Millis(0),
        };
        let role = |channel: &str, cid: &str| {
            principal.role_in(&ChannelId::parse(channel).unwrap(), &Cid::parse(cid).unwrap())
        };
        assert_eq!(role("c1", "N2abcd"), Role::Streamer);
        assert_eq!(role("c1", "other"), Role::ChatManager);
        assert_eq!(role("c2", "other"), Role::Viewer);
    }

    #[test]
    fn roles_rise() {
        assert!(Role::ALL.is_sorted());
        assert_eq!(Role::ALL.iter().filter(|role| role.is_staff()).count(), 4);
    }
}
