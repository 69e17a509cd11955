use super::*;
use crate::model::filter::{Filtered, Measure, Rule};
use crate::model::item::{Listed, View};
use crate::model::message::Status;
use crate::model::question::{QuestionOrder, QuestionQuery, QuestionState, QuestionStatus, Vote};

use QuestionStatus::{Answered, Dismissed, Selected, Unanswered};

fn question(text: &str) -> Draft {
    Draft { kind: Kind::Question, ..draft(text, false) }
}

fn ballot(uid: &str, question: Seq, up: bool) -> Vote {
    Vote {
        cid: cid("one"),
        uid: UserId::parse(uid).unwrap(),
        role: Role::Viewer,
        subscribed: false,
        credential: Credential::default(),
        known: Known::default(),
        question,
        up,
    }
}

impl Scene {
    fn asks(&mut self, uid: &str) -> Seq {
        let at = self.log.len() as i64;
        let verdict = self.says(at, uid, question(&format!("{uid} asks at {at}")));
        let Verdict::Line(kept) = verdict else { panic!("{verdict:?}") };
        kept.seq
    }

    /// Whether somebody's question may become an event, in the broadcast that is on.
    fn admits(&self, uid: &str) -> Result<Option<Receipt>, Refusal> {
        let cid = self.channel.on_air().unwrap().cid.clone();
        let limits = crate::policy::text::Limits::default();
        self.channel.admit(&limits, Millis(1), &mut Line { cid, ..line(uid, question("q")) })
    }

