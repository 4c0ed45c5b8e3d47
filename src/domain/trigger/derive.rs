//! Facts that follow from others: the parts of a repository's URL, the branch or tag of a ref.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Fact, FactField, Facts};
use crate::domain::git_url::{Repository, project_owner_repo, provider_of_host, public_host};
use crate::domain::settings::Settings;
use crate::domain::trace::{Event, Trace};
use crate::domain::words::FactName;

/// Fills in what no source has said.
pub(super) fn derive<'f>(facts: &mut Facts<'f>, settings: &'f Settings, mut trace: Option<&mut Trace>) {
    if let Some(url) = facts.get(FactName::Url).cloned() {
        let mut follow = |facts: &mut Facts<'f>, name, value: Option<Cow<'f, str>>| {
            follow(facts, name, value, &url, FactName::Url, trace.as_deref_mut());
        };
        let host = part(&url.value, |url| host_and_path(url).map(|(host, _)| host));
        let configured = host
            .as_deref()
            .and_then(|host| settings.hosts.get(host))
            .map(String::as_str);
        let provider = configured.or_else(|| provider_of_host(host.as_deref()?));
        follow(facts, FactName::Host, host);
        follow(facts, FactName::Provider, provider.map(Cow::Borrowed));
        let provider = facts.value(FactName::Provider);
        let Repository { project, owner, repo } = match &url.value {
            Cow::Borrowed(url) => repository(provider, url),
            Cow::Owned(url) => repository(provider, url).into_owned(),
        };
        follow(facts, FactName::Project, project);
        follow(facts, FactName::Owner, owner);
        follow(facts, FactName::Repo, repo);
    }
    if let Some(provider) = facts
        .get(FactName::Provider)
        .filter(|_| facts.get(FactName::Url).is_none())
        .cloned()
    {
        // Whoever names a provider and no host means the public one.
        let host = public_host(&provider.value).map(Cow::Borrowed);
        follow(
            facts,
            FactName::Host,
            host,
            &provider,
            FactName::Provider,
            trace.as_deref_mut(),
        );
    }
    if let Some(reference) = facts.get(FactName::Ref).cloned() {
        for (name, prefix) in [(FactName::Branch, "refs/heads/"), (FactName::Tag, "refs/tags/")] {
            let value = part(&reference.value, |reference| reference.strip_prefix(prefix));
            follow(facts, name, value, &reference, FactName::Ref, trace.as_deref_mut());
        }
    }
}

/// Host and path of a URL in the spelling that all share.
fn host_and_path(url: &str) -> Option<(&str, &str)> {
    let (authority, path) = url.strip_prefix("https://")?.split_once('/')?;
    let host = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand before its closing bracket.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    Some((host, path))
}

fn repository<'u>(provider: Option<&str>, url: &'u str) -> Repository<'u> {
    host_and_path(url).map_or_else(Repository::default, |(_, path)| project_owner_repo(provider, path))
}

/// A part of a value, which lives as long where the value is borrowed.
fn part<'f>(value: &Cow<'f, str>, cut: impl for<'t> Fn(&'t str) -> Option<&'t str>) -> Option<Cow<'f, str>> {
    match value {
        Cow::Borrowed(text) => cut(text).map(Cow::Borrowed),
        Cow::Owned(text) => cut(text).map(|part| Cow::Owned(part.to_owned())),
    }
}

fn follow<'f>(
    facts: &mut Facts<'f>,
    name: FactName,
    value: Option<Cow<'f, str>>,
    origin: &Fact<'f>,
    from: FactName,
    trace: Option<&mut Trace>,
) {
    let Some(value) = value.filter(|_| facts.get(name).is_none()) else {
        return;
    };
    if let Some(trace) = trace {
        trace.events.push(Event::FactFound {
            fact: name.word(),
            source: Arc::clone(origin.source),
            from: format!("trigger.{from}"),
            value: value.to_string(),
        });
    }
    facts.set(
        name,
        Fact {
            value,
            source: origin.source,
            from: FactField::Fact(from),
            trusted: origin.trusted,
        },
    );
}
