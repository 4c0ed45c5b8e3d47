//! Tests of what is told about keys.

use std::fmt::Write as _;

use super::*;
use crate::domain::compile::compile;
use crate::policy_file::{PolicyText, read_texts};

const POLICIES: &str = r"
apiVersion: runstamp.dev/v1alpha1
kind: Settings
metadata: {name: settings}
spec:
  identities:
    engine: ['system:serviceaccount:ci:engine']
    bot: ['system:serviceaccount:ci:bot', 'bot-*']
  controllers: [engine]
---
apiVersion: runstamp.dev/v1alpha1
kind: Integration
metadata: {name: paper}
spec:
  prefix: paper.integrations.tekton.dev
  kinds: [PipelineRun]
  unknownKeys: Deny
  config:
    size: {enum: [a4, letter], aliases: [format], required: true}
    example.com/colour: {place: label}
  state:
    annotations:
      - {key: example.com/always, writers: [bot]}
      - {key: example.com/page-*, writers: [engine], reset: OnCopy, onChild: Remove, format: int64}
      - {key: example.com/kept, reset: Never, onChild: Remove, updates: Deny, kinds: [TaskRun]}
      - {key: example.com/begun, updates: Drop, creators: [{identity: bot, values: 'yes'}, {identity: engine}], format: boolean}
      - {key: example.com/both, updates: Allow}
    labels:
      - {key: example.com/both, updates: Allow, pattern: '[a-z]+'}
      - {key: tekton.dev/printed, onChild: Remove}
    finalizers:
      - {key: example.com/paper, onChild: Remove}
---
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {name: print}
spec:
  inject: {integrations: {paper: {format: a4}}}
";

fn set() -> PolicySet {
    let (_, loaded) = read_texts([PolicyText {
        name: "a.yaml".to_owned(),
        content: POLICIES.as_bytes().to_vec(),
        builtin: false,
    }]);
    assert_eq!(loaded.problems, []);
    let compilation = compile(loaded.definitions);
    compilation.set.unwrap_or_else(|| panic!("{:?}", compilation.problems))
}

fn known<'s>(asked: &str, set: &'s PolicySet) -> Vec<KeyFacts<'s>> {
    match look_up(asked, set) {
        Answer::Known(known) => known,
        Answer::Unknown(unknown) => panic!("{asked}: {unknown:?}"),
    }
}

#[test]
fn what_happens_follows_from_the_rules_of_the_key() {
    let set = set();
    let check = |asked: &str, place: Place, expected: [&str; 3]| {
        let all = known(asked, &set);
        let facts = all.iter().find(|facts| facts.place == place).expect(asked);
        let found = [&facts.on_root, &facts.on_child, &facts.on_update];
        assert_eq!(found, expected, "{asked}");
    };
    let dropped = "one that a pipelines controller adds is dropped again";
    check(
        "example.com/always",
        Place::Annotation,
        ["removed", "kept", &format!("passes with a warning; {dropped}")],
    );
    check(
        "example.com/page-7",
        Place::Annotation,
        [
            "removed from a copy of another Run, else kept; where it is kept, a malformed value is refused",
            "removed",
            "passes with a warning; a malformed value is refused",
        ],
    );
    check(
        "example.com/kept",
        Place::Annotation,
        [
            "kept",
            "removed; kept on other kinds than TaskRun",
            &format!("is refused; {dropped}; not judged on other kinds than TaskRun"),
        ],
    );
    check(
        "example.com/begun",
        Place::Annotation,
        [
            "removed unless set by bot with a value that matches yes or by engine; where it is kept, a malformed value is refused",
            "kept",
            &format!("is taken back: the old value returns; {dropped}"),
        ],
    );
    check(
        "example.com/both",
        Place::Label,
        [
            "removed",
            "kept",
            &format!("passes; a malformed value is refused; {dropped}"),
        ],
    );
    // Its PipelineRun finds a Child by such labels, whatever the policy says.
    check(
        "tekton.dev/printed",
        Place::Label,
        ["removed", "kept", &format!("passes with a warning; {dropped}")],
    );
    check(
        "example.com/paper",
        Place::Finalizer,
        ["removed", "kept", "passes: changes of it are not judged"],
    );
    check(
        "paper.integrations.tekton.dev/size",
        Place::Annotation,
        [
            "kept; a malformed value is refused; on another kind than PipelineRun it is warned about",
            "kept; a malformed value is counted, never refused",
            "a malformed new value is refused",
        ],
    );
}

