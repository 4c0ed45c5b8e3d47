//! The registry holds exactly the keys that the list says exist, which is written from the sources of the tools and not from the policies.
#![cfg(test)]

mod common;
#[path = "keys/packs.rs"]
mod packs;

use std::collections::BTreeSet;
use std::fs;

use runstamp::domain::policy_set::PolicySet;

use packs::set_with_packs;

fn declared(set: &PolicySet) -> BTreeSet<String> {
    let config = set.integrations.iter().flat_map(|integration| {
        integration.config.iter().flat_map(|config| {
            let spellings = config.spellings.iter();
            spellings.map(|key| format!("{} config {key}", config.place))
        })
    });
    let state = set.integrations.iter().flat_map(|integration| {
        let keys = integration.state.iter();
        keys.map(|state| format!("{} state {}", state.place, state.key.as_str()))
    });
    config.chain(state).collect()
}

fn known() -> BTreeSet<String> {
    let text = fs::read_to_string("tests/keys/known-keys.txt").unwrap();
    let mut known = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        assert!(known.insert(line.to_owned()), "{line} is listed twice");
    }
    known
}

#[test]
fn every_known_key_is_declared_and_no_other() {
    let declared_keys = declared(&set_with_packs());
    let known = known();
    let forgotten: Vec<&String> = known.difference(&declared_keys).collect();
    let unlisted: Vec<&String> = declared_keys.difference(&known).collect();
    assert!(
        forgotten.is_empty() && unlisted.is_empty(),
        "listed but not declared: {forgotten:#?}\ndeclared but not listed: {unlisted:#?}"
    );
}

#[test]
fn every_key_says_what_it_is_and_who_says_so() {
    let mut mistakes = BTreeSet::new();
    for integration in &set_with_packs().integrations {
        if integration.description.is_empty() {
            mistakes.insert(format!("integration {} has no description", integration.name));
        }
        for config in &integration.config {
            let is_documented = !config.description.is_empty() && config.source.is_some();
            // The key that every prefix knows is declared by no file.
            let has_example = config.example.is_some() || config.name == "version";
            if !is_documented || !has_example {
                mistakes.insert(format!("{} lacks a description, a source or an example", config.key()));
            }
        }
        for state in &integration.state {
            if state.description.is_empty() || state.source.is_none() {
                mistakes.insert(format!("{} lacks a description or a source", state.key.as_str()));
            }
        }
    }
    assert!(mistakes.is_empty(), "{mistakes:#?}");
}
