//! Compilation: from documents as written to a policy set, or to everything that is wrong with them.
//!
//! No step stops at the first mistake, and none drops what it could not understand: a key that is misspelt still stands in
//! the half-made set, so that one mistake is one problem and not a trail of them. The half-made set never leaves this module.

mod acceptances;
mod constraints;
mod context;
mod dead_paths;
mod declarations;
pub mod defaults;
mod digest;
mod evasion;
mod identities;
mod injections;
mod integrations;
mod key_rules;
mod matching;
mod meeting;
mod merge;
mod places;
mod policies;
mod reach;
mod rules;
mod schemas;
mod settings;
mod shadowed;
mod sources;
mod state_keys;
mod warnings;

use std::sync::Arc;

use self::acceptances::Acceptances;
use self::context::Context;
use self::places::Places;
use super::definition::{Definitions, Text};
use super::policy_set::PolicySet;
use super::registry::KeyRegistry;
use super::source::{Problem, Severity};

/// What came of the documents.
#[derive(Debug)]
pub struct Compilation {
    /// The policy set; `None` where any problem is an error.
    pub set: Option<PolicySet>,
    /// Everything that is wrong, in the order in which it stands in the files.
    pub problems: Vec<Problem>,
}

/// Merges users' documents onto the built-in ones, and compiles and checks the result.
pub fn compile(definitions: Definitions) -> Compilation {
    let mut context = Context::default();
    let acceptances = Acceptances::new(&definitions, &mut context);
    let named: Vec<Text> = warnings::identities_of_users(&definitions);
    let merged = merge::merge(definitions, &mut context);
    warnings::unused_identities(&named, &merged, &mut context);
    let digest = digest::digest(&merged);
    let surroundings = settings::compile(&merged.settings, &mut context);
    let integrations = integrations::compile(&merged.integrations, &surroundings, &mut context);
    let registry = KeyRegistry::new(&integrations);
    let trigger_sources = sources::compile(&merged.trigger_sources, &surroundings, &mut context);
    let places = Places::new(&merged.integrations);
    let known = policies::Known::new(&surroundings, &integrations, &registry, &places, &trigger_sources);
    let written = policies::compile(&merged.run_policies, &known, &mut context);
    warnings::overlaps(&written, &mut context);
    shadowed::warn(&written, &mut context);
    let found = context.take();
    acceptances.apply(found, &mut context);
    let problems = context.finish();
    let sound = problems.iter().all(|problem| problem.severity != Severity::Error);
    let policies = written.into_iter().map(|written| Arc::new(written.policy)).collect();
    let set = sound.then(|| PolicySet::new(integrations, trigger_sources, policies, surroundings.settings, digest));
    Compilation { set, problems }
}
