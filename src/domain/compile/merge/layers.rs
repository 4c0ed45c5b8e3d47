//! How one document lies upon another: scalars replaced, entries of mappings one by one, lists of names added to.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::context::{Context, quote, suggest_among};
use crate::domain::definition::{
    CreatorDefinition, Header, IntegrationDefinition, Mapping, RunPolicyDefinition, SchemaDefinition,
    SettingsDefinition, StateDefinition, Text, TriggerSourceDefinition,
};
use crate::domain::source::{Code, Located, Problem};

/// A document that can lie upon the built-in one of the same kind and name.
pub(super) trait Layered: Sized {
    /// The kind, as written.
    const KIND: &'static str;

    /// Name and origin.
    fn header(&self) -> &Header;

    /// The built-in document with everything that this one says besides or instead.
    fn onto(self, builtin: Self) -> Self;
}

impl Layered for IntegrationDefinition {
    const KIND: &'static str = "Integration";

    fn header(&self) -> &Header {
        &self.header
    }

    fn onto(self, builtin: Self) -> Self {
        let prefix = self.prefix.or(builtin.prefix);
        let of_prefix = prefix.as_ref().map(|prefix| format!("{}/", prefix.value));
        // `owner` and `github.integrations.tekton.dev/owner` are one key, whichever way either document spells it.
        let relative = |key: &str| {
            let stripped = of_prefix.as_deref().and_then(|prefix| key.strip_prefix(prefix));
            stripped.unwrap_or(key).to_owned()
        };
        Self {
            header: self.header,
            description: self.description.or(builtin.description),
            kinds: self.kinds.or(builtin.kinds),
            unknown_keys: self.unknown_keys.or(builtin.unknown_keys),
            validation_action: self.validation_action.or(builtin.validation_action),
            config: layer_mapping(self.config, builtin.config, relative, layer_schema),
            rules: appended(builtin.rules, self.rules),
            annotations: layer_state(self.annotations, builtin.annotations),
            labels: layer_state(self.labels, builtin.labels),
            finalizers: layer_state(self.finalizers, builtin.finalizers),
            prefix,
        }
    }
}

impl Layered for TriggerSourceDefinition {
    const KIND: &'static str = "TriggerSource";

    fn header(&self) -> &Header {
        &self.header
    }

    fn onto(self, builtin: Self) -> Self {
        Self {
            header: self.header,
            precedence: self.precedence.or(builtin.precedence),
            users: added(builtin.users, self.users),
            // All conditions must hold: to add to them could only ever make a source speak less.
            when: if self.when.is_empty() { builtin.when } else { self.when },
            facts: layer_mapping(self.facts, builtin.facts, str::to_owned, |user, _| user),
        }
    }
}

impl Layered for RunPolicyDefinition {
    const KIND: &'static str = "RunPolicy";

    fn header(&self) -> &Header {
        &self.header
    }

    /// RunPolicies are never built in, so there is nothing that one could lie upon.
    fn onto(self, _: Self) -> Self {
        self
    }
}

fn layer_schema(user: SchemaDefinition, builtin: SchemaDefinition) -> SchemaDefinition {
    // The words that explain one pattern would be wrong about another.
    let explained = if user.pattern.is_some() {
        None
    } else {
        builtin.pattern_message
    };
    SchemaDefinition {
        span: user.span,
        description: user.description.or(builtin.description),
        source: user.source.or(builtin.source),
        example: user.example.or(builtin.example),
        format: user.format.or(builtin.format),
        pattern: user.pattern.or(builtin.pattern),
        pattern_message: user.pattern_message.or(explained),
        enum_values: user.enum_values.or(builtin.enum_values),
        min_length: user.min_length.or(builtin.min_length),
        max_length: user.max_length.or(builtin.max_length),
        minimum: user.minimum.or(builtin.minimum),
        maximum: user.maximum.or(builtin.maximum),
        required: user.required.or(builtin.required),
        schemes: user.schemes.or(builtin.schemes),
        hosts: user.hosts.or(builtin.hosts),
        template: user.template.or(builtin.template),
        aliases: added(builtin.aliases, user.aliases),
        place: user.place.or(builtin.place),
    }
}

