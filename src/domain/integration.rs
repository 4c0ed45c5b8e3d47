//! Integrations: the keys of each, compiled.

use std::sync::Arc;

use super::cause::{Cause, CauseKind};
use super::field_path::FieldPath;
use super::identity::Identities;
use super::pattern::{Glob, Pattern};
use super::schema::{self, UrlRules, ValueSchema};
use super::violation::{Author, Violation};
use super::words::{OnChild, Place, Reaction, ResetRule, RunKind, StateKeyUpdates};

/// One integration, compiled.
#[derive(Debug, Clone)]
pub struct Integration {
    /// Position in the policy set's list; names metrics without a look-up.
    pub index: usize,
    /// `metadata.name`
    pub name: Arc<str>,
    /// What it does, for people.
    pub description: String,
    /// Prefix of its keys, without the slash.
    pub prefix: Option<String>,
    /// Kinds of Run that it reads.
    pub kinds: Vec<RunKind>,
    /// What undeclared keys under the prefix meet.
    pub unknown_keys: Reaction,
    /// What violations meet.
    pub validation_action: Reaction,
    /// What users and policies set, in the order declared.
    pub config: Vec<ConfigKey>,
    /// Rules over several keys.
    pub rules: Vec<Rule>,
    /// What only the integration writes.
    pub state: Vec<Arc<StateKey>>,
}

impl Integration {
    /// The integration as the author of what is said in its name.
    pub fn author(&self) -> Author {
        Author::Integration(Arc::clone(&self.name), self.index)
    }
}

/// A key that users and policies set.
#[derive(Debug, Clone)]
pub struct ConfigKey {
    /// As written in the Integration: relative to the prefix, or absolute.
    pub name: String,
    /// The annotation's key and then its aliases, all absolute.
    pub spellings: Vec<String>,
    /// Annotation or label.
    pub place: Place,
    /// What its values must be.
    pub schema: ValueSchema,
    /// Must be there once any key of the integration is set.
    pub required: bool,
    /// What it is, for people.
    pub description: String,
    /// A value that fits.
    pub example: Option<String>,
    /// Upstream source.
    pub source: Option<String>,
}

impl ConfigKey {
    /// The annotation's key in its first spelling.
    pub fn key(&self) -> &str {
        self.spellings.first().map_or("", String::as_str)
    }
}

/// A rule over several config keys, which are named by their position in [`Integration::config`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// All of them or none.
    Together(Vec<usize>),
    /// Where the first is set, the others must be.
    Requires {
        /// The key that needs others.
        key: usize,
        /// The keys that it needs.
        requires: Vec<usize>,
    },
    /// At most one.
    Exclusive(Vec<usize>),
    /// At least one, once any key of the integration is set.
    AnyOf(Vec<usize>),
}

/// A key, annotation or label or finalizer, that only an integration writes.
#[derive(Debug, Clone)]
pub struct StateKey {
    /// Position of the integration in the policy set's list.
    pub integration_index: usize,
    /// Name of the integration.
    pub integration: Arc<str>,
    /// Where it stands.
    pub place: Place,
    /// The absolute key; may hold one `*`.
    pub key: Glob,
    /// What it is, for people.
    pub description: String,
    /// Upstream source.
    pub source: Option<String>,
    /// Names of the identities that may change it later, for people.
    pub writer_names: Vec<String>,
    /// Who may change it later.
    pub writers: Identities,
    /// Names under which the writers appear in managedFields.
    pub field_managers: Vec<String>,
    /// Who may set it at creation.
    pub creators: Vec<Creator>,
    /// The kinds of Run on which it is state; all three where none was written.
    pub kinds: Vec<RunKind>,
    /// Whether a value begins with the namespace that it belongs to, and a slash.
    pub namespaced: bool,
    /// When a Root loses it.
    pub reset: ResetRule,
    /// Whether a Child loses it.
    pub on_child: OnChild,
    /// What a change by someone who is not a writer meets.
    pub updates: StateKeyUpdates,
    /// What its values must be, whoever is not a writer; nothing where any will do.
    pub schema: Option<ValueSchema>,
}

impl StateKey {
    /// Whether this user may create a Run that carries the key with this value.
    pub fn may_be_created_by(&self, user: &str, value: &str) -> bool {
        self.creators.iter().any(|creator| {
            creator.users.contains(user) && creator.values.as_ref().is_none_or(|pattern| pattern.is_match(value))
        })
    }

    /// What is wrong with the value, if anything: refused, whoever is not a writer, since a malformed one breaks its readers.
    pub fn judge_value(&self, key: &str, value: &str, urls: &UrlRules) -> Option<Violation> {
        let schema::Violation {
            kind,
            message,
            suggestion,
        } = self.schema.as_ref()?.check(value, urls).err()?;
        let cause = Cause {
            field: self.field(key),
            kind,
            message,
            suggestion,
        };
        Some(Violation {
            cause,
            author: self.author(),
            reaction: Reaction::Deny,
        })
    }

    /// Something that is wrong with the key being there or not.
    pub fn violation(&self, field: FieldPath, message: String, reaction: Reaction) -> Violation {
        let cause = Cause {
            field,
            kind: CauseKind::Forbidden,
            message,
            suggestion: None,
        };
        Violation {
            cause,
            author: self.author(),
            reaction,
        }
    }

    /// The integration as the author of what is said in its name.
    pub fn author(&self) -> Author {
        Author::Integration(Arc::clone(&self.integration), self.integration_index)
    }

    /// When a Root of this namespace loses the key with this value: what belongs to another namespace is another Run's in any case.
    pub fn reset_of(&self, value: &str, namespace: &str) -> ResetRule {
        let is_foreign = self.namespaced && value.split_once('/').is_some_and(|(owner, _)| owner != namespace);
        if is_foreign { ResetRule::Always } else { self.reset }
    }

    /// The field that holds this key; for a finalizer `metadata.finalizers[name]`.
    pub fn field(&self, key: &str) -> FieldPath {
        field_of(self.place, key)
    }
}

/// The field that holds a key; for a finalizer `metadata.finalizers[name]`.
pub fn field_of(place: Place, key: &str) -> FieldPath {
    match place {
        Place::Annotation => FieldPath::annotation(key),
        Place::Label => FieldPath::label(key),
        Place::Finalizer => FieldPath::root().field("metadata").field("finalizers").key(key),
    }
}

/// Who may set a state key at creation, and to what.
#[derive(Debug, Clone)]
pub struct Creator {
    /// Name of the identity, for people.
    pub identity: String,
    /// The users behind it.
    pub users: Identities,
    /// The values that they set; absent means any.
    pub values: Option<Pattern>,
}
