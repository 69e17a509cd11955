mod published;

use super::*;
use crate::clock::Manual;
use crate::model::principal::{Profile, Role, ViewerBadge};
use crate::model::time::Millis;

const NOW: i64 = 1_790_000_000;

fn tokens_at(secret: &str, config: Config, now: i64) -> Tokens {
    let secret = Secret::new(secret.repeat(32)).unwrap();
    Tokens::new(&secret, config, Arc::new(Manual::at(Millis::from_seconds(now))), Arc::default())
}

fn tokens(secret: &str, now: i64) -> Tokens {
    tokens_at(secret, Config::default(), now)
}

fn grant() -> Grant {
    Grant::plain("u1", "마당", Role::ChatManager, Scope::Only("N2abCd".to_owned()), 60)
}

/// A token with these claims, whatever they are, signed with the secret that `tokens` has.
fn signed(secret: &str, claims: &serde_json::Value) -> String {
    let key = EncodingKey::from_secret(secret.repeat(32).as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn claims() -> serde_json::Value {
    serde_json::json!({"iss": "madang", "iat": NOW, "exp": NOW + 60, "sub": "u1", "nickname": "n"})
}

fn with(name: &str, value: impl Into<serde_json::Value>) -> String {
    let mut claims = claims();
    claims[name] = value.into();
    signed("a", &claims)
}

#[tokio::test]
async fn a_token_says_who_its_bearer_is() {
    let tokens = tokens("a", NOW);
    let Ok(Standing::Valid(principal)) = tokens.check(&tokens.issue(&grant())).await else { panic!() };
    assert_eq!((principal.uid.as_str(), principal.profile.nickname.as_str()), ("u1", "마당"));
    assert_eq!((principal.role, principal.scope), (Role::ChatManager, Scope::Only("N2abCd".to_owned())));
    assert_eq!(principal.expires, Millis::from_seconds(NOW + 60 + 30), "with the leeway");
    assert_eq!(tokens.check(&tokens.issue_anonymous(60)).await, Ok(Standing::Anonymous));
}

#[tokio::test]
async fn a_site_signs_with_the_shared_secret_in_its_own_name() {
    let Ok(Standing::Valid(principal)) = tokens("a", NOW).check(&signed("a", &claims())).await else { panic!() };
    assert_eq!((principal.role, principal.scope, principal.token_id.as_str()), (Role::Viewer, Scope::Everywhere, ""));
    let roles = with("roles", serde_json::json!({"c1": "streaming_chat_manager"}));
    let Ok(Standing::Valid(principal)) = tokens("a", NOW).check(&roles).await else { panic!() };
    assert_eq!(principal.roles, [("c1".to_owned(), Role::ChatManager)]);
}

#[tokio::test]
async fn an_expired_token_is_not_a_forged_one() {
    let token = tokens("a", NOW).issue(&grant());
    assert!(matches!(tokens("a", NOW + 90).check(&token).await, Ok(Standing::Valid(_))));
    assert!(matches!(tokens("a", NOW + 91).check(&token).await, Ok(Standing::Expired(_))));
}

#[tokio::test]
async fn no_token_is_good_for_longer_than_revocations_are_remembered() {
    let endless = with("exp", i64::MAX);
    let days = |days: i64| NOW + days * 86_400;
    assert!(matches!(tokens("a", days(400)).check(&endless).await, Ok(Standing::Valid(_))));
    assert!(matches!(tokens("a", days(400) + 31).check(&endless).await, Ok(Standing::Expired(_))));
}

#[tokio::test]
async fn forged_foreign_and_future_tokens_are_refused() {
    let token = tokens("a", NOW).issue(&grant());
    assert_eq!(tokens("b", NOW).check(&token).await, Err(TokenError::Forged));
    assert_eq!(tokens("a", NOW).check(&with("iss", "other")).await, Err(TokenError::Foreign));
    assert_eq!(tokens("a", NOW - 31).check(&token).await, Err(TokenError::NotYet));
    assert_eq!(tokens("a", NOW).check(&with("iat", NOW + 300)).await, Err(TokenError::NotYet), "a clock 5 minutes off");
    assert_eq!(tokens("a", NOW).check(&with("nbf", NOW + 31)).await, Err(TokenError::NotYet));
    let (_, body) = token.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", body.split_once('.').unwrap().0);
    for bad in ["", "null", "a.b.c", unsigned.as_str(), &"x".repeat(9_000)] {
        assert_eq!(tokens("a", NOW).check(bad).await, Err(TokenError::Forged), "{bad}");
    }
    for missing in ["iss", "iat", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(missing);
        let verdict = tokens("a", NOW).check(&signed("a", &claims)).await;
        assert!(matches!(verdict, Err(TokenError::Content(_))), "{missing}");
    }
    for (name, value) in [("sub", "a b"), ("jti", &"x".repeat(65)), ("exp", "tomorrow"), ("role", "god")] {
        assert!(matches!(tokens("a", NOW).check(&with(name, value)).await, Err(TokenError::Content(_))), "{name}");
    }
}

#[tokio::test]
async fn a_header_that_has_to_be_understood_is_not_ignored() {
    let header = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret("a".repeat(32).as_bytes());
    let token = encode(&header, &claims(), &key).unwrap();
    assert_eq!(tokens("a", NOW).check(&token).await, Err(TokenError::Forged));
}

#[tokio::test]
async fn a_token_for_others_is_refused_where_that_matters() {
    let config = Config { audience: Some("chat".to_owned()), ..Config::default() };
    let chat = tokens_at("a", config, NOW);
    assert_eq!(chat.check(&signed("a", &claims())).await, Err(TokenError::OtherAudience));
    assert_eq!(chat.check(&with("aud", "shop")).await, Err(TokenError::OtherAudience));
    assert!(chat.check(&with("aud", "chat")).await.is_ok());
    assert!(chat.check(&with("aud", vec!["shop", "chat"])).await.is_ok());
    assert!(chat.check(&chat.issue(&grant())).await.is_ok(), "its own are for itself");
    assert!(tokens("a", NOW).check(&with("aud", "shop")).await.is_ok(), "where nobody asked");
}

#[tokio::test]
async fn what_a_dev_gateway_signs_opens_no_other() {
    let dev = || tokens_at("a", Config { dev: true, ..Config::default() }, NOW);
    let (toy, real) = (dev().issue(&grant()), tokens("a", NOW).issue(&grant()));
    assert!(dev().check(&toy).await.is_ok());
    assert_eq!(tokens("a", NOW).check(&toy).await, Err(TokenError::Foreign), "even with the same secret");
    assert_eq!(dev().check(&real).await, Err(TokenError::Foreign));
}

#[tokio::test]
async fn a_profile_that_cannot_be_shown_is_refused() {
    let tokens = tokens("a", NOW);
    let verdict = async |profile: Profile| tokens.check(&tokens.issue(&Grant { profile, ..grant() })).await.map(drop);
    let named = |nickname: &str| Profile { nickname: nickname.to_owned(), ..Profile::default() };
    assert_eq!(verdict(named(&"가".repeat(30))).await, Ok(()));
    for nickname in ["", "a\nb", "\u{1b}[2J", &"x".repeat(31)] {
        assert!(matches!(verdict(named(nickname)).await, Err(TokenError::Content(_))), "{nickname:?}");
    }
    let large = Profile { image_url: "x".repeat(2_048), ..named("n") };
    assert!(matches!(verdict(large).await, Err(TokenError::Content(_))));
    let badge = || ViewerBadge { id: "b".to_owned(), site_wide: false, image_url: String::new() };
    let many = Profile { viewer_badges: (0..11).map(|_| badge()).collect(), ..named("n") };
    assert!(matches!(verdict(many).await, Err(TokenError::Content(_))));
}

#[tokio::test]
async fn a_narrowed_token_never_outlives_the_first_and_falls_with_it() {
    let login = tokens("a", NOW);
    let Ok(Standing::Valid(first)) = login.check(&login.issue(&grant())).await else { panic!() };
    let later = tokens("a", NOW + 40);
    let Ok(Standing::Valid(second)) = later.check(&later.narrow(&first, "demo", 3_600)).await else { panic!() };
    assert_eq!(second.expires, first.expires);
    assert_eq!(second.scope, Scope::Only("demo".to_owned()));
    assert_eq!((&second.token_id, second.issued), (&first.token_id, first.issued), "what revokes one revokes both");
    let Ok(Standing::Valid(short)) = later.check(&later.narrow(&first, "demo", 5)).await else { panic!() };
    assert_eq!(short.expires, Millis::from_seconds(NOW + 45 + 30));
}
