//! Our own layer: places in the log, lanes, and coming back without a gap.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use madang::eventlog::EventLog;
use madang::eventlog::memory::Memory;
use madang::gate::Config as GateConfig;
use madang::model::id::ChannelId;
use madang::model::principal::Role;
use madang::node::Config as NodeConfig;
use madang::policy::rate::Rate;

use crate::support::process::{Gateway, Raw, connect_from};
use crate::support::reader::Reader;
use crate::support::yard::{Guest, Yard, event_of, line_of, open_yard};

/// Somebody who has joined with our layer.
async fn joined(yard: &Yard, cid: &str, ext: Value) -> (Guest, Reader) {
    let (mut guest, mut reader) = (yard.guest(), Reader::default());
    let connected = guest.connect_ext(cid, None, ext).await;
    reader.connected(&connected);
    (guest, reader)
}

/// Waits until all that was accepted has been pushed, and lets the reader hear it.
async fn hears_up_to(guest: &mut Guest, reader: &mut Reader, seq: u64) {
    while reader.upto < seq {
        reader.hear(&guest.hears_anything().await);
    }
}

/// Says `count` lines, and gives the place of the last.
async fn says(yard: &Yard, guest: &mut Guest, cid: &str, name: &str, count: usize) -> u64 {
    let mut last = 0;
    for turn in 0..count {
        yard.clock.advance(1);
        last = guest.sends_and_hears(cid, &format!("{name}{turn}")).await["bdy"]["seq"].as_u64().unwrap();
    }
    last
}

#[tokio::test]
async fn every_push_says_what_it_covers() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    says(&yard, &mut writer, "demo", "before", 3).await;
    let (mut guest, mut reader) = joined(&yard, "demo", json!({"ext": 1})).await;
    let sent = writer.sends_and_hears("demo", "hello").await;
    let push = guest.hears(93101).await;
    reader.hear(&push);
    let line = &push["bdy"][0];
    assert_eq!((&line["msgId"], &line["seq"]), (&sent["bdy"]["msgId"], &sent["bdy"]["seq"]));
    assert_eq!(push["upto"], sent["bdy"]["seq"]);
    assert_eq!(reader.texts(), ["hello"]);
    reader.is_whole(&[sent["bdy"]["seq"].as_u64().unwrap()]);
    let epoch = push["epoch"].as_str().unwrap();
    assert_eq!(epoch, yard.node.epoch().to_string());
    assert!(writer.hears(93101).await.get("after").is_none(), "the plain wire stays what it is");
}

#[tokio::test]
async fn kinds_and_lanes() {
    let yard = Yard::new().await;
    let mut plain = yard.reader("demo").await;
    let mut lanes = Vec::new();
    for lane in ["all", "questions", "overlay", "quiet"] {
        lanes.push(joined(&yard, "demo", json!({"ext": 1, "lane": lane})).await);
    }
    let mut keeper = yard.guest();
    keeper.connect("demo", Some(&yard.token("keeper", Role::ChatManager))).await;
    let mut viewer = yard.writer("demo", "viewer").await;
    let mut last = 0;
    for (kind, text) in [(1, "line"), (40, "question"), (41, "notice")] {
        keeper.says(&line_of("demo", text, kind).to_string()).await;
        last = keeper.hears(13101).await["bdy"]["seq"].as_u64().unwrap();
    }
    viewer.says(&line_of("demo", "I am not staff", 41).to_string()).await;
    assert_eq!(viewer.hears(13101).await["retCode"], 403);

    let lines = plain.hears_lines(3).await;
    assert!(lines.iter().all(|line| line["msgTypeCode"] == 1 && line["msgStatusType"] == "NORMAL"), "{lines:?}");
    let expected: [&[&str]; 4] =
        [&["line", "question", "notice"], &["question", "notice"], &["line", "question", "notice"], &["notice"]];
    for ((mut guest, mut reader), expected) in lanes.into_iter().zip(expected) {
        hears_up_to(&mut guest, &mut reader, last).await;
        assert_eq!(reader.texts(), expected);
        let places: Vec<u64> = reader.lines.iter().map(|(seq, _)| *seq).collect();
        reader.is_whole(&places);
        let recent = json!({"cmd": 5101, "cid": "demo", "tid": 2, "bdy": {}}).to_string();
        guest.says(&recent).await;
        let body = guest.hears(15101).await["bdy"].take();
        let kinds: Vec<_> =
            body["messageList"].as_array().unwrap().iter().map(|line| line["messageTypeCode"].as_u64()).collect();
        assert_eq!(kinds, [Some(1), Some(40), Some(41)]);
        assert_eq!(body["messageList"][1]["messageStatusType"], "UNANSWERED");
        assert_eq!((&body["seq"], &body["messageList"][2]["seq"]), (&json!(last), &json!(last)));
    }
}

