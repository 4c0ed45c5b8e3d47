//! docs/tutorial.md, command by command: what needs no cluster. The rest is played on a real API server, in
//! `tests/cluster/tutorial.rs`.
//!
//! `UPDATE_GOLDENS=1 cargo test --test tutorial` writes the output of the commands into it, for a person to read.
#![cfg(test)]

mod common;
#[path = "common/readme.rs"]
#[allow(dead_code, reason = "the README is played elsewhere")]
mod readme;
#[path = "common/session.rs"]
mod session;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::golden::is_update;

const TUTORIAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tutorial.md");

#[test]
fn the_tutorial_prints_what_it_shows() {
    let markdown = fs::read_to_string(TUTORIAL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let played = session::play(&markdown, folder.path(), |command| {
        (!command.contains("kubectl")).then(|| shell(command, folder.path()))
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

/// Both streams of a command, with the binary under test as `runstamp`.
fn shell(command: &str, folder: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_runstamp"));
    let mut path = binary.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", &format!("({command}) 2>&1")])
        .current_dir(folder)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
