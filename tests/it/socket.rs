//! Through real sockets to the real program: framing, limits, restarts.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::json;
use tempfile::tempdir;

use madang::clock;

use crate::support::frames::Frame;
use crate::support::process::{Gateway, Raw, masked, until};
use crate::support::yard::{line, texts};

/// Whatever one connection did, this one goes on.
fn goes_on(gateway: &Gateway, witness: &mut Raw) {
    let mut sender = Raw::join(gateway, "demo");
    sender.text(&line("demo", "still here", false).to_string());
    assert_eq!(sender.hears(13101)["retCode"], 0);
    assert_eq!(witness.hears(93101)["bdy"][0]["msg"], "still here");
}

#[test]
fn framing_that_is_broken_closes_its_own_connection_only() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut witness = Raw::join(&gateway, "demo");
    let cases: [(&str, Vec<u8>, u16); 7] = [
        ("1 MiB", masked(0x81, &vec![b'x'; 1 << 20]), 1009),
        ("a header that claims 2^62 bytes", [&[0x81, 0xff][..], &(1_u64 << 62).to_be_bytes(), &[0; 4]].concat(), 1009),
        ("not UTF-8", masked(0x81, b"{\"cmd\":\xff}"), 1007),
        ("unmasked", b"\x81\x02hi".to_vec(), 1002),
        ("reserved bits", masked(0xc1, b"{}"), 1002),
        ("an unknown opcode", masked(0x83, b"{}"), 1002),
        ("a continuation of nothing", masked(0x80, b"{}"), 1002),
    ];
    for (what, bytes, code) in cases {
        let mut raw = Raw::join(&gateway, "demo");
        // The gateway may close before it has taken everything.
        let _ = raw.stream.write_all(&bytes);
        assert_eq!(raw.hears_close().0, code, "{what}");
        goes_on(&gateway, &mut witness);
    }
}

#[test]
fn a_fragment_that_never_ends_is_closed_at_the_limit_and_costs_no_more() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut witness = Raw::join(&gateway, "demo");
    let mut raw = Raw::join(&gateway, "demo");
    raw.write(&masked(0x01, b"{\"cmd\":0,\"x\":\""));
    raw.write(&masked(0x89, b"between"));
    loop {
        match raw.next() {
            Some(Frame::Pong(payload)) => {
                assert_eq!(payload, b"between");
                break;
            }
            Some(_) => {}
            None => panic!("closed too early"),
        }
    }
    goes_on(&gateway, &mut witness);
    for _ in 0..20 {
        if raw.stream.write_all(&masked(0x00, &[b'x'; 1_000])).is_err() {
            break;
        }
    }
    assert_eq!(raw.hears_close().0, 1009);
    goes_on(&gateway, &mut witness);
}

#[test]
fn a_fragmented_message_is_one_message() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut raw = Raw::join(&gateway, "demo");
    let message = line("demo", "in pieces", false).to_string();
    let (first, rest) = message.as_bytes().split_at(10);
    let (second, third) = rest.split_at(20);
    raw.write(&masked(0x01, first));
    raw.write(&masked(0x00, second));
    raw.write(&masked(0x80, third));
    assert_eq!(raw.hears(13101)["retCode"], 0);
}

