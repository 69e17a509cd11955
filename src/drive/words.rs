//! What people say: texts like those of a chat, each from a number, and the mark that tells a line of this run.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// What is said, made up. Laughter comes by itself.
const PHRASES: [&str; 32] = [
    "안녕하세요",
    "오늘 방송 몇 시까지예요?",
    "와 진짜 잘한다",
    "이거 실화냐",
    "가자 가자 가자",
    "아까 그 장면 다시 보고 싶다",
    "노래 제목 뭐예요",
    "소리가 조금 작아요",
    "첫 방송부터 봤는데 감회가 새롭네",
    "점심 뭐 먹지",
    "저 오늘 생일이에요",
    "이번 판은 이길 듯",
    "졌잘싸",
    "마이크 확인 부탁드려요",
    "다들 어디서 보고 계세요",
    "너무 귀엽다",
    "한 판만 더",
    "이제 자러 갑니다 좋은 밤",
    "방금 들어왔는데 무슨 상황이에요",
    "화면이 끊겨요",
    "나만 그런 거 아니지",
    "박수",
    "대박",
    "오늘도 고생하셨습니다",
    "gg",
    "what just happened",
    "hello from Busan",
    "that was so close",
    "nice one",
    "can you play that again please",
    "first time here, love it",
    "good night everyone",
];

/// Emojis of the site, by name.
const EMOJIS: [&str; 4] = ["d_47", "d_12", "d_3", "wave"];

/// Where their pictures are.
const PICTURE: &str = "https://emoji.example/";

/// A text, and the emoji in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What is said, with the mark behind it.
    pub text: String,
    /// Its emoji's name and picture.
    pub emoji: Option<(&'static str, String)>,
}

/// What a line of this run says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which one of its channel.
    pub number: u32,
    /// When it was due, in microseconds of the run.
    pub due: u64,
}

/// The text that follows from `seed`: so many bytes, or as long as people write when 0. `run` and `mark` are told behind it.
pub fn write(seed: u64, bytes: usize, run: &str, mark: Mark) -> Words {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut text = String::with_capacity(64);
    if rng.random_bool(0.35) {
        let laugh = if rng.random_bool(0.8) { 'ㅋ' } else { 'ㅎ' };
        text.extend(std::iter::repeat_n(laugh, rng.random_range(2..24)));
    } else {
        text.push_str(PHRASES.choose(&mut rng).unwrap_or(&"gg"));
    }
    let emoji = rng.random_bool(0.2).then(|| EMOJIS.choose(&mut rng).copied().unwrap_or("wave"));
    if let Some(name) = emoji {
        text.push_str(&format!(" {{:{name}:}}"));
    }
    let told = format!(" ~{run}.{}.{}", base36(u64::from(mark.number)), base36(mark.due));
    if bytes > 0 {
        let room = bytes.saturating_sub(told.len());
        text.truncate(text.floor_char_boundary(room));
        text.extend(std::iter::repeat_n('x', room - text.len()));
    }
    text.push_str(&told);
    // A text that was cut may have lost it.
    let emoji = emoji.filter(|name| text.contains(&format!("{{:{name}:}}")));
    Words { text, emoji: emoji.map(|name| (name, format!("{PICTURE}{name}.png"))) }
}

/// The mark of a text of this run.
pub fn read(text: &str, run: &str) -> Option<Mark> {
    let (_, told) = text.rsplit_once('~')?;
    let mut parts = told.split('.');
    if parts.next()? != run {
        return None;
    }
    let number = u32::from_str_radix(parts.next()?, 36).ok()?;
    let due = u64::from_str_radix(parts.next()?, 36).ok()?;
    Some(Mark { number, due })
}

/// A number in as few letters as are easy to read.
pub fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { number: 123_456, due: 98_765_432_100 };

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for seed in 0..200 {
            let words = write(seed, 0, "r1", MARK);
            assert_eq!(read(&words.text, "r1"), Some(MARK), "{}", words.text);
            assert_eq!(read(&words.text, "r2"), None, "another run's");
            assert_eq!(words, write(seed, 0, "r1", MARK));
            assert!(words.text.chars().count() < 120);
        }
        assert_eq!(read("nothing ~ here", "r1"), None);
    }

    #[test]
    fn a_length_is_kept() {
        for (seed, bytes) in (0..50).flat_map(|seed| [(seed, 40), (seed, 300)]) {
            let words = write(seed, bytes, "r1", MARK);
            assert_eq!((words.text.len(), read(&words.text, "r1")), (bytes, Some(MARK)));
        }
    }

    #[test]
    fn numbers_are_written_in_base_36() {
        assert_eq!([0, 35, 36, 46_655].map(base36), ["0", "z", "10", "zzz"]);
    }
}
