//! What is judged of the values that stand on a Run when it is created, besides rules and requirements.

use crate::domain::decision::{Decision, Violation};
use crate::domain::field_path::FieldPath;
use crate::domain::inject::Claims;
use crate::domain::integration::field_of;
use crate::domain::judge::Bench;
use crate::domain::policy_set::PolicySet;
use crate::domain::registry::{DeclaredKeyRef, DeclaredKeys};
use crate::domain::request::Request;
use crate::domain::run::Run;
use crate::domain::view::View;
use crate::domain::words::{Mode, Place, Reaction, ResetRule, RunKind};

/// Judges the values that the user wrote and that stay.
pub(super) fn judge_user_values(
    bench: &Bench<'_>,
    view: &View<'_>,
    declared: &DeclaredKeys<'_>,
    claims: &Claims<'_>,
    decision: &mut Decision,
) {
    judge_values(
        bench,
        view,
        declared,
        &|place, key, _| claims.get(place, key).is_some(),
        &mut decision.violations,
    );
}

/// Judges every annotation and label, but for those that Runstamp put in itself.
///
/// A state key that stays, such as a grouping key that a person may set by hand, must have a value that its integration can read.
pub(super) fn judge_values(
    bench: &Bench<'_>,
    view: &View<'_>,
    declared: &DeclaredKeys<'_>,
    is_ours: &dyn Fn(Place, &str, &str) -> bool,
    found: &mut Vec<Violation>,
) {
    for place in [Place::Annotation, Place::Label] {
        for (position, key, value) in view.entries(place) {
            let declared = declared.at(place, position);
            if let Some(DeclaredKeyRef::State(state)) = declared {
                if state.kinds.contains(&bench.kind) {
                    found.extend(state.judge_value(key, value, &bench.set.settings.urls));
                }
            } else {
                let before = found.len();
                bench.judge_declared(place, declared, key, value, &|| field_of(place, key), found);
                // Most values are right, and then nobody need ask whose they are.
                if found.len() > before && is_ours(place, key, value) {
                    found.truncate(before);
                }
            }
        }
    }
}

/// Judges metadata inside `spec` that will reach children, which are never denied themselves.
pub(super) fn judge_nested(bench: &Bench<'_>, run: &Run<'_>, decision: &mut Decision) {
    // It will stand on TaskRuns, whatever the Run is that carries it.
    let of_task_runs = Bench {
        kind: RunKind::TaskRun,
        ..*bench
    };
    for nested in &run.spec.nested {
        for (key, value) in nested.annotations.iter() {
            let field = || nested.field().field("annotations").key(key);
            of_task_runs.judge(Place::Annotation, key, value, &field, &mut decision.violations);
            notice_state(bench, Place::Annotation, key, &field, decision);
        }
        for (key, _) in nested.labels.iter() {
            let field = || nested.field().field("labels").key(key);
            notice_state(bench, Place::Label, key, &field, decision);
        }
    }
}

/// State in metadata that Tekton copies to TaskRuns is told, not taken: `spec` is not ours to change.
fn notice_state(bench: &Bench<'_>, place: Place, key: &str, field: &dyn Fn() -> FieldPath, decision: &mut Decision) {
    if let Some(state) = bench.set.registry.state_on(RunKind::TaskRun, place, key)
        && state.reset == ResetRule::Always
    {
        decision.notices.push(format!(
            "{} is state that integration {} writes: it will reach child Runs; remove it",
            field(),
            state.integration
        ));
    }
}

/// State that is still there when the Run is stored was put there by a later webhook: it is told and counted, never refused.
pub(super) fn judge_late_state(
    request: &Request<'_>,
    stored: &View<'_>,
    declared: &DeclaredKeys<'_>,
    decision: &mut Decision,
) {
    for place in [Place::Annotation, Place::Label] {
        for (position, key, value) in stored.entries(place) {
            if let Some(state) = declared.state_at(request.kind, place, position)
                && state.reset_of(value, &request.namespace) == ResetRule::Always
                && !state.may_be_created_by(&request.user.name, value)
            {
                decision.violations.push(state.violation(
                    state.field(key),
                    "is state that only the integration writes, and was set after Runstamp had removed it".to_owned(),
                    Reaction::Warn,
                ));
            }
        }
    }
}

/// A Child is never denied and nobody reads its warnings: what is wrong is counted.
pub(super) fn judge_child(request: &Request<'_>, view: &View<'_>, set: &PolicySet, decision: &mut Decision) {
    let bench = Bench {
        set,
        kind: request.kind,
        policies: &[],
        acting: Mode::Enforce,
    };
    for (key, value) in view.values(Place::Annotation) {
        bench.judge(
            Place::Annotation,
            key,
            value,
            &|| FieldPath::annotation(key),
            &mut decision.violations,
        );
    }
    for violation in &mut decision.violations {
        violation.reaction = Reaction::Audit;
    }
    decision.notices.clear();
}
