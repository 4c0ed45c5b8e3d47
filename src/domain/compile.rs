//! STUB: takes the place of the compiler of policy sets until it is there; take theirs when merging.

use sha2::{Digest as _, Sha256};

use super::definition::Definitions;
use super::policy_set::{Digest, PolicySet};
use super::settings::Settings;
use super::source::Problem;

/// What compiling comes to.
#[derive(Debug)]
pub struct Compilation {
    /// The set, unless there are errors.
    pub set: Option<PolicySet>,
    /// Every mistake.
    pub problems: Vec<Problem>,
}

/// Compiles definitions.
pub fn compile(definitions: Definitions) -> Compilation {
    let digest = Sha256::digest(format!("{definitions:?}"));
    let text = digest
        .iter()
        .fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    Compilation {
        set: Some(PolicySet::new(
            Vec::new(),
            Vec::new(),
            Vec::new(),
            Settings::default(),
            Digest::new(text),
        )),
        problems: Vec::new(),
    }
}
