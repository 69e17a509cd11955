//! What lines may not say: over the socket, over HTTP, and in the whole site.

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::tempdir;

use madang::eventlog::memory::Memory;
use madang::model::act::{Deed, Wish};
use madang::model::filter::{FilterChange, MOST_WORDS, Measure};
use madang::model::id::{ChannelId, EventId, Seq, UserId};
use madang::model::message::{Author, Receipt};
use madang::model::principal::Role;
use madang::model::refusal::Refusal;
use madang::node::StationError;

use crate::support::process::{Gateway, Raw};
use crate::support::yard::{Guest, Yard, asks, joins, open_yard, texts, until};

async fn forbids(guest: &mut Guest, word: &str, measure: &str) -> Value {
    asks(guest, 4040, json!({"filter": {"words": [{"word": word, "measure": measure}]}})).await
}

/// Changes the rules of the whole site, as somebody who has this role.
async fn rules_site(yard: &Yard, word: &str, measure: Measure, role: Role) -> Result<Option<Receipt>, StationError> {
    adds_to_site(yard, vec![(word.to_owned(), Some(measure))], role).await
}

async fn adds_to_site(
    yard: &Yard,
    words: Vec<(String, Option<Measure>)>,
    role: Role,
) -> Result<Option<Receipt>, StationError> {
    let by = Author { uid: UserId::parse("site").unwrap(), profile: Arc::default(), role };
    let deed = Deed::Filter(Arc::new(FilterChange { words, ..FilterChange::default() }));
    let (access, id) = (yard.node.access("root").unwrap(), EventId::fresh());
    yard.node.rule_site(deed, (by, String::new()), &access, id).await
}

/// Text and status of the lines that recent chat shows.
async fn recent(guest: &mut Guest) -> Vec<(String, String)> {
    let answer = asks(guest, 5101, json!({"recentMessageCount": 50})).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = answer["bdy"]["messageList"].as_array().unwrap().iter();
    lines.map(|line| (text(&line["content"]), text(&line["messageStatusType"]))).collect()
}

#[tokio::test]
async fn each_measure_does_what_it_says() {
    let yard = Yard::new().await;
    let (mut staff, mut viewer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "u").await);
    let (mut reader, mut own) = (yard.reader("demo").await, yard.writer("demo", "u").await);
    for (word, measure) in [("가려라", "mask"), ("숨겨라", "blind"), ("몰래", "shadow"), ("거절", "refuse")] {
        assert_eq!(forbids(&mut staff, word, measure).await["retCode"], 0);
    }
    for text in ["이것 가려라 응", "이것 숨겨라", "이것 몰래", "끝"] {
        let sent = viewer.sends_and_hears("demo", text).await;
        assert_eq!(sent["retCode"], 0, "{sent}");
    }
    let refused = viewer.sends_and_hears("demo", "이건 거절").await;
    assert_eq!((&refused["retCode"], refused["retMsg"].as_str().unwrap().contains("거절")), (&json!(422), false));

    let lines = reader.hears_lines(3).await;
    assert_eq!(texts(&lines), ["이것 *** 응", "", "끝"]);
    assert_eq!(lines[1]["msgStatusType"], "CBOTBLIND");
    let theirs = own.hears_lines(4).await;
    assert_eq!(texts(&theirs), ["이것 *** 응", "", "이것 몰래", "끝"], "its author sees what nobody else does");
    let words = |lines: Vec<(String, String)>| lines.into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    assert_eq!(words(recent(&mut reader).await), ["이것 *** 응", "", "끝"]);
    assert_eq!(words(recent(&mut viewer).await), ["이것 *** 응", "", "이것 몰래", "끝"]);
    assert_eq!(words(recent(&mut staff).await), ["이것 *** 응", "", "끝"]);
}