    fn votes(&mut self, vote: Vote) -> Result<(u64, bool), Refusal> {
        let verdict = self.happens(self.log.len() as i64, Body::Vote(Arc::new(vote)));
        assert_eq!(thawed(self), self.channel);
        match verdict {
            Verdict::Voted { view, changed, .. } => Ok((view.state.votes, changed)),
            Verdict::Rejected(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    fn marks(&mut self, place: Seq, status: QuestionStatus, version: u64) -> Result<QuestionState, Refusal> {
        let verdict = self.acts_by(self.log.len() as i64, Role::ChatManager, Deed::Mark(place, status, version));
        assert_eq!(thawed(self), self.channel);
        match verdict {
            Verdict::Act(_) => Ok(self.channel.question_at(place).unwrap().state),
            Verdict::Rejected(refusal) => Err(refusal),
            Verdict::Nothing => Ok(self.channel.question_at(place).unwrap().state),
            other => panic!("{other:?}"),
        }
    }

    fn listed(&self, query: &QuestionQuery) -> Vec<Seq> {
        self.channel.questions_for(query, 99, (None, false)).iter().map(|listed| listed.line.seq()).collect()
    }
}

#[test]
fn questions_are_numbered_and_go_from_status_to_status_by_version() {
    let mut scene = Scene::on_air();
    let [first, second] = ["a", "b"].map(|uid| scene.asks(uid));
    let state = |scene: &Scene, place| scene.channel.question_at(place).unwrap().state;
    assert_eq!([state(&scene, first).number, state(&scene, second).number], [1, 2]);
    assert_eq!((state(&scene, first).status, state(&scene, first).version), (Unanswered, 1));
    let selected = scene.marks(first, Selected, 1).unwrap();
    assert_eq!((selected.status, selected.version), (Selected, 2));
    let stale = scene.marks(first, Dismissed, 1).unwrap_err();
    assert_eq!(stale, Refusal::StaleQuestion(selected), "who comes second is told how it stands");
    assert_eq!(scene.marks(first, Selected, 2).unwrap(), selected, "it is so already");
    assert_eq!(scene.marks(first, Answered, 2).unwrap().version, 3);
    assert_eq!(scene.marks(first, Unanswered, 3).unwrap().version, 4, "and back");
    assert_eq!(scene.marks(Seq(77), Selected, 1).unwrap_err(), Refusal::NoSuchLine);
}

#[test]
fn a_change_is_taken_back_by_its_act_until_there_is_a_later_one() {
    let mut scene = Scene::on_air();
    let place = scene.asks("a");
    scene.marks(place, Selected, 1).unwrap();
    let first = scene.log.last().unwrap().seq;
    scene.marks(place, Dismissed, 2).unwrap();
    let second = scene.log.last().unwrap().seq;
    assert!(matches!(scene.acts(9, Deed::Undo(first)), Verdict::Rejected(Refusal::NothingToUndo)));
    let Verdict::Act(undone) = scene.acts(9, Deed::Undo(second)) else { panic!() };
    let items = scene.channel.reveal_act(&undone);
    assert!(
        matches!(items[0].view(), View::Question(told) if (told.state.status, told.state.version) == (Selected, 4))
    );
    assert!(matches!(scene.acts(9, Deed::Undo(second)), Verdict::Rejected(Refusal::NothingToUndo)));
}

#[test]
fn everybody_votes_once_and_may_take_it_back() {
    let mut scene = Scene::on_air();
    let place = scene.asks("a");
    assert_eq!(scene.votes(ballot("b", place, true)), Ok((1, true)));
    assert_eq!(scene.votes(ballot("b", place, true)), Ok((1, false)), "twice is once");
    assert_eq!(scene.votes(ballot("c", place, true)), Ok((2, true)));
    assert_eq!(scene.votes(ballot("b", place, false)), Ok((1, true)));
    assert_eq!(scene.votes(ballot("b", place, false)), Ok((1, false)));
    assert_eq!(scene.votes(ballot("a", place, true)), Err(Refusal::Oneself));
    assert_eq!(scene.votes(ballot("b", Seq(77), true)), Err(Refusal::NoSuchLine));
    assert_eq!(scene.votes(Vote { cid: cid("two"), ..ballot("b", place, true) }), Err(Refusal::BroadcastEnded));
}

#[test]
fn who_may_not_take_part_may_not_vote() {
    let mut scene = Scene::on_air();
    let place = scene.asks("a");
    scene.acts(5, Deed::Block(Arc::new(author("bad")), None));
    assert!(matches!(scene.votes(ballot("bad", place, true)), Err(Refusal::Restricted { .. })));
    let followers = ModeChange { group: Some(crate::model::mode::Group::Followers), ..ModeChange::default() };
    scene.acts(5, Deed::Run(followers));
    assert!(matches!(scene.votes(ballot("b", place, true)), Err(Refusal::NotInGroup { .. })));
    assert_eq!(scene.votes(Vote { subscribed: true, ..ballot("b", place, true) }), Ok((1, true)));
    assert_eq!(scene.votes(Vote { role: Role::ChatManager, ..ballot("m", place, true) }), Ok((2, true)));
}

#[test]
fn a_question_that_waits_for_nothing_or_is_hidden_takes_no_votes() {
    let mut scene = Scene::on_air();
    let place = scene.asks("a");
    scene.marks(place, Dismissed, 1).unwrap();
    assert_eq!(scene.votes(ballot("b", place, true)), Err(Refusal::QuestionClosed(Dismissed)));
    scene.marks(place, Unanswered, 2).unwrap();
    scene.acts(5, Deed::Hide(Lines::One(place)));
    assert_eq!(scene.votes(ballot("b", place, true)), Err(Refusal::NoSuchLine));
    let query = QuestionQuery::open(&cid("one"));
    assert_eq!(scene.listed(&query), []);
    let staff = scene.channel.questions_for(&query, 9, (None, true));
    assert_eq!((staff.len(), staff[0].line.text(), staff[0].line.status()), (1, "", Status::Hidden));
}

#[test]
fn lists_go_by_votes_or_by_age_page_by_page() {
    let mut scene = Scene::on_air();
    let places: Vec<Seq> = ["a", "b", "c", "d"].map(|uid| scene.asks(uid)).to_vec();
    for (voter, place) in [("x", 2), ("y", 2), ("x", 3), ("x", 1)] {
        scene.votes(ballot(voter, places[place], true)).unwrap();
    }
    let mut query = QuestionQuery::open(&cid("one"));
    let by_votes = [places[2], places[1], places[3], places[0]];
    assert_eq!(scene.listed(&query), by_votes);
    let mut paged = Vec::new();
    loop {
        let page = scene.channel.questions_for(&query, 1, (None, false));
        let Some(Listed { line, question: view, .. }) = page.first() else { break };
        paged.push(line.seq());
        query.after = Some((view.state.votes, line.seq()));
    }
    assert_eq!(paged, by_votes);
    let mut by_age = QuestionQuery { order: QuestionOrder::Age, after: None, ..query };
    assert_eq!(scene.listed(&by_age), places);
    by_age.after = Some((0, places[1]));
    assert_eq!(scene.listed(&by_age), places[2..]);
    scene.marks(places[2], Answered, 1).unwrap();
    let answered = QuestionQuery { statuses: vec![Answered], after: None, ..by_age };
    assert_eq!(scene.listed(&answered), [places[2]]);
    assert_eq!(scene.channel.open_questions(&cid("one"), None), 3);
}

#[test]
fn what_waits_for_an_answer_outlives_its_broadcast() {
    let mut scene = Scene::on_air();
    let place = scene.asks("a");
    scene.happens(50, Body::Opened { cid: cid("two"), title: String::new() });
    assert_eq!(scene.listed(&QuestionQuery::open(&cid("one"))), [place]);
    assert_eq!(scene.listed(&QuestionQuery::open(&cid("two"))), []);
    assert_eq!(scene.marks(place, Answered, 1).unwrap().status, Answered);
    let late = Vote { cid: cid("two"), ..ballot("b", place, true) };
    assert_eq!(scene.votes(late), Err(Refusal::NoSuchLine), "it was asked in another broadcast");
    let asked = Line { cid: cid("two"), ..line("b", question("new")) };
    scene.happens(60, Body::Line(Arc::new(asked)));
    let fresh = scene.channel.questions_for(&QuestionQuery::open(&cid("two")), 9, (None, false));
    assert_eq!(fresh[0].question.state.number, 1, "numbers begin anew");
}

#[test]
fn numbers_are_the_same_where_an_erased_question_was_never_seen() {
    let mut scene = Scene::on_air();
    let (gone, vote) = (scene.asks("gone"), scene.log.len() + 1);
    let other = scene.asks("a");
    scene.votes(ballot("gone", other, true)).unwrap();
    let last = scene.asks("b");
    scene.happens(90, Body::Wiped { uid: UserId::parse("gone").unwrap() });
    let seen = scene.channel.question_at(last).unwrap().state;
    assert_eq!(seen.number, 3);
    assert_eq!((scene.channel.question_at(gone), scene.channel.question_at(other).unwrap().state.votes), (None, 0));
    let mut later = Channel::new(ChannelId::parse("c").unwrap());
    for (index, logged) in scene.log.iter().enumerate() {
        let erased = logged.seq == gone || index == vote;
        let body = if erased { logged.event.body.erased() } else { logged.event.body.clone() };
        let event = Arc::new(Event { body, ..Event::clone(&logged.event) });
        later.apply(&Logged { seq: logged.seq, event });
    }
    assert_eq!(later.question_at(last).unwrap().state, seen);
    assert_eq!(later.questions(), scene.channel.questions());
}

#[test]
fn one_viewer_has_twenty_open_questions() {
    let mut scene = Scene::on_air();
    let places: Vec<Seq> = (0..20).map(|_| scene.asks("a")).collect();
    let refused = scene.says(99, "a", question("one more"));
    assert_eq!(refused, Verdict::Rejected(Refusal::TooManyOpen(Some(20))));
    scene.marks(places[0], Answered, 1).unwrap();
    scene.asks("a");
    scene.asks("b");
}

#[test]
fn answered_questions_make_room_and_open_ones_do_not() {
    let mut scene = Scene::on_air();
    let first = scene.asks("user-0");
    for asker in 1..5_000 {
        assert_eq!(scene.admits(&format!("user-{asker}")), Ok(None));
        assert!(matches!(scene.says(asker, &format!("user-{asker}"), question("q")), Verdict::Line(_)));
    }
    assert_eq!(scene.admits("late"), Err(Refusal::TooManyOpen(None)));
    scene.acts(1, Deed::Mark(first, Dismissed, 1));
    assert_eq!(scene.admits("late"), Ok(None));
}

#[test]
fn what_is_dropped_is_forgotten() {
    let mut scene = Scene::on_air();
    let [old, new] = ["a", "b"].map(|uid| scene.asks(uid));
    scene.happens(9, Body::Dropped { upto: old });
    assert_eq!((scene.channel.question_at(old), scene.listed(&QuestionQuery::open(&cid("one")))), (None, vec![new]));
}

#[test]
fn what_waits_from_earlier_broadcasts_keeps_nobody_from_asking_or_voting() {
    let mut scene = Scene::on_air();
    let old = scene.asks("a");
    for asker in 1..5_000 {
        assert!(matches!(scene.says(asker, &format!("user-{asker}"), question("q")), Verdict::Line(_)));
    }
    assert_eq!(scene.admits("late"), Err(Refusal::TooManyOpen(None)));
    scene.votes(ballot("b", old, true)).unwrap();
    scene.happens(9_000, Body::Opened { cid: cid("two"), title: String::new() });
    let asked = |uid: &str| Body::Line(Arc::new(Line { cid: cid("two"), ..line(uid, question("new")) }));
    assert!(matches!(scene.happens(9_001, asked("late")), Verdict::Line(_)));
    assert_eq!(scene.channel.question_at(old).unwrap().state.votes, 1, "the count stays");
    assert_eq!(scene.channel.open_questions(&cid("one"), None), 5_000);
    assert_eq!(thawed(&scene), scene.channel);
}

#[test]
fn questions_for_their_authors_alone_take_nobodys_room() {
    let mut scene = Scene::on_air();
    let shadow = |number: usize| {
        let filtered = crate::model::filter::Filtered {
            measure: crate::model::filter::Measure::Shadow,
            rule: crate::model::filter::Rule::Repeats,
            original: None,
        };
        let asked = line(&format!("spam-{}", number / 10), question(&format!("{number}")));
        Body::Line(Arc::new(Line { filtered: Some(Arc::new(filtered)), ..asked }))
    };
    for number in 0..1_500 {
        assert!(matches!(scene.happens(5, shadow(number)), Verdict::Line(_)));
    }
    assert_eq!(scene.channel.questions().all().count(), 1_000, "the oldest are forgotten");
    assert_eq!(scene.channel.open_questions(&cid("one"), None), 0);
    scene.asks("honest");
    assert_eq!(scene.channel.open_questions(&cid("one"), None), 1);
    assert_eq!(thawed(&scene), scene.channel);
}

#[test]
fn voters_of_answered_questions_make_room_for_others() {
    let mut scene = Scene::on_air();
    let [first, second] = ["a", "b"].map(|uid| scene.asks(uid));
    let cast = |scene: &mut Scene, number: usize, place: Seq| {
        scene.happens(5, Body::Vote(Arc::new(ballot(&format!("v{number}"), place, true))))
    };
    for number in 0..100_000 {
        assert!(matches!(cast(&mut scene, number, first), Verdict::Voted { changed: true, .. }));
    }
    let late = |scene: &Scene| scene.channel.admit_vote(&ballot("late", second, true), Millis(5));
    assert_eq!(late(&scene), Err(Refusal::VotesFull));
    scene.marks(first, Answered, 1).unwrap();
    assert_eq!(late(&scene), Ok(()));
    assert!(matches!(cast(&mut scene, 0, second), Verdict::Voted { changed: true, .. }));
    let votes = |place| scene.channel.question_at(place).unwrap().state.votes;
    assert_eq!((votes(first), votes(second)), (100_000, 1), "the count stays");
}

#[test]
fn a_donation_and_a_line_that_says_the_same_are_two() {
    let mut scene = Scene::on_air();
    let donation = Line { draft: Draft { kind: Kind::Donation, ..draft("go!", false) }, ..line("a", Draft::default()) };
    assert!(matches!(scene.says(1, "a", draft("go!", true)), Verdict::Line(_)));
    assert!(matches!(scene.happens(1, Body::Line(Arc::new(donation))), Verdict::Line(_)));
}

#[test]
fn a_question_for_its_author_alone_is_in_all_their_lists_and_in_nobody_elses() {
    let mut scene = Scene::on_air();
    let first = scene.asks("a");
    let filtered = Filtered { measure: Measure::Shadow, rule: Rule::Repeats, original: None };
    let hidden = Line { filtered: Some(Arc::new(filtered)), ..line("a", question("hidden from all")) };
    let verdict = scene.happens(9, Body::Line(Arc::new(hidden)));
    let Verdict::Line(Kept { seq: shadowed, .. }) = verdict else { panic!("{verdict:?}") };
    let last = scene.asks("b");
    let uid = |uid: &str| UserId::parse(uid).unwrap();
    for order in [QuestionOrder::Age, QuestionOrder::Votes] {
        for statuses in [QuestionQuery::open(&cid("one")).statuses, QuestionStatus::ALL.to_vec()] {
            for of in [Some(cid("one")), None] {
                let query = QuestionQuery { cid: of, statuses: statuses.clone(), order, after: None };
                let seen = |user: &str| -> Vec<Seq> {
                    let listed = scene.channel.questions_for(&query, 99, (Some(&uid(user)), false));
                    listed.iter().map(|listed| listed.line.seq()).collect()
                };
                assert_eq!((seen("a"), seen("b")), (vec![first, shadowed, last], vec![first, last]), "{query:?}");
                let behind = QuestionQuery { after: Some((0, first)), ..query };
                let page = scene.channel.questions_for(&behind, 1, (Some(&uid("a")), false));
                assert_eq!(page[0].line.seq(), shadowed);
            }
        }
    }
    let open = |user: &str| scene.channel.open_questions(&cid("one"), Some(&uid(user)));
    assert_eq!((open("a"), open("b")), (3, 2));
}

#[test]
fn who_asks_is_told_whether_they_have_voted() {
    let mut scene = Scene::on_air();
    let place = scene.asks("a");
    let voted = |scene: &Scene, user: Option<&str>| {
        let user = user.map(|user| UserId::parse(user).unwrap());
        let query = QuestionQuery { cid: None, statuses: QuestionStatus::ALL.to_vec(), ..QuestionQuery::default() };
        scene.channel.questions_for(&query, 9, (user.as_ref(), false))[0].voted
    };
    scene.votes(ballot("b", place, true)).unwrap();
    assert_eq!(
        [voted(&scene, Some("b")), voted(&scene, Some("c")), voted(&scene, None)],
        [Some(true), Some(false), None]
    );
    scene.votes(ballot("b", place, false)).unwrap();
    assert_eq!(voted(&scene, Some("b")), Some(false));
    scene.votes(ballot("b", place, true)).unwrap();
    scene.happens(99, Body::Opened { cid: cid("two"), title: String::new() });
    assert_eq!([voted(&scene, Some("b")), voted(&scene, Some("c"))], [Some(true), Some(false)], "after it as well");
}

#[test]
fn long_questions_leave_room_for_those_of_earlier_broadcasts() {
    let mut scene = Scene::on_air();
    let fill = |scene: &mut Scene, name: &str| {
        for asked in 0..5_000 {
            let long = question(&"가".repeat(500));
            let mut long = Line { cid: cid(name), ..line(&format!("u{asked}"), long) };
            if scene.channel.admit(&Limits::default(), Millis(1), &mut long).is_err() {
                return asked;
            }
            scene.happens(1, Body::Line(Arc::new(long)));
        }
        5_000
    };
    let first = fill(&mut scene, "one");
    assert!((3_000..5_000).contains(&first), "as many as 8 MiB hold: {first}");
    scene.happens(2, Body::Opened { cid: cid("two"), title: String::new() });
    let second = fill(&mut scene, "two");
    let open = |name: &str| scene.channel.open_questions(&cid(name), None);
    assert_eq!((second, open("two")), (first, first));
    assert_eq!(open("one"), first, "nothing that waits is forgotten");
}

#[test]
fn a_vote_in_an_earlier_broadcast_is_erased_with_its_voter() {
    let mut scene = Scene::on_air();
    let place = scene.asks("a");
    scene.votes(ballot("b", place, true)).unwrap();
    scene.votes(ballot("c", place, true)).unwrap();
    scene.happens(50, Body::Opened { cid: cid("two"), title: String::new() });
    scene.happens(60, Body::Wiped { uid: UserId::parse("b").unwrap() });
    assert_eq!(scene.channel.question_at(place).unwrap().state.votes, 1);
}

#[test]
fn a_broadcast_that_is_forgotten_and_opened_again_has_the_questions_that_wait_in_it() {
    let mut scene = Scene::on_air();
    let place = scene.asks("a");
    for number in 0..101 {
        scene.happens(50, Body::Opened { cid: cid(&format!("n{number}")), title: String::new() });
    }
    scene.happens(60, Body::Opened { cid: cid("one"), title: String::new() });
    scene.votes(ballot("b", place, true)).unwrap();
    assert_eq!(scene.marks(place, Answered, 1).unwrap().votes, 1);
    assert_eq!(thawed(&scene), scene.channel);
}
