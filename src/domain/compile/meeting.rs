//! Whether one Run may match two policies: told by what their matches say of kinds, namespaces, users, trigger, labels and fields.

use super::policies::WrittenPolicy;
use super::reach;
use crate::domain::identity::Identities;
use crate::domain::pattern::Glob;
use crate::domain::policy::Matcher;

/// Whether one Run may match both; a doubt is a yes.
pub(super) fn may_meet(one: &WrittenPolicy, other: &WrittenPolicy) -> bool {
    let (a, b) = (&one.policy.matcher, &other.policy.matcher);
    let triggers = match (&a.trigger, &b.trigger) {
        (Some(a), Some(b)) => {
            share(&a.sources, &b.sources)
                && share(&a.providers, &b.providers)
                && share(&a.hosts, &b.hosts)
                && share(&a.events, &b.events)
                && a.trusted.zip(b.trusted).is_none_or(|(a, b)| a == b)
        }
        _ => true,
    };
    a.kinds.iter().any(|kind| b.kinds.contains(kind))
        && triggers
        && share_a_namespace(a, b)
        && share_a_user(&a.users, &b.users)
        && !reach::exclude_each_other(&one.conditions, &other.conditions)
}

/// Whether two lists, of which an absent one means anything, have something in common.
fn share(a: &Option<Vec<String>>, b: &Option<Vec<String>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.iter().any(|word| b.contains(word)),
        _ => true,
    }
}

fn share_a_user(a: &Option<Identities>, b: &Option<Identities>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a
            .globs()
            .iter()
            .any(|user| b.globs().iter().any(|other| may_overlap(user, other))),
        _ => true,
    }
}

fn share_a_namespace(a: &Matcher, b: &Matcher) -> bool {
    let is_out = |glob: &Glob| {
        let mut excluded = a.exclude_namespaces.iter().chain(&b.exclude_namespaces);
        excluded.any(|excluded| contains(excluded, glob))
    };
    match (&a.namespaces, &b.namespaces) {
        (None, None) => true,
        (Some(listed), None) | (None, Some(listed)) => listed.iter().any(|glob| !is_out(glob)),
        (Some(a), Some(b)) => {
            let mut listed = a.iter().filter(|glob| !is_out(glob));
            listed.any(|glob| b.iter().any(|other| !is_out(other) && may_overlap(glob, other)))
        }
    }
}

/// Whether a glob certainly matches whatever the other one does; a doubt is a no.
pub(super) fn contains(wide: &Glob, narrow: &Glob) -> bool {
    wide == narrow || wide.as_str() == "*" || narrow.is_literal() && wide.matches(narrow.as_str())
}

/// Whether some name may match both; a doubt is a yes.
fn may_overlap(one: &Glob, other: &Glob) -> bool {
    if one.is_literal() {
        return other.matches(one.as_str());
    }
    if other.is_literal() {
        return one.matches(other.as_str());
    }
    let ends = |glob: &Glob| {
        let text = glob.as_str();
        let head = text.split('*').next().unwrap_or_default().to_owned();
        let tail = text.rsplit('*').next().unwrap_or_default().to_owned();
        (head, tail)
    };
    let ((head, tail), (other_head, other_tail)) = (ends(one), ends(other));
    let heads = head.starts_with(&other_head) || other_head.starts_with(&head);
    let tails = tail.ends_with(&other_tail) || other_tail.ends_with(&tail);
    heads && tails
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).unwrap()
    }

    #[test]
    fn a_glob_contains_itself_and_the_names_that_it_matches() {
        let check = |wide: &str, narrow: &str, expected: bool| {
            assert_eq!(contains(&glob(wide), &glob(narrow)), expected, "{wide} {narrow}");
        };
        check("ci-*", "ci-web", true);
        check("ci-*", "ci-*", true);
        check("*", "ci-*", true);
        check("ci-*", "ci-web-*", false);
        check("ci-web", "ci-*", false);
    }

    #[test]
    fn globs_overlap_unless_their_ends_differ() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(may_overlap(&glob(one), &glob(other)), expected, "{one} {other}");
            assert_eq!(may_overlap(&glob(other), &glob(one)), expected, "{other} {one}");
        };
        check("web-*", "shop-*", false);
        check("web-*", "web-ci-*", true);
        check("*-ci", "*-test", false);
        check("*-ci", "web-*", true);
        check("web", "web", true);
        check("web", "shop", false);
        check("web", "w*", true);
        check("*", "anything", true);
    }
}
