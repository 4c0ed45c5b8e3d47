//! The two questions of the API server: how should this Run be changed, and may it be stored?
//!
//! Both are pure functions of the request, the policy set and what is known of the namespace.

mod create;
mod explain;
mod settle;
mod standing;
mod update;

use super::decision::{Decision, Lineage, Verdict};
use super::lineage::{is_controller, is_exempt};
use super::matching::NamespaceLabels;
use super::policy_set::PolicySet;
use super::request::{Operation, Options, Request, User};

/// How this Run should be changed; values that the user wrote wrong are refused here already, since no later webhook will mend them.
pub fn mutate(
    request: &Request<'_>,
    set: &PolicySet,
    namespace_labels: NamespaceLabels<'_>,
    options: Options,
) -> Decision {
    let decision = match (request.operation, &request.object, &request.old_object) {
        (Operation::Create, Some(run), _) => create::mutate(request, run, set, namespace_labels, options),
        (Operation::Update, Some(run), Some(old)) => update::mutate(request, run, old, set, namespace_labels, options),
        _ => without_object(request, set),
    };
    explain::explained(decision, request, set, options)
}

/// Whether this Run may be stored as it is, after every mutating webhook.
pub fn validate(
    request: &Request<'_>,
    set: &PolicySet,
    namespace_labels: NamespaceLabels<'_>,
    options: Options,
) -> Decision {
    let decision = match (request.operation, &request.object, &request.old_object) {
        (Operation::Create, Some(run), _) => create::validate(request, run, set, namespace_labels, options),
        (Operation::Update, Some(run), Some(old)) => update::validate(request, run, old, set, namespace_labels),
        _ => without_object(request, set),
    };
    explain::explained(decision, request, set, options)
}

/// The decision about something that cannot be judged: why, in a sentence.
///
/// Whoever creates a Root can mend it and is told; a Child, an UPDATE and a DELETE pass, since refusing them would break a pipeline under way.
/// Without a readable object a Child cannot be told from a Root, so every creation by a controller passes.
pub fn unreadable(operation: Operation, user: &User<'_>, set: &PolicySet, reason: String) -> Decision {
    let mut decision = Decision::untouched(None);
    if operation == Operation::Create && !is_controller(user, set) && !is_exempt(user, set) {
        decision.lineage = Some(Lineage::Root);
        decision.verdict = Verdict::Unreadable(reason);
    } else {
        decision.unjudged = Some("the object cannot be read");
    }
    decision
}

/// A request without the objects that its operation has; a DELETE has nothing to judge.
fn without_object(request: &Request<'_>, set: &PolicySet) -> Decision {
    match request.operation {
        Operation::Create | Operation::Update => unreadable(
            request.operation,
            &request.user,
            set,
            "the request holds no object".to_owned(),
        ),
        Operation::Delete | Operation::Connect => Decision::untouched(None),
    }
}
