//! The trace as data: one object a line, told apart by `event`, with the line as people read it in `text`.

use serde_json::{Value, json};

use crate::domain::schema::{credential_in, quoted};
use crate::domain::trace::{Event, Origin, Trace};

/// The lines of a trace for programs.
pub(super) fn explanation(trace: &Trace) -> Vec<Value> {
    trace.events.iter().map(record).collect()
}

fn record(event: &Event) -> Value {
    let mut record = details(event);
    if let Some(fields) = record.as_object_mut() {
        fields.insert("event".to_owned(), event.word().into());
        fields.insert("text".to_owned(), event.to_string().into());
    }
    record
}

fn details(event: &Event) -> Value {
    match event {
        Event::Lineage { lineage, reason } => json!({"lineage": lineage, "reason": reason}),
        Event::Copied { evidence } => json!({"evidence": evidence}),
        Event::SourceSilent {
            source,
            expected,
            found,
        } => json!({"source": **source, "expected": expected, "found": found}),
        Event::FactFound {
            fact,
            source,
            from,
            value,
        } => json!({"fact": fact, "source": **source, "from": from, "value": shown(value)}),
        Event::FactRefused {
            fact,
            source,
            from,
            reason,
        } => json!({"fact": fact, "source": **source, "from": from, "reason": reason}),
        Event::FactAbsent { fact, looked, follows } => {
            let looked = looked.iter();
            let looked: Vec<Value> = looked
                .map(|(source, fields)| json!({"source": **source, "fields": fields}))
                .collect();
            let follows = follows
                .as_ref()
                .map(|(fact, value)| json!({"fact": fact, "value": value.as_deref().map(shown)}));
            json!({"fact": fact, "looked": looked, "follows": follows})
        }
        Event::PolicyMatched { policy } => json!({"policy": **policy}),
        Event::PolicySkipped {
            policy,
            condition,
            expected,
            found,
        } => json!({"policy": **policy, "condition": condition, "expected": expected, "found": found}),
        Event::KeyInjected {
            policy,
            field,
            value,
            shadow,
            origins,
        } => {
            let origins: Vec<Value> = origins.iter().map(origin).collect();
            json!({"policy": **policy, "field": field, "value": shown(value), "shadow": shadow, "origins": origins})
        }
        Event::KeySatisfied { policy, field, value } => {
            json!({"policy": **policy, "field": field, "value": shown(value)})
        }
        Event::KeySkipped { policy, field, reason } => json!({"policy": **policy, "field": field, "reason": reason}),
    }
}

fn origin(origin: &Origin) -> Value {
    json!({"reference": origin.reference, "value": shown(&origin.value), "from": origin.from})
}

/// A value as it is, unless it holds a credential: explanations are pasted into tickets.
fn shown(value: &str) -> String {
    match credential_in(value) {
        Some(_) => quoted(value),
        None => value.to_owned(),
    }
}
