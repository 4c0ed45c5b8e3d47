//! What paths lead to, and what is wrong with those that are none.

use serde_json::value::RawValue;

use super::*;

fn document(json: &str) -> Document<'_> {
    Document::new(serde_json::from_str::<&RawValue>(json).expect("JSON"))
}

const RUN: &str = r#"{
    "metadata": {"name": "build-1", "annotations": {"a.b/c": "1", "d": ""}, "labels": {"app": "web"}},
    "spec": {
        "params": [
            {"name": "revision", "value": "main"},
            {"name": "list", "value": ["a"]},
            {"name": "twice", "value": "1"},
            {"name": "twice", "value": "2"}
        ],
        "timeout": 1.0, "retries": 1e3, "huge": 12345678901234567890123, "on": true, "off": false, "none": null,
        "tasks": [{"name": "one", "retries": 0}, {"name": "two"}, {"name": "three", "retries": 2}]
    }
}"#;

#[test]
fn a_path_as_a_value() {
    fn check(path: &str, expected: Lookup<'_>) {
        assert_eq!(
            Path::parse(path).expect(path).lookup(&document(RUN)),
            expected,
            "{path}"
        );
    }
    use Lookup::{Absent, Mistyped, Text};
    check("$.metadata.name", Text("build-1"));
    check("$.metadata.annotations['a.b/c']", Text("1"));
    check("$.metadata.annotations.d", Text(""));
    check("$.metadata.namespace", Absent);
    check("$.spec.params[?@.name=='revision'].value", Text("main"));
    check("$.spec.params[?@.name=='list'].value", Mistyped(Shape::List));
    check("$.spec.params[?@.name=='twice'].value", Mistyped(Shape::Values(2)));
    check("$.spec.params[?@.name=='other'].value", Absent);
    check("$.spec.timeout", Text("1.0"));
    check("$.spec.retries", Text("1e3"));
    check("$.spec.huge", Text("12345678901234567890123"));
    check("$.spec.on", Text("true"));
    check("$.spec.off", Text("false"));
    check("$.spec.none", Mistyped(Shape::Null));
    check("$.spec", Mistyped(Shape::Object));
    check("$", Mistyped(Shape::Object));
    check("$.spec.tasks[*].name", Mistyped(Shape::Values(3)));
    check("$.spec.tasks[-1].name", Text("three"));
    check("$.spec.tasks[1:2].name", Text("two"));
    check("$.spec.tasks[::-2]['name','retries']", Mistyped(Shape::Values(4)));
    check("$.spec.tasks[::0].name", Absent);
    check("$.spec.tasks[?@.retries > 0].name", Text("three"));
    check("$.spec.tasks[?!@.retries].name", Text("two"));
    check("$.spec.tasks[?@.retries >= 0 && @.name != 'one'].name", Text("three"));
    check("$.spec.tasks[?length(@.name) == 5].name", Text("three"));
    check("$.spec.tasks[?count(@.*) == 1].name", Text("two"));
    check("$.spec.tasks[?value(@['retries']) == 0].name", Text("one"));
    check(
        "$.spec.tasks[?@.retries == $.spec.tasks[2].retries].name",
        Text("three"),
    );
    check("$.spec.tasks[0,0].name", Mistyped(Shape::Values(2)));
    check("$.spec[?@[-1].name == 'three'][-2].name", Text("two"));
}

#[test]
fn a_path_as_a_condition() {
    fn check(path: &str, expected: Presence) {
        assert_eq!(
            Path::parse(path).expect(path).exists(&document(RUN)),
            expected,
            "{path}"
        );
    }
    check("$.spec.none", Presence::Present);
    check("$.spec.tasks[*]", Presence::Present);
    check("$.spec.tasks[9]", Presence::Absent);
    check("$.spec.params[?@.name=='other']", Presence::Absent);
}

#[test]
fn numbers_and_trees_compare_exactly() {
    fn check(condition: &str, expected: usize) {
        let json = r#"[{"a":1e-17},{"a":0.30000000000000004},{"a":9007199254740993},{"a":[1,{"b":2}],"b":[1.0,{"b":2e0}]},{}]"#;
        let path = format!("$[?{condition}]");
        let found = match Path::parse(&path).expect(&path).lookup(&document(json)) {
            Lookup::Absent => 0,
            Lookup::Mistyped(Shape::Values(count)) => count,
            _ => 1,
        };
        assert_eq!(found, expected, "{condition}");
    }
    check("@.a == 0", 0);
    check("@.a == 0.3", 0);
    check("@.a == 1e-17", 1);
    check("@.a > 9007199254740991", 1);
    check("@.a == 9007199254740991", 0);
    check("@.a == @.b", 2);
    check("@.a == $[3].a", 1);
    // RFC 9535 section 2.3.5.2.2: nothing equals nothing, so it is also less than or equal to it.
    check("@.x <= @.y", 5);
    check("@.x < @.y", 0);
    check("@.x != @.y", 0);
    check("count(@.x) == 0", 5);
    check("length(@.a) == 2", 1);
    // Lists and objects have no order.
    check("$ > @", 0);
    check("$ >= $", 5);
    check("length(@.x) == length(@.y)", 5);
    check("@.a == null", 0);
}

