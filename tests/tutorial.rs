//! docs/tutorial.md, command by command: what needs no cluster. The rest is played on a real API server, in
//! `tests/cluster/tutorial.rs`.
//!
//! `UPDATE_GOLDENS=1 cargo test --test tutorial` writes the output of the commands into it, for a person to read.
#![cfg(test)]

mod common;
#[path = "common/console.rs"]
mod console;
#[path = "common/readme.rs"]
#[allow(dead_code, reason = "the README is played elsewhere")]
mod readme;
#[path = "common/session.rs"]
mod session;

use std::fs;

use common::golden::is_update;
use console::{built_programs, shell};

const TUTORIAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tutorial.md");

#[test]
fn the_tutorial_prints_what_it_shows() {
    let markdown = fs::read_to_string(TUTORIAL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let played = session::play(&markdown, folder.path(), |command| {
        (!command.contains("kubectl")).then(|| shell(command, folder.path(), built_programs(), &[]))
    });
    assert!(played.commands >= 12, "{}", played.commands);
    if is_update() {
        fs::write(TUTORIAL, played.rewritten).unwrap();
        return;
    }
    assert!(
        played.differences.is_empty(),
        "UPDATE_GOLDENS=1 writes what is printed into the document\n{}",
        played.differences.join("\n")
    );
}
