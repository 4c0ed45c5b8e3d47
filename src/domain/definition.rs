//! Policies as written: what a reader of policy files hands to [`super::compile`], each value with its place.
//!
//! Nothing here is checked beyond its shape: a pattern is still text, a key may be misspelt.
//! `None` and empty lists mean that the field was not written, so that a user's document can be merged onto a built-in one field by field.

mod suite;

use super::source::{Located, Span};
use super::words::{
    ConfigPlace, CopiedOwnerReferences, Mode, OnChild, OnConflict, OnMissing, Operator, Reaction, ResetRule, RunKind,
    StateKeyUpdates,
};

pub use suite::{
    CaseDefinition, ExpectDefinition, ExpectedCause, ExpectedSkip, RunDefinition, SubjectDefinition, SuiteDefinition,
};

/// A string as written.
pub type Text = Located<String>;

/// A map as written, in the order written; readers have refused keys that stand there twice.
pub type Mapping<T> = Vec<(Text, T)>;

/// What every document begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `metadata.name`.
    pub name: Text,
    /// Whether the document is embedded in the binary.
    pub builtin: bool,
    /// `spec.replaceBuiltin`: this document instead of the built-in one of the same kind and name.
    pub replace_builtin: bool,
    /// Where the document begins; it ends where the next one of its file does.
    pub span: Span,
    /// The annotation `runstamp.dev/accept`: the codes of the warnings that its author means.
    pub accepts: Option<Text>,
}

/// Every document of a policy set, before merging and compiling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    /// Documents of kind Integration.
    pub integrations: Vec<IntegrationDefinition>,
    /// Documents of kind TriggerSource.
    pub trigger_sources: Vec<TriggerSourceDefinition>,
    /// Documents of kind RunPolicy.
    pub run_policies: Vec<RunPolicyDefinition>,
    /// Documents of kind Settings.
    pub settings: Vec<SettingsDefinition>,
}

/// The terms of a value schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaDefinition {
    /// Where the mapping stands.
    pub span: Span,
    /// What the value is, for people.
    pub description: Option<Text>,
    /// Upstream source that says so: `repo:path` or `repo#issue`.
    pub source: Option<Text>,
    /// A value that fits.
    pub example: Option<Text>,
    /// Name of a format.
    pub format: Option<Text>,
    /// Regular expression that the whole value must match.
    pub pattern: Option<Text>,
    /// What the pattern means, for people.
    pub pattern_message: Option<Text>,
    /// The closed list of values.
    pub enum_values: Option<Vec<Text>>,
    /// Least number of characters.
    pub min_length: Option<Located<u64>>,
    /// Greatest number of characters.
    pub max_length: Option<Located<u64>>,
    /// Least integer.
    pub minimum: Option<Located<i64>>,
    /// Greatest integer.
    pub maximum: Option<Located<i64>>,
    /// Must be there once any key of the integration is set.
    pub required: Option<Located<bool>>,
    /// Schemes that a URI may have.
    pub schemes: Option<Vec<Text>>,
    /// `any` lifts the refusal of private hosts.
    pub hosts: Option<Text>,
    /// Whether placeholders may stand in the value.
    pub template: Option<Located<bool>>,
    /// Other spellings of a config key.
    pub aliases: Vec<Text>,
    /// Where a config key stands; absent means among the annotations.
    pub place: Option<Located<ConfigPlace>>,
}

/// A rule over several keys of an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDefinition {
    /// Where the rule stands.
    pub span: Span,
    /// The rule.
    pub rule: RuleTerms,
}

/// The forms of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleTerms {
    /// All of the keys or none.
    Together(Vec<Text>),
    /// Where `key` is set, the others must be.
    Requires {
        /// The key that needs others.
        key: Text,
        /// The keys it needs.
        requires: Vec<Text>,
    },
    /// At most one of the keys.
    Exclusive(Vec<Text>),
    /// At least one of the keys, once any key of the integration is set.
    AnyOf(Vec<Text>),
}

/// Who may set a state key at creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatorDefinition {
    /// Name of an identity in Settings.
    pub identity: Text,
    /// Pattern of the values that it sets; absent means any.
    pub values: Option<Text>,
}

