//! Network addresses: what they are kept as, and what a chain of proxies says.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::id::AddressHash;

/// Hops of a chain of proxies that are looked at, from the nearest.
const MOST_HOPS: usize = 32;

/// Makes addresses unreadable.
pub(super) struct Hasher(Hmac<Sha256>);

impl Hasher {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The address as it is kept. One customer of a provider has a whole /64 of IPv6, so that counts as one.
    pub(super) fn hash(&self, address: IpAddr) -> AddressHash {
        let mut mac = self.0.clone();
        match address.to_canonical() {
            IpAddr::V4(address) => mac.update(&address.octets()),
            IpAddr::V6(address) => mac.update(&network(address)),
        }
        let (mut short, full) = ([0; 16], mac.finalize().into_bytes());
        short.copy_from_slice(&full[..16]);
        AddressHash(short)
    }
}

fn network(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

/// Who is behind a proxy we trust, by its X-Forwarded-For headers: the last hop that isn't such a proxy itself. What
/// stands before that hop anybody may have written.
pub(super) fn client<'a>(forwarded: impl Iterator<Item = &'a str>, trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let hops: Vec<&str> = forwarded.flat_map(|header| header.split(',')).collect();
    let mut nearest = None;
    for hop in hops.iter().rev().take(MOST_HOPS) {
        let Some(address) = parse(hop) else { break };
        nearest = Some(address);
        if !trusted(address) {
            break;
        }
    }
    nearest
}

/// With or without port and brackets: proxies write all of these.
fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_is_one_hash_and_an_ipv6_customer_is_one_address() {
        let (hasher, other) = (Hasher::new(b"key"), Hasher::new(b"another key"));
        assert_eq!(hasher.hash(ip("192.0.2.1")), hasher.hash(ip("::ffff:192.0.2.1")));
        assert_ne!(hasher.hash(ip("192.0.2.1")), hasher.hash(ip("192.0.2.2")));
        assert_ne!(
            hasher.hash(ip("192.0.2.1")),
            other.hash(ip("192.0.2.1")),
            "nobody without the key can try them all"
        );
        assert_eq!(hasher.hash(ip("2001:db8:1:2::1")), hasher.hash(ip("2001:db8:1:2:ffff::9")));
        assert_ne!(hasher.hash(ip("2001:db8:1:2::1")), hasher.hash(ip("2001:db8:1:3::1")));
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_of_ours_is_the_client() {
        let trusted = |address: IpAddr| address.to_string().starts_with("10.");
        let client = |headers: &[&str]| client(headers.iter().copied(), trusted).map(|address| address.to_string());
        assert_eq!(client(&["198.51.100.7"]).as_deref(), Some("198.51.100.7"));
        assert_eq!(client(&["6.6.6.6, 198.51.100.7, 10.0.0.2"]).as_deref(), Some("198.51.100.7"), "6.6.6.6 is made up");
        assert_eq!(client(&["6.6.6.6", "198.51.100.7"]).as_deref(), Some("198.51.100.7"), "two headers are one list");
        assert_eq!(client(&["10.0.0.9, 10.0.0.2"]).as_deref(), Some("10.0.0.9"));
        assert_eq!(client(&["nonsense, 10.0.0.2"]).as_deref(), Some("10.0.0.2"));
        assert_eq!(client(&["[2001:db8::1]:1234"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(client(&["198.51.100.7:80"]).as_deref(), Some("198.51.100.7"));
        assert_eq!(client(&["unknown"]), None);
        assert_eq!(client(&[]), None);
    }
}
