//! What a key is and what becomes of it, in words: the answers of `runstamp keys` and of the reference of all keys.

mod fate;

use std::sync::Arc;

use super::field_path::FieldPath;
use super::integration::{ConfigKey, Integration, StateKey};
use super::judge::Bench;
use super::policy_set::PolicySet;
use super::provenance::Provenance;
use super::registry::DeclaredKeyRef;
use super::schema::ValueSchema;
use super::suggest::nearest;
use super::words::{Mode, OnChild, Place, Reaction, ResetRule, RunKind, StateKeyUpdates};

/// The integration that Runstamp's own annotation is filed under.
const OWN: &str = "runstamp";

/// Who may set a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyClass {
    /// Users and policies.
    Config,
    /// Only its integration.
    State,
}

impl KeyClass {
    /// The word in output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::State => "state",
        }
    }
}

/// An identity and the users behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUsers {
    /// The name in Settings.
    pub identity: String,
    /// User names and globs.
    pub users: Vec<String>,
}

/// Who may set a state key at creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCreator {
    /// Who.
    pub who: KnownUsers,
    /// Pattern of the values that they set; absent means any.
    pub values: Option<String>,
}

/// What a state key's rules are called in policy files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRules {
    /// When a Root loses it.
    pub reset: ResetRule,
    /// Whether a Child loses it.
    pub on_child: OnChild,
    /// What a change by someone who is not a writer meets.
    pub updates: StateKeyUpdates,
}

/// Everything about one key in one place.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFacts<'s> {
    /// The key in its first spelling; may hold one `*`.
    pub key: String,
    /// Its other spellings.
    pub aliases: Vec<String>,
    /// Where it stands.
    pub place: Place,
    /// Who may set it.
    pub class: KeyClass,
    /// The integration that it belongs to.
    pub integration: Arc<str>,
    /// What it is.
    pub description: String,
    /// Upstream source.
    pub source: Option<String>,
    /// The kinds of Run on which it is that.
    pub kinds: Vec<RunKind>,
    /// Must be there once any key of the integration is set.
    pub required: bool,
    /// What values may be; nothing for a finalizer, and for a state key that may hold anything.
    pub schema: Option<&'s ValueSchema>,
    /// A value that fits.
    pub example: Option<String>,
    /// Who writes a state key.
    pub writers: Vec<KnownUsers>,
    /// Who may set a state key at creation.
    pub creators: Vec<KnownCreator>,
    /// The policies that inject a config key.
    pub injected_by: Vec<Arc<str>>,
    /// The rules of a state key.
    pub rules: Option<StateRules>,
    /// What happens to it when a Root is created.
    pub on_root: String,
    /// What happens to it when a Child is created.
    pub on_child: String,
    /// What happens when somebody who is not a writer changes it.
    pub on_update: String,
}

/// The answer to a question about a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<'s> {
    /// What the key is, in each place where it is declared; or every key of the prefix or integration that was asked for.
    Known(Vec<KeyFacts<'s>>),
    /// Nobody declares it.
    Unknown(UnknownKey),
}

/// What becomes of a key that nobody declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// What is known all the same, and what Runstamp does with an annotation of this key.
    pub verdict: String,
    /// The key that was probably meant.
    pub suggestion: Option<String>,
}

/// Every key of a policy set, sorted by integration, key and place.
pub fn all<'s>(set: &'s PolicySet) -> Vec<KeyFacts<'s>> {
    let mut all: Vec<KeyFacts<'s>> = Vec::new();
    for integration in &set.integrations {
        all.extend(
            integration
                .config
                .iter()
                .map(|config| of_config(integration, config, set)),
        );
        all.extend(integration.state.iter().map(|state| of_state(state, set)));
    }
    all.push(of_provenance());
    all.sort_by(|left, right| {
        let order = |facts: &KeyFacts<'_>| (Arc::clone(&facts.integration), facts.key.clone(), facts.place);
        order(left).cmp(&order(right))
    });
    all
}

/// What a key is; a prefix or the name of an integration stands for all its keys.
pub fn look_up<'s>(asked: &str, set: &'s PolicySet) -> Answer<'s> {
    let places = Place::WORDS
        .iter()
        .filter_map(|(_, place)| set.registry.declared(*place, asked));
    let mut known: Vec<KeyFacts<'s>> = places
        .filter_map(|declared| match declared {
            DeclaredKeyRef::State(state) => Some(of_state(state, set)),
            DeclaredKeyRef::Config { integration, key, .. } => {
                Some(of_config(integration, integration.config.get(key)?, set))
            }
        })
        .collect();
    if asked == Provenance::KEY {
        known.push(of_provenance());
    }
    if known.is_empty() {
        let prefix = asked.strip_suffix('/').unwrap_or(asked);
        known = all(set);
        known.retain(|facts| {
            &*facts.integration == prefix || facts.key.split_once('/').is_some_and(|(found, _)| found == prefix)
        });
    }
    if known.is_empty() {
        Answer::Unknown(unknown(asked, set))
    } else {
        Answer::Known(known)
    }
}

