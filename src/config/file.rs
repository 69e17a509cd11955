//! The settings as they are written down. Every key is optional; an unknown one is a mistake.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<String>,
    pub(super) admin_listen: Option<String>,
    pub(super) path_prefix: Option<String>,
    pub(super) drain_seconds: Option<u64>,
    pub(super) allowed_origins: Option<Vec<String>>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) data: Option<PathBuf>,
    pub(super) auth: AuthSection,
    pub(super) site: SiteSection,
    pub(super) chat: ChatSection,
    pub(super) limits: LimitsSection,
    pub(super) feed: FeedSection,
    pub(super) log: LogSection,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuthSection {
    pub(super) secret: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) jwks_url: Option<String>,
    pub(super) leeway_seconds: Option<u32>,
    pub(super) token_seconds: Option<u32>,
    pub(super) guests: Option<bool>,
    pub(super) guest_proof: Option<String>,
    pub(super) guest_work: Option<u32>,
    pub(super) guest_title: Option<String>,
    pub(super) guest_badge_url: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SiteSection {
    pub(super) api_key: Option<String>,
    pub(super) name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChatSection {
    pub(super) text_characters: Option<usize>,
    pub(super) text_bytes: Option<usize>,
    pub(super) extras_bytes: Option<usize>,
    pub(super) profile_bytes: Option<usize>,
    pub(super) item_bytes: Option<usize>,
    pub(super) emoji_url_prefixes: Option<Vec<String>>,
    pub(super) message_bytes: Option<usize>,
    pub(super) queue_bytes: Option<usize>,
    pub(super) push_bytes: Option<usize>,
    pub(super) recent_bytes: Option<usize>,
    pub(super) connect_timeout_ms: Option<u64>,
    pub(super) join_timeout_seconds: Option<u64>,
    pub(super) ping_after_seconds: Option<u64>,
    pub(super) idle_timeout_seconds: Option<u64>,
    pub(super) standstill_seconds: Option<u64>,
    pub(super) sends_in_flight: Option<u32>,
    pub(super) members_listed: Option<u32>,
    pub(super) members_told: Option<u32>,
    pub(super) visits_told: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsSection {
    pub(super) sends_per_second: Option<u32>,
    pub(super) sends_burst: Option<u32>,
    pub(super) session_sends_per_second: Option<u32>,
    pub(super) recents_per_second: Option<u32>,
    pub(super) recents_burst: Option<u32>,
    pub(super) acts_per_second: Option<u32>,
    pub(super) acts_burst: Option<u32>,
    pub(super) questions_per_minute: Option<u32>,
    pub(super) whispers_per_minute: Option<u32>,
    pub(super) guests_per_minute: Option<u32>,
    pub(super) messages_per_second: Option<u32>,
    pub(super) control_frames_per_second: Option<u32>,
    pub(super) connections: Option<usize>,
    pub(super) connections_per_address: Option<u32>,
    pub(super) connections_per_user: Option<u32>,
    pub(super) joins_per_second: Option<u32>,
    pub(super) requests_per_second: Option<u32>,
    pub(super) requests_burst: Option<u32>,
    pub(super) header_timeout_seconds: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FeedSection {
    pub(super) longest_window_ms: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogSection {
    pub(super) queue: Option<usize>,
    pub(super) retention_days: Option<u32>,
}
