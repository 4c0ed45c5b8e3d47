//! Who may ask: programs of this machine and the page itself, but no other page that the browser shows.
//!
//! Any web page can make a browser send requests to loopback. Reading the answer takes the same origin, which a name that is made
//! to point at 127.0.0.1 would forge; so the name that was asked for must be one of loopback, and so must the page that asks.

use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};

/// Says where a request comes from; only browsers set it, and pages cannot.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names under which the page may be asked for.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    names: Vec<String>,
}

/// Why somebody is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TurnedAway {
    /// The status.
    pub(super) status: StatusCode,
    /// What to do, in one sentence.
    pub(super) reason: String,
}

impl Gate {
    /// The gate of a page on this port.
    pub(super) fn new(port: u16) -> Self {
        let hosts = ["127.0.0.1", "localhost", "[::1]"];
        let mut names: Vec<String> = hosts.iter().map(|host| format!("{host}:{port}")).collect();
        if port == 80 {
            // Browsers leave out the port that they take for granted.
            names.extend(hosts.map(str::to_owned));
        }
        Self { names }
    }

    /// Whether this request may pass.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), TurnedAway> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let is_ours = host.is_some_and(|host| self.knows(host)) && hosts.next().is_none();
        // A proxy's form of request names the host a second time.
        if !is_ours || uri.authority().is_some_and(|authority| !self.knows(authority.as_str())) {
            return Err(self.turn_away("Host", "through a tunnel, use the same port at both ends"));
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let is_foreign = |origin: &str| origin.strip_prefix("http://").is_none_or(|name| !self.knows(name));
        if origins.any(|origin| origin.to_str().is_ok_and(is_foreign) || origin.to_str().is_err()) {
            return Err(self.turn_away("Origin", "other pages may not ask"));
        }
        // A link on another page may lead here, but nothing of another page may read what is behind the page.
        let site = headers.get(FETCH_SITE).map(|site| site.as_bytes());
        let is_elsewhere = site.is_some_and(|site| site != b"same-origin" && site != b"none");
        if uri.path() != "/" && is_elsewhere {
            return Err(self.turn_away("Origin", "other pages may not ask"));
        }
        Ok(())
    }

    fn knows(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn turn_away(&self, header: &str, advice: &str) -> TurnedAway {
        let scheme = if header == "Origin" { "http://" } else { "" };
        let names: Vec<String> = self.names.iter().map(|name| format!("{scheme}{name}")).collect();
        TurnedAway {
            status: StatusCode::FORBIDDEN,
            reason: format!("expected the {header} to be {}: {advice}", names.join(" or ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a request with these headers passes.
    #[track_caller]
    fn check(path: &str, headers: &[(&'static str, &str)], expected: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header value"));
        }
        let passed = Gate::new(8484).check(&path.parse().expect("a path"), &map);
        assert_eq!(passed.is_ok(), expected, "{path} {headers:?}: {passed:?}");
    }

    #[test]
    fn only_names_of_loopback_with_the_own_port_pass() {
        check("/", &[("host", "127.0.0.1:8484")], true);
        check("/", &[("host", "localhost:8484")], true);
        check("/", &[("host", "LOCALHOST:8484")], true);
        check("/", &[("host", "[::1]:8484")], true);
        check("/", &[("host", "127.0.0.1")], false);
        check("/", &[("host", "127.0.0.1:80")], false);
        check("/", &[("host", "rebound.example.com:8484")], false);
        check("/", &[("host", "127.0.0.1.example.com:8484")], false);
        check("/", &[("host", "localhost.:8484")], false);
        check("/", &[], false);
        check("/", &[("host", "127.0.0.1:8484"), ("host", "evil.example.com")], false);
        check("http://evil.example.com/", &[("host", "127.0.0.1:8484")], false);
        check("http://localhost:8484/", &[("host", "127.0.0.1:8484")], true);
    }

    #[test]
    fn no_other_page_passes() {
        let host = ("host", "127.0.0.1:8484");
        check("/api/review", &[host, ("origin", "http://127.0.0.1:8484")], true);
        check("/api/review", &[host, ("origin", "http://localhost:8484")], true);
        check("/api/review", &[host, ("origin", "https://127.0.0.1:8484")], false);
        check("/api/review", &[host, ("origin", "http://127.0.0.1:3000")], false);
        check("/api/review", &[host, ("origin", "https://evil.example.com")], false);
        check("/api/review", &[host, ("origin", "null")], false);
        check("/api/start", &[host, ("sec-fetch-site", "same-origin")], true);
        check("/api/start", &[host, ("sec-fetch-site", "none")], true);
        check("/api/start", &[host, ("sec-fetch-site", "same-site")], false);
        check("/api/start", &[host, ("sec-fetch-site", "cross-site")], false);
        check("/page.js", &[host, ("sec-fetch-site", "cross-site")], false);
        // A link in a chat.
        check("/", &[host, ("sec-fetch-site", "cross-site")], true);
    }

    #[test]
    fn a_browser_leaves_out_the_port_that_it_takes_for_granted() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost".parse().expect("a header value"));
        assert_eq!(Gate::new(80).check(&Uri::from_static("/"), &headers), Ok(()));
    }
}
