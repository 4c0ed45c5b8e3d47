//! Runs every file of the fuzz corpora through the function that its fuzz target calls.
#![cfg(test)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/entry_points.rs"]
mod entry_points;

/// A target's name, which is also its folder, and its function.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 4] = [
    ("jsonpath", entry_points::jsonpath),
    ("policy_file", entry_points::policy_file),
    ("review_body", entry_points::review_body),
    ("template", entry_points::template),
];

#[test]
fn every_corpus_file_passes() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for folder in fs::read_dir(&corpora).expect("the folder of the corpora") {
        let folder = folder.expect("a corpus").path();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let files = inputs(&folder);
        let Some((_, target)) = TARGETS.iter().find(|(target, _)| *target == name) else {
            assert!(files.is_empty(), "the corpus {name} belongs to no target");
            continue;
        };
        assert!(!files.is_empty(), "the corpus {name} is empty");
        for file in files {
            // Printed only if the test fails: the last line names the input.
            println!("{}", file.display());
            target(&fs::read(&file).expect("an input"));
        }
    }
    for (name, _) in TARGETS {
        assert!(corpora.join(name).is_dir(), "the target {name} has no corpus");
    }
}

/// The files of a corpus but for the dot files, which keep an empty folder under version control.
fn inputs(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder)
        .expect("a corpus")
        .map(|entry| entry.expect("an input").path())
        .filter(|path| {
            !path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'))
        })
        .collect()
}
