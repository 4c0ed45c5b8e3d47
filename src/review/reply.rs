//! Writing a reply: verdict, causes, warnings and audit annotations within the limits of the API server.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64_simd::STANDARD;

use super::warnings::warnings;
use super::{Stance, Subject, Webhook};
use crate::domain::decision::{Decision, Lineage, Verdict, Violation};
use crate::domain::json_text::push_string;
use crate::domain::patch::{Operation, Patch, PatchValue};
use crate::domain::policy_set::PolicySet;
use crate::domain::schema::one_line;

/// Most causes that one refusal names; a Run has room for thousands of annotations, a reader for fewer.
const MAX_CAUSES: usize = 100;

/// The bytes of a patch of a few keys with the record of them: most are not larger.
const PATCH_ROOM: usize = 2048;

/// The bytes of most replies besides the patch.
const REPLY_ROOM: usize = 1024;

/// Longest audit annotation, in bytes.
const MAX_AUDIT_BYTES: usize = 1024;

/// Why a request is refused.
pub(super) struct Status<'a> {
    code: &'static str,
    reason: &'static str,
    message: String,
    details: Option<Details<'a>>,
}

struct Details<'a> {
    group: &'static str,
    kind: &'static str,
    name: &'a str,
    causes: Vec<StatusCause>,
}

/// One mistake of a refusal, which stands alone.
pub(super) struct StatusCause {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) message: String,
}

