//! What Shadow policies would find fault with: the same judges, and nobody is refused.

use std::sync::Arc;

use super::Bench;
use crate::domain::decision::{Author, Decision, ShadowOutcome};
use crate::domain::field_path::FieldPath;
use crate::domain::policy::RunPolicy;
use crate::domain::words::{Mode, Reaction};

/// Whether any Shadow policy judges anything: only then is there a trial, and only then does one cost.
pub fn has_trial(policies: &[&Arc<RunPolicy>]) -> bool {
    policies.iter().any(|policy| is_tried(policy))
}

fn is_tried(policy: &RunPolicy) -> bool {
    policy.mode == Mode::Shadow
        && !(policy.constraints.is_empty()
            && policy.require_annotations.is_empty()
            && policy.require_integrations.is_empty())
}

/// Lets each Shadow policy judge as if it acted, and it alone.
///
/// `would_set` is what Shadow policies would have put in: what one would have set itself, it does not miss.
pub fn would_find_fault<'w>(
    bench: &Bench<'_>,
    would_set: &'w [ShadowOutcome],
    judge: impl Fn(&Bench<'_>, &dyn Fn(&str) -> Option<&'w str>, &mut Decision),
) -> Vec<ShadowOutcome> {
    let mut found = Vec::new();
    for policy in bench.policies.iter().filter(|policy| is_tried(policy)) {
        let alone = [*policy];
        let trial = Bench {
            policies: &alone,
            acting: Mode::Shadow,
            ..*bench
        };
        let put_at = |field: &FieldPath| {
            let mut outcomes = would_set.iter().filter(|outcome| outcome.policy_index == policy.index);
            outcomes.find(|outcome| outcome.is_put() && outcome.field == *field)
        };
        let set_by_it = |key: &str| put_at(&FieldPath::annotation(key))?.detail.as_deref();
        let mut decision = Decision::untouched(None);
        judge(&trial, &set_by_it, &mut decision);
        // A state key may be judged, too: by its integration, which is told already.
        found.extend(decision.violations.into_iter().filter_map(|violation| {
            let Author::Policy(policy, policy_index) = violation.author else {
                return None;
            };
            // What it would overwrite, it would not judge.
            if put_at(&violation.cause.field).is_some() {
                return None;
            }
            let outcome = match violation.reaction {
                Reaction::Deny => "Violation",
                Reaction::Warn => "Warning",
                Reaction::Audit | Reaction::Allow => "Audited",
            };
            Some(ShadowOutcome {
                policy,
                policy_index,
                field: violation.cause.field,
                outcome,
                detail: Some(violation.cause.message),
            })
        }));
    }
    found
}
