use super::*;

/// What history says of each line in the log.
fn told(scene: &Scene) -> Vec<Option<String>> {
    let lines = scene.log.iter().filter(|logged| matches!(logged.event.body, Body::Line(_)));
    lines.map(|logged| scene.channel.line_in_log(logged).map(|line| line.text().to_owned())).collect()
}

#[test]
fn history_has_what_was_accepted_also_when_it_is_no_longer_remembered() {
    let mut scene = Scene::on_air();
    scene.says(1, "a", draft("good", false));
    scene.acts(2, Deed::Block(Arc::new(author("a")), None));
    assert!(matches!(scene.says(3, "a", draft("refused", false)), Verdict::Rejected(_)));
    scene.says(3, "b", draft("fine", false));
    assert!(matches!(scene.says(4, "b", draft("fine", true)), Verdict::Repeat(_)));
    let expected = [Some("good".to_owned()), None, Some("fine".to_owned()), None];
    assert_eq!(told(&scene), expected);
    for turn in 0..4_200 {
        scene.says(10, "c", Draft { tid: turn.to_string(), ..draft("flood", false) });
    }
    assert!(scene.channel.line_at(scene.log[1].seq).is_none(), "it is forgotten");
    assert_eq!(told(&scene)[..4], expected);
    assert_eq!(thawed(&scene), scene.channel);
    let times: Vec<i64> =
        scene.log.iter().rev().take(2).map(|logged| scene.channel.line_in_log(logged).unwrap().time().0).collect();
    assert_eq!(times[0] - times[1], 1, "each of the same moment has a time of its own");
}

#[test]
fn what_is_to_be_erased_is_no_history_while_the_log_still_has_it() {
    let mut scene = Scene::on_air();
    scene.says(1, "gone", draft("secret", false));
    scene.says(2, "a", draft("stays", false));
    scene.happens(3, Body::Wiped { uid: UserId::parse("gone").unwrap() });
    scene.says(4, "gone", draft("later", false));
    assert_eq!(told(&scene), [None, Some("stays".to_owned()), Some("later".to_owned())]);
    assert!(scene.channel.reveal_logged(&scene.log[1]).is_none(), "nor for a trial of rules");
    assert_eq!(thawed(&scene), scene.channel);
}

#[test]
fn a_role_that_was_given_here_stays_with_the_line() {
    let mut scene = Scene::on_air();
    scene.acts(1, Deed::Appoint(Arc::new(author("m")), Role::ChatManager));
    scene.says(2, "m", draft("as a manager", false));
    let line = scene.log.last().unwrap().clone();
    for turn in 0..4_200 {
        scene.says(10, "c", Draft { tid: turn.to_string(), ..draft("flood", false) });
    }
    assert!(scene.channel.line_at(line.seq).is_none());
    assert_eq!(scene.channel.line_in_log(&line).unwrap().author().role, Role::ChatManager);
}