#[tokio::test]
async fn who_comes_back_hears_first_what_was_missed() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let (mut guest, mut reader) = joined(&yard, "demo", json!({"ext": 1})).await;
    let last = says(&yard, &mut writer, "demo", "heard ", 5).await;
    hears_up_to(&mut guest, &mut reader, last).await;
    drop(guest);
    says(&yard, &mut writer, "demo", "missed ", 300).await;
    let mut back = yard.guest();
    let connected = back.connect_ext("demo", None, reader.ext()).await;
    assert_eq!(connected["bdy"]["recovered"], true, "{connected}");
    assert!(reader.connected(&connected));
    let last = says(&yard, &mut writer, "demo", "live ", 2).await;
    hears_up_to(&mut back, &mut reader, last).await;
    let expected: Vec<String> = [("heard ", 5), ("missed ", 300), ("live ", 2)]
        .into_iter()
        .flat_map(|(name, count)| (0..count).map(move |turn| format!("{name}{turn}")))
        .collect();
    assert_eq!(reader.texts(), expected);
    let places: Vec<u64> = reader.lines.iter().map(|(seq, _)| *seq).collect();
    reader.is_whole(&places);
}

#[tokio::test]
async fn who_can_not_be_given_everything_is_told_why_and_gets_the_last_lines() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let last = says(&yard, &mut writer, "demo", "", 60).await;
    let epoch = yard.node.epoch().to_string();
    let old = || json!({"epoch": epoch, "seq": 0});
    let cases = [
        ("epoch", json!({"epoch": "0b9ad0f2-58f5-4f66-9f0c-6f5a4a1f3a52", "seq": last})),
        ("ahead", json!({"epoch": epoch, "seq": last + 1})),
        ("too_old", old()),
    ];
    for (reason, resume) in cases {
        let mut guest = yard.guest();
        let connected = guest.connect_ext("demo", None, json!({"ext": 1, "resume": resume})).await;
        assert_eq!((&connected["bdy"]["recovered"], &connected["bdy"]["reason"]), (&json!(false), &json!(reason)));
        let mut reader = Reader::default();
        reader.connected(&connected);
        hears_up_to(&mut guest, &mut reader, last).await;
        assert_eq!(reader.texts(), (10..60).map(|turn| turn.to_string()).collect::<Vec<_>>(), "{reason}");
    }
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_said() {
    let yard = Yard::new().await;
    let mut guest = yard.guest();
    for (ext, words) in [
        (json!({"ext": "1"}), "u32"),
        (json!({"ext": -1}), "u32"),
        (json!({"ext": 1, "lane": "fast"}), "lane is all, questions, overlay, quiet"),
        (json!({"ext": 1, "frameBytes": "x"}), "u32"),
        (json!({"ext": 1, "resume": 3}), "Resume"),
        (json!({"ext": 1, "resume": {"epoch": "x", "seq": 1}}), "UUID"),
        (json!({"ext": 1, "resume": {"seq": 1}}), "epoch"),
    ] {
        let answer = guest.connect_ext("demo", None, ext.clone()).await;
        assert_eq!(answer["retCode"], 105, "{ext}");
        assert!(answer["retMsg"].as_str().unwrap().contains(words), "{answer}");
    }
    for ext in [json!({}), json!({"ext": 0}), json!({"ext": null, "lane": "quiet"})] {
        let answer = yard.guest().connect_ext("demo", None, ext).await;
        assert!(answer["retCode"] == 0 && answer["bdy"].get("ext").is_none(), "{answer}");
    }
    for later in [json!({"ext": 7}), json!({"ext": 2, "lane": ["a", "b"], "resume": 3})] {
        let answer = yard.guest().connect_ext("demo", None, later).await;
        assert_eq!(answer["bdy"]["ext"], 1, "a client of a later layer learns which one this is");
    }
    let plain = yard.guest().connect_ext("demo", None, json!({"lane": 3, "resume": "x", "frameBytes": []})).await;
    assert_eq!(plain["retCode"], 0, "the plain wire doesn't look at them");
}

