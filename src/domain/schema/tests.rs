//! Whole schemas: the words of refusals, and what every refusal has in common.

use proptest::prelude::*;

use super::*;

fn of_format(format: Format) -> ValueSchema {
    ValueSchema {
        format: Some(format),
        ..ValueSchema::default()
    }
}

fn of_pattern(pattern: &str, message: Option<&str>) -> ValueSchema {
    ValueSchema {
        pattern: Some(Pattern::parse(pattern).unwrap()),
        pattern_message: message.map(str::to_owned),
        ..ValueSchema::default()
    }
}

/// Passes where `expected` is empty; else `message`, or `message -> suggestion`.
fn check(schema: &ValueSchema, value: &str, expected: &str) {
    let found = match schema.check(value, &UrlRules::default()) {
        Ok(()) => String::new(),
        Err(Violation {
            message,
            suggestion: Some(suggestion),
            ..
        }) => format!("{message} -> {suggestion}"),
        Err(violation) => violation.message,
    };
    assert_eq!(found, expected, "{value:?} against {schema:?}");
}

fn check_kind(schema: &ValueSchema, value: &str, expected: CauseKind) {
    let violation = schema.check(value, &UrlRules::default()).unwrap_err();
    assert_eq!(violation.kind, expected, "{violation:?}");
}

#[test]
fn a_commit_must_be_a_full_id() {
    let sha = of_format(Format::GitSha);
    check(&sha, "4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e6", "");
    check(&sha, "main", "expected 40 or 64 hex digits, found \"main\"");
    check(
        &sha,
        "4d2f673",
        "expected 40 or 64 hex digits, found only 7 of them: \"4d2f673\"",
    );
    check(&sha, "", "expected 40 or 64 hex digits, found an empty value");
    check(
        &sha,
        "4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e6\n",
        "expected one line without control characters, found a line break at character 41 of \
         \"4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e6\\n\" -> 4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e6",
    );
    check(
        &sha,
        "$(params.revision)",
        "expected 40 or 64 hex digits, found a placeholder that nothing has replaced: \"$(params.revision)\"",
    );
}

#[test]
fn enums_name_their_values_and_the_nearest() {
    let schema = ValueSchema {
        enum_values: ["queued", "in_progress", "completed"].map(str::to_owned).to_vec(),
        ..ValueSchema::default()
    };
    check(&schema, "completed", "");
    let expected = "expected \"queued\", \"in_progress\" or \"completed\", found";
    check(&schema, "complete", &format!("{expected} \"complete\" -> completed"));
    check(
        &schema,
        "IN-PROGRESS",
        &format!("{expected} \"IN-PROGRESS\" -> in_progress"),
    );
    check(&schema, "red", &format!("{expected} \"red\""));
    check_kind(&schema, "red", CauseKind::NotSupported);
    let long = ValueSchema {
        enum_values: (0..14).map(|number| format!("v{number}")).collect(),
        ..ValueSchema::default()
    };
    let listed = (0..12)
        .map(|number| format!("\"v{number}\""))
        .collect::<Vec<_>>()
        .join(", ");
    check(
        &long,
        "other",
        &format!("expected one of {listed} and 2 more, found \"other\""),
    );
}

#[test]
fn patterns_speak_the_words_of_their_author() {
    let owner = of_pattern("[A-Za-z0-9](?:-?[A-Za-z0-9_])*-?", Some("a `GitHub` account name."));
    check(&owner, "tektoncd", "");
    check(&owner, "a--b", "expected a 'GitHub' account name, found \"a--b\"");
    let plain = of_pattern("[a-z]+", None);
    check(
        &plain,
        "Web",
        "expected a value that matches [a-z]+, found \"Web\" -> web",
    );
    check(
        &plain,
        "\"web\"",
        "expected a value that matches [a-z]+, found \"\\\"web\\\"\" -> web",
    );
}

