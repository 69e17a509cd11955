//! The edge of the real program: which port, which page, which proxy, which data.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::process::{Gateway, HANDSHAKE, Raw, connect_from, exchange, masked, run, until};
use crate::support::yard::line;

/// A WebSocket handshake with these headers, on a connection that begins with `before`: the head of the answer.
fn handshake(address: &str, path: &str, before: &[u8], headers: &[(&str, &str)]) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: chat.site.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(&[before, head.as_bytes(), b"\r\n"].concat()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        answer.extend(byte);
    }
    (stream, String::from_utf8(answer).unwrap())
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

/// What CONNECT is answered on a connection that was upgraded.
fn joins(stream: TcpStream, cid: &str) -> (Raw, Value) {
    let mut raw = Raw::over(stream);
    raw.text(&json!({"cmd": 100, "cid": cid, "tid": 1, "bdy": {"auth": "READ"}}).to_string());
    let answer = raw.hears(10100);
    (raw, answer)
}

/// A broadcast of this gateway's.
fn on_air(gateway: &Gateway) -> String {
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"n"}"#);
    let (_, broadcast) = gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"t"}"#);
    broadcast["cid"].as_str().unwrap().to_owned()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn data_of_dev_is_kept_apart_until_it_is_adopted() {
    let data = tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let real = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", folder];
    let dev = Gateway::dev(data.path());
    let toy = dev.guest_token("demo");
    let key = std::fs::read_to_string(data.path().join("api-key")).unwrap();
    let (_, made) = dev.site("POST", "/v1/keys", r#"{"name":"bot","scopes":["channels:read"]}"#);
    let bot = made["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("madang-dev_") && bot.starts_with("madang-dev_"));
    let minted = String::from_utf8(
        run(&["token", "--uid", "u", "--nickname", "n", "--role", "viewer", "--data", folder]).stdout,
    );
    let minted = minted.unwrap().trim().to_owned();
    assert!(dev.terminate().success());

    let refused = run(&real);
    assert_eq!(refused.status.code(), Some(64));
    assert!(stderr(&refused).contains("--adopt-dev-data"), "{}", stderr(&refused));

    let adopted = Gateway::start(data.path(), &["--adopt-dev-data"], &[]);
    for old in [&key, &bot] {
        let (status, _) = adopted.admin_http("GET", "/v1/channels", &[("X-Api-Key", old)], "");
        assert_eq!(status, 403, "an old key opens nothing");
    }
    for old in [&toy, &minted] {
        let (_, body) =
            adopted.http("GET", "/nng_main/v1/user/getUserStatus", &[("Authorization", &format!("Bearer {old}"))], "");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], 401, "an old token is forged");
    }
    assert!(adopted.terminate().success());
    let refused = run(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data", folder]);
    assert_eq!(refused.status.code(), Some(64), "and never back: {}", stderr(&refused));
    assert!(Gateway::start(data.path(), &[], &[]).terminate().success());
}

#[test]
fn a_dev_token_and_key_open_nothing_even_where_the_secret_is_the_same() {
    let (toys, site) = (tempdir().unwrap(), tempdir().unwrap());
    let secret = [("MADANG_AUTH__SECRET", "0123456789abcdef0123456789abcdef")];
    let dev = Gateway::start(toys.path(), &["--dev"], &secret);
    let real = Gateway::start(site.path(), &[], &secret);
    let token = dev.guest_token("demo");
    let (_, body) =
        real.http("GET", "/nng_main/v1/user/getUserStatus", &[("Authorization", &format!("Bearer {token}"))], "");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], 401);
    let key = std::fs::read_to_string(toys.path().join("api-key")).unwrap();
    let given = run_with(&["MADANG_SITE__API_KEY"], &key, tempdir().unwrap().path().to_str().unwrap());
    assert_eq!(given.status.code(), Some(64), "{}", stderr(&given));
}

fn run_with(names: &[&str], value: &str, folder: &str) -> std::process::Output {
    let mut command = crate::support::process::madang();
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", folder]);
    command.envs(names.iter().map(|name| (*name, value))).output().unwrap()
}