#[test]
fn fast_forms_are_recognised_in_every_spelling() {
    fn check(path: &str, expected: Option<FastForm>) {
        assert_eq!(Path::parse(path).expect(path).fast_form(), expected.as_ref(), "{path}");
    }
    let annotation = || Some(FastForm::Annotation("k".to_owned()));
    check("$.metadata.annotations['k']", annotation());
    check("$.metadata.annotations[\"k\"]", annotation());
    check("$.metadata.annotations.k", annotation());
    check("$['metadata'][ 'annotations' ]['\\u006b']", annotation());
    check("$ .metadata .annotations ['k']", annotation());
    check("$.metadata.annotations['k','l']", None);
    check("$.metadata.annotations.*", None);
    check("$.spec.annotations.k", None);
    check("$.metadata.labels['a.b/c']", Some(FastForm::Label("a.b/c".to_owned())));
    check("$.metadata.name", Some(FastForm::Name));
    check("$['metadata']['namespace']", Some(FastForm::Namespace));
    check("$.metadata.generateName", Some(FastForm::GenerateName));
    check("$.metadata.uid", None);
    let param = || Some(FastForm::Param("revision".to_owned()));
    check("$.spec.params[?@.name=='revision'].value", param());
    check("$.spec.params[?(@.name=='revision')].value", param());
    check("$.spec.params[? ( @.name == \"revision\" ) ].value", param());
    check("$.spec.params[?@['name']=='revision']['value']", param());
    check("$.spec.params[?'revision'==@.name].value", param());
    check("$.spec.params[?@.name!='revision'].value", None);
    check("$.spec.params[?!(@.name=='revision')].value", None);
    check("$.spec.params[?$.name=='revision'].value", None);
    check("$.spec.params[?@.name=='revision'].default", None);
    check("$.spec.params[?@.name=='revision' && @.value].value", None);
    check("$.spec.params[0].value", None);
}

#[test]
fn every_mistake_is_marked_and_explained() {
    fn check(path: &str, marked: &str, message: &str, help: Option<&str>) {
        let problem = Path::parse(path).expect_err(path);
        assert_eq!(
            (
                path.get(problem.range.clone()),
                problem.message.as_str(),
                problem.help.as_deref()
            ),
            (Some(marked), message, help),
            "{path}"
        );
    }
    check(
        "",
        "",
        "expected a JSONPath, found an empty text",
        Some("a path begins with $, for example $.metadata.name"),
    );
    check(
        "metadata.name",
        "m",
        "expected a path that begins with $, found \"metadata.name\"",
        Some("write $.metadata.name"),
    );
    check(
        "{.metadata.name}",
        "{",
        "expected a path that begins with $, found \"{.metadata.name}\"",
        Some("write $.metadata.name"),
    );
    check(
        "$.a ",
        "$.a ",
        "expected no white space around the path",
        Some("write $.a"),
    );
    check(
        "$..name",
        "..",
        "expected a path without \"..\"",
        Some("name every step, with * for any: $.spec.pipelineSpec.tasks[*].name"),
    );
    check(
        "$.a[?@.b[?@.c]]",
        "?",
        "expected no filter inside a filter",
        Some("combine conditions with && and ||, or use a second where entry"),
    );
    check(
        "$.a[?match(@.b, 'x')]",
        "match",
        "expected a path without match()",
        Some("use operator: Matches with a path to the value"),
    );
    check(
        "$.a[?@.b =~ 'x']",
        "=~",
        "expected a path without =~",
        Some("use operator: Matches with a path to the value"),
    );
    check("$.a[?@.b = 'x']", "=", "expected ==, found a single =", None);
    check("$.a[?@.b & @.c]", "&", "expected &&, found a single &", None);
    check(
        "$.a[?lenght(@.b) > 1]",
        "lenght",
        "expected a function (length, count, value), found \"lenght\"",
        Some("write length"),
    );
    check(
        "$.a[?length(length(length(@.b))) > 1]",
        "length",
        "expected functions nested at most 2 deep",
        None,
    );
    check(
        "$.a[b]",
        "b",
        "expected a key in quotes, found \"b\"",
        Some("write ['b']"),
    );
    check(
        "$.metadata.annotations.tekton.dev/x",
        "/",
        "expected a key with such a character in brackets and quotes, found \"tekton.dev/x\"",
        Some("write $.metadata.annotations['tekton.dev/x']"),
    );
    check(
        "$.spec.my-field.x",
        "-",
        "expected a key with such a character in brackets and quotes, found \"my-field.x\"",
        Some("write $.spec['my-field.x']"),
    );
    check(
        "$.metadata.labels.example.com",
        "$.metadata.labels.example.com",
        "expected one key below metadata.labels, found a path of several steps, which never has a value",
        Some("write $.metadata.labels['example.com']"),
    );
    check(
        "$.a['b",
        "'b",
        "expected a quote that closes this one, found the end of the path",
        None,
    );
    check("$.a[0", "[0", "expected ] for this [, found the end of the path", None);
    check(
        "$.a)",
        ")",
        "expected something open for this ) to close, found nothing",
        None,
    );
    check(
        "$.a b",
        " ",
        "expected no white space within a name or number",
        Some("a key that holds a space stands in brackets and quotes: ['a b']"),
    );
    check(
        "$.a\u{a0}",
        "$.a\u{a0}",
        "expected no white space around the path",
        Some("write $.a"),
    );
    check("$.", "", "expected more of a JSONPath (RFC 9535), found its end", None);
    check(
        "$.a[?@.b == c]",
        "c]",
        "expected a JSONPath (RFC 9535), cannot read on at \"c]\"",
        None,
    );
    check(
        "$.a[?length(@.b)]",
        "length",
        "expected a comparison of length(), such as length(…) > 0, found it as a condition",
        None,
    );
    check(
        "$.a[?length(@.*) > 1]",
        "length",
        "expected a path to one value in length(), found one that may have several; count() counts them",
        None,
    );
    check(
        "$.a[?@.b == 1e999]",
        "$.a[?@.b == 1e999]",
        "expected a number that fits a 64-bit float, found a larger one",
        None,
    );
}

