//! Whole schemas: the words of refusals, and what every refusal has in common.

mod definitions;
mod formats;

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
