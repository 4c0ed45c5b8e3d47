//! What a key may look like, and which keys a policy may never write.

use super::context::{Context, quote, suggest_among};
use super::places::related;
use super::policies::Known;
use crate::domain::definition::Text;
use crate::domain::integration::ConfigKey;
use crate::domain::names::{QUALIFIED_NAME_SHAPE, is_qualified_name};
use crate::domain::source::{Code, Problem};
use crate::domain::suggest::nearest;
use crate::domain::words::{Place, Reaction};

/// Keys under this prefix are Runstamp's own.
const OWN_PREFIX: &str = "runstamp.dev";

/// Prefixes that Kubernetes keeps for itself.
const RESERVED_PREFIXES: [&str; 2] = ["kubernetes.io", "k8s.io"];

/// What Kubernetes recommends users to set.
const RECOMMENDED_PREFIX: &str = "app.kubernetes.io";

/// Prefix whose labels are Tekton's own.
const TEKTON_PREFIX: &str = "tekton.dev";

/// What the prefix of every integration ends with that follows community PR #147.
const INTEGRATIONS_SUFFIX: &str = ".integrations.tekton.dev";

/// The absolute key of a config key: `None` for a relative one where there is no prefix.
pub(super) fn absolute(prefix: Option<&str>, key: &str) -> Option<String> {
    match prefix {
        _ if key.contains('/') => Some(key.to_owned()),
        Some(prefix) => Some(format!("{prefix}/{key}")),
        None => None,
    }
}

/// The prefix of a key, without the slash; empty where the key has none.
pub(super) fn prefix_of(key: &str) -> &str {
    key.split_once('/').map_or("", |(prefix, _)| prefix)
}

/// Whether the host name is this domain or below it; upper and lower case do not differ.
fn is_under(name: &str, domain: &str) -> bool {
    let Some(start) = name.len().checked_sub(domain.len()) else {
        return false;
    };
    let (above, tail) = (name.as_bytes().get(..start), name.as_bytes().get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(domain.as_bytes()))
        && above.is_some_and(|above| above.is_empty() || above.ends_with(b"."))
}

/// Whether the key is one of Runstamp's own.
pub(super) fn is_own(key: &str) -> bool {
    is_under(prefix_of(key), OWN_PREFIX)
}

/// Checks the syntax of a key, with its prefix; `place` says what it is the key of.
pub(super) fn check_syntax(place: Place, key: &str, written: &Text) -> Result<(), Problem> {
    if is_qualified_name(key) {
        return Ok(());
    }
    let problem = Problem::error(
        Code::BadKey,
        written.span,
        format!("expected the key of {} {place}, found {}", article(place), quote(key)),
    );
    Err(problem.with_help(format!("a key is {QUALIFIED_NAME_SHAPE}")))
}

/// The article of the place's name.
pub(super) fn article(place: Place) -> &'static str {
    match place {
        Place::Annotation => "an",
        Place::Label | Place::Finalizer => "a",
    }
}

/// Why a policy may not write this key, whoever declared it.
pub(super) fn check_injectable(place: Place, key: &Text) -> Result<(), Problem> {
    check_syntax(place, &key.value, key)?;
    let prefix = prefix_of(&key.value);
    let owner = if is_under(prefix, OWN_PREFIX) {
        "Runstamp keeps for itself"
    } else if RESERVED_PREFIXES.iter().any(|reserved| is_under(prefix, reserved))
        && !is_under(prefix, RECOMMENDED_PREFIX)
    {
        "Kubernetes keeps for itself"
    } else if place == Place::Label && is_under(prefix, TEKTON_PREFIX) {
        "Tekton keeps for itself"
    } else {
        return Ok(());
    };
    let found = quote(&key.value);
    let message = format!(
        "expected {} {place} that a policy may write, found {found}, which {owner}",
        article(place)
    );
    Err(Problem::error(Code::ReservedKey, key.span, message)
        .with_help("use a key with a prefix of your own, such as ci.example.com/team"))
}

/// Warns about an annotation that looks like an integration's and that none declares; an error where such keys are refused.
pub(super) fn warn_if_undeclared(key: &Text, known: &Known<'_>, context: &mut Context) {
    let prefix = prefix_of(&key.value);
    if prefix.is_empty() || known.registry.annotation(&key.value).is_some() {
        return;
    }
    let (message, integration, reaction) = match known.registry.integration_of_prefix(prefix) {
        Some(integration) => {
            let message = format!(
                "integration {} declares no key {}",
                quote(&integration.name),
                quote(&key.value)
            );
            (message, Some(integration), integration.unknown_keys)
        }
        None if prefix.ends_with(INTEGRATIONS_SUFFIX) => {
            let message = format!("no Integration has the prefix of {}", quote(&key.value));
            (message, None, known.surroundings.settings.unknown_integrations)
        }
        None => return,
    };
    let code = match integration {
        Some(_) => Code::UnknownConfigKey,
        None => Code::UnknownIntegration,
    };
    let problem = match reaction {
        Reaction::Allow | Reaction::Audit => return,
        Reaction::Warn => Problem::warning(code, key.span, message),
        Reaction::Deny => Problem::error(code, key.span, message).unresolved(),
    };
    context.report(match integration {
        Some(integration) => {
            let keys = integration.config.iter().map(ConfigKey::key);
            let near = nearest(&key.value, keys.clone());
            let declared = near.and_then(|near| known.places.config(&integration.name, near));
            let problem = suggest_among(problem, &key.value, keys);
            related(problem, declared, "a key of nearly this name is declared here")
        }
        None => problem.with_help("declare it in a document of kind Integration"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Span;

    #[test]
    fn some_keys_belong_to_others() {
        let check = |place: Place, key: &str, is_free: bool| {
            let text = Text::new(key.to_owned(), Span::default());
            assert_eq!(check_injectable(place, &text).is_ok(), is_free, "{place} {key}");
        };
        for (key, as_annotation, as_label) in [
            ("team", true, true),
            ("ci.example.com/team", true, true),
            ("app.kubernetes.io/name", true, true),
            ("sub.app.kubernetes.io/name", true, true),
            ("kueue.x-k8s.io/queue-name", true, true),
            ("x-k8s.io/a", true, true),
            ("notkubernetes.io/a", true, true),
            ("myk8s.io/a", true, true),
            ("mytekton.dev/a", true, true),
            ("tekton.dev/a", true, false),
            ("triggers.tekton.dev/a", true, false),
            ("kubernetes.io/a", false, false),
            ("pod-security.kubernetes.io/enforce", false, false),
            ("myapp.kubernetes.io/a", false, false),
            ("k8s.io/a", false, false),
            ("node.k8s.io/a", false, false),
            ("runstamp.dev/injected", false, false),
            ("a.runstamp.dev/injected", false, false),
            ("Kubernetes.io/a", false, false),
            ("", false, false),
            ("a/b/c", false, false),
        ] {
            check(Place::Annotation, key, as_annotation);
            check(Place::Label, key, as_label);
        }
    }
}
