use super::*;
use crate::model::act::{Pin, PinContent};
use crate::model::item::{Item, Standing, View};
use crate::model::message::{Extras, Status};

fn one(place: Seq) -> Deed {
    Deed::Hide(Lines::One(place))
}

fn of(uid: &str) -> Lines {
    Lines::Of(UserId::parse(uid).unwrap())
}

fn pin(content: PinContent, until: Option<i64>) -> Deed {
    Deed::Pin(Arc::new(Pin { cid: cid("one"), content, until: until.map(Millis) }))
}

fn says(text: &str) -> PinContent {
    PinContent::Text(text.to_owned(), Extras::default())
}

impl Scene {
    fn line(&mut self, at: i64, uid: &str) -> Seq {
        let Verdict::Line(kept) = self.says(at, uid, draft(&format!("{at} {uid}"), false)) else { panic!() };
        kept.seq
    }

    /// An act that changes something.
    fn did(&mut self, at: i64, deed: Deed) -> KeptAct {
        let verdict = self.acts(at, deed);
        let Verdict::Act(act) = verdict else { panic!("{verdict:?}") };
        assert_eq!(thawed(self), self.channel);
        act
    }

    fn pinned(&self, now: i64) -> Option<String> {
        self.channel.notice(Millis(now)).map(|notice| notice.text)
    }

    fn shown(&self) -> Vec<String> {
        self.channel.recent(&cid("one"), 99, None).iter().map(|line| line.text().to_owned()).collect()
    }
}

/// Places that items name, and whether each is hidden.
fn standings(items: &[Item]) -> Vec<(Seq, bool)> {
    let lines = items.iter().flat_map(|item| match item.view() {
        View::Standing(lines) => lines.clone(),
        _ => Vec::new(),
    });
    let hidden = |line: &Standing| !matches!(line, Standing::Line(line) if line.status() == Status::Normal);
    lines.map(|line| (line.seq(), hidden(&line))).collect()
}

#[test]
fn a_users_lines_are_hidden_and_shown_again() {
    let mut scene = Scene::on_air();
    let [first, other, second] = [(1, "a"), (2, "b"), (3, "a")].map(|(at, uid)| scene.line(at, uid));
    assert_eq!(scene.told(4, one(first)), [first]);
    assert_eq!(scene.did(5, Deed::Hide(of("a"))).lines.to_vec(), [second], "one is hidden already");
    let third = scene.line(6, "a");
    assert_eq!(scene.shown(), ["", "2 b", "", "6 a"], "what they say later is shown");
    assert_eq!(scene.did(7, Deed::Show(Lines::One(second))).lines.to_vec(), [second]);
    assert_eq!(scene.shown(), ["", "2 b", "3 a", "6 a"]);
    assert_eq!(scene.did(8, Deed::Show(of("a"))).lines.to_vec(), [first]);
    assert_eq!(scene.shown(), ["1 a", "2 b", "3 a", "6 a"]);
    assert_eq!(scene.acts(9, Deed::Show(of("a"))), Verdict::Nothing);
    assert_eq!(scene.acts(9, Deed::Show(Lines::One(other))), Verdict::Nothing, "it was never hidden");
    let (begins, seq) = (scene.channel.remembers_acts_from(), scene.channel.seq());
    let told = standings(&scene.channel.acts_between(begins, seq));
    assert_eq!(told, [(second, false), (first, false)], "as they stand now, by what made them so");
    assert!(third < seq && scene.channel.trail().places().count() == 4);
}

#[test]
fn what_an_act_hid_is_shown_again_when_it_is_taken_back() {
    let mut scene = Scene::on_air();
    let lines: Vec<Seq> = (1..=4).map(|at| scene.line(at, "a")).collect();
    let single = scene.did(5, one(lines[1])).seq;
    let all = scene.did(6, Deed::Hide(of("a"))).seq;
    assert_eq!(scene.did(7, Deed::Undo(all)).lines.to_vec(), [lines[0], lines[2], lines[3]]);
    assert_eq!(scene.shown(), ["1 a", "", "3 a", "4 a"], "what another act hid stays hidden");
    assert_eq!(scene.acts(8, Deed::Undo(all)), Verdict::Rejected(Refusal::NothingToUndo));
    assert_eq!(scene.acts(8, Deed::Undo(Seq(9_999))), Verdict::Rejected(Refusal::NothingToUndo));
    scene.did(9, Deed::Undo(single));
    assert_eq!(scene.shown(), ["1 a", "2 a", "3 a", "4 a"]);
}

