//! The reset of declared state keys in CEL, as MutatingAdmissionPolicies: what `domain::reset` does, without its words to the client.
//!
//! Roots and Children have a policy each, since a policy that fails on a Child must never refuse it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::adjust::name;
use super::cel::{is_one_of, list, matches_one_of, quoted};
use super::{FailurePolicy, ManifestsError, Parameters};
use crate::domain::integration::StateKey;
use crate::domain::policy_set::PolicySet;
use crate::domain::reset::is_lost_by_child;
use crate::domain::words::{CopiedOwnerReferences, Place, ResetRule, RunKind};

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
            text("(variables.goneStatus ? [JSONPatch{op: 'remove', path: '/status'}] : [])"),
        ],
        disown_keys(),
        vec![
            disown_elements("f:finalizers", "variables.goneFinalizers.map(k, 'v:\"' + k + '\"')"),
            disown_elements(
                "f:ownerReferences",
                "variables.goneOwners.map(o, 'k:{\"uid\":\"' + o.uid + '\"}')",
            ),
            format!(
                "({MANAGERS}.filter(i, variables.goneStatus && 'f:status' in {FIELDS}).map(i, JSONPatch{{op: 'remove', path: {MANAGER_PATH} + 'f:status'}}))"
            ),
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

fn remove_keys() -> Vec<String> {
    let remove = |field: &str, gone: &str| {
        format!(
            "variables.{gone}.map(k, JSONPatch{{op: 'remove', path: '/metadata/{field}/' + jsonpatch.escapeKey(k)}})"
        )
    };
    vec![remove("annotations", "goneAnnotations"), remove("labels", "goneLabels")]
}

/// The list without what is gone; no list where nothing is left.
fn remove_elements(field: &str, all: &str, gone: &str) -> String {
    format!(
        "(size(variables.{gone}) == 0 ? [] : size(variables.{gone}) == size(variables.{all}) ? [JSONPatch{{op: 'remove', path: '/metadata/{field}'}}] : [JSONPatch{{op: 'replace', path: '/metadata/{field}', value: variables.{all}.filter(e, !(e in variables.{gone}))}}])"
    )
}

/// Positions in managedFields, in a comprehension over `i`.
const MANAGERS: &str = "variables.positions";
const FIELDS: &str = "variables.managers[i].?fieldsV1.orValue({})";
const MANAGER_PATH: &str = "'/metadata/managedFields/' + string(i) + '/fieldsV1/'";

/// What is gone has no owner left, or the integration that owns the key could not claim it again.
fn disown_keys() -> Vec<String> {
    let disown = |field: &str, gone: &str| {
        format!(
            "{MANAGERS}.map(i, variables.{gone}.filter(k, ('f:' + k) in {}).map(k, JSONPatch{{op: 'remove', path: {MANAGER_PATH} + 'f:metadata/{field}/' + jsonpatch.escapeKey('f:' + k)}})).flatten()",
            owned(field)
        )
    };
    vec![
        disown("f:annotations", "goneAnnotations"),
        disown("f:labels", "goneLabels"),
    ]
}

/// The same for the elements of a list; the whole list where none of the manager's is left.
fn disown_elements(field: &str, gone: &str) -> String {
    let owned = owned(field);
    let is_gone = format!("e in {gone}");
    format!(
        "{MANAGERS}.filter(i, {owned}.exists(e, {is_gone})).map(i, {owned}.all(e, e == '.' || {is_gone}) ? [JSONPatch{{op: 'remove', path: {MANAGER_PATH} + 'f:metadata/{field}'}}] : {owned}.filter(e, {is_gone}).map(e, JSONPatch{{op: 'remove', path: {MANAGER_PATH} + 'f:metadata/{field}/' + jsonpatch.escapeKey(e)}})).flatten()"
    )
}

fn owned(field: &str) -> String {
    format!("variables.managers[i].?fieldsV1[?'f:metadata'][?'{field}'].orValue({{}})")
}

/// State keys of one place by the kinds on which they are state, as CEL asks for them.
struct Keys<'s> {
    place: Place,
    set: &'s PolicySet,
    /// In the order of the words, so that the output is the same each time.
    by_kinds: BTreeMap<Vec<RunKind>, Vec<&'s Arc<StateKey>>>,
}