/// Writes the AdmissionReview, field by field: nothing is built that would then be walked again.
pub(super) fn write(
    webhook: Webhook,
    subject: &Subject<'_>,
    decision: &Decision,
    set: &PolicySet,
    stance: Stance,
) -> Vec<u8> {
    let patch = if !stance.observe && webhook == Webhook::Mutate && !decision.patch.is_empty() {
        patch_json(&decision.patch)
    } else {
        String::new()
    };
    let mut json = String::with_capacity(patch.len() / 3 * 4 + REPLY_ROOM);
    push_verdict(&mut json, &subject.uid, stance.observe || decision.is_allowed());
    if !stance.observe {
        if let Some(status) = status(subject, decision) {
            push_status(&mut json, &status);
        }
        if !patch.is_empty() {
            json.push_str(r#","patchType":"JSONPatch","patch":""#);
            STANDARD.encode_append(patch, &mut json);
            json.push('"');
        }
        push_warnings(&mut json, &warnings(decision));
    }
    push_audit_annotations(&mut json, webhook, decision, set, stance);
    json.push_str("}}");
    json.into_bytes()
}

/// The answer to a request that nothing is changed in: refused where there is a status.
pub(super) fn write_answer(uid: &str, status: Option<&Status<'_>>, warnings: &[String]) -> Vec<u8> {
    let mut json = String::with_capacity(REPLY_ROOM);
    push_verdict(&mut json, uid, status.is_none());
    if let Some(status) = status {
        push_status(&mut json, status);
    }
    push_warnings(&mut json, warnings);
    json.push_str("}}");
    json.into_bytes()
}

fn push_verdict(json: &mut String, uid: &str, is_allowed: bool) {
    json.push_str(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"#);
    push_string(json, uid);
    json.push_str(if is_allowed {
        r#","allowed":true"#
    } else {
        r#","allowed":false"#
    });
}

fn push_warnings(json: &mut String, warnings: &[String]) {
    if !warnings.is_empty() {
        json.push_str(r#","warnings":"#);
        push_list(json, warnings, |json, warning| push_string(json, warning));
    }
}

fn push_status(json: &mut String, status: &Status<'_>) {
    json.push_str(r#","status":{"status":"Failure","code":"#);
    json.push_str(status.code);
    json.push_str(r#","reason":"#);
    push_string(json, status.reason);
    json.push_str(r#","message":"#);
    push_string(json, &status.message);
    if let Some(details) = &status.details {
        json.push_str(r#","details":{"group":"#);
        push_string(json, details.group);
        json.push_str(r#","kind":"#);
        push_string(json, details.kind);
        json.push_str(r#","name":"#);
        push_string(json, details.name);
        json.push_str(r#","causes":"#);
        push_list(json, &details.causes, |json, cause| {
            json.push_str(r#"{"reason":"#);
            push_string(json, cause.reason);
            json.push_str(r#","field":"#);
            push_string(json, &cause.field);
            json.push_str(r#","message":"#);
            push_string(json, &cause.message);
            json.push('}');
        });
        json.push('}');
    }
    json.push('}');
}

fn push_list<T>(json: &mut String, items: &[T], push: impl Fn(&mut String, &T)) {
    json.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            json.push(',');
        }
        push(json, item);
    }
    json.push(']');
}

/// The operations of a patch as RFC 6902 writes them.
fn patch_json(patch: &Patch) -> String {
    let mut json = String::with_capacity(PATCH_ROOM);
    push_list(&mut json, &patch.operations, |json, operation| {
        let (op, path, value) = match operation {
            Operation::Add { path, value } => ("add", path, Some(value)),
            Operation::Replace { path, value } => ("replace", path, Some(value)),
            Operation::Remove { path } => ("remove", path, None),
        };
        json.push_str(r#"{"op":""#);
        json.push_str(op);
        json.push_str(r#"","path":"#);
        push_string(json, path);
        if let Some(value) = value {
            json.push_str(r#","value":"#);
            push_value(json, value);
        }
        json.push('}');
    });
    json
}

fn push_value(json: &mut String, value: &PatchValue) {
    match value {
        PatchValue::Text(text) => push_string(json, text),
        PatchValue::Map(map) => {
            json.push('{');
            for (position, (key, value)) in map.iter().enumerate() {
                if position > 0 {
                    json.push(',');
                }
                push_string(json, key);
                json.push(':');
                push_string(json, value);
            }
            json.push('}');
        }
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
            code: "400",
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
        code: "422",
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

/// Small, sorted, and the same when the API server calls again for the same Run, or left out:
/// it keeps the first of two differing values and logs the second.
///
/// Both configurations name their webhook alike, and the API server keeps the annotations of both under that name:
/// the verdict of `/validate` has a key of its own.
fn push_audit_annotations(json: &mut String, webhook: Webhook, decision: &Decision, set: &PolicySet, stance: Stance) {
    let verdict = match (stance.observe, decision.is_allowed()) {
        (true, true) => "Observed: Allowed",
        (true, false) => "Observed: Denied",
        (false, true) => "Allowed",
        (false, false) => "Denied",
    };
    let injected = list(decision.injected.iter().map(|injected| injected.key.as_str().into()));
    let removed = list(decision.removed.iter().map(|removed| removed.field.to_string().into()));
    let skipped = list(decision.skipped.iter().map(|skipped| skipped.field.to_string().into()));
    let changes = decision.shadow.iter().filter(|shadow| shadow.is_change());
    let shadow = list(changes.map(|shadow| format!("{} {} {}", shadow.policy, shadow.outcome, shadow.field).into()));
    let of_webhook = |its: Webhook| if webhook == its { verdict } else { "" };
    let shadow_of = |its: Webhook| if webhook == its { &*shadow } else { "" };
    let entries = [
        ("decision", of_webhook(Webhook::Mutate)),
        ("injected", &injected),
        ("lineage", decision.lineage.map_or("", Lineage::word)),
        ("policy-set", set.digest().as_str()),
        ("removed", &removed),
        ("shadow", shadow_of(Webhook::Mutate)),
        ("shadow-validation", shadow_of(Webhook::Validate)),
        ("skipped", &skipped),
        ("validation", of_webhook(Webhook::Validate)),
    ];
    json.push_str(r#","auditAnnotations":{"#);
    let entries = entries.into_iter().filter(|(_, value)| !value.is_empty());
    for (position, (key, value)) in entries.enumerate() {
        if position > 0 {
            json.push(',');
        }
        push_string(json, key);
        json.push(':');
        push_string(json, value);
    }
    json.push('}');
}

fn list<'a>(items: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut items: Vec<Cow<'a, str>> = items.collect();
    items.sort();
    items.dedup();
    let length = items.iter().map(|item| item.len() + ", ".len()).sum::<usize>();
    let mut text = String::with_capacity(length.min(MAX_AUDIT_BYTES));
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