#[tokio::test]
async fn staff_see_what_was_sent_and_show_what_was_blinded() {
    let yard = Yard::new().await;
    let (mut staff, mut viewer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "u").await);
    let mut reader = yard.reader("demo").await;
    forbids(&mut staff, "숨겨라", "blind").await;
    forbids(&mut staff, "가려라", "mask").await;
    let place = viewer.sends_and_hears("demo", "이것 숨겨라").await["bdy"]["seq"].as_u64().unwrap();
    let masked = viewer.sends_and_hears("demo", "이것 가려라").await["bdy"]["seq"].as_u64().unwrap();
    reader.hears_lines(2).await;
    let seen = asks(&mut staff, 5008, json!({"seq": place})).await;
    assert_eq!(seen["bdy"]["content"], "이것 숨겨라", "{seen}");
    assert_eq!(seen["bdy"]["filtered"], json!({"measure": "blind", "rule": "word", "found": "숨겨라"}), "{seen}");
    let seen = asks(&mut staff, 5008, json!({"seq": masked})).await;
    assert_eq!((&seen["bdy"]["content"], &seen["bdy"]["filtered"]["measure"]), (&json!("이것 가려라"), &json!("mask")));
    assert_eq!(asks(&mut viewer, 5008, json!({"seq": place})).await["retCode"], 403);

    assert_eq!(asks(&mut staff, 4008, json!({"seq": place, "blindType": "CANCEL"})).await["retCode"], 0);
    let told = reader.hears(94008).await;
    assert!(told["bdy"]["message"].as_str().unwrap().contains("이것 숨겨라"), "{told}");
    let shown = recent(&mut reader).await;
    assert_eq!(shown[0], ("이것 숨겨라".to_owned(), "NORMAL".to_owned()));
    assert_eq!(asks(&mut staff, 4008, json!({"seq": place})).await["retCode"], 0);
    assert_eq!(recent(&mut reader).await[0], (String::new(), "HIDDEN".to_owned()), "hidden by staff now");
}

#[tokio::test]
async fn staff_may_say_what_they_forbid_and_viewers_change_nothing() {
    let yard = Yard::new().await;
    let (mut staff, mut viewer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "u").await);
    assert_eq!(forbids(&mut viewer, "나쁜말", "refuse").await["retCode"], 403);
    let done = forbids(&mut staff, "나쁜말", "refuse").await;
    assert_eq!(staff.sends_and_hears("demo", "나쁜말은 안 됩니다").await["retCode"], 0);
    assert_eq!(viewer.sends_and_hears("demo", "나쁜말").await["retCode"], 422);
    let again = forbids(&mut staff, "나쁜말", "refuse").await;
    assert_eq!((&again["retCode"], &again["bdy"]), (&json!(0), &json!({})), "it is so already");
    let undone = asks(&mut staff, 4040, json!({"undo": done["bdy"]["seq"]})).await;
    assert_eq!(undone["retCode"], 0, "{undone}");
    assert_eq!(viewer.sends_and_hears("demo", "나쁜말").await["retCode"], 0);
    assert_eq!(asks(&mut staff, 4040, json!({"undo": done["bdy"]["seq"]})).await["retCode"], 409);
    for bad in [
        json!({"filter": {"words": [{"word": "ㅋ"}]}}),
        json!({"filter": {"patterns": [{"pattern": "("}]}}),
        json!({"filter": {"patterns": [{"pattern": "((a{100}){100}){100}"}]}}),
        json!({"filter": {"hosts": ["not a host"]}}),
        json!({"filter": {"links": "perhaps"}}),
        json!({"filter": []}),
    ] {
        let refused = asks(&mut staff, 4040, bad.clone()).await;
        assert_eq!(refused["retCode"], 105, "{bad}: {refused}");
    }
    assert_eq!(viewer.sends_and_hears("demo", "still here").await["retCode"], 0);
}

