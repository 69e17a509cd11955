//! A gateway that leaves while others talk, and a channel that is let go and comes back.

use std::time::Duration;

use shuttle::rand::Rng;

use madang::node::Config;

use crate::people::{CID, lines, recent, says, talks, yard};
use crate::schedules::check;
use crate::support::yard::open_yard;

#[test]
fn a_drain_waits_for_what_it_lets_through() {
    let taken = check(4_000, || async {
        let (yard, log) = yard(open_yard()).await;
        let mut first = yard.writer(CID, "anna").await;
        let talking = [talks(yard.writer(CID, "mina").await, 1), talks(yard.writer(CID, "juno").await, 1)];
        match shuttle::rand::thread_rng().gen_bool(0.5) {
            true => drop(first.sends_and_hears(CID, "the others have had time for theirs").await),
            false => first.sends(CID, "or none at all").await,
        }
        yard.node.drain().await;
        let there = lines(&log).await;
        let mut taken = 1;
        for talks in talking {
            taken += talks.await.unwrap().iter().filter(|answer| answer["retCode"] == 0).count();
        }
        assert_eq!(lines(&log).await, there, "nothing is written behind the back of whoever takes over");
        assert_eq!(taken, there.len(), "everybody was told what became of it");
        taken
    });
    let mut times = [0; 4];
    taken.iter().for_each(|taken: &usize| times[*taken] += 1);
    assert!(times[1..].iter().all(|times| *times > 0), "how many lines, how often: {times:?}");
}

#[test]
fn a_channel_that_is_let_go_comes_back_whole() {
    let evictions = check(1_000, || async {
        let (yard, log) = yard(Config { idle: Duration::ZERO, ..open_yard() }).await;
        let talking = ["mina", "juno"].map(|uid| {
            let yard = yard.clone();
            tokio::spawn(async move {
                let mut places = Vec::new();
                for number in 0..3 {
                    let mut writer = yard.writer(CID, uid).await;
                    places.push(says(&mut writer, &format!("{uid} {number}")).await);
                    drop(writer);
                    shuttle::future::yield_now().await;
                }
                places
            })
        });
        let mut acknowledged = Vec::new();
        for talks in talking {
            let places = talks.await.unwrap();
            assert!(places.is_sorted(), "{places:?}");
            acknowledged.extend(places);
        }
        acknowledged.sort_unstable();
        let there: Vec<_> = lines(&log).await.into_iter().map(|(place, _)| place).collect();
        assert_eq!(acknowledged, there);
        let mut reader = yard.reader(CID).await;
        reader.says(&recent()).await;
        let shown = reader.hears(15101).await["bdy"]["messageList"].as_array().unwrap().len();
        assert_eq!(shown, there.len(), "the channel knows all of them, whoever has folded it");
        yard.node.metrics().evictions.get()
    });
    assert!(evictions.iter().any(|evictions| *evictions > 1));
}

#[test]
fn whoever_comes_when_the_last_one_leaves_hears_what_is_said() {
    check(4_000, || async {
        let (yard, log) = yard(open_yard()).await;
        let mut last = yard.writer(CID, "mina").await;
        last.sends(CID, "and off").await;
        let leaving = tokio::spawn(async move { drop(last) });
        says(&mut yard.writer(CID, "juno").await, "is anybody there?").await;
        leaving.await.unwrap();
        assert_eq!(lines(&log).await.len(), 2);
    });
}
