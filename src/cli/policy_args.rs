//! The flags of every command that loads policies.

use std::path::PathBuf;

use clap::Args;

use super::output;
use crate::builtin;
use crate::domain::policy_set::PolicySet;
use crate::policy_file::{self, Loaded, PolicyText, ReadError, SourceFiles};
use crate::store::{self, LoadError};

/// Which policies are loaded.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct PolicyArgs {
    /// Policy file, or directory read recursively; may be given several times
    #[arg(long, value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// Load no built-in policies
    #[arg(long)]
    no_builtin: bool,
}

impl PolicyArgs {
    /// Reads the built-in policies, those of the flags and those at further paths.
    pub(super) fn read(&self, further: &[PathBuf]) -> Result<(SourceFiles, Loaded), ReadError> {
        let paths: Vec<PathBuf> = self.policies.iter().chain(further).cloned().collect();
        let texts = policy_file::collect_texts(&paths)?;
        Ok(policy_file::read_texts(self.embedded().into_iter().chain(texts)))
    }

    /// The policy set of the flags; its mistakes are printed, since no question about Runs can be answered with them.
    pub(super) fn load(&self) -> anyhow::Result<PolicySet> {
        self.load_with(Vec::new()).map(|(set, _)| set)
    }

    /// The same with further embedded files, and the files of the flags as they stand in the set.
    pub(super) fn load_with(&self, further: Vec<PolicyText>) -> anyhow::Result<(PolicySet, Vec<PolicyText>)> {
        let texts = policy_file::collect_texts(&self.policies)?;
        let all = self.embedded().into_iter().chain(further).chain(texts.iter().cloned());
        let set = store::load(all.collect::<Vec<_>>()).map_err(|error| {
            if let LoadError::Refused { rendered, .. } = &error {
                output::print_diagnostics(rendered);
                return anyhow::anyhow!("the policies hold mistakes");
            }
            error.into()
        })?;
        Ok((set, texts))
    }

    /// The same flags with other files and directories.
    pub(super) fn at(&self, paths: &[PathBuf]) -> Self {
        Self {
            policies: paths.to_vec(),
            ..self.clone()
        }
    }

    /// Whether the built-in policies are part of the set.
    pub(super) fn wants_builtin(&self) -> bool {
        !self.no_builtin
    }

    /// The built-in policies, unless they are not wanted.
    pub(super) fn embedded(&self) -> Vec<PolicyText> {
        if self.no_builtin {
            Vec::new()
        } else {
            builtin::policies()
        }
    }

    /// The files and directories of the flags.
    pub(super) fn paths(&self) -> &[PathBuf] {
        &self.policies
    }
}
