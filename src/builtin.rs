//! The policy files that are embedded in the binary.

use include_dir::{Dir, include_dir};

use crate::policy_file::PolicyText;

static BUILTIN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies/builtin");
static STARTER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies/starter");

/// The Integrations, TriggerSources and Settings that every policy set begins with.
pub fn policies() -> Vec<PolicyText> {
    texts(&BUILTIN, "builtin", true)
}

/// The RunPolicies that a new installation begins with; a user's own documents, not built-in ones.
pub fn starter() -> Vec<PolicyText> {
    texts(&STARTER, "starter", false)
}

/// The policy files of an embedded folder, sorted by path; Suites' Runs and their like are in folders of their own.
fn texts(folder: &Dir<'static>, name: &str, builtin: bool) -> Vec<PolicyText> {
    let mut texts: Vec<PolicyText> = folder
        .files()
        .filter(|file| file.path().extension().is_some_and(|ending| ending == "yaml"))
        .map(|file| PolicyText {
            name: format!("{name}/{}", file.path().display()),
            content: file.contents().to_vec(),
            builtin,
        })
        .collect();
    texts.sort_by(|one, other| one.name.cmp(&other.name));
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{Style, render};
    use crate::policy_file::read_texts;

    #[test]
    fn embedded_files_read_without_a_problem() {
        let (files, loaded) = read_texts(policies().into_iter().chain(starter()));
        let problems: String = loaded
            .problems
            .iter()
            .map(|problem| render(problem, &files, Style::Plain))
            .collect();
        assert_eq!(problems, "");
        assert_eq!(loaded.suites, [], "the Suites of the policies are not embedded");
    }
}
