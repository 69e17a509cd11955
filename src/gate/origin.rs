//! Which pages may use the gateway: a browser tells the page's origin, and sends the site's cookies along.

use std::fmt;

/// One kind of origin that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Pages of the host under which the gateway itself is reached.
    Own,
    /// Pages of this machine, on any port.
    Localhost,
    /// Exactly this: `https://site.example`, or `null` for pages of files.
    Exactly(String),
    /// Every host below this one, with this scheme: `https://*.site.example`.
    Below {
        /// `https` or `http`
        scheme: String,
        /// What the host ends with.
        host: String,
    },
}

impl Origin {
    /// The origin that the settings name, or why they can't.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches('/').to_ascii_lowercase();
        match text.as_str() {
            "own" => return Ok(Self::Own),
            "localhost" => return Ok(Self::Localhost),
            "null" => return Ok(Self::Exactly(text)),
            _ => {}
        }
        let wanted = "an origin is 'own', 'localhost', 'null', https://host[:port] or https://*.host";
        let Some((scheme @ ("https" | "http"), host)) = text.split_once("://") else { return Err(wanted.to_owned()) };
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
            return Err(wanted.to_owned());
        }
        match host.strip_prefix("*.") {
            Some(below) if !below.is_empty() && !below.contains('*') => {
                Ok(Self::Below { scheme: scheme.to_owned(), host: below.to_owned() })
            }
            None if !host.contains('*') => Ok(Self::Exactly(text)),
            _ => Err(wanted.to_owned()),
        }
    }

    fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        let (scheme, theirs) = origin.split_once("://").unwrap_or_default();
        match self {
            Self::Own => !theirs.is_empty() && host.is_some_and(|own| own.eq_ignore_ascii_case(theirs)),
            Self::Localhost => matches!(without_port(theirs), "localhost" | "127.0.0.1" | "[::1]"),
            Self::Exactly(exact) => exact == origin,
            Self::Below { scheme: wanted, host } => {
                scheme == wanted && theirs.strip_suffix(host.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::Localhost => f.write_str("localhost"),
            Self::Exactly(exact) => f.write_str(exact),
            Self::Below { scheme, host } => write!(f, "{scheme}://*.{host}"),
        }
    }
}

/// Which origins are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins(pub Vec<Origin>);

impl Default for Origins {
    fn default() -> Self {
        Self(vec![Origin::Own])
    }
}

impl Origins {
    /// Whether a page of this origin may use the gateway that it knows as `host`. Programs that are no page have no
    /// origin, and pass.
    pub(super) fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let origin = origin.to_ascii_lowercase();
        self.0.iter().any(|allowed| allowed.allows(&origin, host))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &str, origin: &str, host: &str) -> bool {
        Origins(vec![Origin::parse(allowed).unwrap()]).allow(Some(origin), Some(host))
    }

    #[test]
    fn pages_pass_by_their_origin() {
        assert!(allows("own", "https://chat.site.example", "chat.site.example"));
        assert!(allows("own", "http://Chat.Site.example:8080", "chat.site.example:8080"));
        assert!(!allows("own", "https://evil.example", "chat.site.example"));
        assert!(!allows("own", "null", "chat.site.example") && !allows("own", "", ""));
        assert!(allows("localhost", "http://localhost:3000", "x") && allows("localhost", "http://[::1]:3000", "x"));
        assert!(!allows("localhost", "http://localhost.evil.example", "x"));
        assert!(allows("https://site.example", "https://site.example", "x"));
        assert!(!allows("https://site.example", "http://site.example", "x"));
        assert!(!allows("https://site.example", "https://site.example.evil.example", "x"));
        assert!(allows("https://*.site.example", "https://a.b.site.example", "x"));
        assert!(!allows("https://*.site.example", "https://evilsite.example", "x"));
        assert!(!allows("https://*.site.example", "https://site.example", "x"));
        assert!(allows("null", "null", "x"));
    }

    #[test]
    fn what_is_no_page_passes() {
        assert!(Origins(Vec::new()).allow(None, None));
        assert!(!Origins(Vec::new()).allow(Some("https://site.example"), None));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for bad in ["*", "site.example", "https://", "https://a/b", "https://*.*", "https://a.*.b", "ftp://a"] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
        for text in ["own", "localhost", "null", "https://a:8443", "https://*.a.example"] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), text);
        }
    }
}
