//! Readers that take less than is said.

use std::time::Duration;

use serde_json::{Value, json};

use madang::model::act::{Name, Which, Wish};
use madang::model::id::{ChannelId, Seq};
use madang::model::principal::Role;

use crate::support::frames::Frame;
use crate::support::reader::Reader;
use crate::support::yard::{Guest, Yard, asks, joins, line_of};

/// Says lines of about a kilobyte on the wire, and gives the place of the last.
async fn says(yard: &Yard, writer: &mut Guest, lines: std::ops::Range<u64>) -> u64 {
    let mut last = 0;
    for line in lines {
        yard.clock.advance(1);
        let answer = writer.sends_and_hears("demo", &format!("{line} {}", "x".repeat(390))).await;
        assert_eq!(answer["retCode"], 0, "whoever reads slowly, senders don't notice");
        last = answer["bdy"]["seq"].as_u64().unwrap_or_default();
    }
    last
}

/// Numbers of the lines in some messages.
fn numbers(messages: &[Value]) -> Vec<u64> {
    let lines = messages.iter().filter(|message| message["cmd"] == 93101).flat_map(|message| message["bdy"].as_array());
    let number = |line: &Value| line["msg"].as_str().and_then(|text| text.split(' ').next()?.parse().ok());
    lines.flatten().filter_map(number).collect()
}

/// A reader that takes nothing for now: of the plain wire, and one of our own layer.
async fn two_slow(yard: &Yard) -> (Guest, Guest, Reader) {
    let plain = yard.reader("demo").await;
    let (mut ext, mut reader) = (yard.guest(), Reader::default());
    reader.connected(&ext.connect_ext("demo", None, json!({"ext": 1})).await);
    plain.sock.set_room(0);
    ext.sock.set_room(0);
    (plain, ext, reader)
}

/// Everything that it takes when it reads on.
async fn reads_on(guest: &mut Guest) -> Vec<Value> {
    guest.sock.set_room(usize::MAX);
    guest.takes_what_waits().await;
    assert!(!guest.session.is_behind());
    guest.heard_by_now()
}

#[tokio::test]
async fn who_was_slow_for_a_moment_is_told_everything_in_fewer_messages() {
    let yard = Yard::new().await;
    let mut writer = joins(&yard, "anna", Role::Viewer).await;
    let mut quick = yard.reader("demo").await;
    let (mut plain, mut ext, mut reader) = two_slow(&yard).await;
    says(&yard, &mut writer, 0..70).await;
    assert_eq!(quick.hears_lines(70).await.len(), 70, "nobody else notices");
    assert!(plain.outbox.queued_bytes() < 40_000, "{} wait", plain.outbox.queued_bytes());
    let heard = reads_on(&mut plain).await;
    assert_eq!(numbers(&heard), (0..70).collect::<Vec<_>>());
    assert!(heard.len() < 45, "{} messages", heard.len());
    reads_on(&mut ext).await.iter().for_each(|message| reader.hear(message));
    assert_eq!((reader.lines.len(), &reader.gaps, reader.left, reader.repeats), (70, &vec![], 0, 0));
    // And then hears what happens.
    says(&yard, &mut writer, 70..71).await;
    assert_eq!(numbers(&[plain.hears(93101).await]), [70]);
}

