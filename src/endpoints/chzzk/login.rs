//! The site's own login: a JWT as bearer, or in the `NID_SES` cookie that published clients send.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};

use crate::model::principal::{Principal, Standing};
use crate::model::refusal::Refusal;
use crate::node::Node;

/// Who asks, if anybody. A cookie that isn't a token of ours counts as none: browsers send whatever they have.
pub(super) async fn of(node: &Node, headers: &HeaderMap) -> Result<Option<Principal>, Refusal> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let standing = match (bearer, cookie(headers, "NID_SES")) {
        (Some(token), _) => node.check_token(token.trim()).await?,
        (None, Some(token)) => match node.check_token(token).await {
            Err(busy @ Refusal::Busy { .. }) => return Err(busy),
            other => other.unwrap_or(Standing::Anonymous),
        },
        (None, None) => Standing::Anonymous,
    };
    match standing {
        Standing::Valid(principal) if node.is_revoked(&principal) => Err(Refusal::TokenRevoked),
        Standing::Valid(principal) => Ok(Some(principal)),
        Standing::Expired(_) => Err(Refusal::TokenExpired),
        Standing::Anonymous => Ok(None),
    }
}

/// The value of a cookie; clients separate them by `;` with or without a blank (facts, 4).
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_however_they_are_separated() {
        for text in ["NID_AUT=a; NID_SES=b", "NID_SES=b;NID_AUT=a", "NID_SES=b"] {
            let headers = HeaderMap::from_iter([(COOKIE, text.parse().unwrap())]);
            assert_eq!(cookie(&headers, "NID_SES"), Some("b"), "{text}");
        }
        assert_eq!(cookie(&HeaderMap::new(), "NID_SES"), None);
    }
}
