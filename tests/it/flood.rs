//! Crowds and floods against the real program, with a cap on its memory: an allocation beyond the cap would end it.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::json;
use socket2::Socket;
use tempfile::tempdir;

use crate::support::process::{Gateway, HANDSHAKE, Raw, connect_from, masked, until};
use crate::support::yard::line;

/// Memory of a gateway in these tests, in KiB. What it needs when idle is 40,000 of it in a debug build.
const CAP: u64 = 250_000;

/// A connection that asks to join and never reads.
fn join_and_never_read(source: Ipv4Addr, address: &str) -> TcpStream {
    let mut stream = connect_from(source, address).unwrap();
    let connect = masked(0x81, json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "READ"}}).to_string().as_bytes());
    stream.write_all(&[HANDSHAKE, &connect].concat()).unwrap();
    stream
}

/// Somebody of another address joins, sends and hears as if nothing were.
fn all_is_well_for(source: Ipv4Addr, gateway: &Gateway, cid: &str) {
    let mut stream = connect_from(source, &gateway.address).unwrap();
    stream.write_all(HANDSHAKE).unwrap();
    let mut raw = Raw::upgraded(stream);
    let token = gateway.guest_token(cid);
    raw.text(&json!({"cmd": 100, "cid": cid, "bdy": {"auth": "SEND", "accTkn": token}}).to_string());
    assert_eq!(raw.hears(10100)["retCode"], 0);
    raw.text(&line(cid, "all is well", false).to_string());
    assert_eq!(raw.hears(13101)["retCode"], 0);
}

#[test]
fn ten_thousand_who_join_and_never_read_are_let_go_and_cost_no_more_than_stated() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let data = tempdir().unwrap();
    let quick = [("MADANG_CHAT__PING_AFTER_SECONDS", "2"), ("MADANG_CHAT__STANDSTILL_SECONDS", "4")];
    let gateway = Gateway::capped(CAP, data.path(), &["--dev"], &quick);
    let mut crowd = Vec::new();
    while crowd.len() < 9_500 {
        // So many at a time as the kernel keeps waiting.
        crowd.extend((0..500).map(|_| join_and_never_read(Ipv4Addr::LOCALHOST, &gateway.address)));
        let joined = crowd.len();
        until("all have joined", || gateway.metric("madang_joins_total") >= joined as f64);
    }
    let mut sender = Raw::join(&gateway, "demo");
    let text = "가".repeat(500);
    let mut turns = 0;
    while gateway.metric("madang_connections") > 1.0 {
        turns += 1;
        assert!(turns < 1_000, "{}", gateway.metric("madang_connections"));
        for _ in 0..50 {
            sender.text(&line("demo", &text, false).to_string());
        }
        for _ in 0..50 {
            assert_eq!(sender.hears(13101)["retCode"], 0, "sends are accepted all along");
        }
        // A session sends a thousand a second at most.
        std::thread::sleep(Duration::from_millis(50));
        let queued = gateway.metric("madang_queue_bytes");
        assert!(queued <= 9_501.0 * (32.0 + 128.0) * 1_024.0, "what is only offered isn't taken any more: {queued}");
    }
    let (_, metrics) = gateway.admin_http("GET", "/metrics", &[], "");
    assert!(metrics.contains("madang_closes_total{code=\"1013\"} 9500"), "told as slow: {metrics}");
    assert!(gateway.metric("madang_slow_behind_total") >= 9_000.0, "and fell behind before");
    // Five seconds are theirs to read their last words.
    until("nothing waits for those who went", || gateway.metric("madang_queue_bytes") < 262_144.0);
}

#[test]
fn fifty_thousand_connects_of_one_address_leave_room_for_the_others() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let data = tempdir().unwrap();
    let caps = [("MADANG_LIMITS__CONNECTIONS_PER_ADDRESS", "300"), ("MADANG_AUTH__GUESTS", "true")];
    let gateway = Gateway::capped(CAP, data.path(), &[], &caps);
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"n"}"#);
    let (_, broadcast) = gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"t"}"#);
    let cid = broadcast["cid"].as_str().unwrap();
    let flooder = Ipv4Addr::new(127, 0, 0, 77);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = std::collections::VecDeque::new();
                for _ in 0..25_000 {
                    // A connection that is dropped at once may be seen as refused: what else is the flood about?
                    if let Ok(mut stream) = connect_from(flooder, &gateway.address) {
                        let _ = stream.write_all(HANDSHAKE);
                        held.push_back(stream);
                    }
                    // Gone without a trace, so that ports last; and not before it was accepted, for more are held than
                    // wait at the door.
                    if held.len() > 2_600 {
                        let oldest = Socket::from(held.pop_front().unwrap());
                        oldest.set_linger(Some(Duration::ZERO)).unwrap();
                    }
                }
            });
        }
        for _ in 0..5 {
            all_is_well_for(Ipv4Addr::new(127, 0, 0, 3), &gateway, cid);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let away = || gateway.metric("madang_turned_away_total{reason=\"Address\"}");
    until("the flood was turned away", || away() > 10_000.0);
    until("the flood is over", || gateway.metric("madang_connections") < 1.0);
    all_is_well_for(flooder, &gateway, cid);
}

#[test]
fn thousands_of_slow_beginnings_are_over_in_time() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let data = tempdir().unwrap();
    let short = [("MADANG_LIMITS__HEADER_TIMEOUT_SECONDS", "2"), ("MADANG_CHAT__JOIN_TIMEOUT_SECONDS", "2")];
    let gateway = Gateway::capped(CAP, data.path(), &["--dev"], &short);
    let beginnings: [&[u8]; 4] = [b"", b"GET /chat HT", &HANDSHAKE[..HANDSHAKE.len() - 2], HANDSHAKE];
    let mut slow = Vec::new();
    for turn in 0..3_000 {
        let mut stream = connect_from(Ipv4Addr::LOCALHOST, &gateway.address).unwrap();
        stream.write_all(beginnings[turn % 4]).unwrap();
        if turn % 8 == 3 {
            // Half a message: a header, and a byte of what it promises.
            stream.write_all(&[0x81, 0xfe, 0x10, 0x00, 0, 0, 0, 0, b'{']).unwrap();
        }
        slow.push(stream);
        if turn % 1_000 == 0 {
            all_is_well_for(Ipv4Addr::LOCALHOST, &gateway, "demo");
        }
    }
    until("all of them are over", || gateway.metric("madang_sockets") <= 1.0);
    all_is_well_for(Ipv4Addr::LOCALHOST, &gateway, "demo");
}

#[test]
fn below_the_hard_cap_a_full_gateway_says_so_and_goes_on() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &["--dev"], &[("MADANG_LIMITS__CONNECTIONS", "100")]);
    // Some more than there is room for: whoever asks for the metrics takes a place for a moment too.
    let crowd: Vec<_> = (0..90).map(|_| join_and_never_read(Ipv4Addr::LOCALHOST, &gateway.address)).collect();
    until("the house is full", || gateway.metric("madang_joins_total") >= 84.0);
    let mut late = Raw::connect(&gateway.address, &[]);
    late.text(r#"{"cmd":100,"cid":"demo","tid":1,"bdy":{"auth":"READ"}}"#);
    let refused = late.hears(10100);
    assert_eq!((&refused["retCode"], &refused["retryAfterMs"]), (&json!(503), &json!(5000)));
    assert_eq!(late.hears_close().0, 1013);
    drop(crowd);
    until("there is room again", || gateway.metric("madang_sockets") < 10.0);
    all_is_well_for(Ipv4Addr::LOCALHOST, &gateway, "demo");
}
