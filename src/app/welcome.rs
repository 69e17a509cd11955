//! What the gateway prints when it has started.

use std::net::SocketAddr;

use crate::auth::{Grant, Tokens};
use crate::config::Config;
use crate::model::principal::{Role, Scope};

use super::data::{API_KEY, Data};

/// How long a dev token holds, in seconds.
const DEV_TOKEN_SECONDS: i64 = 24 * 3_600;

/// Prints where everything is, and with `--dev` how to begin.
pub(super) fn print(config: &Config, data: &Data, addresses: (SocketAddr, Option<SocketAddr>), tokens: &Tokens) {
    let (address, admin) = (addresses.0, addresses.1.unwrap_or(addresses.0));
    let prefix = &config.path_prefix;
    println!("madang {} listens on {address}", env!("CARGO_PKG_VERSION"));
    println!("  chat socket     ws://{address}{prefix}/chat");
    println!("  chzzk paths     http://{address}{prefix}/polling/v2/channels/{{channelId}}/live-status and its kin");
    println!("  site API        http://{admin}/v1/channels (API key: {})", key_place(config, data));
    println!("  health          http://{admin}/livez, /readyz, /metrics");
    println!("  connections     {} at most", config.gate.connections);
    println!("  data            {}", data.folder().display());
    if config.dev {
        let token = |role, nickname: &str| {
            let uid = uuid::Uuid::new_v4().simple().to_string();
            tokens.issue(&Grant::plain(&uid, nickname, role, Scope::Everywhere, DEV_TOKEN_SECONDS))
        };
        println!("--dev: any cid opens itself, anyone gets a guest's token. Not for a public site.");
        println!("  guest token     {}", token(Role::Viewer, "guest"));
        println!("  streamer token  {}", token(Role::Streamer, "streamer"));
        println!("  try             madang chat demo --url ws://{address}{prefix}/chat");
    }
}

fn key_place(config: &Config, data: &Data) -> String {
    match config.api_key {
        Some(_) => "from the settings".to_owned(),
        None => data.folder().join(API_KEY).display().to_string(),
    }
}
