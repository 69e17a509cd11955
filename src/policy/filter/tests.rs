//! What is found, what isn't, and what becomes of it.

use std::collections::BTreeMap;

use super::*;
use crate::model::filter::Entry;
use crate::model::time::Millis;

mod innocents;
mod tricks;

fn entry(measure: Measure) -> Entry {
    Entry { measure, number: 0, at: Millis(0), by: String::new() }
}

fn entries(texts: &[&str], measure: Measure) -> BTreeMap<String, Entry> {
    texts.iter().map(|text| ((*text).to_owned(), entry(measure))).collect()
}

fn words(words: &[&str]) -> Engine {
    Engine::new(&Filter { words: entries(words, Measure::Mask), ..Filter::default() })
}

fn patterns(patterns: &[&str]) -> Engine {
    Engine::new(&Filter { patterns: entries(patterns, Measure::Mask), ..Filter::default() })
}

fn links(hosts: &[&str]) -> Engine {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    Engine::new(&Filter { links: Some(Measure::Mask), hosts, ..Filter::default() })
}

fn extras(names: &[&str]) -> Extras {
    let emojis = names.iter().map(|name| ((*name).to_owned(), format!("https://site/{name}.png"))).collect();
    Extras { emojis, ..Extras::default() }
}

fn masked(engine: &Engine, text: &str) -> Option<String> {
    engine.judge(text, &extras(&["a", "b"])).and_then(|finding| finding.masked)
}

/// Fails with those texts in which something is found.
fn all_pass(engine: &Engine, texts: &[&str]) {
    let found: Vec<_> = texts.iter().filter_map(|text| masked(engine, text).map(|masked| (text, masked))).collect();
    assert_eq!(found, []);
}

/// Fails with those texts in which nothing is found.
fn all_found(engine: &Engine, texts: &[&str]) {
    let passed: Vec<_> = texts.iter().filter(|text| masked(engine, text).is_none()).collect();
    assert_eq!(passed, Vec::<&&str>::new());
}

fn rule(engine: &Engine, text: &str) -> Option<Rule> {
    engine.judge(text, &Extras::default()).map(|finding| finding.rule)
}

#[test]
fn an_engine_is_shared() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&words(&["시발"]));
}

#[test]
fn without_rules_nothing_is_found() {
    let engine = Engine::new(&Filter::default());
    assert!(engine.is_empty());
    assert_eq!(engine.judge("시발 fuck https://evil.com", &Extras::default()), None);
}

#[test]
fn the_worst_measure_decides_and_the_first_rule_of_it_is_named() {
    let mut filter = Filter { words: entries(&["바보", "멍청이"], Measure::Mask), ..Filter::default() };
    filter.words.insert("시발".to_owned(), entry(Measure::Refuse));
    filter.words.insert("개새끼".to_owned(), entry(Measure::Refuse));
    filter.patterns.insert("광고.*문의".to_owned(), entry(Measure::Blind));
    filter.links = Some(Measure::Shadow);
    let engine = Engine::new(&filter);
    let judged = |text| engine.judge(text, &Extras::default()).map(|finding| (finding.measure, finding.rule));
    assert_eq!(judged("멍청이 바보"), Some((Measure::Mask, Rule::Word("멍청이".to_owned()))));
    assert_eq!(judged("바보 광고는 문의"), Some((Measure::Blind, Rule::Pattern("광고.*문의".to_owned()))));
    assert_eq!(judged("광고 문의 evil.com"), Some((Measure::Shadow, Rule::Link("evil.com".to_owned()))));
    assert_eq!(judged("바보 시발 개새끼"), Some((Measure::Refuse, Rule::Word("시발".to_owned()))));
    let finding = engine.judge("바보 시발", &Extras::default()).unwrap();
    assert_eq!(finding.masked, None, "only masks have a masked text");
}

