//! The formats that need code; everything else is a pattern in the policy files.

use std::fmt;

use super::uri::{self, UriTerms};
use super::{HostRule, UrlRules, shapes};
use crate::domain::git_url::GitUrl;

/// The shape that a value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// An address to send something to: `https://example.com/path`.
    Uri,
    /// A full commit id: 40 or 64 hex digits.
    GitSha,
    /// A branch, a tag or a full ref.
    GitRef,
    /// The URL of a repository, in any spelling that Git takes.
    GitUrl,
    /// A whole number of 64 bits.
    Int64,
    /// `true` or `false`.
    Boolean,
    /// A time as RFC 3339 writes it.
    DateTime,
    /// One e-mail address.
    Email,
    /// E-mail addresses, separated by commas.
    EmailList,
    /// A host name without port.
    Hostname,
    /// One label of a DNS name, in lower case.
    DnsLabel,
    /// A JSON object.
    JsonObject,
    /// A JSON array.
    JsonArray,
    /// A Secret of the Run's namespace: `name`, or `name/key`.
    SecretRef,
}

impl Format {
    /// All formats, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Uri,
        Self::GitSha,
        Self::GitRef,
        Self::GitUrl,
        Self::Int64,
        Self::Boolean,
        Self::DateTime,
        Self::Email,
        Self::EmailList,
        Self::Hostname,
        Self::DnsLabel,
        Self::JsonObject,
        Self::JsonArray,
        Self::SecretRef,
    ];

    /// The format that policy files call by this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What policy files call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uri => "uri",
            Self::GitSha => "git-sha",
            Self::GitRef => "git-ref",
            Self::GitUrl => "git-url",
            Self::Int64 => "int64",
            Self::Boolean => "boolean",
            Self::DateTime => "date-time",
            Self::Email => "email",
            Self::EmailList => "email-list",
            Self::Hostname => "hostname",
            Self::DnsLabel => "dns-label",
            Self::JsonObject => "json-object",
            Self::JsonArray => "json-array",
            Self::SecretRef => "secret-ref",
        }
    }

    /// What a message says was expected.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Uri => "an address such as https://example.com/path",
            Self::GitSha => "40 or 64 hex digits",
            Self::GitRef => "a Git branch, tag or ref such as refs/heads/main",
            Self::GitUrl => "the URL of a Git repository such as https://github.com/tektoncd/pipeline",
            Self::Int64 => "a whole number",
            Self::Boolean => "true or false",
            Self::DateTime => "a time such as 2026-01-31T12:00:00Z",
            Self::Email => "an e-mail address",
            Self::EmailList => "e-mail addresses separated by commas",
            Self::Hostname => "a host name",
            Self::DnsLabel => "at most 63 lower-case letters, digits and inner hyphens",
            Self::JsonObject => "a JSON object",
            Self::JsonArray => "a JSON array",
            Self::SecretRef => "the name of a Secret, or name/key",
        }
    }

    /// Whether a value has this shape; nothing is said about where an address leads.
    pub fn accepts(self, value: &str) -> bool {
        match self {
            Self::Uri => {
                let any = UriTerms {
                    schemes: None,
                    hosts: HostRule::Any,
                    template: false,
                };
                uri::mistake(value, any, &UrlRules::default().for_definitions()).is_none()
            }
            Self::GitSha => shapes::git_sha(value),
            Self::GitRef => shapes::git_ref(value),
            Self::GitUrl => GitUrl::parse(value).is_ok(),
            Self::Int64 => shapes::int64(value).is_some(),
            Self::Boolean => matches!(value, "true" | "false"),
            Self::DateTime => shapes::date_time(value),
            Self::Email => shapes::email(value),
            Self::EmailList => shapes::email_list(value),
            Self::Hostname => shapes::hostname(value),
            Self::DnsLabel => shapes::dns_label(value),
            Self::JsonObject => shapes::json(value, '{').is_ok(),
            Self::JsonArray => shapes::json(value, '[').is_ok(),
            Self::SecretRef => shapes::secret_ref(value),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(format: Format, good: &[&str], bad: &[&str]) {
        for value in good {
            assert!(format.accepts(value), "{format} refuses {value:?}");
        }
        for value in bad {
            assert!(!format.accepts(value), "{format} accepts {value:?}");
        }
        assert!(!format.accepts(""), "{format} accepts nothing");
        assert!(!format.accepts("a\0b"), "{format} accepts a NUL");
    }

    #[test]
    fn names_lead_back_to_their_format() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.name()), Some(format));
        }
        assert_eq!(Format::from_name("URI"), None);
        assert_eq!(Format::from_name(""), None);
    }

    #[test]
    fn each_format_takes_its_own() {
        let sha = "4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e6";
        check(
            Format::GitSha,
            &[sha, &sha.to_uppercase(), &"a".repeat(64)],
            &[
                "main",
                "4d2f673",
                &sha[1..],
                &format!("{sha}0"),
                &format!("{sha} "),
                &"g".repeat(40),
            ],
        );
        check(
            Format::GitRef,
            &[
                "main",
                "feature/x",
                "refs/heads/main",
                "v1.2.3",
                "a@b",
                "\u{fc}ber",
                "HEAD",
            ],
            &[
                "@", "-x", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/", "a//b", ".a",
                "a/.b", "a.lock", "a.lock/b", "a.", "a@{1}",
            ],
        );
        check(
            Format::GitUrl,
            &["https://github.com/o/r", "git@github.com:o/r.git"],
            &["main", "/srv/git", "file:///srv/git"],
        );
        check(
            Format::Int64,
            &["0", "-1", "9223372036854775807", "-9223372036854775808"],
            &[
                "-",
                "+1",
                "1.0",
                "007",
                "-0",
                "1e3",
                " 1",
                "9223372036854775808",
                "\u{664}",
                "0x1",
            ],
        );
        check(Format::Boolean, &["true", "false"], &["True", "yes", "1", "true "]);
        check(
            Format::DateTime,
            &[
                "2026-01-31T12:00:00Z",
                "2026-01-31T12:00:00.123456789+02:00",
                "2024-02-29T23:59:59-23:59",
                "2000-02-29T00:00:00Z",
            ],
            &[
                "2026-01-31",
                "2026-01-31 12:00:00Z",
                "2026-01-31t12:00:00z",
                "2026-02-29T00:00:00Z",
                "1900-02-29T00:00:00Z",
                "2026-13-01T00:00:00Z",
                "2026-04-31T00:00:00Z",
                "2026-00-10T00:00:00Z",
                "2026-01-00T00:00:00Z",
                "2026-01-31T24:00:00Z",
                "2026-01-31T23:60:00Z",
                "2026-01-31T23:59:60Z",
                "2026-01-31T12:00:00",
                "2026-01-31T12:00Z",
                "2026-01-31T12:00:00.Z",
                "2026-01-31T12:00:00,1Z",
                "2026-01-31T12:00:00+2:00",
                "2026-01-31T12:00:00+02:00x",
                "+026-01-31T12:00:00Z",
                "2026-01-31T12:00:00+24:00",
                "2026-01-31T12:00:00.1234567890Z",
            ],
        );
        check(
            Format::Email,
            &["jo@example.com", "a.b+c@x-y.example"],
            &[
                "jo",
                "jo@",
                "@example.com",
                "jo@localhost",
                ".a@b.c",
                "a..b@c.de",
                "a@b@c.de",
                "a b@c.de",
                "Jo <jo@example.com>",
                "jo@-a.de",
            ],
        );
        check(
            Format::EmailList,
            &["jo@example.com", "a@b.de,c@d.de", "a@b.de, c@d.de"],
            &["a@b.de,", ",a@b.de", " a@b.de", "a@b.de;c@d.de", "a@b.de,  c@d.de"],
        );
        check(
            Format::Hostname,
            &["example.com", "GIT.example.com", "localhost", "10.0.0.1"],
            &[
                "example.com.",
                "a_b",
                "-a.de",
                "a-.de",
                "a..b",
                "example.com:443",
                "https://example.com",
                &"a".repeat(64),
                "b\u{fc}cher.de",
            ],
        );
        check(
            Format::DnsLabel,
            &["web", "web-1", "1"],
            &["Web", "web.1", "-web", "web-", "we_b", &"a".repeat(64)],
        );
        check(
            Format::JsonObject,
            &["{}", " {\"a\": [1, {\"b\": null}]}\n", "{\n\t\"a\": 1\n}"],
            &[
                "[]",
                "\"a\"",
                "1",
                "null",
                "{",
                "{}}",
                "{a: 1}",
                "{\"a\":1,}",
                "{'a':1}",
            ],
        );
        check(
            Format::SecretRef,
            &["slack", "slack.web/token", "slack/.dockerconfigjson", "a/A_b-c.d"],
            &[
                "Slack",
                "slack/",
                "/token",
                "slack/a/b",
                "slack/..",
                "slack/..a",
                "slack/.",
                "sl_ack",
                "-a",
                "a-",
                "a..b",
                "a-.b",
                "slack:token",
            ],
        );
        check(
            Format::Uri,
            &["https://example.com", "http://broker.ns.svc:80/x", "amqp://queue/x"],
            &["example.com", "https:/x", "mailto:jo@example.com", "https://jo@x.de"],
        );
    }

    #[test]
    fn deep_json_is_read_without_recursion() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Format::JsonObject.accepts(&deep));
        assert!(!Format::JsonObject.accepts(&"{\"a\":".repeat(100_000)));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_format_panic(value in any::<String>()) {
            for format in Format::ALL {
                let _ = format.accepts(&value);
            }
        }

        #[test]
        fn times_that_are_accepted_exist(
            value in "[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])",
        ) {
            let reference = value.parse::<jiff::Timestamp>();
            if Format::DateTime.accepts(&value) {
                prop_assert!(reference.is_ok(), "{value}: {reference:?}");
            }
        }
    }
}
