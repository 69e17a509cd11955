//! Who may send: tokens of the script's senders and managers.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::client;

use super::crowd::{Crowd, Role};

/// Tokens that are asked for at the same time.
const AT_ONCE: usize = 32;

/// Makes a token: of this user, called so, as this role.
pub type Mint = Arc<dyn Fn(&str, &str, Role) -> Result<String, String> + Send + Sync>;

/// Where tokens come from.
#[derive(Clone)]
pub enum Tokens {
    /// The server gives one to whoever asks, as published clients do; managers get none.
    Ask,
    /// Of senders and of managers, used in turns.
    Listed {
        /// Those that may send.
        senders: Vec<String>,
        /// Those that may act.
        moderators: Vec<String>,
    },
    /// Made with the server's own secret.
    Minted(Mint),
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ask => "Ask",
            Self::Listed { .. } => "Listed",
            Self::Minted(_) => "Minted",
        })
    }
}

impl Tokens {
    /// One for each who needs one; `progress` hears how many there are so far.
    ///
    /// # Errors
    ///
    /// Says what to do when there are none.
    pub async fn hand_out(
        &self,
        crowd: &Crowd,
        url: &str,
        progress: &mut (dyn FnMut(usize) + Send),
    ) -> Result<HashMap<u32, Arc<str>>, String> {
        let needed = |role: Role| (0..).zip(crowd.people()).filter(move |(_, person)| person.role == role);
        let mut tokens = HashMap::new();
        match self {
            Self::Ask => {
                if needed(Role::Moderator).next().is_some() {
                    return Err("no server gives a manager's token to whoever asks: pass --data, --secret or \
                                --moderator-tokens, or leave viewers.moderators at 0"
                        .to_owned());
                }
                let asked = needed(Role::Sender).map(|(who, person)| (who, crowd.cid(person.channel).to_owned()));
                tokens = ask(asked.collect(), url, progress).await?;
            }
            Self::Listed { senders, moderators } => {
                for (role, list, flag) in
                    [(Role::Sender, senders, "--tokens"), (Role::Moderator, moderators, "--moderator-tokens")]
                {
                    for (turn, (who, _)) in needed(role).enumerate() {
                        let token =
                            list.get(turn % list.len().max(1)).ok_or_else(|| format!("{flag} names no token"))?;
                        tokens.insert(who, token.as_str().into());
                    }
                }
            }
            Self::Minted(mint) => {
                for role in [Role::Sender, Role::Moderator] {
                    for (who, _) in needed(role) {
                        let token = mint(&format!("load-{who}"), &format!("load {who}"), role)?;
                        tokens.insert(who, token.into());
                    }
                }
            }
        }
        Ok(tokens)
    }
}

async fn ask(
    mut asked: Vec<(u32, String)>,
    url: &str,
    progress: &mut (dyn FnMut(usize) + Send),
) -> Result<HashMap<u32, Arc<str>>, String> {
    let mut tokens = HashMap::new();
    let mut asking = JoinSet::new();
    loop {
        while asking.len() < AT_ONCE
            && let Some((who, cid)) = asked.pop()
        {
            let url = url.to_owned();
            asking.spawn(async move { (who, client::fetch_token(&url, &cid).await) });
        }
        let Some(answer) = asking.join_next().await else { return Ok(tokens) };
        match answer {
            Ok((who, Some(token))) => drop(tokens.insert(who, token.into())),
            Ok((_, None)) => {
                return Err("the server gives no token at /nng_main/v1/chats/access-token: pass --tokens FILE, \
                            --secret or --data"
                    .to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
        progress(tokens.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::scenario::Scenario;

    fn crowd() -> Crowd {
        let text =
            "name = \"x\"\n[viewers]\nsenders = 0.1\nmoderators = 2\n[[stages]]\nfor = \"1s\"\nviewers = 100\nrate = 1";
        Crowd::draw(&Scenario::read(text).unwrap(), "run")
    }

    async fn hand_out(tokens: Tokens) -> Result<HashMap<u32, Arc<str>>, String> {
        tokens.hand_out(&crowd(), "ws://127.0.0.1:1/chat", &mut |_| {}).await
    }

    #[tokio::test]
    async fn everybody_who_needs_one_gets_one() {
        let mint: Mint = Arc::new(|uid, _, role| Ok(format!("{uid}{role:?}")));
        let minted = hand_out(Tokens::Minted(mint)).await.unwrap();
        assert_eq!((minted.len(), minted.values().filter(|token| token.ends_with("Moderator")).count()), (12, 2));
        let listed = Tokens::Listed { senders: vec!["a".to_owned(), "b".to_owned()], moderators: vec!["m".to_owned()] };
        let listed = hand_out(listed).await.unwrap();
        assert_eq!(listed.values().filter(|token| &***token == "a").count(), 5);
    }

    #[tokio::test]
    async fn what_is_missing_is_said() {
        assert!(hand_out(Tokens::Ask).await.unwrap_err().contains("--moderator-tokens"));
        let none = Tokens::Listed { senders: vec!["a".to_owned()], moderators: Vec::new() };
        assert_eq!(hand_out(none).await.unwrap_err(), "--moderator-tokens names no token");
    }
}
