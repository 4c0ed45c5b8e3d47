//! A dry run that asks for an explanation gets it as warnings, which is all that a person without access to the policies has.

use crate::cluster::stage::{ALICE, Guard, cluster};

const DRY: [&str; 4] = ["create", "--dry-run=server", "-f", "-"];

fn run(annotations: &str, revision: &str) -> String {
    format!(
        "\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  generateName: build-
  annotations: {{runstamp.dev/explain: 'true'{annotations}}}
spec:
  pipelineRef: {{name: build}}
  params:
    - {{name: repo-url, value: 'https://github.com/acme/shop'}}
    - {{name: revision, value: '{revision}'}}
"
    )
}

#[test]
fn a_dry_run_explains_itself() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("explain", Guard::Starter);
    let answer = ci.as_user(ALICE).kubectl(&DRY, &run("", "main"));
    assert_eq!(answer.code, 0, "{answer:?}");
    let lines: Vec<&str> = answer
        .stderr
        .lines()
        .map(|line| line.strip_prefix("Warning: ").unwrap_or_else(|| panic!("{answer:?}")))
        .collect();
    let has = |line: &str| {
        assert_eq!(
            lines.iter().filter(|found| **found == line).count(),
            1,
            "{line}\n{lines:#?}"
        )
    };
    has("this Run is a Root: user \"alice\" is neither a pipelines controller nor exempt");
    has(
        "policy github-status does not set metadata.annotations[github.integrations.tekton.dev/sha]: trigger.sha is absent",
    );
    has(
        "trigger.sha is not spec.params[revision] (trigger source params): \"main\" is not a commit id of 40 or 64 hex digits",
    );
    has("trigger.owner is \"acme\" from trigger.url (trigger source params)");
    assert!(lines.iter().all(|line| line.chars().count() <= 256), "{lines:#?}");
    assert!(
        lines.iter().map(|line| line.chars().count()).sum::<usize>() <= 4096,
        "{lines:#?}"
    );
}

#[test]
fn a_refusal_explains_itself_as_well() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("explain-refusal", Guard::Starter);
    let malformed = run(", slack.integrations.tekton.dev/channel: Build Cop", "main");
    let answer = ci.as_user(ALICE).kubectl(&DRY, &malformed);
    assert_ne!(answer.code, 0, "{answer:?}");
    assert!(answer.stderr.contains("is invalid: "), "{answer:?}");
    assert!(
        answer.stderr.contains("Warning: policy github-status does not set "),
        "{answer:?}"
    );
}

/// Whoever creates a Run for good is not lectured.
#[test]
fn a_creation_explains_nothing() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("explain-nothing", Guard::Starter);
    let answer = ci.as_user(ALICE).kubectl(&["create", "-f", "-"], &run("", "main"));
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
}
