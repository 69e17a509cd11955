//! Donations, which no viewer tells: the site does, by its API.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use tokio::sync::mpsc::Receiver;

use crate::client;

use super::engine::{Donation, Shared};

/// A gateway's site API, as far as donations are told by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// `http://HOST:PORT`, before `/v1`.
    pub url: String,
    /// The API's key.
    pub key: String,
}

/// Tells donations for as long as anybody gives any. Without a site they are counted as not told.
pub(super) async fn tell(site: Option<Site>, shared: Arc<Shared>, mut donations: Receiver<Donation>) {
    while let Some(donation) = donations.recv().await {
        let told = match &site {
            Some(site) => tell_one(site, &shared, &donation).await,
            None => Err(String::new()),
        };
        let count = if told.is_ok() { &shared.told } else { &shared.untold };
        count.fetch_add(1, Ordering::Relaxed);
        if let Err(why) = told
            && site.is_some()
        {
            shared.refused("donation", 0, &why);
        }
    }
}

async fn tell_one(site: &Site, shared: &Shared, donation: &Donation) -> Result<(), String> {
    // A channel's own identity stands in its lines; before the first one nobody knows it.
    let channel = shared.ledgers[donation.channel as usize].channel().ok_or("its channel has said nothing yet")?;
    let url = format!("{}/v1/channels/{channel}/donations", site.url.trim_end_matches('/'));
    let user = (!donation.anonymous).then(|| json!({"uid": "load-donor", "nickname": "load donor"}));
    let mut body = json!({"amount": donation.amount, "text": "a gift"});
    if let (Some(user), Some(body)) = (user, body.as_object_mut()) {
        body.insert("user".to_owned(), user);
    }
    client::post(&url, &site.key, body.to_string()).await
}
