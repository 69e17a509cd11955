//! What filters cost: how long a set of rules takes to compile, its memory, and a line's judgement.
//!
//!     cargo bench --bench filters
//!
//! Words are made up from syllables as Korean and English have them, lines are of 5 to 60 characters as chats have them.

#![expect(clippy::unwrap_used, reason = "a measurement that is wrong must stop")]

use std::hint::black_box;

use madang::clock::instant;
use madang::model::filter::{Entry, Filter, Measure, Repeats};
use madang::model::message::Extras;
use madang::model::time::Millis;
use madang::policy::filter::{Engine, pattern, patterns_fit};

const WORDS: usize = 10_000;
const PATTERNS: usize = 200;
const LINES: usize = 2_000;
const ROUNDS: usize = 10;

const SYLLABLES: &str = "가나다라마바사아자차카타파하고노도로모보소오조초거너더러머버서어저구누두루무부수우주기니디리미비시이지진산성정영강장한상인원경동신전학대회사람말일생각물집밥길";
const ENGLISH: &[&str] =
    &["ba", "ko", "ti", "ran", "shu", "mel", "dor", "vin", "pra", "sto", "gle", "nix", "cu", "fer"];
const CHATTER: &[&str] = &[
    "ㅋㅋㅋㅋㅋ",
    "안녕하세요",
    "오늘",
    "방송",
    "너무",
    "재밌어요",
    "형",
    "진짜",
    "ㅠㅠ",
    "와",
    "대박",
    "gg",
    "nice",
    "hello",
    "what",
    "{:d_1:}",
    "😀",
    "👍🏽",
    "다시",
    "한번만",
    "해주세요",
    "ㄹㅇ",
    "3시",
    "2024년",
    "lol",
    "ㅎㅎ",
    "이거",
    "뭐예요?",
    "저거",
    "맞죠!",
    "좋아요~",
    "시작했나요",
    "the",
    "game",
    "is",
    "good",
    "그래서",
    "어떻게",
    "되는건데요...",
    "❤️",
];

/// A generator with a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

fn main() {
    if std::env::args().all(|argument| argument != "--bench") {
        return;
    }
    let mut random = Random(1);
    let lines: Vec<String> = (0..LINES).map(|_| line(&mut random, 5, 60)).collect();
    let long: Vec<String> = (0..LINES / 10).map(|_| line(&mut random, 490, 500)).collect();
    let extras = Extras { emojis: vec![("d_1".to_owned(), "https://site/1.png".to_owned())], ..Extras::default() };

    judged("empty", &Engine::new(&Filter::default()), &lines, &extras);
    let words = Filter { words: words(&mut random), ..Filter::default() };
    let engine = compiled("10,000 words", &words);
    judged("10,000 words", &engine, &lines, &extras);
    let patterns = Filter { patterns: patterns(&mut random), ..Filter::default() };
    patterns_fit(&patterns).unwrap();
    let engine = compiled("200 patterns", &patterns);
    judged("200 patterns", &engine, &lines, &extras);
    let engine = compiled("links and shape", &everything(Filter::default()));
    judged("links and shape", &engine, &lines, &extras);
    let all = everything(Filter { patterns: patterns.patterns, ..words });
    let engine = compiled("all", &all);
    judged("all", &engine, &lines, &extras);
    judged("all, 500 characters", &engine, &long, &extras);
    hostile(&mut random, &extras);
}

fn entry(measure: Measure) -> Entry {
    Entry { measure, number: 0, at: Millis(0), by: String::new() }
}

fn everything(filter: Filter) -> Filter {
    let repeats = Some(Repeats { most: 10, measure: Measure::Mask });
    let (links, marks, directions) = (Some(Measure::Blind), Some(Measure::Mask), Some(Measure::Mask));
    Filter { links, repeats, marks, directions, ..filter }
}

fn everything_engine() -> Engine {
    Engine::new(&everything(Filter::default()))
}

/// A line of chatter; some have words of their own.
fn line(random: &mut Random, least: usize, most: usize) -> String {
    let wanted = least + random.below(most - least);
    let mut line = String::new();
    while line.chars().count() < wanted {
        if !line.is_empty() {
            line.push(' ');
        }
        if random.below(10) == 0 {
            line.push_str(&korean(random, 4));
        } else {
            line.push_str(random.of(CHATTER));
        }
    }
    line.chars().take(wanted).collect()
}

fn korean(random: &mut Random, syllables: usize) -> String {
    let all: Vec<char> = SYLLABLES.chars().collect();
    (0..syllables).map(|_| all[random.below(all.len())]).collect()
}

fn words(random: &mut Random) -> std::collections::BTreeMap<String, Entry> {
    let mut words = std::collections::BTreeMap::new();
    while words.len() < WORDS {
        let size = 2 + random.below(3);
        let word = if random.below(10) < 7 {
            korean(random, 1 + size)
        } else {
            (0..size).map(|_| random.of(ENGLISH)).collect()
        };
        words.insert(word, entry(Measure::Mask));
    }
    words
}

