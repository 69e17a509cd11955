//! Addresses of pages.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use linkify::{LinkFinder, LinkKind};

/// Longest host in bytes.
const MOST_HOST_BYTES: usize = 253;

/// Longest part of a host between dots, in bytes.
const MOST_LABEL_BYTES: usize = 63;

/// Top-level domains that are English words, names or endings of files. `ok.so` is a sentence without a space, `main.rs` a
/// file, `t.me/someone` an address: hosts that end in these are links with a scheme, with www. or with a path.
const WORDS: &[&str] = &[
    "am", "as", "at", "be", "by", "do", "id", "im", "in", "is", "it", "me", "my", "no", "so", "to", "us", "you", "now",
    "live", "hot", "how", "cool", "fun", "one", "here", "what", "kim", "zip", "mov", "md", "rs", "py", "sh",
];

/// Checks a host whose pages may be named.
pub(super) fn tidy(text: &str) -> Result<String, String> {
    let lower = text.trim().to_lowercase();
    let host = lower.strip_prefix("*.").unwrap_or(&lower);
    let host = host.strip_prefix("www.").unwrap_or(host);
    if host.contains(['/', ':', '@']) {
        return Err("is more than a host: write naver.com, without https:// and without a path".to_owned());
    }
    if host.len() > MOST_HOST_BYTES {
        return Err(format!("is longer than {MOST_HOST_BYTES} bytes"));
    }
    if !host.contains('.') {
        return Err("has no dot: write naver.com".to_owned());
    }
    if !host.split('.').all(is_label) {
        return Err("is no host: write naver.com".to_owned());
    }
    Ok(host.to_owned())
}

