//! Hundreds of policies that set the same annotations on every Run: Runstamp's, and the API server's own.

use serde_json::{Value, json};

use runstamp::builtin;
use runstamp::policy_file::PolicyText;

use crate::cluster::{Cluster, Namespace};
use crate::in_turns;
use crate::table::{at_most, begin, note, percentile};

/// How many there are.
const FEW: usize = 100;
const MANY: usize = 1_000;

/// Annotations that each of them sets, the same ones: that is what several teams do who set the cost centre.
const ANNOTATIONS: usize = 5;

/// Creates are slow here, and the figures are far apart.
const CREATES: usize = 50;

/// A namespace for which the policies of the API server are.
const OF_POLICIES: &str = "policies";

pub(crate) fn compare(cluster: &Cluster, plain: &Namespace, creates: usize) -> anyhow::Result<()> {
    let few = cluster.namespace("runstamp-few", Some(cluster.runstamp("few", runstamp_policies(FEW))?))?;
    let many = cluster.namespace(
        "runstamp-many",
        Some(cluster.runstamp("many", runstamp_policies(MANY))?),
    )?;
    cluster.check(&few, ANNOTATIONS)?;
    cluster.check(&many, ANNOTATIONS)?;
    let ours = in_turns(cluster, [plain, &few, &many], creates)?;

    let policies = cluster.namespace(OF_POLICIES, None)?;
    let mut theirs = Vec::new();
    for (from, to) in [(0, FEW), (FEW, MANY)] {
        cluster.apply(&(from..to).flat_map(admission_policy).collect::<Vec<_>>())?;
        let last = last_key(to);
        cluster.wait_for("the last policy", || {
            Ok(cluster.create(&policies)?.body["metadata"]["annotations"]
                .get(&last)
                .is_some())
        })?;
        theirs.push(in_turns(cluster, [plain, &policies], CREATES)?);
    }

    let p50 = |latencies: &[_]| percentile(&mut latencies.to_vec(), 50.0);
    let of_runstamp = [1, 2].map(|of| p50(&ours[of]) - p50(&ours[0]));
    let of_policies: Vec<f64> = theirs
        .iter()
        .map(|[plain, policies]| p50(policies) - p50(plain))
        .collect();
    begin("As many policies that set five annotations, against MutatingAdmissionPolicies (added to p50)");
    at_most(
        &format!("{MANY} policies"),
        of_runstamp[1] / of_policies[1],
        1.0 / 100.0,
        1.0 / 200.0,
        " ×",
    );
    for (count, ours, theirs) in [
        (FEW, of_runstamp[0], of_policies[0]),
        (MANY, of_runstamp[1], of_policies[1]),
    ] {
        note(
            &format!("{count} policies of Runstamp, of the API server"),
            &format!("{ours:.2} ms, {theirs:.2} ms"),
        );
    }
    note("p50 without any", &format!("{:.2} ms", p50(&ours[0])));
    Ok(())
}

fn key(annotation: usize) -> String {
    format!("ci.example.com/annotation-{annotation}")
}

/// What one policy of each size sets besides, which tells that all before it are in force.
fn last_key(count: usize) -> String {
    format!("ci.example.com/policy-{}", count - 1)
}

fn runstamp_policies(count: usize) -> Vec<PolicyText> {
    let annotations: String = (0..ANNOTATIONS)
        .map(|number| format!("      {}: shop\n", key(number)))
        .collect();
    let documents: String = (0..count)
        .map(|number| {
            format!(
                "---\napiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata:\n  name: team-{number}\nspec:\n  \
                 match:\n    kinds: [PipelineRun]\n  inject:\n    annotations:\n{annotations}"
            )
        })
        .collect();
    let text = PolicyText {
        name: "teams.yaml".to_owned(),
        content: documents.into_bytes(),
        builtin: false,
    };
    builtin::policies().into_iter().chain([text]).collect()
}

/// The same as a MutatingAdmissionPolicy, with its binding.
fn admission_policy(number: usize) -> [Value; 2] {
    let mut keys: Vec<String> = (0..ANNOTATIONS).map(key).collect();
    if [FEW, MANY].contains(&(number + 1)) {
        keys.push(last_key(number + 1));
    }
    let operations: Vec<String> = keys
        .iter()
        .map(|key| {
            format!(
                "JSONPatch{{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('{key}'), value: 'shop'}}"
            )
        })
        .collect();
    let name = format!("team-{number:04}");
    let version = "admissionregistration.k8s.io/v1";
    let policy = json!({
        "apiVersion": version,
        "kind": "MutatingAdmissionPolicy",
        "metadata": { "name": name },
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": OF_POLICIES } },
                "resourceRules": [{
                    "operations": ["CREATE"],
                    "apiGroups": ["tekton.dev"],
                    "apiVersions": ["v1"],
                    "resources": ["pipelineruns"],
                }],
            },
            "mutations": [{
                "patchType": "JSONPatch",
                "jsonPatch": { "expression": format!("[{}]", operations.join(", ")) },
            }],
        },
    });
    let binding = json!({
        "apiVersion": version,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": { "name": name },
        "spec": { "policyName": name },
    });
    [policy, binding]
}