#[tokio::test]
async fn every_kind_of_rule_is_found() {
    let yard = Yard::new().await;
    let (mut staff, mut viewer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "u").await);
    let filter = json!({
        "words": [{"word": "시발"}], "patterns": [{"pattern": "무료.{0,3}머니"}], "links": "refuse", "hosts": ["naver.com"],
        "repeats": {"most": 5}, "marks": "refuse", "directions": "refuse",
    });
    assert_eq!(asks(&mut staff, 4040, json!({"filter": filter})).await["retCode"], 0);
    for bad in [
        "시발",
        "ㅅㅣㅂㅏㄹ",
        "시 발",
        "시1발",
        "시\u{200b}발",
        "무료 머니 드려요",
        "https://evil.example/x",
        "evil.com 오세요",
        "ㅋㅋㅋㅋㅋㅋ",
        "a\u{0301}\u{0302}\u{0303}\u{0304}\u{0305}\u{0306}",
        "\u{202e}abc",
    ] {
        let refused = viewer.sends_and_hears("demo", bad).await;
        assert_eq!(refused["retCode"], 422, "{bad}: {refused}");
    }
    for good in ["다시 발표합니다", "blog.naver.com/x 보세요", "ㅋㅋㅋㅋㅋ", "무료", "안녕하세요"]
    {
        let sent = viewer.sends_and_hears("demo", good).await;
        assert_eq!(sent["retCode"], 0, "{good}: {sent}");
    }
}

#[tokio::test]
async fn rules_hold_across_restarts_and_broadcasts() {
    let log = Memory::new(Arc::default());
    {
        let yard = Yard::over(Arc::new(log.clone()), open_yard()).await;
        let mut staff = joins(&yard, "mod", Role::ChatManager).await;
        forbids(&mut staff, "나쁜말", "refuse").await;
        let mut viewer = yard.writer("demo", "u").await;
        forbids(&mut staff, "숨겨라", "blind").await;
        viewer.sends_and_hears("demo", "숨겨라").await;
    }
    let yard = Yard::over(Arc::new(log), open_yard()).await;
    let mut viewer = yard.writer("demo", "u").await;
    assert_eq!(viewer.sends_and_hears("demo", "나쁜말").await["retCode"], 422);
    assert_eq!(recent(&mut viewer).await, [(String::new(), "CBOTBLIND".to_owned())]);
}

/// A line that was looked at before a word was forbidden, and comes into the log behind that.
#[tokio::test]
async fn what_was_on_its_way_when_a_word_was_forbidden_is_judged_again() {
    let yard = Yard::new().await;
    let (mut staff, mut viewer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "u").await);
    for (measure, text, answer) in [("mask", "나쁜말", 0), ("refuse", "더나쁜말", 422)] {
        let words = json!([{"word": text, "measure": measure}]);
        let forbid = json!({"cmd": 4040, "cid": "demo", "tid": 9, "bdy": {"filter": {"words": words}}});
        // The act is appended first, and not applied before the line is looked at: nothing waits in between.
        staff.says(&forbid.to_string()).await;
        viewer.sends("demo", text).await;
        assert_eq!(staff.hears(14040).await["retCode"], 0);
        assert_eq!(viewer.hears(13101).await["retCode"], answer, "{text}");
    }
    assert_eq!(recent(&mut viewer).await, [("***".to_owned(), "NORMAL".to_owned())]);
}

/// Rules don't bind staff; whoever is none any more when their line arrives was judged by nothing.
#[tokio::test]
async fn a_role_that_was_lost_a_second_ago_lets_nobody_say_what_is_forbidden() {
    let yard = Yard::new().await;
    let mut streamer = joins(&yard, "streamer", Role::Streamer).await;
    forbids(&mut streamer, "나쁜말", "refuse").await;
    let mut staff = joins(&yard, "mod", Role::ChatManager).await;
    let role = json!({"cmd": 4020, "cid": "demo", "tid": 9, "bdy": {"userId": "mod", "userRoleCode": "common_user"}});
    streamer.says(&role.to_string()).await;
    staff.sends("demo", "나쁜말").await;
    assert_eq!(streamer.hears(14020).await["retCode"], 0);
    assert_eq!(staff.hears(13101).await["retCode"], 422);
}

#[tokio::test]
async fn a_retry_of_a_line_that_stands_is_answered_like_it_whatever_is_forbidden_since() {
    let yard = Yard::new().await;
    let (mut staff, mut viewer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "u").await);
    let first = viewer.sends_and_hears("demo", "나쁜말").await;
    forbids(&mut staff, "나쁜말", "refuse").await;
    viewer.says(&crate::support::yard::line("demo", "나쁜말", true).to_string()).await;
    let again = viewer.hears(13101).await;
    assert_eq!((&again["retCode"], &again["bdy"]), (&json!(0), &first["bdy"]));
}

