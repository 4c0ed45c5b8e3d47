//! The reset of declared state keys in CEL, as MutatingAdmissionPolicies: what `domain::reset` does, without its words to the client.
//!
//! Roots and Children have a policy each, since a policy that fails on a Child must never refuse it.

mod keys;
mod operations;

use serde_json::{Value, json};

use super::adjust::name;
use super::cel::{is_one_of, list};
use super::{FailurePolicy, ManifestsError, Parameters};
use crate::domain::policy_set::PolicySet;
use crate::domain::reset::is_lost_by_child;
use crate::domain::words::{CopiedOwnerReferences, Place, ResetRule};
use keys::Keys;
use operations::{disown_elements, disown_keys, disown_status, remove_elements, remove_keys, remove_status};

/// Most entries of managedFields that are looked at; a Run that is created has one, a copy with its old ones a few.
const MOST_MANAGERS: usize = 16;

/// Whether a controller owns the Run that the pipelines controller, or that of a custom task, made it for.
const HAS_TEKTON_CONTROLLER: &str = "object.metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false) && o.apiVersion.startsWith('tekton.dev/'))";

/// What is empty in a `status`; one level of it, where the webhook looks at all.
const HAS_STATUS: &str = "has(object.status) && (type(object.status) != map || object.status.exists(k, !(object.status[k] == null || object.status[k] == '' || object.status[k] == {} || object.status[k] == [])))";

const SPEC_STATUS: &str = "has(object.spec) && type(object.spec) == map && has(object.spec.status) && type(object.spec.status) == string ? object.spec.status : ''";

/// Policies and bindings for Roots and for Children.
pub(super) fn documents(
    set: &PolicySet,
    parameters: &Parameters,
    webhooks: &[Value],
) -> Result<Vec<Value>, ManifestsError> {
    // Which requests, and in which namespaces: as the webhook for the same Runs says.
    let runs = webhooks
        .iter()
        .filter_map(|configuration| configuration.get("webhooks")?.as_array())
        .flatten()
        .find(|webhook| webhook.get("name").and_then(Value::as_str) == Some("runs.runstamp.dev"))
        .ok_or_else(|| ManifestsError::embedded("500-webhooks.yaml", "runs.runstamp.dev is missing"))?;
    let constraints = json!({
        "matchPolicy": runs.get("matchPolicy"),
        "namespaceSelector": runs.get("namespaceSelector"),
        "resourceRules": runs.get("rules"),
    });
    let policies = [
        roots(set, parameters.failure_policy, &constraints),
        children(set, &constraints),
    ];
    let with_binding = |policy: Value| {
        let binding = binding(name(&policy));
        [policy, binding]
    };
    Ok(policies.into_iter().flat_map(with_binding).collect())
}

fn binding(policy: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": { "name": policy, "labels": labels() },
        "spec": { "policyName": policy },
    })
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/name": "runstamp", "app.kubernetes.io/part-of": "runstamp" })
}

/// A policy from its variables, in the order in which they need each other, and the operations that come of them.
fn policy(
    name: &str,
    failure_policy: FailurePolicy,
    constraints: &Value,
    conditions: &[(&str, String)],
    variables: &[(&str, String)],
    operations: &[String],
) -> Value {
    let named = |(name, expression): &(&str, String)| json!({ "name": name, "expression": expression });
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": { "name": name, "labels": labels() },
        "spec": {
            "failurePolicy": failure_policy.word(),
            "reinvocationPolicy": "IfNeeded",
            "matchConstraints": constraints,
            "matchConditions": conditions.iter().map(named).collect::<Vec<_>>(),
            "variables": variables.iter().map(named).collect::<Vec<_>>(),
            "mutations": [{
                "patchType": "JSONPatch",
                "jsonPatch": { "expression": operations.join("\n+ ") },
            }],
        },
    })
}

fn children(set: &PolicySet, constraints: &Value) -> Value {
    let controllers = is_one_of(&set.settings.controllers);
    let lost = |place| {
        let keys = Keys::of(set, place, |state| is_lost_by_child(state, state.key.as_str()));
        let mut predicate = keys.are_foreign(map_of(place));
        if place == Place::Label {
            // Without these its PipelineRun does not find it.
            predicate = format!("!k.startsWith('tekton.dev/') && ({predicate})");
        }
        format!("{}.filter(k, {predicate})", map_of(place))
    };
    let variables = [
        maps(),
        vec![
            ("goneAnnotations", lost(Place::Annotation)),
            ("goneLabels", lost(Place::Label)),
        ],
    ]
    .concat();
    let operations = [remove_keys(), disown_keys()].concat();
    policy(
        "children.reset.runstamp.dev",
        // A pipeline is under way.
        FailurePolicy::Ignore,
        constraints,
        &[
            ("not-exempt", is_not_exempt(set)),
            ("by-a-pipelines-controller", controllers),
            ("has-a-controller", HAS_TEKTON_CONTROLLER.to_owned()),
        ],
        &variables,
        &operations,
    )
}

