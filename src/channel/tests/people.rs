use super::*;
use crate::model::id::AddressHash;
use crate::model::mode::ModeChange;

fn who(uid: &str) -> Arc<Author> {
    Arc::new(author(uid))
}

fn penalize(uid: &str, until: i64) -> Deed {
    Deed::Penalize(who(uid), Millis(until))
}

fn block(uid: &str, until: Option<i64>) -> Deed {
    Deed::Block(who(uid), until.map(Millis))
}

fn restricted(for_ms: Option<u64>) -> Verdict {
    Verdict::Rejected(Refusal::Restricted { for_ms })
}

impl Scene {
    fn tries(&mut self, at: i64, uid: &str) -> Verdict {
        self.says(at, uid, draft(&format!("{at} {uid}"), false))
    }

    fn goes_through(&mut self, at: i64, uid: &str) -> bool {
        matches!(self.tries(at, uid), Verdict::Line(_))
    }

    fn does(&mut self, at: i64, role: Role, deed: Deed) -> Result<Seq, Refusal> {
        let verdict = self.acts_by(at, role, deed);
        assert_eq!(thawed(self), self.channel);
        match verdict {
            Verdict::Act(act) => Ok(act.seq),
            Verdict::Rejected(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_penalty_holds_for_its_time_and_hides_what_was_said() {
    let mut scene = Scene::on_air();
    assert!(scene.goes_through(1, "a") && scene.goes_through(2, "b"));
    let told = scene.told(1_000, penalize("a", 31_000));
    assert_eq!(told.len(), 1);
    assert_eq!(scene.tries(2_000, "a"), restricted(Some(29_000)));
    assert!(scene.goes_through(2_000, "b"));
    let limits = Limits::default();
    let admitted = scene.channel.admit(&limits, Millis(5_000), &mut line("a", draft("x", false)));
    assert_eq!(admitted, Err(Refusal::Restricted { for_ms: Some(26_000) }));
    assert!(scene.goes_through(31_000, "a"), "then it is over");
    scene.does(40_000, Role::ChatManager, penalize("a", 70_000)).unwrap();
    let twice = scene.channel.restrictions().last(&UserId::parse("a").unwrap()).unwrap().times;
    assert_eq!(twice, 2, "penalties are counted");
}

#[test]
fn nobody_writes_to_the_log_by_saying_that_it_is_a_retry() {
    let mut scene = Scene::on_air();
    let Verdict::Line(said) = scene.says(1, "a", draft("said before", false)) else { panic!() };
    let first = Receipt { id: said.id, time: said.time, seq: said.seq };
    scene.does(2, Role::ChatManager, block("a", None)).unwrap();
    let admits = |text| scene.channel.admit(&Limits::default(), Millis(3), &mut line("a", draft(text, true)));
    assert_eq!(admits("new"), Err(Refusal::Restricted { for_ms: None }));
    assert_eq!(admits("said before"), Ok(Some(first)), "it was accepted");
    scene.does(4, Role::Streamer, Deed::Run(ModeChange { slow_seconds: Some(10), ..ModeChange::default() })).unwrap();
    scene.says(5, "b", draft("one", false));
    let admits = |text| scene.channel.admit(&Limits::default(), Millis(6), &mut line("b", draft(text, true)));
    assert!(matches!(admits("two"), Err(Refusal::SlowMode { .. })) && admits("one").is_ok());
}

#[test]
fn a_block_holds_in_the_next_broadcast_and_until_it_is_lifted() {
    let mut scene = Scene::on_air();
    let act = scene.does(1, Role::ChatManager, block("a", None)).unwrap();
    scene.happens(2, Body::Opened { cid: cid("two"), title: String::new() });
    let line = |at| Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: cid("two"),
        author: author("a"),
        draft: draft(at, false),
        members: 1,
        credential: Credential::default(),
        known: Default::default(),
    };
    assert_eq!(scene.happens(3, Body::Line(Arc::new(line("3")))), restricted(None));
    scene.does(4, Role::ChatManager, penalize("a", 10)).unwrap();
    assert_eq!(scene.happens(11, Body::Line(Arc::new(line("11")))), restricted(None), "a penalty shortens nothing");
    scene.does(12, Role::ChatManager, Deed::Lift(who("a"))).unwrap();
    assert!(matches!(scene.happens(13, Body::Line(Arc::new(line("13")))), Verdict::Line(_)));
    assert_eq!(scene.does(14, Role::ChatManager, Deed::Undo(act)), Err(Refusal::NothingToUndo));
    let act = scene.does(15, Role::ChatManager, block("a", Some(9_000))).unwrap();
    scene.does(16, Role::ChatManager, Deed::Undo(act)).unwrap();
    assert!(matches!(scene.happens(17, Body::Line(Arc::new(line("17")))), Verdict::Line(_)));
    assert_eq!(scene.acts(18, Deed::Lift(who("a"))), Verdict::Nothing);
}

#[test]
fn restricted_users_are_listed_page_by_page_newest_first() {
    let mut scene = Scene::on_air();
    let acts: Vec<Seq> = (0..30)
        .map(|number| {
            let called = Profile { nickname: format!("name {}", number % 3), ..Profile::default() };
            let user = Author { profile: Arc::new(called), ..author(&format!("u{number}")) };
            scene.does(number, Role::Streamer, Deed::Block(Arc::new(user), Some(Millis(1_000 + number)))).unwrap()
        })
        .collect();
    let places = |found: (usize, Vec<(UserId, Restriction)>)| -> (usize, Vec<Seq>) {
        (found.0, found.1.into_iter().map(|(_, restriction)| restriction.act).collect())
    };
    let all = |skip, take| places(scene.channel.restrictions().page(Millis(999), |_| true, (skip, take)));
    assert_eq!(all(0, 3), (30, vec![acts[29], acts[28], acts[27]]));
    assert_eq!(all(28, 30), (30, vec![acts[1], acts[0]]));
    assert_eq!((all(30, 3), all(usize::MAX, 3)), ((30, vec![]), (30, vec![])));
    let named = |restriction: &Restriction| restriction.nickname.contains("1");
    let (count, page) = places(scene.channel.restrictions().page(Millis(1_010), named, (1, 2)));
    assert_eq!((count, page), (6, vec![acts[25], acts[22]]), "of those that hold");
}

#[test]
fn a_guest_is_restricted_by_whatever_name_they_come() {
    let mut scene = Scene::on_air();
    let from = |uid: &str, byte: u8| {
        let mut line = line(uid, draft(uid, false));
        line.known.address = Some(AddressHash([byte; 16]));
        line
    };
    let sends =
        |scene: &mut Scene, at, line: Line| matches!(scene.happens(at, Body::Line(Arc::new(line))), Verdict::Line(_));
    assert!(sends(&mut scene, 1, from("guest1", 7)));
    let act = scene.does(2, Role::ChatManager, block("guest1", None)).unwrap();
    assert!(!sends(&mut scene, 3, from("guest2", 7)), "the same one by another name");
    assert!(sends(&mut scene, 3, from("guest3", 8)) && sends(&mut scene, 3, line("member", draft("x", false))));
    scene.does(4, Role::ChatManager, Deed::Undo(act)).unwrap();
    assert!(sends(&mut scene, 5, from("guest2", 7)));
}

#[test]
fn nobody_restricts_themselves_or_those_above_them() {
    let mut scene = Scene::on_air();
    let own = |deed: fn(Arc<Author>) -> Deed| deed(who("staff"));
    assert_eq!(scene.does(1, Role::ChatManager, penalize("staff", 9_000)), Err(Refusal::Oneself));
    assert_eq!(scene.does(1, Role::Streamer, own(Deed::Kick)), Err(Refusal::Oneself));
    assert_eq!(scene.does(1, Role::Streamer, own(Deed::Lift)), Err(Refusal::Oneself));
    let peer = Arc::new(Author { role: Role::ChatManager, ..author("peer") });
    assert_eq!(scene.does(1, Role::ChatManager, Deed::Kick(peer.clone())), Err(Refusal::Outranked));
    assert!(scene.does(1, Role::ChannelManager, Deed::Kick(peer)).is_ok());
    // The streamer is known by the channel's name, whether they have ever been there or not.
    assert_eq!(scene.does(1, Role::ChannelManager, block("c", None)), Err(Refusal::Outranked));
    assert!(scene.does(1, Role::SiteManager, block("c", None)).is_ok());
    // What those above have done stays.
    scene.does(2, Role::Streamer, block("a", None)).unwrap();
    assert_eq!(scene.does(3, Role::ChatManager, Deed::Lift(who("a"))), Err(Refusal::Outranked));
    assert_eq!(scene.does(3, Role::ChatManager, block("a", Some(4))), Err(Refusal::Outranked));
    // Whoever may not send may not act either.
    scene.does(4, Role::SiteManager, block("b", None)).unwrap();
    let by = Author { role: Role::ChatManager, ..author("b") };
    let act = Act {
        by,
        cid: None,
        credential: Credential::default(),
        key: String::new(),
        reason: String::new(),
        deed: Deed::Unpin,
    };
    assert_eq!(scene.happens(5, Body::Act(Arc::new(act))), restricted(None));
}

#[test]
fn a_manager_locks_out_nobody_whose_role_they_did_not_know() {
    let mut scene = Scene::on_air();
    let sends = |scene: &mut Scene, at: i64, uid: &str, role| {
        let line = Line { author: Author { role, ..author(uid) }, ..line(uid, draft(&at.to_string(), false)) };
        matches!(scene.happens(at, Body::Line(Arc::new(line))), Verdict::Line(_))
    };
    let acts = |scene: &mut Scene, at: i64, uid: &str, role| {
        let (by, deed) = (Author { role, ..author(uid) }, penalize(&format!("bad{at}"), at + 1_000));
        let (cid, credential, key, reason) = (None, Credential::default(), String::new(), String::new());
        let act = Act { by, cid, credential, key, reason, deed };
        matches!(scene.happens(at, Body::Act(Arc::new(act))), Verdict::Act(_))
    };
    // Not there, so that they are a name and no more.
    scene.does(1, Role::ChatManager, block("king", None)).unwrap();
    scene.does(1, Role::ChatManager, block("peer", None)).unwrap();
    assert!(sends(&mut scene, 2, "king", Role::Streamer) && acts(&mut scene, 3, "king", Role::Streamer));
    assert!(sends(&mut scene, 4, "peer", Role::ChatManager) && acts(&mut scene, 5, "peer", Role::ChatManager));
    assert!(!sends(&mut scene, 6, "king", Role::Viewer), "by a token that doesn't say so");
    // Those above do, under whatever lies over it, and so does the site.
    scene.does(7, Role::ChannelManager, penalize("low", 60_000)).unwrap();
    scene.does(8, Role::ChatManager, penalize("low", 90_000)).unwrap();
    assert!(!sends(&mut scene, 9, "low", Role::ChatManager) && !acts(&mut scene, 10, "low", Role::ChatManager));
    assert!(sends(&mut scene, 60_000, "low", Role::ChatManager) && !sends(&mut scene, 60_000, "low", Role::Viewer));
    scene.does(60_001, Role::SiteManager, block("works", None)).unwrap();
    assert!(!sends(&mut scene, 60_002, "works", Role::SiteManager));
}

#[test]
fn nobody_gets_around_a_restriction_by_restricting_longer() {
    let mut scene = Scene::on_air();
    scene.does(1, Role::Streamer, penalize("a", 60_000)).unwrap();
    let over = scene.does(2, Role::ChatManager, penalize("a", 90_000)).unwrap();
    assert_eq!(scene.does(3, Role::ChatManager, Deed::Lift(who("a"))), Err(Refusal::Outranked));
    assert_eq!(scene.does(3, Role::ChatManager, block("a", Some(4))), Err(Refusal::Outranked));
    // Once more, and what the streamer did lies two deep.
    let twice = scene.does(4, Role::ChatManager, penalize("a", 95_000)).unwrap();
    assert_eq!(scene.does(5, Role::ChatManager, Deed::Lift(who("a"))), Err(Refusal::Outranked));
    scene.does(6, Role::ChatManager, Deed::Undo(twice)).unwrap();
    assert_eq!(scene.does(7, Role::ChatManager, Deed::Undo(over)), Err(Refusal::Outranked));
    assert_eq!(scene.tries(8, "a"), restricted(Some(89_992)));
    scene.does(60_000, Role::ChatManager, penalize("a", 99_000)).unwrap();
    scene.does(70_000, Role::ChatManager, penalize("b", 99_000)).unwrap();
    scene.does(70_001, Role::ChatManager, Deed::Lift(who("b"))).unwrap();
}

#[test]
fn undo_brings_back_what_a_restriction_lay_over() {
    let mut scene = Scene::on_air();
    let first = scene.does(1, Role::ChannelManager, block("a", None)).unwrap();
    let second = scene.does(2, Role::Streamer, block("a", Some(9_000))).unwrap();
    scene.does(3, Role::Streamer, Deed::Undo(second)).unwrap();
    assert_eq!(scene.tries(10_000, "a"), restricted(None), "as it was before");
    scene.does(10_001, Role::ChannelManager, Deed::Undo(first)).unwrap();
    assert!(scene.goes_through(10_002, "a"));
    // What would be over by now doesn't come back.
    scene.does(11_000, Role::ChatManager, penalize("a", 12_000)).unwrap();
    let longer = scene.does(11_001, Role::ChatManager, block("a", None)).unwrap();
    scene.does(12_000, Role::ChatManager, Deed::Undo(longer)).unwrap();
    assert!(scene.goes_through(12_001, "a"));
    // Nor does what was lifted.
    scene.does(13_000, Role::ChatManager, penalize("a", 99_000)).unwrap();
    scene.does(13_001, Role::ChatManager, block("a", None)).unwrap();
    scene.does(13_002, Role::ChatManager, Deed::Lift(who("a"))).unwrap();
    assert!(scene.goes_through(13_003, "a"));
}

#[test]
fn what_those_above_have_hidden_stays_hidden() {
    let mut scene = Scene::on_air();
    let Verdict::Line(line) = scene.tries(1, "a") else { panic!() };
    let one = Lines::One(line.seq);
    let act = scene.does(2, Role::Streamer, Deed::Hide(one.clone())).unwrap();
    for deed in [Deed::Show(one.clone()), Deed::Undo(act), Deed::Show(Lines::Of(line.line.author.uid.clone()))] {
        assert_eq!(scene.does(3, Role::ChatManager, deed), Err(Refusal::Outranked));
    }
    scene.does(4, Role::SiteManager, Deed::Show(one)).unwrap();
}

#[test]
fn roles_are_the_streamers_to_give_and_to_take() {
    let mut scene = Scene::on_air();
    let appoint = |uid, role| Deed::Appoint(who(uid), role);
    assert_eq!(scene.does(1, Role::ChannelManager, appoint("a", Role::ChatManager)), Err(Refusal::NotStreamer));
    assert!(matches!(scene.does(1, Role::Streamer, appoint("a", Role::Streamer)), Err(Refusal::BadRequest(_))));
    let given = scene.does(1, Role::Streamer, appoint("a", Role::ChatManager)).unwrap();
    let notice = Draft { kind: Kind::Notice, ..draft("from staff", false) };
    let Verdict::Line(kept) = scene.says(2, "a", notice.clone()) else { panic!("it is a manager's now") };
    assert_eq!(kept.line.author.role, Role::ChatManager, "and everybody sees that");
    // A token that claims more than was taken.
    scene.does(10_000, Role::Streamer, appoint("a", Role::Viewer)).unwrap();
    let claims = |issued| Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: cid("one"),
        author: Author { role: Role::ChannelManager, ..author("a") },
        draft: notice.clone(),
        members: 1,
        credential: Credential { token_id: String::new(), issued: Millis(issued), own: true },
        known: Default::default(),
    };
    let refused = Verdict::Rejected(Refusal::KindNotAllowed);
    assert_eq!(scene.happens(10_001, Body::Line(Arc::new(claims(9_000)))), refused, "it was made before");
    assert!(matches!(scene.happens(12_000, Body::Line(Arc::new(claims(11_500)))), Verdict::Line(_)));
    assert_eq!(scene.does(13_000, Role::Streamer, Deed::Undo(given)), Err(Refusal::NothingToUndo), "it was replaced");
}

#[test]
fn acts_are_for_the_newest_broadcast() {
    let mut scene = Scene::on_air();
    scene.happens(1, Body::Opened { cid: cid("two"), title: String::new() });
    let by = |place: &str| {
        let by = Author { role: Role::Streamer, ..author("staff") };
        let deed = block("a", None);
        Act {
            by,
            cid: Some(cid(place)),
            credential: Credential::default(),
            key: String::new(),
            reason: String::new(),
            deed,
        }
    };
    let old = scene.happens(2, Body::Act(Arc::new(by("one"))));
    assert_eq!(old, Verdict::Rejected(Refusal::BroadcastEnded));
    assert!(matches!(scene.happens(3, Body::Act(Arc::new(by("two")))), Verdict::Act(_)));
}
