use super::*;

fn gate(config: Config) -> Arc<Gate> {
    Gate::new(config, b"key", Arc::default())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn visitor(gate: &Arc<Gate>, address: &str) -> Option<Arc<Visitor>> {
    gate.visitor(gate.admit()?, ip(address))
}

/// The end of CONNECT's patience from now on.
fn soon() -> Instant {
    clock::instant() + Duration::from_millis(3_500)
}

fn refusal(joined: Result<Membership, Refusal>) -> Option<Refusal> {
    joined.err()
}

#[tokio::test(start_paused = true)]
async fn one_address_may_have_so_many_and_is_dropped_at_twice_as_many() {
    let gate = gate(Config { per_address: Some(2), ..Config::default() });
    let mut here: Vec<_> = (0..6).filter_map(|_| visitor(&gate, "192.0.2.1")).collect();
    assert_eq!(here.len(), 4, "twice as many are let in, to be told");
    let first = here[0].join(soon()).await.unwrap();
    let second = here[1].join(soon()).await.unwrap();
    assert_eq!(refusal(here[2].join(soon()).await), Some(Refusal::TooManyConnections("this address")));
    assert!(visitor(&gate, "192.0.2.2").unwrap().join(soon()).await.is_ok());
    drop(first);
    assert!(here[3].join(soon()).await.is_ok(), "those who wait are in nobody's way");
    drop(second);
    here.clear();
    assert!(gate.addresses.is_empty(), "nothing is kept of who left");
    assert_eq!((gate.open.load(Ordering::Relaxed), gate.settled.load(Ordering::Relaxed)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_gate_says_so_and_an_overfull_one_drops() {
    let gate = gate(Config { connections: 100, per_address: None, ..Config::default() });
    let here: Vec<_> = (0..185).filter_map(|_| visitor(&gate, "192.0.2.1")).collect();
    assert_eq!(here.len(), 100);
    assert_eq!(gate.metrics.turned_away.get_or_create(&TurnedAway::Full.into()).get(), 85);
    let members = futures_util::future::join_all(here.iter().map(|visitor| visitor.join(soon()))).await;
    assert_eq!(members.iter().filter(|joined| joined.is_ok()).count(), 84);
    assert_eq!(gate.settled.load(Ordering::Relaxed), 100, "who was told still has to leave");
    assert!(members.into_iter().filter_map(refusal).all(|refusal| matches!(refusal, Refusal::Busy { .. })));
}

#[tokio::test(start_paused = true)]
async fn connections_that_never_join_leave_room_to_tell_the_others() {
    let gate = gate(Config { connections: 100, per_address: None, ..Config::default() });
    let idle: Vec<_> = (0..30).filter_map(|_| visitor(&gate, "192.0.2.1")).collect();
    let here: Vec<_> = (0..60).filter_map(|_| visitor(&gate, "192.0.2.2")).collect();
    let members = futures_util::future::join_all(here.iter().map(|visitor| visitor.join(soon()))).await;
    assert_eq!(members.iter().filter(|joined| joined.is_ok()).count(), 84 - idle.len());
    assert!(visitor(&gate, "192.0.2.3").is_some(), "there is room to say that there is none");
}

#[tokio::test(start_paused = true)]
async fn more_than_fit_in_come_back_all_the_time_and_the_house_stays_full() {
    let config = Config { connections: 100, per_address: Some(84), joins: None, ..Config::default() };
    let gate = gate(config);
    let here: Vec<_> = (0..100).filter_map(|_| visitor(&gate, "192.0.2.1")).collect();
    let come_back = async |visitor: &Arc<Visitor>, turn: u64| {
        for stay in 0..20 {
            if let Ok(member) = visitor.join(soon()).await {
                sleep(Duration::from_millis(5_000 + (turn * 37 + stay * 101) % 5_000)).await;
                drop(member);
            }
        }
    };
    let coming = here.iter().zip(0..).map(|(visitor, turn)| come_back(visitor, turn));
    let looking = async {
        for _ in 0..30 {
            sleep(Duration::from_secs(1)).await;
            let members = gate.addresses.iter().map(|crowd| crowd.members).sum::<u32>();
            assert!((70..=84).contains(&members), "{members} of 84");
        }
    };
    tokio::select! {
        _ = futures_util::future::join_all(coming) => panic!("they had more to do"),
        () = looking => {}
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_proxy_we_trust_is_believed() {
    let config =
        Config { per_address: Some(1), trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
    let gate = gate(config);
    let liar = visitor(&gate, "192.0.2.1").unwrap();
    assert!(Arc::ptr_eq(&liar, &liar.behind(["198.51.100.7"].into_iter()).unwrap()));
    let proxy: Vec<_> = (0..9).filter_map(|_| visitor(&gate, "10.0.0.1")).collect();
    assert_eq!(proxy.len(), 9, "a proxy has as many as it needs");
    let first = proxy[0].behind(["198.51.100.7"].into_iter()).unwrap();
    let member = first.join(soon()).await.unwrap();
    let second = proxy[1].behind(["198.51.100.7"].into_iter()).unwrap();
    assert_eq!(refusal(second.join(soon()).await), Some(Refusal::TooManyConnections("this address")));
    assert_eq!(first.address(), second.address());
    let beyond = proxy[2].behind(["6.6.6.6, 198.51.100.7"].into_iter());
    assert!(beyond.is_none(), "twice as many as it may have");
    drop(member);
    assert!(second.join(soon()).await.is_ok());
    assert!(proxy[2].behind([].into_iter()).unwrap().join(soon()).await.is_ok(), "who says nothing can't be counted");
}

#[tokio::test(start_paused = true)]
async fn a_user_may_have_so_many_sessions() {
    let gate = gate(Config { per_user: 2, ..Config::default() });
    let uid = UserId::parse("u").unwrap();
    let (first, _second) = (gate.seat(&uid, soon()).await.unwrap(), gate.seat(&uid, soon()).await.unwrap());
    assert!(matches!(gate.seat(&uid, soon()).await, Err(Refusal::TooManyConnections("this account"))));
    let leaving = async {
        sleep(Duration::from_secs(2)).await;
        drop(first);
    };
    let (seat, ()) = tokio::join!(gate.seat(&uid, soon()), leaving);
    assert!(seat.is_ok(), "who waits gets the place that another leaves");
    assert!(gate.seat(&UserId::parse("v").unwrap(), soon()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_joins_waits_for_their_turn_or_is_told_to_come_back() {
    let gate = gate(Config { joins: Some(Rate { per_second: 1, burst: 1 }), ..Config::default() });
    let here: Vec<_> = (0..6).filter_map(|_| visitor(&gate, "192.0.2.1")).collect();
    let begun = clock::instant();
    let all: Vec<_> = here.iter().map(|visitor| visitor.join(soon())).collect();
    let looking = async {
        sleep(Duration::from_millis(100)).await;
        gate.settled.load(Ordering::Relaxed)
    };
    let (turns, settled) = tokio::join!(futures_util::future::join_all(all), looking);
    assert_eq!(settled, 4, "whoever has no turn waits in nobody's way");
    assert!(turns[..4].iter().all(Result::is_ok));
    assert_eq!(begun.elapsed().as_millis(), 3_500, "one a second, and nobody waits longer than they can");
    assert!(turns.into_iter().skip(4).all(|turn| matches!(turn, Err(Refusal::Busy { .. }))));
}

#[tokio::test]
async fn one_address_may_ask_so_often() {
    let gate = gate(Config { requests: Some(Rate { per_second: 1, burst: 3 }), ..Config::default() });
    let (one, other) = (visitor(&gate, "192.0.2.1").unwrap(), visitor(&gate, "192.0.2.2").unwrap());
    let asks = |visitor: &Visitor| gate.admit_request(visitor, ["198.51.100.7"].into_iter());
    assert_eq!([asks(&one).is_ok(), asks(&one).is_ok(), asks(&one).is_ok()], [true; 3]);
    assert!(asks(&one).is_err_and(|wait| (1..=1_000).contains(&wait)));
    assert!(asks(&other).is_ok());
}