#[test]
fn any_spelling_place_prefix_and_integration_finds_its_keys() {
    let set = set();
    let check = |asked: &str, expected: &[&str]| {
        let found: Vec<String> = known(asked, &set)
            .iter()
            .map(|facts| format!("{} {}", facts.place, facts.key))
            .collect();
        assert_eq!(found, expected, "{asked}");
    };
    check(
        "paper.integrations.tekton.dev/format",
        &["annotation paper.integrations.tekton.dev/size"],
    );
    check("example.com/page-*", &["annotation example.com/page-*"]);
    check(
        "example.com/both",
        &["annotation example.com/both", "label example.com/both"],
    );
    check("tekton.dev/", &["label tekton.dev/printed"]);
    check(
        "paper.integrations.tekton.dev",
        &[
            "annotation paper.integrations.tekton.dev/size",
            "annotation paper.integrations.tekton.dev/version",
        ],
    );
    check("runstamp.dev/injected", &["annotation runstamp.dev/injected"]);
    assert_eq!(known("paper", &set).len() + 1, all(&set).len());
}

#[test]
fn who_stands_behind_a_name_is_told() {
    let set = set();
    let begun = known("example.com/begun", &set).remove(0);
    let users = |facts: &KnownUsers| format!("{}: {}", facts.identity, facts.users.join(" "));
    let creators = begun
        .creators
        .iter()
        .map(|creator| (users(&creator.who), creator.values.as_deref()));
    let expected = [
        ("bot: system:serviceaccount:ci:bot bot-*".to_owned(), Some("yes")),
        ("engine: system:serviceaccount:ci:engine".to_owned(), None),
    ];
    assert_eq!(creators.collect::<Vec<_>>(), expected);
    let page = known("example.com/page-7", &set).remove(0);
    assert_eq!(
        page.writers.iter().map(users).collect::<Vec<_>>(),
        ["engine: system:serviceaccount:ci:engine"]
    );
    let size = known("paper.integrations.tekton.dev/size", &set).remove(0);
    assert_eq!((size.required, size.injected_by), (true, vec!["print".into()]));
}

#[test]
fn an_unknown_key_is_told_what_it_would_meet() {
    let set = set();
    let nothing = "nobody declares it, and Runstamp does nothing with it: it is neither removed, injected nor judged";
    let check = |asked: &str, verdict: &str, suggestion: Option<&str>| {
        let Answer::Unknown(found) = look_up(asked, &set) else {
            panic!("{asked} is known");
        };
        assert_eq!(
            (found.verdict.as_str(), found.suggestion.as_deref()),
            (verdict, suggestion),
            "{asked}"
        );
    };
    check(
        "paper.integrations.tekton.dev/sise",
        "integration paper has no key \"sise\": a Run with it is refused",
        Some("paper.integrations.tekton.dev/size"),
    );
    check(
        "papper.integrations.tekton.dev/size",
        "there is no integration \"papper\": a Run with it is admitted with a warning",
        Some("paper.integrations.tekton.dev/size"),
    );
    check("example.com/allways", nothing, Some("example.com/always"));
    check("app.kubernetes.io/name", nothing, None);
    check("papre", nothing, Some("paper"));
    check("", nothing, None);
    check(&"x/".repeat(500_000), nothing, None);
    let mut odd = String::new();
    let _ = write!(odd, "a\n\u{202e}/b");
    check(&odd, nothing, None);
}
