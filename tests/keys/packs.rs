//! Everything that is shipped: the built-in policies and the packs that are added by hand.

use std::fs;
use std::path::Path;

use runstamp::builtin;
use runstamp::domain::policy_set::PolicySet;
use runstamp::policy_file::PolicyText;

use crate::common::{files_below, set_of};

/// The built-in policies with all the packs.
pub(crate) fn set_with_packs() -> PolicySet {
    let files = files_below(Path::new("policies/optional"), "yaml");
    assert!(files.len() >= 5, "the packs are not where they should be: {files:?}");
    let packs = files.into_iter().map(|file| PolicyText {
        name: file.display().to_string(),
        content: fs::read(&file).unwrap(),
        builtin: false,
    });
    set_of(builtin::policies().into_iter().chain(packs))
}