fn layer_state(user: Vec<StateDefinition>, builtin: Vec<StateDefinition>) -> Vec<StateDefinition> {
    let keyed = |states: Vec<StateDefinition>| -> Mapping<StateDefinition> {
        states.into_iter().map(|state| (state.key.clone(), state)).collect()
    };
    layer_mapping(keyed(user), keyed(builtin), str::to_owned, |user, builtin| {
        StateDefinition {
            key: user.key,
            writers: added(builtin.writers, user.writers),
            field_managers: added(builtin.field_managers, user.field_managers),
            creators: added_creators(builtin.creators, user.creators),
            kinds: user.kinds.or(builtin.kinds),
            namespaced: user.namespaced.or(builtin.namespaced),
            reset: user.reset.or(builtin.reset),
            on_child: user.on_child.or(builtin.on_child),
            updates: user.updates.or(builtin.updates),
            schema: layer_schema(user.schema, builtin.schema),
        }
    })
    .into_iter()
    .map(|(_, state)| state)
    .collect()
}

fn added_creators(builtin: Vec<CreatorDefinition>, user: Vec<CreatorDefinition>) -> Vec<CreatorDefinition> {
    let values = |creator: &CreatorDefinition| creator.values.as_ref().map(|values| values.value.clone());
    let mut seen: HashSet<(String, Option<String>)> = HashSet::new();
    appended(builtin, user)
        .into_iter()
        .filter(|creator| seen.insert((creator.identity.value.clone(), values(creator))))
        .collect()
}

/// The built-in settings with everything that the user's say besides or instead.
pub(super) fn layer_settings(
    user: SettingsDefinition,
    builtin: SettingsDefinition,
    context: &mut Context,
) -> SettingsDefinition {
    let replaced = replaced_lists(&user, &builtin, context);
    let list = |name: &str, builtin: Vec<Text>, user: Vec<Text>| {
        if replaced.contains(name) {
            user
        } else {
            added(builtin, user)
        }
    };
    let hosts = if replaced.contains("hosts") {
        Vec::new()
    } else {
        builtin.hosts
    };
    let identities = builtin.identities.into_iter().map(|(name, users)| {
        let emptied = replaced.contains(identity_list(&name.value).as_str());
        (name, if emptied { Vec::new() } else { users })
    });
    SettingsDefinition {
        header: user.header,
        identities: layer_mapping(user.identities, identities.collect(), str::to_owned, |user, builtin| {
            added(builtin, user)
        }),
        replace: Vec::new(),
        controllers: list("controllers", builtin.controllers, user.controllers),
        exempt_identities: list("exempt.identities", builtin.exempt_identities, user.exempt_identities),
        exempt_groups: list("exempt.groups", builtin.exempt_groups, user.exempt_groups),
        unknown_integrations: user.unknown_integrations.or(builtin.unknown_integrations),
        state_key_updates: user.state_key_updates.or(builtin.state_key_updates),
        copied_owner_references: user.copied_owner_references.or(builtin.copied_owner_references),
        allow_http: user.allow_http.or(builtin.allow_http),
        allowed_hosts: list("urls.allowedHosts", builtin.allowed_hosts, user.allowed_hosts),
        hosts: layer_mapping(user.hosts, hosts, str::to_owned, |user, _| user),
    }
}

/// Two Settings of one origin side by side: lists are added together, and neither may contradict the other.
pub(super) fn join_settings(
    first: SettingsDefinition,
    second: SettingsDefinition,
    context: &mut Context,
) -> SettingsDefinition {
    let mut hosts = first.hosts;
    for (host, provider) in second.hosts {
        match hosts.iter().find(|(known, _)| known.value == host.value) {
            Some((_, known)) => {
                agree("the provider of a host", known, &provider, context);
            }
            None => hosts.push((host, provider)),
        }
    }
    let mut header = first.header;
    header.replace_builtin |= second.header.replace_builtin;
    SettingsDefinition {
        header,
        identities: layer_mapping(second.identities, first.identities, str::to_owned, |second, first| {
            added(first, second)
        }),
        replace: added(first.replace, second.replace),
        controllers: added(first.controllers, second.controllers),
        exempt_identities: added(first.exempt_identities, second.exempt_identities),
        exempt_groups: added(first.exempt_groups, second.exempt_groups),
        unknown_integrations: either(
            "unknownIntegrations",
            first.unknown_integrations,
            second.unknown_integrations,
            context,
        ),
        state_key_updates: either(
            "stateKeyUpdates",
            first.state_key_updates,
            second.state_key_updates,
            context,
        ),
        copied_owner_references: either(
            "copiedOwnerReferences",
            first.copied_owner_references,
            second.copied_owner_references,
            context,
        ),
        allow_http: either("allowHttp", first.allow_http, second.allow_http, context),
        allowed_hosts: added(first.allowed_hosts, second.allowed_hosts),
        hosts,
    }
}

