//! The stored form of votes.

use serde::{Deserialize, Serialize};

use crate::model::access::Credential;
use crate::model::id::{AddressHash, Cid, Seq, UserId};
use crate::model::mode::Known;
use crate::model::question::Vote;
use crate::model::time::Millis;

use super::{ROLES, is_zero, value, word};

#[derive(Serialize, Deserialize)]
pub(super) struct StoredVote {
    cid: String,
    uid: String,
    role: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    subscribed: bool,
    question: u64,
    up: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    token: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    issued: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    followed: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    real_name: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

pub(super) fn stored(vote: &Vote) -> StoredVote {
    let Vote { cid, uid, role, subscribed, credential, known, question, up } = vote;
    StoredVote {
        cid: cid.to_string(),
        uid: uid.to_string(),
        role: word(&ROLES, *role),
        subscribed: *subscribed,
        question: question.0,
        up: *up,
        token: credential.token_id.clone(),
        issued: credential.issued.0,
        own: credential.own,
        followed: known.followed.map(|since| since.0),
        real_name: known.real_name,
        address: known.address.map(|address| address.to_string()),
    }
}

pub(super) fn read(stored: StoredVote) -> Option<Vote> {
    let StoredVote { cid, uid, role, subscribed, question, up, token, issued, own, followed, real_name, address } =
        stored;
    Some(Vote {
        cid: Cid::parse(&cid)?,
        uid: UserId::parse(&uid)?,
        role: value(&ROLES, &role)?,
        subscribed,
        credential: Credential { token_id: token, issued: Millis(issued), own },
        known: Known {
            followed: followed.map(Millis),
            real_name,
            address: match address {
                Some(digits) => Some(AddressHash::parse(&digits)?),
                None => None,
            },
        },
        question: Seq(question),
        up,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::eventlog::codec::{decode, encode};
    use crate::model::event::{Body, Event};
    use crate::model::principal::Role;

    use super::*;

    #[test]
    fn votes_come_back_as_they_went() {
        let plain = Vote {
            cid: Cid::parse("c").unwrap(),
            uid: UserId::parse("u").unwrap(),
            role: Role::Viewer,
            subscribed: false,
            credential: Credential::default(),
            known: Known::default(),
            question: Seq(7),
            up: true,
        };
        let full = Vote {
            credential: Credential { token_id: "t".to_owned(), issued: Millis(4), own: true },
            known: Known { followed: Some(Millis(3)), real_name: true, address: Some(AddressHash([7; 16])) },
            role: Role::Streamer,
            subscribed: true,
            up: false,
            ..plain.clone()
        };
        for vote in [plain, full] {
            let event = Event::new(Millis(5), Body::Vote(Arc::new(vote)));
            assert_eq!(decode(event.id, &encode(&event)), event);
        }
    }
}
