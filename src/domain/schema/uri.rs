//! Addresses that something will be sent to: strict where URL parsers are lenient, and only to hosts that may be reached.
//!
//! Browsers, Go and curl repair bad URLs each in its own way. What one of them would repair is refused here, so that the
//! host that was checked is the host that is called.

use url::Host;

use super::{HostRule, UrlRules, hosts, placeholders};
use crate::domain::git_url::is_host_name;

/// Longest address that is read, in bytes.
pub(super) const MAX_BYTES: usize = 8192;

/// Longest host that is read, in bytes as written: a name holds 253 characters, and percent-encoding triples them.
const MAX_HOST_BYTES: usize = 1024;

/// What a schema asks of an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct UriTerms<'a> {
    /// Allowed schemes; an empty list means `https`, no list means any.
    pub(super) schemes: Option<&'a [String]>,
    pub(super) hosts: HostRule,
    pub(super) template: bool,
}

impl UriTerms<'_> {
    fn allows_scheme(&self, scheme: &str) -> bool {
        match self.schemes {
            None => true,
            Some([]) => scheme.eq_ignore_ascii_case("https"),
            Some(schemes) => schemes.iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed)),
        }
    }
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UriMistake {
    TooLong,
    Character(char),
    NoScheme,
    Slashes,
    Scheme(String),
    PlainHttp,
    PlaceholderInHost,
    UserName,
    Port,
    NoHost,
    Host(String),
    /// Another spelling of the host that follows it.
    HostSpelling {
        found: String,
        plain: String,
    },
    Internal {
        found: String,
        kind: &'static str,
    },
}

/// The first thing that is wrong with an address.
pub(super) fn mistake(value: &str, terms: UriTerms<'_>, urls: &UrlRules) -> Option<UriMistake> {
    judge(value, terms, urls).err()
}

fn judge(value: &str, terms: UriTerms<'_>, urls: &UrlRules) -> Result<(), UriMistake> {
    if value.len() > MAX_BYTES {
        return Err(UriMistake::TooLong);
    }
    if terms.template
        && placeholders::first(value).is_some_and(|found| end_of_authority(value).is_some_and(|end| found.start < end))
    {
        return Err(UriMistake::PlaceholderInHost);
    }
    let address = placeholders::replaced(value);
    if let Some(character) = address.chars().find(|character| is_out_of_place(*character)) {
        return Err(UriMistake::Character(character));
    }
    let (scheme, rest) = split_scheme(&address)?;
    if !terms.allows_scheme(scheme) {
        return Err(UriMistake::Scheme(scheme.to_owned()));
    }
    if scheme.eq_ignore_ascii_case("http") && !urls.allow_http {
        return Err(UriMistake::PlainHttp);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UriMistake::UserName);
    }
    judge_host(without_port(authority)?, terms.hosts, urls)
}

/// Scheme and what follows `://`; a third slash would be swallowed by some parsers and be an empty host to others.
fn split_scheme(address: &str) -> Result<(&str, &str), UriMistake> {
    let (scheme, rest) = address.split_once(':').ok_or(UriMistake::NoScheme)?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    match rest.strip_prefix("//") {
        Some(rest) if is_scheme && !rest.starts_with('/') => Ok((scheme, rest)),
        Some(_) if is_scheme => Err(UriMistake::Slashes),
        None if is_scheme && rest.starts_with('/') => Err(UriMistake::Slashes),
        _ => Err(UriMistake::NoScheme),
    }
}

/// `host:port` without its port; the colons of an IPv6 address stand before its closing bracket.
fn without_port(authority: &str) -> Result<&str, UriMistake> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
            if is_port { Ok(host) } else { Err(UriMistake::Port) }
        }
        _ => Ok(authority),
    }
}

