//! Policies and reviews of a size to choose, for the benchmarks and for the test that counts allocations.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use runstamp::builtin;
use runstamp::policy_file::PolicyText;
use serde_json::{Value, json};

/// Namespaces that policies are for, the one of the recorded reviews among them.
const NAMESPACES: usize = 1_000;

/// Documents of one file, so that none comes near the largest that is read.
const DOCUMENTS_IN_A_FILE: usize = 500;

/// The keys that are injected into a Run in the namespace of the recorded reviews, however many policies there are.
pub(crate) const INJECTED: usize = 6;

const GITHUB: &str = "
    integrations:
      github: {owner: $(trigger.owner), repo: $(trigger.repo), sha: $(trigger.sha)}";

const TEAM: &str = "
    annotations:
      ci.example.com/team: shop
      ci.example.com/cost-centre: '4711'";

const REVISION: &str = "
      ci.example.com/revision: rev-$(vars.revision)";

const VARIABLES: &str = "
  variables:
    - {name: revision, path: \"$.spec.params[?@.name=='revision'].value\"}";

/// The built-in policies and as many of teams: together they inject [`INJECTED`] keys into the Runs of the recorded reviews,
/// one alone or three of them, and the others are for other namespaces.
pub(crate) fn texts_with_teams(policies: usize) -> Vec<PolicyText> {
    let own = match policies {
        0 => Vec::new(),
        1 | 2 => vec![document(0, "ci", VARIABLES, &[GITHUB, TEAM, REVISION])],
        _ => vec![
            document(0, "ci", "", &[GITHUB]),
            document(1, "ci", "", &[TEAM]),
            document(2, "ci", VARIABLES, &["\n    annotations:", REVISION]),
        ],
    };
    let others = (own.len()..policies).map(|number| {
        let namespace = format!("team-{}", number % (NAMESPACES - 1));
        document(number, &namespace, VARIABLES, &[GITHUB, TEAM, REVISION])
    });
    let documents: Vec<String> = own.iter().cloned().chain(others).collect();
    let files = documents.chunks(DOCUMENTS_IN_A_FILE).enumerate();
    let teams = files.map(|(number, documents)| PolicyText {
        name: format!("teams-{number}.yaml"),
        content: documents.concat().into_bytes(),
        builtin: false,
    });
    builtin::policies().into_iter().chain(teams).collect()
}

fn document(number: usize, namespace: &str, variables: &str, injections: &[&str]) -> String {
    format!(
        "---
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata:
  name: team-{number}
spec:
  match:
    kinds: [PipelineRun]
    namespaces: [{namespace}]{variables}
  inject:{}
",
        injections.concat()
    )
}

/// A recorded review.
pub(crate) fn recorded(name: &str) -> Vec<u8> {
    let path = format!("tests/reviews/{name}.json");
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The review with tasks that hold scripts, until it is as large as asked.
pub(crate) fn with_scripts(review: &[u8], bytes: usize) -> Vec<u8> {
    let mut review: Value = serde_json::from_slice(review).expect("a recorded review is JSON");
    let mut script = String::from("#!/usr/bin/env bash\nset -euo pipefail\n");
    for line in 0..20 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            script,
            "echo \"step {line}\" | tee -a \"$(workspaces.logs.path)/{line}.log\""
        );
    }
    let mut tasks = Vec::new();
    loop {
        let name = format!("task-{}", tasks.len());
        let step = json!({"name": "run", "image": "registry.example.com/tools/bash:5", "script": script});
        tasks.push(json!({
            "name": name,
            "params": [{"name": "target", "value": "$(params.platforms[*])"}],
            "taskSpec": {"metadata": {"labels": {"app.kubernetes.io/name": name}}, "steps": [step]},
        }));
        let spec = &mut review["request"]["object"]["spec"];
        spec["pipelineSpec"]["tasks"] = Value::Array(tasks.clone());
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("pipelineRef");
        }
        let text = serde_json::to_vec(&review).expect("JSON is written");
        if text.len() >= bytes {
            return text;
        }
    }
}

/// The binary, built with the profile of the benchmarks; or that of `RUNSTAMP_BINARY`, to compare it with another one.
pub(crate) fn runstamp_program() -> PathBuf {
    let named = std::env::var_os("RUNSTAMP_BINARY").filter(|path| !path.is_empty());
    PathBuf::from(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_runstamp").into()))
}
