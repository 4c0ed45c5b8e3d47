//! Limits, values and places that the folders of `tests/policy_files` cannot show.

use super::*;
use crate::domain::definition::{RuleTerms, RunDefinition, SubjectDefinition};
use crate::domain::words::{OnConflict, Reaction, RunKind};

fn read(text: impl Into<Vec<u8>>) -> (SourceFiles, Loaded) {
    read_texts([PolicyText {
        name: "a.yaml".to_owned(),
        content: text.into(),
        builtin: false,
    }])
}

#[track_caller]
fn check_problems(text: impl Into<Vec<u8>>, expected: &[&str]) {
    let (_, loaded) = read(text);
    let messages: Vec<&str> = loaded.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, expected);
}

/// A document of ours with this spec.
fn document(kind: &str, spec: &str) -> String {
    format!("apiVersion: runstamp.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n")
}

#[test]
fn block_and_flow_nesting_end_at_the_same_depth() {
    let message = "lists and mappings are nested more than 64 levels deep";
    check_problems("[".repeat(20_000), &[message]);
    check_problems("- ".repeat(20_000), &[message]);
    check_problems("{a: ".repeat(20_000), &[message]);
    check_problems("? ".repeat(20_000), &[message]);
    check_problems(
        format!("{}{}{}", "- ".repeat(40), "[".repeat(40), "]".repeat(40)),
        &[message],
    );
    check_problems(
        format!("{}x{}", "[".repeat(64), "]".repeat(64)),
        &["expected a mapping for a policy document, found a list"],
    );
}

#[test]
fn aliases_of_nested_values_cannot_get_past_the_depth() {
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..80 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    check_problems(text, &["lists and mappings are nested more than 64 levels deep"]);
}

#[test]
fn an_alias_of_a_long_text_weighs_as_much_as_the_text() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 100].join(", "));
    check_problems(text, &["this file holds more values than a policy file may"]);
}

#[test]
fn a_file_of_the_largest_size_full_of_ordinary_policies_is_read() {
    let policy = document(
        "RunPolicy",
        "{match: {namespaces: [a, b]}, inject: {annotations: {ci.example.com/a: b}}}",
    );
    let count = LARGEST_FILE / (policy.len() + 4);
    let (_, loaded) = read(vec![policy; count].join("---\n"));
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.definitions.run_policies.len(), count);
}

#[test]
fn a_file_that_is_too_large_is_not_parsed() {
    check_problems(
        vec![b' '; LARGEST_FILE + 1],
        &["this file is larger than 1048576 bytes"],
    );
    check_problems(vec![b' '; LARGEST_FILE], &[]);
}

#[test]
fn a_file_of_nothing_but_mistakes_is_cut_off() {
    let fields: String = (0..50_000).map(|number| format!("k{number}: 1, ")).collect();
    let (_, loaded) = read(document("RunPolicy", &format!("{{{fields}}}")));
    assert_eq!(loaded.problems.len(), 1001);
}

#[test]
fn documents_of_one_file_keep_their_order_and_places() {
    let text = format!(
        "{}---\n{}",
        document("RunPolicy", "{}"),
        document("Integration", "{prefix: a.b}")
    );
    let (files, loaded) = read(text.as_str());
    assert_eq!(loaded.problems, []);
    let prefix = loaded.definitions.integrations[0].prefix.clone().unwrap();
    assert_eq!(&text[prefix.span.start as usize..prefix.span.end as usize], "a.b");
    let position = files.get(prefix.span).unwrap().position(prefix.span.start);
    assert_eq!((position.line, position.column), (9, 16));
    assert_eq!(loaded.definitions.run_policies.len(), 1);
}

