//! The flags of every command that loads policies.

use std::path::PathBuf;

use clap::Args;

use crate::builtin;
use crate::policy_file::{self, Loaded, PolicyText, ReadError, SourceFiles};

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
