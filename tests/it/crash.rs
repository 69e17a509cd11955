//! Killed with -9 in the middle of a thousand sends a second, twenty times: nothing acknowledged is missing
//! afterwards, nothing is doubled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::tempdir;

use madang::client::{ChatClient, Event, fetch_token};
use madang::eventlog::sqlite::{Config, Sqlite, file_in};
use madang::eventlog::{EventLog, LARGEST_PAGE};
use madang::model::event::Body;
use madang::model::id::{ChannelId, Seq};

use crate::support::process::{Gateway, Raw};

const ROUNDS: u32 = 20;
const SENDERS: u32 = 4;

/// What one sender was told.
#[derive(Default)]
struct Told {
    accepted: Vec<(String, u64)>,
    sent: usize,
}

/// Sends 250 lines a second until the gateway is gone.
#[expect(clippy::disallowed_methods, reason = "a sender's own pace is real time")]
async fn send_until_cut(url: String, name: String) -> Told {
    let token = fetch_token(&url, "demo").await.unwrap();
    let mut client = ChatClient::join(&url, "demo", Some(&token)).await.unwrap();
    let (mut told, mut texts) = (Told::default(), HashMap::new());
    let begun = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(4));
    loop {
        tokio::select! {
            _ = pace.tick() => {
                let text = format!("{name} {}", told.sent);
                let Ok(tid) = client.send(&text, 0).await else { return told };
                texts.insert(tid, text);
                told.sent += 1;
            }
            event = client.next() => match event {
                Event::Message(frame, heard) if heard.cmd.is_some_and(|cmd| cmd.0 == 13101) => {
                    let text = texts.remove(&heard.tid.unwrap()).unwrap();
                    assert_eq!(heard.code, 0, "{}", heard.words);
                    let answer: serde_json::Value = serde_json::from_str(&frame).unwrap();
                    told.accepted.push((text, answer["bdy"]["seq"].as_u64().unwrap()));
                }
                Event::Message(..) => {}
                Event::Closed(..) => return told,
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody kills the gateway");
    }
}

/// Every line of the channel's log.
async fn logged(data: &std::path::Path, channel: &ChannelId) -> Vec<(String, u64)> {
    let log = Sqlite::open(&file_in(data), Config::default(), Arc::default()).unwrap();
    let (mut lines, mut after) = (Vec::new(), Seq::default());
    loop {
        let page = log.read(channel, after, LARGEST_PAGE).await.unwrap();
        let Some(last) = page.events.last() else { return lines };
        after = last.seq;
        for event in &page.events {
            if let Body::Line(line) = &event.event.body {
                lines.push((line.draft.text.clone(), event.seq.0));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_doubled() {
    let data = tempdir().unwrap();
    let (mut accepted, mut sent) = (Vec::new(), 0);
    let mut channel = None;
    for round in 0..ROUNDS {
        let gateway = Gateway::dev(data.path());
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| tokio::spawn(send_until_cut(gateway.url(), format!("{round}.{sender}"))))
            .collect();
        // A different moment of the commits each time.
        tokio::time::sleep(Duration::from_millis(400 + u64::from(round) * 13)).await;
        let status = gateway.json("/polling/v2/channels/demo/live-status");
        channel = ChannelId::parse(status["content"]["channelId"].as_str().unwrap());
        gateway.kill();
        for sender in senders {
            let told = sender.await.unwrap();
            accepted.extend(told.accepted);
            sent += told.sent;
        }
    }
    let lines = logged(data.path(), &channel.unwrap()).await;
    assert!(accepted.len() > 2_000, "only {} of {sent} were accepted: too few to mean anything", accepted.len());
    let by_text: HashMap<&str, u64> = lines.iter().map(|(text, seq)| (text.as_str(), *seq)).collect();
    assert_eq!(by_text.len(), lines.len(), "no line is doubled");
    assert_eq!(lines.iter().map(|(_, seq)| seq).collect::<HashSet<_>>().len(), lines.len(), "no place is doubled");
    for (text, seq) in &accepted {
        assert_eq!(by_text.get(text.as_str()), Some(seq), "{text} was acknowledged");
    }

    // And what is there is shown to the next who comes.
    let gateway = Gateway::dev(data.path());
    let mut raw = Raw::join(&gateway, "demo");
    raw.text(&json!({"cmd": 5101, "cid": "demo", "bdy": {"recentMessageCount": 1}}).to_string());
    let last = &lines.last().unwrap().0;
    assert_eq!(raw.hears(15101)["bdy"]["messageList"][0]["content"], **last);
}
