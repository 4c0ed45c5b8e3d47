//! CREATE: reset, recall, inject, judge.

use std::sync::Arc;

use super::settle::{order_matters, settle};
use super::standing::{judge_child, judge_late_state, judge_nested, judge_user_values, judge_values};
use crate::domain::decision::{Decision, FactReport, Lineage, Verdict};
use crate::domain::inject::inject;
use crate::domain::judge::{Bench, at_most_warn, has_trial, judge_requirements, would_find_fault};
use crate::domain::lineage::lineage;
use crate::domain::matching::{NamespaceLabels, matches};
use crate::domain::patch::{self, Puts};
use crate::domain::policy::RunPolicy;
use crate::domain::policy_set::PolicySet;
use crate::domain::provenance::{Provenance, Record};
use crate::domain::reading::Reading;
use crate::domain::registry::DeclaredKeys;
use crate::domain::request::{Options, Request};
use crate::domain::reset::{lasting_evidence, reset};
use crate::domain::run::Run;
use crate::domain::trace::{Event, Trace};
use crate::domain::trigger::{Context, context};
use crate::domain::view::View;
use crate::domain::words::{Mode, Place, Reaction};

/// The policies that are for a Run, and the trigger context that they read.
struct Matched<'f, 's> {
    policies: Vec<&'s Arc<RunPolicy>>,
    context: Context<'f>,
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
    let declared = DeclaredKeys::of(run, &set.registry);
    let reset = reset(&mut view, lineage, request, &provenance, &declared, set);
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
    if copied && matched.reads_trigger && order_matters(&mut reading, &matched.context.facts, set) {
        record.enter_copy();
    }
    if matched.reads_trigger {
        decision.notices.extend(matched.context.conflicts.iter().cloned());
    }
    decision.notices.extend(injections.notices);
    let puts = settle(&injections.claims, record, &recalled, &view, set, &mut decision);
    decision.violations = injections.violations;
    decision.skipped = injections.skipped;
    decision.shadow = injections.shadow;
    let bench = Bench {
        set,
        kind: request.kind,
        policies: &matched.policies,
        acting: Mode::Enforce,
    };
    judge_user_values(&bench, &view, &declared, &injections.claims, &mut decision);
    judge_nested(&bench, run, &mut decision);
    if options.judge_all_in_mutate {
        let value_of = |key: &str| {
            puts.annotations
                .get(key)
                .map(|value| &**value)
                .or_else(|| view.annotation(key))
        };
        let keys = view
            .values(Place::Annotation)
            .map(|(key, _)| key)
            .chain(puts.annotations.keys().copied());
        let is_ours = |key: &str| puts.annotations.contains_key(key);
        bench.judge_rules(keys, &value_of, &is_ours, &|_| true, &mut decision.violations);
        judge_requirements(&bench, &value_of, &mut decision.violations);
        let faults = would_find_fault(&bench, &decision.shadow, |bench, would_set, trial| {
            judge_user_values(bench, &view, &declared, &injections.claims, trial);
            judge_nested(bench, run, trial);
            let value_of = |key: &str| value_of(key).or_else(|| would_set(key));
            judge_requirements(bench, &value_of, &mut trial.violations);
        });
        decision.shadow.extend(faults);
        // What a policy would have done is told in one piece.
        decision.shadow.sort_by_key(|outcome| outcome.policy_index);
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
    let copied = !lasting_evidence(run, &provenance).is_empty();
    let mut trace = options.explain.then(Trace::default);
    let mut reading = Reading::new(&before_injection, request);
    let matched = match_policies(&mut reading, copied, set, namespace_labels, trace.as_mut(), options);
    let bench = Bench {
        set,
        kind: request.kind,
        policies: &matched.policies,
        acting: Mode::Enforce,
    };
    let vouched = |place: Place, key: &str, value: &str| provenance.vouches_for(place, key, value, set);
    let declared = DeclaredKeys::of(run, &set.registry);
    judge_values(&bench, &stored, &declared, &vouched, &mut decision.violations);
    judge_nested(&bench, run, &mut decision);
    judge_late_state(request, &stored, &declared, &mut decision);
    let value_of = |key: &str| stored.annotation(key);
    let keys = stored.values(Place::Annotation).map(|(key, _)| key);
    let is_ours = |key: &str| value_of(key).is_some_and(|value| vouched(Place::Annotation, key, value));
    bench.judge_rules(keys, &value_of, &is_ours, &|_| true, &mut decision.violations);
    judge_requirements(&bench, &value_of, &mut decision.violations);
    // Judged here alone: every value is there now, and a Run that is refused before would be refused anyway.
    if has_trial(&matched.policies) {
        let would_set = inject(&matched.policies, &mut reading, &matched.context.facts, set, None).shadow;
        decision.shadow = would_find_fault(&bench, &would_set, |bench, would_set, trial| {
            judge_values(bench, &stored, &declared, &vouched, &mut trial.violations);
            judge_nested(bench, run, trial);
            let value_of = |key: &str| value_of(key).or_else(|| would_set(key));
            judge_requirements(bench, &value_of, &mut trial.violations);
        });
    }
    report_facts(&matched.context, options, &mut decision);
    decision.trace = trace;
    conclude(decision)
}

/// The policies that are for the Run, in the order in which they apply.
fn match_policies<'f, 's: 'f>(
    reading: &mut Reading<'f, '_>,
    copied: bool,
    set: &'s PolicySet,
    namespace_labels: NamespaceLabels<'_>,
    mut trace: Option<&mut Trace>,
    options: Options,
) -> Matched<'f, 's> {
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
            trace.events.push(match &verdict {
                Ok(()) => Event::PolicyMatched {
                    policy: Arc::clone(&policy.name),
                },
                Err(mismatch) => mismatch.explain(policy, reading, &context.facts, namespace_labels),
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

fn report_facts(context: &Context<'_>, options: Options, decision: &mut Decision) {
    if options.explain {
        decision.facts = context
            .facts
            .iter()
            .map(|(fact, found)| FactReport {
                fact,
                value: found.value.to_string(),
                source: Arc::clone(found.source),
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
        // Nor would a policy in Shadow mode have changed it.
        decision.shadow.clear();
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
