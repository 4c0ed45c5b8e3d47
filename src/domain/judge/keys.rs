//! Keys that nobody declares: under the prefix of an integration, or under that of an integration that does not exist.

use super::{Bench, violation_at};
use crate::domain::cause::{Cause, CauseKind};
use crate::domain::decision::{Author, Violation};
use crate::domain::field_path::FieldPath;
use crate::domain::integration::Integration;
use crate::domain::names::is_qualified_name;
use crate::domain::schema::{ValueSchema, credential_in, quoted};
use crate::domain::suggest::nearest;
use crate::domain::words::{Place, Reaction};

/// The domain under which integrations have their prefixes (community PR #147: `<name>.integrations.tekton.dev/<value>`).
const INTEGRATIONS_DOMAIN: &str = ".integrations.tekton.dev";

pub(super) fn judge_undeclared(
    bench: &Bench<'_>,
    key: &str,
    value: &str,
    field: &dyn Fn() -> FieldPath,
    found: &mut Vec<Violation>,
) {
    let Some((prefix, name)) = key.split_once('/') else {
        return;
    };
    if let Some(integration) = bench.set.registry.integration_of_prefix(prefix) {
        found.extend(credential(
            bench,
            value,
            field,
            integration.author(),
            integration.validation_action,
        ));
        if integration.unknown_keys != Reaction::Allow {
            let suggestion = near_key(integration, prefix, name);
            let message = format!("integration {} has no key {}", integration.name, quoted(name));
            let cause = Cause {
                field: field(),
                kind: CauseKind::Forbidden,
                message,
                suggestion,
            };
            found.push(Violation {
                cause,
                author: integration.author(),
                reaction: integration.unknown_keys,
            });
        }
        return;
    }
    let reaction = bench.set.settings.unknown_integrations;
    if let Some(integration) = prefix
        .strip_suffix(INTEGRATIONS_DOMAIN)
        .filter(|_| reaction != Reaction::Allow)
    {
        let known = bench
            .set
            .integrations
            .iter()
            .filter_map(|integration| integration.prefix.as_deref());
        found.extend(credential(bench, value, field, Author::Settings, Reaction::Deny));
        let names = known.filter_map(|prefix| prefix.strip_suffix(INTEGRATIONS_DOMAIN));
        let near = nearest(integration, names).and_then(|near| {
            bench
                .set
                .registry
                .integration_of_prefix(&format!("{near}{INTEGRATIONS_DOMAIN}"))
        });
        let suggestion = near.map(|near| {
            let prefix = near.prefix.as_deref().unwrap_or_default();
            near_key(near, prefix, name).unwrap_or_else(|| format!("{prefix}/{name}"))
        });
        let suggestion = suggestion.filter(|key| is_qualified_name(key));
        let message = format!("there is no integration {}", quoted(integration));
        let cause = Cause {
            field: field(),
            kind: CauseKind::Forbidden,
            message,
            suggestion,
        };
        found.push(Violation {
            cause,
            author: Author::Settings,
            reaction,
        });
    }
}

/// What is wrong with a value that holds a credential: a misspelt key leaks it as well as the right one.
fn credential(
    bench: &Bench<'_>,
    value: &str,
    field: &dyn Fn() -> FieldPath,
    author: Author,
    reaction: Reaction,
) -> Option<Violation> {
    credential_in(value)?;
    let mistake = ValueSchema::default().check(value, &bench.set.settings.urls).err()?;
    Some(violation_at(field(), mistake, author, reaction))
}

/// The declared key under the prefix that is nearest to the name: a key that is there but for the prefix is nearest of all.
fn near_key(integration: &Integration, prefix: &str, name: &str) -> Option<String> {
    let config = integration
        .config
        .iter()
        .flat_map(|config| config.spellings.iter().map(String::as_str));
    let state = integration
        .state
        .iter()
        .filter(|state| state.place == Place::Annotation && state.key.is_literal());
    let keys = config.chain(state.map(|state| state.key.as_str()));
    let names = keys.filter_map(|key| key.strip_prefix(prefix)?.strip_prefix('/'));
    let names: Vec<&str> = names.collect();
    let near = names
        .iter()
        .find(|known| **known == name)
        .copied()
        .or_else(|| nearest(name, names.iter().copied()))?;
    Some(format!("{prefix}/{near}"))
}