#[test]
fn lengths_count_characters() {
    let schema = ValueSchema {
        min_length: Some(2),
        max_length: Some(4),
        ..ValueSchema::default()
    };
    check(&schema, "\u{e4}\u{f6}", "");
    check(&schema, "\u{1f680}\u{1f680}\u{1f680}\u{1f680}", "");
    check(&schema, "\u{e4}", "expected at least 2 characters, found 1: \"\u{e4}\"");
    check(&schema, "", "expected at least 2 characters, found an empty value");
    check(&schema, "abcde", "expected at most 4 characters, found 5: \"abcde\"");
    check(
        &schema,
        "abcd ",
        "expected at most 4 characters, found 5: \"abcd \" -> abcd",
    );
    check_kind(&schema, "abcde", CauseKind::TooLong);
}

#[test]
fn numbers_stay_within_their_limits() {
    let schema = ValueSchema {
        minimum: Some(1),
        maximum: Some(10),
        ..of_format(Format::Int64)
    };
    check(&schema, "10", "");
    check(&schema, "0", "expected a number of at least 1, found \"0\"");
    check(&schema, "11", "expected a number of at most 10, found \"11\"");
    check(&schema, "#7", "expected a whole number, found \"#7\" -> 7");
    check(&schema, "+007", "expected a whole number, found \"+007\" -> 7");
    check(&schema, "ten", "expected a whole number, found \"ten\"");
    check(
        &schema,
        "9223372036854775808",
        "expected a whole number of 64 bits, found \"9223372036854775808\"",
    );
}

#[test]
fn addresses_lead_where_they_may() {
    let url = of_format(Format::Uri);
    check(&url, "https://example.com/x", "");
    check(
        &url,
        "example.com/x",
        "expected an address that begins with https://, found \"example.com/x\" -> https://example.com/x",
    );
    check(
        &url,
        "http://example.com",
        "expected an address of scheme https, found scheme \"http\" -> https://example.com",
    );
    check(
        &url,
        "https:/example.com",
        "expected two slashes before the host of the address, found \"https:/example.com\" -> https://example.com",
    );
    let internal = "which Settings urls.allowedHosts does not allow";
    check(
        &url,
        "https://127.1/x",
        &format!("expected a public host, found \"127.1\", a loopback address, {internal}"),
    );
    check(
        &url,
        "https://broker.ns.svc/x",
        &format!("expected a public host, found \"broker.ns.svc\", a name inside the cluster, {internal}"),
    );
    check(
        &url,
        "https://b\u{fc}cher.example/x",
        "expected the host in its plain spelling \"xn--bcher-kva.example\", found \"b\u{fc}cher.example\" -> https://xn--bcher-kva.example/x",
    );
    check(
        &url,
        "https://example.com/a b",
        "expected an address without white space, backslashes, quotes and brackets, found a space in \
         \"https://example.com/a b\" -> https://example.com/a%20b",
    );
    check(
        &url,
        "https://example.com/$(params.id)",
        "expected an address such as https://example.com/path, found a placeholder that nothing has replaced: \"$(params.id)\"",
    );
    check_kind(&url, "https://localhost", CauseKind::Forbidden);
    check_kind(&url, "ftp://example.com", CauseKind::NotSupported);
    let plain = ValueSchema {
        schemes: vec!["http".to_owned(), "https".to_owned()],
        hosts: HostRule::Any,
        ..url
    };
    check(
        &plain,
        "http://broker.ns.svc",
        "expected an https address, found http, which Settings urls.allowHttp does not allow -> https://broker.ns.svc",
    );
    assert!(plain.accepts("http://broker.ns.svc", &UrlRules::default().for_definitions()));
}

