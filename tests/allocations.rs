//! How often a decision asks for memory: the fast path cannot be lost unseen.
#![cfg(test)]

mod common;

#[path = "../benches/load.rs"]
#[allow(dead_code, reason = "the benchmarks use the rest")]
mod load;

use common::{set_with, starter_set};
use runstamp::domain::policy_set::PolicySet;
use runstamp::review::{Stance, Webhook, answer};

fn set_with_teams(policies: usize) -> PolicySet {
    common::set_of(load::texts_with_teams(policies))
}

/// The recorded review of a Run whose params tell of a commit of a repository on GitHub, with another text in one place.
fn root_create(from: &str, to: &str) -> Vec<u8> {
    let review = String::from_utf8(load::recorded("root-create.mutate")).unwrap();
    assert!(review.contains(from), "the recorded review holds {from}");
    review.replace(from, to).into_bytes()
}

/// Allocations of one call that puts in so many keys; the second, since the first one fills the caches of regular expressions.
fn allocations(review: &[u8], set: &PolicySet, injected: usize) -> u64 {
    let call = || answer(Webhook::Mutate, review, set, Stance::default()).unwrap();
    assert_eq!(call().decision.injected.len(), injected);
    allocation_counter::measure(|| drop(call())).count_total
}

/// 26 when this was written: eight while reading (the Run, groups, annotations, labels, params, where strings end, the name
/// that is shown) and what the keys are declared as, lists of sources, of what they said and of candidates, the rest for the trigger
/// context (the parts of the URL that are no part of its text), and one for the reply.
#[test]
fn a_run_that_needs_nothing_costs_few_allocations() {
    let review = root_create("github.com", "git.example.com");
    let count = allocations(&review, &starter_set(), 0);
    assert!(count <= 28, "{count} allocations");
}

/// 55 when this was written: 29 more than above for three keys, each with the key and value of the decision and those of the patch, the
/// claims, the record, the audit annotations, and the patch as JSON.
#[test]
fn an_injected_key_costs_few_allocations() {
    let review = load::recorded("root-create.mutate");
    let count = allocations(&review, &starter_set(), 3);
    assert!(count <= 58, "{count} allocations");
}

#[test]
fn policies_of_other_namespaces_cost_nothing() {
    let review = load::recorded("root-create.mutate");
    let three = allocations(&review, &set_with_teams(3), load::INJECTED);
    assert_eq!(allocations(&review, &set_with_teams(2_000), load::INJECTED), three);
}

/// A script costs nothing; the labels of each of the tasks cost one list.
#[test]
fn the_size_of_spec_costs_only_its_nested_metadata() {
    let review = load::recorded("pipelines-as-code.mutate");
    let large = load::with_scripts(&review, 50_000);
    let tasks = String::from_utf8_lossy(&large).matches("\"taskSpec\"").count();
    let set = set_with_teams(1);
    let more = allocations(&large, &set, load::INJECTED) - allocations(&review, &set, load::INJECTED);
    // The lists of tasks and of their metadata grow by doubling, which is fewer than ten steps each.
    assert!(more <= tasks as u64 + 20, "{more} more allocations for {tasks} tasks");
}

/// What making an answer takes at most, in sizes of the body: the memory limit of the manifests rests on it. The worst
/// are empty finalizers, three bytes of a body each and 24 of memory, twice where the list has just grown.
const MOST_TIMES_THE_BODY: usize = 20;

#[test]
fn no_body_makes_an_answer_take_many_times_its_size() {
    let review = String::from_utf8(load::recorded("root-create.mutate")).unwrap();
    let many = |piece: &str| vec![piece; 1_000_000 / (piece.len() + 1)].join(",");
    let entries = |count: usize| -> String {
        let entries: Vec<String> = (0..count).map(|number| format!("\"k{number:06}\":\"\"")).collect();
        entries.join(",")
    };
    let spec = |fields: &str| review.replacen("\"spec\":{", &format!("\"spec\":{{{fields},"), 1);
    let metadata = |fields: &str| review.replacen("\"metadata\":{", &format!("\"metadata\":{{{fields},"), 1);
    // The API server completes what is sent to it as `{}`.
    let owner = r#"{"apiVersion":"","kind":"","name":"","uid":""}"#;
    let label = r#"{"metadata":{"labels":{"a":""}}}"#;
    for (what, body) in [
        (
            "empty taskRunSpecs",
            spec(&format!("\"taskRunSpecs\":[{}]", many("{}"))),
        ),
        (
            "numbers as tasks",
            spec(&format!("\"pipelineSpec\":{{\"tasks\":[{}]}}", many("0"))),
        ),
        ("a label each", spec(&format!("\"taskRunSpecs\":[{}]", many(label)))),
        (
            "many labels of one task",
            spec(&format!(
                "\"taskRunSpecs\":[{{\"metadata\":{{\"labels\":{{{}}}}}}}]",
                entries(80_000)
            )),
        ),
        ("nameless params", spec(&format!("\"params\":[{}]", many("{}")))),
        (
            "params with a name",
            spec(&format!("\"params\":[{}]", many(r#"{"name":""}"#))),
        ),
        ("finalizers", metadata(&format!("\"finalizers\":[{}]", many("\"\"")))),
        ("owners", metadata(&format!("\"ownerReferences\":[{}]", many(owner)))),
        (
            "managedFields",
            metadata(&format!("\"managedFields\":[{}]", many("{}"))),
        ),
    ] {
        assert!(body.len() > 900_000, "{what}: the review holds what is replaced");
        let set = starter_set();
        let call = || drop(answer(Webhook::Mutate, body.as_bytes(), &set, Stance::default()));
        let peak = allocation_counter::measure(call).bytes_max;
        let most = (MOST_TIMES_THE_BODY * body.len()) as u64;
        assert!(peak <= most, "{what}: {peak} bytes for a body of {}", body.len());
    }
}

#[test]
fn only_a_path_without_a_fast_form_builds_the_document_tree() {
    let policy = |path: &str| {
        format!(
            "
apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata: {{name: reads-a-path}}
spec:
  match:
    where: [{{path: '{path}', operator: Exists}}]
"
        )
    };
    let review = load::with_scripts(&load::recorded("root-create.mutate"), 50_000);
    let fast = allocations(
        &review,
        &set_with(&policy("$.metadata.annotations[\"example.com/absent\"]")),
        0,
    );
    let slow = allocations(&review, &set_with(&policy("$.spec.timeouts.pipeline")), 0);
    let elsewhere = policy("$.spec.timeouts.pipeline").replace("  match:", "  match:\n    namespaces: [elsewhere]");
    let unmatched = allocations(&review, &set_with(&elsewhere), 0);
    assert!(fast <= unmatched + 5, "{fast} allocations instead of {unmatched}");
    assert!(
        slow >= 2 * fast,
        "{slow} allocations do not build a tree: this test measures nothing"
    );
}
