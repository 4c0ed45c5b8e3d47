//! Reset: takes from a Run what belongs to another one, and tells whether the Run is a copy.

use std::sync::Arc;

use super::decision::{Author, Lineage, RemovalReason, Removed};
use super::field_path::FieldPath;
use super::integration::StateKey;
use super::policy_set::PolicySet;
use super::provenance::Provenance;
use super::registry::DeclaredKeys;
use super::request::Request;
use super::run::{OwnerReference, Run, StringMap};
use super::view::{Positions, View};
use super::words::{CopiedOwnerReferences, OnChild, Place, ResetRule};

/// The kind whose controller references only a pipelines controller creates.
const PIPELINE_RUN: &str = "PipelineRun";

/// The label with which Tekton's Dashboard names the Run that it runs again (`tektoncd/dashboard:src/api/pipelineRuns.js`).
pub(super) const DASHBOARD_RERUN_OF: &str = "dashboard.tekton.dev/rerunOf";

/// What a reset did.
#[derive(Debug, Default)]
pub struct Reset {
    /// What was taken away.
    pub removed: Vec<Removed>,
    /// What tells that the Run is a copy; empty: it is none.
    pub copy_evidence: Vec<FieldPath>,
    /// Sentences for the client.
    pub notices: Vec<String>,
}

impl Reset {
    fn remove(&mut self, field: FieldPath, reason: RemovalReason, state: &StateKey) {
        let author = Author::Integration(Arc::clone(&state.integration), state.integration_index);
        self.removed.push(Removed { field, reason, author });
    }
}

/// Takes from a Run what belongs to another one. A Mirror is not touched.
pub fn reset(
    view: &mut View<'_>,
    lineage: Lineage,
    request: &Request<'_>,
    provenance: &Provenance<'_>,
    declared: &DeclaredKeys<'_>,
    set: &PolicySet,
) -> Reset {
    match lineage {
        Lineage::Mirror => Reset::default(),
        Lineage::Child => reset_child(view, request, declared),
        Lineage::Root => reset_root(view, request, provenance, declared, set),
    }
}

/// The labels by which a PipelineRun finds its children stand under this prefix.
const TEKTON_LABELS: &str = "tekton.dev/";

/// Whether a Child loses this key: annotations and labels, each by its own `onChild`.
///
/// It keeps finalizers, owner references and Tekton's own labels whatever a policy says: by these its PipelineRun finds it, and would
/// wait for it for ever.
pub fn is_lost_by_child(state: &StateKey, key: &str) -> bool {
    let may_go = match state.place {
        Place::Annotation => true,
        Place::Label => !key.starts_with(TEKTON_LABELS),
        Place::Finalizer => false,
    };
    may_go && state.on_child == OnChild::Remove
}

fn reset_child(view: &mut View<'_>, request: &Request<'_>, declared: &DeclaredKeys<'_>) -> Reset {
    let mut reset = Reset::default();
    for place in [Place::Annotation, Place::Label] {
        for (position, key, state, _) in foreign_state(view.map(place), place, request, declared) {
            if is_lost_by_child(state, key) {
                view.take(place, position);
                reset.remove(state.field(key), RemovalReason::State, state);
            }
        }
    }
    reset
}

