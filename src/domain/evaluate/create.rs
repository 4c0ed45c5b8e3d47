//! CREATE: reset, recall, inject, judge.

use std::sync::Arc;

use crate::domain::decision::{Decision, FactReport, Injected, Lineage, Removed, Verdict};
use crate::domain::field_path::FieldPath;
use crate::domain::inject::{Claims, inject};
use crate::domain::judge::{Bench, at_most_warn, judge_requirements};
use crate::domain::lineage::lineage;
use crate::domain::matching::{NamespaceLabels, matches};
use crate::domain::patch::{self, Puts};
use crate::domain::policy::RunPolicy;
use crate::domain::policy_set::PolicySet;
use crate::domain::provenance::{Provenance, Record};
use crate::domain::reading::Reading;
use crate::domain::registry::DeclaredKeyRef;
use crate::domain::request::{Options, Request};
use crate::domain::reset::reset;
use crate::domain::run::Run;
use crate::domain::trace::{Event, Trace};
use crate::domain::trigger::{Context, context};
use crate::domain::view::View;
use crate::domain::words::{Place, Reaction};

/// The policies that are for a Run, and the trigger context that they read.
struct Matched<'s> {
    policies: Vec<&'s Arc<RunPolicy>>,
    context: Context,
    /// Whether any candidate reads the trigger context: only then is there anything to say about it.
    reads_trigger: bool,
}

/// `/mutate` on CREATE.
pub(super) fn mutate(
    request: &Request<'_>,
    run: &Run<'_>,
    set: &PolicySet,
    namespace_labels: NamespaceLabels<'_>,
    options: Options,
) -> Decision {
    let lineage = lineage(&request.user, run, set);
    let mut decision = Decision::untouched(Some(lineage));
    if lineage == Lineage::Mirror {
        return decision;
    }
    let provenance = Provenance::read(run.metadata.annotations());
    let mut view = View::new(run);
    let reset = reset(&mut view, lineage, &request.user, &provenance, set);
    decision.removed = reset.removed;
    decision.copy_evidence = reset.copy_evidence;
    decision.notices = reset.notices;
    if lineage == Lineage::Child {
        judge_child(request, &view, set, &mut decision);
        decision.patch = patch::build(&view, Puts::default());
        return decision;
    }
    let recalled = provenance.recall(&mut view, set);
    let mut trace = options.explain.then(Trace::default);
    let mut reading = Reading::new(&view, request);
    let copied = decision.is_copy();
    let matched = match_policies(&mut reading, copied, set, namespace_labels, trace.as_mut(), options);
    let injections = inject(
        &matched.policies,
        &mut reading,
        &matched.context.facts,
        set,
        trace.as_mut(),
    );
    let mut record = Record::default();
    if copied && matched.reads_trigger && order_matters(&mut reading, &matched, &decision, set) {
        record.enter_copy();
    }
    if matched.reads_trigger {
        decision.notices.extend(matched.context.conflicts.iter().cloned());
    }
    decision.notices.extend(injections.notices);
    let puts = settle(&injections.claims, record, recalled, &view, &mut decision);
    decision.violations = injections.violations;
    decision.skipped = injections.skipped;
    decision.shadow = injections.shadow;
    let bench = Bench {
        set,
        kind: request.kind,
        policies: &matched.policies,
    };
    judge_user_values(&bench, &view, &injections.claims, &mut decision);
    judge_nested(&bench, run, &mut decision);
    if options.judge_all_in_mutate {
        let value_of = |key: &str| {
            puts.annotations
                .get(key)
                .map(String::as_str)
                .or_else(|| view.annotation(key))
        };
        let keys = view
            .values(Place::Annotation)
            .map(|(key, _)| key)
            .chain(puts.annotations.keys().map(String::as_str));
        let is_ours = |key: &str| injections.claims.get(Place::Annotation, key).is_some();
        bench.judge_rules(keys, &value_of, &is_ours, &|_| true, &mut decision.violations);
        judge_requirements(&bench, &value_of, &mut decision.violations);
    }
    decision.patch = patch::build(&view, puts);
    report_facts(&matched.context, options, &mut decision);
    decision.trace = trace;
    conclude(decision)
}