#[test]
fn templates_leave_the_rest_to_be_judged() {
    let url = ValueSchema {
        template: true,
        ..of_format(Format::Uri)
    };
    check(&url, "https://example.com/{{ .Name }}", "");
    check(
        &url,
        "https://{{ .Host }}/x",
        "expected placeholders only behind the host of an address, found one before it in \"https://{{ .Host }}/x\"",
    );
    let number = ValueSchema {
        template: true,
        minimum: Some(5),
        ..of_format(Format::Int64)
    };
    check(&number, "$(context.id)", "");
    check(&number, "four", "expected a whole number, found \"four\"");
    let name = ValueSchema {
        template: true,
        max_length: Some(20),
        ..of_pattern("tekton/.*", None)
    };
    check(&name, "tekton/{{ .Name }}", "");
    check(
        &name,
        "{{ .Name }}",
        "expected a value that matches tekton/.*, found \"{{ .Name }}\"",
    );
}

#[test]
fn other_formats_say_what_they_want() {
    check(
        &of_format(Format::Boolean),
        "Yes",
        "expected true or false, found \"Yes\" -> true",
    );
    check(
        &of_format(Format::Boolean),
        "maybe",
        "expected true or false, found \"maybe\"",
    );
    check(
        &of_format(Format::GitUrl),
        "github.com/o/r",
        "expected the URL of a Git repository such as https://github.com/tektoncd/pipeline, found \"github.com/o/r\", \
         which has neither a scheme such as https:// nor the form git@host:owner/repo -> https://github.com/o/r",
    );
    check(
        &of_format(Format::GitUrl),
        "tektoncd/pipeline",
        "expected the URL of a Git repository such as https://github.com/tektoncd/pipeline, found \"tektoncd/pipeline\", \
         which has neither a scheme such as https:// nor the form git@host:owner/repo",
    );
    check(
        &of_format(Format::GitUrl),
        "file:///srv/git",
        "expected the URL of a Git repository such as https://github.com/tektoncd/pipeline, found \"file:///srv/git\", \
         whose scheme is none of https, http, ssh and git",
    );
    check(
        &of_format(Format::DateTime),
        "2026-01-31 12:00:00",
        "expected a time such as 2026-01-31T12:00:00Z, found \"2026-01-31 12:00:00\" -> 2026-01-31T12:00:00Z",
    );
    check(
        &of_format(Format::Email),
        "Jo <jo@example.com>",
        "expected an e-mail address, found \"Jo <jo@example.com>\" -> jo@example.com",
    );
    check(
        &of_format(Format::EmailList),
        "a@b.de; c@d.de",
        "expected e-mail addresses separated by commas, found \"a@b.de; c@d.de\" -> a@b.de,c@d.de",
    );
    check(
        &of_format(Format::Hostname),
        "https://git.example.com/o/r",
        "expected a host name, found \"https://git.example.com/o/r\" -> git.example.com",
    );
    check(
        &of_format(Format::DnsLabel),
        "Web_1",
        "expected at most 63 lower-case letters, digits and inner hyphens, found \"Web_1\" -> web-1",
    );
    check(
        &of_format(Format::SecretRef),
        "Slack/Token",
        "expected the name of a Secret, or name/key, found \"Slack/Token\" -> slack/Token",
    );
    check(&of_format(Format::JsonObject), "{\n  \"a\": 1\n}", "");
    check(
        &of_format(Format::JsonObject),
        "[1]",
        "expected a JSON object, found \"[1]\"",
    );
    check(
        &of_format(Format::JsonObject),
        "{\"a\":",
        "expected a JSON object, found one that ends too early: \"{\\\"a\\\":\"",
    );
    check(
        &of_format(Format::JsonObject),
        "{a: 1}",
        "expected a JSON object, found no JSON at line 1, column 2 of \"{a: 1}\"",
    );
    check(
        &of_format(Format::JsonObject),
        "{\u{1}}",
        "expected one line without control characters, found U+0001 at character 2 of \"{\\u{1}}\"",
    );
    let git = ValueSchema {
        schemes: vec!["https".to_owned()],
        ..of_format(Format::GitUrl)
    };
    check(
        &git,
        "git@github.com:o/r",
        "expected an address of scheme https, found scheme \"ssh\"",
    );
}

