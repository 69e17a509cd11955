use super::*;
use crate::model::message::Extras;
use crate::model::mode::{Group, ModeChange};
use crate::model::principal::Subscription;

const MINUTE: i64 = 60_000;

fn slow(seconds: u32) -> Deed {
    Deed::Run(ModeChange { slow_seconds: Some(seconds), ..ModeChange::default() })
}

fn group(group: Group, minutes: u32) -> Deed {
    Deed::Run(ModeChange { group: Some(group), follow_minutes: Some(minutes), ..ModeChange::default() })
}

impl Scene {
    fn sends(&mut self, at: i64, line: Line) -> Result<(), Refusal> {
        match self.happens(at, Body::Line(Arc::new(line))) {
            Verdict::Line(_) => Ok(()),
            Verdict::Rejected(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    fn writes(&mut self, at: i64, uid: &str) -> Result<(), Refusal> {
        self.sends(at, line(uid, draft(&at.to_string(), false)))
    }

    fn runs(&mut self, at: i64, deed: Deed) -> Seq {
        let verdict = self.acts(at, deed);
        let Verdict::Act(act) = verdict else { panic!("{verdict:?}") };
        assert!(act.modes);
        assert_eq!(thawed(self), self.channel);
        act.seq
    }
}

fn subscriber(uid: &str) -> Line {
    let mut line = line(uid, draft("x", false));
    let paid = Subscription { months: 1, tier: 1, tier_name: String::new(), badge_url: String::new() };
    line.author.profile = Arc::new(Profile { subscription: Some(paid), ..Profile::default() });
    line
}

#[test]
fn slow_mode_says_how_long_to_wait() {
    let mut scene = Scene::on_air();
    let first = scene.runs(0, slow(10));
    assert_eq!(scene.writes(1_000, "a"), Ok(()));
    assert_eq!(scene.writes(2_000, "a"), Err(Refusal::SlowMode { seconds: 10, retry_after_ms: 9_000 }));
    assert_eq!(scene.writes(2_000, "b"), Ok(()), "everybody waits for themselves");
    assert_eq!(thawed(&scene), scene.channel);
    assert_eq!(scene.writes(11_000, "a"), Ok(()));
    let staff = Line { author: Author { role: Role::ChatManager, ..author("s") }, ..line("s", draft("x", false)) };
    assert_eq!([scene.sends(11_001, staff.clone()), scene.sends(11_002, staff)], [Ok(()), Ok(())]);
    assert_eq!(scene.acts(12_000, slow(10)), Verdict::Nothing, "it is so already");
    let second = scene.runs(12_000, slow(300));
    assert!(matches!(scene.writes(30_000, "a"), Err(Refusal::SlowMode { seconds: 300, .. })));
    scene.runs(31_000, Deed::Undo(second));
    assert_eq!(scene.writes(32_000, "a"), Ok(()), "as it was before");
    assert_eq!(scene.acts(33_000, Deed::Undo(first)), Verdict::Rejected(Refusal::NothingToUndo));
    scene.runs(34_000, slow(0));
    assert_eq!([scene.writes(34_001, "a"), scene.writes(34_002, "a")], [Ok(()), Ok(())]);
}

#[test]
fn only_some_may_send() {
    let mut scene = Scene::on_air();
    let not = |group, minutes| Err(Refusal::NotInGroup { group, minutes });
    let follows = |since: i64| {
        let mut line = line("f", draft(&since.to_string(), false));
        line.known.followed = Some(Millis(since));
        line
    };
    scene.runs(0, group(Group::Followers, 10));
    let now = 60 * MINUTE;
    assert_eq!(scene.writes(now, "a"), not(Group::Followers, 10));
    assert_eq!(scene.sends(now, follows(51 * MINUTE)), not(Group::Followers, 10));
    assert_eq!(scene.sends(now, follows(50 * MINUTE)), Ok(()));
    assert_eq!(scene.sends(now, subscriber("s")), Ok(()));
    scene.runs(now, Deed::Run(ModeChange { subscribers_too: Some(false), ..ModeChange::default() }));
    assert_eq!(scene.sends(now + 1, subscriber("s")), not(Group::Followers, 10));
    scene.runs(now + 2, group(Group::Subscribers, 0));
    assert_eq!(scene.sends(now + 3, subscriber("s")), Ok(()));
    assert_eq!(scene.sends(now + 3, follows(0)), not(Group::Subscribers, 0));
    scene.runs(now + 4, group(Group::Managers, 0));
    assert_eq!(scene.sends(now + 5, subscriber("s")), not(Group::Managers, 0));
    scene.happens(now + 6, Body::Opened { cid: cid("two"), title: String::new() });
    let next = Line { cid: cid("two"), ..subscriber("s") };
    assert_eq!(scene.sends(now + 7, next), not(Group::Managers, 0), "it holds in the next broadcast, too");
}

#[test]
fn emojis_and_real_names() {
    let mut scene = Scene::on_air();
    scene.runs(0, Deed::Run(ModeChange { emoji_only: Some(true), real_name: Some(true), ..ModeChange::default() }));
    assert_eq!(scene.writes(1, "a"), Err(Refusal::RealNameOnly));
    let mut known = line("a", draft("words", false));
    known.known.real_name = true;
    assert_eq!(scene.sends(2, known.clone()), Err(Refusal::EmojiOnly));
    known.draft.text = "{:a:} 😀".to_owned();
    known.draft.extras =
        Extras { emojis: vec![("a".to_owned(), "https://site/a.png".to_owned())], ..Extras::default() };
    assert_eq!(scene.sends(3, known), Ok(()));
}

#[test]
fn panic_ends_by_itself_and_can_be_ended() {
    let mut scene = Scene::on_air();
    scene.runs(0, slow(5));
    let panic = |until| Deed::Panic(ModeChange::default(), Millis(until));
    let act = scene.runs(1_000, panic(601_000));
    assert_eq!(scene.writes(2_000, "a"), Err(Refusal::NotInGroup { group: Group::Followers, minutes: 10 }));
    assert_eq!(scene.channel.next_lapse(), Some((Millis(601_000), act, act)));
    assert_eq!(scene.happens(600_999, Body::Lapsed { act }), Verdict::Nothing);
    assert_eq!(scene.writes(601_000, "a"), Ok(()), "its time is up, whether anybody has said so or not");
    assert!(matches!(scene.happens(601_001, Body::Lapsed { act }), Verdict::Act(told) if told.modes));
    assert!(matches!(scene.writes(602_000, "a"), Err(Refusal::SlowMode { seconds: 5, .. })), "as it was set");
    let again = scene.runs(700_000, panic(900_000));
    scene.runs(701_000, Deed::Undo(again));
    assert_eq!(scene.writes(702_000, "a"), Ok(()));
    scene.runs(710_000, Deed::Panic(ModeChange { group: Some(Group::All), ..ModeChange::default() }, Millis(900_000)));
    assert!(matches!(scene.writes(711_000, "a"), Err(Refusal::SlowMode { seconds: 30, .. })), "but for what is named");
    scene.runs(712_000, Deed::Calm);
    assert_eq!(scene.acts(713_000, Deed::Calm), Verdict::Nothing);
    assert_eq!(scene.channel.next_lapse(), None);
}