#[test]
fn json_in_binary_messages_is_understood_and_what_is_not_text_is_answered() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut raw = Raw::join(&gateway, "demo");
    raw.write(&masked(0x82, br#"{"cmd":0}"#));
    assert_eq!(raw.hears(10000)["ver"], "2");
    raw.write(&masked(0x82, b"\xff\xfe"));
    assert_eq!(raw.next(), Some(Frame::Text(r#"{"retCode":105,"retMsg":"Incorrect parameter"}"#.to_owned())));
}

#[test]
fn a_hundred_sends_in_one_packet_are_a_hundred_lines() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut raw = Raw::join(&gateway, "demo");
    let sends: Vec<Vec<u8>> =
        (0..100).map(|turn| masked(0x81, line("demo", &turn.to_string(), false).to_string().as_bytes())).collect();
    raw.write(&sends.concat());
    let (mut acks, mut lines) = (0, Vec::new());
    while acks < 100 || lines.len() < 100 {
        let Some(Frame::Text(text)) = raw.next() else { panic!() };
        let message: serde_json::Value = serde_json::from_str(&text).unwrap();
        match message["cmd"].as_u64() {
            Some(13101) if message["retCode"] == 0 => acks += 1,
            Some(93101) => lines.extend(message["bdy"].as_array().unwrap().iter().cloned()),
            other => panic!("{other:?} {text}"),
        }
    }
    assert_eq!(texts(&lines), (0..100).map(|turn| turn.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_comes_in_the_same_packet_as_the_handshake_is_not_lost() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let connect = json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "READ"}}).to_string();
    let mut raw = Raw::connect(&gateway.address, &masked(0x81, connect.as_bytes()));
    assert_eq!(raw.hears(10100)["retCode"], 0);
}

#[test]
fn a_close_is_answered_and_nothing_follows_it() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut raw = Raw::join(&gateway, "demo");
    raw.write(&masked(0x88, &1000_u16.to_be_bytes()));
    assert_eq!(raw.hears_close().0, 1000);
    assert_eq!(raw.next(), None);
    let strict = tempdir().unwrap();
    let strict = Gateway::start(strict.path(), &[], &[]);
    let mut unknown = Raw::connect(&strict.address, &[]);
    unknown.text(r#"{"cmd":100,"cid":"N2none","tid":1,"bdy":{"auth":"READ"}}"#);
    assert_eq!(unknown.hears(10100)["retCode"], 105);
    assert_eq!(unknown.hears_close(), (1000, "Bye".to_owned()));
    assert_eq!(unknown.next(), None);
}

#[test]
fn too_many_control_frames_are_the_end_of_a_connection() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut raw = Raw::join(&gateway, "demo");
    raw.write(&masked(0x89, b"x").repeat(10));
    for _ in 0..10 {
        assert_eq!(raw.next(), Some(Frame::Pong(b"x".to_vec())));
    }
    raw.write(&masked(0x8a, b"").repeat(11));
    assert_eq!(raw.hears_close(), (1000, "too many control frames".to_owned()));
}

#[test]
fn pings_that_nobody_reads_the_answers_of_cost_no_memory() {
    let data = tempdir().unwrap();
    let patient = [("MADANG_LIMITS__CONTROL_FRAMES_PER_SECOND", "10000")];
    let gateway = Gateway::start(data.path(), &["--dev"], &patient);
    let mut witness = Raw::join(&gateway, "demo");
    let mut raw = Raw::join(&gateway, "demo");
    let before = gateway.resident_kib();
    raw.stream.set_nonblocking(true).unwrap();
    let pings = masked(0x89, &[b'x'; 125]).repeat(1_000);
    let mut sent = 0;
    for _ in 0..400 {
        match raw.stream.write(&pings) {
            Ok(written) => sent += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent > 1 << 20, "enough to fill the kernel's buffers and our queue: {sent}");
    let grown = gateway.resident_kib().saturating_sub(before);
    assert!(grown < 4_096, "{grown} KiB");
    goes_on(&gateway, &mut witness);
}

#[test]
fn a_burst_of_long_lines_closes_nobody_who_reads() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let readers: Vec<_> = (0..5)
        .map(|_| {
            let mut reader = Raw::join(&gateway, "demo");
            std::thread::spawn(move || {
                let mut lines = Vec::new();
                while lines.len() < 250 {
                    lines.extend(reader.hears(93101)["bdy"].as_array().unwrap().iter().cloned());
                }
                lines
            })
        })
        .collect();
    let mut sender = Raw::join(&gateway, "demo");
    let text = |turn: usize| format!("{turn:03}{}", "가".repeat(497));
    let sends: Vec<Vec<u8>> =
        (0..250).map(|turn| masked(0x81, line("demo", &text(turn), false).to_string().as_bytes())).collect();
    sender.write(&sends.concat());
    for _ in 0..250 {
        assert_eq!(sender.hears(13101)["retCode"], 0);
    }
    let expected: Vec<String> = (0..250).map(text).collect();
    for reader in readers {
        assert_eq!(texts(&reader.join().unwrap()), expected);
    }
}

#[test]
fn a_reader_that_never_reads_is_cut_off_whatever_it_sends() {
    let data = tempdir().unwrap();
    let quick = [("MADANG_CHAT__PING_AFTER_SECONDS", "1"), ("MADANG_CHAT__STANDSTILL_SECONDS", "2")];
    let gateway = Gateway::start(data.path(), &["--dev"], &quick);
    let mut sender = Raw::join(&gateway, "demo");
    let mut stuck = Raw::join(&gateway, "demo");
    let long = line("demo", &"x".repeat(500), false).to_string();
    let members = |sender: &mut Raw| {
        sender.text(&long);
        sender.hears(93101)["bdy"][0]["mbrCnt"].as_u64().unwrap()
    };
    let mut turns = 0;
    while members(&mut sender) > 1 {
        turns += 1;
        assert!(turns < 5_000, "it is still counted");
        // As fast as one may send.
        std::thread::sleep(Duration::from_millis(10));
        // It is alive in every way but reading.
        let _ = stuck.stream.write_all(&masked(0x81, br#"{"cmd":0}"#));
    }
    // Whoever reads after all finds whole frames, and the reason at the end.
    assert_eq!(stuck.hears_close().0, 1013);
}

#[test]
fn requests_that_are_no_handshake_get_words() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let (status, body) = gateway.http("GET", "/chat", &[], "");
    assert_eq!(status, 400);
    assert!(body.contains("WebSocket"), "{body}");
    let (status, body) = gateway.http("GET", "/nowhere", &[], "");
    assert_eq!(status, 404);
    assert!(body.contains("/chat"), "{body}");
    let mut stream = TcpStream::connect(&gateway.address).unwrap();
    stream.write_all(b"\x16\x03\x01 this is TLS \r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_gateway_that_leaves_says_come_back() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut joined = Raw::join(&gateway, "demo");
    let mut unjoined = Raw::connect(&gateway.address, &[]);
    joined.text(&line("demo", "last words", false).to_string());
    assert_eq!(joined.hears(13101)["retCode"], 0);
    assert_eq!(gateway.terminate().code(), Some(0));
    assert_eq!(joined.hears_close(), (1012, "restarting".to_owned()));
    assert_eq!(unjoined.hears_close().0, 1012);
}

#[test]
fn connections_are_told_over_the_grace_period_while_the_chat_goes_on() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &["--dev"], &[("MADANG_DRAIN_SECONDS", "3")]);
    let mut ext = Raw::connect(&gateway.address, &[]);
    ext.text(&json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "READ", "ext": 1}}).to_string());
    assert_eq!(ext.hears(10100)["bdy"]["ext"], 1);
    let viewers: Vec<Raw> = (0..60).map(|_| Raw::join(&gateway, "demo")).collect();
    let begun = clock::instant();
    gateway.signal("-TERM");
    until("it is not ready", || gateway.admin_http("GET", "/readyz", &[], "").0 == 503);
    // A balancer that hasn't noticed yet still sends people, and they are served.
    let mut newcomer = Raw::join(&gateway, "demo");
    newcomer.text(&line("demo", "still here", false).to_string());
    assert_eq!(newcomer.hears(13101)["retCode"], 0);
    let told = |mut viewer: Raw| {
        assert_eq!(viewer.hears_close(), (1012, "restarting".to_owned()));
        begun.elapsed()
    };
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let telling: Vec<_> = viewers.into_iter().map(|viewer| scope.spawn(|| told(viewer))).collect();
        telling.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let early = times.iter().filter(|time| **time < Duration::from_millis(1_500)).count();
    assert!((10..50).contains(&early), "in slices: {times:?}");
    let word = loop {
        let event = ext.hears(93006);
        if event["bdy"]["type"] == "RECONNECT" {
            break event["bdy"]["withinMs"].as_u64().unwrap();
        }
    };
    assert!((1..=3_000).contains(&word), "{word}");
    assert_eq!([ext.hears_close().0, newcomer.hears_close().0], [1012, 1012], "at the end");
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn a_second_signal_ends_a_grace_period_at_once() {
    let data = tempdir().unwrap();
    let gateway = Gateway::start(data.path(), &["--dev"], &[("MADANG_DRAIN_SECONDS", "3600")]);
    let _viewer = Raw::join(&gateway, "demo");
    gateway.signal("-TERM");
    until("it is not ready", || gateway.admin_http("GET", "/readyz", &[], "").0 == 503);
    assert!(!gateway.terminate().success(), "said by its exit");
}

