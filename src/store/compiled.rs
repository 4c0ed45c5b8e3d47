//! Compiling everything that a policy set is made of: built-in texts, files and ConfigMaps.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::compile::compile;
use crate::domain::policy_set::PolicySet;
use crate::domain::source::{Code, Problem, Severity, Span};
use crate::policy_file::{self, ConfigMaps, Loaded, MOST_CONFIG_MAP_BYTES, PolicyText, SourceFiles, config_map_file};

/// Everything that a policy set is made of, before it is read.
#[derive(Debug, Clone, Default)]
pub struct PolicyTexts {
    /// Those embedded in the binary, then those of files and directories.
    pub own: Vec<PolicyText>,
    /// Those of ConfigMaps.
    pub config_maps: Arc<ConfigMaps>,
}

impl From<Vec<PolicyText>> for PolicyTexts {
    fn from(own: Vec<PolicyText>) -> Self {
        Self {
            own,
            config_maps: Arc::default(),
        }
    }
}

/// What came of texts.
#[derive(Debug)]
pub struct Compiled {
    /// The texts, for places of problems.
    pub files: SourceFiles,
    /// The set; `None` where anything is an error.
    pub set: Option<PolicySet>,
    /// What keeps the set from being used, in the order of the files.
    pub errors: Vec<Problem>,
    /// What somebody should look at.
    pub warnings: Vec<Problem>,
}

/// A ConfigMap among the files that were read.
struct Group {
    name: String,
    first: u32,
    beyond: u32,
}

/// Reads and compiles texts.
pub fn compile_texts(texts: PolicyTexts) -> Compiled {
    let PolicyTexts { own, config_maps } = texts;
    let own_files = 0..index(own.len());
    let expects_policies = own.iter().any(|text| !text.builtin);
    let (texts, groups, mut found) = with_config_maps(own, &config_maps);
    let (files, loaded) = policy_file::read_texts(texts);
    let occupied = occupied(&loaded, &files);
    // Files that were cut to nothing are no policies, and no reason to give up those that were in force.
    if expects_policies && occupied.range(own_files).next().is_none() {
        let problem = Problem::error(Code::NoPolicies, nowhere(), "the policy files hold no policies");
        found.push(problem.with_help("write a document of kind RunPolicy, or leave the path out"));
    }
    let explained: BTreeSet<u32> = found.iter().map(|problem| problem.span.file).collect();
    for group in groups {
        let files = group.first..group.beyond;
        if explained.range(files.clone()).next().is_some() {
            continue;
        }
        if occupied.range(files).next().is_none() {
            let message = format!("the ConfigMap {} holds no policies", group.name);
            let problem = Problem::error(Code::NoPolicies, start_of(group.first), message);
            found.push(problem.with_help("delete it, or remove its label, to take its policies away"));
        }
    }
    let compiled = compile(loaded.definitions);
    found.extend(loaded.problems);
    found.extend(compiled.problems);
    found.sort_by_key(|problem| problem.span);
    let (errors, warnings): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|problem| problem.severity == Severity::Error);
    Compiled {
        set: compiled.set.filter(|_| errors.is_empty()),
        files,
        errors,
        warnings,
    }
}

/// The texts with those of ConfigMaps behind them, and what is wrong before anything is read.
fn with_config_maps(own: Vec<PolicyText>, maps: &ConfigMaps) -> (Vec<PolicyText>, Vec<Group>, Vec<Problem>) {
    let mut texts = own;
    let mut groups = Vec::new();
    let mut found = Vec::new();
    let mut bytes = 0_usize;
    for (name, map) in maps.iter() {
        let first = index(texts.len());
        bytes = bytes.saturating_add(map.data.values().map(String::len).sum());
        if bytes > MOST_CONFIG_MAP_BYTES {
            texts.push(text(config_map_file(name, None), ""));
            let message = format!("the policies of all ConfigMaps are larger than {MOST_CONFIG_MAP_BYTES} bytes");
            found.push(Problem::error(Code::TooLarge, start_of(first), message).with_help("remove what is not needed"));
            break;
        }
        for key in &map.binary {
            let message = "expected policy files under data, found this one under binaryData";
            let problem = Problem::error(Code::NotText, start_of(index(texts.len())), message);
            found.push(problem.with_help("save it as UTF-8; kubectl puts whatever is not into binaryData"));
            texts.push(text(config_map_file(name, Some(key)), ""));
        }
        for (key, content) in &map.data {
            texts.push(text(config_map_file(name, Some(key)), content));
        }
        if map.data.is_empty() && map.binary.is_empty() {
            texts.push(text(config_map_file(name, None), ""));
        }
        groups.push(Group {
            name: name.to_owned(),
            first,
            beyond: index(texts.len()),
        });
    }
    (texts, groups, found)
}

