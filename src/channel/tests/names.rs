use super::*;
use crate::model::access::Revoked;
use crate::model::guest::Naming;
use crate::model::id::AddressHash;

fn naming(uid: &str, looks: &str, until: i64) -> Naming {
    let (uid, nickname, looks) = (UserId::parse(uid).unwrap(), looks.to_owned(), vec![looks.to_owned()]);
    Naming { uid, nickname, looks, address: None, until: Millis(until) }
}

impl Scene {
    fn is_named(&mut self, at: i64, naming: Naming) -> bool {
        match self.happens(at, Body::Named(Arc::new(naming))) {
            Verdict::Nothing => true,
            Verdict::Rejected(Refusal::NicknameTaken(None)) => false,
            other => panic!("{other:?}"),
        }
    }

    fn names(&mut self, at: i64, uid: &str, looks: &str, until: i64) -> bool {
        self.is_named(at, naming(uid, looks, until))
    }

    fn admits_name(&self, naming: Naming, now: i64) -> Result<(), Refusal> {
        self.channel.admit_name(&naming, Millis(now))
    }

    fn holds(&self, uid: &str, looks: &str) -> bool {
        self.channel.holds_name(&[looks.to_owned()], &UserId::parse(uid).unwrap())
    }
}

#[test]
fn of_two_who_choose_a_name_the_first_in_the_log_has_it() {
    let mut scene = Scene::on_air();
    let admits = |scene: &Scene, uid: &str| scene.admits_name(naming(uid, "kim", 100), 1);
    assert_eq!((admits(&scene, "a"), admits(&scene, "b")), (Ok(()), Ok(())), "both were on their way");
    assert!(scene.names(1, "a", "kim", 100) && !scene.names(1, "b", "kim", 100));
    assert_eq!((admits(&scene, "a"), admits(&scene, "b")), (Ok(()), Err(Refusal::NicknameTaken(None))));
    assert!(scene.names(2, "a", "kim", 200), "who asks again has it longer");
    assert!(scene.names(3, "a", "kim", 50) && !scene.names(150, "b", "kim", 300), "and never shorter");
    assert!(scene.names(201, "b", "kim", 300), "its time is over");
    assert!(!scene.names(202, "a", "kim", 400));
}

#[test]
fn a_name_with_one_look_in_common_is_taken() {
    let mut scene = Scene::on_air();
    let two =
        |uid: &str, looks: [&str; 2]| Naming { looks: looks.map(str::to_owned).to_vec(), ..naming(uid, "shown", 100) };
    assert!(scene.is_named(1, two("a", ["small", "capital"])));
    for looks in [["small", "other"], ["other", "capital"], ["capital", "other"]] {
        assert!(!scene.is_named(2, two("b", looks)), "{looks:?}");
    }
    assert!(scene.is_named(3, two("b", ["other", "another"])));
}

#[test]
fn a_name_is_held_as_long_as_a_token_says_it_however_often_its_holder_chooses_another() {
    let mut scene = Scene::on_air();
    assert!(scene.names(1, "a", "kim", 100) && scene.names(2, "a", "lee", 100));
    assert!(scene.holds("a", "kim") && scene.holds("a", "lee"));
    assert!(!scene.names(3, "b", "kim", 100));
    assert!(scene.names(4, "a", "park", 90));
    assert_eq!(scene.admits_name(naming("a", "choi", 100), 5), Err(Refusal::NamesFull), "three at once");
    assert_eq!(scene.admits_name(naming("a", "lee", 100), 5), Ok(()), "those are theirs");
    assert_eq!(scene.admits_name(naming("a", "choi", 200), 95), Ok(()), "one has ended");
    scene.happens(6, Body::Wiped { uid: UserId::parse("a").unwrap() });
    assert!(!scene.holds("a", "kim") && scene.names(7, "b", "kim", 100), "who is erased is called nothing");
    let revoked = Revoked::User(UserId::parse("b").unwrap());
    scene.happens(8, Body::Revoked { revoked, until: Millis(9) });
    assert!(scene.names(9, "c", "kim", 100), "whose tokens say nothing is called nothing");
}

