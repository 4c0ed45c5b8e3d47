//! Files that hold what is expected: a case is a file, its golden lies beside it with the ending `txt`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether what is found is to be written for a person to read, instead of compared.
pub(crate) fn is_update() -> bool {
    env::var_os("UPDATE_GOLDENS").is_some_and(|value| value == "1")
}

/// Compares with the golden file, or writes it; says whether they agree, and on standard error where they do not.
#[must_use]
pub(crate) fn agrees_with_golden(path: &Path, found: &str) -> bool {
    if is_update() {
        fs::write(path, found).unwrap();
        return true;
    }
    let golden = fs::read_to_string(path).unwrap_or_default();
    if golden != found {
        eprintln!(
            "--- {}: expected\n{golden}\n--- found (UPDATE_GOLDENS=1 writes it; read it then)\n{found}",
            path.display()
        );
    }
    golden == found
}

/// The cases of a folder, in order: everything but goldens.
pub(crate) fn cases(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "txt"))
        .collect();
    cases.sort();
    cases
}
