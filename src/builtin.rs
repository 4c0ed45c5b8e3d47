//! The policy files that are embedded in the binary.

use include_dir::{Dir, include_dir};

use crate::policy_file::PolicyText;

static BUILTIN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies/builtin");
static STARTER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies/starter");
static OPTIONAL: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies/optional");

/// A folder of shipped policies that are loaded only where somebody wants them.
#[derive(Debug, Clone, Copy)]
pub struct Pack {
    /// Its name: that of its folder.
    pub name: &'static str,
    folder: &'static Dir<'static>,
}

impl Pack {
    /// Its files; a user's own documents, not built-in ones.
    pub fn texts(&self) -> Vec<PolicyText> {
        texts(self.folder, self.name, false)
    }
}

/// The starter policies, and then the optional ones by name.
pub fn packs() -> Vec<Pack> {
    let optional = OPTIONAL.dirs().filter_map(|folder| {
        let name = folder.path().file_name()?.to_str()?;
        Some(Pack { name, folder })
    });
    let mut packs: Vec<Pack> = optional.collect();
    packs.sort_by_key(|pack| pack.name);
    packs.insert(
        0,
        Pack {
            name: "starter",
            folder: &STARTER,
        },
    );
    packs
}

/// The Integrations, TriggerSources and Settings that every policy set begins with.
pub fn policies() -> Vec<PolicyText> {
    texts(&BUILTIN, "builtin", true)
}

/// The RunPolicies that a new installation begins with; a user's own documents, not built-in ones.
pub fn starter() -> Vec<PolicyText> {
    texts(&STARTER, "starter", false)
}

/// The policy files of an embedded folder, sorted by path; Suites' Runs and their like are in folders of their own.
fn texts(folder: &'static Dir<'static>, name: &str, builtin: bool) -> Vec<PolicyText> {
    let mut texts: Vec<PolicyText> = folder
        .files()
        .filter(|file| file.path().extension().is_some_and(|ending| ending == "yaml"))
        .map(|file| PolicyText {
            name: format!("{name}/{}", file.path().file_name().unwrap_or_default().display()),
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

    #[test]
    fn every_pack_reads_without_a_problem() {
        let packs = packs();
        let names: Vec<&str> = packs.iter().map(|pack| pack.name).collect();
        assert_eq!(names, ["starter", "konflux", "multikueue", "openshift"]);
        for pack in packs {
            let texts = pack.texts();
            let is_named = |text: &PolicyText| text.name.matches('/').count() == 1 && text.name.starts_with(pack.name);
            assert!(!texts.is_empty() && texts.iter().all(is_named), "{texts:?}");
            let (_, loaded) = read_texts(texts);
            assert_eq!(loaded.problems, [], "{}", pack.name);
        }
    }
}
