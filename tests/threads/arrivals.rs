//! Coming in, coming back and changing one's group while others talk; and how many are there.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;

use madang::model::principal::Role;
use madang::node::Config;

use crate::people::{CID, Viewer, channel, lines, talks, yard};
use crate::schedules::check;
use crate::support::reader::Reader;
use crate::support::yard::open_yard;

pub(crate) async fn comes_back_while_others_talk() {
    let (yard, log) = yard(open_yard()).await;
    let mut stays = Viewer::comes(&yard, Reader::default(), None).await;
    let was_there = stays.reader.clone();
    let talking = talks(yard.writer(CID, "mina").await, 2);
    let returning = tokio::spawn({
        let yard = yard.clone();
        async move {
            let reader = Viewer::comes(&yard, was_there, None).await.leaves();
            Viewer::comes(&yard, reader, None).await
        }
    });
    talking.await.unwrap();
    let mut returned = returning.await.unwrap();
    let there = lines(&log).await;
    for viewer in [&mut stays, &mut returned] {
        viewer.hears_up_to(there[1].0).await;
        viewer.has_all(&there);
    }
}

#[test]
fn whoever_comes_back_while_others_talk_misses_nothing() {
    check(6_000, comes_back_while_others_talk);
}

#[test]
fn whoever_comes_for_the_first_time_hears_all_that_follows() {
    check(2_000, || async {
        let (yard, log) = yard(open_yard()).await;
        let talking = talks(yard.writer(CID, "mina").await, 2);
        let mut viewer = Viewer::comes(&yard, Reader::default(), None).await;
        let begins = viewer.reader.upto;
        let mut plain = yard.reader(CID).await;
        talking.await.unwrap();
        let there = lines(&log).await;
        let mut last = yard.writer(CID, "juno").await;
        let end = last.sends_and_hears(CID, "the end").await["bdy"]["seq"].as_u64().unwrap();
        viewer.hears_up_to(end).await;
        let mut expected: Vec<_> = there.iter().filter(|(place, _)| *place > begins).cloned().collect();
        expected.push((end, "the end".to_owned()));
        viewer.has_all(&expected);
        let mut heard = Vec::new();
        while heard.last().is_none_or(|text| text != "the end") {
            let message = plain.hears(93101).await;
            heard
                .extend(message["bdy"].as_array().unwrap().iter().map(|line| line["msg"].as_str().unwrap().to_owned()));
        }
        let texts: Vec<_> = expected.into_iter().map(|(_, text)| text).collect();
        assert!(texts.ends_with(&heard), "{heard:?} of {texts:?}");
    });
}

#[test]
fn whoever_falls_behind_while_others_talk_misses_nothing() {
    let times = check(3_000, || async {
        let (yard, log) = yard(open_yard()).await;
        let mut slow = Viewer::comes(&yard, Reader::default(), None).await;
        let mut talking = vec![talks(yard.writer(CID, "mina").await, 3), talks(yard.writer(CID, "juno").await, 1)];
        let mut times = 0;
        for _ in 0..3 {
            slow.guest.sock.set_room(0);
            if let Some(talks) = talking.pop() {
                talks.await.unwrap();
            }
            slow.guest.sock.set_room(usize::MAX);
            slow.guest.outbox.drained().await;
            let _ = slow.guest.session.has_something_to_do().now_or_never();
            times += usize::from(slow.guest.session.is_behind());
            while slow.guest.session.is_behind() {
                slow.guest.session.catch_up().await;
            }
        }
        let there = lines(&log).await;
        assert_eq!(there.len(), 4);
        slow.hears_up_to(there[3].0).await;
        slow.has_all(&there);
        times
    });
    assert!((0..=1).all(|count| times.contains(&count)), "sometimes it does, sometimes not");
}

