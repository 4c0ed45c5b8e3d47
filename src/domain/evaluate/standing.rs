//! What is judged of the values that stand on a Run when it is created, besides rules and requirements.

use crate::domain::decision::{Decision, Violation};
use crate::domain::field_path::FieldPath;
use crate::domain::inject::Claims;
use crate::domain::judge::Bench;
use crate::domain::policy_set::PolicySet;
use crate::domain::request::Request;
use crate::domain::run::Run;
use crate::domain::view::View;
use crate::domain::words::{Place, Reaction, ResetRule, RunKind};

/// Judges the values that the user wrote and that stay.
pub(super) fn judge_user_values(bench: &Bench<'_>, view: &View<'_>, claims: &Claims<'_>, decision: &mut Decision) {
    for (key, value) in view.values(Place::Annotation) {
        if claims.get(Place::Annotation, key).is_none() {
            bench.judge_annotation(key, value, &|| FieldPath::annotation(key), &mut decision.violations);
        }
    }
    for (key, value) in view.values(Place::Label) {
        if claims.get(Place::Label, key).is_none() {
            bench.judge_label(key, value, &|| FieldPath::label(key), &mut decision.violations);
        }
    }
    judge_state_values(bench.kind, bench.set, view, &mut decision.violations);
}

/// A state key that stays, such as a grouping key that a person may set by hand, must have a value that its integration can read.
fn judge_state_values(kind: RunKind, set: &PolicySet, view: &View<'_>, found: &mut Vec<Violation>) {
    for place in [Place::Annotation, Place::Label] {
        for (key, value) in view.values(place) {
            if let Some(state) = set.registry.state_on(kind, place, key) {
                found.extend(state.judge_value(key, value, &set.settings.urls));
            }
        }
    }
}

/// Judges metadata inside `spec` that will reach children, which are never denied themselves.
pub(super) fn judge_nested(bench: &Bench<'_>, run: &Run<'_>, decision: &mut Decision) {
    for nested in &run.spec.nested {
        for (key, value) in nested.annotations.iter() {
            let field = || nested.field().field("annotations").key(key);
            bench.judge_annotation(key, value, &field, &mut decision.violations);
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
pub(super) fn judge_late_state(request: &Request<'_>, stored: &View<'_>, set: &PolicySet, decision: &mut Decision) {
    judge_state_values(request.kind, set, stored, &mut decision.violations);
    for place in [Place::Annotation, Place::Label] {
        for (key, value) in stored.values(place) {
            if let Some(state) = set.registry.state_on(request.kind, place, key)
                && state.reset == ResetRule::Always
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
    };
    for (key, value) in view.values(Place::Annotation) {
        bench.judge_annotation(key, value, &|| FieldPath::annotation(key), &mut decision.violations);
    }
    for violation in &mut decision.violations {
        violation.reaction = Reaction::Audit;
    }
    decision.notices.clear();
}
