//! RunPolicies, compiled.

use std::sync::Arc;

use super::decision::Author;
use super::identity::Identities;
use super::integration::Integration;
use super::path::Path;
use super::pattern::{Glob, Pattern};
use super::schema::ValueSchema;
use super::selector::Selector;
use super::template::Template;
use super::words::{Mode, OnConflict, OnMissing, Place, Reaction, RunKind};

/// One RunPolicy, compiled.
#[derive(Debug)]
pub struct RunPolicy {
    /// Position in the policy set's list, which is the order in which policies apply.
    pub index: usize,
    /// `metadata.name`
    pub name: Arc<str>,
    /// Higher first.
    pub priority: i64,
    /// Whether it acts.
    pub mode: Mode,
    /// Which Runs it is for.
    pub matcher: Matcher,
    /// Named values; templates refer to them by name.
    pub variables: Vec<Variable>,
    /// What it injects, an entry an integration. An annotation that some integration declares is listed here, wherever it was written.
    pub integrations: Vec<IntegrationInjection>,
    /// Other annotations and labels that it injects.
    pub keys: Vec<Injection>,
    /// Integrations whose required keys and groups must be complete.
    pub require_integrations: Vec<Arc<Integration>>,
    /// Annotations that must be there.
    pub require_annotations: Vec<String>,
    /// Tighter schemas.
    pub constraints: Vec<Constraint>,
    /// What violations of `require` and `constrain` meet.
    pub validation_action: Reaction,
    /// Whether any condition or template reads the trigger context.
    pub reads_trigger: bool,
}

impl RunPolicy {
    /// The policy as the author of what is said in its name.
    pub fn author(&self) -> Author {
        Author::Policy(Arc::clone(&self.name), self.index)
    }

    /// Whether the policy can inject this annotation or label: what provenance asks before it takes a value for ours.
    pub fn can_inject(&self, place: Place, key: &str) -> bool {
        self.keys
            .iter()
            .any(|injection| injection.place == place && injection.key == key)
            || place == Place::Annotation && self.integrations.iter().any(|block| block.writes(key))
    }
}

/// Which Runs a policy is for: all given conditions must hold. Kind and exact namespaces are judged by the policy set's index too.
#[derive(Debug)]
pub struct Matcher {
    /// Kinds; all three where none was written.
    pub kinds: Vec<RunKind>,
    /// Globs of namespaces; `None` means any.
    pub namespaces: Option<Vec<Glob>>,
    /// Globs of namespaces that are out.
    pub exclude_namespaces: Vec<Glob>,
    /// Labels of the namespace.
    pub namespace_selector: Option<Selector>,
    /// Labels of the Run.
    pub selector: Option<Selector>,
    /// Who creates the Run.
    pub users: Option<Identities>,
    /// The trigger.
    pub trigger: Option<TriggerMatch>,
    /// Any field.
    pub conditions: Vec<Condition>,
}

/// Conditions on the trigger.
#[derive(Debug)]
pub struct TriggerMatch {
    /// Names of the sources that the repository facts may come from.
    pub sources: Option<Vec<String>>,
    /// Values of the fact `provider`.
    pub providers: Option<Vec<String>>,
    /// Values of the fact `host`.
    pub hosts: Option<Vec<String>>,
    /// Values of the fact `event`.
    pub events: Option<Vec<String>>,
    /// Whether the repository facts are trusted.
    pub trusted: Option<bool>,
}

/// A condition on a field.
#[derive(Debug)]
pub struct Condition {
    /// Which field.
    pub path: Path,
    /// What must hold of it.
    pub test: Test,
}

/// What must hold of a field.
#[derive(Debug)]
pub enum Test {
    /// At least one node.
    Exists,
    /// No node.
    NotExists,
    /// One of the values.
    In(Vec<String>),
    /// None of the values, or absent.
    NotIn(Vec<String>),
    /// One of the patterns matches the whole value.
    Matches(Vec<Pattern>),
}

/// A named value taken from the Run.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub path: Path,
    /// Cut out capture group 1; a value that does not match is absent.
    pub pattern: Option<Pattern>,
    /// Instead of an absent value.
    pub default: Option<String>,
}

/// What a policy injects for one integration.
#[derive(Debug)]
pub struct IntegrationInjection {
    /// The integration.
    pub integration: Arc<Integration>,
    /// Position in the integration's config keys, and what is injected; `Injection::key` is the spelling that the policy writes.
    pub keys: Vec<(usize, Injection)>,
}

impl IntegrationInjection {
    /// Whether the policy may write this annotation: any spelling of a key, since it overwrites the one that the user wrote.
    pub fn writes(&self, annotation: &str) -> bool {
        let configs = self
            .keys
            .iter()
            .filter_map(|(key, _)| self.integration.config.get(*key));
        configs
            .into_iter()
            .any(|config| config.spellings.iter().any(|spelling| spelling == annotation))
    }
}

/// One value to inject.
#[derive(Debug)]
pub struct Injection {
    /// Annotation or label.
    pub place: Place,
    /// The absolute key.
    pub key: String,
    /// The value.
    pub value: Template,
    /// When the user set another value.
    pub on_conflict: OnConflict,
    /// When something that the template needs is absent.
    pub on_missing: OnMissing,
}

/// A tighter schema for one config key.
#[derive(Debug)]
pub struct Constraint {
    /// The integration.
    pub integration: Arc<Integration>,
    /// Position in the integration's config keys.
    pub key: usize,
    /// What values must be besides.
    pub schema: ValueSchema,
}
