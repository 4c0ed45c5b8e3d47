//! Writing a reply: verdict, causes, warnings and audit annotations within the limits of the API server.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::{Stance, Subject, Webhook};
use crate::domain::decision::{Decision, Verdict, Violation};
use crate::domain::policy_set::PolicySet;
use crate::domain::schema::one_line;
use crate::domain::words::Reaction;

/// Longest warning, in characters; longer ones may be cut by clients (`k8s.io/api/admission/v1`, `AdmissionResponse.warnings`).
const MAX_WARNING_CHARS: usize = 256;

/// Most characters of all warnings together, by the same source.
const MAX_WARNINGS_CHARS: usize = 4096;

/// Most causes that one refusal names; a Run has room for thousands of annotations, a reader for fewer.
const MAX_CAUSES: usize = 100;

/// The bytes of a patch of a few keys with the record of them: most are not larger.
const PATCH_ROOM: usize = 2048;

/// The bytes of most replies besides the patch.
const REPLY_ROOM: usize = 1024;

/// Longest audit annotation, in bytes.
const MAX_AUDIT_BYTES: usize = 1024;

#[derive(Serialize)]
struct Review<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, Cow<'a, str>>,
}

/// Why a request is refused.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    status: &'static str,
    code: u16,
    reason: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    group: &'static str,
    kind: &'static str,
    name: &'a str,
    causes: Vec<StatusCause>,
}

/// One mistake of a refusal, which stands alone.
#[derive(Serialize)]
pub(super) struct StatusCause {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) message: String,
}

pub(super) fn write(
    webhook: Webhook,
    subject: &Subject<'_>,
    decision: &Decision,
    set: &PolicySet,
    stance: Stance,
) -> Vec<u8> {
    let mut response = Response {
        uid: &subject.uid,
        allowed: true,
        status: None,
        patch_type: None,
        patch: None,
        warnings: Vec::new(),
        audit_annotations: audit_annotations(webhook, decision, set, stance),
    };
    if !stance.observe {
        response.allowed = decision.is_allowed();
        response.status = status(subject, decision);
        response.warnings = warnings(decision);
        if webhook == Webhook::Mutate && !decision.patch.is_empty() {
            // Strings and maps of strings always serialise.
            let mut json = Vec::with_capacity(PATCH_ROOM);
            let written = serde_json::to_writer(&mut json, &decision.patch);
            response.patch = written.ok().map(|()| STANDARD.encode(json));
            response.patch_type = response.patch.as_ref().map(|_| "JSONPatch");
        }
    }
    write_response(response)
}

/// The answer to a request that nothing is changed in: refused where there is a status.
pub(super) fn write_answer(uid: &str, status: Option<Status<'_>>, warnings: Vec<String>) -> Vec<u8> {
    write_response(Response {
        uid,
        allowed: status.is_none(),
        status,
        patch_type: None,
        patch: None,
        warnings,
        audit_annotations: BTreeMap::new(),
    })
}

fn write_response(response: Response<'_>) -> Vec<u8> {
    let review = Review {
        api_version: "admission.k8s.io/v1",
        kind: "AdmissionReview",
        response,
    };
    let patch = review.response.patch.as_ref().map_or(0, String::len);
    let mut body = Vec::with_capacity(patch + REPLY_ROOM);
    match serde_json::to_writer(&mut body, &review) {
        Ok(()) => body,
        Err(_) => Vec::new(),
    }
}

/// What a cause says on its own, ending with who says so: kubectl shows nothing else.
pub fn cause_text(violation: &Violation) -> String {
    let mut text = violation.cause.message.clone();
    if let Some(suggestion) = &violation.cause.suggestion {
        // Writing to a string cannot fail.
        let _ = write!(text, "; did you mean \"{suggestion}\"?");
    }
    match violation.author.describe() {
        Some(author) => {
            let _ = write!(text, " (runstamp: {author})");
        }
        None => text.push_str(" (runstamp)"),
    }
    text
}

fn status<'a>(subject: &'a Subject<'_>, decision: &Decision) -> Option<Status<'a>> {
    match &decision.verdict {
        Verdict::Allowed => None,
        Verdict::Unreadable(reason) => Some(Status {
            status: "Failure",
            code: 400,
            reason: "BadRequest",
            message: format!("runstamp cannot judge this request: {reason}"),
            details: None,
        }),
        Verdict::Refused => Some(refusal(subject, decision)),
    }
}

fn refusal<'a>(subject: &'a Subject<'_>, decision: &Decision) -> Status<'a> {
    let kind = subject.kind.map_or("", |kind| kind.word());
    let causes = decision.causes().map(|violation| StatusCause {
        reason: violation.cause.kind.reason(),
        field: violation.cause.field.to_string(),
        message: cause_text(violation),
    });
    invalid("tekton.dev", kind, &subject.name, causes, decision.causes().count())
}

