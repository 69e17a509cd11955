//! Addresses of pages.

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
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]).url_must_have_scheme(false);
    for link in finder.links(text) {
        if let Some((host, end)) = host(link.as_str()).filter(|(host, _)| !is_allowed(host, allowed)) {
            let end = end.map_or(link.end(), |end| link.start() + end);
            hit(link.start()..end, host);
        }
    }
}

/// The host of an address, and where the address ends if that is right behind it.
fn host(address: &str) -> Option<(String, Option<usize>)> {
    let scheme = address.find("://").map(|at| at + 3);
    let from = scheme.unwrap_or(0);
    let length = address[from..].find(['/', '?', '#', '\\']).unwrap_or(address.len() - from);
    let authority = &address[from..from + length];
    let from = from + authority.rfind('@').map_or(0, |at| at + 1);
    let authority = &authority[authority.rfind('@').map_or(0, |at| at + 1)..];
    let whole = authority.split(':').next().unwrap_or_default().trim_end_matches('.');
    let is_bare = address.len() <= from + authority.len() + 1 && !starts_with_www(whole);
    let host = without_particle(whole);
    let end = (host.len() < whole.len()).then_some(from + host.len());
    if scheme.is_none() && !is_public(host, is_bare) || host.is_empty() {
        return None;
    }
    let lower = host.to_lowercase();
    Some((lower.strip_prefix("www.").map(str::to_owned).unwrap_or(lower), end))
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