#[test]
fn a_sweep_takes_newcomers_and_nobody_else() {
    const MINUTE: i64 = 60_000;
    let mut scene = Scene::on_air();
    scene.line(0, "regular");
    let late = 60 * MINUTE;
    let old = scene.line(late - 31_000, "raider");
    let [_, bad] = ["regular", "raider"].map(|uid| scene.line(late - 10_000, uid));
    let by_staff = Author { role: Role::ChatManager, ..author("newstaff") };
    let line = Line {
        occasion: None,
        filtered: None,
        judged: Default::default(),
        cid: cid("one"),
        author: by_staff,
        draft: draft("hi", false),
        members: 1,
        credential: Credential::default(),
        known: Default::default(),
    };
    scene.happens(late - 9_000, Body::Line(Arc::new(line)));
    let bot = scene.line(late - 1_000, "raider2");
    let sweep = |seconds, newcomer_minutes| Deed::Hide(Lines::Sweep { seconds, newcomer_minutes });
    assert_eq!(scene.did(late, sweep(30, 10)).lines.to_vec(), [bad, bot]);
    assert_eq!(scene.acts(late, sweep(30, 10)), Verdict::Nothing, "nothing is left");
    let act = scene.did(late, sweep(40, 10));
    assert_eq!(act.lines.to_vec(), [old]);
    scene.did(late, Deed::Undo(act.seq));
    assert_eq!(scene.shown()[1], format!("{} raider", late - 31_000));
    let back = Deed::Show(Lines::Sweep { seconds: 1, newcomer_minutes: 1 });
    assert!(matches!(scene.acts(late, back), Verdict::Rejected(Refusal::BadRequest(_))));
}

#[test]
fn nobody_moderates_those_above_them() {
    let mut scene = Scene::on_air();
    let said = |scene: &mut Scene, uid: &str, role| {
        let author = Author { role, ..author(uid) };
        let line = Line {
            occasion: None,
            filtered: None,
            judged: Default::default(),
            cid: cid("one"),
            author,
            draft: draft(uid, false),
            members: 1,
            credential: Credential::default(),
            known: Default::default(),
        };
        let Verdict::Line(kept) = scene.happens(1, Body::Line(Arc::new(line))) else { panic!() };
        kept.seq
    };
    let king = said(&mut scene, "king", Role::Streamer);
    let peer = said(&mut scene, "peer", Role::ChatManager);
    let own = said(&mut scene, "staff", Role::ChatManager);
    let viewer = said(&mut scene, "a", Role::Viewer);
    let outranked = Verdict::Rejected(Refusal::Outranked);
    for deed in [one(king), one(peer), Deed::Hide(of("king"))] {
        assert_eq!(scene.acts_by(2, Role::ChatManager, deed), outranked);
    }
    for (role, deed) in
        [(Role::ChatManager, one(own)), (Role::ChannelManager, one(peer)), (Role::SiteManager, one(king))]
    {
        assert!(matches!(scene.acts_by(3, role, deed), Verdict::Act(_)));
    }
    assert_eq!(scene.acts_by(4, Role::Viewer, one(viewer)), Verdict::Rejected(Refusal::NotStaff));
    let revoked = Revoked::User(UserId::parse("staff").unwrap());
    scene.happens(5, Body::Revoked { revoked, until: Millis(9_000) });
    assert_eq!(scene.acts_by(6, Role::Streamer, one(viewer)), Verdict::Rejected(Refusal::TokenRevoked));
}

#[test]
fn a_notice_is_pinned_replaced_and_taken_down() {
    let mut scene = Scene::on_air();
    assert_eq!(scene.acts(0, Deed::Unpin), Verdict::Nothing);
    scene.did(1, pin(says("first"), None));
    let second = scene.did(2, pin(says("second"), None)).seq;
    assert_eq!(scene.pinned(3).as_deref(), Some("second"));
    scene.did(3, Deed::Undo(second));
    assert_eq!(scene.pinned(3).as_deref(), Some("first"), "what was there comes back");
    let down = scene.did(4, Deed::Unpin).seq;
    assert_eq!(scene.pinned(4), None);
    scene.did(5, Deed::Undo(down));
    assert_eq!(scene.pinned(5).as_deref(), Some("first"));
    assert_eq!(scene.acts(6, Deed::Undo(second)), Verdict::Rejected(Refusal::NothingToUndo));
    scene.happens(7, Body::Opened { cid: cid("two"), title: String::new() });
    assert_eq!(scene.pinned(7), None, "another broadcast begins without");
    assert_eq!(scene.acts(8, pin(says("late"), None)), Verdict::Rejected(Refusal::BroadcastEnded));
}