/// A second session of whoever is shadowed comes back and misses nothing: else it would tell them.
#[tokio::test]
async fn what_only_its_author_sees_is_told_to_those_of_their_sessions_that_come_back() {
    let yard = Yard::new().await;
    let (mut staff, mut viewer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "u").await);
    forbids(&mut staff, "몰래", "shadow").await;
    let before = viewer.sends_and_hears("demo", "하나").await["bdy"]["seq"].as_u64().unwrap();
    viewer.sends_and_hears("demo", "몰래").await;
    let resume = json!({"ext": 1, "resume": {"epoch": yard.node.epoch().to_string(), "seq": before}});
    for (uid, missed) in [("u", vec!["몰래", "둘"]), ("other", vec!["둘"])] {
        let mut guest = yard.guest();
        guest.connect_ext("demo", Some(&yard.token(uid, Role::Viewer)), resume.clone()).await;
        if uid == "u" {
            viewer.sends_and_hears("demo", "둘").await;
        }
        assert_eq!(texts(&guest.hears_lines(missed.len()).await), missed, "{uid}");
    }
}

/// What is remembered of a send is forgotten with the first event after two minutes, and until then a retry seemed one.
#[tokio::test]
async fn a_retry_that_comes_too_late_is_judged_like_any_line() {
    let yard = Yard::new().await;
    let mut viewer = yard.writer("demo", "u").await;
    rules_site(&yard, "나쁜말", Measure::Mask, Role::SiteManager).await.unwrap();
    let retry = crate::support::yard::line("demo", "나쁜말", true).to_string();
    for _ in 0..2 {
        viewer.says(&retry).await;
        assert_eq!(viewer.hears(13101).await["retCode"], 0);
        yard.clock.advance(121_000);
    }
    let masked = ("***".to_owned(), "NORMAL".to_owned());
    assert_eq!(recent(&mut viewer).await, [masked.clone(), masked]);
}

/// A list that takes its time to compile keeps nobody from anything, and lines that wait for it keep their order.
#[tokio::test]
async fn lines_that_wait_for_a_long_list_keep_their_order() {
    let yard = Yard::new().await;
    let mut viewer = yard.writer("demo", "u").await;
    let channel = ChannelId::parse("demo").unwrap();
    let words: Vec<(String, Option<Measure>)> =
        (0..1_000).map(|number| (format!("word{number}"), Some(Measure::Mask))).collect();
    let wish = Wish::Filter(FilterChange { words, ..FilterChange::default() });
    yard.moderates(&channel, wish).await.unwrap();
    for number in 0..5 {
        viewer
            .says(
                &json!({"cmd": 3101, "cid": "demo", "tid": number, "bdy": {
                    "msg": format!("{number} word{number}"), "msgTypeCode": 1, "msgTime": number, "extras": "{}"
                }})
                .to_string(),
            )
            .await;
    }
    let lines = viewer.hears_lines(5).await;
    assert_eq!(texts(&lines), ["0 *****", "1 *****", "2 *****", "3 *****", "4 *****"]);
}

#[tokio::test]
async fn whoever_is_no_staff_has_no_pattern_looked_at() {
    let yard = Yard::new().await;
    let mut viewer = yard.writer("demo", "u").await;
    let filter = json!({"patterns": [{"pattern": "(((", "measure": "mask"}]});
    viewer.says(&json!({"cmd": 4040, "cid": "demo", "tid": 9, "bdy": {"filter": filter}}).to_string()).await;
    assert_eq!(viewer.hears(14040).await["retCode"], 403, "and not what is wrong with it");
}

