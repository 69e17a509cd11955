//! Who is in a channel's broadcast.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::aside::Member;
use crate::proto::profile::role_code;

use super::Site;
use super::ask::{Answer, Asked, PageQuery, channel_id, user_id};
use super::problem::Failure;

/// Somebody who is here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberJson {
    uid: String,
    nickname: String,
    role: &'static str,
    color: String,
    joined_at: i64,
    /// Whether nobody looks at any of their sessions.
    away: bool,
}

impl From<&Member> for MemberJson {
    fn from(member: &Member) -> Self {
        let profile = &member.author.profile;
        Self {
            uid: member.author.uid.to_string(),
            nickname: profile.nickname.clone(),
            role: role_code(member.author.role),
            color: profile.color_code.clone(),
            joined_at: member.joined.0,
            away: member.away,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MembersJson {
    members: Vec<MemberJson>,
    /// Connections, those of nobody known included.
    sockets: u32,
    /// Users who are known by name.
    users: u32,
    next_cursor: Option<String>,
}

/// Who is in the newest broadcast by name, in the order of their identities.
#[utoipa::path(get, path = "/channels/{channel}/members", tag = "channels",
    params(("channel" = String, Path), PageQuery), responses((status = 200, body = MembersJson), Failure))]
pub(super) async fn list_members(
    State(site): State<Arc<Site>>,
    Path(channel): Path<String>,
    Asked(page): Asked<PageQuery>,
) -> Answer<Json<MembersJson>> {
    let after = page.cursor.as_deref().map(user_id).transpose()?;
    let here = site.node.members_for_site(&channel_id(&channel)?, after.as_ref(), page.limit()).await?;
    let last = here.members.last().filter(|_| here.more);
    Ok(Json(MembersJson {
        next_cursor: last.map(|last| last.author.uid.to_string()),
        members: here.members.iter().map(MemberJson::from).collect(),
        sockets: here.sockets,
        users: here.users,
    }))
}