#[test]
fn dev_listens_to_this_machine_only_unless_told_twice() {
    let data = tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let refused = run(&["serve", "--dev", "--listen", "0.0.0.0:0", "--data", folder]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(stderr(&refused).contains("--dev-anywhere"), "{}", stderr(&refused));
    assert_eq!(run(&["serve", "--dev-anywhere", "--data", folder]).status.code(), Some(2), "it means nothing alone");
    // A socket that was inherited is looked at as well.
    let everywhere = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let refused = Gateway::inherited(&everywhere, data.path(), &["--dev"]).wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(64), "{}", stderr(&refused));
    assert!(
        Gateway::start(data.path(), &["--dev", "--dev-anywhere"], &[("MADANG_LISTEN", "0.0.0.0:0")])
            .terminate()
            .success()
    );
}

#[test]
fn a_secret_that_others_may_read_is_no_secret() {
    let data = tempdir().unwrap();
    drop(Gateway::dev(data.path()));
    let file = data.path().join("secret");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = run(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(stderr(&refused).contains("chmod 600"), "{}", stderr(&refused));
}

#[test]
fn nothing_secret_is_printed_or_traced() {
    let data = tempdir().unwrap();
    let mut command = crate::support::process::madang();
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(data.path());
    command
        .env("RUST_LOG", "trace,tungstenite::protocol=trace,hyper::proto=trace,ureq_proto::client=trace")
        .env("MADANG_AUTH__JWKS_URL", "http://name:letmein@127.0.0.1:9/keys?code=letmein");
    let (gateway, traces) = Gateway::traced(command, data.path());
    let key = std::fs::read_to_string(data.path().join("api-key")).unwrap();
    let secret = std::fs::read_to_string(data.path().join("secret")).unwrap();
    let token =
        run(&["token", "--uid", "u", "--nickname", "n", "--role", "viewer", "--data", data.path().to_str().unwrap()]);
    let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"n"}"#);
    let (_, broadcast) = gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"t"}"#);
    let (_, made) = gateway.site("POST", "/v1/keys", r#"{"name":"bot","scopes":["channels:read"]}"#);
    let mut raw = Raw::connect(&gateway.address, &[]);
    raw.text(&json!({"cmd": 100, "cid": broadcast["cid"], "bdy": {"auth": "SEND", "accTkn": token}}).to_string());
    assert_eq!(raw.hears(10100)["bdy"]["auth"], "SEND");
    raw.text(&line(broadcast["cid"].as_str().unwrap(), "unheard of", false).to_string());
    assert_eq!(raw.hears(13101)["retCode"], 0);
    let mut welcome = gateway.welcome.join("\n");
    assert!(gateway.terminate().success());
    welcome.push_str(&traces.join().unwrap());
    assert!(welcome.contains("the site's keys can't be had"), "traces are looked at: {welcome}");
    for private in [key.trim(), secret.trim(), &token, made["key"].as_str().unwrap(), "unheard of", "letmein"] {
        assert!(!welcome.contains(private), "{private} stands in {welcome}");
    }
}

