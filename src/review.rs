//! AdmissionReview on the wire: borrowed requests in, replies out. The only place that knows its shape.
//!
//! Source: `k8s.io/api/admission/v1`; what the API server demands of a reply: `k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`.

mod config_map;
mod reply;
mod warnings;
mod wire;

use std::borrow::Cow;

pub use config_map::{ConfigMapReview, POLICIES_LABEL, POLICIES_VALUE, answer_config_map, read_config_map};
pub use reply::cause_text;
pub use warnings::warnings;

use crate::domain::decision::{Decision, Verdict};
use crate::domain::evaluate;
use crate::domain::policy_set::PolicySet;
use crate::domain::request::{ObjectText, Operation, Options, Request, User};
use crate::domain::run::{CowStr, Metadata, Run};
use crate::domain::words::RunKind;
use crate::namespaces::Labels;

/// The annotation with which a dry run asks for the trace.
const EXPLAIN: &str = "runstamp.dev/explain";

/// Finds the labels of a namespace; `None` where it is not known.
pub type LabelsOf<'l> = &'l dyn Fn(&str) -> Option<Labels>;
/// The label that names the EventListener which a Run was created for.
const EVENT_LISTENER: &str = "triggers.tekton.dev/eventlistener";

/// The annotation, and the label, that names the Repository which a Run was created for.
const REPOSITORY: &str = "pipelinesascode.tekton.dev/repository";

/// Which of the two webhooks was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Webhook {
    /// `/mutate`
    Mutate,
    /// `/validate`
    Validate,
}

/// How the server stands to the decisions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stance {
    /// Decide and count, but change and refuse nothing.
    pub observe: bool,
    /// Judge everything in `/mutate`, for clusters that register only that.
    pub mutate_only: bool,
}

