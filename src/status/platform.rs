//! What an installation stands on: the API server and Tekton, and what they lack.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Findings, Problem};

/// The oldest Kubernetes that knows what the webhook configurations use: `matchConditions`.
const OLDEST_KUBERNETES: [u32; 2] = [1, 30];

/// The oldest Tekton Pipelines.
const OLDEST_TEKTON: [u32; 2] = [0, 59];

/// What Runstamp judges: the version in which each kind must be served.
const KINDS: [(&str, &str); 3] = [("v1", "pipelineruns"), ("v1", "taskruns"), ("v1beta1", "customruns")];

/// What was found out about the API server and Tekton.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    /// `major` and `minor` of the API server, as it spells them.
    pub kubernetes: [String; 2],
    /// The resources of `tekton.dev` that are served, each with its version.
    pub runs: BTreeSet<(String, String)>,
    /// The version that Tekton Pipelines tells everybody; none where it tells none.
    pub tekton: Option<String>,
}

/// The same in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformReport {
    /// Version of the API server.
    pub kubernetes: String,
    /// Version of Tekton Pipelines, where it can be known.
    pub tekton_pipelines: Option<String>,
}

/// Says what is too old or not there.
pub(super) fn judge(platform: &Platform, findings: &mut Findings) {
    let kubernetes = numbers(&platform.kubernetes.each_ref().map(String::as_str));
    let [major, minor] = OLDEST_KUBERNETES;
    if kubernetes.is_some_and(|found| found < OLDEST_KUBERNETES) {
        findings.problems.push(Problem::new(
            "platform",
            format!(
                "expected Kubernetes {major}.{minor} or newer, found {}",
                platform.kubernetes.join(".")
            ),
            "upgrade the cluster; older ones ignore the conditions of the webhooks, and Children would meet Fail",
        ));
    }
    let served = |(version, resource): &(&str, &str)| {
        let place = ((*version).to_owned(), (*resource).to_owned());
        platform.runs.contains(&place)
    };
    let absent: Vec<String> = (KINDS.iter().filter(|kind| !served(kind)))
        .map(|(version, resource)| format!("{resource} in tekton.dev/{version}"))
        .collect();
    let [major, minor] = OLDEST_TEKTON;
    if !absent.is_empty() {
        findings.problems.push(Problem::new(
            "platform",
            format!(
                "expected Tekton's Runs in the API server, found no {}",
                absent.join(", no ")
            ),
            format!("install Tekton Pipelines {major}.{minor} or newer"),
        ));
    } else if let Some(release) = &platform.tekton
        && is_older(release, OLDEST_TEKTON)
    {
        findings.problems.push(Problem::new(
            "platform",
            format!("expected Tekton Pipelines {major}.{minor} or newer, found {release}"),
            "upgrade Tekton Pipelines",
        ));
    }
}

/// The versions that were found.
pub(super) fn report(platform: &Platform) -> PlatformReport {
    PlatformReport {
        kubernetes: platform.kubernetes.join("."),
        tekton_pipelines: platform.tekton.clone(),
    }
}

/// Two numbers; some write `30+` for the second.
fn numbers(words: &[&str; 2]) -> Option<[u32; 2]> {
    let number = |word: &str| {
        let end = word.find(|character: char| !character.is_ascii_digit());
        word.get(..end.unwrap_or(word.len()))?.parse().ok()
    };
    let [major, minor] = words;
    Some([number(major)?, number(minor)?])
}

/// Whether a release such as `v0.59.0` is older; one that is built from sources is called `devel` and is not.
fn is_older(release: &str, oldest: [u32; 2]) -> bool {
    let mut words = release.trim_start_matches('v').split('.');
    let found = [words.next().unwrap_or_default(), words.next().unwrap_or_default()];
    numbers(&found).is_some_and(|found| found < oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_is_said() {
        #[track_caller]
        fn check(kubernetes: [&str; 2], served: &[(&str, &str)], tekton: Option<&str>, expected: &[&str]) {
            let platform = Platform {
                kubernetes: kubernetes.map(str::to_owned),
                runs: (served.iter())
                    .map(|(version, resource)| ((*version).to_owned(), (*resource).to_owned()))
                    .collect(),
                tekton: tekton.map(str::to_owned),
            };
            let mut findings = Findings::default();
            judge(&platform, &mut findings);
            let found: Vec<&str> = findings
                .problems
                .iter()
                .map(|problem| problem.message.as_str())
                .collect();
            assert_eq!(found, expected);
        }
        let new = ["1", "36"];
        check(new, &KINDS, None, &[]);
        check(["1", "30+"], &KINDS, Some("v0.59.0"), &[]);
        check(["2", "0"], &KINDS, Some("v1.6.0"), &[]);
        check(["", "?"], &KINDS, Some("devel"), &[]);
        check(
            ["1", "29"],
            &KINDS,
            None,
            &["expected Kubernetes 1.30 or newer, found 1.29"],
        );
        check(
            new,
            &KINDS,
            Some("v0.53.2"),
            &["expected Tekton Pipelines 0.59 or newer, found v0.53.2"],
        );
        check(
            new,
            &[
                ("v1beta1", "pipelineruns"),
                ("v1beta1", "taskruns"),
                ("v1beta1", "customruns"),
            ],
            None,
            &[
                "expected Tekton's Runs in the API server, found no pipelineruns in tekton.dev/v1, no taskruns in tekton.dev/v1",
            ],
        );
    }
}
