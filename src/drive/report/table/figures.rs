//! Numbers in the form people read them.

/// A count with its thousands apart: `1,234,567`.
pub fn count(value: u64) -> String {
    apart(&value.to_string())
}

/// A number to three digits or so, with its thousands apart: `0.412`, `3.21`, `48.6`, `1,204`.
pub fn short(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size == 0.0 || size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", apart(whole)),
        None => apart(&text),
    }
}

/// Milliseconds with their unit, seconds from 10,000 ms on.
pub fn millis(value: f64) -> String {
    if value.abs() < 10_000.0 { format!("{} ms", short(value)) } else { format!("{} s", short(value / 1_000.0)) }
}

/// Microseconds with their unit.
pub fn micros(value: f64) -> String {
    format!("{} µs", short(value))
}

/// A size in the largest unit that leaves a whole part: `38.2 MiB`.
pub fn size(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1_024.0 {
            return format!("{} {unit}", short(value));
        }
        value /= 1_024.0;
    }
    format!("{} TiB", short(value))
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{} %", trimmed(format!("{:.1}", share * 100.0)))
}

/// Seconds with their unit, from ten minutes on in minutes, from ten hours on in hours.
pub fn seconds(value: f64) -> String {
    match value {
        _ if value < 600.0 => format!("{} s", trimmed(format!("{value:.1}"))),
        _ if value < 36_000.0 => format!("{} min", trimmed(format!("{:.1}", value / 60.0))),
        _ => format!("{} h", trimmed(format!("{:.1}", value / 3_600.0))),
    }
}

/// Text from outside on one line: a control character would move a terminal's cursor, or end a cell.
pub fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Two words for one count, the right one: `1 check`, `12 checks`.
pub fn of(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

fn trimmed(text: String) -> String {
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn apart(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    // What isn't a number, such as `NaN` and `inf`, has no thousands.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{sign}{digits}");
    }
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(short(-1_234.4), "-1,234");
    }

    #[test]
    fn a_number_keeps_the_digits_that_say_something() {
        let shown = [0.0, 0.0412, 0.412, 0.9996, 3.214, 9.996, 48.64, 99.96, 612.3, 1_204.0].map(short);
        assert_eq!(shown, ["0", "0.041", "0.412", "1.00", "3.21", "10.0", "48.6", "100", "612", "1,204"]);
        assert_eq!(short(f64::INFINITY), "inf");
    }

    #[test]
    fn units_grow_with_the_number() {
        assert_eq!([12.34, 9_999.0, 12_340.0].map(millis), ["12.3 ms", "9,999 ms", "12.3 s"]);
        assert_eq!([512.0, 1_536.0, 40.0 * 1_048_576.0].map(size), ["512 B", "1.50 KiB", "40.0 MiB"]);
        assert_eq!([41.25, 120.0, 600.0, 36_000.0].map(seconds), ["41.2 s", "120 s", "10 min", "10 h"]);
        assert_eq!([0.5, 0.9999, 0.123].map(percent), ["50 %", "100 %", "12.3 %"]);
    }

    #[test]
    fn a_control_character_is_not_passed_on() {
        assert_eq!(plain("a\x1b[31mb\nc"), "a [31mb c");
    }
}
