//! The Suites of the shipped policies, told to a real API server: what each system creates is admitted as it is, and what a
//! person repeats comes out clean.

use std::path::{Path, PathBuf};

use runstamp::domain::definition::{CaseDefinition, Mapping, RunDefinition, SubjectDefinition, SuiteDefinition, Text};
use runstamp::policy_file::read_paths;
use serde_json::{Value, json};

use crate::cluster::stage::{ALICE, Guard, Namespace, cluster};
use crate::glob::Glob;
use crate::support::control_plane::User;
use crate::support::control_plane::access::Answer;

pub(crate) const SUITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/tests");

#[test]
fn every_case_of_the_shipped_suites_holds_on_a_real_api_server() {
    let Some(cluster) = cluster() else { return };
    let (_, loaded) = read_paths(&[PathBuf::from(SUITES)]).unwrap();
    let mut mistakes = Vec::new();
    let mut told = 0;
    for suite in &loaded.suites {
        let namespace = cluster.namespace(&format!("suite-{}", suite.name.value), guard_of(suite));
        for case in &suite.cases {
            let SubjectDefinition::Create(run) = &case.subject else {
                continue;
            };
            told += 1;
            let before = mistakes.len();
            tell(&namespace, run, case, &mut mistakes);
            for mistake in &mut mistakes[before..] {
                *mistake = format!("{}, {}: {mistake}", suite.name.value, case.name.value);
            }
        }
    }
    assert!(told >= 80, "only {told} cases were found");
    assert!(
        mistakes.is_empty(),
        "{} mistakes:\n{}",
        mistakes.len(),
        mistakes.join("\n")
    );
}

/// The installation that serves what the suite is about.
fn guard_of(suite: &SuiteDefinition) -> Guard {
    let policies: Vec<&str> = suite.policies.iter().map(|path| path.value.as_str()).collect();
    match policies.as_slice() {
        [] => Guard::Builtins,
        ["../starter"] => Guard::Starter,
        ["../starter", "../optional/openshift"] => Guard::OpenShift,
        ["../optional/konflux", "../starter"] => Guard::Konflux,
        ["../optional/multikueue"] => Guard::MultiKueue,
        ["hosts"] => Guard::TriggerHosts,
        other => panic!("no installation serves {other:?}: add one to Guard"),
    }
}

fn tell(namespace: &Namespace<'_>, run: &RunDefinition, case: &CaseDefinition, mistakes: &mut Vec<String>) {
    let home = Home {
        asked: case.namespace.as_ref().map(|name| name.value.as_str()),
        given: &namespace.name,
    };
    let answer = namespace.as_user(user_of(case)).create(&home.moved(unnamed(read(run))));
    let expect = &case.expect;
    if let Some(allowed) = &expect.allowed
        && answer.is_success() != allowed.value
    {
        mistakes.push(format!("expected allowed: {}, found {answer:?}", allowed.value));
        return;
    }
    for (map, expected) in [("annotations", &expect.annotations), ("labels", &expect.labels)] {
        mistakes.extend(differing(&answer, map, expected, &home));
    }
    for key in &expect.absent {
        let metadata = &answer.body["metadata"];
        let finalizers = metadata["finalizers"].as_array();
        let is_there = ["annotations", "labels"]
            .iter()
            .any(|map| metadata[map].get(&key.value).is_some())
            || finalizers.is_some_and(|finalizers| finalizers.iter().any(|name| *name == *key.value));
        if is_there {
            mistakes.push(format!("{} is still there", key.value));
        }
    }
    if let Some(warnings) = &expect.warnings {
        let globs: Vec<Glob> = warnings.value.iter().map(|glob| Glob::new(&glob.value)).collect();
        let unmatched = globs
            .iter()
            .any(|glob| !answer.warnings.iter().any(|text| glob.matches(text)));
        let unexpected = answer
            .warnings
            .iter()
            .any(|text| !globs.iter().any(|glob| glob.matches(text)));
        if unmatched || unexpected {
            mistakes.push(format!(
                "expected the warnings {warnings:?}, found {:?}",
                answer.warnings
            ));
        }
    }
    for expected in expect.causes.iter().flat_map(|causes| &causes.value) {
        let fits = |glob: &Option<Text>, text: &Value| {
            glob.as_ref()
                .is_none_or(|glob| Glob::new(&glob.value).matches(text.as_str().unwrap_or_default()))
        };
        let causes = answer.body["details"]["causes"].as_array();
        let found = causes
            .into_iter()
            .flatten()
            .any(|cause| fits(&expected.field, &cause["field"]) && fits(&expected.message, &cause["message"]));
        if !found {
            mistakes.push(format!("expected a cause {expected:?}, found {answer:?}"));
        }
    }
}

/// The namespace that a case asks for, and the one of its suite that it gets: values that begin with the one begin with the other.
struct Home<'n> {
    asked: Option<&'n str>,
    given: &'n str,
}

impl Home<'_> {
    fn value(&self, value: &str) -> String {
        let rest = self
            .asked
            .and_then(|asked| value.strip_prefix(asked)?.strip_prefix('/'));
        rest.map_or_else(|| value.to_owned(), |rest| format!("{}/{rest}", self.given))
    }

    fn moved(&self, mut run: Value) -> Value {
        for (_, value) in run["metadata"]["annotations"].as_object_mut().into_iter().flatten() {
            *value = json!(self.value(value.as_str().unwrap()));
        }
        run
    }
}

fn differing(answer: &Answer, map: &str, expected: &Mapping<Text>, home: &Home<'_>) -> Vec<String> {
    let found = |key: &str| answer.body["metadata"][map].get(key).and_then(Value::as_str);
    let differing = expected
        .iter()
        .filter(|(key, value)| found(&key.value) != Some(&home.value(&value.value)));
    differing
        .map(|(key, value)| {
            format!(
                "{map} {}: expected {:?}, found {:?}",
                key.value,
                value.value,
                found(&key.value)
            )
        })
        .collect()
}

/// Who creates the Run of a case.
pub(crate) fn user_of(case: &CaseDefinition) -> User {
    let name = case.user.as_ref().map_or("alice", |user| user.value.as_str());
    match name
        .strip_prefix("system:serviceaccount:")
        .and_then(|account| account.split_once(':'))
    {
        Some((namespace, name)) => User::service_account(namespace, name),
        None => {
            assert_eq!(name, "alice", "{}: there is no such person here", case.name.value);
            ALICE
        }
    }
}

/// The Run of a case, read from its file where it is in one.
pub(crate) fn read(run: &RunDefinition) -> Value {
    match run {
        RunDefinition::Inline(run) => run.value.clone(),
        RunDefinition::File(file) => {
            let path = Path::new(SUITES).join(&file.value);
            serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
        }
    }
}

/// Cases share a namespace, and many Runs in them the same name.
pub(crate) fn unnamed(mut run: Value) -> Value {
    if let Some(metadata) = run["metadata"].as_object_mut() {
        metadata.remove("name");
        metadata.remove("resourceVersion");
        metadata.remove("uid");
        metadata.insert("generateName".to_owned(), json!("case-"));
    }
    run
}