fn reset_root(
    view: &mut View<'_>,
    request: &Request<'_>,
    provenance: &Provenance<'_>,
    declared: &DeclaredKeys<'_>,
    set: &PolicySet,
) -> Reset {
    let mut reset = Reset::default();
    let metadata = &view.run().metadata;
    let annotations = foreign_state(metadata.annotations(), Place::Annotation, request, declared);
    let labels = foreign_state(metadata.labels(), Place::Label, request, declared);
    let finalizers = foreign_finalizers(view.run(), request, set);
    take(ResetRule::Always, &annotations, &mut view.gone_annotations, &mut reset);
    take(ResetRule::Always, &labels, &mut view.gone_labels, &mut reset);
    take(ResetRule::Always, &finalizers, &mut view.gone_finalizers, &mut reset);
    reset
        .copy_evidence
        .extend(reset.removed.iter().map(|removed| removed.field.clone()));
    if metadata.owner_references().iter().any(|owner| is_custom_task(owner)) {
        // Controllers of custom tasks give the Runs that they create all labels of theirs.
        // Tekton's go, lest a PipelineRun adopt the Run, but they do not make it a copy.
        reset.copy_evidence.retain(|field| !is_tekton_label(field));
    }
    if view.run().has_status() {
        view.gone_status = true;
        let field = FieldPath::root().field("status");
        reset.copy_evidence.push(field.clone());
        reset.removed.push(Removed {
            field,
            reason: RemovalReason::Status,
            author: Author::Runstamp,
        });
    }
    let owners = metadata.owner_references().iter().enumerate();
    let pipeline_runs = owners.filter(|(_, owner)| owner.is_tekton_controller() && &*owner.kind == PIPELINE_RUN);
    reset
        .copy_evidence
        .extend(pipeline_runs.map(|(position, _)| owner_field(position)));
    reset.copy_evidence.extend(lasting_evidence(view.run(), provenance));
    if let Some(status) = view.run().spec.status.as_deref().filter(|status| ends_the_run(status)) {
        reset.notices.push(format!(
            "spec.status is \"{}\": the Run will end at once; remove it to run again",
            status.escape_debug()
        ));
    }
    let copied = !reset.copy_evidence.is_empty();
    if copied {
        take(ResetRule::OnCopy, &annotations, &mut view.gone_annotations, &mut reset);
        take(ResetRule::OnCopy, &labels, &mut view.gone_labels, &mut reset);
        take(ResetRule::OnCopy, &finalizers, &mut view.gone_finalizers, &mut reset);
    }
    let kept_owners = reset_owner_references(view, copied, &mut reset, set);
    reset.copy_evidence.sort();
    reset.removed.sort_by(|left, right| left.field.cmp(&right.field));
    notice_removals(&mut reset, view, kept_owners);
    reset
}

/// A state key that the user may not set at creation: its position, the key, its declaration, and when it goes.
type Foreign<'r, 's> = (usize, &'r str, &'s Arc<StateKey>, ResetRule);

fn foreign_state<'r, 's>(
    map: &'r StringMap<'r>,
    place: Place,
    request: &Request<'_>,
    declared: &DeclaredKeys<'s>,
) -> Vec<Foreign<'r, 's>> {
    map.iter()
        .enumerate()
        .filter_map(|(position, (key, value))| {
            let state = declared.state_at(request.kind, place, position)?;
            let rule = state.reset_of(value, &request.namespace);
            (!state.may_be_created_by(&request.user.name, value)).then_some((position, key, state, rule))
        })
        .collect()
}

fn foreign_finalizers<'r, 's>(run: &'r Run<'r>, request: &Request<'_>, set: &'s PolicySet) -> Vec<Foreign<'r, 's>> {
    let finalizers = run.metadata.finalizers().iter().enumerate();
    finalizers
        .filter_map(|(position, name)| {
            let state = set.registry.state_on(request.kind, Place::Finalizer, name)?;
            (!state.may_be_created_by(&request.user.name, "")).then_some((position, &**name, state, state.reset))
        })
        .collect()
}

/// Takes the keys that this rule speaks of.
fn take(rule: ResetRule, foreign: &[Foreign<'_, '_>], gone: &mut Positions, reset: &mut Reset) {
    for (position, key, state, _) in foreign.iter().filter(|(.., its_rule)| *its_rule == rule) {
        let reason = match (state.place, rule) {
            (Place::Finalizer, _) => RemovalReason::Finalizer,
            (_, ResetRule::OnCopy) => RemovalReason::OnCopy,
            _ => RemovalReason::State,
        };
        gone.insert(*position);
        reset.remove(state.field(key), reason, state);
    }
}

/// What tells of a copy and is still there when the Run is stored.
pub fn lasting_evidence(run: &Run<'_>, provenance: &Provenance<'_>) -> Vec<FieldPath> {
    let mut evidence = Vec::new();
    if run.spec.status.as_deref().is_some_and(ends_the_run) {
        evidence.push(FieldPath::root().field("spec").field("status"));
    }
    if run.metadata.labels().get(DASHBOARD_RERUN_OF).is_some() {
        evidence.push(FieldPath::label(DASHBOARD_RERUN_OF));
    }
    if provenance.says_copy() {
        evidence.push(FieldPath::annotation(Provenance::KEY));
    }
    evidence
}

fn owner_field(position: usize) -> FieldPath {
    FieldPath::root()
        .field("metadata")
        .field("ownerReferences")
        .index(position)
}