fn is_label(label: &str) -> bool {
    (1..=MOST_LABEL_BYTES).contains(&label.len())
        && label.chars().all(|character| character.is_alphanumeric() || matches!(character, '-' | '_'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Tells of every page that isn't of an allowed host, with its host.
pub(super) fn search(text: &str, allowed: &BTreeSet<String>, mut hit: impl FnMut(Range<usize>, String)) {
    if !text.contains(['.', ':']) {
        return;
    }
    let mut tell = |at: usize, (host, length): (String, usize)| {
        if !is_allowed(&host, allowed) {
            hit(at..at + length, host);
        }
    };
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]).url_must_have_scheme(false);
    let mut whole = Vec::new();
    for link in finder.links(&apart(text)) {
        let scheme = scheme(link.as_str());
        if scheme.is_some() {
            whole.push(link.start()..link.end());
        }
        if let Some(found) = host(link.as_str(), scheme) {
            tell(link.start(), found);
        }
    }
    // Whatever a page or a browser may take for an address: `@https://…`, `1https://…`, `//…`, and what stands behind one
    // without a scheme, because many who make links of texts look for `https://` alone.
    for (at, _) in text.match_indices("//").filter(|(at, _)| !whole.iter().any(|link| link.contains(at))) {
        let scheme = usize::from(text[..at].ends_with(':'));
        let rest = &text[at - scheme..];
        let slashes = scheme + rest[scheme..].len() - rest[scheme..].trim_start_matches(['/', '\\']).len();
        let ends = |character: char| character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>' | '`');
        let length = rest[slashes..].find(ends).unwrap_or(rest.len() - slashes);
        if let Some(found) = host_from(&rest[..slashes + length], slashes, scheme > 0) {
            tell(at - scheme, found);
        }
    }
}

/// What may stand beside an address without a blank, as it is usually written, with blanks: `evil.com~~`, `.evil.com`. As
/// long as it was.
fn apart(text: &str) -> Cow<'_, str> {
    if !text.contains(['~', '_', '/']) && !text.contains("..") && !text.contains(" .") && !text.starts_with('.') {
        return Cow::Borrowed(text);
    }
    let mut parted = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    // What is behind the last blank, and whether that is in a path by now.
    let (mut before, mut has_dot, mut in_path) = (' ', false, false);
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        let is_lone_slash = character == '/' && before != '/' && next != '/' && before != ':';
        let parts = match character {
            '~' | '_' => !in_path,
            '.' => !in_path && (before == '.' || next == '.' || !before.is_alphanumeric()),
            '/' => is_lone_slash && !has_dot,
            _ => false,
        };
        in_path |= is_lone_slash && has_dot;
        let shown = if parts { ' ' } else { character };
        if shown.is_whitespace() {
            (has_dot, in_path) = (false, false);
        }
        has_dot |= shown == '.';
        parted.push(shown);
        before = character;
    }
    Cow::Owned(parted)
}

/// What ends a host, whatever comes behind it.
fn is_no_part_of_a_host(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '~' | ',' | ';' | '!' | '\'' | '"' | '(' | ')' | '*' | '|' | '<' | '>' | '…')
}

/// The host of an address, and where what is to be covered of it ends.
fn host(address: &str, scheme: Option<usize>) -> Option<(String, usize)> {
    host_from(address, scheme.unwrap_or(0), scheme.is_some())
}

/// The same, where what may be the host begins at a place.
fn host_from(address: &str, from: usize, has_scheme: bool) -> Option<(String, usize)> {
    let from = address.len() - address[from..].trim_start_matches(['/', '\\']).len();
    let length = address[from..].find(['/', '?', '#', '\\']).unwrap_or(address.len() - from);
    let authority = &address[from..from + length];
    let from = from + authority.rfind('@').map_or(0, |at| at + 1);
    let authority = &authority[authority.rfind('@').map_or(0, |at| at + 1)..];
    let authority = &authority[..authority.find(is_no_part_of_a_host).unwrap_or(authority.len())];
    if let Some(end) = authority.find(']').filter(|_| has_scheme && authority.starts_with('[')) {
        return Some((authority[..=end].to_owned(), address.len()));
    }
    let whole = authority.split(':').next().unwrap_or_default().trim_end_matches('.');
    let is_bare = address.len() == from + whole.len() && !starts_with_www(whole);
    let host = without_particle(whole);
    if host.is_empty() || !has_scheme && !is_public(host, is_bare) {
        return None;
    }
    // What Korean hangs on it stays to be read.
    let end = if host.len() < whole.len() { from + host.len() } else { address.len() };
    let lower = host.to_lowercase();
    Some((lower.strip_prefix("www.").map(str::to_owned).unwrap_or(lower), end))
}

/// Where the host may begin behind a scheme. What stands in a path is none: `evil.com/?to=https://naver.com`.
fn scheme(address: &str) -> Option<usize> {
    let end = address.find(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '+' | '-'))?;
    address[end..].starts_with("://").then_some(end + 3)
}

fn starts_with_www(host: &str) -> bool {
    host.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."))
}

/// A host without the particle that Korean hangs on it: `naver.com에서`.
fn without_particle(host: &str) -> &str {
    let last = host.rfind('.').map_or(0, |dot| dot + 1);
    let plain = host[last..].find(|character: char| !character.is_ascii()).unwrap_or(host.len() - last);
    if plain == 0 { host } else { &host[..last + plain] }
}

/// Whether a host ends in a top-level domain that there is, with something before it.
fn is_public(host: &str, is_bare: bool) -> bool {
    let lower = host.to_lowercase();
    let Some((before, top)) = lower.rsplit_once('.') else { return false };
    let is_known = psl::suffix(top.as_bytes()).is_some_and(|suffix| suffix.is_known());
    is_known && !(is_bare && WORDS.contains(&top)) && before.split('.').all(is_label)
}

/// Whether a host or one above it may be named.
fn is_allowed(host: &str, allowed: &BTreeSet<String>) -> bool {
    let mut rest = Some(host);
    while let Some(name) = rest {
        if allowed.contains(name) {
            return true;
        }
        rest = name.split_once('.').map(|(_, above)| above);
    }
    false
}
