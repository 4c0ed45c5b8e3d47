//! UPDATE: ratcheting. Only what changed is judged, and state is only changed by its writers.

use std::sync::Arc;

use super::create::{conclude, soften};
use crate::domain::decision::{Author, Decision, RemovalReason, Removed, StateUpdate};
use crate::domain::field_path::FieldPath;
use crate::domain::integration::StateKey;
use crate::domain::judge::{Bench, would_find_fault};
use crate::domain::lineage::{is_controller, is_exempt};
use crate::domain::matching::{NamespaceLabels, matches};
use crate::domain::patch::{self, Puts};
use crate::domain::policy::RunPolicy;
use crate::domain::policy_set::PolicySet;
use crate::domain::provenance::Provenance;
use crate::domain::reading::Reading;
use crate::domain::request::{Options, Request};
use crate::domain::run::Run;
use crate::domain::trigger::{Context, context};
use crate::domain::view::View;
use crate::domain::words::{Mode, OnChild, Place, Reaction, ResetRule, RunKind, StateKeyUpdates};

/// A state key that the UPDATE adds, changes or removes.
struct Change<'r, 's> {
    place: Place,
    key: &'r str,
    before: Option<&'r str>,
    after: Option<&'r str>,
    state: &'s Arc<StateKey>,
}

impl Change<'_, '_> {
    fn is_addition(&self) -> bool {
        self.before.is_none()
    }
}

/// `/mutate` on UPDATE: state that a pipelines controller merged in from a Pipeline or Task goes again, and what Settings say of others' changes.
pub(super) fn mutate(
    request: &Request<'_>,
    run: &Run<'_>,
    old: &Run<'_>,
    set: &PolicySet,
    namespace_labels: NamespaceLabels<'_>,
    options: Options,
) -> Decision {
    if passes_unseen(request, run, old, set) {
        return Decision::untouched(None);
    }
    let mut decision = if options.judge_all_in_mutate {
        judge(request, run, old, set, namespace_labels)
    } else {
        Decision::untouched(None)
    };
    let mut view = View::new(run);
    let mut puts = Puts::default();
    let by_controller = is_controller(&request.user, set);
    for change in state_changes(request.kind, run, old, set) {
        if is_writer(&change, request) {
            continue;
        }
        let drops = if by_controller {
            change.is_addition() && !is_a_request(change.state)
        } else {
            change.state.updates == StateKeyUpdates::Drop
        };
        if drops {
            undo(&change, &mut view, &mut puts, &mut decision);
        }
    }
    decision.patch = patch::build(&view, puts);
    conclude(decision)
}

/// Keys that anybody may set and nobody loses are state in name only: a wildcard of them cannot be declared otherwise.
fn is_a_request(state: &StateKey) -> bool {
    state.reset == ResetRule::Never && state.on_child == OnChild::Keep && state.updates == StateKeyUpdates::Allow
}

/// `/validate` on UPDATE.
pub(super) fn validate(
    request: &Request<'_>,
    run: &Run<'_>,
    old: &Run<'_>,
    set: &PolicySet,
    namespace_labels: NamespaceLabels<'_>,
) -> Decision {
    if passes_unseen(request, run, old, set) {
        return Decision::untouched(None);
    }
    conclude(judge(request, run, old, set, namespace_labels))
}

/// A stale write is refused by the API server with 409 in a moment, a Run that is being deleted must lose its finalizers,
/// and a mirror knows what it does: none of them is ours to judge or to count.
fn passes_unseen(request: &Request<'_>, run: &Run<'_>, old: &Run<'_>, set: &PolicySet) -> bool {
    is_stale(run, old) || run.metadata.deletion_timestamp.is_some() || is_exempt(&request.user, set)
}

/// Whether the API server will refuse the write because it is about an older version. It compares numbers, and so do we:
/// `0123` is no other version than `123`.
fn is_stale(run: &Run<'_>, old: &Run<'_>) -> bool {
    let number = |run: &Run<'_>| {
        run.metadata
            .resource_version
            .as_deref()
            .and_then(|text| text.parse::<u64>().ok())
    };
    matches!((number(run), number(old)), (Some(sent), Some(stored)) if sent != stored)
}

fn judge(
    request: &Request<'_>,
    run: &Run<'_>,
    old: &Run<'_>,
    set: &PolicySet,
    namespace_labels: NamespaceLabels<'_>,
) -> Decision {
    let mut decision = Decision::untouched(None);
    let now = View::new(run);
    let annotation = |key: &str| now.annotation(key);
    let before = |key: &str| old.metadata.annotations().get(key);
    let is_changed = |key: &str| annotation(key) != before(key);
    let changed: Vec<(&str, &str)> = now
        .values(Place::Annotation)
        .filter(|(key, _)| is_changed(key))
        .collect();
    let removed: Vec<&str> = old
        .metadata
        .annotations()
        .iter()
        .map(|(key, _)| key)
        .filter(|key| annotation(key).is_none())
        .collect();
    if !changed.is_empty() || !removed.is_empty() {
        // The record that counts is the one that is stored: the one that is sent may be anybody's.
        let provenance = Provenance::read(old.metadata.annotations());
        let policies = constraining_policies(request, run, &provenance, set, namespace_labels);
        let bench = Bench {
            set,
            kind: request.kind,
            policies: &policies,
            acting: Mode::Enforce,
        };
        for (key, value) in &changed {
            bench.judge(
                Place::Annotation,
                key,
                value,
                &|| FieldPath::annotation(key),
                &mut decision.violations,
            );
        }
        decision.shadow = would_find_fault(&bench, &[], |bench, _, trial| {
            for (key, value) in &changed {
                let field = || FieldPath::annotation(key);
                bench.judge(Place::Annotation, key, value, &field, &mut trial.violations);
            }
        });
        let keys = changed.iter().map(|(key, _)| *key).chain(removed.iter().copied());
        let is_ours =
            |key: &str| annotation(key).is_some_and(|value| provenance.vouches_for(Place::Annotation, key, value, set));
        bench.judge_rules(keys, &annotation, &is_ours, &is_changed, &mut decision.violations);
    }
    let labels = now
        .values(Place::Label)
        .filter(|(key, value)| old.metadata.labels().get(key) != Some(value));
    let bench = Bench {
        set,
        kind: request.kind,
        policies: &[],
        acting: Mode::Enforce,
    };
    for (key, value) in labels {
        bench.judge(
            Place::Label,
            key,
            value,
            &|| FieldPath::label(key),
            &mut decision.violations,
        );
    }
    for change in state_changes(request.kind, run, old, set) {
        judge_state(&change, request, set, &mut decision);
    }
    // A controller whose UPDATE is denied loses metadata for good, and Chains and Results would never finish.
    if is_controller(&request.user, set) || set.is_writer(&request.user.name) {
        soften(&mut decision, Reaction::Audit);
        for shadow in decision.shadow.iter_mut().filter(|shadow| shadow.is_fault()) {
            shadow.outcome = "Audited";
        }
    }
    decision
}

