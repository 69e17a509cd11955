//! One suite over every log. An implementation joins by one line at the end.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use madang::eventlog::flaky::{Faults, Flaky};
use madang::eventlog::memory::Memory;
use madang::eventlog::sqlite::{Config, Sqlite, copies};
use madang::eventlog::tail::{Tail, TailEnd};
use madang::eventlog::{EventLog, LARGEST_PAGE, LogError, Snapshot};
use madang::metrics::Metrics;
use madang::model::event::{Body, Event, Logged};
use madang::model::id::{ChannelId, Cid, Seq};
use madang::model::time::Millis;

const SOON: Duration = Duration::from_secs(20);

fn channel(name: &str) -> ChannelId {
    ChannelId::parse(name).unwrap()
}

fn event(what: &str) -> Arc<Event> {
    let cid = Cid::parse("demo").unwrap();
    Arc::new(Event::new(Millis(1), Body::Opened { cid, title: what.to_owned() }))
}

fn title(logged: &Logged) -> &str {
    match &logged.event.body {
        Body::Opened { title, .. } => title,
        other => panic!("{other:?}"),
    }
}

/// Appends until it is known to be there, as a node does.
async fn append(log: &dyn EventLog, channel: &ChannelId, event: Arc<Event>) -> Seq {
    loop {
        match log.append(channel, event.clone()).await {
            Ok(seq) => return seq,
            Err(LogError::Unknown | LogError::Full) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// Asks until it is known to be done, as whoever needs it does.
async fn surely(mut ask: impl AsyncFnMut() -> Result<(), LogError>) {
    loop {
        match ask().await {
            Ok(()) => return,
            Err(LogError::Unknown | LogError::Full) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

async fn next(tail: &mut Tail) -> Result<Vec<Logged>, TailEnd> {
    timeout(SOON, tail.next()).await.expect("the tail yields")
}

async fn all(log: &dyn EventLog, channel: &ChannelId) -> Vec<Logged> {
    let mut events = Vec::new();
    loop {
        let after = events.last().map_or(Seq::default(), |logged: &Logged| logged.seq);
        let page = log.read(channel, after, LARGEST_PAGE).await.unwrap();
        let ended = page.events.len() < LARGEST_PAGE;
        events.extend(page.events);
        if ended {
            return events;
        }
    }
}

async fn places_rise_and_what_was_acknowledged_is_readable(log: Arc<dyn EventLog>) {
    let (one, two) = (channel("one"), channel("two"));
    let mut last = Seq::default();
    for turn in 0..50 {
        let seq = append(&*log, &one, event(&turn.to_string())).await;
        assert!(seq > last);
        last = seq;
        append(&*log, &two, event("other")).await;
    }
    let events = all(&*log, &one).await;
    let titles: Vec<String> = events.iter().map(|logged| title(logged).to_owned()).collect();
    assert_eq!(titles, (0..50).map(|turn| turn.to_string()).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|logged| logged.seq));
    assert_eq!(all(&*log, &channel("three")).await, []);
}

async fn the_same_id_has_one_place(log: Arc<dyn EventLog>) {
    let one = channel("one");
    let first = event("first");
    let seq = append(&*log, &one, first.clone()).await;
    append(&*log, &one, event("second")).await;
    assert_eq!(append(&*log, &one, first).await, seq);
    assert_eq!(all(&*log, &one).await.len(), 2);
}

async fn reads_page_by_page(log: Arc<dyn EventLog>) {
    let one = channel("one");
    let appends: Vec<_> = (0..25).map(|turn| log.append(&one, event(&turn.to_string()))).collect();
    for appended in appends {
        // Which of them a flaky log refused doesn't matter here.
        let _ = appended.await;
    }
    let whole = all(&*log, &one).await;
    let mut pages = Vec::new();
    loop {
        let after = pages.last().map_or(Seq::default(), |logged: &Logged| logged.seq);
        let page = log.read(&one, after, 4).await.unwrap();
        assert_eq!(page.gone, Seq::default());
        assert!(page.events.len() <= 4);
        if page.events.is_empty() {
            break;
        }
        pages.extend(page.events);
    }
    assert_eq!(pages, whole);
}

async fn a_tail_yields_every_later_event_once_and_in_order(log: Arc<dyn EventLog>) {
    let one = channel("one");
    for turn in 0..10 {
        append(&*log, &one, event(&turn.to_string())).await;
    }
    let from = all(&*log, &one).await[4].seq;
    let mut tail = log.follow(&one, from);
    let writer = tokio::spawn({
        let (log, one) = (log.clone(), one.clone());
        async move {
            for turn in 10..300 {
                append(&*log, &one, event(&turn.to_string())).await;
            }
        }
    });
    let mut seen: Vec<Logged> = Vec::new();
    while seen.len() < 295 {
        seen.extend(next(&mut tail).await.unwrap());
    }
    writer.await.unwrap();
    let titles: Vec<String> = seen.iter().map(|logged| title(logged).to_owned()).collect();
    assert_eq!(titles, (5..300).map(|turn| turn.to_string()).collect::<Vec<_>>());
    assert!(timeout(Duration::from_millis(30), tail.next()).await.is_err(), "nothing more");
}

async fn reading_then_following_leaves_no_gap(log: Arc<dyn EventLog>) {
    let one = channel("one");
    let writer = tokio::spawn({
        let (log, one) = (log.clone(), one.clone());
        async move {
            for turn in 0..400 {
                append(&*log, &one, event(&turn.to_string())).await;
            }
        }
    });
    for _ in 0..8 {
        let page = log.read(&one, Seq::default(), LARGEST_PAGE).await.unwrap();
        let mut seen = page.events.clone();
        let after = seen.last().map_or(Seq::default(), |logged| logged.seq);
        let mut tail = log.follow(&one, after);
        let enough = (seen.len() + 20).min(400);
        while seen.len() < enough {
            seen.extend(next(&mut tail).await.unwrap());
        }
        for (turn, logged) in seen.iter().enumerate() {
            assert_eq!(title(logged), turn.to_string());
        }
    }
    writer.await.unwrap();
}

async fn two_followers_see_one_order(log: Arc<dyn EventLog>) {
    let one = channel("one");
    let mut tails = [log.follow(&one, Seq::default()), log.follow(&one, Seq::default())];
    let mut writers = Vec::new();
    for writer in 0..8 {
        let (log, one) = (log.clone(), one.clone());
        writers.push(tokio::spawn(async move {
            for turn in 0..25 {
                append(&*log, &one, event(&format!("{writer} {turn}"))).await;
            }
        }));
    }
    let mut orders = Vec::new();
    for tail in &mut tails {
        let mut seen = Vec::new();
        while seen.len() < 200 {
            seen.extend(next(tail).await.unwrap().into_iter().map(|logged| logged.seq));
        }
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 200);
        orders.push(seen);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(orders[0].is_sorted() && orders[0] == orders[1]);
}

async fn a_follower_that_falls_behind_is_told_and_reads_on(log: Arc<dyn EventLog>) {
    let one = channel("one");
    append(&*log, &one, event("0")).await;
    let mut tail = log.follow(&one, Seq::default());
    let mut seen: Vec<Logged> = next(&mut tail).await.unwrap();
    let total = 12_000;
    for start in (1..total).step_by(500) {
        let appends: Vec<_> = (start..(start + 500).min(total))
            .map(|turn| {
                let (log, one) = (log.clone(), one.clone());
                async move { append(&*log, &one, event(&turn.to_string())).await }
            })
            .collect();
        futures_util::future::join_all(appends).await;
    }
    let mut lagged = 0;
    while seen.len() < total {
        match next(&mut tail).await {
            Ok(events) => seen.extend(events),
            Err(TailEnd::Lagged(at)) => {
                lagged += 1;
                assert_eq!(Some(at), seen.last().map(|logged| logged.seq));
                tail = log.follow(&one, at);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(lagged > 0, "a queue of 8,192 can't hold 12,000");
    assert_eq!(seen.iter().map(title).collect::<HashSet<_>>().len(), total);
    assert!(seen.is_sorted_by_key(|logged| logged.seq));
}

async fn snapshots_only_move_forward(log: Arc<dyn EventLog>) {
    let one = channel("one");
    assert_eq!(log.snapshot(&one).await.unwrap(), None);
    let snapshot = |seq, text: &'static [u8]| Snapshot { seq: Seq(seq), version: 3, bytes: Bytes::from_static(text) };
    surely(async || log.put_snapshot(&one, snapshot(5, b"five")).await).await;
    surely(async || log.put_snapshot(&one, snapshot(9, b"nine")).await).await;
    surely(async || log.put_snapshot(&one, snapshot(7, b"seven")).await).await;
    assert_eq!(log.snapshot(&one).await.unwrap(), Some(snapshot(9, b"nine")));
    assert_eq!(log.snapshot(&channel("two")).await.unwrap(), None);
}

async fn erased_events_keep_their_place(log: Arc<dyn EventLog>) {
    let one = channel("one");
    let mut places = Vec::new();
    for turn in 0..3 {
        places.push(append(&*log, &one, event(&turn.to_string())).await);
    }
    surely(async || log.erase(&one, &[places[1], Seq(999)]).await).await;
    surely(async || log.erase(&channel("nowhere"), &places).await).await;
    let events = all(&*log, &one).await;
    assert_eq!(events.iter().map(|logged| logged.seq).collect::<Vec<_>>(), places);
    assert_eq!(events[1].event.body, Body::Erased { question: false });
    assert_eq!((title(&events[0]), title(&events[2])), ("0", "2"));
    let mut tail = log.follow(&one, places[0]);
    assert_eq!(
        next(&mut tail).await.unwrap()[0].event.body,
        Body::Erased { question: false },
        "a late follower doesn't see it either"
    );
}

async fn old_events_go_and_pages_say_so(log: Arc<dyn EventLog>) {
    let one = channel("one");
    let at = |turn: i64| {
        let body = Body::Opened { cid: Cid::parse("demo").unwrap(), title: turn.to_string() };
        Arc::new(Event::new(Millis(turn), body))
    };
    assert_eq!(log.aged(&one, Millis(i64::MAX)).await.unwrap(), None);
    let mut places = Vec::new();
    for turn in 0..700 {
        places.push(append(&*log, &one, at(turn)).await);
    }
    append(&*log, &channel("two"), at(0)).await;
    append(&*log, &ChannelId::directory(), at(0)).await;
    for (time, aged) in [(0, None), (1, Some(0)), (300, Some(299)), (699, Some(698)), (9_999, Some(699))] {
        assert_eq!(log.aged(&one, Millis(time)).await.unwrap(), aged.map(|index: usize| places[index]), "{time}");
    }
    let mut early = log.follow(&one, Seq::default());
    surely(async || log.drop_upto(&one, places[599]).await).await;
    surely(async || log.drop_upto(&one, places[5]).await).await;
    surely(async || log.drop_upto(&channel("nowhere"), places[5]).await).await;
    let page = log.read(&one, Seq::default(), LARGEST_PAGE).await.unwrap();
    assert_eq!((page.gone, page.events.len(), page.events[0].seq), (places[599], 100, places[600]));
    assert_eq!(log.read(&one, places[699], LARGEST_PAGE).await.unwrap().gone, places[599]);
    assert_eq!(next(&mut early).await, Err(TailEnd::Gone(places[599])));
    assert_eq!(next(&mut log.follow(&one, places[599])).await.unwrap().len(), 100);
    assert_eq!(log.aged(&one, Millis(600)).await.unwrap(), None, "what is gone is no older any more");
    surely(async || log.drop_upto(&one, places[699]).await).await;
    assert!(append(&*log, &one, at(700)).await > places[699], "places go on when all are gone");
}

async fn channels_are_listed_by_pages(log: Arc<dyn EventLog>) {
    append(&*log, &ChannelId::directory(), event("x")).await;
    for name in ["c", "a", "d", "b"] {
        append(&*log, &channel(name), event("x")).await;
    }
    let first = log.channels(None, 3).await.unwrap();
    assert_eq!(first, ["a", "b", "c"].map(channel));
    assert_eq!(log.channels(first.last(), 3).await.unwrap(), [channel("d")]);
    assert_eq!(log.channels(Some(&channel("d")), 3).await.unwrap(), []);
}

macro_rules! suite {
    ($implementation:ident, $make:expr) => {
        mod $implementation {
            use super::*;

            suite!(@ $make,
                places_rise_and_what_was_acknowledged_is_readable,
                the_same_id_has_one_place,
                reads_page_by_page,
                a_tail_yields_every_later_event_once_and_in_order,
                reading_then_following_leaves_no_gap,
                two_followers_see_one_order,
                a_follower_that_falls_behind_is_told_and_reads_on,
                snapshots_only_move_forward,
                erased_events_keep_their_place,
                old_events_go_and_pages_say_so,
                channels_are_listed_by_pages,
            );
        }
    };
    (@ $make:expr, $($test:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let folder = tempfile::tempdir().unwrap();
            let make: fn(&std::path::Path) -> Arc<dyn EventLog> = $make;
            super::$test(make(folder.path())).await;
        })*
    };
}

fn sqlite(folder: &std::path::Path) -> Sqlite {
    Sqlite::open(&folder.join("events.db"), Config::default(), Arc::new(Metrics::default())).unwrap()
}

fn unreliable<L: EventLog>(log: L) -> Flaky<L> {
    let faults = Faults { full: 0.02, failed: 0.05, lost_acks: 0.1, doubled: 0.1, delay: Duration::from_micros(200) };
    Flaky::new(log, faults, 7)
}

suite!(memory, |_| Arc::new(Memory::new(Arc::default())));
suite!(sqlite_file, |folder| Arc::new(sqlite(folder)));
suite!(flaky_memory, |_| Arc::new(unreliable(Memory::new(Arc::default()))));
suite!(flaky_sqlite, |folder| Arc::new(unreliable(sqlite(folder))));

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_opened_again_goes_on_in_its_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let one = channel("one");
    let first = event("first");
    let log = sqlite(folder.path());
    let epoch = log.epoch();
    let seq = log.append(&one, first.clone()).await.unwrap();
    surely(async || log.put_snapshot(&one, Snapshot { seq, version: 1, bytes: Bytes::from_static(b"s") }).await).await;
    drop(log);
    let log = sqlite(folder.path());
    assert_eq!(log.epoch(), epoch);
    assert_eq!(log.append(&one, first).await.unwrap(), seq, "a retry across the restart is still one event");
    assert!(log.append(&one, event("second")).await.unwrap() > seq);
    assert_eq!(log.snapshot(&one).await.unwrap().unwrap().seq, seq);
    assert_eq!(all(&log, &one).await.len(), 2);
    let other = tempfile::tempdir().unwrap();
    assert_ne!(sqlite(other.path()).epoch(), epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so_and_appends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.db");
    let log = Sqlite::open(&file, Config { queue: 16 }, Arc::default()).unwrap();
    let one = channel("one");
    let appends: Vec<_> = (0..20_000).map(|turn| log.append(&one, event(&turn.to_string()))).collect();
    let mut results = Vec::new();
    for append in appends {
        results.push(append.await);
    }
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(LogError::Full))));
    assert!(accepted < 20_000, "a queue of 16 fills");
    assert_eq!(all(&log, &one).await.len(), accepted);
}

#[tokio::test]
async fn a_closed_log_ends_its_tails() {
    let log = Memory::new(Arc::default());
    let mut tail = log.follow(&channel("one"), Seq::default());
    log.close();
    assert_eq!(next(&mut tail).await, Err(TailEnd::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_whole_while_the_log_is_in_use_and_goes_on_in_an_epoch_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (log, one) = (Arc::new(sqlite(folder.path())), channel("one"));
    append(&*log, &one, event("before")).await;
    let writing = {
        let (log, one) = (log.clone(), one.clone());
        tokio::spawn(async move {
            for turn in 0..2_000 {
                log.append(&one, event(&turn.to_string())).await.unwrap();
            }
        })
    };
    let (file, copy) = (folder.path().join("events.db"), folder.path().join("copy.db"));
    // One that was cut off is in nobody's way; one that is being written is.
    let unfinished = copies::unfinished(&copy);
    std::fs::write(&unfinished, "half a copy").unwrap();
    let other = std::fs::File::open(&unfinished).unwrap();
    other.lock().unwrap();
    assert!(copies::backup(&file, &copy).unwrap_err().contains("another program"));
    assert_eq!(std::fs::read(&unfinished).unwrap(), b"half a copy");
    drop(other);
    let copied = {
        let (file, copy) = (file.clone(), copy.clone());
        tokio::task::spawn_blocking(move || copies::backup(&file, &copy)).await.unwrap().unwrap()
    };
    writing.await.unwrap();
    assert!((1..=2_001).contains(&copied), "{copied}");
    assert!(!unfinished.exists());
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions()) & 0o777,
        0o600
    );
    assert!(copies::backup(&file, &copy).unwrap_err().contains("there already"));
    assert!(copies::restore(&copy, &file).unwrap_err().contains("move it away"));

    let other = tempfile::tempdir().unwrap();
    let restored_to = other.path().join("events.db");
    assert_eq!(copies::restore(&copy, &restored_to).unwrap(), copied);
    let restored = sqlite(other.path());
    assert_ne!(restored.epoch(), log.epoch());
    let (kept, whole) = (all(&restored, &one).await, all(&*log, &one).await);
    assert_eq!(kept, whole[..kept.len()], "the copy is the log as it was at one moment");
    assert_eq!(kept.len() as u64, copied);

    std::fs::write(folder.path().join("nonsense"), "no database").unwrap();
    let elsewhere = other.path().join("elsewhere.db");
    for from in ["nonsense", "missing"] {
        assert!(copies::restore(&folder.path().join(from), &elsewhere).is_err());
        assert!(!elsewhere.exists());
    }
}