#[tokio::test]
async fn a_reader_that_is_too_slow_for_what_it_missed_is_told_how_much_it_lost() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let first = says(&yard, &mut writer, "demo", "", 200).await;
    let mut guest = yard.guest();
    guest.sock.set_room(70_000);
    let mut reader = Reader::default();
    let resume = json!({"ext": 1, "resume": {"epoch": yard.node.epoch().to_string(), "seq": first - 199}});
    let connected = guest.connect_ext("demo", None, resume).await;
    reader.epoch = yard.node.epoch().to_string();
    reader.upto = first - 199;
    assert!(reader.connected(&connected), "{connected}");
    assert!(guest.session.is_behind());
    // Meanwhile so much is said that what it has still to be told is forgotten.
    let last = says(&yard, &mut writer, "demo", "", 4_500).await;
    assert!(guest.outbox.queued_bytes() < 128 * 1024, "no more waits for it than one stretch");
    guest.sock.set_room(usize::MAX);
    guest.catches_up().await;
    hears_up_to(&mut guest, &mut reader, last).await;
    assert!(!guest.session.is_behind());
    assert_eq!(reader.gaps, []);
    assert!(reader.left > 0);
    assert_eq!(reader.lines.len() as u64 + reader.left, 199 + 4_500, "every line was told or counted");
}

#[tokio::test]
async fn large_lines_are_told_in_stretches_that_fit() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let first = says(&yard, &mut writer, "demo", "", 1).await;
    let large = "\u{1}x".repeat(240);
    for _ in 0..130 {
        assert_eq!(writer.sends_and_hears("demo", &large).await["retCode"], 0);
    }
    for frame_bytes in [0, 1 << 20] {
        let (mut guest, mut reader) = (yard.guest(), Reader::default());
        reader.epoch = yard.node.epoch().to_string();
        reader.upto = first;
        let mut ext = reader.ext();
        ext["frameBytes"] = frame_bytes.into();
        let connected = guest.connect_ext("demo", None, ext).await;
        let limit = connected["bdy"]["frameBytes"].as_u64().unwrap();
        assert_eq!(limit, if frame_bytes == 0 { 32_768 } else { 98_304 });
        reader.connected(&connected);
        let messages = guest.heard_by_now();
        let sizes: Vec<u64> = messages.iter().map(|message| message.to_string().len() as u64).collect();
        assert!(sizes.iter().all(|size| *size <= limit) && sizes.iter().any(|size| *size > limit / 2), "{sizes:?}");
        messages.iter().for_each(|message| reader.hear(message));
        assert_eq!((reader.lines.len(), &reader.gaps), (130, &vec![]));
    }
    // Who takes little at a time is never closed for what it missed.
    let mut slow = yard.guest();
    slow.sock.set_room(1_000);
    let resume = json!({"ext": 1, "resume": {"epoch": yard.node.epoch().to_string(), "seq": first}});
    let mut reader = Reader { epoch: yard.node.epoch().to_string(), upto: first, ..Reader::default() };
    reader.connected(&slow.connect_ext("demo", None, resume).await);
    while slow.session.is_behind() {
        assert!(slow.outbox.queued_bytes() < 150 * 1024, "{}", slow.outbox.queued_bytes());
        slow.sock.set_room(10_000);
        slow.catches_up().await;
        slow.heard_by_now().iter().for_each(|message| reader.hear(message));
    }
    slow.sock.set_room(usize::MAX);
    slow.outbox.drained().await;
    slow.heard_by_now().iter().for_each(|message| reader.hear(message));
    assert_eq!(reader.lines.len(), 130);
}

#[tokio::test]
async fn a_lane_that_sees_nothing_still_learns_how_far_the_log_is() {
    let yard = Yard::new().await;
    let (mut guest, mut reader) = joined(&yard, "demo", json!({"ext": 1, "lane": "quiet"})).await;
    let mut writer = yard.writer("demo", "a").await;
    let last = says(&yard, &mut writer, "demo", "", 1_100).await;
    hears_up_to(&mut guest, &mut reader, last - 100).await;
    assert_eq!((reader.lines.len(), &reader.gaps), (0, &vec![]));
}