fn judge_host(written: &str, rule: HostRule, urls: &UrlRules) -> Result<(), UriMistake> {
    if written.is_empty() {
        return Err(UriMistake::NoHost);
    }
    if written.len() > MAX_HOST_BYTES {
        return Err(UriMistake::Host(written.to_owned()));
    }
    let host = Host::parse(written).map_err(|_| UriMistake::Host(written.to_owned()))?;
    let plain = match &host {
        // Without brackets: that is how people write an address into a list.
        Host::Ipv6(address) => address.to_string(),
        other => other.to_string(),
    };
    let plain = plain.strip_suffix('.').unwrap_or(&plain);
    if rule == HostRule::Public
        && let Some(kind) = hosts::internal(&host)
        && !urls.allowed_hosts.iter().any(|allowed| allowed.matches(plain))
    {
        return Err(UriMistake::Internal {
            found: written.to_owned(),
            kind,
        });
    }
    match host {
        // All spellings of an IPv6 address are read alike.
        Host::Ipv6(_) => Ok(()),
        Host::Domain(_) if !is_host_name(plain) => Err(UriMistake::Host(written.to_owned())),
        // Decimal, octal and short IPv4, percent-encoding, full-width letters: each parser sees another host.
        _ if !written.strip_suffix('.').unwrap_or(written).eq_ignore_ascii_case(plain) => {
            Err(UriMistake::HostSpelling {
                found: written.to_owned(),
                plain: plain.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// White space is stripped by some parsers and encoded by others, a backslash is a slash to some.
fn is_out_of_place(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\\' | '"' | '<' | '>' | '`' | '{' | '}' | '|' | '^')
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Where scheme and host are over.
fn end_of_authority(value: &str) -> Option<usize> {
    let start = value.find("://")? + "://".len();
    let length = value.get(start..)?.find(['/', '?', '#']);
    Some(length.map_or(value.len(), |length| start + length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::pattern::Glob;

    fn rules(allowed_hosts: &[&str]) -> UrlRules {
        UrlRules {
            allow_http: true,
            allowed_hosts: allowed_hosts.iter().map(|glob| Glob::parse(glob).unwrap()).collect(),
        }
    }

    fn found(value: &str) -> Option<UriMistake> {
        let schemes = ["https".to_owned(), "http".to_owned()];
        let terms = UriTerms {
            schemes: Some(&schemes),
            hosts: HostRule::Public,
            template: true,
        };
        mistake(value, terms, &rules(&[]))
    }

    #[test]
    fn ordinary_addresses_pass() {
        for value in [
            "https://example.com",
            "HTTPS://Example.COM./",
            "http://example.com:8080/a/b?c=d&e=https://localhost/#f",
            "https://example.com?x",
            "https://example.com#x",
            "https://8.8.8.8/x",
            "https://[2606:4700::1111]:8443/x",
            "https://[2606:4700:0:0::1111]/x",
            "https://a_b.example.com/",
            "https://xn--bcher-kva.example/\u{fc}",
            "https://example.com/{{ .Namespace }}/$(context.name)?a={{b}}",
            "https://example.com/a%20b/@user:x",
        ] {
            assert_eq!(found(value), None, "{value}");
        }
    }

    #[test]
    fn internal_hosts_are_found_in_any_spelling() {
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "localhost:8080",
            "x.localhost",
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0X7F.1",
            "0177.0.0.1",
            "017700000001",
            "0177.0x0.0.1",
            "127.000.000.001",
            "0",
            "0.0.0.0",
            "0x0",
            "%31%32%37.0.0.1",
            "127%2e0%2e0%2e1",
            "%6cocalhost",
            "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
            "\u{2460}\u{2461}\u{2466}.0.0.1",
            "127\u{3002}0\u{3002}0\u{3002}1",
            "127\u{ff0e}0\u{ff0e}0\u{ff0e}1",
            "\u{ff4c}ocalhost",
            "loc\u{ad}alhost",
            "\u{24db}ocalhost",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[0000:0000:0000:0000:0000:0000:0000:0001]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::FFFF:7F00:1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "metadata.google.internal",
            "metadata.google.internal.",
            "metadata",
            "10.1.2.3",
            "10.66051",
            "172.16.0.1",
            "192.168.1.1",
            "192.11010305",
            "100.100.100.200",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "broker-ingress.knative-eventing",
            "tekton-pipelines-webhook.tekton-pipelines.svc",
            "127.0.0.1.nip.io",
        ] {
            let mistake = found(&format!("https://{host}/x"));
            assert!(
                matches!(mistake, Some(UriMistake::Internal { .. })),
                "{host}: {mistake:?}"
            );
        }
    }

    #[test]
    fn what_parsers_repair_is_refused() {
        let check = |value: &str, expected: UriMistake| assert_eq!(found(value), Some(expected), "{value:?}");
        check("https:/example.com", UriMistake::Slashes);
        check("https:///example.com", UriMistake::Slashes);
        check("https:example.com", UriMistake::NoScheme);
        check("//example.com", UriMistake::NoScheme);
        check("example.com/x", UriMistake::NoScheme);
        check("example.com:443/x", UriMistake::NoScheme);
        check("1https://example.com", UriMistake::NoScheme);
        check("", UriMistake::NoScheme);
        check("https://", UriMistake::NoHost);
        check("https://?x", UriMistake::NoHost);
        check("https://:443/", UriMistake::NoHost);
        check("https:\\\\example.com", UriMistake::Character('\\'));
        check("https://example.com\\@localhost/", UriMistake::Character('\\'));
        check("https://exa mple.com", UriMistake::Character(' '));
        check(" https://example.com", UriMistake::Character(' '));
        check("https://exam\tple.com", UriMistake::Character('\t'));
        check("https://example.com/\u{202e}", UriMistake::Character('\u{202e}'));
        check("https://jo@example.com", UriMistake::UserName);
        check("https://example.com@localhost", UriMistake::UserName);
        check("https://@localhost", UriMistake::UserName);
        check("https://example.com:", UriMistake::Port);
        check("https://example.com:65536", UriMistake::Port);
        check("https://example.com:+80", UriMistake::Port);
        check(
            "https://example.com:80:80",
            UriMistake::Host("example.com:80".to_owned()),
        );
        check(
            "https://[fe80::1%25eth0]/",
            UriMistake::Host("[fe80::1%25eth0]".to_owned()),
        );
        check("https://::1/", UriMistake::Host(":".to_owned()));
        check("https://a..b.example/", UriMistake::Host("a..b.example".to_owned()));
        check("https://256.1.1.1/", UriMistake::Host("256.1.1.1".to_owned()));
        check("ftp://example.com", UriMistake::Scheme("ftp".to_owned()));
        check(
            "javascript://example.com/%0aalert(1)",
            UriMistake::Scheme("javascript".to_owned()),
        );
        for (written, plain) in [
            ("134744072", "8.8.8.8"),
            ("8.8.2056", "8.8.8.8"),
            ("%65xample.com", "example.com"),
            ("\u{ff45}xample.com", "example.com"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ] {
            let expected = UriMistake::HostSpelling {
                found: written.to_owned(),
                plain: plain.to_owned(),
            };
            check(&format!("https://{written}/"), expected);
        }
        check(
            &format!("https://example.com/{}", "a".repeat(MAX_BYTES)),
            UriMistake::TooLong,
        );
    }

    #[test]
    fn placeholders_stay_out_of_scheme_and_host() {
        assert_eq!(found("$(params.url)"), Some(UriMistake::NoScheme));
        assert_eq!(found("example.com/$(x)"), Some(UriMistake::NoScheme));
        for value in [
            "{{ .Scheme }}://example.com/",
            "https://{{ .Host }}/x",
            "https://$(params.host)/",
            "https://example.com{{ .Suffix }}/x",
            "https://example.com:$(port)/x",
        ] {
            assert_eq!(found(value), Some(UriMistake::PlaceholderInHost), "{value}");
        }
        assert!(found("https://localhost/{{ .Name }}").is_some());
        assert!(found("https://$(example.com/x").is_some());
    }

    #[test]
    fn rules_open_what_they_name() {
        let check = |value: &str, hosts: HostRule, allowed: &[&str], passes: bool| {
            let schemes = ["http".to_owned(), "https".to_owned(), "amqp".to_owned()];
            let terms = UriTerms {
                schemes: Some(&schemes),
                hosts,
                template: false,
            };
            assert_eq!(
                mistake(value, terms, &rules(allowed)).is_none(),
                passes,
                "{value} {allowed:?}"
            );
        };
        check("http://broker.ns.svc/x", HostRule::Any, &[], true);
        check("http://localhost:8080", HostRule::Any, &[], true);
        check("http://0x7f.1/", HostRule::Any, &[], false);
        check(
            "http://hooks.corp.internal/x",
            HostRule::Public,
            &["*.corp.internal"],
            true,
        );
        check(
            "http://HOOKS.corp.internal./x",
            HostRule::Public,
            &["*.corp.internal"],
            true,
        );
        check(
            "http://hooks.corp.internal.evil/x",
            HostRule::Public,
            &["*.corp.internal"],
            true,
        );
        check("http://evil.internal/x", HostRule::Public, &["*.corp.internal"], false);
        check("http://10.1.2.3/x", HostRule::Public, &["10.1.2.3"], true);
        check("http://10.66051/x", HostRule::Public, &["10.1.2.3"], false);
        check("http://[fd00::1]/x", HostRule::Public, &["fd00::1"], true);
        check("amqp://127.1/x", HostRule::Public, &[], false);
        check("amqp://bucket/x", HostRule::Public, &[], false);
    }

    /// Every way in which people hide an IPv4 address.
    fn spellings(address: u32) -> Vec<String> {
        let [a, b, c, d] = address.to_be_bytes();
        let low_two = u32::from(c) << 8 | u32::from(d);
        let low_three = u32::from(b) << 16 | low_two;
        let full_width = |text: String| -> String {
            text.chars()
                .map(|character| match character {
                    '0'..='9' => char::from_u32(u32::from(character) + 0xfee0).unwrap(),
                    other => other,
                })
                .collect()
        };
        let percent = |text: String| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let dotted = format!("{a}.{b}.{c}.{d}");
        vec![
            format!("{dotted}."),
            format!("{address}"),
            format!("{address:#x}"),
            format!("0{address:o}"),
            format!("{a}.{low_three}"),
            format!("{a}.{b}.{low_two}"),
            format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
            format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
            format!("00{a:o}.{b}.{c:#x}.{d}"),
            full_width(dotted.clone()),
            percent(dotted.clone()),
            dotted.replace('.', "\u{3002}"),
            format!("[::ffff:{dotted}]"),
            format!("[::ffff:{a:x}{b:02x}:{c:x}{d:02x}]"),
            format!("[::{dotted}]"),
            format!("[64:ff9b::{dotted}]"),
            format!("[2002:{a:x}{b:02x}:{c:x}{d:02x}::1]"),
            dotted,
        ]
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_private_address_passes(
            base in prop::sample::select(vec![
                (0x7f00_0000_u32, 8_u32), (0x0a00_0000, 8), (0xac10_0000, 12), (0xc0a8_0000, 16), (0xa9fe_0000, 16), (0x6440_0000, 10),
            ]),
            rest in any::<u32>(),
            port in prop::option::of(any::<u16>()),
        ) {
            let (prefix, bits) = base;
            for host in spellings(prefix | (rest & (u32::MAX >> bits))) {
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                let value = format!("https://{host}{port}/x");
                let mistake = found(&value);
                prop_assert!(matches!(mistake, Some(UriMistake::Internal { .. })), "{} {:?}", value, mistake);
            }
        }

        #[test]
        fn any_text_is_judged(value in any::<String>(), host in r"[^/]{0,12}") {
            let _ = found(&value);
            let _ = found(&format!("https://{host}/"));
        }

        #[test]
        fn what_passes_is_the_host_that_the_url_standard_sees(
            value in r"(https|HTTP)://[a-zA-Z0-9.\[\]:%@_-]{1,20}(/[a-z@:.%]{0,5})?",
        ) {
            if found(&value).is_none() {
                let parsed = url::Url::parse(&value);
                prop_assert!(parsed.is_ok(), "{value}");
                let host = parsed.ok().and_then(|url| url.host().map(|host| host.to_owned()));
                prop_assert!(host.is_some_and(|host| hosts::internal(&host).is_none()), "{value}");
            }
        }
    }
}
