//! Compiles Settings.

use super::context::{Context, quote};
use super::identities::IdentityTable;
use crate::domain::definition::{SettingsDefinition, Text};
use crate::domain::key_map::KeyMap;
use crate::domain::pattern::Glob;
use crate::domain::schema::{Format, UrlRules};
use crate::domain::settings::Settings;
use crate::domain::source::{Code, Problem};

/// Groups that hold so many users that nothing would be left to look at.
const TOO_WIDE_GROUPS: [&str; 3] = [
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
];

/// What Settings say, for the other kinds to refer to.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The settings, compiled.
    pub(super) settings: Settings,
    /// The identities by name.
    pub(super) identities: IdentityTable,
}

/// Compiles the merged settings.
pub(super) fn compile(definition: &SettingsDefinition, context: &mut Context) -> Surroundings {
    let identities = IdentityTable::new(&definition.identities, context);
    let defaults = Settings::default();
    let value = |written: &Option<crate::domain::source::Located<bool>>, default: bool| {
        written.as_ref().map_or(default, |written| written.value)
    };
    let settings = Settings {
        identities: identities.by_name(),
        controllers: identities.resolve(&definition.controllers, context),
        exempt: identities.resolve(&definition.exempt_identities, context),
        exempt_groups: exempt_groups(&definition.exempt_groups, context),
        unknown_integrations: definition
            .unknown_integrations
            .as_ref()
            .map_or(defaults.unknown_integrations, |written| written.value),
        state_key_updates: definition
            .state_key_updates
            .as_ref()
            .map_or(defaults.state_key_updates, |written| written.value),
        copied_owner_references: definition
            .copied_owner_references
            .as_ref()
            .map_or(defaults.copied_owner_references, |written| written.value),
        urls: UrlRules {
            allow_http: value(&definition.allow_http, defaults.urls.allow_http),
            allowed_hosts: definition
                .allowed_hosts
                .iter()
                .filter_map(|host| allowed_host(host, context))
                .collect(),
        },
        hosts: git_hosts(definition, context),
    };
    Surroundings { settings, identities }
}

fn exempt_groups(groups: &[Text], context: &mut Context) -> Vec<String> {
    context.refuse_repeats("group", groups);
    for group in groups {
        let found = quote(&group.value);
        if group.value.is_empty() || group.value.contains('*') {
            let message = format!("expected the exact name of a group, found {found}");
            context.report(
                Problem::error(Code::BadUser, group.span, message).with_help("list each group by its whole name"),
            );
        } else if TOO_WIDE_GROUPS.contains(&group.value.as_str()) {
            let message = format!("expected a group that not everybody is in, found {found}");
            context.report(
                Problem::error(Code::TooWide, group.span, message)
                    .with_label("the Runs of all these users would pass untouched")
                    .with_help("exempt the users themselves, through an identity"),
            );
        }
    }
    groups.iter().map(|group| group.value.clone()).collect()
}

/// A host name, an address or a glob of host names; anything else is reported.
fn allowed_host(host: &Text, context: &mut Context) -> Option<Glob> {
    let is_in_hosts = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-' | '.' | ':' | '*' | '_');
    if !host.value.chars().all(is_in_hosts) {
        let message = format!(
            "expected a host name or address in lower case, found {}",
            quote(&host.value)
        );
        let help = "write the host alone, without scheme, brackets, port and path; * is a wildcard";
        context.report(Problem::error(Code::BadHost, host.span, message).with_help(help));
        return None;
    }
    context.glob(host)
}

fn git_hosts(definition: &SettingsDefinition, context: &mut Context) -> KeyMap<String> {
    for (host, provider) in &definition.hosts {
        if !Format::Hostname.accepts(&host.value) {
            let message = format!("expected the name of a Git host, found {}", quote(&host.value));
            context.report(
                Problem::error(Code::BadHost, host.span, message)
                    .with_help("write the host alone, without scheme, port and path"),
            );
        }
        if !is_word(&provider.value) {
            context.report(not_a_provider(provider));
        }
    }
    let hosts = definition.hosts.iter();
    hosts
        .map(|(host, provider)| (host.value.to_ascii_lowercase(), provider.value.clone()))
        .collect()
}

/// Whether the text is a word such as `bitbucket-server`.
pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .chars()
            .all(|character| matches!(character, 'a'..='z' | '0'..='9' | '-'))
}

/// The problem of a text that should be a provider.
pub(super) fn not_a_provider(text: &Text) -> Problem {
    let message = format!(
        "expected the name of a provider in lower case, found {}",
        quote(&text.value)
    );
    Problem::error(Code::BadProvider, text.span, message)
        .with_help("write github, gitlab, gitea, bitbucket-server or the like")
}
