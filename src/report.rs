//! The decision about a Run for people and programs: what `/mutate` and then `/validate` made of it.

mod explanation;
mod shadow;

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::domain::decision::{Decision, Verdict, Violation};
use crate::domain::schema::quoted;
use crate::review::{cause_text, warnings};

pub use self::shadow::ShadowReport;

/// What the API server would do with a Run: the contract of `review -o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    api_version: &'static str,
    kind: &'static str,
    /// Which Run.
    pub run: RunName,
    /// The verdict of both webhooks.
    pub allowed: bool,
    /// `Root`, `Child`, `Mirror`, or null where nothing was judged.
    pub lineage: Option<&'static str>,
    /// Whether the Run is a copy.
    pub copied: bool,
    /// What tells that it is one.
    pub copy_evidence: Vec<String>,
    /// What is taken away.
    pub removed: Vec<Removal>,
    /// The trigger context by fact.
    pub facts: serde_json::Map<String, Value>,
    /// What policies put in.
    pub injected: Vec<Injection>,
    /// What policies left out, and why.
    pub skipped: Vec<Skip>,
    /// What policies in Shadow mode would have done, by both webhooks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ShadowReport>,
    /// Why the Run is refused.
    pub causes: Vec<CauseReport>,
    /// What the client sees besides.
    pub warnings: Vec<String>,
    /// The patch of `/mutate`.
    pub patch: Value,
    /// The Run as it would be admitted; null where it is refused.
    pub object: Value,
    /// Digest of the policy set.
    pub policy_set: String,
    /// Why and why not, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Vec<String>>,
    /// The same as data, line by line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Vec<Value>>,
}

/// Which Run is spoken of.
#[derive(Debug, Serialize)]
pub struct RunName {
    /// `PipelineRun`, `TaskRun`, `CustomRun`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name, or `<generateName>*`.
    pub name: String,
}

/// Something taken away.
#[derive(Debug, Serialize)]
pub struct Removal {
    /// Where it stood.
    pub field: String,
    /// The key or finalizer, where it was one.
    #[serde(skip)]
    pub key: Option<String>,
    /// The integration whose it was.
    pub integration: Option<String>,
    /// Why it went.
    pub reason: &'static str,
}

/// Something put in.
#[derive(Debug, Serialize)]
pub struct Injection {
    /// Where it stands.
    pub field: String,
    /// Its key.
    #[serde(skip)]
    pub key: String,
    /// The value.
    pub value: String,
    /// The policy.
    pub policy: String,
}

/// Something left out.
#[derive(Debug, Serialize)]
pub struct Skip {
    /// Where it would stand.
    pub field: String,
    /// Its key.
    #[serde(skip)]
    pub key: String,
    /// The policy.
    pub policy: String,
    /// Why.
    pub reason: String,
}

/// A mistake.
#[derive(Debug, Serialize)]
pub struct CauseReport {
    /// The cause type of Kubernetes.
    pub reason: &'static str,
    /// Where.
    pub field: String,
    /// What was expected and found.
    pub message: String,
    /// The integration that says so.
    pub integration: Option<String>,
    /// The policy that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The likely fix.
    pub suggestion: Option<String>,
    /// The mistake as a client sees it.
    #[serde(skip)]
    pub text: String,
}

/// A fact of the trigger context.
#[derive(Debug, Serialize)]
struct FactValue<'d> {
    value: &'d str,
    source: &'d str,
    from: &'d str,
    trusted: bool,
}

/// What both webhooks decided, with the object that the first one made.
#[derive(Debug)]
pub struct Outcome<'d> {
    /// Of `/mutate`.
    pub mutated: &'d Decision,
    /// Of `/validate`; absent where `/mutate` refused.
    pub validated: Option<&'d Decision>,
    /// The object after `/mutate`.
    pub object: Value,
}

impl Report {
    /// Puts both decisions together.
    pub fn new(run: RunName, outcome: Outcome<'_>, policy_set: String) -> Self {
        let Outcome {
            mutated,
            validated,
            object,
        } = outcome;
        let decisions = || std::iter::once(mutated).chain(validated);
        let allowed = decisions().all(Decision::is_allowed);
        let mut causes: Vec<CauseReport> = Vec::new();
        let mut all_warnings: Vec<String> = Vec::new();
        for decision in decisions() {
            for cause in causes_of(decision) {
                if !causes
                    .iter()
                    .any(|known| known.field == cause.field && known.text == cause.text)
                {
                    causes.push(cause);
                }
            }
            for warning in warnings(decision) {
                if !all_warnings.contains(&warning) {
                    all_warnings.push(warning);
                }
            }
        }
        Self {
            api_version: "runstamp.dev/v1alpha1",
            kind: "Decision",
            run,
            allowed,
            lineage: mutated.lineage.map(|lineage| lineage.word()),
            copied: mutated.is_copy(),
            copy_evidence: mutated.copy_evidence.iter().map(ToString::to_string).collect(),
            removed: removals(mutated),
            facts: facts(mutated),
            injected: injections(mutated),
            skipped: skips(mutated),
            shadow: decisions()
                .flat_map(|decision| &decision.shadow)
                .map(shadow::report)
                .collect(),
            causes,
            warnings: all_warnings,
            patch: serde_json::to_value(&mutated.patch).unwrap_or_default(),
            object: if allowed { object } else { Value::Null },
            policy_set,
            trace: None,
            explanation: None,
        }
    }

