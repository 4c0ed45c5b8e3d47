//! What policies require of a Run.

use super::Bench;
use crate::domain::cause::{Cause, CauseKind};
use crate::domain::decision::Violation;
use crate::domain::field_path::FieldPath;
use crate::domain::integration::{Integration, Rule};
use crate::domain::policy::RunPolicy;
use crate::domain::registry::DeclaredKeyRef;

/// Judges what the policies that are for a Run require of it.
pub fn judge_requirements<'k>(
    bench: &Bench<'_>,
    value_of: &dyn Fn(&str) -> Option<&'k str>,
    found: &mut Vec<Violation>,
) {
    for policy in bench.judges() {
        for integration in &policy.require_integrations {
            require_integration(policy, integration, value_of, found);
        }
        for key in &policy.require_annotations {
            let is_set = match bench.set.registry.annotation(key) {
                // A key is set in whatever spelling.
                Some(DeclaredKeyRef::Config { integration, key, .. }) => is_set_in(integration, key, value_of),
                _ => value_of(key).is_some(),
            };
            if !is_set {
                found.push(required(policy, key));
            }
        }
    }
}

/// An integration is complete when its required keys and every key of its groups are set;
/// where it has neither, when any of its keys is.
fn require_integration<'k>(
    policy: &RunPolicy,
    integration: &Integration,
    value_of: &dyn Fn(&str) -> Option<&'k str>,
    found: &mut Vec<Violation>,
) {
    let in_group = |key: usize| {
        integration
            .rules
            .iter()
            .any(|rule| matches!(rule, Rule::Together(group) if group.contains(&key)))
    };
    let is_set = |key: usize| is_set_in(integration, key, value_of);
    let needed: Vec<usize> = integration
        .config
        .iter()
        .enumerate()
        .filter(|(key, config)| config.required || in_group(*key))
        .map(|(key, _)| key)
        .collect();
    let all: Vec<usize> = (0..integration.config.len()).collect();
    if needed.is_empty() {
        if !all.iter().any(|key| is_set(*key))
            && let Some(config) = integration.config.first()
        {
            found.push(required(policy, config.key()));
        }
        return;
    }
    for key in needed.into_iter().filter(|key| !is_set(*key)) {
        if let Some(config) = integration.config.get(key) {
            found.push(required(policy, config.key()));
        }
    }
}

/// Whether a config key is set in any of its spellings.
fn is_set_in<'k>(integration: &Integration, key: usize, value_of: &dyn Fn(&str) -> Option<&'k str>) -> bool {
    let config = integration.config.get(key);
    config.is_some_and(|config| config.spellings.iter().any(|spelling| value_of(spelling).is_some()))
}

fn required(policy: &RunPolicy, key: &str) -> Violation {
    let message = format!("required by policy {}", policy.name);
    let cause = Cause {
        field: FieldPath::annotation(key),
        kind: CauseKind::Required,
        message,
        suggestion: None,
    };
    Violation {
        cause,
        author: policy.author(),
        reaction: policy.validation_action,
    }
}
