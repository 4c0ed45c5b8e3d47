//! What a person at a terminal sees.

use crate::cluster::stage::{ALICE, BOB, Guard, cluster};
use crate::readme;

const COPIED: &str = include_str!("../../examples/copied-run.yaml");
const MALFORMED: &str = include_str!("../../examples/malformed-run.yaml");
const CLEAN: &str = include_str!("../../examples/clean-run.yaml");

#[test]
fn three_mistakes_are_three_bullets() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("bullets", Guard::Builtins);
    let answer = ci.as_user(ALICE).kubectl(&["create", "-f", "-"], MALFORMED);
    assert_ne!(answer.code, 0);
    let lines: Vec<&str> = answer.stderr.lines().collect();
    assert_eq!(
        lines[0].trim_end(),
        "The PipelineRun \"three-mistakes\" is invalid:",
        "{answer:?}"
    );
    let fields = [
        "* metadata.annotations[github.integrations.tekton.dev/installation]: ",
        "* metadata.annotations[github.integrations.tekton.dev/sha]: ",
        "* metadata.annotations[slack.integrations.tekton.dev/channel]: ",
    ];
    assert_eq!(lines.len(), 1 + fields.len(), "{answer:?}");
    for (line, field) in lines[1..].iter().zip(fields) {
        assert!(line.starts_with(field), "{answer:?}");
        assert!(
            line.contains("(runstamp: integration "),
            "each bullet says who says so: {answer:?}"
        );
    }
    let shown = readme::output_of("kubectl create -f examples/malformed-run.yaml");
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&answer.stderr), lines(&shown), "README.md shows another answer");
}

#[test]
fn a_copied_run_is_created_and_the_person_is_told() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("told", Guard::Builtins);
    let answer = ci.as_user(BOB).kubectl(&["create", "-f", "-"], COPIED);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stderr.starts_with("Warning: "), "{answer:?}");
    let keys = ci.as_user(BOB).kubectl(
        &["get", "pipelinerun", "-o", "jsonpath={.items[*].metadata.annotations}"],
        "",
    );
    assert!(!keys.stdout.contains("chains.tekton.dev/signed"), "{keys:?}");
    assert!(
        keys.stdout.contains("chains.tekton.dev/transparency-upload"),
        "{keys:?}"
    );
}

#[test]
fn a_clean_run_passes_in_silence() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("silence", Guard::Builtins);
    let answer = ci.as_user(ALICE).kubectl(&["create", "-f", "-"], CLEAN);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
}

#[test]
fn a_person_is_told_that_nobody_answers() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("nobody-answers", Guard::Down);
    let answer = ci.as_user(ALICE).kubectl(&["create", "-f", "-"], CLEAN);
    assert_ne!(answer.code, 0);
    assert!(
        answer.stderr.starts_with("Error from server (InternalError): "),
        "{answer:?}"
    );
    assert!(
        answer.stderr.contains("failed calling webhook \"runs.runstamp.dev\""),
        "{answer:?}"
    );
}

/// The oldest way to run something again.
#[test]
fn get_and_create_makes_a_new_run() {
    let Some(cluster) = cluster() else { return };
    let ci = cluster.namespace("get-and-create", Guard::Off);
    let again = |ci: &crate::cluster::stage::Namespace<'_>, name: &str| {
        let old = ci
            .as_user(ALICE)
            .kubectl(&["get", "pipelinerun", "signed", "-o", "yaml"], "")
            .stdout;
        let new = old.replace("\n  name: signed\n", &format!("\n  name: {name}\n"));
        let answer = ci.as_user(ALICE).kubectl(&["create", "-f", "-"], &new);
        assert_eq!(answer.code, 0, "{answer:?}");
        let show = "jsonpath={.metadata.annotations}{.metadata.finalizers}";
        ci.as_user(ALICE)
            .kubectl(&["get", "pipelinerun", name, "-o", show], "")
            .stdout
    };
    let named = COPIED.replace("generateName: build-r-", "name: signed");
    let answer = ci.as_user(ALICE).kubectl(&["create", "-f", "-"], &named);
    assert_eq!(answer.code, 0, "{answer:?}");

    let before = again(&ci, "before");
    assert!(
        before.contains("chains.tekton.dev/signed") && before.contains("chains.tekton.dev/pipelinerun"),
        "{before}"
    );
    ci.guard(Guard::Builtins);
    let after = again(&ci, "after");
    assert!(
        !after.contains("chains.tekton.dev/signed") && !after.contains("chains.tekton.dev/pipelinerun"),
        "{after}"
    );
    assert!(after.contains("ci.example.com/note"), "{after}");
}
