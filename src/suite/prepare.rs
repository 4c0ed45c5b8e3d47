//! Reads what the cases of Suites name: policies, Runs and recorded reviews.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Value, json};

use super::coverage::{Unit, units};
use super::golden::{Golden, GoldenError};
use super::{PreparedCase, place};
use crate::domain::definition::{
    CaseDefinition, ExpectDefinition, RunDefinition, SubjectDefinition, SuiteDefinition, Text,
};
use crate::domain::pattern::{Glob, GlobError};
use crate::domain::policy_set::PolicySet;
use crate::domain::source::Span;
use crate::policy_file::{self, PolicyText, SourceFiles};
use crate::review_run::{InputError, Request, read_documents, runs_of};
use crate::store::{self, LoadError};

/// Who creates the Run of a case that does not say: nobody in particular, so that the Run is a Root.
const DEFAULT_USER: &str = "system:anonymous";

/// Something that keeps a case from being put through.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct PrepareError {
    /// The suite's file.
    pub file: String,
    /// Where in it.
    pub line: usize,
    /// What is wrong.
    #[source]
    pub reason: Reason,
}

/// What keeps a case from being put through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The policies of the suite.
    #[error("failed to load the policies of the suite: {0}")]
    Policies(#[from] LoadError),
    /// A file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A file with another number of Runs or reviews than one.
    #[error("expected one {expected} in {}, found {found}", path.display())]
    NotOne {
        /// `Run` or `AdmissionReview`.
        expected: &'static str,
        /// Which file.
        path: PathBuf,
        /// How many it holds.
        found: usize,
    },
    /// A glob.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// The file of a golden decision.
    #[error(transparent)]
    Golden(#[from] GoldenError),
    /// A suite without cases.
    #[error("expected at least one case, found none")]
    NoCase,
    /// A case without expectations.
    #[error("expected at least one expectation, found none: this case could never fail")]
    NoExpectation,
}

/// Reads everything that the cases need whose name, `SUITE: CASE`, holds the filter; `base` are the policies that every
/// suite begins with.
///
/// # Errors
/// Everything that cannot be read, of all cases.
pub fn prepare<'d>(
    suites: &'d [SuiteDefinition],
    files: &'d SourceFiles,
    base: &[PolicyText],
    filter: Option<&str>,
) -> Result<Vec<PreparedCase<'d>>, Vec<PrepareError>> {
    let mut preparation = Preparation {
        files,
        base,
        sets: HashMap::new(),
        errors: Vec::new(),
        goldens: HashSet::new(),
    };
    let mut prepared = Vec::new();
    for suite in suites {
        preparation.suite(suite, filter, &mut prepared);
    }
    if preparation.errors.is_empty() {
        Ok(prepared)
    } else {
        Err(preparation.errors)
    }
}

/// What the cases of a suite are put through.
#[derive(Debug)]
pub(super) struct SuiteSet {
    pub(super) policies: PolicySet,
    /// What of it they can exercise.
    pub(super) units: Vec<Unit>,
}

struct Preparation<'d, 'b> {
    files: &'d SourceFiles,
    base: &'b [PolicyText],
    /// By the files and folders that a suite names: most suites of a folder share theirs. `None` where they hold mistakes.
    sets: HashMap<Vec<PathBuf>, Option<Rc<SuiteSet>>>,
    errors: Vec<PrepareError>,
    /// The goldens that cases have named so far.
    goldens: HashSet<PathBuf>,
}

