//! Tokens signed with keys that the site publishes, and an endpoint that does whatever endpoints do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const ED: &[u8] = include_bytes!("../../../tests/keys/ed25519.der");
const EC: &[u8] = include_bytes!("../../../tests/keys/p256.der");
const RSA: &[u8] = include_bytes!("../../../tests/keys/rsa2048.der");
const WEAK_RSA: &[u8] = include_bytes!("../../../tests/keys/rsa1024.der");

fn key(alg: Algorithm) -> EncodingKey {
    match alg {
        Algorithm::EdDSA => EncodingKey::from_ed_der(ED),
        Algorithm::ES256 => EncodingKey::from_ec_der(EC),
        _ => EncodingKey::from_rsa_der(RSA),
    }
}

/// The public half of a key, under a name.
fn public(key: &EncodingKey, alg: Algorithm, name: &str) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, alg).unwrap()).unwrap();
    jwk["kid"] = json!(name);
    jwk["use"] = json!("sig");
    jwk
}

fn site_set() -> Value {
    json!({"keys": [
        public(&key(Algorithm::EdDSA), Algorithm::EdDSA, "ed"),
        public(&key(Algorithm::ES256), Algorithm::ES256, "ec"),
        public(&key(Algorithm::RS256), Algorithm::RS256, "rsa"),
    ]})
}

fn signed_by(alg: Algorithm, name: Option<&str>) -> String {
    let header = Header { kid: name.map(str::to_owned), ..Header::new(alg) };
    encode(&header, &claims(), &key(alg)).unwrap()
}

/// What the endpoint does.
#[derive(Clone)]
enum Mood {
    Answers(String),
    Fails,
    Hangs,
    /// Sends so many bytes of an answer.
    Gushes(usize),
    MovesAway,
}

/// A site's JWKS endpoint.
struct Endpoint {
    url: String,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    async fn that(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (mood, asked) = (Arc::new(Mutex::new(mood)), Arc::new(AtomicUsize::new(0)));
        let (moods, count) = (mood.clone(), asked.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mood = moods.lock().clone();
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    let _ = stream.read(&mut request).await;
                    let head = |status: &str, length: usize| {
                        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n")
                    };
                    let answer = match mood {
                        Mood::Answers(body) => format!("{}\r\n{body}", head("200 OK", body.len())),
                        Mood::Fails => format!("{}\r\n", head("500 Internal Server Error", 0)),
                        Mood::MovesAway => format!("{}Location: /elsewhere\r\n\r\n", head("302 Found", 0)),
                        Mood::Hangs => return std::future::pending().await,
                        Mood::Gushes(bytes) => {
                            let _ = stream.write_all(format!("{}\r\n", head("200 OK", bytes)).as_bytes()).await;
                            let piece = [b' '; 65_536];
                            for _ in 0..bytes / piece.len() {
                                if stream.write_all(&piece).await.is_err() {
                                    return;
                                }
                            }
                            return;
                        }
                    };
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { url, mood, asked }
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn tokens(&self, algorithms: &[Alg]) -> Tokens {
        let jwks = Some(JwksUrl::parse(&self.url).unwrap());
        tokens_at("a", Config { jwks, algorithms: algorithms.to_vec(), ..Config::default() }, NOW)
    }
}

const PUBLISHED: [Alg; 3] = [Alg::EdDsa, Alg::Es256, Alg::Rs256];

#[tokio::test]
async fn a_site_signs_with_the_keys_it_publishes() {
    let endpoint = Endpoint::that(Mood::Answers(site_set().to_string())).await;
    let tokens = endpoint.tokens(&PUBLISHED);
    for (alg, name) in [(Algorithm::EdDSA, "ed"), (Algorithm::ES256, "ec"), (Algorithm::RS256, "rsa")] {
        let Ok(Standing::Valid(principal)) = tokens.check(&signed_by(alg, Some(name))).await else {
            panic!("{name}: {:?}", tokens.check(&signed_by(alg, Some(name))).await)
        };
        assert_eq!(principal.uid.as_str(), "u1");
        assert!(tokens.check(&signed_by(alg, None)).await.is_ok(), "{name}: the only key of its kind needs no name");
    }
    assert_eq!(endpoint.asked(), 1, "fetched once and kept");
    assert!(tokens.check(&tokens.issue(&grant())).await.is_ok(), "the gateway's own tokens go on");
}

#[tokio::test]
async fn the_token_does_not_choose_its_algorithm() {
    let endpoint = Endpoint::that(Mood::Answers(site_set().to_string())).await;
    let tokens = endpoint.tokens(&[Alg::EdDsa]);
    assert!(tokens.check(&signed_by(Algorithm::EdDSA, Some("ed"))).await.is_ok());
    assert_eq!(tokens.check(&signed_by(Algorithm::ES256, Some("ec"))).await, Err(TokenError::Forged));
    // The site's name with the gateway's own secret, which the site has no business with here.
    assert_eq!(tokens.check(&signed("a", &claims())).await, Err(TokenError::Foreign));
    // The public key taken for a shared secret: the classic confusion.
    let public = site_set()["keys"][2]["n"].as_str().unwrap().to_owned();
    let confused = encode(
        &Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::HS256) },
        &claims(),
        &EncodingKey::from_secret(public.as_bytes()),
    );
    assert_eq!(endpoint.tokens(&PUBLISHED).check(&confused.unwrap()).await, Err(TokenError::Forged));
    // One algorithm under the name of another's key.
    assert_eq!(
        endpoint.tokens(&PUBLISHED).check(&signed_by(Algorithm::ES256, Some("rsa"))).await,
        Err(TokenError::Forged)
    );
    // A public key that comes along in the token itself.
    let mut header = Header::new(Algorithm::EdDSA);
    header.jwk = Some(Jwk::from_encoding_key(&key(Algorithm::EdDSA), Algorithm::EdDSA).unwrap());
    header.kid = Some("mine".to_owned());
    let own = encode(&header, &claims(), &key(Algorithm::EdDSA)).unwrap();
    assert_eq!(endpoint.tokens(&PUBLISHED).check(&own).await, Err(TokenError::Forged));
}