#[test]
fn a_credential_is_refused_by_every_schema_and_never_repeated() {
    let advice =
        "store it in a Secret and name the Secret, since annotations are copied to Pods, results and provenance";
    let values = [
        ("https://user:hunter2@example.com/x", "hunter2", "a password in a URL"),
        (
            "https://hooks.slack.com/services/T00/B00/hunter2",
            "hunter2",
            "a Slack webhook URL",
        ),
        ("use ghp_hunter2hunter2hunter2 here", "hunter2", "a GitHub token"),
    ];
    let mut schemas: Vec<ValueSchema> = Format::ALL.map(of_format).to_vec();
    schemas.push(ValueSchema::default());
    schemas.push(of_pattern("x", None));
    for (value, secret, what) in values {
        for schema in &schemas {
            check(
                schema,
                value,
                &format!("expected no credential, found {what}; {advice}"),
            );
            check_kind(schema, value, CauseKind::Forbidden);
            // Broken spellings are no credentials any more, but whoever mends them has one.
            for broken in [
                format!("{value}\n"),
                value.replace("://", ":/\u{a0}/"),
                value.replace("hunter2", "hunt\ner2"),
                value.replace(':', "%3A"),
            ] {
                if let Err(violation) = schema.check(&broken, &UrlRules::default()) {
                    let text = format!("{violation:?}");
                    assert!(!text.contains(secret) && !text.contains("er2"), "{text}");
                }
            }
        }
    }
}

#[test]
fn definitions_are_checked_as_well() {
    let check = |schema: ValueSchema, expected: &[&str]| {
        let found: Vec<String> = schema
            .check_definition(&UrlRules::default())
            .into_iter()
            .map(|mistake| match mistake.index {
                Some(index) => format!("{}[{index}]: {}", mistake.term, mistake.message),
                None => format!("{}: {}", mistake.term, mistake.message),
            })
            .collect();
        assert_eq!(found, expected);
    };
    check(ValueSchema::default(), &[]);
    check(
        ValueSchema {
            min_length: Some(3),
            max_length: Some(2),
            minimum: Some(2),
            maximum: Some(1),
            pattern_message: Some("x".to_owned()),
            schemes: vec!["HTTPS".to_owned()],
            hosts: HostRule::Any,
            ..ValueSchema::default()
        },
        &[
            "minLength: expected at most maxLength, which is 2, found 3",
            "minimum: expected at most maximum, which is 1, found 2",
            "minimum: expected format int64 beside minimum, found no format",
            "maximum: expected format int64 beside maximum, found no format",
            "patternMessage: expected a pattern that it describes, found none",
            "schemes: expected format uri or git-url beside schemes, found no format",
            "hosts: expected format uri beside hosts, found no format",
            "schemes[0]: expected a scheme in lower case such as https, found \"HTTPS\"",
        ],
    );
    check(
        ValueSchema {
            enum_values: vec!["1".to_owned(), "two".to_owned(), "1".to_owned()],
            ..of_format(Format::Int64)
        },
        &[
            "enum[1]: expected a whole number, found \"two\"",
            "enum[2]: expected each value once, found \"1\" again",
        ],
    );
    check(
        ValueSchema {
            schemes: vec!["http".to_owned()],
            enum_values: vec!["http://example.com".to_owned()],
            ..of_format(Format::Uri)
        },
        &[],
    );
}

