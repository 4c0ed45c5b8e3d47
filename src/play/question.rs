//! What the page asks: the texts as they stand in it, and who sends the Run.

use serde::Deserialize;

use crate::policy_file::PolicyText;

/// One question.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Question {
    /// The policy files.
    pub policies: Vec<PolicyFile>,
    /// Names of the shipped packs that are loaded besides.
    pub packs: Vec<String>,
    /// Whether the built-in policies are loaded.
    pub builtin: bool,
    /// Runs or recorded AdmissionReviews, YAML or JSON, several documents.
    pub run: String,
    /// Who sends the Run, and how.
    pub sender: Sender,
}

/// A policy file of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// What diagnostics call it.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// What a review says besides the Run; `runstamp review` has flags for it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Sender {
    /// Name of the user; empty is nobody in particular.
    pub user: String,
    /// Groups of the user.
    pub groups: Vec<String>,
    /// Whether this is an UPDATE of the Run in `old`.
    pub update: bool,
    /// The Run before an UPDATE.
    pub old: String,
    /// Instead of the namespace that the Run names; empty is that one.
    pub namespace: String,
    /// Labels of the namespace, each `KEY=VALUE`.
    pub namespace_labels: Vec<String>,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            policies: Vec::new(),
            packs: Vec::new(),
            builtin: true,
            run: String::new(),
            sender: Sender::default(),
        }
    }
}

impl PolicyFile {
    /// The file as the policy reader takes it; nothing where nothing stands in it yet.
    pub(super) fn to_policy_text(&self) -> Option<PolicyText> {
        says_something(&self.text).then(|| PolicyText {
            name: self.name.clone(),
            content: self.text.clone().into_bytes(),
            builtin: false,
        })
    }
}

/// Whether anything but comments stands in a text, which is how one begins.
pub(super) fn says_something(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        let is_nothing = line.is_empty() || line.starts_with('#') || line == "---";
        !is_nothing
    })
}
