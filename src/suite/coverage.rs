//! Coverage: which policies and rules of the sets that were tested no case has exercised.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::domain::cause::{Cause, CauseKind};
use crate::domain::decision::{ShadowOutcome, Violation};
use crate::domain::definition::{IntegrationDefinition, RuleTerms, RunPolicyDefinition, Text};
use crate::domain::integration::{Integration, Rule};
use crate::domain::policy::RunPolicy;
use crate::domain::policy_set::PolicySet;
use crate::domain::rules::Breach;
use crate::domain::source::Span;
use crate::domain::trace::Event;
use crate::policy_file::{PolicyText, SourceFiles, read_texts};
use crate::review_run::Reviewed;

use super::place;

/// Something in a policy file that a case can exercise.
#[derive(Debug)]
pub(super) struct Unit {
    file: String,
    line: usize,
    text: String,
    check: Check,
}

/// When a unit has been exercised.
#[derive(Debug)]
enum Check {
    /// The policy was for a Run.
    Matched(String),
    /// The policy put the key in.
    Injected { policy: String, key: String },
    /// Something that the policy requires was missing.
    Required(String),
    /// A value broke a constraint of the policy, on a key with these spellings.
    Constrained { policy: String, spellings: Vec<String> },
    /// The rule was broken: one of these was found.
    Broken { integration: String, causes: Vec<Cause> },
}

/// What the cases that have been run exercised so far.
#[derive(Debug, Default)]
pub struct Coverage {
    /// By file, whatever path led to it, line and text: suites may share policies.
    units: BTreeMap<(PathBuf, usize, String), State>,
}

#[derive(Debug)]
struct State {
    file: String,
    covered: bool,
}

/// Something that no case has exercised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncovered<'c> {
    /// The policy file.
    pub file: &'c str,
    /// Where the document, or the rule, begins in it.
    pub line: usize,
    /// What no case has shown: one sentence.
    pub text: &'c str,
}

impl Coverage {
    /// Counts a case in.
    pub(super) fn count(&mut self, units: &[Unit], reviewed: &Reviewed) {
        for unit in units {
            let file = fs::canonicalize(&unit.file).unwrap_or_else(|_| PathBuf::from(&unit.file));
            let key = (file, unit.line, unit.text.clone());
            let state = self.units.entry(key).or_insert_with(|| State {
                file: unit.file.clone(),
                covered: false,
            });
            state.covered = state.covered || unit.check.holds(reviewed);
        }
    }

    /// How many policies and rules the tested sets hold, built-in ones left out.
    pub fn total(&self) -> usize {
        self.units.len()
    }

    /// Those that no case has exercised, by file and line.
    pub fn uncovered(&self) -> Vec<Uncovered<'_>> {
        let units = self.units.iter().filter(|(_, state)| !state.covered);
        units
            .map(|((_, line, text), state)| Uncovered {
                file: &state.file,
                line: *line,
                text,
            })
            .collect()
    }
}

impl Check {
    fn holds(&self, reviewed: &Reviewed) -> bool {
        let violations = || reviewed.decisions().flat_map(|decision| &decision.violations);
        let by_policy = |name: &str, holds: &dyn Fn(&Violation) -> bool| {
            violations().any(|violation| violation.author.policy() == Some(name) && holds(violation))
        };
        let faults = || reviewed.decisions().flat_map(|decision| &decision.shadow);
        let is_required = |fault: &ShadowOutcome| {
            let detail = fault.detail.as_deref().unwrap_or_default();
            detail.starts_with("required by policy")
        };
        let in_shadow = |name: &str, holds: &dyn Fn(&ShadowOutcome) -> bool| {
            faults().any(|fault| fault.is_fault() && *fault.policy == *name && holds(fault))
        };
        let mutated = &reviewed.mutated;
        match self {
            Self::Matched(name) => {
                let events = reviewed.trace.iter().flat_map(|trace| &trace.events);
                let mut matched = events.filter_map(|event| match event {
                    Event::PolicyMatched { policy } => Some(policy),
                    _ => None,
                });
                matched.any(|policy| **policy == **name) || by_policy(name, &|_| true)
            }
            Self::Injected { policy, key } => {
                let injected = mutated.injected.iter();
                let mut injected = injected.filter(|injected| *injected.policy == **policy);
                let shadow = mutated.shadow.iter().filter(|shadow| *shadow.policy == **policy);
                let mut shadow = shadow.filter(|shadow| matches!(shadow.outcome, "Inject" | "Overwrite"));
                injected.any(|injected| injected.key == *key)
                    || shadow.any(|shadow| shadow.field.last_key() == Some(key))
            }
            Self::Required(policy) => {
                by_policy(policy, &|violation| {
                    violation.cause.kind == CauseKind::Required
                        && violation.cause.message.starts_with("required by policy")
                }) || in_shadow(policy, &|fault| is_required(fault))
            }
            Self::Constrained { policy, spellings } => {
                let is_meant =
                    |key: Option<&str>| key.is_some_and(|key| spellings.iter().any(|spelling| spelling == key));
                by_policy(policy, &|violation| {
                    violation.cause.kind != CauseKind::Required && is_meant(violation.cause.field.last_key())
                }) || in_shadow(policy, &|fault| !is_required(fault) && is_meant(fault.field.last_key()))
            }
            Self::Broken { integration, causes } => violations().any(|violation| {
                violation.author.integration() == Some(integration) && causes.contains(&violation.cause)
            }),
        }
    }
}

