//! Compares what came out of a case with what was expected.

use serde_json::Value;

use crate::domain::definition::{ExpectDefinition, ExpectedCause, ExpectedSkip, Text};
use crate::domain::pattern::Glob;
use crate::domain::schema::quoted;
use crate::domain::source::{Located, Span};
use crate::report::{CauseReport, Report, Skip};

/// An expectation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) expectation: String,
    pub(super) span: Span,
    pub(super) expected: String,
    pub(super) found: String,
}

/// Every expectation that does not hold, in the order of the documentation.
pub(super) fn compare(expect: &ExpectDefinition, report: &Report) -> Vec<Mismatch> {
    let mut comparison = Comparison::default();
    comparison.word("allowed", &expect.allowed, report.allowed, ToString::to_string);
    let lineage = expect
        .lineage
        .as_ref()
        .map(|lineage| Located::new(lineage.value.word(), lineage.span));
    comparison.word("lineage", &lineage, report.lineage.unwrap_or("none"), |word| {
        (*word).to_owned()
    });
    comparison.word("copied", &expect.copied, report.copied, ToString::to_string);
    for (map, expected) in [("annotations", &expect.annotations), ("labels", &expect.labels)] {
        for (key, value) in expected {
            comparison.value(map, key, value, report);
        }
    }
    for glob in &expect.absent {
        comparison.absence(glob, report);
    }
    let removed = report
        .removed
        .iter()
        .map(|removal| removal.key.as_ref().unwrap_or(&removal.field));
    comparison.globs("removed", &expect.removed, removed);
    for (fact, value) in &expect.facts {
        comparison.fact(fact, value, report);
    }
    comparison.globs(
        "injected",
        &expect.injected,
        report.injected.iter().map(|injection| &injection.key),
    );
    if let Some(skipped) = &expect.skipped {
        let shown = |skip: &Skip| format!("{} (policy {}): {}", skip.key, skip.policy, skip.reason);
        comparison.items("skipped", skipped, &report.skipped, is_expected_skip, shown, |skip| {
            let reason = glob_text(&skip.reason);
            let wanted = format!(
                "{} (policy {}): {reason}",
                glob_text(&skip.key),
                glob_text(&skip.policy)
            );
            (skip.span, wanted)
        });
    }
    comparison.globs("warnings", &expect.warnings, report.warnings.iter());
    if let Some(causes) = &expect.causes {
        let shown = |cause: &CauseReport| format!("{}: {}", cause.field, cause.text);
        comparison.items("causes", causes, &report.causes, is_expected, shown, |cause| {
            let wanted = format!("{}: {}", glob_text(&cause.field), glob_text(&cause.message));
            (cause.span, wanted)
        });
    }
    comparison.mismatches
}

#[derive(Default)]
struct Comparison {
    mismatches: Vec<Mismatch>,
}

impl Comparison {
    fn report(&mut self, expectation: impl Into<String>, span: Span, expected: String, found: String) {
        self.mismatches.push(Mismatch {
            expectation: expectation.into(),
            span,
            expected,
            found,
        });
    }

    /// A word that is expected as it is.
    fn word<T: PartialEq>(&mut self, name: &str, expected: &Option<Located<T>>, found: T, word: fn(&T) -> String) {
        if let Some(expected) = expected.as_ref().filter(|expected| expected.value != found) {
            self.report(name, expected.span, word(&expected.value), word(&found));
        }
    }

    /// An annotation or label of the Run as it is admitted.
    fn value(&mut self, map: &str, key: &Text, expected: &Text, report: &Report) {
        let found = entries(&report.object, map).find(|(found, _)| **found == key.value);
        if found.is_some_and(|(_, value)| value.as_str() == Some(&expected.value)) {
            return;
        }
        let found = match found {
            Some((_, Value::String(value))) => quoted(value),
            Some((_, value)) => value.to_string(),
            None if report.allowed => "none".to_owned(),
            None => "the Run is refused".to_owned(),
        };
        self.report(
            format!("{map}[{}]", key.value),
            expected.span,
            quoted(&expected.value),
            found,
        );
    }