#[tokio::test]
async fn who_changes_groups_sees_no_gap() {
    let yard = Yard::new().await;
    let (mut viewer, mut reader) = (yard.guest(), Reader::default());
    let connected = viewer.connect_ext("demo", Some(&yard.token("v", Role::Viewer)), json!({"ext": 1})).await;
    reader.connected(&connected);
    let (mut staff, mut others) = (yard.guest(), Reader::default());
    let connected = staff.connect_ext("demo", Some(&yard.token("s", Role::ChatManager)), json!({"ext": 1})).await;
    others.connected(&connected);
    let mut writer = yard.writer("demo", "a").await;
    let mut last = 0;
    for (turn, role) in [Role::ChatManager, Role::Viewer, Role::ChatManager].into_iter().enumerate() {
        says(&yard, &mut writer, "demo", &format!("{turn}-"), 3).await;
        let refresh = json!({"cmd": 200, "cid": "demo", "tid": 4, "bdy": {"accTkn": yard.token("v", role)}});
        viewer.says(&refresh.to_string()).await;
        last = says(&yard, &mut writer, "demo", &format!("{turn}+"), 3).await;
    }
    hears_up_to(&mut viewer, &mut reader, last).await;
    hears_up_to(&mut staff, &mut others, last).await;
    let places: Vec<u64> = reader.lines.iter().map(|(seq, _)| *seq).collect();
    assert_eq!((places.len(), &others.lines), (18, &reader.lines));
    reader.is_whole(&places);
    others.is_whole(&places);
}

