use super::*;
use crate::model::guest::Naming;

fn naming(uid: &str, looks: &str, until: i64) -> Naming {
    let (uid, nickname) = (UserId::parse(uid).unwrap(), looks.to_owned());
    Naming { uid, nickname, looks: looks.to_owned(), until: Millis(until) }
}

impl Scene {
    fn is_named(&mut self, at: i64, uid: &str, looks: &str, until: i64) -> bool {
        match self.happens(at, Body::Named(Arc::new(naming(uid, looks, until)))) {
            Verdict::Nothing => true,
            Verdict::Rejected(Refusal::NicknameTaken(None)) => false,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn of_two_who_choose_a_name_the_first_in_the_log_has_it() {
    let mut scene = Scene::on_air();
    let admits = |scene: &Scene, uid: &str| scene.channel.admit_name(&naming(uid, "kim", 100), Millis(1));
    assert_eq!((admits(&scene, "a"), admits(&scene, "b")), (Ok(()), Ok(())), "both were on their way");
    assert!(scene.is_named(1, "a", "kim", 100) && !scene.is_named(1, "b", "kim", 100));
    assert_eq!((admits(&scene, "a"), admits(&scene, "b")), (Ok(()), Err(Refusal::NicknameTaken(None))));
    assert!(scene.is_named(2, "a", "kim", 200), "who asks again has it longer");
    assert!(!scene.is_named(150, "b", "kim", 300));
    assert!(scene.is_named(201, "b", "kim", 300), "its time is over");
    assert!(!scene.is_named(202, "a", "kim", 400));
}

#[test]
fn who_takes_another_name_lets_go_of_the_first() {
    let mut scene = Scene::on_air();
    assert!(scene.is_named(1, "a", "kim", 100) && scene.is_named(2, "a", "lee", 100));
    let holds = |scene: &Scene, uid: &str, looks| scene.channel.holds_name(looks, &UserId::parse(uid).unwrap());
    assert!(holds(&scene, "a", "lee") && !holds(&scene, "a", "kim"));
    assert!(scene.is_named(3, "b", "kim", 100));
    assert!(!scene.is_named(4, "a", "kim", 100) && holds(&scene, "a", "lee"), "a taken one costs nobody their own");
    scene.happens(5, Body::Wiped { uid: UserId::parse("b").unwrap() });
    assert!(!holds(&scene, "b", "kim") && scene.is_named(6, "a", "kim", 100), "who is erased is called nothing");
}

#[test]
fn guests_hold_so_many_names_and_no_more() {
    let mut scene = Scene::on_air();
    for number in 0..20_000 {
        assert!(scene.is_named(1, &format!("u{number}"), &format!("n{number}"), 100 + number % 2));
    }
    let admits =
        |scene: &Scene, uid: &str, looks: &str, now| scene.channel.admit_name(&naming(uid, looks, 500), Millis(now));
    assert_eq!(admits(&scene, "more", "more", 50), Err(Refusal::NamesFull));
    assert_eq!(admits(&scene, "u7", "more", 50), Ok(()), "who has one may take another");
    assert_eq!(admits(&scene, "more", "more", 101), Ok(()), "some have ended");
    assert!(scene.is_named(101, "more", "more", 500));
    assert_eq!(scene.channel.names.all().count(), 10_001, "and are forgotten");
    let frozen = scene.channel.freeze().unwrap();
    let thawed = Channel::thaw(scene.channel.id().clone(), &frozen, &[]);
    assert_eq!(thawed.names, scene.channel.names);
}