/// One annotation, label or finalizer that only an integration writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDefinition {
    /// The absolute key; may hold one `*`.
    pub key: Text,
    /// Names of identities that may change it later.
    pub writers: Vec<Text>,
    /// Names under which the writers appear in managedFields.
    pub field_managers: Vec<Text>,
    /// Who may set it at creation.
    pub creators: Vec<CreatorDefinition>,
    /// The kinds of Run on which it is state; absent means all.
    pub kinds: Option<Vec<Located<RunKind>>>,
    /// Whether a value begins with the namespace that it belongs to.
    pub namespaced: Option<Located<bool>>,
    /// When a Root loses it.
    pub reset: Option<Located<ResetRule>>,
    /// Whether a Child loses it.
    pub on_child: Option<Located<OnChild>>,
    /// Instead of Settings `stateKeyUpdates`.
    pub updates: Option<Located<StateKeyUpdates>>,
    /// Description, source and value schema; not for finalizers.
    pub schema: SchemaDefinition,
}

/// A document of kind Integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationDefinition {
    /// Name and origin.
    pub header: Header,
    /// What the integration does, for people.
    pub description: Option<Text>,
    /// Prefix of the relative config keys.
    pub prefix: Option<Text>,
    /// Kinds of Run that it reads.
    pub kinds: Option<Vec<Located<RunKind>>>,
    /// What undeclared keys under the prefix meet.
    pub unknown_keys: Option<Located<Reaction>>,
    /// What violations meet.
    pub validation_action: Option<Located<Reaction>>,
    /// What users and policies set.
    pub config: Mapping<SchemaDefinition>,
    /// Rules over several keys.
    pub rules: Vec<RuleDefinition>,
    /// State annotations.
    pub annotations: Vec<StateDefinition>,
    /// State labels.
    pub labels: Vec<StateDefinition>,
    /// State finalizers.
    pub finalizers: Vec<StateDefinition>,
}

/// Where a Run says that a trigger source speaks; exactly one field is written in a valid one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WhenDefinition {
    /// Where the mapping stands.
    pub span: Span,
    /// This annotation is present.
    pub annotation: Option<Text>,
    /// This label is present.
    pub label: Option<Text>,
    /// This JSONPath finds a node.
    pub path: Option<Text>,
    /// What the annotation or label must be; absent means anything.
    pub values: Option<Vec<Text>>,
}

/// Where a fact comes from; exactly one of annotation, label, params, path and value is written in a valid one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactDefinition {
    /// Where the mapping stands.
    pub span: Span,
    /// From this annotation.
    pub annotation: Option<Text>,
    /// From this label.
    pub label: Option<Text>,
    /// From the first of these parameters with a valid value.
    pub params: Option<Vec<Text>>,
    /// From this JSONPath.
    pub path: Option<Text>,
    /// A literal.
    pub value: Option<Text>,
    /// Cut out capture group 1.
    pub pattern: Option<Text>,
    /// Translate; a miss passes through.
    pub map: Mapping<Text>,
    /// All must hold for the fact to be one.
    pub when: Vec<WhenDefinition>,
}

/// A document of kind TriggerSource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerSourceDefinition {
    /// Name and origin.
    pub header: Header,
    /// Higher first.
    pub precedence: Option<Located<i64>>,
    /// Names of identities whose word is trusted.
    pub users: Vec<Text>,
    /// All must hold.
    pub when: Vec<WhenDefinition>,
    /// Facts by name.
    pub facts: Mapping<FactDefinition>,
}

/// A label selector as Kubernetes writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelectorDefinition {
    /// Where the mapping stands.
    pub span: Span,
    /// Labels and their values.
    pub match_labels: Mapping<Text>,
    /// Expressions.
    pub match_expressions: Vec<ExpressionDefinition>,
}

