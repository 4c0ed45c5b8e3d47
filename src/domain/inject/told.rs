//! What is told of keys: left out, there already, in Shadow mode; and for a trace, where an injected value came from.

use std::sync::Arc;

use super::render::Renderer;
use super::{Injections, Injector};
use crate::domain::decision::{ShadowOutcome, Skipped};
use crate::domain::integration::field_of;
use crate::domain::policy::{Injection, RunPolicy};
use crate::domain::reading::{Found, Reading};
use crate::domain::template::Reference;
use crate::domain::trace::{Event, Origin, Trace};
use crate::domain::trigger::{FactField, Facts};
use crate::domain::words::{FactName, Mode, Place};

impl Injector<'_, '_, '_> {
    pub(super) fn tell_injected(&mut self, policy: &RunPolicy, place: Place, key: &str, value: &str) {
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.events.push(Event::KeyInjected {
                policy: Arc::clone(&policy.name),
                field: field_of(place, key).to_string(),
                value: value.to_owned(),
                shadow: policy.mode == Mode::Shadow,
                origins: Vec::new(),
            });
        }
    }

    pub(super) fn tell_satisfied(&mut self, policy: &RunPolicy, injection: &Injection, value: &str) {
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.events.push(Event::KeySatisfied {
                policy: Arc::clone(&policy.name),
                field: field_of(injection.place, &injection.key).to_string(),
                value: value.to_owned(),
            });
        }
    }

    pub(super) fn skip(&mut self, policy: &RunPolicy, place: Place, key: &str, reason: String) {
        let field = field_of(place, key);
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.events.push(Event::KeySkipped {
                policy: Arc::clone(&policy.name),
                field: field.to_string(),
                reason: reason.clone(),
            });
        }
        if policy.mode == Mode::Shadow {
            self.shadow(policy, place, key, "Skip", Some(reason));
            return;
        }
        self.outcome.skipped.push(Skipped {
            field,
            policy: Arc::clone(&policy.name),
            reason,
        });
    }

    /// Notes what a Shadow policy would have done with a key; `detail` is the value or the reason.
    pub(super) fn shadow(
        &mut self,
        policy: &RunPolicy,
        place: Place,
        key: &str,
        outcome: &'static str,
        detail: Option<String>,
    ) {
        if policy.mode == Mode::Shadow {
            self.outcome.shadow.push(ShadowOutcome {
                policy: Arc::clone(&policy.name),
                policy_index: policy.index,
                field: field_of(place, key),
                outcome,
                detail,
            });
        }
    }
}

/// A value that an enforced policy puts in as well is no change, whichever of the two comes first.
pub(super) fn same_as_enforced(injections: &mut Injections<'_>) {
    let claims = &injections.claims;
    for shadow in &mut injections.shadow {
        let is_set = shadow.field.last_key().is_some_and(|key| {
            [Place::Annotation, Place::Label].into_iter().any(|place| {
                let claim = claims.get(place, key);
                claim.is_some_and(|claim| {
                    Some(&*claim.value) == shadow.detail.as_deref() && field_of(place, key) == shadow.field
                })
            })
        });
        if is_set && matches!(shadow.outcome, "Inject" | "Overwrite") {
            shadow.outcome = "Equal";
        }
    }
}

/// Adds to the values that a policy has put in where they came from.
pub(super) fn tell_origins<'f>(
    policy: &'f RunPolicy,
    renderer: &Renderer<'f>,
    reading: &mut Reading<'f, '_>,
    trace: &mut Trace,
) {
    // Those of earlier policies have theirs.
    let own = trace
        .events
        .iter_mut()
        .rev()
        .take_while(|event| !is_of_another(event, policy));
    for event in own {
        if let Event::KeyInjected { field, origins, .. } = event
            && let Some(injection) = injection_at(policy, field)
        {
            let references = injection.value.references();
            *origins = references
                .filter_map(|reference| origin(reference, policy, renderer, reading))
                .collect();
        }
    }
}

fn is_of_another(event: &Event, policy: &RunPolicy) -> bool {
    match event {
        Event::KeyInjected { policy: name, .. }
        | Event::KeySatisfied { policy: name, .. }
        | Event::KeySkipped { policy: name, .. } => *name != policy.name,
        _ => true,
    }
}

/// What the policy injects at a field, in whatever spelling it stands there.
fn injection_at<'p>(policy: &'p RunPolicy, field: &str) -> Option<&'p Injection> {
    let spelt = policy.integrations.iter().flat_map(|block| {
        block.keys.iter().filter(|(key, injection)| {
            let config = block.integration.config.get(*key);
            let spellings = config.map_or(&[][..], |config| &config.spellings);
            spellings
                .iter()
                .any(|spelling| field_of(injection.place, spelling).to_string() == field)
        })
    });
    let plain = policy.keys.iter();
    let mut plain = plain.filter(|injection| field_of(injection.place, &injection.key).to_string() == field);
    plain.next().or_else(|| spelt.map(|(_, injection)| injection).next())
}

fn origin<'f>(
    reference: &Reference,
    policy: &RunPolicy,
    renderer: &Renderer<'f>,
    reading: &mut Reading<'f, '_>,
) -> Option<Origin> {
    let value = renderer.resolve(reference, reading)?.into_owned();
    let from = match reference {
        Reference::Trigger(fact) => fact_origin(*fact, renderer.facts())?,
        Reference::Run(_) => "that of the request".to_owned(),
        Reference::Variable(name) => {
            let variable = policy.variables.iter().find(|variable| variable.name == *name)?;
            let path = variable.path.text();
            let is_default = match reading.lookup(&variable.path) {
                Found::Text(text) => match &variable.pattern {
                    Some(pattern) => pattern.capture1(&text).is_none(),
                    None => false,
                },
                Found::Absent | Found::Mistyped(_) | Found::TooLarge => true,
            };
            if is_default {
                format!("its default, since {path} has no such value")
            } else {
                format!("from {path}")
            }
        }
    };
    Some(Origin {
        reference: reference.to_string(),
        value,
        from,
    })
}

/// Where a fact came from, back to a field of the Run.
fn fact_origin(fact: FactName, facts: &Facts<'_>) -> Option<String> {
    let found = facts.get(fact)?;
    match found.from {
        FactField::Fact(root) if root != fact => {
            Some(format!("from trigger.{root}, which is {}", fact_origin(root, facts)?))
        }
        field => Some(format!("from {field} (trigger source {})", found.source)),
    }
}
