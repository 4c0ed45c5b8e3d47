//! Policy files as definitions: YAML or JSON in, every document and every mistake out, each with its place.
//!
//! Nothing here compiles a policy: a pattern is still text, a key may be misspelt.

mod builder;
mod config_maps;
mod document;
mod fields;
mod inline;
mod integration;
mod keys;
mod paths;
pub(crate) mod problems;
mod run_policy;
mod scalar;
mod schema;
mod settings;
mod source_files;
mod suite;
mod syntax;
mod tree;
mod trigger_source;
mod values;

use std::collections::BTreeSet;
use std::path::PathBuf;

pub use self::config_maps::{ConfigMapFiles, ConfigMaps, MOST_CONFIG_MAP_BYTES, config_map_file};
pub use self::paths::{Failure, ReadError};
pub use self::source_files::{Position, SourceFile, SourceFiles};

use self::problems::Problems;
use crate::domain::definition::{Definitions, SuiteDefinition};
use crate::domain::source::{Code, Problem, Span};

/// Bytes of one file; a ConfigMap holds no more.
pub const LARGEST_FILE: usize = 1024 * 1024;

/// A policy file before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyText {
    /// The path as the user would write it.
    pub name: String,
    /// What stands in it.
    pub content: Vec<u8>,
    /// Whether it is embedded in the binary.
    pub builtin: bool,
}

/// What stands in a set of policy files.
#[derive(Debug, Default, PartialEq)]
pub struct Loaded {
    /// The policies.
    pub definitions: Definitions,
    /// The tests beside them.
    pub suites: Vec<SuiteDefinition>,
    /// Every mistake, in the order of files and places.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// The files that hold any document; Suites count.
    pub fn files_with_documents(&self) -> BTreeSet<u32> {
        let Definitions {
            integrations,
            trigger_sources,
            run_policies,
            settings,
        } = &self.definitions;
        let names = (integrations.iter().map(|document| &document.header.name))
            .chain(trigger_sources.iter().map(|document| &document.header.name))
            .chain(run_policies.iter().map(|document| &document.header.name))
            .chain(settings.iter().map(|document| &document.header.name))
            .chain(self.suites.iter().map(|suite| &suite.name));
        names.map(|name| name.span.file).collect()
    }
}

/// Reads files and directories; `Err` if a path cannot be read at all.
pub fn read_paths(paths: &[PathBuf]) -> Result<(SourceFiles, Loaded), ReadError> {
    Ok(read_texts(collect_texts(paths)?))
}

/// The texts of files and directories, for sets that other texts belong to as well.
pub fn collect_texts(paths: &[PathBuf]) -> Result<Vec<PolicyText>, ReadError> {
    paths::collect(paths)
}

/// Reads texts from wherever they come.
pub fn read_texts(texts: impl IntoIterator<Item = PolicyText>) -> (SourceFiles, Loaded) {
    let mut files = SourceFiles::default();
    let mut loaded = Loaded::default();
    for text in texts {
        read_text(text, &mut files, &mut loaded);
    }
    (files, loaded)
}

fn read_text(text: PolicyText, files: &mut SourceFiles, loaded: &mut Loaded) {
    let PolicyText { name, content, builtin } = text;
    if content.len() > LARGEST_FILE {
        let file = files.add(name, String::new(), builtin);
        let message = format!("this file is larger than {LARGEST_FILE} bytes");
        let problem = Problem::error(Code::TooLarge, Span { file, start: 0, end: 0 }, message);
        loaded.problems.push(problem.with_help("split it"));
        return;
    }
    let text = match String::from_utf8(content) {
        Ok(text) => text,
        Err(error) => {
            let valid = u32::try_from(error.utf8_error().valid_up_to()).unwrap_or(u32::MAX);
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let file = files.add(name, lossy, builtin);
            let span = Span {
                file,
                start: valid,
                end: valid.saturating_add(1),
            };
            let problem = Problem::error(Code::NotText, span, "this file is not UTF-8 from here on");
            loaded.problems.push(problem.with_help("save it as UTF-8"));
            return;
        }
    };
    let file = files.add(name, text, builtin);
    let mut problems = Problems::default();
    if let Some(source) = files.get(Span { file, start: 0, end: 0 }) {
        tree::read_documents(&source.text, file, &mut problems, |root, soft, problems| {
            document::read(root, soft, builtin, loaded, problems);
        });
    }
    let mut problems = problems.into_list();
    problems.sort_by_key(|problem| problem.span);
    loaded.problems.extend(problems);
}

#[cfg(test)]
mod tests;
