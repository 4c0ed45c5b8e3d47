//! Log lines about decisions: one for each refusal, for each Run that something was removed from, and for what each Shadow policy would have changed; the rest at debug.
//!
//! Values are never logged, only fields and the causes' own words, which repeat no secret.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::decision::Verdict;
use crate::review::{Reply, Stance, Webhook};

/// Longest list in a log line; a Run can carry thousands of keys.
const MOST_ITEMS: usize = 20;

/// Logs what was decided about one request; where decisions have no consequences, each line says so.
pub fn log_reply(webhook: Webhook, reply: &Reply<'_>, stance: Stance, took: Duration) {
    let subject = &reply.subject;
    let (uid, namespace, name) = (&*subject.uid, &*subject.namespace, &*subject.name);
    let kind = subject.kind.map_or("other", |kind| kind.word());
    let lineage = reply.decision.lineage.map_or("none", |lineage| lineage.word());
    let path = match webhook {
        Webhook::Mutate => "/mutate",
        Webhook::Validate => "/validate",
    };
    // Left out of the line where it says nothing.
    let observe = stance.observe.then_some(true);
    match &reply.decision.verdict {
        Verdict::Refused => {
            let causes = joined(
                reply
                    .decision
                    .causes()
                    .map(|violation| format!("{}: {}", violation.cause.field, violation.cause.message)),
            );
            tracing::info!(
                uid,
                kind,
                namespace,
                name,
                lineage,
                user = &*subject.user,
                path,
                causes,
                observe,
                "refused"
            );
        }
        Verdict::Unreadable(reason) => {
            tracing::info!(
                uid,
                kind,
                namespace,
                name,
                user = &*subject.user,
                path,
                reason,
                observe,
                "refused, unreadable"
            );
        }
        Verdict::Allowed => {}
    }
    // From a Run that is refused nothing is taken.
    if reply.decision.is_allowed() && !reply.decision.removed.is_empty() {
        let fields = joined(reply.decision.removed.iter().map(|removed| &removed.field));
        let count = reply.decision.removed.len();
        tracing::info!(
            uid, kind, namespace, name, lineage, path, count, fields, observe, "removed"
        );
    }
    if reply.decision.state_updates.iter().any(|update| !update.by_writer) {
        let others = reply.decision.state_updates.iter().filter(|update| !update.by_writer);
        let fields = joined(others.map(|update| &update.field));
        tracing::info!(
            uid,
            kind,
            namespace,
            name,
            user = &*subject.user,
            path,
            fields,
            observe,
            "state updated by others"
        );
    }
    log_shadow(path, reply, stance);
    tracing::debug!(
        uid,
        kind,
        namespace,
        name,
        lineage,
        path,
        operation = subject.operation,
        dry_run = subject.dry_run,
        outcome = reply.outcome,
        unjudged = reply.decision.unjudged,
        injected = reply.decision.injected.len(),
        skipped = reply.decision.skipped.len(),
        took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "decided"
    );
}

/// One line for each Shadow policy that would have changed the Run or found fault with it: what `runstamp shadow` sums up.
fn log_shadow(path: &str, reply: &Reply<'_>, stance: Stance) {
    let subject = &reply.subject;
    let mut changes = reply
        .decision
        .shadow
        .iter()
        .filter(|shadow| shadow.is_change())
        .peekable();
    while let Some(first) = changes.peek() {
        let policy = Arc::clone(&first.policy);
        let mut of_policy = Vec::new();
        // A policy's outcomes stand together: the decision is sorted by policy.
        while let Some(change) = changes.next_if(|change| change.policy == policy) {
            of_policy.push(change);
        }
        let outcomes = joined(
            of_policy
                .iter()
                .map(|change| format!("{} {}", change.outcome, change.field)),
        );
        let faults = of_policy.iter().filter(|change| change.is_fault());
        let faults = joined(faults.map(|change| {
            let fault = change.detail.as_deref().unwrap_or_default();
            format!("{}: {fault}", change.field)
        }));
        tracing::info!(
            uid = &*subject.uid,
            kind = subject.kind.map_or("other", |kind| kind.word()),
            namespace = &*subject.namespace,
            name = &*subject.name,
            user = &*subject.user,
            path,
            operation = subject.operation,
            dry_run = subject.dry_run.then_some(true),
            observe = stance.observe.then_some(true),
            policy = &*policy,
            outcomes,
            faults = (!faults.is_empty()).then_some(faults),
            "shadow"
        );
    }
}

/// The first items, separated by `; `, and how many more there are.
fn joined<T: Display>(items: impl Iterator<Item = T>) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let mut beyond = 0_usize;
    for (position, item) in items.enumerate() {
        if position >= MOST_ITEMS {
            beyond += 1;
            continue;
        }
        let separator = if position == 0 { "" } else { "; " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{item}");
    }
    if beyond > 0 {
        let _ = write!(text, "; and {beyond} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        #[track_caller]
        fn check(count: usize, expected_end: &str) {
            let text = joined(0..count);
            assert!(text.ends_with(expected_end), "{text}");
            assert!(text.len() < 200, "{text}");
        }
        check(1, "0");
        check(20, "; 19");
        check(21, "; 19; and 1 more");
        check(100_000, "; 19; and 99980 more");
        assert_eq!(joined(std::iter::empty::<u8>()), "");
    }
}
