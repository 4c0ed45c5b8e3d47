//! Facts that follow from others: the parts of a repository's URL, the branch or tag of a ref.

use std::sync::Arc;

use super::{Fact, FactField, Facts};
use crate::domain::git_url::{GitUrl, project_owner_repo, provider_of_host, public_host};
use crate::domain::settings::Settings;
use crate::domain::trace::{Event, Trace};
use crate::domain::words::FactName;

/// Fills in what no source has said.
pub(super) fn derive(facts: &mut Facts, settings: &Settings, mut trace: Option<&mut Trace>) {
    if let Some(url) = facts.get(FactName::Url).cloned()
        && let Ok(parsed) = GitUrl::parse(&url.value)
    {
        let mut follow =
            |facts: &mut Facts, name, value| follow(facts, name, value, &url, FactName::Url, trace.as_deref_mut());
        follow(facts, FactName::Host, Some(parsed.host().to_owned()));
        let configured = settings.hosts.get(parsed.host()).map(String::as_str);
        let provider = configured
            .or_else(|| provider_of_host(parsed.host()))
            .map(str::to_owned);
        follow(facts, FactName::Provider, provider);
        let repository = project_owner_repo(facts.value(FactName::Provider), &parsed);
        follow(facts, FactName::Project, repository.project);
        follow(facts, FactName::Owner, repository.owner);
        follow(facts, FactName::Repo, repository.repo);
    }
    if let Some(provider) = facts
        .get(FactName::Provider)
        .filter(|_| facts.get(FactName::Url).is_none())
        .cloned()
    {
        // Whoever names a provider and no host means the public one.
        let host = public_host(&provider.value).map(str::to_owned);
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
        let mut follow = |facts: &mut Facts, name, value| {
            follow(facts, name, value, &reference, FactName::Ref, trace.as_deref_mut())
        };
        follow(
            facts,
            FactName::Branch,
            reference.value.strip_prefix("refs/heads/").map(str::to_owned),
        );
        follow(
            facts,
            FactName::Tag,
            reference.value.strip_prefix("refs/tags/").map(str::to_owned),
        );
    }
}

fn follow(
    facts: &mut Facts,
    name: FactName,
    value: Option<String>,
    origin: &Fact,
    from: FactName,
    trace: Option<&mut Trace>,
) {
    let Some(value) = value.filter(|_| facts.get(name).is_none()) else {
        return;
    };
    if let Some(trace) = trace {
        trace.events.push(Event::FactFound {
            fact: name.word(),
            source: Arc::clone(&origin.source),
            from: from.word().to_owned(),
            value: value.clone(),
        });
    }
    facts.set(
        name,
        Fact {
            value,
            source: Arc::clone(&origin.source),
            from: FactField::Fact(from),
            trusted: origin.trusted,
        },
    );
}
