//! Identities: the names that Settings give to users, and the check that nobody else can become one of them.

use std::collections::BTreeMap;

use super::context::{Context, quote, suggest_among};
use crate::domain::definition::{Mapping, Text};
use crate::domain::identity::Identities;
use crate::domain::pattern::Glob;
use crate::domain::source::{Code, Problem};

/// What every service account's user name begins with; the namespace and the account's name follow.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// The declared identities.
#[derive(Debug, Default)]
pub(super) struct IdentityTable {
    users: BTreeMap<String, Vec<Glob>>,
}

impl IdentityTable {
    /// Compiles the `identities` of Settings.
    pub(super) fn new(identities: &Mapping<Vec<Text>>, context: &mut Context) -> Self {
        let mut table = Self::default();
        for (name, users) in identities {
            if name.value.is_empty() {
                context.report(Problem::error(
                    Code::BadName,
                    name.span,
                    "expected the name of an identity, found an empty string",
                ));
            }
            context.refuse_repeats("user", users);
            let globs = users.iter().filter_map(|user| trusted_glob(user, context)).collect();
            table.users.insert(name.value.clone(), globs);
        }
        table
    }

    /// The users behind each identity.
    pub(super) fn by_name(&self) -> BTreeMap<String, Identities> {
        let named = self.users.iter();
        named
            .map(|(name, users)| (name.clone(), Identities::new(users.clone())))
            .collect()
    }

    /// The users behind the named identities; names that nobody declares are reported.
    pub(super) fn resolve(&self, names: &[Text], context: &mut Context) -> Identities {
        context.refuse_repeats("identity", names);
        let users = names.iter().filter_map(|name| self.users_of(name, context)).flatten();
        Identities::new(users.cloned().collect())
    }

    fn users_of(&self, name: &Text, context: &mut Context) -> Option<&[Glob]> {
        let users = self.users.get(&name.value);
        if users.is_none() {
            let message = format!("Settings declare no identity {}", quote(&name.value));
            let problem = Problem::error(Code::UnknownIdentity, name.span, message)
                .with_help("declare it under identities in a document of kind Settings")
                .unresolved();
            context.report(suggest_among(
                problem,
                &name.value,
                self.users.keys().map(String::as_str),
            ));
        }
        users.map(Vec::as_slice)
    }
}

/// The glob of an identity, unless users whom nobody meant could match it.
fn trusted_glob(user: &Text, context: &mut Context) -> Option<Glob> {
    match check_trusted(user) {
        Ok(()) => context.glob(user),
        Err(problem) => {
            context.report(problem);
            None
        }
    }
}

fn check_trusted(user: &Text) -> Result<(), Problem> {
    let text = user.value.as_str();
    if text.is_empty() {
        return Err(Problem::error(
            Code::BadUser,
            user.span,
            "expected the name of a user, found an empty text",
        ));
    }
    let literal = text.split('*').next().unwrap_or(text);
    if let Some(account) = literal.strip_prefix(SERVICE_ACCOUNT) {
        let is_complete = account
            .split_once(':')
            .is_some_and(|(namespace, _)| !namespace.is_empty());
        return match (is_complete, literal.len() == text.len()) {
            (true, false) => Ok(()),
            (true, true) if account.split(':').all(|part| !part.is_empty()) && account.split(':').count() == 2 => {
                Ok(())
            }
            (_, true) => Err(Problem::error(
                Code::BadUser,
                user.span,
                format!("expected {SERVICE_ACCOUNT}NAMESPACE:NAME, found {}", quote(text)),
            )),
            (false, false) => Err(any_namespace(
                user,
                "a * stands in the namespace of a service account",
                "name each namespace in a user name of its own; a * may stand in the account's name",
            )),
        };
    }
    let may_be_account = SERVICE_ACCOUNT.starts_with(literal) && text.chars().all(is_in_account_names);
    if literal.len() < text.len() && may_be_account {
        return Err(any_namespace(
            user,
            "the * can stand for any service account",
            "write more of the user name before the *, or list the users one by one",
        ));
    }
    Ok(())
}

/// Whether the character may stand in the user name of a service account, or is the wildcard itself.
fn is_in_account_names(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '-' | '.' | ':' | '*')
}

fn any_namespace(user: &Text, what: &str, help: &str) -> Problem {
    let message = format!(
        "expected users that nobody else can become, found {}, where {what}",
        quote(&user.value)
    );
    Problem::error(Code::TooWide, user.span, message)
        .with_label("whoever can create a namespace could match it")
        .with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Span;

    #[test]
    fn nobody_can_become_a_trusted_user_by_creating_a_namespace() {
        let check = |user: &str, is_trusted: bool| {
            let user = Text::new(user.to_owned(), Span::default());
            assert_eq!(check_trusted(&user).is_ok(), is_trusted, "{}", user.value);
        };
        for trusted in [
            "alice",
            "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller",
            "system:serviceaccount:tekton-pipelines:*",
            "system:serviceaccount:tekton-pipelines:tekton-*-controller",
            "system:node:*",
            "system:admin",
            "alice*",
            "*@example.com",
            "*/robots",
            "oidc:*",
            "Robot-*",
            "*-ROBOT",
        ] {
            check(trusted, true);
        }
        for refused in [
            "",
            "*",
            "**",
            "s*",
            "system:*",
            "system:service*",
            "system:serviceaccount*",
            "system:serviceaccount:*",
            "system:serviceaccount:*:controller",
            "system:serviceaccount:tekton-*:controller",
            "system:serviceaccount:tekton*",
            "system:serviceaccount::*",
            "*:tekton-pipelines:tekton-pipelines-controller",
            "*-controller",
            "*.example.com",
            "*a*",
            "system:serviceaccount:tekton-pipelines",
            "system:serviceaccount:",
            "system:serviceaccount:a:b:c",
            "system:serviceaccount:a:",
        ] {
            check(refused, false);
        }
    }
}
