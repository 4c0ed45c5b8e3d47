//! Merging: users' documents onto the built-in ones of the same kind and name.

mod layers;

use std::collections::BTreeMap;

use self::layers::{Layered, join_settings, layer_settings};
use super::context::{Context, quote, suggest_among};
use crate::domain::definition::{
    Definitions, Header, IntegrationDefinition, RunPolicyDefinition, SettingsDefinition, TriggerSourceDefinition,
};
use crate::domain::source::{Code, Problem};

/// The name under which all Settings are one.
const SETTINGS_NAME: &str = "settings";

/// One document a kind and name, each kind sorted by name.
#[derive(Debug)]
pub(super) struct Merged {
    /// Integrations by name.
    pub(super) integrations: Vec<IntegrationDefinition>,
    /// TriggerSources by name.
    pub(super) trigger_sources: Vec<TriggerSourceDefinition>,
    /// RunPolicies by name.
    pub(super) run_policies: Vec<RunPolicyDefinition>,
    /// The settings; empty where no document sets any.
    pub(super) settings: SettingsDefinition,
}

/// Merges every document, and reports those that cannot be merged.
pub(super) fn merge(definitions: Definitions, context: &mut Context) -> Merged {
    let has_builtin = definitions.integrations.iter().any(|document| document.header.builtin)
        || definitions
            .trigger_sources
            .iter()
            .any(|document| document.header.builtin)
        || definitions.settings.iter().any(|document| document.header.builtin);
    Merged {
        integrations: merge_kind(definitions.integrations, has_builtin, context),
        trigger_sources: merge_kind(definitions.trigger_sources, has_builtin, context),
        run_policies: merge_kind(definitions.run_policies, has_builtin, context),
        settings: merge_settings(definitions.settings, context),
    }
}

/// The documents of one name.
struct Named<D> {
    builtin: Option<D>,
    user: Option<D>,
}

fn merge_kind<D: Layered>(mut documents: Vec<D>, has_builtin: bool, context: &mut Context) -> Vec<D> {
    // Which of two documents counts as the first must not depend on the order in which a reader hands them over.
    documents.sort_by_key(|document| document.header().name.span);
    let mut by_name: BTreeMap<String, Named<D>> = BTreeMap::new();
    for document in documents {
        let named = by_name.entry(document.header().name.value.clone()).or_insert(Named {
            builtin: None,
            user: None,
        });
        let place = if document.header().builtin {
            &mut named.builtin
        } else {
            &mut named.user
        };
        match place {
            Some(first) => context.report(declared_twice(D::KIND, first.header(), document.header())),
            None => *place = Some(document),
        }
    }
    let builtin_names: Vec<String> = by_name
        .iter()
        .filter(|(_, named)| named.builtin.is_some())
        .map(|(name, _)| name.clone())
        .collect();
    by_name
        .into_values()
        .filter_map(|named| match (named.builtin, named.user) {
            (Some(builtin), Some(user)) if !user.header().replace_builtin => Some(user.onto(builtin)),
            (None, Some(user)) => {
                // Without any built-in the same files must load too, so that --no-builtin needs no other set of them.
                if user.header().replace_builtin && has_builtin {
                    context.report(nothing_to_replace(D::KIND, user.header(), &builtin_names));
                }
                Some(user)
            }
            (builtin, user) => user.or(builtin),
        })
        .collect()
}

fn declared_twice(kind: &str, first: &Header, second: &Header) -> Problem {
    let message = format!(
        "there are two documents of kind {kind} named {}",
        quote(&second.name.value)
    );
    Problem::error(Code::DuplicateDeclaration, second.name.span, message)
        .with_label("the second one")
        .with_related(first.name.span, "the first one")
        .with_help("rename one of them, or merge the two by hand")
}

fn nothing_to_replace(kind: &str, header: &Header, builtin_names: &[String]) -> Problem {
    let name = quote(&header.name.value);
    let message = format!("expected the name of a built-in {kind}, because of replaceBuiltin, found {name}");
    let problem = Problem::error(Code::NothingToReplace, header.name.span, message)
        .with_help("remove replaceBuiltin: there is nothing to replace");
    suggest_among(problem, &header.name.value, builtin_names.iter().map(String::as_str))
}

fn merge_settings(mut documents: Vec<SettingsDefinition>, context: &mut Context) -> SettingsDefinition {
    documents.sort_by_key(|document| document.header.name.span);
    let (builtin, user): (Vec<_>, Vec<_>) = documents.into_iter().partition(|document| document.header.builtin);
    let builtin = one_settings(builtin, context);
    let user = one_settings(user, context);
    match (builtin, user) {
        (Some(builtin), Some(user)) if !user.header.replace_builtin => layer_settings(user, builtin, context),
        (builtin, user) => user.or(builtin).unwrap_or_else(no_settings),
    }
}

/// Several documents of one origin as one: a pack brings the identities of a distribution, an installation its own.
fn one_settings(documents: Vec<SettingsDefinition>, context: &mut Context) -> Option<SettingsDefinition> {
    let mut headers: Vec<Header> = Vec::new();
    for document in &documents {
        let header = &document.header;
        match headers.iter().find(|known| known.name.value == header.name.value) {
            Some(first) => context.report(declared_twice("Settings", first, header)),
            None => headers.push(header.clone()),
        }
    }
    let mut one = documents
        .into_iter()
        .reduce(|all, next| join_settings(all, next, context))?;
    one.header.name.value = SETTINGS_NAME.to_owned();
    Some(one)
}

/// What a policy set without any Settings document has.
fn no_settings() -> SettingsDefinition {
    SettingsDefinition {
        header: Header {
            name: crate::domain::source::Located::new(SETTINGS_NAME.to_owned(), Default::default()),
            builtin: true,
            replace_builtin: false,
            span: Default::default(),
            accepts: None,
        },
        identities: Vec::new(),
        replace: Vec::new(),
        controllers: Vec::new(),
        exempt_identities: Vec::new(),
        exempt_groups: Vec::new(),
        unknown_integrations: None,
        state_key_updates: None,
        copied_owner_references: None,
        allow_http: None,
        allowed_hosts: Vec::new(),
        hosts: Vec::new(),
    }
}
