//! What Shadow policies would find fault with: the same judges, and nobody is refused.

use super::Bench;
use crate::domain::decision::{Author, Decision, ShadowOutcome};
use crate::domain::words::{Mode, Reaction};

/// Lets the Shadow policies judge as if they acted. Costs nothing where none of them judges anything.
pub fn would_find_fault(bench: &Bench<'_>, judge: impl FnOnce(&Bench<'_>, &mut Decision)) -> Vec<ShadowOutcome> {
    let is_tried = bench.policies.iter().any(|policy| {
        policy.mode == Mode::Shadow
            && !(policy.constraints.is_empty()
                && policy.require_annotations.is_empty()
                && policy.require_integrations.is_empty())
    });
    if !is_tried {
        return Vec::new();
    }
    let trial = Bench {
        acting: Mode::Shadow,
        ..*bench
    };
    let mut decision = Decision::untouched(None);
    judge(&trial, &mut decision);
    // What integrations find fault with is told already.
    let of_policies = decision.violations.into_iter().filter_map(|violation| {
        let Author::Policy(policy, policy_index) = violation.author else {
            return None;
        };
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
    });
    of_policies.collect()
}