#[test]
fn pages_of_other_sites_may_not_use_the_gateway() {
    let data = tempdir().unwrap();
    let origins = [("MADANG_ALLOWED_ORIGINS", "['own', 'https://*.friend.example']")];
    let gateway = Gateway::start(data.path(), &[], &origins);
    let upgrade = |origin: &str| status(&handshake(&gateway.address, "/chat", &[], &[("Origin", origin)]).1);
    assert_eq!(upgrade("https://chat.site.example"), 101);
    assert_eq!(upgrade("https://a.friend.example"), 101);
    assert_eq!((upgrade("https://evil.example"), upgrade("null"), upgrade("http://localhost:3000")), (403, 403, 403));
    assert_eq!(status(&handshake(&gateway.address, "/chat", &[], &[]).1), 101, "what is no page passes");

    let path = "/polling/v2/channels/c/live-status";
    let asked = |method: &str, origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        exchange(&gateway.address, method, path, &headers, "").0.to_lowercase()
    };
    for method in ["GET", "OPTIONS"] {
        let friend = asked(method, "https://a.friend.example");
        assert!(friend.contains("access-control-allow-origin: https://a.friend.example"), "{friend}");
        assert!(friend.contains("access-control-allow-credentials: true"), "{friend}");
        assert!(friend.contains("vary: origin"), "{friend}");
        let evil = asked(method, "https://evil.example");
        assert!(!evil.contains("access-control-allow-origin") && evil.contains("vary: origin"), "{evil}");
    }
    // A page brings its user's cookie along; what it asks for is done for pages of allowed sites only.
    let moderates = |origin: &str| {
        let headers = [("Origin", origin), ("Content-Type", "application/json")];
        exchange(&gateway.address, "POST", "/nng_main/v1/chats/blind-message", &headers, r#"{"channelId":"c"}"#).0
    };
    assert!(moderates("https://evil.example").starts_with("HTTP/1.1 403"));
    assert!(moderates("https://a.friend.example").starts_with("HTTP/1.1 400"), "it gets as far as what it says");
    let (api, _) = exchange(&gateway.admin, "GET", "/v1/channels", &[("Origin", "https://a.friend.example")], "");
    assert!(!api.to_lowercase().contains("access-control"), "no page uses the API: {api}");
}

#[test]
fn dev_lets_pages_of_this_machine_in() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let upgrade = |origin: &str| status(&handshake(&gateway.address, "/chat", &[], &[("Origin", origin)]).1);
    assert_eq!((upgrade("http://localhost:5173"), upgrade("https://evil.example")), (101, 403));
}

#[test]
fn the_sites_own_programs_come_in_by_another_door() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &[], &[("MADANG_PATH_PREFIX", "/live")]);
    assert_ne!(gateway.address, gateway.admin);
    for path in ["/v1/channels", "/metrics", "/livez", "/readyz", "/chat", "/polling/v2/channels/c/live-status"] {
        assert_eq!(gateway.http("GET", path, &[], "").0, 404, "{path} is not public");
    }
    let (stream, head) = handshake(&gateway.address, "/live/chat", &[], &[]);
    assert_eq!(status(&head), 101);
    assert_eq!(joins(stream, "N2none").1["retCode"], 105, "an unknown channel");
    assert_eq!(gateway.json("/live/polling/v2/channels/c/live-status")["code"], 404);
    assert_eq!(gateway.admin_http("GET", "/livez", &[], ""), (200, "alive\n".to_owned()));
    assert_eq!(gateway.admin_http("GET", "/readyz", &[], ""), (200, "ready\n".to_owned()));
    let (_, metrics) = gateway.admin_http("GET", "/metrics", &[], "");
    for name in [
        "madang_connections 0",
        "madang_sockets",
        "madang_joins_total 0",
        "madang_refusals_total{code=\"105\"} 1",
        "madang_closes_total{code=\"1000\"} 1",
        "madang_queue_bytes 0",
        "madang_log_commit_seconds_bucket",
        "madang_ack_seconds_count 0",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "# EOF",
    ] {
        assert!(metrics.contains(name), "{name} is missing in {metrics}");
    }
}