/// The units of a set, of the documents in these texts that are not built in.
pub(super) fn units(set: &PolicySet, texts: &[PolicyText]) -> Vec<Unit> {
    let own = texts.iter().filter(|text| !text.builtin).cloned();
    let (files, loaded) = read_texts(own);
    let mut collection = Collection {
        files: &files,
        units: Vec::new(),
    };
    for definition in &loaded.definitions.run_policies {
        if let Some(policy) = set.policy(&definition.header.name.value) {
            collection.policy(policy, definition);
        }
    }
    for definition in &loaded.definitions.integrations {
        let name = definition.header.name.value.as_str();
        let compiled = set.integrations.iter().find(|integration| *integration.name == *name);
        if let Some(integration) = compiled {
            collection.integration(integration, definition);
        }
    }
    collection.units
}

struct Collection<'f> {
    files: &'f SourceFiles,
    units: Vec<Unit>,
}

impl Collection<'_> {
    fn add(&mut self, span: Span, text: String, check: Check) {
        let (file, line) = place(self.files, span);
        self.units.push(Unit {
            file: file.to_owned(),
            line,
            text,
            check,
        });
    }

    fn policy(&mut self, policy: &RunPolicy, definition: &RunPolicyDefinition) {
        let span = definition.header.name.span;
        let name = || policy.name.to_string();
        let text = format!("policy {}: no case has a Run that it is for", policy.name);
        self.add(span, text, Check::Matched(name()));
        let declared = policy.integrations.iter().flat_map(|block| &block.keys);
        for injection in declared.map(|(_, injection)| injection).chain(&policy.keys) {
            let text = format!("policy {}: in no case does it inject {}", policy.name, injection.key);
            let check = Check::Injected {
                policy: name(),
                key: injection.key.clone(),
            };
            self.add(span, text, check);
        }
        if !policy.require_integrations.is_empty() || !policy.require_annotations.is_empty() {
            let text = format!("policy {}: no case lacks what it requires", policy.name);
            self.add(span, text, Check::Required(name()));
        }
        for constraint in &policy.constraints {
            let Some(config) = constraint.integration.config.get(constraint.key) else {
                continue;
            };
            let text = format!(
                "policy {}: no case breaks its constraint on {}",
                policy.name,
                config.key()
            );
            let check = Check::Constrained {
                policy: name(),
                spellings: config.spellings.clone(),
            };
            self.add(span, text, check);
        }
    }

    /// Rules of a user's document are appended to those of the built-in one, so they are the last.
    fn integration(&mut self, integration: &Integration, definition: &IntegrationDefinition) {
        let skipped = integration.rules.len().saturating_sub(definition.rules.len());
        for (rule, written) in integration.rules.iter().skip(skipped).zip(&definition.rules) {
            let text = format!(
                "integration {}: no case breaks the rule {}",
                integration.name,
                shown(&written.rule)
            );
            let check = Check::Broken {
                integration: integration.name.to_string(),
                causes: breaches_of(rule)
                    .iter()
                    .map(|breach| breach.cause(integration))
                    .collect(),
            };
            self.add(written.span, text, check);
        }
    }
}

/// Every way in which a rule can be broken.
fn breaches_of(rule: &Rule) -> Vec<Breach<'_>> {
    match rule {
        Rule::Together(group) => group
            .iter()
            .map(|&missing| Breach::Together { missing, group })
            .collect(),
        Rule::Requires { key, requires } => requires
            .iter()
            .map(|&missing| Breach::Requires { key: *key, missing })
            .collect(),
        Rule::Exclusive(group) => group.iter().map(|&key| Breach::Exclusive { key, group }).collect(),
        Rule::AnyOf(group) => vec![Breach::AnyOf { group }],
    }
}

fn shown(rule: &RuleTerms) -> String {
    let names = |keys: &[Text]| keys.iter().map(|key| key.value.as_str()).collect::<Vec<_>>().join(", ");
    match rule {
        RuleTerms::Together(keys) => format!("together: {}", names(keys)),
        RuleTerms::Requires { key, requires } => format!("{} requires: {}", key.value, names(requires)),
        RuleTerms::Exclusive(keys) => format!("exclusive: {}", names(keys)),
        RuleTerms::AnyOf(keys) => format!("anyOf: {}", names(keys)),
    }
}