/// One requirement of a label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionDefinition {
    /// The label.
    pub key: Text,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`, as written.
    pub operator: Text,
    /// The values of `In` and `NotIn`.
    pub values: Vec<Text>,
}

/// Conditions on the trigger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TriggerMatchDefinition {
    /// Names of TriggerSources that the repository facts may come from.
    pub sources: Option<Vec<Text>>,
    /// Values of the fact `provider`.
    pub providers: Option<Vec<Text>>,
    /// Values of the fact `host`.
    pub hosts: Option<Vec<Text>>,
    /// Values of the fact `event`.
    pub events: Option<Vec<Text>>,
    /// Whether the repository facts are trusted.
    pub trusted: Option<Located<bool>>,
}

/// A condition on any field of the Run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhereDefinition {
    /// JSONPath.
    pub path: Text,
    /// How it is compared.
    pub operator: Located<Operator>,
    /// What it is compared with; the pattern of `Matches`.
    pub values: Vec<Text>,
}

/// Which Runs a policy is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchDefinition {
    /// Where the mapping stands.
    pub span: Span,
    /// Kinds.
    pub kinds: Option<Vec<Located<RunKind>>>,
    /// Globs of namespaces.
    pub namespaces: Option<Vec<Text>>,
    /// Globs of namespaces that are out.
    pub exclude_namespaces: Vec<Text>,
    /// Labels of the namespace.
    pub namespace_selector: Option<SelectorDefinition>,
    /// Labels of the Run.
    pub selector: Option<SelectorDefinition>,
    /// Globs of user names.
    pub users: Option<Vec<Text>>,
    /// The trigger.
    pub trigger: Option<TriggerMatchDefinition>,
    /// Any field.
    pub conditions: Vec<WhereDefinition>,
}

/// A named value taken from the Run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableDefinition {
    /// Its name in `$(vars.NAME)`.
    pub name: Text,
    /// JSONPath.
    pub path: Text,
    /// Cut out capture group 1.
    pub pattern: Option<Text>,
    /// Instead of an absent value.
    pub default: Option<Text>,
}

/// One value to inject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectionDefinition {
    /// Template of the value.
    pub value: Text,
    /// When the user set another value.
    pub on_conflict: Option<Located<OnConflict>>,
    /// When something that the template needs is absent.
    pub on_missing: Option<Located<OnMissing>>,
}

/// What a policy injects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InjectDefinition {
    /// Config keys by integration.
    pub integrations: Mapping<Mapping<InjectionDefinition>>,
    /// Annotations by absolute key.
    pub annotations: Mapping<InjectionDefinition>,
    /// Labels by absolute key.
    pub labels: Mapping<InjectionDefinition>,
}

/// What a policy requires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequireDefinition {
    /// Integrations whose required keys must be complete.
    pub integrations: Vec<Text>,
    /// Annotations that must be there.
    pub annotations: Vec<Text>,
}

/// A document of kind RunPolicy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPolicyDefinition {
    /// Name and origin.
    pub header: Header,
    /// Higher first.
    pub priority: Option<Located<i64>>,
    /// Enforce or Shadow.
    pub mode: Option<Located<Mode>>,
    /// Which Runs.
    pub matches: MatchDefinition,
    /// Named values.
    pub variables: Vec<VariableDefinition>,
    /// What is injected.
    pub inject: InjectDefinition,
    /// What is required.
    pub require: RequireDefinition,
    /// Tighter value schemas, by integration and key.
    pub constrain: Mapping<Mapping<SchemaDefinition>>,
    /// What violations of `require` and `constrain` meet.
    pub validation_action: Option<Located<Reaction>>,
}

/// A document of kind Settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsDefinition {
    /// Name and origin.
    pub header: Header,
    /// User names and globs by identity.
    pub identities: Mapping<Vec<Text>>,
    /// Lists that this document sets instead of adding to, such as `identities.pipelines-controller`.
    pub replace: Vec<Text>,
    /// Identities that create Children.
    pub controllers: Vec<Text>,
    /// Identities whose Runs are Mirrors.
    pub exempt_identities: Vec<Text>,
    /// Groups whose Runs are Mirrors.
    pub exempt_groups: Vec<Text>,
    /// What keys of undeclared integrations meet: Allow, Warn or Deny.
    pub unknown_integrations: Option<Located<Reaction>>,
    /// What a state key meets that is changed by someone who is not a writer.
    pub state_key_updates: Option<Located<StateKeyUpdates>>,
    /// What controller references on a Root meet.
    pub copied_owner_references: Option<Located<CopiedOwnerReferences>>,
    /// `urls.allowHttp`.
    pub allow_http: Option<Located<bool>>,
    /// `urls.allowedHosts`.
    pub allowed_hosts: Vec<Text>,
    /// Providers of self-hosted Git hosts.
    pub hosts: Mapping<Text>,
}