impl<'d> Preparation<'d, '_> {
    fn suite(&mut self, suite: &'d SuiteDefinition, filter: Option<&str>, prepared: &mut Vec<PreparedCase<'d>>) {
        if suite.cases.is_empty() {
            self.report(suite.name.span, Reason::NoCase);
        }
        let name = suite.name.value.as_str();
        let wanted: Vec<&CaseDefinition> = suite
            .cases
            .iter()
            .filter(|case| filter.is_none_or(|filter| format!("{name}: {}", case.name.value).contains(filter)))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let file = place(self.files, suite.name.span).0;
        let folder = Path::new(file).parent().unwrap_or_else(|| Path::new(""));
        let set = self.policy_set(suite, folder);
        for definition in wanted {
            self.check_expectations(definition);
            let golden = self.golden(definition, folder);
            let review = review(definition, folder).map_err(|(span, reason)| self.report(span, reason));
            if let (Ok(review), Some(set)) = (review, &set) {
                let labels = definition.namespace_labels.iter();
                prepared.push(PreparedCase {
                    suite: name,
                    definition,
                    files: self.files,
                    set: Rc::clone(set),
                    namespace_labels: labels
                        .map(|(key, value)| (key.value.clone(), value.value.clone()))
                        .collect(),
                    review,
                    golden,
                });
            }
        }
    }

    /// The golden decision that a case names, which must be its own.
    fn golden(&mut self, case: &CaseDefinition, folder: &Path) -> Option<Golden> {
        let name = case.expect.decision.as_ref()?;
        match Golden::new(folder, &name.value) {
            Ok(golden) if self.goldens.insert(golden.path().to_owned()) => Some(golden),
            Ok(golden) => {
                self.report(name.span, GoldenError::Twice(golden.path().to_owned()));
                None
            }
            Err(error) => {
                self.report(name.span, error);
                None
            }
        }
    }

    fn report(&mut self, span: Span, reason: impl Into<Reason>) {
        let (file, line) = place(self.files, span);
        self.errors.push(PrepareError {
            file: file.to_owned(),
            line,
            reason: reason.into(),
        });
    }

    fn policy_set(&mut self, suite: &SuiteDefinition, folder: &Path) -> Option<Rc<SuiteSet>> {
        let paths: Vec<PathBuf> = suite.policies.iter().map(|path| beside(folder, &path.value)).collect();
        if let Some(known) = self.sets.get(&paths) {
            return known.clone();
        }
        let loaded = policy_file::collect_texts(&paths)
            .map_err(LoadError::from)
            .and_then(|texts| {
                let texts: Vec<PolicyText> = self.base.iter().cloned().chain(texts).collect();
                let policies = store::load(texts.clone())?;
                let units = units(&policies, &texts);
                Ok(SuiteSet { policies, units })
            });
        let set = loaded.map(Rc::new).map_err(|error| {
            let place = suite.policies.first().unwrap_or(&suite.name);
            self.report(place.span, error);
        });
        self.sets.insert(paths, set.clone().ok());
        set.ok()
    }

    fn check_expectations(&mut self, case: &CaseDefinition) {
        let expect = &case.expect;
        if *expect == ExpectDefinition::default() {
            self.report(case.name.span, Reason::NoExpectation);
        }
        let lists = [&expect.removed, &expect.injected, &expect.warnings];
        let causes = expect.causes.iter().flat_map(|causes| &causes.value);
        let skipped = expect.skipped.iter().flat_map(|skipped| &skipped.value);
        let globs = expect
            .absent
            .iter()
            .chain(lists.into_iter().flatten().flat_map(|list| &list.value))
            .chain(causes.flat_map(|cause| cause.field.iter().chain(&cause.message)))
            .chain(skipped.flat_map(|skip| skip.key.iter().chain(&skip.policy).chain(&skip.reason)));
        for glob in globs {
            if let Err(error) = Glob::parse(&glob.value) {
                self.report(glob.span, error);
            }
        }
    }
}

/// A path that stands in a suite's file.
fn beside(folder: &Path, path: &str) -> PathBuf {
    if path == "." && !folder.as_os_str().is_empty() {
        folder.to_owned()
    } else {
        folder.join(path)
    }
}

type Failed = (Span, Reason);

/// The AdmissionReview of a case.
fn review(case: &CaseDefinition, folder: &Path) -> Result<Value, Failed> {
    let groups: Vec<String> = case.groups.iter().map(|group| group.value.clone()).collect();
    let (run, old) = match &case.subject {
        SubjectDefinition::Recorded(path) => return recorded_review(case, path, &groups, folder),
        SubjectDefinition::Create(run) => (run, None),
        SubjectDefinition::Update { run, old } => (run, Some(old)),
    };
    let request = Request {
        user: case.user.as_ref().map_or(DEFAULT_USER, |user| &user.value),
        groups: &groups,
        namespace: case.namespace.as_ref().map(|namespace| namespace.value.as_str()),
        old: old.map(|old| run_of(old, folder)).transpose()?,
        dry_run: false,
    };
    Ok(request.review(run_of(run, folder)?))
}

fn run_of(definition: &RunDefinition, folder: &Path) -> Result<Value, Failed> {
    match definition {
        RunDefinition::Inline(run) => Ok(run.value.clone()),
        RunDefinition::File(path) => only_one(path, "Run", folder, runs_of),
    }
}

/// A recorded review, by somebody else where the case says so.
fn recorded_review(case: &CaseDefinition, path: &Text, groups: &[String], folder: &Path) -> Result<Value, Failed> {
    let is_review = |document: &Value| document.get("kind").and_then(Value::as_str) == Some("AdmissionReview");
    let mut review = only_one(path, "AdmissionReview", folder, |document| {
        Some(document).filter(is_review).into_iter().collect()
    })?;
    let mut replace = |field: &str, value: Value| {
        if let Some(user) = review.pointer_mut("/request/userInfo").and_then(Value::as_object_mut) {
            user.insert(field.to_owned(), value);
        }
    };
    if let Some(user) = &case.user {
        replace("username", json!(user.value));
    }
    // Another user is not in the groups of the one who was recorded.
    if case.user.is_some() || !groups.is_empty() {
        replace("groups", json!(groups));
    }
    Ok(review)
}

fn only_one(
    path: &Text,
    expected: &'static str,
    folder: &Path,
    select: impl Fn(Value) -> Vec<Value>,
) -> Result<Value, Failed> {
    let file = beside(folder, &path.value);
    let documents = read_documents(&file).map_err(|error| (path.span, error.into()))?;
    let mut selected: Vec<Value> = documents.into_iter().flat_map(select).collect();
    match (selected.pop(), selected.len()) {
        (Some(only), 0) => Ok(only),
        (last, others) => {
            let found = others + usize::from(last.is_some());
            let reason = Reason::NotOne {
                expected,
                path: file,
                found,
            };
            Err((path.span, reason))
        }
    }
}
