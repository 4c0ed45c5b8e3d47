//! Where results and errors go, and in which form.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;

use crate::diagnostics::Style;

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Colours if stdout is a terminal and `NO_COLOR` is absent or empty.
pub(super) fn stdout_style() -> Style {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !refused {
        Style::Coloured
    } else {
        Style::Plain
    }
}

/// Prints results; a reader that has seen enough and closed the pipe is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("failed to write to stdout"),
    }
}

/// Prints diagnostics that stop a command, before the error that says so.
pub(super) fn print_diagnostics(rendered: &str) {
    let _ = writeln!(io::stderr().lock(), "{rendered}");
}

/// Prints why a question could not be answered; there is nobody left to tell if that fails.
pub(super) fn print_error(error: &anyhow::Error) {
    let _ = writeln!(io::stderr().lock(), "error: {error:#}");
}

/// Writes a file beside its place and moves it there, so that nobody ever reads half of it.
pub(super) fn write_atomically(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(name);
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        // Created with its permissions: a key must not be readable even for a moment.
        let mut file = options.write(true).create_new(true).mode(mode).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| {
        // Half a file is no use to anybody; that it could not be written is the error to report.
        let _ = fs::remove_file(&beside);
        format!("failed to write {}", path.display())
    })
}