#[tokio::test]
async fn of_much_ordinary_lines_are_left_out_and_nothing_else() {
    let yard = Yard::new().await;
    let mut writer = joins(&yard, "anna", Role::Viewer).await;
    let mut manager = joins(&yard, "boss", Role::Streamer).await;
    let (mut plain, mut ext, mut reader) = two_slow(&yard).await;
    says(&yard, &mut writer, 0..100).await;
    writer.says(&line_of("demo", "1000 why?", 40).to_string()).await;
    says(&yard, &mut writer, 100..200).await;
    manager.says(&line_of("demo", "2000 listen!", 41).to_string()).await;
    let channel = ChannelId::parse("demo").unwrap();
    yard.hides(&channel, 3).await.unwrap();
    let last = says(&yard, &mut writer, 200..250).await;
    let heard = reads_on(&mut plain).await;
    let told = numbers(&heard);
    assert!(told.contains(&1000) && told.contains(&2000) && told.len() < 60, "{told:?}");
    assert!(heard.iter().any(|message| message["cmd"] == 94008), "what hides a line is told");
    reads_on(&mut ext).await.iter().for_each(|message| reader.hear(message));
    let texts: Vec<&str> = reader.lines.iter().map(|(_, text)| &**text).collect();
    assert!(texts.contains(&"1000 why?") && texts.contains(&"2000 listen!"), "{texts:?}");
    assert_eq!(reader.lines.len() as u64 + reader.left, 252, "every line was told or counted");
    assert!(reader.left > 100 && reader.gaps.is_empty() && reader.upto >= last, "{reader:?}");
    assert_eq!(reader.screen.get(&3).map(String::as_str), Some(""), "hidden");
    let _ = asks(&mut writer, 5101, json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_for_long_jumps_to_the_last_lines_and_hears_what_was_hidden() {
    let yard = Yard::new().await;
    let mut writer = joins(&yard, "anna", Role::Viewer).await;
    let (mut plain, mut ext, mut reader) = two_slow(&yard).await;
    says(&yard, &mut writer, 0..60).await;
    // They notice that they are behind, and take nothing for long.
    plain.catches_up().await;
    ext.catches_up().await;
    assert!(plain.session.is_behind() && ext.session.is_behind());
    let channel = ChannelId::parse("demo").unwrap();
    yard.hides(&channel, 2).await.unwrap();
    says(&yard, &mut writer, 60..100).await;
    tokio::time::advance(Duration::from_secs(31)).await;
    let heard = reads_on(&mut plain).await;
    let told = numbers(&heard);
    assert!(told.ends_with(&(80..100).collect::<Vec<_>>()) && !told.contains(&70), "{told:?}");
    assert!(heard.iter().any(|message| message["cmd"] == 94008), "what hides a line is told");
    reads_on(&mut ext).await.iter().for_each(|message| reader.hear(message));
    assert_eq!(reader.gaps.len(), 1, "a gap that is known as one");
    assert_eq!(reader.screen.get(&2).map(String::as_str), Some(""), "hidden");
}

#[tokio::test(start_paused = true)]
async fn who_misses_a_few_lines_is_told_them_however_slow() {
    let yard = Yard::new().await;
    let mut writer = joins(&yard, "anna", Role::Viewer).await;
    let (mut plain, mut ext, mut reader) = two_slow(&yard).await;
    says(&yard, &mut writer, 0..32).await;
    plain.catches_up().await;
    ext.catches_up().await;
    assert!(plain.session.is_behind() && ext.session.is_behind());
    tokio::time::advance(Duration::from_secs(31)).await;
    says(&yard, &mut writer, 32..40).await;
    assert_eq!(numbers(&reads_on(&mut plain).await), (0..40).collect::<Vec<_>>());
    reads_on(&mut ext).await.iter().for_each(|message| reader.hear(message));
    assert_eq!((reader.lines.len(), &reader.gaps, reader.left), (40, &vec![], 0));
    assert_eq!(yard.node.metrics().jumps.get(), 0);
}

#[tokio::test]
async fn an_act_that_was_missed_before_a_new_broadcast_ends_who_has_no_word_for_a_gap() {
    let yard = Yard::new().await;
    let mut writer = joins(&yard, "anna", Role::Viewer).await;
    let (mut plain, mut ext, mut reader) = two_slow(&yard).await;
    says(&yard, &mut writer, 0..40).await;
    let line = writer.hears(93101).await["bdy"][0].clone();
    let extras: Value = serde_json::from_str(line["extras"].as_str().unwrap()).unwrap();
    let channel = ChannelId::parse(extras["streamingChannelId"].as_str().unwrap()).unwrap();
    yard.hides(&channel, 2).await.unwrap();
    yard.node.list_channel(&channel, "demo").await.unwrap();
    yard.node.open_broadcast(&channel, "another").await.unwrap();
    plain.sock.set_room(usize::MAX);
    plain.takes_what_waits().await;
    is_closed_for_what_was_hidden(&mut plain).await;
    reads_on(&mut ext).await.iter().for_each(|message| reader.hear(message));
    assert_eq!(reader.gaps.len(), 1);
}

/// It hears the end, and why.
async fn is_closed_for_what_was_hidden(slow: &mut Guest) {
    let mut last = slow.next().await;
    while let Frame::Text(_) = last {
        last = slow.next().await;
    }
    let Frame::Close(code, reason) = last else { panic!("{last:?}") };
    assert_eq!((code, reason.contains("hidden")), (1013, true), "{reason}");
}

#[tokio::test]
async fn who_cannot_be_told_what_was_hidden_is_closed() {
    let yard = Yard::new().await;
    let mut writer = joins(&yard, "anna", Role::Viewer).await;
    let (mut plain, mut ext, _) = two_slow(&yard).await;
    says(&yard, &mut writer, 0..60).await;
    let channel = ChannelId::parse("demo").unwrap();
    // More than are remembered.
    for _ in 0..1_100 {
        yard.clock.advance(1_000);
        yard.hides(&channel, 2).await.unwrap();
        yard.moderates(&channel, Wish::Show(Which::Line(Name::Place(Seq(2))))).await.unwrap();
    }
    for slow in [&mut plain, &mut ext] {
        slow.sock.set_room(usize::MAX);
        slow.takes_what_waits().await;
        is_closed_for_what_was_hidden(slow).await;
    }
}
