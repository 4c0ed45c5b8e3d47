//! The key registry: what an annotation, label or finalizer is. Exact look-up first, then a short list of wildcards, then the prefix.

use std::sync::Arc;

use super::integration::{Integration, StateKey};
use super::key_map::KeyMap;
use super::run::{Run, StringMap};
use super::words::{Place, RunKind};

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
    annotations: KeyMap<DeclaredKey>,
    labels: KeyMap<DeclaredKey>,
    finalizers: KeyMap<Arc<StateKey>>,
    /// State keys with a `*`, in all places.
    wildcards: Vec<Arc<StateKey>>,
    prefixes: KeyMap<Arc<Integration>>,
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
                let map = match config.place {
                    Place::Label => &mut registry.labels,
                    _ => &mut registry.annotations,
                };
                for (spelling, text) in config.spellings.iter().enumerate() {
                    let integration = Arc::clone(integration);
                    let declared = DeclaredKey::Config {
                        integration,
                        key,
                        spelling,
                    };
                    map.entry(text.clone()).or_insert(declared);
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
                self.labels
                    .entry(key)
                    .or_insert_with(|| DeclaredKey::State(Arc::clone(state)));
            }
            Place::Finalizer => {
                self.finalizers.entry(key).or_insert_with(|| Arc::clone(state));
            }
        }
    }

    /// What a key is declared as.
    pub fn declared(&self, place: Place, key: &str) -> Option<DeclaredKeyRef<'_>> {
        let declared = match place {
            Place::Annotation => self.annotations.get(key),
            Place::Label => self.labels.get(key),
            Place::Finalizer => return self.finalizer(key).map(DeclaredKeyRef::State),
        };
        match declared {
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
            None => self.wildcard(place, key).map(DeclaredKeyRef::State),
        }
    }

    /// What an annotation's key is declared as.
    pub fn annotation(&self, key: &str) -> Option<DeclaredKeyRef<'_>> {
        self.declared(Place::Annotation, key)
    }

    /// The state key that this annotation, label or finalizer is, on whatever kind of Run.
    pub fn state(&self, place: Place, key: &str) -> Option<&Arc<StateKey>> {
        match self.declared(place, key) {
            Some(DeclaredKeyRef::State(state)) => Some(state),
            _ => None,
        }
    }

    /// The state key that this annotation, label or finalizer is on this kind of Run.
    pub fn state_on(&self, kind: RunKind, place: Place, key: &str) -> Option<&Arc<StateKey>> {
        self.state(place, key).filter(|state| state.kinds.contains(&kind))
    }

    fn finalizer(&self, name: &str) -> Option<&Arc<StateKey>> {
        self.finalizers
            .get(name)
            .or_else(|| self.wildcard(Place::Finalizer, name))
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

/// What the annotations and labels of one Run are declared as, each looked up once, by position.
#[derive(Debug, Default)]
pub struct DeclaredKeys<'s> {
    annotations: Vec<Option<DeclaredKeyRef<'s>>>,
    labels: Vec<Option<DeclaredKeyRef<'s>>>,
}

impl<'s> DeclaredKeys<'s> {
    /// Looks them all up.
    pub fn of(run: &Run<'_>, registry: &'s KeyRegistry) -> Self {
        let look_up = |place, map: &StringMap<'_>| map.iter().map(|(key, _)| registry.declared(place, key)).collect();
        Self {
            annotations: look_up(Place::Annotation, run.metadata.annotations()),
            labels: look_up(Place::Label, run.metadata.labels()),
        }
    }

    /// What the annotation or label at a position is declared as.
    pub fn at(&self, place: Place, position: usize) -> Option<DeclaredKeyRef<'s>> {
        let declared = match place {
            Place::Annotation => &self.annotations,
            Place::Label => &self.labels,
            Place::Finalizer => return None,
        };
        declared.get(position).copied().flatten()
    }

    /// The state key that the annotation or label at a position is on this kind of Run.
    pub fn state_at(&self, kind: RunKind, place: Place, position: usize) -> Option<&'s Arc<StateKey>> {
        match self.at(place, position) {
            Some(DeclaredKeyRef::State(state)) if state.kinds.contains(&kind) => Some(state),
            _ => None,
        }
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