#[test]
fn whoever_changes_groups_while_others_talk_misses_nothing() {
    check(2_000, || async {
        let (yard, log) = yard(open_yard()).await;
        let token = |role| yard.token("anna", role);
        let mut viewer = Viewer::comes(&yard, Reader::default(), Some(&token(Role::Viewer))).await;
        let talking = talks(yard.writer(CID, "mina").await, 3);
        for role in [Role::ChatManager, Role::Viewer] {
            let refresh = json!({"cmd": 200, "cid": CID, "tid": 4, "bdy": {"accTkn": token(role)}});
            viewer.guest.says(&refresh.to_string()).await;
        }
        talking.await.unwrap();
        let there = lines(&log).await;
        viewer.hears_up_to(there[2].0).await;
        viewer.has_all(&there);
    });
}

#[test]
fn everybody_is_counted_once_and_the_last_number_is_told() {
    check(2_000, || async {
        let (yard, _) = yard(open_yard()).await;
        let mut stays = Viewer::comes(&yard, Reader::default(), None).await;
        let coming = ["mina", "mina", "juno"].map(|uid| {
            let yard = yard.clone();
            tokio::spawn(async move { yard.writer(CID, uid).await })
        });
        let mut there = vec![yard.reader(CID).await];
        for comes in coming {
            there.push(comes.await.unwrap());
        }
        stays.hears_of_members((5, 2)).await;
        let going: Vec<_> = there.into_iter().map(|guest| tokio::spawn(async move { drop(guest) })).collect();
        for goes in going {
            goes.await.unwrap();
        }
        stays.hears_of_members((1, 0)).await;
    });
}

#[test]
fn those_who_come_while_their_channel_is_let_go_are_in_one_room() {
    let evictions = check(2_000, || async {
        let (yard, log) = yard(Config { idle: Duration::ZERO, ..open_yard() }).await;
        drop(yard.writer(CID, "mina").await.sends_and_hears(CID, "there is something to keep").await);
        let coming = [(); 2].map(|()| {
            let yard = yard.clone();
            tokio::spawn(async move { Viewer::comes(&yard, Reader::default(), None).await })
        });
        let mut there = Vec::new();
        for comes in coming {
            there.push(comes.await.unwrap());
        }
        for viewer in &mut there {
            viewer.hears_of_members((2, 0)).await;
        }
        assert_eq!(lines(&log).await.len(), 1);
        yard.node.metrics().evictions.get()
    });
    assert!(evictions.contains(&0) && evictions.iter().any(|evictions| *evictions > 0));
}

#[test]
fn the_last_words_of_a_broadcast_reach_everybody() {
    let taken = check(4_000, || async {
        let (yard, log) = yard(open_yard()).await;
        let mut stays = Viewer::comes(&yard, Reader::default(), None).await;
        let channel = channel(&log).await;
        yard.node.list_channel(&channel, "c").await.unwrap();
        let talking = talks(yard.writer(CID, "mina").await, 2);
        let coming = tokio::spawn({
            let yard = yard.clone();
            async move { yard.reader(CID).await }
        });
        yard.node.open_broadcast(&channel, "the next one").await.unwrap();
        let answers = talking.await.unwrap();
        drop(coming.await.unwrap());
        let taken: Vec<u64> = answers.iter().filter_map(|answer| answer["bdy"]["seq"].as_u64()).collect();
        stays.hears_up_to(taken.last().copied().unwrap_or_default()).await;
        let heard: Vec<u64> = stays.reader.lines.iter().map(|(place, _)| *place).collect();
        assert_eq!(heard, taken);
        taken.len()
    });
    assert!((0..=2).all(|some| taken.contains(&some)));
}

#[test]
fn who_is_here_is_told_as_it_is_however_their_connections_cross() {
    check(2_000, || async {
        let (yard, _log) = yard(Config { members_told: 10, ..open_yard() }).await;
        let mut watcher = yard.guest();
        watcher.connect_ext(CID, None, json!({"ext": 1})).await;
        let old = yard.writer(CID, "mina").await;
        let leaving = tokio::spawn(async move { drop(old) });
        let _here = yard.writer(CID, "mina").await;
        leaving.await.unwrap();
        let heard = watcher.heard_by_now();
        let told: Vec<u64> = heard.iter().filter_map(|message| message["cmd"].as_u64()).collect();
        let last = told.iter().rev().find(|cmd| [94_001, 94_002].contains(cmd));
        assert_eq!(last, Some(&94_001), "{told:?}");
    });
}