    /// Adds the trace.
    #[must_use]
    pub fn with_trace(mut self, decision: &Decision) -> Self {
        self.trace = decision
            .trace
            .as_ref()
            .map(|trace| trace.events.iter().map(ToString::to_string).collect());
        self.explanation = decision.trace.as_ref().map(explanation::explanation);
        self
    }

    /// The decision for people, without the Run itself.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, text: &mut String) -> std::fmt::Result {
        let RunName { kind, namespace, name } = &self.run;
        let verdict = if self.allowed { "allowed" } else { "refused" };
        let lineage = self.lineage.map(|lineage| format!(" as {lineage}")).unwrap_or_default();
        let copy = if self.copied { ", a copy of another Run" } else { "" };
        writeln!(text, "{kind} {namespace}/{name}: {verdict}{lineage}{copy}")?;
        for cause in &self.causes {
            writeln!(text, "  refused   {}: {}", cause.field, cause.text)?;
        }
        for warning in &self.warnings {
            writeln!(text, "  warning   {warning}")?;
        }
        for removal in &self.removed {
            let whose = removal
                .integration
                .as_deref()
                .map(|name| format!(", integration {name}"))
                .unwrap_or_default();
            writeln!(text, "  removed   {} ({}{whose})", removal.field, removal.reason)?;
        }
        for injection in &self.injected {
            writeln!(
                text,
                "  injected  {} = {} (policy {})",
                injection.field,
                quoted(&injection.value),
                injection.policy
            )?;
        }
        for skip in &self.skipped {
            writeln!(
                text,
                "  left out  {} (policy {}): {}",
                skip.field, skip.policy, skip.reason
            )?;
        }
        for shadow in self.shadow.iter().filter(|shadow| shadow.is_change) {
            writeln!(text, "  shadow    {}", shadow.text())?;
        }
        for line in self.trace.iter().flatten() {
            writeln!(text, "  trace     {line}")?;
        }
        Ok(())
    }
}

fn removals(decision: &Decision) -> Vec<Removal> {
    let removed = decision.removed.iter();
    removed
        .map(|removed| Removal {
            field: removed.field.to_string(),
            key: removed.field.last_key().map(str::to_owned),
            integration: removed.author.integration().map(str::to_owned),
            reason: removed.reason.word(),
        })
        .collect()
}

fn injections(decision: &Decision) -> Vec<Injection> {
    let injected = decision.injected.iter();
    injected
        .map(|injected| Injection {
            field: crate::domain::integration::field_of(injected.place, &injected.key).to_string(),
            key: injected.key.clone(),
            value: injected.value.clone(),
            policy: injected.policy.to_string(),
        })
        .collect()
}

fn skips(decision: &Decision) -> Vec<Skip> {
    let skipped = decision.skipped.iter();
    skipped
        .map(|skipped| Skip {
            field: skipped.field.to_string(),
            key: skipped.field.last_key().unwrap_or_default().to_owned(),
            policy: skipped.policy.to_string(),
            reason: skipped.reason.clone(),
        })
        .collect()
}

fn facts(decision: &Decision) -> serde_json::Map<String, Value> {
    let facts = decision.facts.iter();
    facts
        .map(|fact| {
            let value = FactValue {
                value: &fact.value,
                source: &fact.source,
                from: &fact.from,
                trusted: fact.trusted,
            };
            (
                fact.fact.word().to_owned(),
                serde_json::to_value(value).unwrap_or_default(),
            )
        })
        .collect()
}

fn causes_of(decision: &Decision) -> Vec<CauseReport> {
    if let Verdict::Unreadable(reason) = &decision.verdict {
        return vec![CauseReport {
            reason: "FieldValueInvalid",
            field: "object".to_owned(),
            message: reason.clone(),
            integration: None,
            policy: None,
            suggestion: None,
            text: format!("{reason} (runstamp)"),
        }];
    }
    decision.causes().map(cause).collect()
}

fn cause(violation: &Violation) -> CauseReport {
    let cause = &violation.cause;
    CauseReport {
        reason: cause.kind.reason(),
        field: cause.field.to_string(),
        message: cause.message.clone(),
        integration: violation.author.integration().map(str::to_owned),
        policy: violation.author.policy().map(str::to_owned),
        suggestion: cause.suggestion.clone(),
        text: cause_text(violation),
    }
}
