//! The keys that a policy injects for one integration: groups as a whole or not at all, and nothing that would break a rule.

use super::render::Renderer;
use super::room::added_bytes;
use super::{Injector, Standing};
use crate::domain::integration::Integration;
use crate::domain::integration::Rule;
use crate::domain::policy::{Injection, IntegrationInjection, RunPolicy};
use crate::domain::reading::Reading;
use crate::domain::rules::{Breach, breaches};
use crate::domain::words::Place;

/// One key of the block that can be put in.
struct Wanted<'s> {
    key: usize,
    injection: &'s Injection,
    value: String,
    /// The user's value that it takes the place of.
    overwritten: Option<String>,
}

impl<'s> Injector<'_, '_, 's, '_> {
    /// Injects what one policy has for one integration.
    pub(super) fn inject_block(
        &mut self,
        policy: &'s RunPolicy,
        block: &'s IntegrationInjection,
        renderer: &mut Renderer<'s, '_>,
        reading: &mut Reading<'_, '_>,
    ) {
        let integration = &*block.integration;
        let mut wanted: Vec<Wanted<'s>> = Vec::new();
        let mut blocked: Vec<(usize, &'s Injection, String)> = Vec::new();
        for (key, injection) in &block.keys {
            let Some(config) = integration.config.get(*key) else {
                continue;
            };
            let present = config
                .spellings
                .iter()
                .find_map(|spelling| self.view.annotation(spelling));
            match self.standing(
                policy,
                injection,
                present,
                &config.spellings,
                Some((integration, *key)),
                renderer,
                reading,
            ) {
                Standing::Satisfied => self.shadow(policy, Place::Annotation, &injection.key, "Equal"),
                Standing::Free(value, overwritten) => {
                    wanted.push(Wanted {
                        key: *key,
                        injection,
                        value,
                        overwritten,
                    });
                }
                Standing::Blocked(reason) => blocked.push((*key, injection, reason)),
            }
        }
        self.keep_groups_whole(policy, integration, &mut wanted, &blocked);
        self.keep_rules(policy, integration, &mut wanted);
        for (_, injection, reason) in blocked {
            self.skip(policy, Place::Annotation, &injection.key, reason);
        }
        // Judged for all of them at once: a part of them would be as bad as a part of a group.
        let added = wanted.iter().flat_map(|wanted| {
            let puts = self.spellings(integration, wanted).into_iter();
            puts.map(|(key, present)| {
                added_bytes(Place::Annotation, key, &wanted.value, &policy.name, present.as_deref())
            })
        });
        if let Err(reason) = self.has_room(added.sum()) {
            for Wanted { injection, .. } in wanted {
                self.skip(policy, Place::Annotation, &injection.key, reason.clone());
            }
            return;
        }
        for wanted in wanted {
            for (key, present) in self.spellings(integration, &wanted) {
                self.put(policy, Place::Annotation, key, wanted.value.clone(), present);
            }
        }
    }

    /// A mixture of two repositories is worse than nothing: one key of a group that cannot be put in keeps out all the others.
    fn keep_groups_whole(
        &mut self,
        policy: &RunPolicy,
        integration: &Integration,
        wanted: &mut Vec<Wanted<'s>>,
        blocked: &[(usize, &'s Injection, String)],
    ) {
        let groups = integration.rules.iter().filter_map(|rule| match rule {
            Rule::Together(group) => Some(group),
            _ => None,
        });
        let culprit = groups
            .flat_map(|group| blocked.iter().filter(|(key, _, _)| group.contains(key)))
            .map(|(_, injection, reason)| format!("{} goes with it: {reason}", injection.key))
            .next();
        if let Some(reason) = culprit {
            for Wanted { injection, .. } in wanted.drain(..) {
                self.skip(policy, Place::Annotation, &injection.key, reason.clone());
            }
        }
    }

    /// Leaves out keys whose injection would break a rule that holds without them.
    fn keep_rules(&mut self, policy: &RunPolicy, integration: &Integration, wanted: &mut Vec<Wanted<'s>>) {
        let before = breaches(integration, |key| self.is_set(integration, key));
        // Each round leaves out at least one key, so there are no more rounds than keys.
        while !wanted.is_empty() {
            let after = breaches(integration, |key| {
                wanted.iter().any(|wanted| wanted.key == key) || self.is_set(integration, key)
            });
            let Some(breach) = after.into_iter().find(|breach| !before.contains(breach)) else {
                return;
            };
            let reason = format!("it would break a rule: {}", breach.cause(integration).message);
            let guilty = |key: usize| match breach {
                Breach::Requires { key: needs, .. } => key == needs,
                Breach::Exclusive { group, .. } => group.contains(&key),
                Breach::Required { .. } | Breach::Together { .. } | Breach::AnyOf { .. } => true,
            };
            let some_guilty = wanted.iter().any(|wanted| guilty(wanted.key));
            let (out, stay) = wanted.drain(..).partition(|wanted| !some_guilty || guilty(wanted.key));
            *wanted = stay;
            let out: Vec<Wanted<'s>> = out;
            for Wanted { injection, .. } in out {
                self.skip(policy, Place::Annotation, &injection.key, reason.clone());
            }
        }
    }

    fn is_set(&self, integration: &Integration, key: usize) -> bool {
        integration.config.get(key).is_some_and(|config| {
            config.spellings.iter().any(|spelling| {
                self.view.annotation(spelling).is_some()
                    || self.outcome.claims.get(Place::Annotation, spelling).is_some()
            })
        })
    }

    /// The keys at which a value is put in, with the user's values there: every spelling that the user wrote, since both must be
    /// equal, else the policy's own.
    fn spellings<'k>(&self, integration: &'k Integration, wanted: &Wanted<'k>) -> Vec<(&'k str, Option<String>)> {
        if wanted.overwritten.is_none() {
            return vec![(&wanted.injection.key, None)];
        }
        let config = integration.config.get(wanted.key);
        let spellings = config.into_iter().flat_map(|config| &config.spellings);
        let present = spellings.filter_map(|key| Some((key.as_str(), Some(self.view.annotation(key)?.to_owned()))));
        present.collect()
    }
}
