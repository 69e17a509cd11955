//! Tricks that are seen through.

use super::*;

#[test]
fn hangul_is_found_through_tricks() {
    let engine = words(&["시발", "ㅅㅂ", "개새끼", "병신", "보지", "지랄", "죽 어", "미친 놈"]);
    all_found(
        &engine,
        &[
            "시발",
            "시발놈아",
            "야이시발",
            "시 발",
            "시  발",
            "시.발",
            "시~발놈",
            "시!발",
            "시/발",
            "시1발",
            "시x발놈",
            "시12발",
            "시😀발",
            "시{:a:}발",
            "ㅅㅣㅂㅏㄹ",
            "ㅅㅣ발",
            "시ㅂㅏㄹ",
            "시바ㄹ",
            "시ㅂ ㅏㄹ",
            "ㅅ ㅣ ㅂ ㅏ ㄹ",
            "시\u{200b}발",
            "시\u{ad}발",
            "시\u{3164}발",
            "시\u{fe0f}발",
            "시\u{202e}발",
            "시\u{336}발\u{336}",
            "\u{1109}\u{1175}\u{1107}\u{1161}\u{11af}",
            "ﾵￜﾲￂﾩ",
            "㉦ㅣ발",
            "ㅅㅂ",
            "ㅅ ㅂ",
            "ㅅ.ㅂ",
            "ㅅㅂㅋㅋㅋ",
            "ㅋㅋㅅㅂ",
            "ㅅ ㅂㅋㅋ",
            "아 ㅅㅂ 뭐야",
            "개 새 끼",
            "개새77l",
            "개ㅅH끼",
            "개새ㄲㅣ",
            "ㅅ1발",
            "Al발",
            "AI발",
            "^ㅣ발",
            "人ㅣ발",
            "병ㅅ1ㄴ",
            "병ㅅl신 병신",
            "보ㅈ1",
            "ㅂ0ㅈㅣ 보지",
            "지2랄",
            "지ㄹ랄 지랄",
            "지라2 지ㄹㅏㄹ",
            "죽어",
            "죽 어",
            "그냥 죽어라",
            "미친놈아",
            "미친 놈아",
            "시발ㅋㅋ",
            "시 발ㅋㅋㅋ",
            "(시 발)",
            "없는 시발점",
            "시\u{e47}\u{e47}발",
        ],
    );
    all_found(&words(&["시바"]), &["시밬ㅋㅋ", "시밬", "아 시밬ㅋㅋㅋ"]);
}

#[test]
fn latin_is_found_through_tricks() {
    let engine = words(&["fuck", "shit", "ass", "bitch", "faggot", "sex", "kill yourself"]);
    all_found(
        &engine,
        &[
            "fuck",
            "FUCK",
            "Fuck!",
            "fuck?",
            "@fuck",
            "f u c k",
            "f.u.c.k",
            "f-u-c-k",
            "fu ck",
            "f*uck",
            "fuck야",
            "아fuck",
            "fuck1",
            "sh1t",
            "sh!t",
            "$hit",
            "5h1t",
            "shlt",
            "shIt",
            "a$$",
            "@ss",
            "a s s",
            "a$s",
            "b1tch",
            "b!tch",
            "f4gg0t",
            "fa66ot",
            "s3x",
            "ｆｕｃｋ",
            "ⓕⓤⓒⓚ",
            "🅵🆄🅲🅺",
            "🇫🇺🇨🇰",
            "𝒻𝓊𝒸𝓀",
            "fúck",
            "f\u{336}u\u{336}c\u{336}k\u{336}",
            "ѕһіт",
            "fυck",
            "f\u{200b}u\u{200b}c\u{200b}k",
            "what the fuck is this",
            "fuck 시발",
            "kill yourself",
            "KILL  YOURSELF!",
            "killyourself",
            "ass는",
            "fuck{:a:}",
            "{:a:} fuck",
        ],
    );
}

#[test]
fn asterisks_open_words() {
    for (word, found, not) in [
        ("fuck*", &["fuck", "fucking", "fuckkk"][..], &["motherfuck", "xfuck"][..]),
        ("*fuck", &["fuck", "motherfuck"], &["fucking"]),
        ("*fuck*", &["fuck", "motherfucking", "afuckb"], &["fu-nny ck"]),
        ("fuck", &["fuck"], &["fucking", "motherfuck"]),
    ] {
        let engine = words(&[word]);
        for text in found {
            assert!(masked(&engine, text).is_some(), "{word} {text}");
        }
        for text in not {
            assert_eq!(masked(&engine, text), None, "{word} {text}");
        }
    }
}

#[test]
fn mixed_words_digits_and_other_scripts() {
    let engine = words(&["18놈", "x발", "18", "хуй", "死ね", "a55"]);
    for text in ["이 18놈아", "18 놈", "엑x발", "X발", "18", "18!", "хуй", "ХУЙ", "お前死ねよ", "a55"]
    {
        assert!(masked(&engine, text).is_some(), "{text}");
    }
    all_pass(&engine, &["2018놈", "2018", "1.8", "180", "1 8", "хуйня"]);
}

#[test]
fn words_that_fold_to_the_same_are_one_and_the_worse_decides() {
    let mut filter = Filter { words: entries(&["시발", "ass"], Measure::Mask), ..Filter::default() };
    filter.words.insert("시 발".to_owned(), entry(Measure::Refuse));
    filter.words.insert("a$$".to_owned(), entry(Measure::Blind));
    let engine = Engine::new(&filter);
    assert_eq!(rule(&engine, "시발"), Some(Rule::Word("시 발".to_owned())));
    assert_eq!(engine.judge("ass", &Extras::default()).unwrap().measure, Measure::Blind);
}