/// `/validate` on CREATE: every key and rule, on the object that will be stored.
pub(super) fn validate(
    request: &Request<'_>,
    run: &Run<'_>,
    set: &PolicySet,
    namespace_labels: NamespaceLabels<'_>,
    options: Options,
) -> Decision {
    let lineage = lineage(&request.user, run, set);
    let mut decision = Decision::untouched(Some(lineage));
    if lineage == Lineage::Mirror {
        return decision;
    }
    let provenance = Provenance::read(run.metadata.annotations());
    let stored = View::new(run);
    if lineage == Lineage::Child {
        judge_child(request, &stored, set, &mut decision);
        return decision;
    }
    // Conditions read the Run as it was before any injection, here as in `/mutate`.
    let mut before_injection = View::new(run);
    provenance.recall(&mut before_injection, set);
    let mut trace = options.explain.then(Trace::default);
    let mut reading = Reading::new(&before_injection, request);
    let matched = match_policies(
        &mut reading,
        provenance.says_copy(),
        set,
        namespace_labels,
        trace.as_mut(),
        options,
    );
    let bench = Bench {
        set,
        kind: request.kind,
        policies: &matched.policies,
    };
    let is_ours = |key: &str| {
        stored
            .annotation(key)
            .is_some_and(|value| provenance.vouches_for(Place::Annotation, key, value, set))
    };
    for (key, value) in stored.values(Place::Annotation).filter(|(key, _)| !is_ours(key)) {
        bench.judge_annotation(key, value, &|| FieldPath::annotation(key), &mut decision.violations);
    }
    judge_nested(&bench, run, &mut decision);
    judge_late_state(request, &stored, set, &mut decision);
    let value_of = |key: &str| stored.annotation(key);
    let keys = stored.values(Place::Annotation).map(|(key, _)| key);
    bench.judge_rules(keys, &value_of, &is_ours, &|_| true, &mut decision.violations);
    judge_requirements(&bench, &value_of, &mut decision.violations);
    report_facts(&matched.context, options, &mut decision);
    decision.trace = trace;
    conclude(decision)
}

/// The policies that are for the Run, in the order in which they apply.
fn match_policies<'s>(
    reading: &mut Reading<'_, '_>,
    copied: bool,
    set: &'s PolicySet,
    namespace_labels: NamespaceLabels<'_>,
    mut trace: Option<&mut Trace>,
    options: Options,
) -> Matched<'s> {
    let request = reading.request();
    let candidates: Vec<&Arc<RunPolicy>> = if options.explain {
        set.policies.iter().collect()
    } else {
        set.candidates(request.kind, &request.namespace).collect()
    };
    // Judged on the candidates by index alone, so that asking for an explanation changes no decision.
    let reads_trigger = set
        .candidates(request.kind, &request.namespace)
        .any(|policy| policy.reads_trigger);
    let context = if reads_trigger || options.explain {
        context(reading, copied, set, trace.as_deref_mut())
    } else {
        Context::default()
    };
    let mut policies = Vec::new();
    for policy in candidates {
        let verdict = matches(policy, reading, &context.facts, namespace_labels);
        if let Some(trace) = trace.as_deref_mut() {
            let policy = Arc::clone(&policy.name);
            trace.events.push(match &verdict {
                Ok(()) => Event::PolicyMatched { policy },
                Err(mismatch) => Event::PolicySkipped {
                    policy,
                    reason: mismatch.to_string(),
                },
            });
        }
        if verdict.is_ok() {
            policies.push(policy);
        }
    }
    Matched {
        policies,
        context,
        reads_trigger,
    }
}

/// Whether a later pass over the same Run would derive other facts, because what told of a copy is gone by then.
fn order_matters(reading: &mut Reading<'_, '_>, matched: &Matched<'_>, decision: &Decision, set: &PolicySet) -> bool {
    let stays = |field: &FieldPath| {
        let removed = decision.removed.iter().any(|removed| removed.field == *field);
        !removed && field.last_key() != Some(Provenance::KEY)
    };
    !decision.copy_evidence.iter().any(stays) && context(reading, false, set, None).facts != matched.context.facts
}

/// Decides what stands in the end of what was recalled and what is put in, and writes the record of it.
fn settle(
    claims: &Claims<'_>,
    mut record: Record,
    recalled: Vec<Removed>,
    view: &View<'_>,
    decision: &mut Decision,
) -> Puts {
    let mut puts = Puts::default();
    for place in [Place::Annotation, Place::Label] {
        for (key, claim) in claims.sorted(place) {
            record.enter(
                place,
                key,
                &claim.value,
                &claim.policy.name,
                claim.overwritten.as_deref(),
            );
            let map = if place == Place::Label {
                &mut puts.labels
            } else {
                &mut puts.annotations
            };
            map.insert(key.to_owned(), claim.value.clone());
            decision.injected.push(Injected {
                place,
                key: key.to_owned(),
                value: claim.value.clone(),
                policy: Arc::clone(&claim.policy.name),
                policy_index: claim.policy.index,
            });
        }
    }
    if let Some(text) = record.to_text() {
        puts.annotations.insert(Provenance::KEY.to_owned(), text);
    }
    for removed in recalled {
        let came = removed.field.last_key().and_then(|key| {
            let place = if removed.field == FieldPath::label(key) {
                Place::Label
            } else {
                Place::Annotation
            };
            Some((key, place, view.map(place).get(key)?))
        });
        let Some((key, place, value)) = came else {
            continue;
        };
        match claims.get(place, key) {
            // What is derived again as it was has not changed: a second pass over the same Run has nothing to tell.
            Some(claim) if claim.value == value => {}
            Some(_) => decision.removed.push(removed),
            None => {
                decision.notices.push(format!(
                    "removed {}: it was derived for the Run that this one was copied from, and no policy derives it for this one",
                    removed.field
                ));
                decision.removed.push(removed);
            }
        }
    }
    decision.removed.sort_by(|left, right| left.field.cmp(&right.field));
    puts
}

