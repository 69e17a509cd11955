//! `madang token`: a chat access token, made by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::auth::{Config, Grant, Secret, Tokens};
use crate::clock::System;
use crate::model::id::{Cid, UserId};
use crate::model::principal::{Role, Scope};

use super::Exit;
use super::data::{TOKEN_SECRET, is_dev, read_secret};

/// What the token shall say.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The account.
    pub uid: String,
    /// How it is shown.
    pub nickname: String,
    /// What it may do.
    pub role: Role,
    /// Where; `None` is everywhere.
    pub channel: Option<String>,
    /// For how long, in seconds.
    pub ttl_seconds: i64,
    /// Whose secret signs it, unless one is given.
    pub data: PathBuf,
    /// The secret that signs it.
    pub secret: Option<String>,
    /// Who says so; `None` is the gateway itself for its own secret, and the usual issuer of a site for a given one.
    pub issuer: Option<String>,
}

/// Makes the token.
pub async fn token(request: TokenRequest) -> Result<String, Exit> {
    let uid = UserId::parse(&request.uid)
        .ok_or_else(|| Exit::config("--uid: 1 to 64 printable ASCII characters without blanks or quotes"))?;
    let scope = match request.channel {
        None => Scope::Everywhere,
        Some(place) => match Cid::parse(&place) {
            Some(_) => Scope::Only(place),
            None => return Err(Exit::config("--channel: 1 to 64 of A-Z a-z 0-9 _ -")),
        },
    };
    let minter = Minter::new(&request.data, request.secret.as_deref(), request.issuer.as_deref())?;
    let grant = Grant::plain(uid.as_str(), &request.nickname, request.role, scope, request.ttl_seconds);
    let token = minter.mint(&grant);
    // What the gateway would refuse, say now.
    match minter.tokens.check(&token).await {
        Ok(_) => Ok(token),
        Err(error) => Err(Exit::config(&format!("the gateway would refuse this token: {error}"))),
    }
}

/// Makes tokens with a gateway's own secret.
pub(super) struct Minter {
    tokens: Tokens,
    issuer: String,
}

impl Minter {
    /// With a given secret, or else that of a data directory.
    pub(super) fn new(data: &Path, secret: Option<&str>, issuer: Option<&str>) -> Result<Self, Exit> {
        let dev = secret.is_none() && is_dev(data);
        let signing = match secret {
            Some(text) => Secret::new(text.as_bytes()).ok_or_else(|| Exit::config("--secret: at least 32 bytes"))?,
            None => {
                let file = data.join(TOKEN_SECRET);
                let none =
                    format!("{}: no such file: start 'madang serve' there once, or pass --secret", file.display());
                read_secret(&file)?.ok_or_else(|| Exit::io(&none))?
            }
        };
        let mut config = Config { dev, ..Config::default() };
        let issuer = match (issuer, secret) {
            (Some(issuer), _) => issuer.to_owned(),
            (None, Some(_)) => config.issuer.clone(),
            (None, None) => config.own_issuer().to_owned(),
        };
        config.issuer.clone_from(&issuer);
        Ok(Self { tokens: Tokens::new(&signing, config, Arc::new(System), Arc::default()), issuer })
    }

    pub(super) fn mint(&self, grant: &Grant) -> String {
        self.tokens.issue_as(grant, &self.issuer)
    }
}
