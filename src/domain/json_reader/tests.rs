//! serde_json is the oracle: whatever is read or stepped over here it accepts, with the same value, and the other way round.

use std::borrow::Cow;

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::domain::run::Run;

/// What serde_json says of a text must be what is said here; numbers and deep nesting are left to it, so there may be nothing.
fn check(text: &str) {
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    let found = read::<IgnoredAny>(text).is_ok();
    assert!(is_json || !found, "stepped over what is not JSON: {text:?}");
    assert!(found || !is_json || is_deep(text), "not stepped over: {text:?}");
    let raw = read::<RawJson<'_>>(text).map(RawJson::text).ok();
    let expected = serde_json::from_str::<&RawValue>(text).map(RawValue::get).ok();
    assert!(raw == expected || raw.is_none() && is_deep(text), "{text:?}");
    if let Ok(value) = read::<Value>(text) {
        assert_eq!(serde_json::from_str::<Value>(text).ok(), Some(value), "{text:?}");
    }
    let show = |run: &Run<'_>| format!("{run:?}");
    if let Ok(run) = read::<Run<'_>>(text) {
        let expected = serde_json::from_str::<Run<'_>>(text).ok();
        assert_eq!(expected.as_ref().map(show), Some(show(&run)), "{text:?}");
    }
}

/// Whether so many brackets open that the nesting may be deeper than is stepped over.
fn is_deep(text: &str) -> bool {
    text.matches(['{', '[']).count() > MAX_DEPTH as usize
}

#[test]
fn texts_are_json_exactly_where_serde_json_says_so() {
    for text in [
        "",
        " ",
        "null",
        "nul",
        "nulll",
        "true",
        "tru",
        "false",
        "falsch",
        "True",
        "\u{feff}null",
        "null null",
        "null,",
        "[",
        "]",
        "{",
        "}",
        "[]",
        "[ ]",
        "[,]",
        "[1,]",
        "[1 2]",
        "[1,,2]",
        "[1}",
        "{}",
        "{ }",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1]",
        "{1:2}",
        "{null:2}",
        "{[]:2}",
        "{\"a\":1,2}",
        "[\"a\":1]",
        "{\"a\"\n:\r\t1 }",
        "\u{b}1",
        "1\u{a0}",
        "0",
        "-0",
        "00",
        "01",
        "-",
        "+1",
        "1.",
        ".1",
        "1.5",
        "-1.5e3",
        "1e",
        "1e+",
        "1e-7",
        "1E+07",
        "1e5.",
        "0x1",
        "1e999999",
        "NaN",
        "Infinity",
        "123456789012345678901234567890",
        "1/*x*/",
        "\"\"",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\",
        "'a'",
        "\"\n\"",
        "\"\t\"",
        "\"\u{0}\"",
        "\"\u{1f}\"",
        "\"\u{7f}\u{80}é😀\"",
        r#""\u0041""#,
        r#""\u004""#,
        r#""\u00g1""#,
        r#""\uD83D\uDE00""#,
        r#""\uD83D""#,
        r#""\uDE00""#,
        r#""\uD83D\u0041""#,
        r#""\a""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\N""#,
        r#"["\u00e9","a\\","\\\""]"#,
        r#"{"\u0061":[{"a":[[],{}]}]}"#,
    ] {
        check(text);
        for (before, after) in [
            ("[", "]"),
            ("{\"a\":", "}"),
            (" \n", "\r\t "),
            ("[null,", ",{\"\":[]}]"),
        ] {
            check(&format!("{before}{text}{after}"));
        }
    }
}

#[test]
fn strings_end_where_they_end_however_long_they_are() {
    for length in 0..70 {
        for position in 0..=length {
            for mark in [
                "", "\"", "\\\\", "\\\"", "\\", "\u{1}", "é", "\\u00e9", "\\ud800", "\u{1f}", " ",
            ] {
                let text = format!("\"{}{mark}{}\"", "a".repeat(position), "b".repeat(length - position));
                check(&text);
                check(&format!("{{{text}:{text}}}"));
            }
        }
    }
}

#[test]
fn nesting_is_stepped_over_without_recursion_or_left_alone() {
    let limit = MAX_DEPTH as usize;
    for (depth, expected) in [(1, true), (limit, true), (limit + 1, false), (1_000_000, false)] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[],\"b\":", "}]")] {
            let depth = depth / open.matches(['[', '{']).count().min(2);
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let is_expected = expected || open.len() > 10 && depth <= limit / 2;
            assert_eq!(read::<IgnoredAny>(&text).is_ok(), is_expected, "{depth} {open}");
        }
    }
    check(&format!("{}1{}", "[{\"a\":".repeat(32), "}]".repeat(32)));
    check(&format!("{}1{}", "[{\"a\":".repeat(32), "]}".repeat(32)));
}

#[test]
fn values_are_borrowed_where_the_text_has_no_escapes() {
    let texts: Vec<Cow<'_, str>> = read::<Vec<crate::domain::run::CowStr<'_>>>(r#"["plain","é","\u0061"]"#)
        .unwrap()
        .into_iter()
        .map(|text| text.0)
        .collect();
    assert!(matches!(texts.as_slice(), [Cow::Borrowed("plain"), Cow::Borrowed("é"), Cow::Owned(a)] if a == "a"));
}

#[test]
fn numbers_are_left_alone_where_somebody_asks_for_a_value() {
    assert_eq!(read::<Value>("[1]"), Err(LeftAlone));
    assert_eq!(read::<u64>("1"), Err(LeftAlone));
    assert_eq!(read::<RawJson<'_>>(" 1.50 ").map(RawJson::text), Ok("1.50"));
}

/// JSON with everything but numbers, as a value.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_text().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((any_text(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z\"\\\\\u{0}-\u{20}é]{0,40}",
        prop::sample::select(vec![
            "metadata",
            "annotations",
            "labels",
            "spec",
            "params",
            "name",
            "value",
            "status",
            "taskRunSpecs",
            "pipelineSpec",
            "tasks",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read(value in any_value()) {
        for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let found: Result<Value, LeftAlone> = read(&text);
            prop_assert_eq!(found.as_ref(), Ok(&value));
            check(&text);
        }
    }

    #[test]
    fn any_text_is_judged_as_serde_json_judges_it(text in any::<String>(), json_like in "[\\[\\]{}\",:\\\\u0-9a-fnrtlse.eE+\\- \n\u{0}-\u{3}é]{0,24}") {
        check(&text);
        check(&json_like);
    }

    /// A recorded Run with a piece missing or strange.
    #[test]
    fn a_damaged_run_is_read_as_serde_json_reads_it(
        start in 0_usize..6_000,
        length in 0_usize..8,
        instead in prop_oneof![Just(String::new()), "[\\[\\]{}\",:\\\\0-9tfn \u{0}é]{0,3}", any_text()],
    ) {
        let review = include_str!("../../../tests/reviews/pipelines-as-code.mutate.json");
        let run = &review[review.find(r#"{"apiVersion":"tekton.dev/v1""#).unwrap()..review.find(r#","oldObject""#).unwrap()];
        assert!(read::<Run<'_>>(run).is_ok());
        let start = start.min(run.len() - length);
        let damaged = format!("{}{instead}{}", &run[..start], &run[start + length..]);
        check(&damaged);
    }
}
