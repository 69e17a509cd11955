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

#[tokio::test(start_paused = true)]
async fn one_address_may_have_so_many_and_is_dropped_at_twice_as_many() {
    let gate = gate(Config { per_address: Some(2), ..Config::default() });
    let mut here: Vec<_> = (0..6).filter_map(|_| visitor(&gate, "192.0.2.1")).collect();
    assert_eq!(here.len(), 4, "twice as many are let in, to be told");
    assert_eq!(here[0].turn().await, Err(Refusal::TooManyConnections("this address")));
    assert_eq!(visitor(&gate, "192.0.2.2").unwrap().turn().await, Ok(()));
    here.truncate(2);
    assert_eq!(here[0].turn().await, Ok(()));
    here.clear();
    assert!(gate.addresses.is_empty(), "nothing is kept of who left");
    assert_eq!(gate.open.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_gate_says_so_and_an_overfull_one_drops() {
    let gate = gate(Config { connections: 100, per_address: None, ..Config::default() });
    let mut here: Vec<_> = (0..84).filter_map(|_| visitor(&gate, "192.0.2.1")).collect();
    assert_eq!(here[0].turn().await, Ok(()));
    here.extend((0..1).filter_map(|_| visitor(&gate, "192.0.2.1")));
    assert!(matches!(here[0].turn().await, Err(Refusal::Busy { .. })));
    here.extend((0..100).filter_map(|_| visitor(&gate, "192.0.2.1")));
    assert_eq!(here.len(), 100);
    assert_eq!(gate.metrics.turned_away.get_or_create(&TurnedAway::Full.into()).get(), 85);
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
    assert_eq!(first.turn().await, Ok(()));
    let second = proxy[1].behind(["198.51.100.7"].into_iter()).unwrap();
    assert_eq!(second.turn().await, Err(Refusal::TooManyConnections("this address")));
    assert_eq!(first.address(), second.address());
    let beyond = proxy[2].behind(["6.6.6.6, 198.51.100.7"].into_iter());
    assert!(beyond.is_none(), "twice as many as it may have");
    drop(second);
    assert_eq!(first.turn().await, Ok(()));
    assert_eq!(proxy[2].behind([].into_iter()).unwrap().turn().await, Ok(()), "who says nothing can't be counted");
}

#[tokio::test(start_paused = true)]
async fn a_user_may_have_so_many_sessions() {
    let gate = gate(Config { per_user: 2, ..Config::default() });
    let uid = UserId::parse("u").unwrap();
    let (first, _second) = (gate.seat(&uid).await.unwrap(), gate.seat(&uid).await.unwrap());
    assert!(matches!(gate.seat(&uid).await, Err(Refusal::TooManyConnections("this account"))));
    let leaving = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(first);
    };
    let (seat, ()) = tokio::join!(gate.seat(&uid), leaving);
    assert!(seat.is_ok(), "who waits gets the place that another leaves");
    assert!(gate.seat(&UserId::parse("v").unwrap()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_joins_waits_for_their_turn_or_is_told_to_come_back() {
    let gate = gate(Config { joins: Some(Rate { per_second: 1, burst: 1 }), ..Config::default() });
    let visitor = visitor(&gate, "192.0.2.1").unwrap();
    let begun = crate::clock::instant();
    let all: Vec<_> = (0..6).map(|_| visitor.turn()).collect();
    let turns = futures_util::future::join_all(all).await;
    assert_eq!(turns[..4], [Ok(()), Ok(()), Ok(()), Ok(())]);
    assert_eq!(begun.elapsed().as_millis(), 3_500, "one a second, and nobody waits longer than they can");
    assert!(turns[4..].iter().all(|turn| matches!(turn, Err(Refusal::Busy { .. }))));
}