#[tokio::test]
async fn a_retry_of_a_masked_line_is_no_second_one() {
    let yard = Yard::new().await;
    let (mut staff, mut viewer) = (joins(&yard, "mod", Role::ChatManager).await, yard.writer("demo", "u").await);
    forbids(&mut staff, "나쁜말", "mask").await;
    let first = viewer.sends_and_hears("demo", "나쁜말").await;
    forbids(&mut staff, "나쁜말", "off").await;
    viewer.says(&crate::support::yard::line("demo", "나쁜말", true).to_string()).await;
    assert_eq!(viewer.hears(13101).await["bdy"], first["bdy"], "the first is named, though it would pass unmasked now");
    assert_eq!(recent(&mut viewer).await.len(), 1);
}

#[tokio::test]
async fn there_is_room_for_so_many_words_and_no_more() {
    let yard = Yard::new().await;
    yard.writer("demo", "u").await;
    let channel = yard.node.channel(&ChannelId::parse("demo").unwrap()).await.unwrap().id;
    let words = |from: usize, count: usize| {
        let words = (from..from + count).map(|number| (format!("word{number}"), Some(Measure::Refuse))).collect();
        Wish::Filter(FilterChange { words, ..FilterChange::default() })
    };
    yard.moderates(&channel, words(0, MOST_WORDS)).await.unwrap();
    let refused = yard.moderates(&channel, words(MOST_WORDS, 1)).await;
    assert_eq!(refused, Err(StationError::Refused(Refusal::TooMany("blocked words"))));
    assert_eq!(yard.moderates(&channel, words(7, 1)).await, Ok(None), "one that is there already needs no room");
    let mut viewer = yard.writer("demo", "v").await;
    assert_eq!(viewer.sends_and_hears("demo", "so word9999 then").await["retCode"], 422);
    let none = FilterChange { no_words: true, ..FilterChange::default() };
    let done = yard.moderates(&channel, Wish::Filter(none)).await.unwrap().unwrap();
    assert_eq!(viewer.sends_and_hears("demo", "so word9999 then").await["retCode"], 0);
    yard.moderates(&channel, Wish::Undo(done.seq)).await.unwrap();
    assert_eq!(viewer.sends_and_hears("demo", "so word9999 then").await["retCode"], 422);
    assert!(done.seq > Seq(1));
}

/// Each looks at what there is before either has come into the log.
#[tokio::test]
async fn two_lists_of_the_site_that_come_at_once_have_room_for_one() {
    let yard = Yard::new().await;
    let words = |from: usize| {
        let numbers = from..from + MOST_WORDS / 2 + 1;
        numbers.map(|number| (format!("word{number}"), Some(Measure::Refuse))).collect::<Vec<_>>()
    };
    let adds = |from| adds_to_site(&yard, words(from), Role::SiteManager);
    let (one, other) = tokio::join!(adds(0), adds(MOST_WORDS));
    assert!(one.unwrap().is_some());
    assert_eq!(other, Err(StationError::Refused(Refusal::TooMany("blocked words"))));
    assert_eq!(yard.node.rules_of_site().rules.filter().words.len(), MOST_WORDS / 2 + 1);
}