#[tokio::test(start_paused = true)]
async fn how_many_are_there_is_told_once_a_second_at_most() {
    let yard = Yard::new().await;
    let (mut guest, mut reader) = joined(&yard, "demo", json!({"ext": 1})).await;
    let mut others = Vec::new();
    for turn in 0..50 {
        others.push(yard.writer("demo", &format!("user{}", turn / 2)).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = guest.heard_by_now();
    told.iter().for_each(|message| reader.hear(message));
    assert_eq!(reader.members, Some((51, 25)));
    // The first one as it came in.
    assert!((5..=8).contains(&told.len()), "{}", told.len());
    others.truncate(10);
    tokio::time::sleep(Duration::from_secs(2)).await;
    guest.heard_by_now().iter().for_each(|message| reader.hear(message));
    assert_eq!(reader.members, Some((11, 5)));
    assert_eq!(guest.heard_by_now().len(), 0, "nothing changes, nothing is told");
    let seen = yard.node.channel(&ChannelId::parse("demo").unwrap()).await.unwrap().there;
    assert_eq!((seen.sockets, seen.users), (11, 5));
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_long_to_catch_up_is_told_how_many_are_there() {
    let yard = Yard::new().await;
    let (guest, mut reader) = joined(&yard, "demo", json!({"ext": 1})).await;
    drop(guest);
    let mut writer = yard.writer("demo", "a").await;
    says(&yard, &mut writer, "demo", "", 100).await;
    let mut guest = yard.guest();
    let mut body = reader.ext();
    body["auth"] = "READ".into();
    guest.says(&json!({"ver": "3", "cmd": 100, "cid": "demo", "tid": 1, "bdy": body}).to_string()).await;
    reader.connected(&guest.hears(10100).await);
    // The others are told how many are there, and it isn't among them yet.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(guest.session.is_behind());
    guest.catches_up().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    guest.heard_by_now().iter().for_each(|message| reader.hear(message));
    assert_eq!(reader.members, Some((2, 1)));
}

#[tokio::test]
async fn a_minute_before_its_token_ends_a_session_is_told_once() {
    let yard = Yard::new().await;
    let mut guest = yard.guest();
    guest.connect_ext("demo", Some(&yard.token("a", Role::Viewer)), json!({"ext": 1})).await;
    let told = |guest: &mut Guest| {
        guest.session.look_around();
        guest.heard_by_now().iter().filter(|message| message["bdy"]["type"] == "TOKEN_EXPIRES").count()
    };
    assert_eq!(told(&mut guest), 0);
    yard.clock.advance(3_500_000);
    assert_eq!(told(&mut guest), 0);
    // It holds for the leeway of half a minute longer than it says.
    yard.clock.advance(50_000);
    assert_eq!([told(&mut guest), told(&mut guest)], [1, 0]);
}

#[tokio::test]
async fn a_thousand_returns_at_random_moments_lose_nothing_and_double_nothing() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let (mut guest, mut reader) = joined(&yard, "demo", json!({"ext": 1})).await;
    let mut expected = Vec::new();
    for turn in 0..1_000_u32 {
        // Up to eleven lines while it is there, some of them unheard, and as many while it is away.
        let there = turn * 7 % 12;
        let away = 1 + turn * 5 % 11;
        for number in 0..there + away {
            if number == there {
                if turn % 5 != 0 {
                    guest.heard_by_now().iter().for_each(|message| reader.hear(message));
                }
                guest = yard.guest();
            }
            yard.clock.advance(1);
            let text = format!("{turn}-{number}");
            writer.sends("demo", &text).await;
            expected.push(text);
            if turn % 3 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let connected = guest.connect_ext("demo", None, reader.ext()).await;
        assert!(reader.connected(&connected), "{connected}");
        for _ in 0..there + away {
            assert_eq!(writer.hears(13101).await["retCode"], 0);
        }
    }
    while reader.lines.len() < expected.len() {
        reader.hear(&guest.hears_anything().await);
    }
    assert_eq!(reader.texts(), expected);
    let places: Vec<u64> = reader.lines.iter().map(|(seq, _)| *seq).collect();
    reader.is_whole(&places);
}

#[tokio::test]
async fn who_comes_back_lands_however_fast_others_talk() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let first = says(&yard, &mut writer, "demo", "", 100).await - 99;
    let (mut guest, mut reader) = (yard.guest(), Reader::default());
    (reader.epoch, reader.upto) = (yard.node.epoch().to_string(), first);
    let body = reader.ext();
    let connect = json!({"cmd": 100, "cid": "demo", "bdy": body});
    guest.says(&connect.to_string()).await;
    let mut turns = 0;
    while guest.session.is_behind() {
        says(&yard, &mut writer, "demo", "meanwhile", 1).await;
        guest.session.catch_up().await;
        turns += 1;
    }
    assert!(turns <= 6, "{turns} steps for a hundred lines");
    let last = says(&yard, &mut writer, "demo", "live", 1).await;
    reader.connected(&guest.hears(10100).await);
    hears_up_to(&mut guest, &mut reader, last).await;
    reader.is_whole(&(first + 1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_log_full_of_what_is_no_line_is_passed_in_one_step() {
    let log = Memory::new(Arc::default());
    let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
    let mut writer = yard.writer("demo", "a").await;
    let first = says(&yard, &mut writer, "demo", "", 1).await;
    let channel = yard.node.channel(&ChannelId::parse("demo").unwrap()).await.unwrap().id;
    for number in 0..2_000 {
        // A line of a broadcast that isn't on air is none, and has a place in the log.
        log.append(&channel, event_of("another", "b", "x", number)).await.unwrap();
    }
    crate::support::yard::until(async || {
        let (mut probe, mut reader) = (yard.guest(), Reader::default());
        reader.connected(&probe.connect_ext("demo", None, json!({"ext": 1})).await);
        reader.upto == first + 2_000
    })
    .await;
    for lane in ["all", "quiet"] {
        let (mut guest, mut reader) = (yard.guest(), Reader::default());
        (reader.epoch, reader.upto) = (yard.node.epoch().to_string(), first);
        let mut ext = reader.ext();
        ext["lane"] = lane.into();
        guest.says(&json!({"cmd": 100, "cid": "demo", "bdy": ext}).to_string()).await;
        assert!(!guest.session.is_behind(), "{lane}");
        let heard = guest.heard_by_now();
        reader.connected(&heard[0]);
        let pushes = heard.iter().filter(|message| message["cmd"] == 93101).count();
        assert_eq!(pushes, 1, "how far the log is: {heard:?}");
        heard[1..].iter().for_each(|message| reader.hear(message));
        assert_eq!((reader.upto, reader.lines.len()), (first + 2_000, 0));
    }
}

#[tokio::test]
async fn a_member_alone_in_its_group_is_told_what_it_covers() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let (mut guest, mut reader) = (yard.guest(), Reader::default());
    let connected = guest.connect_ext("demo", Some(&yard.token("v", Role::Viewer)), json!({"ext": 1})).await;
    reader.connected(&connected);
    let refresh = json!({"cmd": 200, "cid": "demo", "tid": 4, "bdy": {"accTkn": yard.token("v", Role::Viewer)}});
    let mut last = 0;
    for _ in 0..3 {
        last = says(&yard, &mut writer, "demo", "", 3).await;
        hears_up_to(&mut guest, &mut reader, last).await;
        guest.says(&refresh.to_string()).await;
    }
    assert_eq!(reader.lines.len(), 9);
    reader.is_whole(&(last - 8..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn too_many_of_one_address_are_not_told_what_they_missed() {
    let yard = Yard::new().await;
    let mut writer = yard.writer("demo", "a").await;
    let last = says(&yard, &mut writer, "demo", "", 3).await;
    yard.gate.configure(GateConfig { resumes: Some(Rate { per_second: 1, burst: 2 }), ..GateConfig::default() });
    let ext = json!({"ext": 1, "resume": {"epoch": yard.node.epoch().to_string(), "seq": last}});
    let mut reasons = Vec::new();
    for _ in 0..3 {
        reasons.push(yard.guest().connect_ext("demo", None, ext.clone()).await["bdy"]["reason"].clone());
    }
    assert_eq!(reasons, [json!(null), json!(null), json!("busy")]);
}

#[tokio::test]
async fn whoever_is_in_a_broadcast_that_is_over_is_told_the_truth() {
    let yard =
        Yard::over(Arc::new(Memory::new(Arc::default())), NodeConfig { open_unknown: false, ..open_yard() }).await;
    let channel = ChannelId::parse("c").unwrap();
    yard.node.list_channel(&channel, "c").await.unwrap();
    let first = yard.node.open_broadcast(&channel, "first").await.unwrap().to_string();
    let mut writer = yard.writer(&first, "a").await;
    let last = says(&yard, &mut writer, &first, "", 200).await;
    let epoch = yard.node.epoch().to_string();
    let mut late = yard.guest();
    late.sock.set_room(20_000);
    let resume = |seq| json!({"ext": 1, "resume": {"epoch": epoch, "seq": seq}});
    let mut reader = Reader { epoch: epoch.clone(), upto: last - 190, ..Reader::default() };
    reader.connected(&late.connect_ext(&first, None, resume(last - 190)).await);
    assert!(late.session.is_behind());
    let second = yard.node.open_broadcast(&channel, "second").await.unwrap().to_string();
    // What it has not been told of the first one is forgotten: one gap, and nothing after it.
    let mut other = yard.writer(&second, "a").await;
    let now = says(&yard, &mut other, &second, "", 5).await;
    late.sock.set_room(usize::MAX);
    late.catches_up().await;
    late.heard_by_now().iter().for_each(|message| reader.hear(message));
    assert!(!late.session.is_behind());
    assert_eq!((reader.gaps.len(), reader.upto), (1, now), "{:?}", reader.gaps);
    for (seq, recovered) in [(now, json!(true)), (last, json!(false))] {
        let connected = yard.guest().connect_ext(&first, None, resume(seq)).await;
        assert_eq!(connected["bdy"]["recovered"], recovered, "{connected}");
    }
}

/// Over real sockets: whoever comes back while others talk all the time, again and again, and once with a small window of
/// the network's own, so that what was missed has to wait for it.
#[test]
fn coming_back_over_a_real_connection_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut writer = Raw::join(&gateway, "demo");
    let mut said: Vec<u64> = Vec::new();
    let mut says = |count: usize, text: &str| {
        let line = crate::support::yard::line("demo", text, false).to_string();
        let mut left = count;
        while left > 0 {
            let some = left.min(50);
            (0..some).for_each(|_| writer.text(&line));
            for _ in 0..some {
                // One session may send a thousand a second.
                match writer.hears(13101)["bdy"]["seq"].as_u64() {
                    Some(seq) => {
                        said.push(seq);
                        left -= 1;
                    }
                    None => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        }
        *said.last().unwrap()
    };
    let mut reader = Reader::default();
    let joins = |reader: &mut Reader| {
        let stream = connect_from([127, 0, 0, 1].into(), &gateway.address).unwrap();
        let mut raw = Raw::begin(stream, &gateway.address, "/chat", &[]);
        let mut body = reader.ext();
        body["auth"] = "READ".into();
        raw.text(&json!({"cmd": 100, "cid": "demo", "bdy": body}).to_string());
        assert!(reader.connected(&raw.hears(10100)));
        raw
    };
    let mut last = says(1, "first");
    let mut raw = joins(&mut reader);
    for turn in 0..30 {
        let heard = says(1 + turn * 3, "there");
        if turn % 3 != 0 {
            while reader.upto < heard {
                reader.hear(&raw.hears(93101));
            }
        }
        drop(raw);
        // Enough to fill what the network holds for somebody who doesn't read yet.
        says(if turn == 10 { 600 } else { 20 }, &"away ".repeat(60));
        raw = joins(&mut reader);
        last = says(5, "back");
    }
    while reader.upto < last {
        reader.hear(&raw.hears(93101));
    }
    drop(raw);
    let first = said[0];
    said.retain(|seq| *seq > first);
    assert_eq!(reader.lines.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), said);
    reader.is_whole(&said);
}