#[test]
fn a_notice_goes_when_its_time_is_up_and_not_sooner() {
    let mut scene = Scene::on_air();
    let act = scene.did(0, pin(says("soon over"), Some(1_000))).seq;
    assert_eq!(scene.channel.next_lapse(), Some((Millis(1_000), act, act)));
    assert_eq!((scene.pinned(999).is_some(), scene.pinned(1_000)), (true, None));
    assert_eq!(scene.happens(999, Body::Lapsed { act }), Verdict::Nothing, "it is too early");
    assert_eq!(scene.happens(1_000, Body::Lapsed { act: Seq(7) }), Verdict::Nothing);
    assert!(matches!(scene.happens(1_000, Body::Lapsed { act }), Verdict::Act(told) if told.notice));
    assert_eq!((scene.pinned(0), scene.channel.next_lapse()), (None, None));
    let act = scene.did(2_000, pin(says("replaced"), Some(3_000))).seq;
    scene.did(2_500, pin(says("stays"), None));
    assert_eq!(scene.happens(3_000, Body::Lapsed { act }), Verdict::Nothing, "another is pinned now");
    assert_eq!(scene.pinned(9_000).as_deref(), Some("stays"));
}

#[test]
fn a_notice_of_a_line_goes_with_the_line() {
    let mut scene = Scene::on_air();
    let line = scene.line(1, "a");
    scene.did(2, pin(PinContent::Line(line), None));
    assert_eq!(scene.pinned(2).as_deref(), Some("1 a"));
    assert!(scene.did(3, one(line)).notice);
    assert_eq!(scene.pinned(3), None);
    assert_eq!(scene.acts(4, pin(PinContent::Line(line), None)), Verdict::Rejected(Refusal::NoSuchLine));
    assert_eq!(scene.acts(4, pin(PinContent::Line(Seq(2)), None)), Verdict::Rejected(Refusal::NoSuchLine));
    scene.did(5, Deed::Show(Lines::One(line)));
    assert_eq!(scene.pinned(5), None, "it is shown again, and no longer pinned");
    scene.did(6, pin(PinContent::Line(line), None));
    let Verdict::Wiped(_, told) = scene.happens(7, Body::Wiped { uid: UserId::parse("a").unwrap() }) else { panic!() };
    assert!(told.notice && scene.pinned(7).is_none());
    scene.did(8, pin(says("old"), None));
    let upto = scene.channel.seq();
    scene.line(9, "b");
    let Verdict::Dropped(_, told) = scene.happens(10, Body::Dropped { upto }) else { panic!() };
    assert!(told.notice && scene.pinned(10).is_none());
    assert_eq!(thawed(&scene), scene.channel);
}

#[test]
fn acts_are_told_as_things_stand_now() {
    let mut scene = Scene::on_air();
    let line = scene.line(1, "a");
    let hides = scene.did(2, one(line));
    let shows = scene.did(3, Deed::Show(Lines::One(line)));
    assert_eq!(standings(&scene.channel.reveal_act(&hides)), []);
    scene.did(4, one(line));
    assert_eq!(standings(&scene.channel.reveal_act(&shows)), [(line, true)], "its text leaves nowhere again");
}

#[test]
fn an_act_of_many_lines_is_told_in_parts_and_only_the_last_covers_it() {
    let mut scene = Scene::on_air();
    for at in 0..600 {
        scene.line(at, "a");
    }
    let act = scene.did(700, Deed::Hide(of("a")));
    let items = scene.channel.reveal_act(&act);
    let covers: Vec<u64> = items.iter().map(|item| item.covers().0).collect();
    let (last, others) = covers.split_last().unwrap();
    assert!(*last == act.seq.0 && others.len() > 3 && others.iter().all(|place| *place == act.seq.0 - 1), "{covers:?}");
    assert!(items.iter().all(|item| item.bytes() <= 32 * 1024));
    assert_eq!(standings(&items).len(), 600);
}

#[test]
fn what_staff_did_is_remembered_within_bounds() {
    let mut scene = Scene::on_air();
    let line = scene.line(0, "a");
    for at in 1..=3_000 {
        let deed = if at % 2 == 1 { one(line) } else { Deed::Show(Lines::One(line)) };
        assert!(matches!(scene.acts(at, deed), Verdict::Act(_)));
    }
    let (begins, seq) = (scene.channel.remembers_acts_from(), scene.channel.seq());
    assert_eq!(scene.channel.acts_between(begins, seq).len(), 1_024, "every other act of the last 2,048");
    assert!(begins > line && scene.channel.remembers_from() < line);
    assert_eq!(scene.channel.trail().before(None, 5_000).len(), 3_000);
    assert_eq!(scene.channel.trail().before(Some(begins), 2).first(), Some(&Seq(begins.0 - 3)));
}