#[test]
fn a_proxy_is_believed_when_it_is_trusted() {
    let data = tempdir().unwrap();
    let one_each = ("MADANG_LIMITS__CONNECTIONS_PER_ADDRESS", "1");
    let trusting = Gateway::start(data.path(), &[], &[one_each, ("MADANG_TRUSTED_PROXIES", "['127.0.0.0/8']")]);
    let cid = on_air(&trusting);
    let behind = |gateway: &Gateway, cid: &str, forwarded: &str| {
        let (stream, head) = handshake(&gateway.address, "/chat", &[], &[("X-Forwarded-For", forwarded)]);
        assert_eq!(status(&head), 101);
        joins(stream, cid)
    };
    let (_first, answer) = behind(&trusting, &cid, "198.51.100.1");
    assert_eq!(answer["retCode"], 0);
    let (_second, answer) = behind(&trusting, &cid, "198.51.100.2");
    assert_eq!(answer["retCode"], 0);
    let (_made_up, answer) = behind(&trusting, &cid, "6.6.6.6, 198.51.100.2");
    assert_eq!(answer["retCode"], 429, "what stands before the last hop is made up");

    let proxy_v2 = |source: [u8; 4], command: u8| {
        let mark = b"\r\n\r\n\0\r\nQUIT\n";
        [&mark[..], &[0x20 | command, 0x11, 0, 12], &source, &[127, 0, 0, 1, 0, 9, 0, 9]].concat()
    };
    let via = |gateway: &Gateway, source: [u8; 4]| handshake(&gateway.address, "/chat", &proxy_v2(source, 1), &[]);
    let (_held, answer) = joins(via(&trusting, [198, 51, 100, 9]).0, &cid);
    assert_eq!(answer["retCode"], 0);
    assert_eq!(joins(via(&trusting, [198, 51, 100, 9]).0, &cid).1["retCode"], 429, "the second of one address");
    assert_eq!(joins(via(&trusting, [198, 51, 100, 10]).0, &cid).1["retCode"], 0);
    let (_, head) = handshake(&trusting.address, "/chat", &proxy_v2([9; 4], 0), &[]);
    assert_eq!(status(&head), 101, "LOCAL: the proxy's own look whether we are well");
    let broken = [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x21, 0x11, 0xff, 0xff]].concat();
    assert_eq!(status(&handshake(&trusting.address, "/chat", &broken, &[]).1), 0, "dropped without a word");

    let mut hidden = Vec::new();
    for _ in 0..3 {
        let forwarded = b"X-Forwarded-For: \xff, 198.51.100.20\r\n";
        let mut stream = TcpStream::connect(&trusting.address).unwrap();
        let head = String::from_utf8_lossy(HANDSHAKE);
        let (first, rest) = head.split_once("\r\n").unwrap();
        stream.write_all(&[first.as_bytes(), b"\r\n", forwarded, rest.as_bytes()].concat()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        hidden.push((stream, String::from_utf8_lossy(&answer[9..]).into_owned()));
    }
    let statuses: Vec<&str> = hidden.iter().map(|(_, status)| status.as_str()).collect();
    assert_eq!(statuses, ["101", "101", "429"], "whatever a client writes before the proxy does, it is counted");

    let data = tempdir().unwrap();
    let wary = Gateway::start(data.path(), &[], &[one_each]);
    assert_eq!(status(&via(&wary, [198, 51, 100, 9]).1), 400, "no HTTP request begins like that");
    let cid = on_air(&wary);
    let (_held, answer) = joins(handshake(&wary.address, "/chat", &[], &[]).0, &cid);
    assert_eq!(answer["retCode"], 0);
    assert_eq!(behind(&wary, &cid, "198.51.100.77").1["retCode"], 429, "it is counted as who it is");
}

