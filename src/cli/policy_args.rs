//! The flags of every command that loads policies.

use std::path::PathBuf;

use clap::Args;

use crate::builtin;
use crate::policy_file::{self, Loaded, ReadError, SourceFiles};

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
        let builtin = if self.no_builtin {
            Vec::new()
        } else {
            builtin::policies()
        };
        Ok(policy_file::read_texts(builtin.into_iter().chain(texts)))
    }
}