#[test]
fn good_values_of_common_schemas_cost_no_allocation() {
    let urls = UrlRules::default();
    let cases = [
        (of_format(Format::GitSha), "4d2f673c600a0f08c3f6737bc3f5c6a6a15d62e6"),
        (of_format(Format::GitRef), "refs/heads/main"),
        (
            ValueSchema {
                minimum: Some(1),
                ..of_format(Format::Int64)
            },
            "12345",
        ),
        (
            ValueSchema {
                max_length: Some(39),
                ..of_pattern("[A-Za-z0-9](?:-?[A-Za-z0-9_])*-?", None)
            },
            "tektoncd",
        ),
        (
            ValueSchema {
                template: true,
                max_length: Some(255),
                ..ValueSchema::default()
            },
            "tekton/{{ .Name }}",
        ),
    ];
    for (schema, value) in cases {
        // The first match fills the cache of the regular expression.
        assert!(schema.accepts(value, &urls));
        let counted = allocation_counter::measure(|| assert!(schema.check(value, &urls).is_ok()));
        assert_eq!(counted.count_total, 0, "{schema:?}");
    }
}

#[test]
fn ten_thousand_patterns_fit_into_memory() {
    let texts = [
        "[A-Za-z0-9](?:-?[A-Za-z0-9_])*-?",
        "[A-Za-z0-9._-]+",
        r"#?[\w-]{1,80}",
        r"[A-Z][A-Z0-9_]+-[1-9]\d*",
    ];
    for text in texts {
        let mut pattern = None;
        let counted = allocation_counter::measure(|| {
            let compiled = Pattern::parse(text).unwrap();
            compiled.is_match("web-ABC-1");
            pattern = Some(compiled);
        });
        let kept = counted.bytes_current;
        assert!(kept < 64 * 1024, "{text} keeps {kept} bytes");
    }
}

fn any_schema() -> impl Strategy<Value = ValueSchema> {
    let format = prop::option::of(prop::sample::select(Format::ALL.to_vec()));
    let pattern = prop::option::of(prop::sample::select(vec!["[a-z]+", r"\d*", ".*x.*"]));
    let values = prop::sample::select(vec![vec![], vec!["true", "main", "https://example.com"]]);
    (
        format,
        pattern,
        values,
        prop::option::of(0_usize..9),
        prop::option::of(0_usize..99),
        any::<bool>(),
    )
        .prop_map(
            |(format, pattern, values, min_length, max_length, template)| ValueSchema {
                format,
                pattern: pattern.map(|text| Pattern::parse(text).unwrap()),
                enum_values: values.into_iter().map(str::to_owned).collect(),
                min_length,
                max_length,
                template,
                ..ValueSchema::default()
            },
        )
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r"(http|HTTPS|ftp|)(://|:/|:)([a-z]{1,3}(:[a-z]{0,2})?@)?[a-z0-9.\[\]:%-]{0,12}(/[ -~]{0,9})?",
        "[ -~]{0,20}",
        "[0-9A-Za-z:+. #-]{0,25}",
        r"[\x00-\x20a-z$(){}]{0,12}",
    ]
}

proptest! {
    #[test]
    fn every_refusal_is_one_plain_line_and_every_suggestion_passes(schema in any_schema(), value in any_value()) {
        let urls = UrlRules::default();
        match schema.check(&value, &urls) {
            Ok(()) => prop_assert!(schema.accepts(&value, &urls)),
            Err(violation) => {
                let plain = !violation.message.contains('`')
                    && !violation.message.contains(char::is_control)
                    && !violation.message.ends_with('.')
                    && violation.message.starts_with("expected ");
                prop_assert!(plain, "{:?}", violation);
                if let Some(suggestion) = violation.suggestion {
                    prop_assert!(schema.accepts(&suggestion, &urls), "{suggestion:?} for {value:?}");
                    prop_assert!(suggestion != value);
                }
            }
        }
        let _ = schema.check_definition(&urls);
    }

    #[test]
    fn no_refusal_repeats_a_password(schema in any_schema(), before in "[a-z ]{0,5}", after in any_value()) {
        let value = format!("{before}https://jo:hunter2hunter2@example.com/{after}");
        let violation = schema.check(&value, &UrlRules::default()).unwrap_err();
        let text = format!("{violation:?}");
        prop_assert!(!text.contains("hunter2"), "{text}");
    }
}