#[test]
fn a_slow_or_huge_request_head_costs_its_own_connection_only() {
    let data = tempdir().unwrap();
    let short = [("MADANG_LIMITS__HEADER_TIMEOUT_SECONDS", "1"), ("MADANG_CHAT__JOIN_TIMEOUT_SECONDS", "1")];
    let gateway = Gateway::start(data.path(), &["--dev"], &short);
    let mut slow = TcpStream::connect(&gateway.address).unwrap();
    let mut half_upgraded = TcpStream::connect(&gateway.address).unwrap();
    half_upgraded.write_all(b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n").unwrap();
    let mut silent = TcpStream::connect(&gateway.address).unwrap();
    for byte in b"GET /chat HTTP/1.1\r\nX-Slow: " {
        // A byte at a time doesn't buy more time.
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for stream in [&mut slow, &mut half_upgraded, &mut silent] {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut rest = Vec::new();
        // Closed or reset: over either way.
        let _ = stream.read_to_end(&mut rest);
        assert!(!String::from_utf8_lossy(&rest).contains("101"));
    }
    let mut idle = Raw::connect(&gateway.address, &[]);
    assert_eq!(idle.hears_close(), (1001, "no CONNECT in time".to_owned()));

    let mut huge = TcpStream::connect(&gateway.address).unwrap();
    huge.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!("GET /chat HTTP/1.1\r\nHost: x\r\nX-Huge: {}\r\n\r\n", "x".repeat(1 << 20));
    // It is answered before all of it was sent.
    let _ = huge.write_all(head.as_bytes());
    let mut answer = [0; 12];
    let answered = huge.read(&mut answer).is_ok_and(|read| read == 12 && answer == *b"HTTP/1.1 431");
    assert!(answered || huge.read(&mut answer).is_err(), "431, or the connection is gone: {answer:?}");

    let mut body = TcpStream::connect(&gateway.address).unwrap();
    body.write_all(b"POST /v1/channels HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n{").unwrap();
    body.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(body.read(&mut answer).unwrap(), 12);
    assert_eq!(&answer, b"HTTP/1.1 401", "refused before the body");
    Raw::join(&gateway, "demo");
}

#[test]
fn who_joins_waits_their_turn_or_is_told_to_come_back() {
    let data = tempdir().unwrap();
    let slow = [("MADANG_LIMITS__JOINS_PER_SECOND", "1"), ("MADANG_CHAT__CONNECT_TIMEOUT_MS", "2000")];
    let gateway = Gateway::start(data.path(), &[], &slow);
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"n"}"#);
    let (_, broadcast) = gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"t"}"#);
    let connect = json!({"cmd": 100, "cid": broadcast["cid"], "tid": 1, "bdy": {"auth": "READ"}}).to_string();
    let mut crowd: Vec<_> = (0..6).map(|_| Raw::connect(&gateway.address, &[])).collect();
    crowd.iter_mut().for_each(|one| one.text(&connect));
    let mut codes = Vec::new();
    for one in &mut crowd {
        let answer = one.hears(10100);
        codes.push(answer["retCode"].as_u64().unwrap());
        if answer["retCode"] != 0 {
            assert!(answer["retryAfterMs"].as_u64().unwrap() > 0);
            assert_eq!(one.hears_close().0, 1013);
        }
    }
    let joined = codes.iter().filter(|code| **code == 0).count();
    assert!((2..=3).contains(&joined), "one at once and one a second for 1.75 seconds: {codes:?}");
    assert!(codes.iter().all(|code| [0, 503].contains(code)), "{codes:?}");
}

#[test]
fn one_address_asks_so_often() {
    let data = tempdir().unwrap();
    let slow = [("MADANG_LIMITS__REQUESTS_PER_SECOND", "1"), ("MADANG_LIMITS__REQUESTS_BURST", "3")];
    let gateway = Gateway::start(data.path(), &[], &slow);
    let asks = || exchange(&gateway.address, "GET", "/polling/v2/channels/c/live-status", &[], "");
    for _ in 0..3 {
        assert_eq!(serde_json::from_str::<Value>(&asks().1).unwrap()["code"], 404);
    }
    let (head, body) = asks();
    assert_eq!(status(&head), 200);
    assert!(head.to_lowercase().contains("retry-after: 1"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], 429);
    assert_eq!(status(&handshake(&gateway.address, "/chat", &[], &[]).1), 101, "the chat has limits of its own");
    assert_eq!(gateway.admin_http("GET", "/livez", &[], "").0, 200);
}

