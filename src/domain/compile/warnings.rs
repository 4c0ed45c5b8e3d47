//! Warnings about policies that load, and do not do what their author probably means.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::context::{Context, listed, quote};
use super::meeting::may_meet;
use super::merge::Merged;
use super::policies::WrittenPolicy;
use crate::domain::definition::{Definitions, RunPolicyDefinition, Text};
use crate::domain::policy::{Matcher, RunPolicy};
use crate::domain::source::{Code, Problem, Span};
use crate::domain::suggest::nearest;
use crate::domain::words::{Mode, Place};

/// Most policies of one key and namespace that another is compared with: thousands must not cost their square.
const MOST_COMPARED: usize = 32;

/// Most policies that are named for standing behind one and the same; the rest is counted.
const MOST_NAMED: usize = 8;

/// Warns about a policy that does nothing.
pub(super) fn idle(definition: &RunPolicyDefinition, context: &mut Context) {
    let inject = &definition.inject;
    let injects = inject.integrations.iter().any(|(_, keys)| !keys.is_empty())
        || !inject.annotations.is_empty()
        || !inject.labels.is_empty();
    let requires = !definition.require.integrations.is_empty() || !definition.require.annotations.is_empty();
    if !injects && !requires && !constrains(definition) {
        let name = &definition.header.name;
        let message = format!("policy {} does nothing", quote(&name.value));
        context.report(
            Problem::warning(Code::IdleDocument, name.span, message)
                .with_help("write inject, require or constrain, or remove the policy"),
        );
    }
}

pub(super) fn constrains(definition: &RunPolicyDefinition) -> bool {
    definition.constrain.iter().any(|(_, keys)| !keys.is_empty())
}

/// Warns about policies of equal priority that write one key for the same Runs: only their names decide which one wins.
pub(super) fn overlaps(written: &[WrittenPolicy], context: &mut Context) {
    let mut writers: HashMap<(i64, Place, &str), Writers<'_>> = HashMap::new();
    // By the two policies, so that one warning names all the keys that they share.
    let mut pairs: BTreeMap<(usize, usize), Vec<SharedKey<'_>>> = BTreeMap::new();
    // A Shadow policy never wins a key, so it takes none away either.
    for written in written.iter().filter(|written| written.policy.mode == Mode::Enforce) {
        for write in &written.writes {
            let key = (written.policy.priority, write.place, write.key.as_str());
            let of_key = writers.entry(key).or_default();
            if let Some((first, first_span)) = of_key.first_overlapping(written) {
                let shared = pairs.entry((first, written.policy.index)).or_default();
                shared.push(SharedKey {
                    key: &write.key,
                    first: first_span,
                    second: write.span,
                });
            }
            of_key.enter(written, write.span);
        }
    }
    let mut behind: BTreeMap<usize, usize> = BTreeMap::new();
    for ((first, second), shared) in pairs {
        let count = behind.entry(first).or_default();
        *count += 1;
        let policies = written.get(first).zip(written.get(second));
        if let (Some((first, second)), true) = (policies, *count <= MOST_NAMED) {
            report_overlap(&first.policy, &second.policy, &shared, context);
        }
    }
    for (first, count) in behind {
        let first = written
            .get(first)
            .and_then(|first| Some((first, first.writes.first()?)));
        if let (Some((first, write)), true) = (first, count > MOST_NAMED) {
            let name = quote(&first.policy.name);
            let more = count - MOST_NAMED;
            let message = format!("{more} more policies write keys of policy {name} for the same Runs at its priority");
            let help = "give the policies for everybody a lower priority than those for somebody";
            context.report(Problem::warning(Code::OverlappingPolicies, write.span, message).with_help(help));
        }
    }
}

/// A key that two policies write, and where each does.
struct SharedKey<'p> {
    key: &'p str,
    first: Span,
    second: Span,
}