/// Policies whose `constrain` may speak of a changed value; nothing else of a policy is judged on UPDATE.
fn constraining_policies<'s>(
    request: &Request<'_>,
    run: &Run<'_>,
    provenance: &Provenance<'_>,
    set: &'s PolicySet,
    namespace_labels: NamespaceLabels<'_>,
) -> Vec<&'s Arc<RunPolicy>> {
    let candidates: Vec<&Arc<RunPolicy>> = set
        .candidates(request.kind, &request.namespace)
        .filter(|policy| !policy.constraints.is_empty())
        .collect();
    if candidates.is_empty() {
        return candidates;
    }
    let mut before_injection = View::new(run);
    provenance.recall(&mut before_injection, set);
    let mut reading = Reading::new(&before_injection, request);
    let context = if candidates.iter().any(|policy| policy.reads_trigger) {
        context(&mut reading, provenance.says_copy(), set, None)
    } else {
        Context::default()
    };
    candidates
        .into_iter()
        .filter(|policy| matches(policy, &mut reading, &context.facts, namespace_labels).is_ok())
        .collect()
}

/// The state annotations and labels that differ between two versions of a Run, sorted by place and key.
fn state_changes<'r, 's>(kind: RunKind, run: &'r Run<'_>, old: &'r Run<'_>, set: &'s PolicySet) -> Vec<Change<'r, 's>> {
    let mut changes = Vec::new();
    let places = [
        (
            Place::Annotation,
            run.metadata.annotations(),
            old.metadata.annotations(),
        ),
        (Place::Label, run.metadata.labels(), old.metadata.labels()),
    ];
    for (place, now, before) in places {
        let stays = now.iter().map(|(key, value)| (key, before.get(key), Some(value)));
        let goes = before
            .iter()
            .filter(|(key, _)| now.get(key).is_none())
            .map(|(key, value)| (key, Some(value), None));
        for (key, before, after) in stays.chain(goes).filter(|(_, before, after)| before != after) {
            if let Some(state) = set.registry.state_on(kind, place, key) {
                changes.push(Change {
                    place,
                    key,
                    before,
                    after,
                    state,
                });
            }
        }
    }
    changes
}

fn is_writer(change: &Change<'_, '_>, request: &Request<'_>) -> bool {
    change.state.writers.contains(&request.user.name)
}

/// Gives a state key the value back that it had.
fn undo<'r>(change: &Change<'r, '_>, view: &mut View<'_>, puts: &mut Puts<'r>, decision: &mut Decision) {
    match change.before {
        None => {
            if let Some((position, _)) = view.map(change.place).find(change.key) {
                view.take(change.place, position);
            }
            decision.removed.push(Removed {
                field: change.state.field(change.key),
                reason: RemovalReason::State,
                author: Author::Integration(Arc::clone(&change.state.integration), change.state.integration_index),
            });
        }
        Some(before) => {
            let map = if change.place == Place::Label {
                &mut puts.labels
            } else {
                &mut puts.annotations
            };
            map.insert(change.key, before.into());
        }
    }
    if change.state.updates == StateKeyUpdates::Drop {
        decision.notices.push(format!(
            "{} is state that only integration {} writes: it keeps its old value",
            change.state.field(change.key),
            change.state.integration
        ));
    }
}

fn judge_state(change: &Change<'_, '_>, request: &Request<'_>, set: &PolicySet, decision: &mut Decision) {
    let by_writer = is_writer(change, request);
    let field = change.state.field(change.key);
    decision.state_updates.push(StateUpdate {
        field: field.clone(),
        integration: Arc::clone(&change.state.integration),
        by_writer,
    });
    if by_writer {
        return;
    }
    if let Some(value) = change.after {
        decision
            .violations
            .extend(change.state.judge_value(change.key, value, &set.settings.urls));
    }
    let reaction = match change.state.updates {
        StateKeyUpdates::Allow | StateKeyUpdates::Drop => return,
        StateKeyUpdates::Warn => Reaction::Warn,
        StateKeyUpdates::Deny => Reaction::Deny,
    };
    let what = if change.after.is_some() { "changed" } else { "removed" };
    let message = format!(
        "is state that only the integration writes, and was {what} by {}",
        change.writer_text(request)
    );
    decision
        .violations
        .push(change.state.violation(field, message, reaction));
}

impl Change<'_, '_> {
    fn writer_text(&self, request: &Request<'_>) -> String {
        crate::domain::schema::quoted(&request.user.name)
    }
}