/// The files that hold a document of a user, or a mistake that says why they do not.
fn occupied(loaded: &Loaded, files: &SourceFiles) -> BTreeSet<u32> {
    let is_builtin = |file: u32| files.get(start_of(file)).is_some_and(|file| file.builtin);
    let mut occupied = loaded.files_with_documents();
    occupied.retain(|file| !is_builtin(*file));
    occupied.extend(loaded.problems.iter().map(|problem| problem.span.file));
    occupied
}

fn text(name: String, content: &str) -> PolicyText {
    PolicyText {
        name,
        content: content.as_bytes().to_vec(),
        builtin: false,
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn start_of(file: u32) -> Span {
    Span { file, start: 0, end: 0 }
}

/// The place of a problem that stands in no file.
fn nowhere() -> Span {
    start_of(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics;
    use crate::policy_file::ConfigMapFiles;

    const POLICY: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: one}\nspec: {}\n";

    /// Name, `data`, and the keys of `binaryData`.
    type Map<'m> = (&'m str, &'m [(&'m str, &'m str)], &'m [&'m str]);

    fn compiled(own: &[&str], maps: &[Map<'_>]) -> Vec<String> {
        let mut config_maps = ConfigMaps::default();
        for (name, data, binary) in maps {
            let files = ConfigMapFiles {
                data: data
                    .iter()
                    .map(|(key, content)| ((*key).to_owned(), (*content).to_owned()))
                    .collect(),
                binary: binary.iter().map(|key| (*key).to_owned()).collect(),
            };
            config_maps.insert(*name, files);
        }
        let own = own.iter().map(|content| text("own.yaml".to_owned(), content)).collect();
        let compiled = compile_texts(PolicyTexts {
            own,
            config_maps: Arc::new(config_maps),
        });
        assert_eq!(compiled.set.is_some(), compiled.errors.is_empty());
        let errors = compiled.errors.iter();
        errors
            .map(|error| diagnostics::one_line(error, &compiled.files))
            .collect()
    }

    #[test]
    fn no_config_map_is_no_mistake() {
        assert_eq!(compiled(&[], &[]), [""; 0]);
        assert_eq!(compiled(&[POLICY], &[]), [""; 0]);
        assert_eq!(compiled(&[], &[("a", &[("p.yaml", POLICY)], &[])]), [""; 0]);
    }

    #[test]
    fn every_config_map_holds_policies() {
        let help = "delete it, or remove its label, to take its policies away";
        let nothing = |place: &str, name: &str| {
            vec![format!(
                "{place}:1:1: error[no-policies]: the ConfigMap {name} holds no policies; {help}"
            )]
        };
        let good: Map<'_> = ("b", &[("p.yaml", POLICY)], &[]);
        assert_eq!(compiled(&[], &[("a", &[], &[]), good]), nothing("configmap/a", "a"));
        assert_eq!(
            compiled(&[], &[("a", &[("x", "# gone\n"), ("y", "")], &[]), good]),
            nothing("configmap/a/x", "a")
        );
        // One file of several may be empty.
        assert_eq!(compiled(&[], &[("a", &[("x", ""), ("p.yaml", POLICY)], &[])]), [""; 0]);
        assert_eq!(
            compiled(&[""], &[good]),
            [
                "error[no-policies]: the policy files hold no policies; write a document of kind RunPolicy, or leave the path out"
            ]
        );
    }

    #[test]
    fn what_is_no_yaml_says_so() {
        let errors = compiled(&[], &[("a", &[("README.md", "# Policies\n\nRead: me: first\n")], &[])]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with("configmap/a/README.md:3:"), "{errors:?}");
        let errors = compiled(&[], &[("a", &[("p.yaml", POLICY)], &["logo.png"])]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with("configmap/a/logo.png:1:1: error[not-text]: expected policy files under data"),
            "{errors:?}"
        );
    }

    #[test]
    fn all_config_maps_together_are_bounded() {
        let large = "#".repeat(1024 * 1024 - 1);
        let names: Vec<String> = (0..17).map(|number| format!("m{number:02}")).collect();
        let files = [("p.yaml", POLICY), ("large.yaml", large.as_str())];
        let maps: Vec<Map<'_>> = (names.iter())
            .map(|name| (name.as_str(), files.as_slice(), [].as_slice()))
            .collect();
        let errors = compiled(&[], &maps);
        assert!(
            errors.iter().any(|error| error.contains("are larger than")),
            "{errors:?}"
        );
    }
}