impl<'s> Keys<'s> {
    fn of(set: &'s PolicySet, place: Place, is_meant: impl Fn(&StateKey) -> bool) -> Self {
        let mut by_kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let states = set.integrations.iter().flat_map(|integration| &integration.state);
        for state in states.filter(|state| state.place == place && is_meant(state)) {
            let mut kinds = state.kinds.clone();
            kinds.sort_unstable();
            by_kinds.entry(kinds).or_default().push(state);
        }
        for states in by_kinds.values_mut() {
            states.sort_by(|one, other| one.key.as_str().cmp(other.key.as_str()));
        }
        Self { place, set, by_kinds }
    }

    fn is_empty(&self) -> bool {
        self.by_kinds.is_empty()
    }

    /// Whether `k` is one of them and the user is not one who may set it to this value at creation.
    fn are_foreign(&self, map: &str) -> String {
        let groups = self.by_kinds.iter().map(|(kinds, states)| {
            let members = self.members(states);
            if kinds.len() == RunKind::WORDS.len() {
                members
            } else {
                let kinds = list(kinds.iter().map(|kind| kind.word()));
                format!("object.kind in {kinds} && ({members})")
            }
        });
        let mut predicate = groups.collect::<Vec<_>>().join(" || ");
        if predicate.is_empty() {
            return "false".to_owned();
        }
        let states = self.by_kinds.values().flatten();
        let creations: Vec<String> = states.filter_map(|state| self.creation(state, map)).collect();
        if !creations.is_empty() {
            predicate = format!("({predicate}) && !({})", creations.join(" || "));
        }
        predicate
    }

    fn members(&self, states: &[&Arc<StateKey>]) -> String {
        let (literals, globs): (Vec<&Arc<StateKey>>, Vec<&Arc<StateKey>>) =
            states.iter().copied().partition(|state| state.key.is_literal());
        let mut alternatives = Vec::new();
        if !literals.is_empty() {
            alternatives.push(format!("k in {}", list(literals.iter().map(|state| state.key.as_str()))));
        }
        alternatives.extend(globs.into_iter().map(|state| self.glob(state)));
        alternatives.join(" || ")
    }

    /// A key with a `*`, without those that are declared by themselves.
    fn glob(&self, state: &StateKey) -> String {
        let matches = matches_one_of("k", std::slice::from_ref(&state.key));
        let mut declared: Vec<&str> = self
            .set
            .integrations
            .iter()
            .flat_map(|integration| {
                let config = integration.config.iter().filter(|config| config.place == self.place);
                let states = integration.state.iter().filter(|other| other.place == self.place);
                let states = states.filter(|other| other.key.is_literal());
                config
                    .flat_map(|config| config.spellings.iter().map(|spelling| &**spelling))
                    .chain(states.map(|other| other.key.as_str()))
            })
            .filter(|key| state.key.matches(key))
            .collect();
        if declared.is_empty() {
            return matches;
        }
        declared.sort_unstable();
        format!("{matches} && !(k in {})", list(declared))
    }

    /// That `k` is this key and a creator sets it; nothing where nobody may.
    fn creation(&self, state: &StateKey, map: &str) -> Option<String> {
        let creators = state.creators.iter().filter_map(|creator| {
            let user = is_one_of(&creator.users);
            match &creator.values {
                None => Some(format!("({user})")),
                // A finalizer has no value.
                Some(values) if self.place == Place::Finalizer => values.is_match("").then(|| format!("({user})")),
                Some(values) => Some(format!(
                    "({user}) && {map}[k].matches({})",
                    quoted(&format!("^(?:{})$", values.as_str()))
                )),
            }
        });
        let creators: Vec<String> = creators.collect();
        let key = matches_one_of("k", std::slice::from_ref(&state.key));
        (!creators.is_empty()).then(|| format!("({key}) && ({})", creators.join(" || ")))
    }
}
