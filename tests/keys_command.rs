//! `runstamp keys` as scripts and people see it, and the reference that it writes.
//!
//! `UPDATE_GOLDENS=1 cargo test --test keys_command` writes `docs/keys.md` anew.

#![cfg(test)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use runstamp::domain::key_facts::{Answer, all, look_up};
use serde_json::Value;

use common::golden::agrees_with_golden;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runstamp"));
    let Output { status, stdout, stderr } = command.arg("keys").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_reference_is_what_the_registry_says() {
    let (code, found, stderr) = run(&["-o", "markdown"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(agrees_with_golden(Path::new("docs/keys.md"), &found));
    let set = common::builtin_set();
    for facts in all(&set) {
        let row = format!("| `{}` ({})", facts.key, facts.place);
        assert_eq!(found.matches(&row).count(), 1, "{row}");
    }
}

#[test]
fn every_key_answers_by_each_of_its_spellings() {
    let set = common::builtin_set();
    let keys = all(&set);
    assert!(keys.len() >= 60, "only {} keys", keys.len());
    for facts in &keys {
        for asked in std::iter::once(&facts.key).chain(&facts.aliases) {
            let Answer::Known(known) = look_up(asked, &set) else {
                panic!("{asked} is unknown");
            };
            assert!(known.contains(facts), "{asked} is another key");
        }
    }
}

#[test]
fn every_key_says_what_it_is_and_where_that_is_known_from() {
    let set = common::builtin_set();
    let keys = all(&set);
    let lacking: Vec<&str> = keys
        .iter()
        .filter(|facts| facts.rules.is_some() || facts.schema.is_some())
        .filter(|facts| facts.description.is_empty() || facts.source.is_none())
        .map(|facts| facts.key.as_str())
        .collect();
    assert_eq!(lacking, [""; 0]);
}

#[test]
fn one_key_for_people() {
    let (code, stdout, stderr) = run(&["chains.tekton.dev/signed"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(
        stdout,
        "\
chains.tekton.dev/signed
  Chains is done with this Run: true, failed or skipped.
  class         state of integration chains
  place         annotation of PipelineRun, TaskRun, CustomRun
  written by    chains-controller
                  chains-controller: system:serviceaccount:tekton-chains:tekton-chains-controller
                  chains-controller: system:serviceaccount:tekton-pipelines:tekton-chains-controller
  new Root      removed
  new Child     removed
  update        passes with a warning; one that a pipelines controller adds is dropped again
  source        tektoncd/chains:pkg/chains/annotations/annotations.go; tektoncd/chains#1004; tektoncd/pipeline#6435
"
    );
}

#[test]
fn how_the_key_was_asked_for_is_told() {
    let check = |asked: &str, expected: &str| {
        let (code, stdout, _) = run(&[asked]);
        assert_eq!(code, Some(0), "{asked}");
        assert!(stdout.contains(expected), "{stdout}");
    };
    check(
        "github.integrations.tekton.dev/commit",
        "asked for     github.integrations.tekton.dev/commit, another spelling of it\n",
    );
    check(
        "chains.tekton.dev/payload-taskrun-1",
        "asked for     chains.tekton.dev/payload-taskrun-1, which this pattern matches\n",
    );
}

#[test]
fn a_key_in_two_places_is_two_answers() {
    let (code, stdout, _) = run(&["-o", "json", "pipelinesascode.tekton.dev/state"]);
    assert_eq!(code, Some(0));
    let places: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["place"].clone())
        .collect();
    assert_eq!(places, ["annotation", "label"]);
}

#[test]
fn the_table_has_a_line_a_spelling() {
    let (code, stdout, _) = run(&[]);
    let set = common::builtin_set();
    let spellings: usize = all(&set).iter().map(|facts| 1 + facts.aliases.len()).sum();
    assert_eq!((code, stdout.lines().count()), (Some(0), spellings + 1));
    let column = stdout.find("PLACE").unwrap();
    let aligned = stdout.lines().skip(1).all(|line| {
        ["annotation", "label", "finalizer"]
            .iter()
            .any(|place| line[column..].starts_with(place))
    });
    assert!(aligned, "{stdout}");
}

#[test]
fn the_list_is_versioned_data() {
    let (code, stdout, _) = run(&["-o", "json"]);
    assert_eq!(code, Some(0));
    let list: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&list["apiVersion"], &list["kind"]),
        (&"runstamp.dev/v1alpha1".into(), &"KeyList".into())
    );
    let set = common::builtin_set();
    assert_eq!(list["policySet"], set.digest().as_str());
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), all(&set).len());
    // Every field of every key is named in the help, which is the documentation of this format.
    let (_, help, _) = run(&["--help"]);
    for field in items[0].as_object().unwrap().keys() {
        assert!(help.contains(field.as_str()), "--help does not name {field}");
    }
}

#[test]
fn an_unknown_key_is_bad_and_a_near_one_is_suggested() {
    let check = |asked: &str, expected: &str| {
        let (code, stdout, stderr) = run(&[asked]);
        assert_eq!(
            (code, stdout.as_str(), stderr.as_str()),
            (Some(1), expected, ""),
            "{asked}"
        );
    };
    check(
        "chains.tekton.dev/sined",
        "\"chains.tekton.dev/sined\": nobody declares it, and Runstamp does nothing with it: it is neither removed, injected nor judged\ndid you mean chains.tekton.dev/signed?\n",
    );
    check(
        "github.integrations.tekton.dev/shaa",
        "\"github.integrations.tekton.dev/shaa\": integration github has no key \"shaa\": a Run with it is refused\ndid you mean github.integrations.tekton.dev/sha?\n",
    );
    let (code, stdout, _) = run(&["-o", "json", "app.kubernetes.io/name"]);
    let record: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &record["kind"], &record["suggestion"]),
        (Some(1), &"UnknownKey".into(), &Value::Null)
    );
}

#[test]
fn policies_of_the_flags_are_known_too() {
    let (code, stdout, _) = run(&["github.integrations.tekton.dev/owner", "--policies", "policies/starter"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("injected by   policy github-status\n"), "{stdout}");
    let (code, _, _) = run(&["chains.tekton.dev/signed", "--no-builtin"]);
    assert_eq!(code, Some(1));
    let (code, stdout, stderr) = run(&["--policies", "tests/policy_files/err"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("the policies hold mistakes"), "{stderr}");
}
