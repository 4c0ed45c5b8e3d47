//! Why a case came out as it did: of the whole trace, the lines about what was expected and does not hold.

use std::collections::BTreeSet;

use super::Failure;
use crate::domain::pattern::Glob;
use crate::domain::policy::{Injection, RunPolicy};
use crate::domain::policy_set::PolicySet;
use crate::domain::template::Reference;
use crate::domain::trace::{Event, Trace};

/// The lines of the trace about these failures, in order.
pub(super) fn why(failures: &[Failure], trace: &Trace, set: &PolicySet) -> Vec<String> {
    let mut search = Search {
        trace,
        set,
        found: BTreeSet::new(),
        unset: BTreeSet::new(),
    };
    for failure in failures {
        search.about(failure);
    }
    let lines = search.found.iter().filter_map(|position| trace.events.get(*position));
    let unset = search
        .unset
        .iter()
        .map(|key| format!("no policy of this set injects {key}"));
    lines.map(ToString::to_string).chain(unset).collect()
}

struct Search<'t> {
    trace: &'t Trace,
    set: &'t PolicySet,
    /// Positions of the lines that matter.
    found: BTreeSet<usize>,
    /// Keys that were expected and that no policy would ever inject.
    unset: BTreeSet<String>,
}

impl Search<'_> {
    fn about(&mut self, failure: &Failure) {
        let name = failure.expectation.split('[').next().unwrap_or_default();
        let subject = within_brackets(&failure.expectation);
        match (name, subject) {
            ("facts", Some(fact)) => self.about_fact(fact),
            ("annotations" | "labels", Some(key)) => {
                self.about_key(key);
                let is_ours = injections_of(self.set).any(|injection| injection.key == key);
                if failure.found == "none" && !is_ours {
                    self.unset.insert(key.to_owned());
                }
            }
            ("absent", _) => {
                let keys: Vec<&str> = failure.found.lines().filter_map(within_brackets).collect();
                keys.into_iter().for_each(|key| self.about_keys(key));
            }
            ("injected" | "skipped", _) => {
                // What was expected, or what was not: keys either way, perhaps with policy and reason.
                let lines = std::iter::once(failure.expected.as_str()).chain(failure.found.lines());
                for line in lines {
                    self.about_keys(line.split(" (policy ").next().unwrap_or(line));
                }
            }
            ("lineage" | "copied" | "allowed", _) => {
                self.take(|event| matches!(event, Event::Lineage { .. } | Event::Copied { .. }));
            }
            _ => {}
        }
    }

    fn take(&mut self, wanted: impl Fn(&Event) -> bool) {
        let events = self.trace.events.iter().enumerate();
        self.found
            .extend(events.filter(|(_, event)| wanted(event)).map(|(position, _)| position));
    }

    /// The keys of policies that a glob stands for.
    fn about_keys(&mut self, glob: &str) {
        let Ok(glob) = Glob::parse(glob) else { return };
        let keys: BTreeSet<&str> = injections_of(self.set)
            .map(|injection| injection.key.as_str())
            .filter(|key| glob.matches(key))
            .collect();
        keys.into_iter().for_each(|key| self.about_key(key));
    }

    /// What policies did with a key, and the facts that it would be made of; or why no policy was asked.
    fn about_key(&mut self, key: &str) {
        let writers: Vec<&RunPolicy> = self
            .set
            .policies
            .iter()
            .map(|policy| &**policy)
            .filter(|policy| injections(policy).any(|injection| injection.key == key))
            .collect();
        self.take(|event| match event {
            Event::KeyInjected { field, .. } | Event::KeySatisfied { field, .. } | Event::KeySkipped { field, .. } => {
                within_brackets(field) == Some(key)
            }
            Event::PolicySkipped { policy, .. } => writers.iter().any(|writer| writer.name == *policy),
            _ => false,
        });
        for fact in self.facts_missed_at(key) {
            self.about_fact(&fact);
        }
        for policy in writers {
            let asks = policy.matcher.trigger.as_ref();
            let conditions = [
                ("provider", asks.is_some_and(|trigger| trigger.providers.is_some())),
                ("host", asks.is_some_and(|trigger| trigger.hosts.is_some())),
                ("event", asks.is_some_and(|trigger| trigger.events.is_some())),
            ];
            for (fact, _) in conditions.into_iter().filter(|(_, asks)| *asks) {
                self.about_fact(fact);
            }
            for injection in injections(policy).filter(|injection| injection.key == key) {
                for reference in injection.value.references() {
                    if let Reference::Trigger(fact) = reference {
                        self.about_fact(fact.word());
                    }
                }
            }
        }
    }

    /// The facts for want of which a key was left out, or another one of its group.
    fn facts_missed_at(&self, key: &str) -> Vec<String> {
        let events = self.trace.events.iter();
        let reasons = events.filter_map(|event| match event {
            Event::KeySkipped { field, reason, .. } if within_brackets(field) == Some(key) => Some(reason),
            _ => None,
        });
        let words = reasons.flat_map(|reason| reason.split_whitespace());
        words
            .filter_map(|word| word.strip_prefix("trigger."))
            .map(str::to_owned)
            .collect()
    }

    /// What is known of a fact, and of the one that it follows from.
    fn about_fact(&mut self, wanted: &str) {
        let root = self.trace.events.iter().find_map(|event| match event {
            Event::FactFound { fact, from, .. } if *fact == wanted => from.strip_prefix("trigger."),
            Event::FactAbsent {
                fact,
                follows: Some((root, _)),
                ..
            } if *fact == wanted => Some(*root),
            _ => None,
        });
        self.take(|event| match event {
            Event::FactFound { fact, .. } | Event::FactRefused { fact, .. } | Event::FactAbsent { fact, .. } => {
                *fact == wanted
            }
            _ => false,
        });
        if let Some(root) = root.filter(|root| *root != wanted) {
            self.about_fact(root);
        }
    }
}

fn injections_of(set: &PolicySet) -> impl Iterator<Item = &Injection> {
    set.policies.iter().flat_map(|policy| injections(policy))
}

fn injections(policy: &RunPolicy) -> impl Iterator<Item = &Injection> {
    let blocks = policy.integrations.iter().flat_map(|block| &block.keys);
    blocks.map(|(_, injection)| injection).chain(&policy.keys)
}

/// `key` of `annotations[key]`.
fn within_brackets(text: &str) -> Option<&str> {
    text.split_once('[')?.1.strip_suffix(']')
}