    /// Keys and finalizers that the Run must not have when it is admitted.
    fn absence(&mut self, glob: &Text, report: &Report) {
        let expectation = format!("absent[{}]", glob.value);
        let expected = "none".to_owned();
        if !report.allowed {
            return self.report(expectation, glob.span, expected, "the Run is refused".to_owned());
        }
        let keys = ["annotations", "labels"].into_iter().flat_map(|map| {
            entries(&report.object, map).map(move |(key, _)| (format!("metadata.{map}[{key}]"), key.as_str()))
        });
        let finalizers = report.object.pointer("/metadata/finalizers").and_then(Value::as_array);
        let finalizers = finalizers.into_iter().flatten().filter_map(Value::as_str);
        let finalizers = finalizers.map(|name| (format!("metadata.finalizers[{name}]"), name));
        let found: Vec<String> = keys
            .chain(finalizers)
            .filter(|(_, key)| matches(&glob.value, key))
            .map(|(field, _)| field)
            .collect();
        if !found.is_empty() {
            self.report(expectation, glob.span, expected, found.join("\n"));
        }
    }

    /// Each glob stands for one of the texts at least, and every text is meant by one of the globs.
    fn globs<'t>(
        &mut self,
        name: &str,
        expected: &Option<Located<Vec<Text>>>,
        found: impl Iterator<Item = &'t String> + Clone,
    ) {
        let Some(expected) = expected else { return };
        for glob in &expected.value {
            if !found.clone().any(|text| matches(&glob.value, text)) {
                self.report(name, glob.span, glob.value.clone(), lines(found.clone().cloned()));
            }
        }
        let surplus = found.filter(|text| !expected.value.iter().any(|glob| matches(&glob.value, text)));
        let surplus: Vec<String> = surplus.cloned().collect();
        if !surplus.is_empty() {
            let nothing = if expected.value.is_empty() { "none" } else { "no others" };
            self.report(name, expected.span, nothing.to_owned(), lines(surplus.into_iter()));
        }
    }

    /// A fact of the trigger; an empty value expects that it is not known.
    fn fact(&mut self, fact: &Text, expected: &Text, report: &Report) {
        let found = report.facts.get(&fact.value).and_then(|found| found.get("value"));
        let found = found.and_then(Value::as_str);
        if found.unwrap_or_default() == expected.value {
            return;
        }
        let shown = |value: &str| {
            if value.is_empty() {
                "none".to_owned()
            } else {
                quoted(value)
            }
        };
        self.report(
            format!("facts[{}]", fact.value),
            expected.span,
            shown(&expected.value),
            shown(found.unwrap_or_default()),
        );
    }

    /// As with other lists: each expectation stands for one item at least, and every item is expected.
    fn items<E, F>(
        &mut self,
        name: &str,
        expected: &Located<Vec<E>>,
        found: &[F],
        agrees: fn(&E, &F) -> bool,
        shown: impl Fn(&F) -> String,
        wanted: impl Fn(&E) -> (Span, String),
    ) {
        for item in &expected.value {
            if !found.iter().any(|found| agrees(item, found)) {
                let (span, wanted) = wanted(item);
                self.report(name, span, wanted, lines(found.iter().map(&shown)));
            }
        }
        let is_surplus = |found: &&F| !expected.value.iter().any(|item| agrees(item, found));
        let surplus: Vec<String> = found.iter().filter(is_surplus).map(&shown).collect();
        if !surplus.is_empty() {
            let nothing = if expected.value.is_empty() { "none" } else { "no others" };
            self.report(name, expected.span, nothing.to_owned(), lines(surplus.into_iter()));
        }
    }
}

/// The message may be expected as programs see it, or as clients do: with suggestion and author.
fn is_expected(expected: &ExpectedCause, found: &CauseReport) -> bool {
    holds(&expected.field, &[&found.field]) && holds(&expected.message, &[&found.message, &found.text])
}

fn is_expected_skip(expected: &ExpectedSkip, found: &Skip) -> bool {
    holds(&expected.key, &[&found.key])
        && holds(&expected.policy, &[&found.policy])
        && holds(&expected.reason, &[&found.reason])
}

/// What is not written is not checked.
fn holds(glob: &Option<Text>, texts: &[&str]) -> bool {
    glob.as_ref()
        .is_none_or(|glob| texts.iter().any(|text| matches(&glob.value, text)))
}

fn glob_text(glob: &Option<Text>) -> &str {
    glob.as_ref().map_or("*", |glob| &glob.value)
}

/// Globs that are none have been reported before anything was compared.
fn matches(glob: &str, text: &str) -> bool {
    Glob::parse(glob).is_ok_and(|glob| glob.matches(text))
}

fn lines(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() {
        "none".to_owned()
    } else {
        texts.join("\n")
    }
}

/// The annotations or labels of an object.
fn entries<'o>(object: &'o Value, map: &str) -> impl Iterator<Item = (&'o String, &'o Value)> {
    let entries = object.get("metadata").and_then(|metadata| metadata.get(map));
    entries.and_then(Value::as_object).into_iter().flatten()
}