#[test]
fn a_restart_on_an_inherited_socket_refuses_nobody_and_forgets_nothing() {
    let data = tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let gateway = Gateway::inheriting(&listener, data.path());
    assert_eq!(gateway.address, address);
    let mut raw = Raw::join(&gateway, "demo");
    raw.text(&line("demo", "before", false).to_string());
    assert_eq!(raw.hears(13101)["retCode"], 0);
    assert!(gateway.terminate().success());
    assert_eq!(raw.hears_close().0, 1012);

    // Nobody accepts now; whoever comes waits in the kernel.
    let waiting = std::thread::spawn({
        let address = address.clone();
        move || {
            let connect = json!({"cmd": 100, "cid": "demo", "bdy": {"auth": "READ"}}).to_string();
            let mut early = Raw::connect(&address, &masked(0x81, connect.as_bytes()));
            assert_eq!(early.hears(10100)["retCode"], 0);
            early.text(r#"{"cmd":5101,"cid":"demo"}"#);
            early.hears(15101)["bdy"]["messageList"][0]["content"].clone()
        }
    });
    std::thread::sleep(Duration::from_millis(200));
    let again = Gateway::inheriting(&listener, data.path());
    assert_eq!(waiting.join().unwrap(), "before");
    drop(again);
}

#[test]
fn whoever_has_only_just_connected_is_not_refused_by_a_restart() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let address = gateway.address.clone();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let leaving = std::thread::spawn(move || gateway.terminate());
    std::thread::sleep(Duration::from_millis(500));
    write!(
        stream,
        "GET /chat HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    let close = [&[0x88, 12][..], &1012_u16.to_be_bytes(), b"restarting"].concat();
    assert!(answer.ends_with(&close), "{}", String::from_utf8_lossy(&answer));
    assert!(leaving.join().unwrap().success());
}

#[test]
fn one_data_directory_serves_one_gateway() {
    let data = tempdir().unwrap();
    let first = Gateway::dev(data.path());
    let waiting = std::thread::spawn({
        let data = data.path().to_owned();
        move || Gateway::dev(&data)
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished(), "the second waits");
    assert!(first.terminate().success());
    let second = waiting.join().unwrap();
    goes_on(&second, &mut Raw::join(&second, "demo"));
}
