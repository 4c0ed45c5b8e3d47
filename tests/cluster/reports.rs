//! The reports that Runstamp exists for, each before (the API server alone) and after.

use serde_json::{Value, json};

use crate::cluster::casts::{child_of, pipeline_run, pipelines_controller, task_run};
use crate::cluster::rerun;
use crate::cluster::stage::{ALICE, Guard, admitted, cluster};
use crate::support::control_plane::User;

const OLD_UID: &str = "5f1c2b9e-7a64-4c0e-9a1b-2d3e4f5a6b7c";

/// What was reported: a Run that is run again in some way, and what must become of its keys.
struct Report<'a> {
    /// The namespace of the story, named after the report.
    name: &'a str,
    /// The Run as its integrations left it.
    old: Value,
    /// How it is run again, and by whom.
    rerun: fn(&Value) -> Value,
    user: User,
    /// Annotations and labels of the old Run that are not the new Run's.
    state: &'a [&'a str],
    /// Those that the user set.
    configuration: &'a [&'a str],
    /// Whether anybody reads a warning about what was removed.
    warns: bool,
}

#[track_caller]
fn check(report: &Report<'_>) {
    let Some(cluster) = cluster() else { return };
    let before = cluster.namespace(&format!("{}-before", report.name), Guard::Off);
    let after = cluster.namespace(&format!("{}-after", report.name), Guard::Builtins);
    let old = admitted(before.as_user(User::Admin).create(&report.old));
    let again = (report.rerun)(&old);

    let run = admitted(before.as_user(report.user.clone()).create(&again));
    let stored = before.stored(&run).unwrap();
    for key in report.state.iter().chain(report.configuration) {
        assert_eq!(
            value(&stored, key),
            value(&report.old, key),
            "without Runstamp {key} is copied: {stored:#}"
        );
    }

    let answer = after.as_user(report.user.clone()).create(&again);
    let warnings = answer.warnings.clone();
    let stored = after.stored(&admitted(answer)).unwrap();
    for key in report.state {
        assert_eq!(value(&stored, key), None, "{key} is another Run's: {stored:#}");
    }
    for key in report.configuration {
        assert_eq!(
            value(&stored, key),
            value(&report.old, key),
            "{key} is the user's: {stored:#}"
        );
    }
    let warned = warnings.iter().any(|warning| warning.contains("removed"));
    assert_eq!(warned, report.warns, "{warnings:?}");
    assert_eq!(stored["spec"], again["spec"], "the specification is never touched");
}

/// The value of an annotation, else of a label.
fn value(run: &Value, key: &str) -> Option<Value> {
    let metadata = &run["metadata"];
    metadata["annotations"]
        .get(key)
        .or_else(|| metadata["labels"].get(key))
        .cloned()
}

#[test]
fn chains_1004_and_pipeline_6435_a_copied_signature_means_never_signed() {
    check(&Report {
        name: "chains-1004",
        old: task_run(
            "old",
            &json!({ "chains.tekton.dev/signed": "true", "ci.example.com/note": "kept" }),
        ),
        rerun: rerun::kubectl_copy,
        user: ALICE,
        state: &["chains.tekton.dev/signed"],
        configuration: &["ci.example.com/note"],
        warns: true,
    });
}

#[test]
fn results_556_a_copied_record_is_overwritten() {
    let record = format!("ci/results/{OLD_UID}/records/{OLD_UID}");
    check(&Report {
        name: "results-556",
        old: pipeline_run(
            "old",
            &json!({
                "results.tekton.dev/record": record,
                "results.tekton.dev/result": format!("ci/results/{OLD_UID}"),
                "results.tekton.dev/resultAnnotations": r#"{"repo":"shop"}"#,
            }),
        ),
        rerun: rerun::dashboard_pipeline_run,
        user: ALICE,
        state: &["results.tekton.dev/record", "results.tekton.dev/result"],
        configuration: &["results.tekton.dev/resultAnnotations"],
        warns: true,
    });
}

#[test]
fn results_150_a_rerun_is_recorded_under_the_old_event() {
    let mut old = pipeline_run("old", &json!({}));
    old["metadata"]["labels"] = json!({
        "triggers.tekton.dev/triggers-eventid": "1f0c8a52-6f3e-4a53-9d0e-0d7b8b5b3a11",
        "app.kubernetes.io/name": "shop",
    });
    check(&Report {
        name: "results-150",
        old,
        rerun: rerun::dashboard_pipeline_run,
        user: ALICE,
        state: &["triggers.tekton.dev/triggers-eventid"],
        configuration: &["app.kubernetes.io/name"],
        warns: true,
    });
}

