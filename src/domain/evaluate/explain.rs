//! What a trace says before anything else: who stands behind the Run, and whether it is a copy.

use crate::domain::decision::{Decision, Lineage};
use crate::domain::lineage::is_controller;
use crate::domain::policy_set::PolicySet;
use crate::domain::request::{Operation, Options, Request};
use crate::domain::schema::quoted;
use crate::domain::trace::Event;

/// The decision with the head of its trace, where anybody asked for one.
///
/// It is written last, so that a decision does not depend on whether it is explained; and of a Run that nothing is injected into it is
/// all that there is.
pub(super) fn explained(mut decision: Decision, request: &Request<'_>, set: &PolicySet, options: Options) -> Decision {
    if !options.explain {
        return decision;
    }
    let mut head = vec![match decision.lineage {
        Some(lineage) => Event::Lineage {
            lineage: Some(lineage.word()),
            reason: why(lineage, request, set),
        },
        None => Event::Lineage {
            lineage: None,
            reason: not_judged_as_new(request.operation).to_owned(),
        },
    }];
    if decision.is_copy() && decision.lineage == Some(Lineage::Root) {
        let evidence = decision.copy_evidence.iter().map(ToString::to_string).collect();
        head.push(Event::Copied { evidence });
    }
    let trace = decision.trace.get_or_insert_default();
    trace.events.splice(0..0, head);
    decision
}

fn why(lineage: Lineage, request: &Request<'_>, set: &PolicySet) -> String {
    let user = quoted(&request.user.name);
    match lineage {
        Lineage::Root if is_controller(&request.user, set) => {
            format!("user {user} is a pipelines controller, but no PipelineRun owns the Run as its controller")
        }
        Lineage::Root => format!("user {user} is neither a pipelines controller nor exempt"),
        Lineage::Child => {
            format!("user {user} is a pipelines controller, and a Run owns this one: nothing is injected or refused")
        }
        Lineage::Mirror if set.settings.exempt.contains(&request.user.name) => {
            format!("user {user} is exempt by Settings: it is left as it is")
        }
        Lineage::Mirror => format!("a group of user {user} is exempt by Settings: it is left as it is"),
    }
}

fn not_judged_as_new(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "this request could not be judged",
        Operation::Update => "this is an UPDATE: nothing is injected, and only what it changes is judged",
        Operation::Delete | Operation::Connect => "this request creates and changes no Run: nothing is judged",
    }
}
