//! What the page begins with: the user's own files, and what is shipped to choose from.

use serde::Serialize;

use super::page::MOST_REQUEST_BYTES;
use super::question::PolicyFile;
use crate::builtin::{self, Pack};

/// Runs to choose from: a title, and the file.
const RUNS: [(&str, &str); 8] = [
    (
        "A pull request's Run, run again",
        include_str!("../../policies/tests/runs/pipelines-as-code-copy.yaml"),
    ),
    ("A copied Run", include_str!("../../examples/copied-run.yaml")),
    (
        "A Run with three mistakes",
        include_str!("../../examples/malformed-run.yaml"),
    ),
    (
        "A Run with nothing to mend",
        include_str!("../../examples/clean-run.yaml"),
    ),
    (
        "Run again in the Dashboard",
        include_str!("../../policies/tests/runs/rerun-dashboard.yaml"),
    ),
    (
        "Run again in the OpenShift console",
        include_str!("../../policies/tests/runs/rerun-openshift-console.yaml"),
    ),
    (
        "Run again with kubectl",
        include_str!("../../policies/tests/runs/rerun-kubectl.yaml"),
    ),
    (
        "Several Runs, as a cluster stores them",
        include_str!("../../examples/stored-runs.yaml"),
    ),
];

/// Policies to choose from besides the packs: a title, the file's name, and the file.
const POLICIES: [(&str, &str, &str); 2] = [
    (
        "The Runs of one team",
        "team-web.yaml",
        include_str!("../../examples/policies/team-web.yaml"),
    ),
    (
        "An integration of your own",
        "in-house.yaml",
        include_str!("../../examples/policies/in-house.yaml"),
    ),
];

/// What somebody gave on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFiles {
    /// The policy files; empty where none are given.
    pub policies: Vec<PolicyFile>,
    /// The text of the Run's file.
    pub run: Option<String>,
    /// Whether the built-in policies are loaded.
    pub builtin: bool,
}

/// What the page asks for once.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    version: &'static str,
    most_request_bytes: usize,
    /// Names of what can be loaded besides.
    packs: Vec<&'static str>,
    policy_samples: Vec<PolicySample>,
    run_samples: Vec<RunSample>,
    begin: Begin,
}

#[derive(Debug, Serialize)]
struct PolicySample {
    title: String,
    files: Vec<PolicyFile>,
}

#[derive(Debug, Serialize)]
struct RunSample {
    title: &'static str,
    text: String,
}

/// What stands in the page before anything is typed.
#[derive(Debug, Serialize)]
struct Begin {
    builtin: bool,
    policies: Vec<PolicyFile>,
    run: String,
}

/// What the page begins with, as JSON.
pub(super) fn start(own: OwnFiles) -> Result<Vec<u8>, serde_json::Error> {
    let packs = builtin::packs();
    let mut policy_samples: Vec<PolicySample> = POLICIES
        .iter()
        .map(|(title, name, text)| PolicySample {
            title: (*title).to_owned(),
            files: vec![PolicyFile {
                name: (*name).to_owned(),
                text: (*text).to_owned(),
            }],
        })
        .collect();
    policy_samples.extend(packs.iter().map(|pack| PolicySample {
        title: format!("Shipped: {}", pack.name),
        files: files(pack),
    }));
    let starter = packs.first().map(files).unwrap_or_default();
    let first_run = RUNS.first().map(|(_, text)| (*text).to_owned()).unwrap_or_default();
    let start = Start {
        version: env!("CARGO_PKG_VERSION"),
        most_request_bytes: MOST_REQUEST_BYTES,
        packs: packs.iter().map(|pack| pack.name).collect(),
        policy_samples,
        run_samples: RUNS
            .iter()
            .map(|(title, text)| RunSample {
                title,
                text: (*text).to_owned(),
            })
            .collect(),
        begin: Begin {
            builtin: own.builtin,
            policies: if own.policies.is_empty() { starter } else { own.policies },
            run: own.run.unwrap_or(first_run),
        },
    };
    serde_json::to_vec(&start)
}

fn files(pack: &Pack) -> Vec<PolicyFile> {
    let texts = pack.texts().into_iter();
    texts
        .map(|text| PolicyFile {
            name: text.name,
            // Embedded files are UTF-8; a test of theirs says so.
            text: without_schema_lines(&String::from_utf8_lossy(&text.content)),
        })
        .collect()
}

/// A file without the lines that lead editors to the schema: their paths lead nowhere from the page.
fn without_schema_lines(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("# yaml-language-server:"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::{Question, answer};

    #[test]
    fn every_sample_is_one_that_the_engine_takes() {
        for (title, _, text) in POLICIES {
            let policies = vec![PolicyFile {
                name: title.to_owned(),
                text: text.to_owned(),
            }];
            let answer = answer(&Question {
                policies,
                ..Question::default()
            });
            assert!(answer.problems.is_empty(), "{title}: {:?}", answer.problems);
        }
        for pack in builtin::packs() {
            let answer = answer(&Question {
                policies: files(&pack),
                ..Question::default()
            });
            assert!(answer.problems.is_empty(), "{}: {:?}", pack.name, answer.problems);
        }
        for (title, text) in RUNS {
            let answer = answer(&Question {
                run: text.to_owned(),
                ..Question::default()
            });
            assert!(!answer.runs.is_empty(), "{title}");
            assert_eq!(answer.mistakes, [], "{title}");
        }
    }

    #[test]
    fn no_file_leads_to_a_schema_that_is_not_there() {
        for file in builtin::packs().iter().flat_map(files) {
            assert!(!file.text.contains("yaml-language-server"), "{}", file.name);
            assert!(file.text.contains("apiVersion: runstamp.dev/v1alpha1"), "{}", file.name);
        }
    }

    #[test]
    fn every_example_is_there_to_choose() {
        for entry in std::fs::read_dir("examples").unwrap() {
            let path = entry.unwrap().path();
            // What runstamp audit is shown with are Runs that were created long ago.
            let is_stored = path.ends_with("stored-runs.yaml");
            if !is_stored && path.extension().is_some_and(|ending| ending == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(RUNS.iter().any(|(_, run)| *run == text), "{}", path.display());
            }
        }
        for entry in std::fs::read_dir("examples/policies").unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let is_there = POLICIES
                .iter()
                .any(|(_, name, policy)| path.ends_with(name) && *policy == text);
            assert!(is_there, "{}", path.display());
        }
        let readme = std::fs::read_to_string("README.md").unwrap();
        let team = POLICIES.first().unwrap().2;
        assert!(
            readme.contains(team),
            "README.md shows the policy of one team as it is here"
        );
    }
}