#[test]
fn results_296_children_inherit_the_record_of_their_pipeline_run() {
    check(&Report {
        name: "results-296",
        old: child_of(
            "build-1",
            &json!({
                "results.tekton.dev/record": format!("ci/results/{OLD_UID}/records/{OLD_UID}"),
                "results.tekton.dev/result": format!("ci/results/{OLD_UID}"),
            }),
        ),
        rerun: rerun::kubectl_copy,
        user: pipelines_controller(),
        state: &["results.tekton.dev/record"],
        // A child belongs to the Result of its PipelineRun, and its labels say whose child it is.
        configuration: &["results.tekton.dev/result", "tekton.dev/pipelineRunUID"],
        warns: false,
    });
}

#[test]
fn console_12927_a_rerun_adopts_the_old_task_runs() {
    check(&Report {
        name: "console-12927",
        old: pipeline_run(
            "old",
            &json!({ "tekton.dev/v1beta1TaskRuns": "H4sIAAAAAAAA/6uuBQBDv6ajAgAAAA==", "ci.example.com/note": "kept" }),
        ),
        rerun: rerun::openshift_console,
        user: ALICE,
        state: &["tekton.dev/v1beta1TaskRuns"],
        configuration: &["ci.example.com/note"],
        warns: true,
    });
}

#[test]
fn console_13230_everything_of_results_is_copied() {
    check(&Report {
        name: "console-13230",
        old: pipeline_run(
            "old",
            &json!({
                "results.tekton.dev/childReadyForDeletion": "true",
                "results.tekton.dev/log": format!("ci/results/{OLD_UID}/logs/{OLD_UID}"),
                "results.tekton.dev/record": format!("ci/results/{OLD_UID}/records/{OLD_UID}"),
                "results.tekton.dev/result": format!("ci/results/{OLD_UID}"),
                "results.tekton.dev/stored": "true",
                "pipeline.openshift.io/preferredName": "shop",
            }),
        ),
        rerun: rerun::openshift_console,
        user: ALICE,
        state: &[
            "results.tekton.dev/childReadyForDeletion",
            "results.tekton.dev/log",
            "results.tekton.dev/record",
            "results.tekton.dev/result",
            "results.tekton.dev/stored",
        ],
        configuration: &["pipeline.openshift.io/preferredName"],
        warns: true,
    });
}

#[test]
fn pipeline_6857_a_filter_by_prefix_loses_the_summary_annotations() {
    check(&Report {
        name: "pipeline-6857",
        old: pipeline_run(
            "old",
            &json!({ "results.tekton.dev/recordSummaryAnnotations": r#"{"repo":"shop"}"# }),
        ),
        rerun: rerun::openshift_console,
        user: ALICE,
        state: &[],
        configuration: &["results.tekton.dev/recordSummaryAnnotations"],
        warns: false,
    });
}

#[test]
fn pipeline_7291_a_filter_by_prefix_loses_the_wish_to_upload() {
    check(&Report {
        name: "pipeline-7291",
        old: task_run(
            "old",
            &json!({ "chains.tekton.dev/transparency-upload": "true", "chains.tekton.dev/signed": "true" }),
        ),
        rerun: rerun::dashboard_task_run,
        user: ALICE,
        state: &["chains.tekton.dev/signed"],
        configuration: &["chains.tekton.dev/transparency-upload"],
        warns: true,
    });
}

#[test]
fn the_github_notifier_updates_the_old_check() {
    check(&Report {
        name: "github-notifier",
        old: task_run(
            "old",
            &json!({
                "github.integrations.tekton.dev/checkrun": "30412345678",
                "github.integrations.tekton.dev/commit": "6c1f3a7be0d94c25a8f17b6d5e4c3b2a19087f6e",
                "github.integrations.tekton.dev/owner": "acme",
                "github.integrations.tekton.dev/repo": "shop",
            }),
        ),
        rerun: rerun::dashboard_task_run,
        user: ALICE,
        state: &["github.integrations.tekton.dev/checkrun"],
        configuration: &[
            "github.integrations.tekton.dev/commit",
            "github.integrations.tekton.dev/owner",
            "github.integrations.tekton.dev/repo",
        ],
        warns: true,
    });
}