#[test]
fn the_site_has_rules_over_http_and_of_its_own() {
    let data = tempdir().unwrap();
    let gateway = Gateway::dev(data.path());
    let mut writer = Raw::join(&gateway, "demo");
    let mut sends = |text: &str| {
        writer.text(&crate::support::yard::line("demo", text, false).to_string());
        writer.hears(13101)["retCode"].as_u64().unwrap()
    };
    let post = |path: &str, body: Value| gateway.site("POST", path, &body.to_string());
    assert_eq!(sends("나쁜말 하나"), 0);
    assert_eq!(sends("다른말 하나"), 0);

    let words = json!({"filter": {"words": [{"word": "나쁜말"}]}, "reason": "raid"});
    let (status, tried) = post("/v1/channels/demo/filter/try", json!({"filter": words["filter"], "minutes": 5}));
    assert_eq!((status, &tried["lines"], &tried["found"]["refuse"]), (200, &json!(2), &json!(1)), "{tried}");
    assert_eq!(tried["shown"][0]["text"], "나쁜말 하나");
    assert_eq!(sends("나쁜말 둘"), 0, "a trial changes nothing");
    assert_eq!(post("/v1/channels/demo/filter/try", json!({"minutes": 61})).0, 400);

    let (status, done) = post("/v1/channels/demo/filter", words.clone());
    assert_eq!(status, 200, "{done}");
    assert_eq!(sends("나쁜말 셋"), 422);
    let (_, filter) = gateway.site("GET", "/v1/channels/demo/filter", "");
    assert_eq!((&filter["words"], &filter["seq"]), (&json!(1), &done["seq"]), "{filter}");
    let (_, listed) = gateway.site("GET", "/v1/channels/demo/filter/words", "");
    assert_eq!((&listed["words"][0]["word"], &listed["words"][0]["measure"]), (&json!("나쁜말"), &json!("refuse")));
    let (_, acts) = gateway.site("GET", "/v1/channels/demo/acts", "");
    assert_eq!((&acts["acts"][0]["act"], &acts["acts"][0]["reason"]), (&json!("filter"), &json!("raid")), "{acts}");
    assert_eq!(acts["acts"][0]["filter"]["words"], json!([["나쁜말", "refuse"]]));
    let undo = format!("/v1/channels/demo/acts/{}/undo", done["seq"]);
    assert_eq!(post(&undo, json!({})).0, 200);
    assert_eq!(sends("나쁜말 넷"), 0);

    // The whole site's.
    let site = json!({"filter": {"words": [{"word": "다른말", "measure": "mask"}]}, "reason": "everywhere"});
    let (status, done) = post("/v1/filter", site);
    assert_eq!(status, 200, "{done}");
    assert_eq!(sends("다른말 둘"), 0);
    let (_, tried) = post("/v1/channels/demo/filter/try", json!({"minutes": 5}));
    assert_eq!(tried["found"]["mask"], 2, "what was sent, before it was masked: {tried}");
    let (_, acts) = gateway.site("GET", "/v1/acts", "");
    assert_eq!((&acts["acts"][0]["reason"], &acts["acts"][0]["seq"]), (&json!("everywhere"), &done["seq"]), "{acts}");
    assert_eq!(gateway.site("GET", "/v1/filter/words", "").1["words"][0]["word"], "다른말");
    let undo = format!("/v1/acts/{}/undo", done["seq"]);
    assert_eq!((post(&undo, json!({})).0, post(&undo, json!({})).0), (200, 409));
    assert_eq!(gateway.site("GET", "/v1/filter", "").1["words"], 0);
    for bad in [
        json!({"filter": {"words": [{"word": "ㅋ"}]}}),
        json!({"filter": {"wrods": []}}),
        json!({"filter": {"patterns": [{"pattern": "(a{1000}){1000}"}]}}),
        json!({}),
    ] {
        assert!([400, 422].contains(&post("/v1/filter", bad.clone()).0), "{bad}");
        assert!([400, 422].contains(&post("/v1/channels/demo/filter", bad.clone()).0), "{bad}");
    }
}

#[tokio::test]
async fn the_sites_rules_hold_on_every_machine_and_for_staff_too() {
    let log = Memory::new(Arc::default());
    let (one, two) =
        (Yard::over(Arc::new(log.clone()), open_yard()).await, Yard::over(Arc::new(log.clone()), open_yard()).await);
    rules_site(&one, "나쁜말", Measure::Refuse, Role::SiteManager).await.unwrap().unwrap();
    let mut here = joins(&one, "mod", Role::Streamer).await;
    assert_eq!(here.sends_and_hears("demo", "나쁜말").await["retCode"], 422);
    let pin = json!({"cmd": 4010, "cid": "demo", "tid": 9, "bdy": {"message": "나쁜말 하지 마세요"}});
    here.says(&pin.to_string()).await;
    assert_eq!(here.hears(14010).await["retCode"], 422, "nor may it be pinned");
    until(async || two.node.rules_of_site().rules.filter().words.len() == 1).await;
    let mut there = joins(&two, "v", Role::Viewer).await;
    assert_eq!(there.sends_and_hears("demo", "나쁜말").await["retCode"], 422);
    let refused = rules_site(&one, "나쁜말", Measure::Refuse, Role::Streamer).await;
    assert_eq!(refused, Err(StationError::Refused(Refusal::NotStaff)));
}
