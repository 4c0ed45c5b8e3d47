//! What the engine says to a question: the decision about each Run, or every mistake that keeps it from being made.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::question::{Question, Sender, says_something};
use crate::builtin;
use crate::diagnostics::Record;
use crate::domain::policy_set::PolicySet;
use crate::policy_file::PolicyText;
use crate::report::Report;
use crate::review_run::{
    Request, ReviewRunError, SyntaxError, diff, documents, is_run, parse_label, put_through, reviews_of,
};
use crate::store::compile_texts;

/// Runs that one question may hold: more than anybody reads on a page.
const MOST_RUNS: usize = 50;

/// Who sends a Run where nobody is named, as for `runstamp review`.
const NOBODY: &str = "system:anonymous";

/// What the page shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Mistakes and warnings of the policies, in the order of the files.
    pub problems: Vec<Record>,
    /// What keeps the other inputs from being used.
    pub mistakes: Vec<Mistake>,
    /// Digest of the policy set; absent where the policies hold a mistake.
    pub policy_set: Option<String>,
    /// The decisions, in the order of the Runs; empty where anything is wrong.
    pub runs: Vec<ReviewedRun>,
}

/// Something wrong with an input that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Which input: `run`, `old`, `namespaceLabels`, `packs`.
    pub place: &'static str,
    /// What was expected and found.
    pub message: String,
    /// Its line, from 1, where it has one.
    pub line: Option<u64>,
    /// Its character in the line, from 1.
    pub column: Option<u64>,
}

/// A decision about a Run.
#[derive(Debug, Serialize)]
pub struct ReviewedRun {
    /// What `runstamp review -o json --explain` prints.
    pub decision: Report,
    /// What `runstamp review` prints before that.
    pub diff: String,
}

/// Asks the engine.
pub fn answer(question: &Question) -> Answer {
    let mut mistakes = Vec::new();
    let texts = policy_texts(question, &mut mistakes);
    let compiled = compile_texts(texts.into());
    let problems = compiled.errors.iter().chain(&compiled.warnings);
    let mut problems: Vec<_> = problems.collect();
    problems.sort_by_key(|problem| problem.span);
    let problems = problems
        .into_iter()
        .map(|problem| Record::new(problem, &compiled.files))
        .collect();
    // Both texts are looked at, so that all mistakes are seen at once.
    let reviews = reviews(question, &mut mistakes);
    let labels = labels(&question.sender, &mut mistakes);
    let runs = match &compiled.set {
        Some(set) if mistakes.is_empty() => decide(&reviews, set, labels.as_ref(), &mut mistakes),
        _ => Vec::new(),
    };
    Answer {
        problems,
        mistakes,
        policy_set: compiled.set.map(|set| set.digest().to_string()),
        runs,
    }
}

fn policy_texts(question: &Question, mistakes: &mut Vec<Mistake>) -> Vec<PolicyText> {
    let mut texts = if question.builtin {
        builtin::policies()
    } else {
        Vec::new()
    };
    let packs = builtin::packs();
    for name in &question.packs {
        match packs.iter().find(|pack| pack.name == name) {
            Some(pack) => texts.extend(pack.texts()),
            None => {
                let known: Vec<&str> = packs.iter().map(|pack| pack.name).collect();
                let message = format!("expected packs ({}), found one that is not shipped", known.join(", "));
                mistakes.push(Mistake::new("packs", message));
            }
        }
    }
    texts.extend(question.policies.iter().filter_map(|file| file.to_policy_text()));
    texts
}

/// The reviews that the Runs come in; none where something is wrong with them.
fn reviews(question: &Question, mistakes: &mut Vec<Mistake>) -> Vec<Value> {
    let Sender {
        user,
        groups,
        update,
        old,
        namespace,
        namespace_labels: _,
        dry_run,
    } = &question.sender;
    let old = update.then(|| old_run(old, mistakes)).flatten();
    let request = Request {
        user: if user.is_empty() { NOBODY } else { user },
        groups,
        namespace: Some(namespace.as_str()).filter(|namespace| !namespace.is_empty()),
        old,
        dry_run: *dry_run,
    };
    if !says_something(&question.run) {
        return Vec::new();
    }
    let found = match documents(&question.run) {
        Ok(found) => found,
        Err(error) => {
            mistakes.push(Mistake::of_syntax("run", &error));
            return Vec::new();
        }
    };
    let reviews = reviews_of(found, &request);
    if reviews.is_empty() {
        let message = "expected a PipelineRun, TaskRun, CustomRun or AdmissionReview, found none";
        mistakes.push(Mistake::new("run", message));
    }
    if reviews.len() > MOST_RUNS {
        let message = format!("expected at most {MOST_RUNS} Runs, found {}", reviews.len());
        mistakes.push(Mistake::new("run", message));
    }
    reviews
}