/// What is asked, for logs and metrics.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Uid of the request.
    pub uid: Cow<'a, str>,
    /// Kind of Run, where it is one.
    pub kind: Option<RunKind>,
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT`; empty where the request says something else.
    pub operation: &'static str,
    /// Namespace of the request.
    pub namespace: Cow<'a, str>,
    /// `metadata.name`, or `<generateName>*` where there is none yet.
    pub name: Cow<'a, str>,
    /// Name of the user.
    pub user: Cow<'a, str>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// Where the Run comes from, as far as the request says.
    pub origin: Origin<'a>,
}

/// Where a Run comes from: what is told when nobody hears the answer.
#[derive(Debug, Default)]
pub struct Origin<'a> {
    /// Uid of the user, as the API server has authenticated them; empty where it does not say.
    pub user_uid: Cow<'a, str>,
    /// The EventListener that the Run names. Triggers writes that label, and so can anybody else.
    pub event_listener: Option<Cow<'a, str>>,
    /// The Repository that the Run names. Pipelines-as-Code writes that annotation, and so can anybody else.
    pub repository: Option<Cow<'a, str>>,
}

impl<'a> Origin<'a> {
    fn read(&mut self, metadata: &Metadata<'a>) {
        self.event_listener = metadata.labels().get_borrowed(EVENT_LISTENER);
        // The label holds only the end of a long name.
        let repository = metadata.annotations().get_borrowed(REPOSITORY);
        self.repository = repository.or_else(|| metadata.labels().get_borrowed(REPOSITORY));
    }
}

/// The reply to one review.
#[derive(Debug)]
pub struct Reply<'a> {
    /// The AdmissionReview as JSON.
    pub body: Vec<u8>,
    /// What was asked.
    pub subject: Subject<'a>,
    /// What was decided, for logs and metrics.
    pub decision: Decision,
    /// `allow`, `patch`, `deny`, `unreadable` or `unjudged`: the label of the metric.
    pub outcome: &'static str,
}

/// The body is no AdmissionReview: HTTP 400 with this line.
#[derive(Debug, thiserror::Error)]
#[error("not an AdmissionReview: {0}")]
pub struct NotAReview(pub String);

/// Answers one call of the API server: body bytes in, body bytes out.
///
/// # Errors
/// When the body is no AdmissionReview of `admission.k8s.io/v1` with a uid.
pub fn answer<'a>(webhook: Webhook, body: &'a [u8], set: &PolicySet, stance: Stance) -> Result<Reply<'a>, NotAReview> {
    answer_with(webhook, body, set, stance, &|_| None)
}

/// The same where the labels of namespaces are known.
///
/// # Errors
/// When the body is no AdmissionReview of `admission.k8s.io/v1` with a uid.
pub fn answer_with<'a>(
    webhook: Webhook,
    body: &'a [u8],
    set: &PolicySet,
    stance: Stance,
    namespaces: LabelsOf<'_>,
) -> Result<Reply<'a>, NotAReview> {
    let options = Options {
        judge_all_in_mutate: stance.mutate_only,
        explain: false,
    };
    let (subject, decision) = decide_with(webhook, body, set, namespaces, options)?;
    let body = reply::write(webhook, &subject, &decision, set, stance);
    let outcome = match (&decision.verdict, decision.unjudged) {
        (Verdict::Unreadable(_), _) => "unreadable",
        (Verdict::Refused, _) => "deny",
        (Verdict::Allowed, Some(_)) => "unjudged",
        (Verdict::Allowed, None) if decision.patch.is_empty() => "allow",
        (Verdict::Allowed, None) => "patch",
    };
    Ok(Reply {
        body,
        subject,
        decision,
        outcome,
    })
}

/// Decides about one review without writing a reply.
///
/// # Errors
/// When the body is no AdmissionReview of `admission.k8s.io/v1` with a uid.
pub fn decide<'a>(
    webhook: Webhook,
    body: &'a [u8],
    set: &PolicySet,
    options: Options,
) -> Result<(Subject<'a>, Decision), NotAReview> {
    decide_with(webhook, body, set, &|_| None, options)
}

/// Decides about one review where the labels of namespaces are known.
///
/// # Errors
/// When the body is no AdmissionReview of `admission.k8s.io/v1` with a uid.
pub fn decide_with<'a>(
    webhook: Webhook,
    body: &'a [u8],
    set: &PolicySet,
    namespaces: LabelsOf<'_>,
    mut options: Options,
) -> Result<(Subject<'a>, Decision), NotAReview> {
    let text = std::str::from_utf8(body).map_err(|error| NotAReview(format!("the body is not UTF-8: {error}")))?;
    let wire = wire::read(text)?;
    let kind = wire.run_kind();
    let operation = wire.operation();
    let mut subject = Subject {
        uid: wire.uid.0,
        kind,
        operation: operation.map_or("", Operation::word),
        namespace: wire.namespace.unwrap_or_default().0,
        name: wire.name.unwrap_or_default().0,
        user: wire.user.name,
        dry_run: wire.dry_run,
        origin: Origin {
            user_uid: wire.user_uid.0,
            ..Origin::default()
        },
    };
    let user = User {
        name: subject.user.clone(),
        groups: wire.user.groups,
    };
    let Some(operation) = operation else {
        return Ok((subject, unjudged("the operation is none that a Run knows")));
    };
    if wire.sub_resource.is_some_and(|sub_resource| !sub_resource.is_empty()) {
        return Ok((subject, unjudged("the request is about a subresource")));
    }
    let (object, old_object) = match wire.objects {
        Ok(objects) => objects,
        Err(reason) => return Ok((subject, evaluate::unreadable(operation, &user, set, reason))),
    };
    let Some(kind) = kind else {
        let reason = "the object is no PipelineRun, TaskRun or CustomRun of tekton.dev".to_owned();
        return Ok((subject, evaluate::unreadable(operation, &user, set, reason)));
    };
    if let Some(run) = &object {
        subject.origin.read(&run.metadata);
        // `/validate` would only repeat the beginning of what `/mutate` has told.
        options.explain |=
            webhook == Webhook::Mutate && subject.dry_run && run.metadata.annotations().get(EXPLAIN) == Some("true");
        if subject.name.is_empty() {
            subject.name = Cow::Owned(run.metadata.display_name().into_owned());
        }
    }
    let request = Request {
        operation,
        kind,
        namespace: subject.namespace.clone(),
        user,
        object,
        old_object,
        object_text: ObjectText {
            text,
            locate: wire::locate_object,
        },
    };
    // Most policy sets ask for none.
    let labels = if set.selects_namespaces() {
        namespaces(&request.namespace)
    } else {
        None
    };
    let namespace_labels = labels.as_deref();
    let decision = match webhook {
        Webhook::Mutate => evaluate::mutate(&request, set, namespace_labels, options),
        Webhook::Validate => evaluate::validate(&request, set, namespace_labels, options),
    };
    Ok((subject, decision))
}

fn unjudged(reason: &'static str) -> Decision {
    let mut decision = Decision::untouched(None);
    decision.unjudged = Some(reason);
    decision
}

/// The two versions of a Run that a request may hold; a Run is large, and moved from hand to hand until it is judged.
type Objects<'a> = (Option<Box<Run<'a>>>, Option<Box<Run<'a>>>);

/// A string, or nothing.
type MaybeText<'a> = Option<CowStr<'a>>;