fn either<T: PartialEq>(
    what: &str,
    first: Option<Located<T>>,
    second: Option<Located<T>>,
    context: &mut Context,
) -> Option<Located<T>> {
    if let (Some(first), Some(second)) = (&first, &second) {
        agree(what, first, second, context);
    }
    first.or(second)
}

fn agree<T: PartialEq>(what: &str, first: &Located<T>, second: &Located<T>, context: &mut Context) {
    if first.value != second.value {
        context.report(
            Problem::error(
                Code::ContradictingSettings,
                second.span,
                format!("two Settings documents contradict each other in {what}"),
            )
            .with_label("the second one")
            .with_related(first.span, "the first one")
            .with_help("keep one of the two"),
        );
    }
}

/// The lists of Settings that can be replaced, besides those of identities.
const REPLACEABLE: [&str; 5] = [
    "controllers",
    "exempt.groups",
    "exempt.identities",
    "hosts",
    "urls.allowedHosts",
];

fn identity_list(name: &str) -> String {
    format!("identities.{name}")
}

/// The lists that the user's settings replace; unknown ones are reported.
fn replaced_lists(user: &SettingsDefinition, builtin: &SettingsDefinition, context: &mut Context) -> HashSet<String> {
    let mut known: BTreeSet<String> = REPLACEABLE.iter().map(|&name| name.to_owned()).collect();
    known.extend(builtin.identities.iter().map(|(name, _)| identity_list(&name.value)));
    context.refuse_repeats("list", &user.replace);
    let mut replaced = HashSet::new();
    for entry in &user.replace {
        if known.contains(&entry.value) {
            replaced.insert(entry.value.clone());
        } else {
            let message = format!("expected a built-in list to replace, found {}", quote(&entry.value));
            context.report(suggest_among(
                Problem::error(Code::UnknownWord, entry.span, message),
                &entry.value,
                known.iter().map(String::as_str),
            ));
        }
    }
    replaced
}

/// The built-in mapping with the user's entries: `combine` where both have one, else in the order written.
fn layer_mapping<T>(
    user: Mapping<T>,
    builtin: Mapping<T>,
    canonical: impl Fn(&str) -> String,
    combine: impl Fn(T, T) -> T,
) -> Mapping<T> {
    let mut entries: Vec<(Text, Option<T>)> = builtin.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let positions: HashMap<String, usize> = entries
        .iter()
        .enumerate()
        .map(|(position, (key, _))| (canonical(&key.value), position))
        .collect();
    for (key, value) in user {
        let below = positions
            .get(&canonical(&key.value))
            .and_then(|position| entries.get_mut(*position));
        match below {
            Some((builtin_key, slot)) => {
                // Problems belong to what the user wrote; the spelling stays, so that the merge shows in nothing else.
                *builtin_key = Located::new(std::mem::take(&mut builtin_key.value), key.span);
                *slot = Some(match slot.take() {
                    Some(builtin) => combine(value, builtin),
                    None => value,
                });
            }
            None => entries.push((key, Some(value))),
        }
    }
    entries
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| (key, value)))
        .collect()
}

fn appended<T>(mut first: Vec<T>, second: Vec<T>) -> Vec<T> {
    first.extend(second);
    first
}

/// Both lists, each name once.
fn added(builtin: Vec<Text>, user: Vec<Text>) -> Vec<Text> {
    let mut seen: HashSet<String> = HashSet::new();
    appended(builtin, user)
        .into_iter()
        .filter(|text| seen.insert(text.value.clone()))
        .collect()
}