fn of_config<'s>(integration: &'s Integration, config: &'s ConfigKey, set: &PolicySet) -> KeyFacts<'s> {
    let injects = |policy: &super::policy::RunPolicy| {
        config
            .spellings
            .iter()
            .any(|spelling| policy.can_inject(config.place, spelling))
    };
    let injecting = set.policies.iter().filter(|policy| injects(policy));
    KeyFacts {
        key: config.key().to_owned(),
        aliases: config.spellings.iter().skip(1).cloned().collect(),
        place: config.place,
        class: KeyClass::Config,
        integration: Arc::clone(&integration.name),
        description: config.description.clone(),
        source: config.source.clone(),
        kinds: integration.kinds.clone(),
        required: config.required,
        schema: Some(&config.schema),
        example: config.example.clone(),
        writers: Vec::new(),
        creators: Vec::new(),
        injected_by: injecting.map(|policy| Arc::clone(&policy.name)).collect(),
        rules: None,
        on_root: fate::config_on_root(integration),
        on_child: fate::config_on_child(config.place),
        on_update: fate::config_on_update(integration),
    }
}

fn of_state<'s>(state: &'s StateKey, set: &PolicySet) -> KeyFacts<'s> {
    let users = |identity: &String| KnownUsers {
        identity: identity.clone(),
        users: set
            .settings
            .identities
            .get(identity)
            .map(|users| users.globs().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
    };
    KeyFacts {
        key: state.key.as_str().to_owned(),
        aliases: Vec::new(),
        place: state.place,
        class: KeyClass::State,
        integration: Arc::clone(&state.integration),
        description: state.description.clone(),
        source: state.source.clone(),
        kinds: state.kinds.clone(),
        required: false,
        schema: state.schema.as_ref(),
        example: None,
        writers: state.writer_names.iter().map(users).collect(),
        creators: state
            .creators
            .iter()
            .map(|creator| KnownCreator {
                who: users(&creator.identity),
                values: creator.values.as_ref().map(|pattern| pattern.as_str().to_owned()),
            })
            .collect(),
        injected_by: Vec::new(),
        rules: Some(StateRules {
            reset: state.reset,
            on_child: state.on_child,
            updates: state.updates,
        }),
        on_root: fate::state_on_root(state),
        on_child: fate::state_on_child(state),
        on_update: fate::state_on_update(state, &set.settings.controllers),
    }
}

/// Runstamp's own annotation, which no policy declares.
fn of_provenance<'s>() -> KeyFacts<'s> {
    KeyFacts {
        key: Provenance::KEY.to_owned(),
        aliases: Vec::new(),
        place: Place::Annotation,
        class: KeyClass::State,
        integration: OWN.into(),
        description: "What Runstamp injected, and by which policy; a copied Run gets these values derived anew."
            .to_owned(),
        source: None,
        kinds: RunKind::WORDS.iter().map(|(_, kind)| *kind).collect(),
        required: false,
        schema: None,
        example: None,
        writers: Vec::new(),
        creators: Vec::new(),
        injected_by: Vec::new(),
        rules: None,
        on_root: "read and written anew: what it vouches for is derived again".to_owned(),
        on_child: fate::KEPT.to_owned(),
        on_update: fate::NOT_JUDGED.to_owned(),
    }
}

fn unknown(asked: &str, set: &PolicySet) -> UnknownKey {
    let mut violations = Vec::new();
    let bench = Bench {
        set,
        kind: RunKind::PipelineRun,
        policies: &[],
        acting: Mode::Enforce,
    };
    let field = || FieldPath::annotation(asked);
    bench.judge(Place::Annotation, asked, "", &field, &mut violations);
    if let Some(violation) = violations.into_iter().next() {
        let met = match violation.reaction {
            Reaction::Deny => "a Run with it is refused",
            Reaction::Warn => "a Run with it is admitted with a warning",
            Reaction::Audit | Reaction::Allow => "a Run with it is admitted and counted",
        };
        return UnknownKey {
            verdict: format!("{}: {met}", violation.cause.message),
            suggestion: violation.cause.suggestion,
        };
    }
    let keys = all(set);
    let spellings = keys
        .iter()
        .flat_map(|facts| std::iter::once(&facts.key).chain(&facts.aliases));
    // A name without a slash may be a misspelt integration.
    let names = keys
        .iter()
        .map(|facts| &*facts.integration)
        .filter(|_| !asked.contains('/'));
    let suggestion = nearest(asked, spellings.map(String::as_str).chain(names));
    // Under one prefix only the names are compared: the length of what is equal makes no two names alike.
    let suggestion = suggestion.filter(|near| match (asked.split_once('/'), near.split_once('/')) {
        (Some((prefix, name)), Some((near_prefix, near_name))) if prefix == near_prefix => {
            nearest(name, std::iter::once(near_name)).is_some()
        }
        _ => true,
    });
    UnknownKey {
        verdict: "nobody declares it, and Runstamp does nothing with it: it is neither removed, injected nor judged"
            .to_owned(),
        suggestion: suggestion.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
