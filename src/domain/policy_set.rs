//! A policy set: everything compiled and indexed, so that a request meets only the policies of its kind and namespace.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::integration::Integration;
use super::key_map::KeyMap;
use super::policy::RunPolicy;
use super::registry::KeyRegistry;
use super::settings::Settings;
use super::trigger_source::TriggerSource;
use super::words::RunKind;

/// The SHA-256 of what a policy set means: equal for equal sets, whatever files they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest(String);

impl Digest {
    /// Wraps the text `sha256:` and 64 hexadecimal digits.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// `sha256:` and 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything that decides, compiled; immutable, shared by all requests.
#[derive(Debug)]
pub struct PolicySet {
    /// Sorted by name.
    pub integrations: Vec<Arc<Integration>>,
    /// What each key is.
    pub registry: KeyRegistry,
    /// Sorted by precedence, higher first, then name.
    pub trigger_sources: Vec<Arc<TriggerSource>>,
    /// Sorted in the order in which they apply: priority, higher first, then name.
    pub policies: Vec<Arc<RunPolicy>>,
    /// Settings.
    pub settings: Settings,
    digest: Digest,
    index: PolicyIndex,
    by_name: HashMap<Arc<str>, usize>,
    selects_namespaces: bool,
}

impl PolicySet {
    /// Indexes what has been compiled; the lists must be sorted as their fields say, and `index` of integrations and policies their position.
    pub fn new(
        integrations: Vec<Arc<Integration>>,
        trigger_sources: Vec<Arc<TriggerSource>>,
        policies: Vec<Arc<RunPolicy>>,
        settings: Settings,
        digest: Digest,
    ) -> Self {
        let registry = KeyRegistry::new(&integrations);
        let index = PolicyIndex::new(&policies);
        let by_name = policies
            .iter()
            .map(|policy| (Arc::clone(&policy.name), policy.index))
            .collect();
        let selects_namespaces = policies
            .iter()
            .any(|policy| policy.matcher.namespace_selector.is_some());
        Self {
            integrations,
            registry,
            trigger_sources,
            policies,
            settings,
            digest,
            index,
            by_name,
            selects_namespaces,
        }
    }

    /// Whether any policy asks for the labels of namespaces.
    pub fn selects_namespaces(&self) -> bool {
        self.selects_namespaces
    }

    /// The digest of the set.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether the user is a declared writer of any state key.
    pub fn is_writer(&self, user: &str) -> bool {
        let mut states = self.integrations.iter().flat_map(|integration| &integration.state);
        states.any(|state| state.writers.contains(user))
    }

    /// The policy of that name.
    pub fn policy(&self, name: &str) -> Option<&Arc<RunPolicy>> {
        self.by_name.get(name).and_then(|position| self.policies.get(*position))
    }

    /// The policies that may be for a Run of this kind in this namespace, in the order in which they apply.
    /// Globs, exclusions and every other condition are still to be judged.
    pub fn candidates(&self, kind: RunKind, namespace: &str) -> impl Iterator<Item = &Arc<RunPolicy>> {
        let (exact, wildcard) = self.index.lists(kind, namespace);
        Merge {
            left: exact,
            right: wildcard,
        }
        .filter_map(|position| self.policies.get(position))
    }
}

/// Positions of policies by kind, and by namespace where a policy names namespaces without wildcards.
#[derive(Debug, Default)]
struct PolicyIndex {
    by_kind: [KindIndex; RunKind::WORDS.len()],
}

#[derive(Debug, Default)]
struct KindIndex {
    exact: KeyMap<Vec<usize>>,
    wildcard: Vec<usize>,
}

impl PolicyIndex {
    fn new(policies: &[Arc<RunPolicy>]) -> Self {
        let mut index = Self::default();
        for policy in policies {
            for kind in &policy.matcher.kinds {
                if let Some(of_kind) = index.by_kind.get_mut(*kind as usize) {
                    of_kind.enter(policy);
                }
            }
        }
        index
    }

    fn lists(&self, kind: RunKind, namespace: &str) -> (&[usize], &[usize]) {
        self.by_kind.get(kind as usize).map_or((&[], &[]), |of_kind| {
            (
                of_kind.exact.get(namespace).map_or(&[][..], Vec::as_slice),
                of_kind.wildcard.as_slice(),
            )
        })
    }
}

impl KindIndex {
    fn enter(&mut self, policy: &RunPolicy) {
        match &policy.matcher.namespaces {
            Some(globs) if globs.iter().all(|glob| glob.is_literal()) => {
                for glob in globs {
                    let positions = self.exact.entry(glob.as_str().to_owned()).or_default();
                    if positions.last() != Some(&policy.index) {
                        positions.push(policy.index);
                    }
                }
            }
            _ => self.wildcard.push(policy.index),
        }
    }
}

/// Two ascending lists of positions as one ascending list.
struct Merge<'i> {
    left: &'i [usize],
    right: &'i [usize],
}

impl Iterator for Merge<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let take_left = match (self.left.first(), self.right.first()) {
            (Some(left), Some(right)) => left <= right,
            (left, _) => left.is_some(),
        };
        let side = if take_left { &mut self.left } else { &mut self.right };
        let (first, rest) = side.split_first()?;
        *side = rest;
        Some(*first)
    }
}
