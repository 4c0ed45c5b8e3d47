//! The key registry: what an annotation, label or finalizer is. Exact look-up first, then a short list of wildcards, then the prefix.

use std::collections::HashMap;
use std::sync::Arc;

use super::integration::{Integration, StateKey};
use super::words::Place;

/// What a declared key is.
#[derive(Debug, Clone)]
pub enum DeclaredKey {
    /// A user or a policy sets it.
    Config {
        /// The integration that reads it.
        integration: Arc<Integration>,
        /// Position in the integration's config keys.
        key: usize,
        /// Position among the key's spellings.
        spelling: usize,
    },
    /// Only its integration writes it.
    State(Arc<StateKey>),
}

/// The declared keys of every integration.
#[derive(Debug, Default)]
pub struct KeyRegistry {
    annotations: HashMap<String, DeclaredKey>,
    labels: HashMap<String, Arc<StateKey>>,
    finalizers: HashMap<String, Arc<StateKey>>,
    /// State keys with a `*`, in all places.
    wildcards: Vec<Arc<StateKey>>,
    prefixes: HashMap<String, Arc<Integration>>,
}

impl KeyRegistry {
    /// Enters every key of the integrations; a later entry of the same key is dropped, since compilation has refused it.
    pub fn new(integrations: &[Arc<Integration>]) -> Self {
        let mut registry = Self::default();
        for integration in integrations {
            if let Some(prefix) = &integration.prefix {
                registry
                    .prefixes
                    .entry(prefix.clone())
                    .or_insert_with(|| Arc::clone(integration));
            }
            for (key, config) in integration.config.iter().enumerate() {
                for (spelling, text) in config.spellings.iter().enumerate() {
                    let declared = DeclaredKey::Config {
                        integration: Arc::clone(integration),
                        key,
                        spelling,
                    };
                    registry.annotations.entry(text.clone()).or_insert(declared);
                }
            }
            for state in &integration.state {
                registry.enter_state(state);
            }
        }
        registry
    }

    fn enter_state(&mut self, state: &Arc<StateKey>) {
        if !state.key.is_literal() {
            self.wildcards.push(Arc::clone(state));
            return;
        }
        let key = state.key.as_str().to_owned();
        match state.place {
            Place::Annotation => {
                self.annotations
                    .entry(key)
                    .or_insert_with(|| DeclaredKey::State(Arc::clone(state)));
            }
            Place::Label => {
                self.labels.entry(key).or_insert_with(|| Arc::clone(state));
            }
            Place::Finalizer => {
                self.finalizers.entry(key).or_insert_with(|| Arc::clone(state));
            }
        }
    }

    /// What an annotation's key is declared as.
    pub fn annotation(&self, key: &str) -> Option<DeclaredKeyRef<'_>> {
        match self.annotations.get(key) {
            Some(DeclaredKey::Config {
                integration,
                key,
                spelling,
            }) => Some(DeclaredKeyRef::Config {
                integration,
                key: *key,
                spelling: *spelling,
            }),
            Some(DeclaredKey::State(state)) => Some(DeclaredKeyRef::State(state)),
            None => self.wildcard(Place::Annotation, key).map(DeclaredKeyRef::State),
        }
    }

    /// The state key that this annotation, label or finalizer is.
    pub fn state(&self, place: Place, key: &str) -> Option<&Arc<StateKey>> {
        match place {
            Place::Annotation => match self.annotation(key) {
                Some(DeclaredKeyRef::State(state)) => Some(state),
                _ => None,
            },
            Place::Label => self.labels.get(key).or_else(|| self.wildcard(place, key)),
            Place::Finalizer => self.finalizers.get(key).or_else(|| self.wildcard(place, key)),
        }
    }

    /// The integration whose prefix the key has.
    pub fn integration_of_prefix(&self, prefix: &str) -> Option<&Arc<Integration>> {
        self.prefixes.get(prefix)
    }

    fn wildcard(&self, place: Place, key: &str) -> Option<&Arc<StateKey>> {
        self.wildcards
            .iter()
            .find(|state| state.place == place && state.key.matches(key))
    }
}

/// What an annotation is, borrowed from the registry.
#[derive(Debug, Clone, Copy)]
pub enum DeclaredKeyRef<'s> {
    /// A user or a policy sets it.
    Config {
        /// The integration that reads it.
        integration: &'s Arc<Integration>,
        /// Position in the integration's config keys.
        key: usize,
        /// Position among the key's spellings.
        spelling: usize,
    },
    /// Only its integration writes it.
    State(&'s Arc<StateKey>),
}
