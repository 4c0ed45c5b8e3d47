//! Keys for programs: the contract of `keys -o json`.

use serde::Serialize;

use crate::domain::key_facts::{KeyFacts, KnownUsers, StateRules, UnknownKey};
use crate::domain::schema::ValueSchema;

const API_VERSION: &str = "runstamp.dev/v1alpha1";

/// All keys as one object on one line.
pub(super) fn list(keys: &[KeyFacts<'_>], policy_set: &str) -> serde_json::Result<String> {
    let list = List {
        api_version: API_VERSION,
        kind: "KeyList",
        policy_set,
        items: keys.iter().map(Key::new).collect(),
    };
    Ok(serde_json::to_string(&list)? + "\n")
}

/// An object a key, one a line.
pub(super) fn lines(keys: &[KeyFacts<'_>]) -> serde_json::Result<String> {
    keys.iter()
        .map(|facts| Ok(serde_json::to_string(&Key::new(facts))? + "\n"))
        .collect()
}

/// A key that nobody declares.
pub(super) fn unknown(key: &str, unknown: &UnknownKey) -> serde_json::Result<String> {
    let record = Unknown {
        api_version: API_VERSION,
        kind: "UnknownKey",
        key,
        verdict: &unknown.verdict,
        suggestion: unknown.suggestion.as_deref(),
    };
    Ok(serde_json::to_string(&record)? + "\n")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'r> {
    api_version: &'static str,
    kind: &'static str,
    policy_set: &'r str,
    items: Vec<Key<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unknown<'r> {
    api_version: &'static str,
    kind: &'static str,
    key: &'r str,
    verdict: &'r str,
    suggestion: Option<&'r str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key<'r> {
    api_version: &'static str,
    kind: &'static str,
    key: &'r str,
    aliases: &'r [String],
    place: &'static str,
    class: &'static str,
    integration: &'r str,
    kinds: Vec<&'static str>,
    description: &'r str,
    source: Option<&'r str>,
    example: Option<&'r str>,
    value: Option<String>,
    schema: Option<Schema<'r>>,
    required: bool,
    writers: Vec<Users<'r>>,
    creators: Vec<Creator<'r>>,
    injected_by: Vec<&'r str>,
    rules: Option<Rules>,
    on_create: OnCreate<'r>,
    on_update: &'r str,
}

#[derive(Serialize)]
struct OnCreate<'r> {
    root: &'r str,
    child: &'r str,
}

#[derive(Serialize)]
struct Users<'r> {
    identity: &'r str,
    users: &'r [String],
}

#[derive(Serialize)]
struct Creator<'r> {
    #[serde(flatten)]
    who: Users<'r>,
    values: Option<&'r str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    reset: &'static str,
    on_child: &'static str,
    updates: &'static str,
}

/// The terms that are written; names as in policy files.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Schema<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern_message: Option<&'r str>,
    #[serde(rename = "enum", skip_serializing_if = "<[_]>::is_empty")]
    enum_values: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    min_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<i64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    schemes: &'r [String],
    template: bool,
}

impl<'r> Key<'r> {
    fn new(facts: &'r KeyFacts<'_>) -> Self {
        let creators = facts.creators.iter().map(|creator| Creator {
            who: users(&creator.who),
            values: creator.values.as_deref(),
        });
        Self {
            api_version: API_VERSION,
            kind: "Key",
            key: &facts.key,
            aliases: &facts.aliases,
            place: facts.place.word(),
            class: facts.class.word(),
            integration: &facts.integration,
            kinds: facts.kinds.iter().map(|kind| kind.word()).collect(),
            description: &facts.description,
            source: facts.source.as_deref(),
            example: facts.example.as_deref(),
            value: facts.schema.map(ValueSchema::describe),
            schema: facts.schema.map(schema),
            required: facts.required,
            writers: facts.writers.iter().map(users).collect(),
            creators: creators.collect(),
            injected_by: facts.injected_by.iter().map(|name| &**name).collect(),
            rules: facts.rules.map(rules),
            on_create: OnCreate {
                root: &facts.on_root,
                child: &facts.on_child,
            },
            on_update: &facts.on_update,
        }
    }
}

fn users(known: &KnownUsers) -> Users<'_> {
    Users {
        identity: &known.identity,
        users: &known.users,
    }
}

fn rules(rules: StateRules) -> Rules {
    Rules {
        reset: rules.reset.word(),
        on_child: rules.on_child.word(),
        updates: rules.updates.word(),
    }
}

fn schema(schema: &ValueSchema) -> Schema<'_> {
    Schema {
        format: schema.format.map(|format| format.name()),
        pattern: schema.pattern.as_ref().map(|pattern| pattern.as_str()),
        pattern_message: schema.pattern_message.as_deref(),
        enum_values: &schema.enum_values,
        min_length: schema.min_length,
        max_length: schema.max_length,
        minimum: schema.minimum,
        maximum: schema.maximum,
        schemes: &schema.schemes,
        template: schema.template,
    }
}
