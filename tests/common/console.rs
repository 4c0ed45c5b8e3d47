//! Commands as a reader of the documents types them, and what they print.

use std::env;
use std::path::Path;
use std::process::Command;

use regex::Regex;

/// Both streams of a command, run in a folder; programs are looked for in `programs` first.
pub(crate) fn shell(command: &str, folder: &Path, programs: &Path, environment: &[(&str, &Path)]) -> String {
    let mut path = programs.as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", &format!("({command}) 2>&1")])
        .current_dir(folder)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The folder in which the binary under test is `runstamp`.
pub(crate) fn built_programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_runstamp")).parent().unwrap()
}

/// What differs from one time to the next, made the same: each pattern by what stands beside it, in turn.
pub(crate) fn masked(output: &str, masks: &[(&str, &str)]) -> String {
    let masked = masks.iter().fold(output.to_owned(), |text, (pattern, replacement)| {
        Regex::new(pattern)
            .unwrap()
            .replace_all(&text, *replacement)
            .into_owned()
    });
    // Editors and Git remove white space at the ends of lines.
    masked.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