/// Patterns as moderators write them.
fn patterns(random: &mut Random) -> std::collections::BTreeMap<String, Entry> {
    let mut patterns = std::collections::BTreeMap::new();
    while patterns.len() < PATTERNS {
        let (one, other) = (korean(random, 2), korean(random, 2));
        let number = patterns.len();
        let text = match number % 8 {
            0 => format!("{one}\\s*{other}"),
            1 => format!("{one}(은|는|이|가)?{other}"),
            2 => format!("[{one}]{other}{{2,3}}"),
            3 => format!("{one}.?{other}"),
            4 => format!(r"\b{}{}\d+\b", random.of(ENGLISH), random.of(ENGLISH)),
            5 => format!("({one}|{other}|{}){{2}}", korean(random, 2)),
            6 => format!("^{one}.*{other}$"),
            _ => format!("{one}[0-9]{{3,4}}-?{number}"),
        };
        pattern(&text).unwrap();
        patterns.insert(text, entry(Measure::Mask));
    }
    patterns
}

fn compiled(name: &str, filter: &Filter) -> Engine {
    let before = resident();
    let begun = instant();
    let engine = Engine::new(filter);
    let took = begun.elapsed().as_secs_f64() * 1e3;
    let words = engine.word_bytes() / 1_024;
    println!("compile  {name}: {took:.1} ms, {:.0} KiB more of the process, words {words} KiB", resident() - before);
    engine
}

fn judged(name: &str, engine: &Engine, lines: &[String], extras: &Extras) {
    let mut best = vec![f64::MAX; lines.len()];
    let (mut sum, mut found) = (0.0, 0);
    for round in 0..=ROUNDS {
        for (line, best) in lines.iter().zip(&mut best) {
            let begun = instant();
            let finding = black_box(engine.judge(black_box(line), extras));
            let took = begun.elapsed().as_secs_f64() * 1e6;
            // The first round is for caches.
            if round > 0 {
                found += usize::from(finding.is_some());
                sum += took;
                *best = best.min(took);
            }
        }
    }
    let count = lines.len() * ROUNDS;
    let worst = best.iter().copied().fold(0.0, f64::max);
    println!(
        "judge    {name}: {:.2} µs a line, the worst line {worst:.2} µs, {:.0} % with a finding",
        sum / count as f64,
        found as f64 * 1e2 / count as f64
    );
}

/// As many accepted patterns and words as go, made to cost as much as they can, on lines of 2,000 bytes.
fn hostile(random: &mut Random, extras: &Extras) {
    // Different ones, so that what is known of one line is no help with the next.
    let mut lines = Vec::new();
    for _ in 0..100 {
        lines.push(drawn(random, &['a', 'b'], 'c', 1_900));
        lines.push(drawn(random, &['가', '나'], 'a', 650));
        lines.push(drawn(random, &['a', '가', 'b', '나'], ' ', 900));
    }
    for (name, make) in [
        (
            "states that explode",
            &(|number: usize| format!("(a|b)*a(a|b){{{}}}[c-z]{{2}}", 2 + number % 20)) as &dyn Fn(usize) -> String,
        ),
        ("counted classes", &|number: usize| format!("[ab]a[ab]{{{}}}[c-z]", number % 50)),
        ("counted classes of Hangul", &|number: usize| format!("가[가-힣]{{{}}}[a-z]", number % 50)),
        ("wide classes", &|number: usize| format!(r"a\w{{{}}}[^\w]", 1 + number % 10)),
        ("anything twice", &|number: usize| format!("a.*b.*[{number}]")),
        ("word boundaries", &|number: usize| format!(r"\b[a-z]\w*[{number}]|\b[ab]+\b|\b[가나]+\b")),
        ("each character", &|number: usize| format!("[a-y]|가|{number}x")),
        ("ends that are looked for", &|number: usize| format!("[ab].*[{number}]z|[ab가나]")),
        ("no end", &|number: usize| format!("[ab가나]{{1,10}}[{number}]?")),
    ] {
        let mut filter = Filter::default();
        for text in (100..100 + PATTERNS).map(make) {
            pattern(&text).unwrap();
            filter.patterns.insert(text.clone(), entry(Measure::Mask));
            if patterns_fit(&filter).is_err() {
                filter.patterns.remove(&text);
            }
        }
        let count = filter.patterns.len();
        let engine = compiled(&format!("hostile, {name}: {count} patterns"), &filter);
        judged(&format!("hostile, {name}"), &engine, &lines, extras);
    }
    let mut filter = Filter::default();
    for size in 2..=50 {
        filter.words.insert("가".repeat(size), entry(Measure::Mask));
        filter.words.insert(format!("*{}*", "a".repeat(size)), entry(Measure::Mask));
        filter.words.insert(format!("*{}", "a".repeat(size)), entry(Measure::Mask));
        filter.words.insert(format!("{}*", "a".repeat(size)), entry(Measure::Mask));
        filter.words.insert(format!("{}b*", "a".repeat(size)), entry(Measure::Mask));
    }
    lines.extend(["a".repeat(2_000), "a ".repeat(1_000), "가".repeat(666)]);
    judged("hostile words", &compiled("hostile words", &filter), &lines, extras);
    let parts = [
        "a.", ".", "://", "a:", "@a.", "http://", "a.com/", "www.", "co.kr ", "{:", "{:d_1:", "e\u{301}", "((",
        "a.b/(", "가.", "é.com",
    ];
    for part in parts {
        let lines = [part.repeat(2_000 / part.len())];
        judged(&format!("hostile row of {part:?}"), &everything_engine(), &lines, extras);
    }
}

/// So many characters, drawn from some, and now and then another.
fn drawn(random: &mut Random, from: &[char], rarely: char, count: usize) -> String {
    (0..count).map(|_| if random.below(40) == 0 { rarely } else { from[random.below(from.len())] }).collect()
}

/// KiB of this process.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