/// A refusal because of mistakes, of which there are `count`.
pub(super) fn invalid<'a>(
    group: &'static str,
    kind: &'static str,
    name: &'a str,
    causes: impl Iterator<Item = StatusCause>,
    count: usize,
) -> Status<'a> {
    let mut causes: Vec<StatusCause> = causes.take(MAX_CAUSES).collect();
    if count > causes.len() {
        causes.push(StatusCause {
            reason: "FieldValueInvalid",
            field: "metadata".to_owned(),
            message: format!("{} more mistakes are not shown (runstamp)", count - causes.len()),
        });
    }
    // Nobody has checked the name yet: mutating webhooks are called before the API server's own validation.
    let mut message = format!("runstamp refused {kind} \"{}\"", one_line(name));
    match causes.as_slice() {
        [only] => {
            let _ = write!(message, ": {}: {}", only.field, only.message);
        }
        all => {
            let _ = write!(message, " because of {count} mistakes:");
            for cause in all {
                let _ = write!(message, "\n- {}: {}", cause.field, cause.message);
            }
        }
    }
    Status {
        status: "Failure",
        code: 422,
        reason: "Invalid",
        message,
        details: Some(Details {
            group,
            kind,
            name,
            causes,
        }),
    }
}

/// What the client sees besides the verdict. A Child's creator is a controller, whose log nobody reads: its decisions hold neither.
pub fn warnings(decision: &Decision) -> Vec<String> {
    let violations = decision
        .violations
        .iter()
        .filter(|violation| violation.reaction == Reaction::Warn);
    let violations = violations.map(|violation| format!("{}: {}", violation.cause.field, cause_text(violation)));
    let trace = decision
        .trace
        .iter()
        .flat_map(|trace| trace.events.iter().map(ToString::to_string));
    fit_warnings(decision.notices.iter().cloned().chain(violations).chain(trace))
}

/// Warnings within the limits of the API server, and a word about those that are not.
pub(super) fn fit_warnings(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut room = MAX_WARNINGS_CHARS;
    let mut left_out = 0_usize;
    for text in texts {
        let warning = one_warning(&text);
        let length = warning.chars().count();
        // The last line keeps its room, so that a reader learns that something is missing.
        if length + MAX_WARNING_CHARS > room {
            left_out += 1;
            continue;
        }
        room -= length;
        warnings.push(warning);
    }
    if left_out > 0 {
        warnings.push(format!("{left_out} more warnings are not shown (runstamp)"));
    }
    warnings
}

/// One line within the limit: the API server silently drops a warning that holds a line break.
fn one_warning(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if line.chars().count() <= MAX_WARNING_CHARS {
        return line;
    }
    let mut short: String = line.chars().take(MAX_WARNING_CHARS - 1).collect();
    short.push('…');
    short
}

/// Small, sorted, and the same when the API server calls again for the same Run, or left out:
/// it keeps the first of two differing values and logs the second.
///
/// Both configurations name their webhook alike, and the API server keeps the annotations of both under that name:
/// the verdict of `/validate` has a key of its own.
fn audit_annotations<'a>(
    webhook: Webhook,
    decision: &'a Decision,
    set: &'a PolicySet,
    stance: Stance,
) -> BTreeMap<&'static str, Cow<'a, str>> {
    let mut annotations = BTreeMap::new();
    let verdict = if decision.is_allowed() { "Allowed" } else { "Denied" };
    let verdict = if stance.observe {
        Cow::Owned(format!("Observed: {verdict}"))
    } else {
        Cow::Borrowed(verdict)
    };
    let key = if webhook == Webhook::Mutate {
        "decision"
    } else {
        "validation"
    };
    annotations.insert(key, verdict);
    annotations.insert("policy-set", set.digest().as_str().into());
    if let Some(lineage) = decision.lineage {
        annotations.insert("lineage", lineage.word().into());
    }
    let removed = decision.removed.iter().map(|removed| removed.field.to_string().into());
    let injected = decision.injected.iter().map(|injected| injected.key.as_str().into());
    let skipped = decision.skipped.iter().map(|skipped| skipped.field.to_string().into());
    for (key, list) in [
        ("removed", list(removed)),
        ("injected", list(injected)),
        ("skipped", list(skipped)),
    ] {
        if !list.is_empty() {
            annotations.insert(key, list.into());
        }
    }
    annotations
}

fn list<'a>(items: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut items: Vec<Cow<'a, str>> = items.collect();
    items.sort();
    items.dedup();
    let mut text = String::new();
    for (position, item) in items.iter().enumerate() {
        if text.len() + item.len() > MAX_AUDIT_BYTES {
            let _ = write!(text, " and {} more", items.len() - position);
            break;
        }
        if position > 0 {
            text.push_str(", ");
        }
        text.push_str(item);
    }
    text
}