#[test]
fn quotes_hide_what_they_hold() {
    for path in [
        "$['a..b']",
        "$['[?[?(']",
        "$[\"match('\"]",
        "$['it\\'s ..']",
        "$[?@.a=='match(..) && = |']",
        "$['a b']",
        "$['\u{a0}/-']",
        "$['\\ud83d\\ude00']",
    ] {
        assert!(Path::parse(path).is_ok(), "{path}: {:?}", Path::parse(path));
    }
}

#[test]
fn long_and_deep_paths_are_refused_before_they_cost_time() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("$[?{}{inner}{}]", open.repeat(depth), close.repeat(depth))
    };
    assert!(Path::parse(&format!("$.{}", "a".repeat(MAX_LENGTH - 2))).is_ok());
    for path in [
        format!("$.{}", "a".repeat(MAX_LENGTH - 1)),
        nested("length(", "@.a!", ")", 60),
        nested("length (", "@.a!", ")", 60),
        nested("(", "@.a", ")", 300),
        nested("!(", "@.a", ")", 100),
        nested("@[", "0", "]", 300),
        format!("${}", "[".repeat(1000)),
    ] {
        let problem = Path::parse(&path).expect_err(&path);
        assert!(path.get(problem.range.clone()).is_some(), "{path}: {problem:?}");
    }
}

#[test]
fn what_exceeds_the_bounds_is_too_large() {
    fn check(path: &str, json: &str, expected: bool) {
        let path = Path::parse(path).expect(path);
        let document = document(json);
        assert_eq!(path.lookup(&document) == Lookup::TooLarge, expected, "{}", path.text());
        assert_eq!(
            path.exists(&document) == Presence::TooLarge,
            expected,
            "{}",
            path.text()
        );
    }
    let list = |element: &str, count: usize| format!("[{}{element}]", format!("{element},").repeat(count - 1));
    let rows = list(&list("1", 400), 400);
    check("$[*][*]", &rows, false);
    check("$[*,*][*,*]", &rows, true);
    check("$[?@ == $[0]]", &rows, false);
    check("$[?@ == $[0],?@ == $[1],?@ == $[2],?@ == $[3]]", &rows, true);
    check(&format!("$[*][?{}!@]", "!@||".repeat(10)), &rows, true);
    check("$[?count($[*]) > 1]", &rows, false);
    check("$[?count($[*][*]) > 1]", &rows, true);
    check("$[0,0,0,0][0]", &rows, false);
    // The cost of long texts counts as well: each comparison below looks at a megabyte.
    let long = format!(
        r#"{{"x":[{}],"a":"{t}","b":"{t}"}}"#,
        "1,".repeat(99) + "1",
        t = "t".repeat(1 << 20)
    );
    check("$.x[?$.a == $.b]", &long, true);
    check("$.x[?length($.a) == 1]", &long, true);
    check("$.x[?$.a < $.b]", &long, true);
    check("$.x[?$.a != 'short']", &long, false);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    check("$[0]", &deep, true);
    check("$", &deep, true);
    // A key as long as the object allows above a long list costs nothing, since no path is copied.
    let wide = format!(r#"{{"{}":{}}}"#, "k".repeat(1 << 20), list("1", 100_000));
    check("$.*[*]", &wide, false);
}