#[test]
fn the_values_of_an_integration_arrive() {
    let spec = "
  description: d
  kinds: [TaskRun]
  unknownKeys: Deny
  replaceBuiltin: true
  config:
    owner: {maxLength: 39, minimum: -5, required: true, enum: ['1', two], aliases: [o]}
  rules:
    - key: a
      requires: [b]
  state:
    labels:
      - {key: a/b, writers: [w], creators: [{identity: i, values: started}]}
    finalizers:
      - {key: f, source: somewhere}";
    let (_, loaded) = read(document("Integration", spec));
    assert_eq!(loaded.problems, []);
    let integration = &loaded.definitions.integrations[0];
    assert!(integration.header.replace_builtin);
    assert_eq!(integration.kinds.as_ref().unwrap()[0].value, RunKind::TaskRun);
    assert_eq!(integration.unknown_keys.as_ref().unwrap().value, Reaction::Deny);
    let (key, schema) = &integration.config[0];
    assert_eq!(key.value, "owner");
    assert_eq!(schema.max_length.as_ref().unwrap().value, 39);
    assert_eq!(schema.minimum.as_ref().unwrap().value, -5);
    assert_eq!(schema.enum_values.as_ref().unwrap()[0].value, "1");
    assert!(
        matches!(&integration.rules[0].rule, RuleTerms::Requires { key, requires } if key.value == "a" && requires.len() == 1)
    );
    assert_eq!(
        integration.labels[0].creators[0].values.as_ref().unwrap().value,
        "started"
    );
    assert_eq!(
        integration.finalizers[0].schema.source.as_ref().unwrap().value,
        "somewhere"
    );
}

#[test]
fn the_short_and_the_long_form_of_an_injection() {
    let spec = "{inject: {labels: {a: x, b: {value: z, onConflict: Overwrite}}}}";
    let (_, loaded) = read(document("RunPolicy", spec));
    assert_eq!(loaded.problems, []);
    let labels = &loaded.definitions.run_policies[0].inject.labels;
    assert_eq!(labels[0].1.value.value, "x");
    assert_eq!(labels[0].1.on_conflict, None);
    assert_eq!(labels[1].1.on_conflict.as_ref().unwrap().value, OnConflict::Overwrite);
}

#[test]
fn a_run_written_in_a_suite_is_json() {
    let spec = "{cases: [{name: one, expect: {}, run: {a: [1, -2.5, true, null, '1', 18446744073709551615]}}, {name: two, expect: {}, run: f.yaml}]}";
    let (_, loaded) = read(document("Suite", spec));
    assert_eq!(loaded.problems, []);
    let cases = &loaded.suites[0].cases;
    let SubjectDefinition::Create(RunDefinition::Inline(run)) = &cases[0].subject else {
        panic!("not inline");
    };
    assert_eq!(
        run.value,
        serde_json::json!({"a": [1, -2.5, true, null, "1", 18_446_744_073_709_551_615_u64]})
    );
    assert!(
        matches!(&cases[1].subject, SubjectDefinition::Create(RunDefinition::File(path)) if path.value == "f.yaml")
    );
}

#[test]
fn what_is_written_in_a_mapping_wins_over_what_is_merged_into_it() {
    let spec = "{config: {a: &a {format: uri, maxLength: 1}, b: {<<: *a, maxLength: 2}, c: {maxLength: 3, <<: [*a]}}}";
    let (_, loaded) = read(document("Integration", spec));
    assert_eq!(loaded.problems, []);
    let lengths: Vec<u64> = loaded.definitions.integrations[0]
        .config
        .iter()
        .map(|(_, schema)| schema.max_length.as_ref().unwrap().value)
        .collect();
    assert_eq!(lengths, [1, 2, 3]);
    assert!(
        loaded.definitions.integrations[0]
            .config
            .iter()
            .all(|(_, schema)| schema.format.is_some())
    );
}

#[test]
fn a_syntax_error_ends_its_document_and_no_other() {
    let text = format!(
        "{}---\nbroken: [\n---\n{}",
        document("RunPolicy", "{}"),
        document("RunPolicy", "{}")
    );
    let (_, loaded) = read(text);
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(loaded.definitions.run_policies.len(), 2);
}

#[test]
fn a_file_with_a_problem_does_not_hide_the_others() {
    let texts = ["[", "\u{1}", ""].map(|text| PolicyText {
        name: "a.yaml".to_owned(),
        content: text.into(),
        builtin: false,
    });
    let good = PolicyText {
        name: "b.yaml".to_owned(),
        content: document("RunPolicy", "{}").into_bytes(),
        builtin: true,
    };
    let (_, loaded) = read_texts(texts.into_iter().chain([good]));
    assert!(loaded.problems.len() >= 2);
    assert!(loaded.definitions.run_policies[0].header.builtin);
    assert_eq!(loaded.definitions.run_policies[0].header.name.span.file, 3);
}