#[test]
fn each_character_of_what_was_found_is_an_asterisk() {
    let engine = words(&["시발", "ㅅㅂ", "fuck", "씹"]);
    for (text, expected) in [
        ("야 시발놈아", "야 **놈아"),
        ("시 발 진짜", "* * 진짜"),
        ("시.발", "***"),
        ("시1발", "***"),
        ("시밬ㅋㅋ 시발ㅋㅋ", "시밬ㅋㅋ **ㅋㅋ"),
        ("f u c k you", "* * * * you"),
        ("FUCK! fuck", "****! ****"),
        ("시{:a:}발", "*{:a:}*"),
        ("시\u{336}발\u{336}", "**"),
        ("🇫🇺🇨🇰", "**"),
        ("시시발발", "****"),
        ("시씹발", "***"),
    ] {
        assert_eq!(masked(&engine, text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_nests_too_deep_is_masked_altogether() {
    let engine = words(&["시발"]);
    assert_eq!(masked(&engine, "시 시 시발 발 발 안"), Some("* * ** * * 안".to_owned()));
    let text = format!("{}시발{} 안", "시 ".repeat(9), " 발".repeat(9));
    assert_eq!(masked(&engine, &text), Some(format!("{}**{} *", "* ".repeat(9), " *".repeat(9))));
}

#[test]
fn emojis_are_nothing_to_words_and_patterns() {
    let engine = words(&["fuck", "바보"]);
    assert_eq!(masked(&engine, "{:a:}바보{:a:}"), Some("{:a:}**{:a:}".to_owned()));
    let names = words(&["fuck", "a"]);
    assert_eq!(names.judge("{:fuck:}", &extras(&["fuck"])), None);
    assert!(names.judge("{:fuck:}", &extras(&["other"])).is_some(), "no emoji of the line's");
    assert_eq!(masked(&patterns(&["바보"]), "바{:a:}보"), Some("*{:a:}*".to_owned()));
    assert_eq!(masked(&patterns(&["a+"]), "{:a:}"), None);
}

#[test]
fn words_are_checked_and_trimmed() {
    assert_eq!(word("  시발 ").as_deref(), Ok("시발"));
    for fine in ["씹", "ㅅㅂ", "18", "fuck*", "*fuck*", "죽 어", "死", "a$$", "ㄲ2"] {
        assert!(word(fine).is_ok(), "{fine}");
    }
    for (wrong, reason) in [
        ("", "no letter"),
        (" .!* ", "no letter"),
        ("\u{3164}", "no letter"),
        ("ㅅ", "too short"),
        ("a", "too short"),
        ("*a*", "too short"),
        ("7", "too short"),
    ] {
        assert!(word(wrong).unwrap_err().contains(reason), "{wrong}");
    }
    assert!(word(&"가".repeat(50)).is_ok());
    assert!(word(&"가".repeat(51)).unwrap_err().contains("50"));
}

#[test]
fn patterns_are_checked() {
    for fine in [
        r"\w+@\w+",
        r"광고.{0,50}문의",
        r"\b(buy|sell)\s+now\b",
        r"0?1[016]-?\d{3,4}-?\d{4}",
        r"[가-힣]{2,10}카지노",
        "ㅋ{30,}",
    ] {
        assert_eq!(pattern(fine), Ok(()), "{fine}");
    }
    for (wrong, reason) in [
        ("a*", "nothing"),
        ("", "nothing"),
        ("x|", "nothing"),
        (r"\b", "nothing"),
        ("(a", "unclosed group"),
        (r"(a)\1", "backreferences"),
        ("(a{1000}){1000}", "too much"),
        ("((a{100}){100}){100}", "too much"),
        (r"(\w{40}x){30}", "too"),
    ] {
        let said = pattern(wrong).unwrap_err();
        assert!(said.contains(reason) && !said.contains('\n'), "{wrong}: {said}");
    }
    assert!(pattern(&"가".repeat(167)).unwrap_err().contains("500 bytes"));
}

#[test]
fn patterns_are_affordable_together() {
    let many = |count: usize| {
        let texts: Vec<String> = (0..count).map(|number| format!("광고{number}.{{0,40}}문의")).collect();
        let patterns = texts.into_iter().map(|text| (text, entry(Measure::Mask))).collect();
        Filter { patterns, ..Filter::default() }
    };
    assert_eq!(patterns_fit(&many(5)), Ok(()));
    assert!(patterns_fit(&many(200)).unwrap_err().contains("together"));
    // What was added all the same doesn't slow lines down.
    let engine = Engine::new(&many(200));
    assert!(rule(&engine, "광고0 문의").is_some());
}

#[test]
fn a_pattern_at_the_limits_takes_no_other_with_it() {
    let deep = format!("{}[ab]x{}", "(?:".repeat(45), "|y)+".repeat(45));
    assert_eq!(pattern("바보"), Ok(()));
    let engine = patterns(&[&deep, "바보", r"\b카지노\b", "(broken"]);
    assert_eq!(masked(&engine, "바보 카지노"), Some("** ***".to_owned()));
    assert_eq!(masked(&engine, "카지노장"), None);
}

#[test]
fn patterns_see_what_was_typed() {
    for (text, pattern, expected) in [
        ("ｆｒｅｅ money", "free", "**** money"),
        ("시\u{200b}발", "시발", "***"),
        ("\u{1109}\u{1175}\u{1107}\u{1161}\u{11af} 뭐", "시발", "** 뭐"),
        ("ㅅㅂ 뭐", "ㅅㅂ", "** 뭐"),
        ("ﾾﾾ", "ㅎㅎ", "**"),
        ("FREE", "free", "****"),
        ("010-1234-5678로", r"01\d-\d{4}-\d{4}", "*************로"),
        ("e\u{301}a", "éa", "**"),
    ] {
        assert_eq!(masked(&patterns(&[pattern]), text).as_deref(), Some(expected), "{text}");
    }
    assert_eq!(masked(&patterns(&["바보"]), "바 보"), None);
    let long = "ㅋ".repeat(600);
    assert_eq!(masked(&patterns(&["ㅋ"]), &long), Some("*".repeat(600)));
}

#[test]
fn links_are_found_however_they_are_written() {
    let engine = links(&[]);
    for (text, host) in [
        ("https://evil.com/a?b#c", "evil.com"),
        ("봐 evil.com", "evil.com"),
        ("evil.com에서 봐", "evil.com"),
        ("WWW.Evil.COM!", "evil.com"),
        ("ｅｖｉｌ．ｃｏｍ", "evil.com"),
        ("evil。com", "evil.com"),
        ("ev\u{200b}il.com", "evil.com"),
        ("http://1.2.3.4:80/x", "1.2.3.4"),
        ("http://user@evil.com:80", "evil.com"),
        ("discord.gg/abc", "discord.gg"),
        ("t.me/someone", "t.me"),
        ("한국.com", "한국.com"),
        ("(evil.co.kr)", "evil.co.kr"),
        ("youtu.be/xyz", "youtu.be"),
        ("evil.com/://", "evil.com"),
        ("@https://evil.com", "evil.com"),
        ("1https://evil.com/a", "evil.com"),
        ("//evil.com", "evil.com"),
        ("https:///evil.com", "evil.com"),
        ("http://[::1]/", "[::1]"),
        ("evil.live:443", "evil.live"),
        ("evil.live/", "evil.live"),
        ("evil.com~~ 오세요", "evil.com"),
        ("evil.com_", "evil.com"),
        (".evil.com", "evil.com"),
        ("evil.com..고고", "evil.com"),
        ("유튜브/evil.com", "evil.com"),
        ("https://evil.com~", "evil.com"),
        ("evil.com/a~b_c", "evil.com"),
    ] {
        assert_eq!(rule(&engine, text), Some(Rule::Link(host.to_owned())), "{text}");
    }
    assert_eq!(masked(&engine, "봐 evil.com에서"), Some("봐 ********에서".to_owned()));
}

#[test]
fn what_only_has_dots_is_no_link() {
    let engine = links(&[]);
    for text in [
        "했어요.그리고",
        "1.5",
        "ㅋㅋ.ㅋㅋ",
        "3.14배",
        "v1.2.3",
        "음...네",
        "네.넵",
        "오.마.이.갓",
        "10.10.10.10",
        "12:30",
        "ok.so what",
        "아.진짜",
        "a.b",
        "끝.",
        "사람1.사람2",
        "e.g.",
        "T.T",
        "ㅇ.ㅇ",
        "2024.05.06.",
        "no.thanks",
        "wait.what",
        "p.s",
        "1.영화 2.음악",
        "someone@naver.com",
        "사과.바나나",
        "main.rs",
        "Mr.Kim",
    ] {
        assert_eq!(rule(&engine, text), None, "{text}");
    }
}

#[test]
fn allowed_hosts_are_allowed_with_those_below() {
    let engine = links(&["naver.com", "youtu.be"]);
    for fine in [
        "naver.com",
        "https://cafe.naver.com/x",
        "www.naver.com",
        "NAVER.com에서",
        "youtu.be/abc",
        "https://naver.com/r?u=https://evil.com",
        "https://naver.com~",
        "https://naver.com,https://naver.com/x",
        "naver.com~ https://youtu.be/~a_b",
        "www.naver.com_",
    ] {
        assert_eq!(rule(&engine, fine), None, "{fine}");
    }
    for wrong in [
        "evilnaver.com",
        "naver.com.evil.com",
        "https://naver.com@evil.com/",
        "https://evil.com/naver.com",
        "evil.com/?u=https://naver.com",
        "naver.com/,https://evil.com",
        "https:\\\\evil.com",
    ] {
        assert!(rule(&engine, wrong).is_some(), "{wrong}");
    }
    assert_eq!(host("*.Naver.com").as_deref(), Ok("naver.com"));
    assert_eq!(host("www.naver.com ").as_deref(), Ok("naver.com"));
    for wrong in ["", "naver", "https://naver.com", "naver.com/x", "a b.com", ".com", "-a.com"] {
        assert!(host(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_apostrophe_hides_nothing_but_an_ending() {
    let engine = words(&["fuck", "shit", "hell", "were", "cant"]);
    all_found(&engine, &["fu'ck", "sh’it", "shi't", "f`uck", "he'l'l"]);
    all_pass(&engine, &["he'll be", "we're", "We’RE!", "I can't"]);
}

/// Letters that a way of reading leaves out were counted in a byte.
#[test]
fn three_hundred_letters_in_a_row_are_read() {
    let engine = words(&["시발", "fuck", "*shit*"]);
    for part in ["o", "1", "ж", "ㅋ", ".", "~", "人"] {
        let row = part.repeat(600);
        all_pass(&engine, &[&row]);
        all_found(&engine, &[&format!("{row} 시발 {row}"), &format!("{row} fuck {row}")]);
    }
}

#[test]
fn rows_are_cut() {
    let repeats = Some(Repeats { most: 3, measure: Measure::Mask });
    let engine = Engine::new(&Filter { repeats, ..Filter::default() });
    for (text, expected) in [
        ("ㅋㅋㅋㅋㅋ", Some("ㅋㅋㅋ**")),
        ("ㅋㅋㅋ", None),
        ("가가가 가가가", None),
        ("도배 도배 도배 도배 도배!", Some("도배 도배 도배 ** 도배!")),
        ("{:a:}{:a:}{:a:}{:a:}", Some("{:a:}{:a:}{:a:}*")),
        ("{:a:}{:a:}{:b:}{:a:}", None),
        ("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", Some("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧*")),
        ("ㅋ\u{200b}ㅋ\u{200b}ㅋ\u{200b}ㅋ", Some("ㅋ\u{200b}ㅋ\u{200b}ㅋ\u{200b}*")),
        ("a          b", None),
        ("*********", None),
        ("aaaab bbbb", Some("aaa*b bbb*")),
    ] {
        assert_eq!(masked(&engine, text).as_deref(), expected, "{text}");
    }
}

#[test]
fn heaps_of_marks_are_taken_away_and_marks_are_not() {
    let engine = Engine::new(&Filter { marks: Some(Measure::Mask), ..Filter::default() });
    assert_eq!(masked(&engine, "h\u{301}\u{302}\u{303}\u{304}\u{305}i"), Some("hi".to_owned()));
    for fine in ["Tiê\u{301}ng Việt", "ที่นี่", "مُحَمَّدٌ", "שָׁלוֹם", "क्षत्रिय कार्त्स्न्य", "1️⃣🇰🇷👩‍👩‍👧❤️🏴󠁧󠁢󠁥󠁮󠁧󠁿👍🏽", "བསྒྲུབས", "한글"]
    {
        assert_eq!(masked(&engine, fine), None, "{fine}");
    }
}

#[test]
fn turned_writing_is_turned_back() {
    let engine = Engine::new(&Filter { directions: Some(Measure::Mask), ..Filter::default() });
    assert_eq!(masked(&engine, "a\u{202e}cb\u{202c}d"), Some("acbd".to_owned()));
    assert_eq!(masked(&engine, "\u{2067}x\u{2069}"), Some("x".to_owned()));
    assert_eq!(masked(&engine, "a\u{200e}b\u{200f}שלום"), None);
}

/// A generator with a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn whatever_is_typed_is_judged_and_masked_text_has_no_word_left() {
    let parts = [
        "시",
        "발",
        "시발",
        "ㅅ",
        "ㅂ",
        "ㅣ",
        "f",
        "u",
        "c",
        "k",
        "fuck",
        " ",
        ".",
        "1",
        "l",
        "!",
        "$",
        "@",
        "^",
        "{:a:}",
        "{:",
        ":}",
        "ㅋ",
        "ㅋㅋ",
        "\u{200b}",
        "\u{301}",
        "\u{301}\u{301}\u{301}\u{301}\u{301}",
        "\u{202e}",
        "\u{1109}",
        "\u{1175}",
        "\u{11a8}",
        "㎏",
        "ﷺ",
        "が",
        "か\u{3099}",
        "👩‍👧",
        "🇫",
        "🆄",
        "evil.com",
        "。",
        "*",
        "A55",
        "씹",
        "밬",
        "x",
        "0",
        "İ",
        "ß",
        "\n",
        "\0",
        "क्ष",
        "\u{fe0f}",
        "\u{e0061}",
        "½",
        "㉮",
    ];
    let mut filter = Filter {
        words: entries(&["시발", "ㅅㅂ", "fuck", "*as*", "씹", "1x발", "18", "が"], Measure::Mask),
        ..Filter::default()
    };
    filter.patterns = entries(&["k.x", r"\w+@\w+"], Measure::Mask);
    (filter.links, filter.marks, filter.directions) = (Some(Measure::Mask), Some(Measure::Mask), Some(Measure::Mask));
    filter.repeats = Some(Repeats { most: 3, measure: Measure::Mask });
    let engine = Engine::new(&filter);
    let only_words = Engine::new(&Filter { words: filter.words, ..Filter::default() });
    let mut random = Random(7);
    let extras = extras(&["a"]);
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..random.below(24) {
            match random.below(8) {
                0 => text.extend(char::from_u32(random.below(0x11_0000) as u32)),
                1 => text.extend(char::from_u32(0x1100 + random.below(0x100) as u32)),
                _ => text.push_str(parts[random.below(parts.len())]),
            }
        }
        let finding = engine.judge(&text, &extras);
        assert_eq!(finding, engine.judge(&text, &extras));
        let Some(masked) = finding.and_then(|finding| finding.masked) else { continue };
        assert!(masked.len() <= text.len(), "{text:?} {masked:?}");
        assert_eq!(only_words.judge(&masked, &extras), None, "{text:?} {masked:?}");
    }
}