fn old_run(text: &str, mistakes: &mut Vec<Mistake>) -> Option<Value> {
    match documents(text) {
        Ok(found) => {
            let run = found.into_iter().find(is_run);
            if run.is_none() {
                mistakes.push(Mistake::new("old", "expected the Run as it was before, found none"));
            }
            run
        }
        Err(error) => {
            mistakes.push(Mistake::of_syntax("old", &error));
            None
        }
    }
}

/// The labels of the namespace; nothing where none are given, which is not to know them.
fn labels(sender: &Sender, mistakes: &mut Vec<Mistake>) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for text in &sender.namespace_labels {
        match parse_label(text) {
            Ok((key, value)) => {
                labels.insert(key, value);
            }
            Err(message) => mistakes.push(Mistake::new("namespaceLabels", message)),
        }
    }
    (!labels.is_empty()).then_some(labels)
}

fn decide(
    reviews: &[Value],
    set: &PolicySet,
    labels: Option<&BTreeMap<String, String>>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<ReviewedRun> {
    let decided: Result<Vec<ReviewedRun>, String> =
        reviews.iter().map(|review| decide_one(review, set, labels)).collect();
    decided.unwrap_or_else(|message| {
        mistakes.push(Mistake::new("run", message));
        Vec::new()
    })
}

fn decide_one(
    review: &Value,
    set: &PolicySet,
    labels: Option<&BTreeMap<String, String>>,
) -> Result<ReviewedRun, String> {
    let (decision, before) =
        put_through(review, set, labels, true).map_err(|error: ReviewRunError| error.to_string())?;
    let diff = diff(&before, &decision.object).map_err(|error| format!("failed to write the Run as YAML: {error}"))?;
    Ok(ReviewedRun { decision, diff })
}

impl Mistake {
    fn new(place: &'static str, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
            line: None,
            column: None,
        }
    }

    fn of_syntax(place: &'static str, error: &SyntaxError) -> Self {
        let location = error.location();
        let message = error.without_snippet().to_string();
        // The place is told beside the message.
        let told = location.map(|place| format!(" at line {}, column {}", place.line(), place.column()));
        let message = told
            .as_ref()
            .and_then(|told| message.strip_suffix(told))
            .unwrap_or(&message);
        Self {
            place,
            message: message.to_owned(),
            line: location.map(|location| location.line()),
            column: location.map(|location| location.column()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "{apiVersion: tekton.dev/v1, kind: PipelineRun, metadata: {name: a}}\n";

    fn question(run: &str) -> Question {
        Question {
            run: run.to_owned(),
            ..Question::default()
        }
    }

    /// The mistakes as `place:line:column: message`.
    #[track_caller]
    fn check(question: &Question, expected: &[&str]) {
        let answer = answer(question);
        let found: Vec<String> = (answer.mistakes.iter())
            .map(|mistake| {
                let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
                let Mistake {
                    place,
                    message,
                    line,
                    column,
                } = mistake;
                format!("{place}:{}:{}: {message}", number(*line), number(*column))
            })
            .collect();
        assert_eq!(found, expected);
        assert!(answer.runs.is_empty() || found.is_empty());
    }

    #[test]
    fn a_run_that_cannot_be_read_says_where() {
        check(
            &question("kind: PipelineRun\nmetadata:\n  name: [x\n  a: 1\n"),
            &["run:4:4: illegal placement of ':' indicator"],
        );
        check(
            &question("{\"kind\": \"PipelineRun\","),
            &["run:1:1: unclosed bracket '{'"],
        );
        check(&question(&format!("{RUN}---\nb: \"x\n")), &["run:3:4: unclosed quote"]);
        check(
            &question("kind: Pod\n"),
            &["run:-:-: expected a PipelineRun, TaskRun, CustomRun or AdmissionReview, found none"],
        );
        check(&question(""), &[]);
        check(&question(RUN), &[]);
    }

    #[test]
    fn there_is_an_end_to_what_one_question_holds() {
        let most = format!("---\n{RUN}").repeat(MOST_RUNS);
        assert_eq!(answer(&question(&most)).runs.len(), MOST_RUNS);
        check(
            &question(&format!("{most}---\n{RUN}")),
            &["run:-:-: expected at most 50 Runs, found 51"],
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let mut question = question("a: [");
        question.packs = vec!["openshft".to_owned()];
        question.sender = Sender {
            update: true,
            old: "kind: Pod".to_owned(),
            namespace_labels: vec!["team=web".to_owned(), "env".to_owned()],
            ..Sender::default()
        };
        let found: Vec<&str> = answer(&question).mistakes.iter().map(|mistake| mistake.place).collect();
        assert_eq!(found, ["packs", "old", "run", "namespaceLabels"]);
    }
}