fn roots(set: &PolicySet, failure_policy: FailurePolicy, constraints: &Value) -> Value {
    let controllers = is_one_of(&set.settings.controllers);
    let of = |place, rule| Keys::of(set, place, |state| state.reset == rule);
    // A key whose value begins with another namespace goes in any case; it has one rule, so nothing is listed twice.
    let of_another_namespace = |place| {
        let keys = Keys::of(set, place, |state| state.namespaced && state.reset != ResetRule::Always);
        let value = format!("{}[k]", map_of(place));
        (!keys.is_empty()).then(|| {
            format!(
                "{value}.contains('/') && !{value}.startsWith(request.namespace + '/') && ({})",
                keys.are_foreign(map_of(place))
            )
        })
    };
    let always = |place| {
        let mut predicate = of(place, ResetRule::Always).are_foreign(map_of(place));
        if let Some(foreign) = of_another_namespace(place) {
            predicate = format!("{predicate} || {foreign}");
        }
        format!("{}.filter(k, {predicate})", map_of(place))
    };
    let gone = |place, always: &str| {
        let mut on_copy = of(place, ResetRule::OnCopy).are_foreign(map_of(place));
        if let Some(foreign) = of_another_namespace(place) {
            on_copy = format!("({on_copy}) && !({foreign})");
        }
        format!(
            "variables.{always} + (variables.isCopy ? {}.filter(k, {on_copy}) : [])",
            map_of(place)
        )
    };
    let removes_owners = set.settings.copied_owner_references == CopiedOwnerReferences::Remove;
    let gone_owners = if removes_owners {
        "variables.owners.filter(o, o.?controller.orValue(false) && o.apiVersion.startsWith('tekton.dev/') && o.kind == 'PipelineRun')"
    } else {
        "[]"
    };
    let text = str::to_owned;
    let variables = [
        maps(),
        vec![
            ("finalizers", text("object.metadata.?finalizers.orValue([])")),
            ("owners", text("object.metadata.?ownerReferences.orValue([])")),
            ("specStatus", text(SPEC_STATUS)),
            ("goneStatus", text(HAS_STATUS)),
            ("alwaysAnnotations", always(Place::Annotation)),
            ("alwaysLabels", always(Place::Label)),
            (
                "alwaysFinalizers",
                format!("variables.finalizers.filter(k, {})", of(Place::Finalizer, ResetRule::Always).are_foreign("")),
            ),
            (
                "ofCustomTask",
                text("variables.owners.exists(o, o.?controller.orValue(false) && o.apiVersion.startsWith('tekton.dev/') && o.kind != 'PipelineRun')"),
            ),
            (
                "isCopy",
                text(
                    "size(variables.alwaysAnnotations) > 0\n\
                     || variables.alwaysLabels.exists(k, !(variables.ofCustomTask && k.startsWith('tekton.dev/')))\n\
                     || size(variables.alwaysFinalizers) > 0\n\
                     || variables.goneStatus\n\
                     || variables.owners.exists(o, o.?controller.orValue(false) && o.apiVersion.startsWith('tekton.dev/') && o.kind == 'PipelineRun')\n\
                     || variables.specStatus.contains('Cancelled') || variables.specStatus.contains('Stopped')\n\
                     || 'dashboard.tekton.dev/rerunOf' in variables.labels",
                ),
            ),
            ("goneAnnotations", gone(Place::Annotation, "alwaysAnnotations")),
            ("goneLabels", gone(Place::Label, "alwaysLabels")),
            (
                "goneFinalizers",
                format!(
                    "variables.alwaysFinalizers + (variables.isCopy ? variables.finalizers.filter(k, {}) : [])",
                    of(Place::Finalizer, ResetRule::OnCopy).are_foreign("")
                ),
            ),
            ("goneOwners", text(gone_owners)),
        ],
    ]
    .concat();
    let operations = [
        remove_keys(),
        vec![
            remove_elements("finalizers", "finalizers", "goneFinalizers"),
            remove_elements("ownerReferences", "owners", "goneOwners"),
            remove_status(),
        ],
        disown_keys(),
        vec![
            disown_elements("f:finalizers", "variables.goneFinalizers.map(k, 'v:\"' + k + '\"')"),
            disown_elements(
                "f:ownerReferences",
                "variables.goneOwners.map(o, 'k:{\"uid\":\"' + o.uid + '\"}')",
            ),
            disown_status(),
        ],
    ]
    .concat();
    policy(
        "runs.reset.runstamp.dev",
        failure_policy,
        constraints,
        &[
            ("not-exempt", is_not_exempt(set)),
            ("not-a-child", format!("!(({controllers}) && {HAS_TEKTON_CONTROLLER})")),
        ],
        &variables,
        &operations,
    )
}

fn is_not_exempt(set: &PolicySet) -> String {
    let groups = list(set.settings.exempt_groups.iter().map(String::as_str));
    format!(
        "!({} || request.userInfo.?groups.orValue([]).exists(g, g in {groups}))",
        is_one_of(&set.settings.exempt)
    )
}

/// What both policies read.
fn maps() -> Vec<(&'static str, String)> {
    vec![
        ("annotations", "object.metadata.?annotations.orValue({})".to_owned()),
        ("labels", "object.metadata.?labels.orValue({})".to_owned()),
        ("managers", "object.metadata.?managedFields.orValue([])".to_owned()),
        ("positions", {
            let all: Vec<String> = (0..MOST_MANAGERS).map(|position| position.to_string()).collect();
            format!("[{}].filter(i, i < size(variables.managers))", all.join(", "))
        }),
    ]
}

fn map_of(place: Place) -> &'static str {
    match place {
        Place::Annotation => "variables.annotations",
        Place::Label => "variables.labels",
        Place::Finalizer => "variables.finalizers",
    }
}