/// Judges the values that the user wrote and that stay.
fn judge_user_values(bench: &Bench<'_>, view: &View<'_>, claims: &Claims<'_>, decision: &mut Decision) {
    let found = &mut decision.violations;
    for (key, value) in view.values(Place::Annotation) {
        let declared = bench.set.registry.annotation(key);
        if let Some(DeclaredKeyRef::State(state)) = declared {
            found.extend(state.judge_value(key, value, &bench.set.settings.urls));
        } else if claims.get(Place::Annotation, key).is_none() {
            bench.judge_declared(declared, key, value, &|| FieldPath::annotation(key), found);
        }
    }
    judge_state_values(bench.set, view, Place::Label, found);
}

/// A state key that stays, such as a grouping key that a person may set by hand, must have a value that its integration can read.
fn judge_state_values(
    set: &PolicySet,
    view: &View<'_>,
    place: Place,
    found: &mut Vec<crate::domain::decision::Violation>,
) {
    for (key, value) in view.values(place) {
        if let Some(state) = set.registry.state(place, key) {
            found.extend(state.judge_value(key, value, &set.settings.urls));
        }
    }
}

/// Judges metadata inside `spec` that will reach children, which are never denied themselves.
fn judge_nested(bench: &Bench<'_>, run: &Run<'_>, decision: &mut Decision) {
    for nested in &run.spec.nested {
        for (key, value) in nested.annotations.iter() {
            let field = || nested.field().field("annotations").key(key);
            bench.judge_annotation(key, value, &field, &mut decision.violations);
            if let Some(DeclaredKeyRef::State(state)) = bench.set.registry.annotation(key) {
                decision.notices.push(format!(
                    "{} is state that integration {} writes: it will reach child Runs; remove it",
                    field(),
                    state.integration
                ));
            }
        }
        for (key, _) in nested.labels.iter() {
            if let Some(state) = bench.set.registry.state(Place::Label, key) {
                decision.notices.push(format!(
                    "{} is state that integration {} writes: it will reach child Runs; remove it",
                    nested.field().field("labels").key(key),
                    state.integration
                ));
            }
        }
    }
}

/// State that is still there when the Run is stored was put there by a later webhook: it is told and counted, never refused.
fn judge_late_state(request: &Request<'_>, stored: &View<'_>, set: &PolicySet, decision: &mut Decision) {
    for place in [Place::Annotation, Place::Label] {
        judge_state_values(set, stored, place, &mut decision.violations);
        for (key, value) in stored.values(place) {
            if let Some(state) = set.registry.state(place, key)
                && state.reset == crate::domain::words::ResetRule::Always
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
fn judge_child(request: &Request<'_>, view: &View<'_>, set: &PolicySet, decision: &mut Decision) {
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

fn report_facts(context: &Context, options: Options, decision: &mut Decision) {
    if options.explain {
        decision.facts = context
            .facts
            .iter()
            .map(|(fact, found)| FactReport {
                fact,
                value: found.value.clone(),
                source: Arc::clone(&found.source),
                from: found.from.to_string(),
                trusted: found.trusted,
            })
            .collect();
    }
}

/// Sorts what was found and draws the verdict: a refused Run is not changed.
pub(super) fn conclude(mut decision: Decision) -> Decision {
    decision.violations.sort_by(|left, right| left.cause.cmp(&right.cause));
    decision.violations.dedup();
    if decision.causes().next().is_some() {
        decision.verdict = Verdict::Refused;
        decision.patch = crate::domain::patch::Patch::default();
    }
    decision
}

/// Less than a refusal, for everything found.
pub(super) fn soften(decision: &mut Decision, reaction: Reaction) {
    for violation in &mut decision.violations {
        violation.reaction = if reaction == Reaction::Warn {
            at_most_warn(violation.reaction)
        } else {
            reaction
        };
    }
}
