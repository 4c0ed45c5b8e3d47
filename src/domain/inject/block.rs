//! The keys that a policy injects for one integration: groups as a whole or not at all, and nothing that would break a rule.

use std::borrow::Cow;

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
struct Wanted<'f> {
    key: usize,
    injection: &'f Injection,
    value: Cow<'f, str>,
    /// The user's value that it takes the place of.
    overwritten: Option<&'f str>,
}

impl<'f> Injector<'f, '_, '_> {
    /// Injects what one policy has for one integration.
    pub(super) fn inject_block(
        &mut self,
        policy: &'f RunPolicy,
        block: &'f IntegrationInjection,
        renderer: &mut Renderer<'f>,
        reading: &mut Reading<'f, '_>,
    ) {
        let integration = &*block.integration;
        let mut wanted: Vec<Wanted<'f>> = Vec::new();
        let mut blocked: Vec<(usize, &'f Injection, String)> = Vec::new();
        for (key, injection) in &block.keys {
            match self.standing(policy, injection, Some((integration, *key)), renderer, reading) {
                Standing::Satisfied => self.shadow(policy, Place::Annotation, &injection.key, "Equal", None),
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
        let mut added = 0;
        for wanted in &wanted {
            self.each_spelling(integration, wanted, |key, present| {
                added += added_bytes(Place::Annotation, key, &wanted.value, &policy.name, present);
            });
        }
        if let Err(reason) = self.has_room(added) {
            for Wanted { injection, .. } in wanted {
                self.skip(policy, Place::Annotation, &injection.key, reason.clone());
            }
            return;
        }
        for wanted in wanted {
            let mut puts = Vec::new();
            if wanted.overwritten.is_some() {
                self.each_spelling(integration, &wanted, |key, present| puts.push((key, present)));
            }
            for (key, present) in puts {
                self.put(policy, Place::Annotation, key, wanted.value.clone(), present);
            }
            if wanted.overwritten.is_none() {
                self.put(policy, Place::Annotation, &wanted.injection.key, wanted.value, None);
            }
        }
    }

    /// A mixture of two repositories is worse than nothing: one key of a group that cannot be put in keeps out all the others.
    fn keep_groups_whole(
        &mut self,
        policy: &RunPolicy,
        integration: &Integration,
        wanted: &mut Vec<Wanted<'f>>,
        blocked: &[(usize, &'f Injection, String)],
    ) {
        let groups = integration.rules.iter().filter_map(|rule| match rule {
            Rule::Together(group) => Some(group),
            _ => None,
        });
        let culprit = groups
            .flat_map(|group| blocked.iter().filter(|(key, _, _)| group.contains(key)))
            .map(|(_, injection, reason)| {
                format!(
                    "left out with its group, since {} cannot be set: {reason}",
                    injection.key
                )
            })
            .next();
        if let Some(reason) = culprit {
            for Wanted { injection, .. } in wanted.drain(..) {
                self.skip(policy, Place::Annotation, &injection.key, reason.clone());
            }
        }
    }

    /// Leaves out keys whose injection would break a rule that holds without them.
    fn keep_rules(&mut self, policy: &RunPolicy, integration: &Integration, wanted: &mut Vec<Wanted<'f>>) {
        // Each round leaves out at least one key, so there are no more rounds than keys.
        while !wanted.is_empty() {
            let after = breaches(integration, |key| {
                wanted.iter().any(|wanted| wanted.key == key) || self.is_set(integration, key)
            });
            // Which it mostly is: then nobody need know what was broken before.
            if after.is_empty() {
                return;
            }
            let before = breaches(integration, |key| self.is_set(integration, key));
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
            let out: Vec<Wanted<'f>> = out;
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
    fn each_spelling(
        &self,
        integration: &'f Integration,
        wanted: &Wanted<'f>,
        mut put: impl FnMut(&'f str, Option<&'f str>),
    ) {
        if wanted.overwritten.is_none() {
            put(&wanted.injection.key, None);
            return;
        }
        let config = integration.config.get(wanted.key);
        for key in config.into_iter().flat_map(|config| &config.spellings) {
            if let Some(present) = self.view.annotation(key) {
                put(key, Some(present));
            }
        }
    }
}