fn report_overlap(first: &RunPolicy, second: &RunPolicy, shared: &[SharedKey<'_>], context: &mut Context) {
    let Some(place) = shared.first() else {
        return;
    };
    let keys: Vec<&str> = shared.iter().map(|shared| shared.key).collect();
    let message = format!(
        "policies {} and {} write {} for the same Runs at priority {}: the name decides, so {} wins",
        quote(&first.name),
        quote(&second.name),
        listed(&keys),
        first.priority,
        quote(&first.name)
    );
    context.report(
        Problem::warning(Code::OverlappingPolicies, place.second, message)
            .with_label(format!("policy {} writes it here", quote(&second.name)))
            .with_related(place.first, format!("policy {} writes it here", quote(&first.name)))
            .with_help("give one of them another priority, or make their matches exclude each other"),
    );
}

/// The policies so far that write one key at one priority.
#[derive(Default)]
struct Writers<'p> {
    /// The first few for each namespace that a policy names exactly.
    exact: HashMap<&'p str, Vec<(&'p WrittenPolicy, Span)>>,
    /// The first few of the others.
    wildcard: Vec<(&'p WrittenPolicy, Span)>,
    /// The first few of all.
    any: Vec<(&'p WrittenPolicy, Span)>,
}

impl<'p> Writers<'p> {
    fn first_overlapping(&self, policy: &WrittenPolicy) -> Option<(usize, Span)> {
        let candidates: Vec<&(&WrittenPolicy, Span)> = match exact_namespaces(&policy.policy.matcher) {
            Some(namespaces) => {
                let of_namespaces = namespaces
                    .iter()
                    .filter_map(|namespace| self.exact.get(namespace))
                    .flatten();
                of_namespaces.chain(&self.wildcard).collect()
            }
            None => self.any.iter().collect(),
        };
        let overlapping = candidates.into_iter().filter(|(other, _)| may_meet(other, policy));
        overlapping
            .min_by_key(|(other, _)| other.policy.index)
            .map(|(other, span)| (other.policy.index, *span))
    }

    fn enter(&mut self, policy: &'p WrittenPolicy, span: Span) {
        match exact_namespaces(&policy.policy.matcher) {
            Some(namespaces) => {
                for namespace in namespaces {
                    push_bounded(self.exact.entry(namespace).or_default(), policy, span);
                }
            }
            None => push_bounded(&mut self.wildcard, policy, span),
        }
        push_bounded(&mut self.any, policy, span);
    }
}

fn push_bounded<'p>(list: &mut Vec<(&'p WrittenPolicy, Span)>, policy: &'p WrittenPolicy, span: Span) {
    if list.len() < MOST_COMPARED {
        list.push((policy, span));
    }
}

/// The namespaces of a matcher that names them all exactly.
fn exact_namespaces(matcher: &Matcher) -> Option<Vec<&str>> {
    let namespaces = matcher.namespaces.as_ref()?;
    let are_exact = namespaces.iter().all(|namespace| namespace.is_literal());
    are_exact.then(|| namespaces.iter().map(|namespace| namespace.as_str()).collect())
}

/// The identities that users' Settings name.
pub(super) fn identities_of_users(definitions: &Definitions) -> Vec<Text> {
    let users = definitions.settings.iter().filter(|settings| !settings.header.builtin);
    users
        .flat_map(|settings| settings.identities.iter().map(|(name, _)| name.clone()))
        .collect()
}

/// Warns about an identity that nothing refers to and that is like one that is: misspelt, it adds nobody to the list that was meant.
pub(super) fn unused_identities(named: &[Text], merged: &Merged, context: &mut Context) {
    let Merged {
        integrations,
        trigger_sources,
        settings,
        run_policies: _,
    } = merged;
    let states = integrations
        .iter()
        .flat_map(|integration| [&integration.annotations, &integration.labels, &integration.finalizers])
        .flatten();
    let of_states = states.flat_map(|state| {
        state
            .writers
            .iter()
            .chain(state.creators.iter().map(|creator| &creator.identity))
    });
    let of_sources = trigger_sources.iter().flat_map(|source| &source.users);
    let of_settings = settings.controllers.iter().chain(&settings.exempt_identities);
    let used: BTreeSet<&str> = of_states
        .chain(of_sources)
        .chain(of_settings)
        .map(|identity| identity.value.as_str())
        .collect();
    // An identity that is like no other may wait for a document that is still to come.
    for identity in named.iter().filter(|identity| !used.contains(identity.value.as_str())) {
        if let Some(near) = nearest(&identity.value, used.iter().copied()) {
            let message = format!("nothing refers to identity {}", quote(&identity.value));
            let problem = Problem::warning(Code::UnusedIdentity, identity.span, message);
            context.report(problem.with_help(format!("did you mean {}?", quote(near))));
        }
    }
}