/// Whether the owner is a custom task, whose controllers create Runs under service accounts that nobody lists.
fn is_custom_task(owner: &OwnerReference<'_>) -> bool {
    owner.is_tekton_controller() && &*owner.kind != PIPELINE_RUN
}

fn is_tekton_label(field: &FieldPath) -> bool {
    field
        .last_key()
        .is_some_and(|key| key.starts_with(TEKTON_LABELS) && *field == FieldPath::label(key))
}

/// A Root's controller reference to a PipelineRun is a copy's: the garbage collector would delete the Run with its old owner.
/// A reference to a custom task may be right, so on a copy it is only told.
fn reset_owner_references(view: &mut View<'_>, copied: bool, reset: &mut Reset, set: &PolicySet) -> Vec<String> {
    let mut kept = Vec::new();
    for (position, owner) in view.run().metadata.owner_references().iter().enumerate() {
        let removes = set.settings.copied_owner_references == CopiedOwnerReferences::Remove && !is_custom_task(owner);
        if !owner.is_tekton_controller() || is_custom_task(owner) && !copied {
            continue;
        }
        let described = format!("{} \"{}\"", owner.kind.escape_debug(), owner.name.escape_debug());
        if removes {
            view.gone_owner_references.insert(position);
            let field = owner_field(position);
            let reason = RemovalReason::OwnerReference;
            reset.removed.push(Removed {
                field,
                reason,
                author: Author::Runstamp,
            });
            reset.notices.push(format!(
                "removed the owner reference to {described}, which was copied: this Run would be deleted with its old owner"
            ));
        } else {
            kept.push(format!(
                "the owner reference to {described} seems to be copied: this Run will be deleted with that owner"
            ));
        }
    }
    kept
}

/// `Cancelled`, `CancelledRunFinally`, `StoppedRunFinally`, `TaskRunCancelled`, `RunCancelled` and their older spellings;
/// `PipelineRunPending` and `TaskRunPending` are how queues create Runs.
fn ends_the_run(status: &str) -> bool {
    status.contains("Cancelled") || status.contains("Stopped")
}

fn notice_removals(reset: &mut Reset, view: &View<'_>, kept_owners: Vec<String>) {
    let keys: Vec<&str> = reset
        .removed
        .iter()
        .filter(|removed| {
            matches!(
                removed.reason,
                RemovalReason::State | RemovalReason::OnCopy | RemovalReason::Finalizer
            )
        })
        .filter_map(|removed| removed.field.last_key())
        .collect();
    let origin = view
        .run()
        .metadata
        .labels()
        .get(DASHBOARD_RERUN_OF)
        .unwrap_or("another Run")
        .escape_debug();
    let mut notices = Vec::new();
    if !keys.is_empty() {
        let noun = if keys.len() == 1 { "key" } else { "keys" };
        let beginning = format!("removed {} integration state {noun} copied from {origin}: ", keys.len());
        let names = listed(&keys, NOTICE_CHARS.saturating_sub(beginning.chars().count()));
        notices.push(beginning + &names);
    }
    if view.gone_status {
        notices.push(format!("removed status, which was copied from {origin}"));
    }
    notices.append(&mut reset.notices);
    notices.extend(kept_owners);
    reset.notices = notices;
}

/// Most characters of the notice of what was removed: clients cut longer ones.
const NOTICE_CHARS: usize = 256;

/// The names that have room, and how many have not.
fn listed(names: &[&str], room: usize) -> String {
    let whole = names.join(", ");
    if whole.chars().count() <= room {
        return whole;
    }
    let shown = |count: usize| {
        let first = names.iter().take(count).copied().collect::<Vec<_>>().join(", ");
        format!("{first} and {} more", names.len() - count)
    };
    // At least one name, so that the reader sees what this is about.
    let fits = |count: &usize| shown(*count).chars().count() <= room;
    let most = (2..names.len()).take_while(fits).last().unwrap_or(1);
    if names.len() == 1 { whole } else { shown(most) }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn a_list_of_names_is_whole_or_counts_the_rest() {
        for (names, room, expected) in [
            (&["a"][..], 0, "a"),
            (&["a", "b", "c"], 7, "a, b, c"),
            (&["a", "b", "c"], 6, "a and 2 more"),
            (&["aaaa", "bbbb", "cccc", "dddd"], 21, "aaaa, bbbb and 2 more"),
        ] {
            assert_eq!(listed(names, room), expected);
        }
    }
}