#[test]
fn guests_hold_so_many_names_and_no_more() {
    let mut scene = Scene::on_air();
    for number in 0..20_000 {
        assert!(scene.names(1, &format!("u{number}"), &format!("n{number}"), 100 + number % 2));
    }
    let admits = |scene: &Scene, uid: &str, looks: &str, now| scene.admits_name(naming(uid, looks, 500), now);
    assert_eq!(admits(&scene, "more", "more", 50), Err(Refusal::NamesFull));
    assert_eq!(admits(&scene, "u7", "n7", 50), Ok(()), "that is theirs");
    assert_eq!(admits(&scene, "more", "more", 101), Ok(()), "some have ended");
    assert!(scene.names(101, "more", "more", 500));
    assert_eq!(scene.channel.names.all().count(), 10_001, "and are forgotten");
    let frozen = scene.channel.freeze().unwrap();
    let thawed = Channel::thaw(scene.channel.id().clone(), &frozen, &[]);
    assert_eq!(thawed.names, scene.channel.names);
}

#[test]
fn one_address_does_not_take_all_names() {
    let mut scene = Scene::on_air();
    let from = |address: u8, number: usize| Naming {
        address: Some(AddressHash([address; 16])),
        ..naming(&format!("u{address}-{number}"), &format!("n{address}-{number}"), 100)
    };
    for number in 0..200 {
        assert_eq!(scene.admits_name(from(1, number), 1), Ok(()));
        assert!(scene.is_named(1, from(1, number)));
    }
    assert_eq!(scene.admits_name(from(1, 200), 1), Err(Refusal::NamesFull));
    assert_eq!(scene.admits_name(from(2, 0), 1), Ok(()));
    assert_eq!(scene.admits_name(from(1, 200), 101), Ok(()), "those have ended");
}

#[test]
fn a_name_that_is_asked_for_again_counts_where_it_was_taken_first() {
    let mut scene = Scene::on_air();
    let from = |address: u8, number: usize| Naming {
        address: Some(AddressHash([address; 16])),
        ..naming(&format!("u{number}"), &format!("n{number}"), 100)
    };
    for number in 0..200 {
        assert!(scene.is_named(1, from(1, number)) && scene.is_named(2, from(2, number)));
    }
    assert_eq!(scene.admits_name(from(1, 200), 3), Err(Refusal::NamesFull));
    assert_eq!(scene.admits_name(from(2, 200), 3), Ok(()));
}

#[test]
fn a_name_keeps_all_of_its_looks_when_it_is_taken_again_by_one() {
    let mut scene = Scene::on_air();
    let looking = |uid: &str, looks: &[&str]| Naming {
        looks: looks.iter().map(|look| (*look).to_owned()).collect(),
        ..naming(uid, "shown", 100)
    };
    assert!(scene.is_named(1, looking("a", &["small", "capital"])) && scene.is_named(2, looking("a", &["small"])));
    assert!(!scene.is_named(3, looking("b", &["capital"])), "a token still says it");
    assert_eq!(scene.channel.names.all().count(), 1);
    let frozen = scene.channel.freeze().unwrap();
    assert_eq!(Channel::thaw(scene.channel.id().clone(), &frozen, &[]).names, scene.channel.names);
}

#[test]
fn of_many_names_at_once_one_guest_gets_three() {
    let mut scene = Scene::on_air();
    let mut given = 0;
    for number in 0..10 {
        assert_eq!(scene.admits_name(naming("a", &format!("n{number}"), 100), 0).is_ok(), given < 3);
        // All of them were admitted before the first was applied.
        let verdict = scene.happens(1, Body::Named(Arc::new(naming("a", &format!("n{number}"), 100))));
        given += usize::from(verdict == Verdict::Nothing);
        assert!(verdict == Verdict::Nothing || verdict == Verdict::Rejected(Refusal::NamesFull), "{verdict:?}");
    }
    assert_eq!(given, 3);
}