#[tokio::test]
async fn keys_that_cannot_be_trusted_are_left_out() {
    let mut weak = public(&EncodingKey::from_rsa_der(WEAK_RSA), Algorithm::RS256, "weak");
    weak["kid"] = json!("weak");
    let mut sealing = public(&key(Algorithm::EdDSA), Algorithm::EdDSA, "sealing");
    sealing["use"] = json!("enc");
    let mut misnamed = public(&key(Algorithm::RS256), Algorithm::RS256, "misnamed");
    misnamed["alg"] = json!("RS512");
    let set =
        json!({"keys": [weak, sealing, misnamed, {"kty": "new"}, 7, {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}]});
    let endpoint = Endpoint::that(Mood::Answers(set.to_string())).await;
    let tokens = endpoint.tokens(&PUBLISHED);
    for (alg, name) in [(Algorithm::RS256, "weak"), (Algorithm::EdDSA, "sealing"), (Algorithm::RS256, "misnamed")] {
        assert!(tokens.check(&signed_by(alg, Some(name))).await.is_err(), "{name}");
    }
    assert_eq!(endpoint.asked(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_but_not_by_everybody() {
    let mut old = site_set();
    let newest = old["keys"].as_array_mut().unwrap().pop().unwrap();
    let endpoint = Endpoint::that(Mood::Answers(old.to_string())).await;
    let tokens = Arc::new(endpoint.tokens(&PUBLISHED));
    assert!(tokens.check(&signed_by(Algorithm::EdDSA, Some("ed"))).await.is_ok());
    assert_eq!(endpoint.asked(), 1);
    old["keys"].as_array_mut().unwrap().push(newest);
    endpoint.becomes(Mood::Answers(old.to_string()));
    for _ in 0..100 {
        let Err(TokenError::KeysMissing { retry_after_ms }) =
            tokens.check(&signed_by(Algorithm::RS256, Some("rsa"))).await
        else {
            panic!()
        };
        assert!((1..=30_000).contains(&retry_after_ms));
    }
    assert_eq!(endpoint.asked(), 1, "not within half a minute");
    tokens.reload_keys().await;
    assert!(tokens.check(&signed_by(Algorithm::RS256, Some("rsa"))).await.is_ok());
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn whatever_the_endpoint_does_the_last_good_keys_stay() {
    let endpoint = Endpoint::that(Mood::Answers(site_set().to_string())).await;
    let tokens = endpoint.tokens(&PUBLISHED);
    let token = signed_by(Algorithm::EdDSA, Some("ed"));
    assert!(tokens.check(&token).await.is_ok());
    let nonsense = || Mood::Answers("no keys here".to_owned());
    let nothing = || Mood::Answers(r#"{"keys":[]}"#.to_owned());
    for mood in [Mood::Fails, nonsense(), nothing(), Mood::Gushes(100 << 20), Mood::MovesAway] {
        endpoint.becomes(mood);
        tokens.reload_keys().await;
        assert!(tokens.check(&token).await.is_ok());
    }
    assert_eq!(endpoint.asked(), 6);
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_nobody_for_long() {
    let endpoint = Endpoint::that(Mood::Hangs).await;
    let tokens = Arc::new(endpoint.tokens(&PUBLISHED));
    let token = signed_by(Algorithm::EdDSA, Some("ed"));
    let both = async { tokio::join!(tokens.check(&token), tokens.check(&token)) };
    let (first, second) = tokio::time::timeout(Duration::from_secs(10), both).await.expect("in time");
    for verdict in [first, second] {
        assert!(matches!(verdict, Err(TokenError::KeysMissing { .. })), "{verdict:?}");
    }
    assert_eq!(endpoint.asked(), 1, "one asks for all");
    assert!(tokens.check(&tokens.issue(&grant())).await.is_ok());
}
