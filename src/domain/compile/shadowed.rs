//! Warns about values that are never injected, since a policy of higher priority always writes the key first.

use std::collections::HashMap;

use super::context::{Context, quote};
use super::meeting::contains;
use super::policies::WrittenPolicy;
use crate::domain::pattern::Glob;
use crate::domain::policy::{Injection, Matcher};
use crate::domain::source::{Code, Problem, Span};
use crate::domain::words::{Mode, OnConflict, Place};

/// Most policies of one key that another is compared with.
const MOST_COMPARED: usize = 32;

/// Warns about each such value; the policies come in the order in which they apply.
pub(super) fn warn(written: &[WrittenPolicy], context: &mut Context) {
    let mut always: HashMap<(Place, &str), Vec<(&WrittenPolicy, &Injection)>> = HashMap::new();
    // A Shadow policy takes no key away, and what it would do is told in any case.
    for policy in written.iter().filter(|written| written.policy.mode == Mode::Enforce) {
        for injection in &policy.policy.keys {
            let earlier = always.entry((injection.place, &injection.key)).or_default();
            let first = earlier.iter().find(|(first, by)| {
                // Of equal priority the overlap is told.
                first.policy.priority > policy.policy.priority
                    && (injection.on_conflict == OnConflict::Keep || by.on_conflict != OnConflict::Keep)
                    && covers(&first.policy.matcher, &policy.policy.matcher)
            });
            if let Some((first, _)) = first {
                report(first, policy, injection, context);
            }
            if injection.value.literal().is_some() && earlier.len() < MOST_COMPARED {
                earlier.push((policy, injection));
            }
        }
    }
}

fn report(first: &WrittenPolicy, policy: &WrittenPolicy, injection: &Injection, context: &mut Context) {
    let (Some(by), Some(place)) = (place_of(first, injection), place_of(policy, injection)) else {
        return;
    };
    let message = format!(
        "{} {} of policy {} is never injected: policy {} is for the same Runs and always writes it first",
        injection.place,
        quote(&injection.key),
        quote(&policy.policy.name),
        quote(&first.policy.name)
    );
    context.report(
        Problem::warning(Code::ShadowedInjection, place, message)
            .with_related(by, format!("written here, at priority {}", first.policy.priority))
            .with_help("give this policy the higher priority, or remove the value"),
    );
}

fn place_of(policy: &WrittenPolicy, injection: &Injection) -> Option<Span> {
    let mut writes = policy.writes.iter();
    writes
        .find(|write| write.place == injection.place && write.key == injection.key)
        .map(|write| write.span)
}

/// Whether a matcher is certainly for every Run that the other one is for; a doubt is a no.
fn covers(wide: &Matcher, narrow: &Matcher) -> bool {
    let kinds = narrow.kinds.iter().all(|kind| wide.kinds.contains(kind));
    let namespaces = match (&wide.namespaces, &narrow.namespaces) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow.iter().all(|glob| wide.iter().any(|wide| contains(wide, glob))),
    };
    let is_out = |excluded: &Glob| {
        let in_both = narrow.exclude_namespaces.iter().any(|glob| contains(glob, excluded));
        let never_meets = narrow.namespaces.as_ref().is_some_and(|namespaces| {
            let mut namespaces = namespaces.iter();
            namespaces.all(|namespace| namespace.is_literal() && !excluded.matches(namespace.as_str()))
        });
        in_both || never_meets
    };
    let excluded = wide.exclude_namespaces.iter().all(is_out);
    let is_free = wide.users.is_none() && wide.trigger.is_none() && wide.conditions.is_empty();
    let selects = |wide: &Option<_>, narrow: &Option<_>| wide.is_none() || wide == narrow;
    kinds
        && namespaces
        && excluded
        && is_free
        && selects(&wide.selector, &narrow.selector)
        && selects(&wide.namespace_selector, &narrow.namespace_selector)
}