#[test]
fn who_takes_nothing_of_what_waits_is_closed_however_alive() {
    let data = tempdir().unwrap();
    let quick = [("MADANG_CHAT__PING_AFTER_SECONDS", "1"), ("MADANG_CHAT__STANDSTILL_SECONDS", "2")];
    let gateway = Gateway::start(data.path(), &["--dev"], &quick);
    let mut anna = Raw::join(&gateway, "demo");
    let token = gateway.guest_token("demo");
    let mut sender = Raw::connect(&gateway.address, &[]);
    sender.text(&json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "SEND", "accTkn": token}}).to_string());
    assert_eq!(sender.hears(10100)["retCode"], 0);
    for turn in 0..60 {
        sender.text(&line("demo", &format!("{turn} {}", "한".repeat(450)), false).to_string());
        assert_eq!(sender.hears(13101)["retCode"], 0);
    }
    let mut stuck = connect_from(Ipv4Addr::LOCALHOST, &gateway.address).unwrap();
    stuck.write_all(HANDSHAKE).unwrap();
    stuck.write_all(&masked(0x81, br#"{"cmd":100,"cid":"demo","bdy":{"auth":"READ"}}"#)).unwrap();
    let ask = json!({"cmd": 5101, "cid": "demo", "bdy": {"recentMessageCount": 50}}).to_string();
    until("more waits than the kernel takes", || {
        stuck.write_all(&masked(0x81, ask.as_bytes())).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        gateway.metric("madang_queue_bytes") > 30_000.0
    });
    // It says that it is there, all the time; nobody else notices.
    until("it is closed", || {
        let _ = stuck.write_all(&masked(0x8a, b""));
        std::thread::sleep(Duration::from_millis(200));
        let (_, closes) = gateway.site("GET", "/v1/closes", "");
        closes["closes"].to_string().contains("nothing was read")
    });
    anna.text(r#"{"cmd":0}"#);
    anna.hears(10000);
}

#[test]
fn a_thief_whose_token_is_revoked_gives_the_accounts_sessions_back() {
    let data = tempdir().unwrap();
    let quick = [("MADANG_CHAT__PING_AFTER_SECONDS", "1"), ("MADANG_LIMITS__CONNECTIONS_PER_USER", "2")];
    let gateway = Gateway::start(data.path(), &[], &quick);
    let cid = on_air(&gateway);
    let token = || {
        let body = json!({"user": {"uid": "u1", "nickname": "Mina"}});
        gateway.site("POST", "/v1/tokens", &body.to_string()).1["token"].clone()
    };
    let joins = |token: &Value| {
        let mut raw = Raw::connect(&gateway.address, &[]);
        raw.text(&json!({"cmd": 100, "cid": cid, "bdy": {"auth": "SEND", "accTkn": token}}).to_string());
        let answer = raw.hears(10100);
        (raw, answer)
    };
    let stolen = token();
    let _thieves = [joins(&stolen), joins(&stolen)];
    assert_eq!(gateway.site("POST", "/v1/revocations", r#"{"uid":"u1"}"#).0, 201);
    let (_late, answer) = joins(&stolen);
    assert_eq!(answer["bdy"]["auth"], "READ", "nobody waits for a seat that a revoked token can't take");
    let (_owner, answer) = joins(&token());
    assert_eq!((&answer["retCode"], &answer["bdy"]["auth"]), (&json!(0), &json!("SEND")));
}

#[test]
fn a_connection_counts_until_its_socket_is_closed() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut lingering = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::join(&gateway, "demo");
        // Unmasked: against the rules. Neither the Close is read nor the socket closed.
        raw.stream.write_all(&[0x81, 1, b'x']).unwrap();
        lingering.push(raw);
    }
    until("they are told", || gateway.metric("madang_connections") < 1.0);
    assert!(gateway.metric("madang_sockets") >= 50.0, "their sockets are open");
    until("they are cut off", || gateway.metric("madang_sockets") <= 1.0);
}

#[test]
fn a_gateway_that_waits_to_start_can_be_stopped() {
    let data = tempdir().unwrap();
    let _first = Gateway::dev(data.path());
    let mut second = crate::support::process::madang();
    second.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    let mut child = second.stderr(Stdio::piped()).spawn().unwrap();
    let mut traces = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(traces.any(|line| line.unwrap().contains("waiting for another gateway")), "it waits for the data");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn settings_are_read_again_at_sighup() {
    let data = tempdir().unwrap();
    let file = data.path().join("madang.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("[chat]\ntext_characters = 5\n");
    let mut command = crate::support::process::madang();
    command
        .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--config"])
        .arg(&file)
        .arg("--data")
        .arg(data.path().join("d"));
    let (gateway, traces) = Gateway::traced(command, &data.path().join("d"));
    let mut anna = Raw::join(&gateway, "demo");
    let mut says = |text: &str| {
        anna.text(&line("demo", text, false).to_string());
        anna.hears(13101)["retCode"].as_u64().unwrap()
    };
    let hangup = || {
        assert!(Command::new("kill").args(["-HUP", &gateway.pid().to_string()]).status().unwrap().success());
    };
    assert_eq!(says("123456"), 413);
    write("[chat]\ntext_characters = 6\nqueue_bytes = 300000\n");
    hangup();
    until("the new limit holds soon", || says("123456") == 0);
    write("[chat]\ntext_characters = 'seven'\n");
    hangup();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(says("123456"), 0, "a mistake changes nothing");
    assert!(gateway.terminate().success());
    let traces = traces.join().unwrap();
    for told in
        ["chat.text_characters", "changes at the next start only", "chat.queue_bytes", "the settings stay as they were"]
    {
        assert!(traces.contains(told), "{told} is missing in {traces}");
    }
}

#[test]
fn traces_for_programs_are_one_json_object_a_line() {
    let data = tempdir().unwrap();
    let mut command = crate::support::process::madang();
    command.args(["serve", "--dev", "--traces", "json", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    let (gateway, traces) = Gateway::traced(command, data.path());
    assert!(gateway.terminate().success());
    let traces = traces.join().unwrap();
    let lines: Vec<Value> = traces.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "left" && line["level"] == "INFO"), "{traces}");
}

#[test]
fn why_was_i_disconnected() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &["--dev"], &[("MADANG_CHAT__JOIN_TIMEOUT_SECONDS", "1")]);
    let token = gateway.guest_token("demo");
    let mut anna = Raw::connect(&gateway.address, &[]);
    anna.text(&json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "SEND", "accTkn": token}}).to_string());
    let id = anna.hears(10100)["bdy"]["uuid"].as_str().unwrap().to_owned();
    anna.write(&[0x81, 0x01, b'x']);
    assert_eq!(anna.hears_close().0, 1002);
    drop(Raw::join(&gateway, "demo"));
    let (_stream, head) = handshake(&gateway.address, "/chat", &[], &[]);
    let early = head.lines().find_map(|line| line.strip_prefix("x-connection-id: ")).unwrap().to_owned();
    let asked = |query: &str| gateway.site("GET", &format!("/v1/closes?{query}"), "").1["closes"].clone();
    until("all three are in the ledger", || asked("").as_array().unwrap().len() == 3);
    let close = asked(&format!("connectionId={id}"))[0].clone();
    assert_eq!(
        (&close["code"], &close["reason"], &close["by"]),
        (&json!(1002), &json!("broken framing"), &json!("gateway"))
    );
    assert_eq!((&close["cid"], &close["connectionId"]), (&json!("demo"), &json!(id)));
    assert_eq!(close["address"].as_str().unwrap().len(), 32, "a hash, no address");
    assert_eq!(asked(&format!("uid={}", close["uid"].as_str().unwrap())).as_array().unwrap().len(), 1);
    assert_eq!(asked(&format!("connectionId={early}"))[0]["reason"], "no CONNECT in time");
    assert_eq!(asked("cid=demo").as_array().unwrap().len(), 2);
    assert_eq!(asked("cid=demo")[0]["by"], "nobody", "who vanishes is not said to have closed");
    let (_, page) = gateway.site("GET", "/v1/closes?limit=2", "");
    let (_, rest) = gateway.site("GET", &format!("/v1/closes?cursor={}", page["nextCursor"].as_str().unwrap()), "");
    assert_eq!((page["closes"].as_array().unwrap().len(), rest["closes"].as_array().unwrap().len()), (2, 1));
    assert_eq!(gateway.site("GET", "/v1/closes?connectionId=x", "").0, 400);
}
