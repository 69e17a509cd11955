//! Colours for those who have chosen none: guests.

use super::id::UserId;

/// A colour of nicknames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    /// Its name in profiles (facts, 2.5): one of those that published clients look up in the table of colours.
    pub code: &'static str,
    /// `#RRGGBB` on light backgrounds: a contrast of 5 and more on white (WCAG 2.2, 1.4.3 asks for 4.5).
    pub light: &'static str,
    /// `#RRGGBB` on dark backgrounds: a contrast of 7 and more on `#141517`.
    pub dark: &'static str,
    /// `#RRGGBB` where the background isn't known: a contrast of 4 and more on both.
    pub both: &'static str,
}

impl Color {
    const fn new(code: &'static str, light: &'static str, dark: &'static str, both: &'static str) -> Self {
        Self { code, light, dark, both }
    }

    /// The same for the same user in every build.
    pub fn of(user: &UserId) -> &'static Self {
        // FNV-1a: what stays the same from build to build, which none of the standard library's hashes promises.
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let hash = user.as_str().bytes().fold(0x811c_9dc5, step);
        &COLORS[hash as usize % COLORS.len()]
    }
}

/// Twenty hues at the same distance in OKLCH, each as light or as dark as its contrast asks for.
pub const COLORS: [Color; 20] = [
    Color::new("CC001", "#BB4761", "#F47B91", "#C45068"),
    Color::new("CC002", "#BC4A3F", "#F67E70", "#C55247"),
    Color::new("CC003", "#B7500F", "#F0844D", "#C1591D"),
    Color::new("CC004", "#A25F01", "#E48D27", "#AE6602"),
    Color::new("CC005", "#906800", "#CE9702", "#9A7007"),
    Color::new("CC006", "#7E6F01", "#B5A102", "#867706"),
    Color::new("CC007", "#687602", "#97AA27", "#6F7E03"),
    Color::new("CC008", "#3E7D0F", "#70B14D", "#46861D"),
    Color::new("CC009", "#048046", "#3BB66F", "#05894B"),
    Color::new("CC010", "#037E65", "#01B692", "#09876C"),
    Color::new("CC011", "#087C77", "#0DB3AC", "#008580"),
    Color::new("CC012", "#077A87", "#0EB1C3", "#0B8391"),
    Color::new("CC013", "#00789A", "#0EAEDD", "#0781A4"),
    Color::new("CC014", "#0474B5", "#39A8F5", "#067CC1"),
    Color::new("CC015", "#3D6CC7", "#6EA0FE", "#4575D0"),
    Color::new("CC016", "#6364C7", "#9297FF", "#6A6CD0"),
    Color::new("CC017", "#7F5CBE", "#B18EF6", "#8764C8"),
    Color::new("CC018", "#9654AF", "#CA86E5", "#9E5CB7"),
    Color::new("CC019", "#A74E99", "#DE80CD", "#B056A1"),
    Color::new("CC020", "#B4497E", "#ED7CB1", "#BD5186"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(color: &str) -> f64 {
        let part = |at: usize| f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |part: f64| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(part(1)) + 0.7152 * linear(part(3)) + 0.0722 * linear(part(5))
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn colors_can_be_read_on_dark_and_on_light() {
        assert!((contrast("#FFFFFF", "#000000") - 21.0).abs() < 0.01, "or contrast is counted wrongly");
        for Color { code, light, dark, both } in COLORS {
            assert!(contrast(light, "#FFFFFF") >= 5.0, "{code} on white");
            assert!(contrast(dark, "#141517") >= 7.0, "{code} on black");
            assert!(contrast(both, "#FFFFFF") >= 4.0 && contrast(both, "#141517") >= 4.0, "{code} on both");
        }
    }

    #[test]
    fn a_color_stays_with_its_user_and_all_are_used() {
        let user = |number: usize| UserId::parse(&format!("{number:032x}")).unwrap();
        // A published value of FNV-1a: 0xbf9cf968.
        assert_eq!(Color::of(&UserId::parse("foobar").unwrap()).code, "CC001");
        let mut used = BTreeMap::new();
        for number in 0..10_000 {
            *used.entry(Color::of(&user(number)).code).or_insert(0) += 1;
        }
        assert_eq!(used.len(), COLORS.len());
        assert!(used.values().all(|users| (350..650).contains(users)), "{used:?}");
    }
}
