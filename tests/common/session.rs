//! Plays a document from its first line to its last: files are written where they are shown, commands are run where they stand.

use std::fs;
use std::path::Path;

use crate::console::masked;
use crate::readme::{blocks, exchanges};

/// What came of a document.
pub(crate) struct Played {
    /// The document with what the commands print now.
    pub(crate) rewritten: String,
    /// Where that is something else than the document says.
    pub(crate) differences: Vec<String>,
    /// How many commands were run.
    pub(crate) commands: usize,
}

/// Plays a document in a folder. `run` says what a command prints; nothing where it is not to be run here.
pub(crate) fn play(markdown: &str, folder: &Path, mut run: impl FnMut(&str) -> Option<String>) -> Played {
    let mut lines: Vec<String> = Vec::new();
    let source: Vec<&str> = markdown.lines().collect();
    let mut copied = 0;
    let mut played = Played {
        rewritten: String::new(),
        differences: Vec::new(),
        commands: 0,
    };
    for block in blocks(markdown) {
        if let Some(name) = &block.file {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &block.text).unwrap();
        }
        if block.language != "console" {
            continue;
        }
        lines.extend(source[copied..block.lines.start].iter().map(|line| (*line).to_owned()));
        copied = block.lines.end;
        for exchange in exchanges(&block) {
            let printed = match run(&exchange.command) {
                Some(printed) => {
                    played.commands += 1;
                    canonical(&printed)
                }
                None => exchange.output.clone(),
            };
            if printed != exchange.output {
                played.differences.push(format!(
                    "$ {}\n--- the document\n{}--- printed\n{printed}",
                    exchange.command, exchange.output
                ));
            }
            lines.extend(exchange.written.lines().chain(printed.lines()).map(str::to_owned));
        }
    }
    lines.extend(source[copied..].iter().map(|line| (*line).to_owned()));
    played.rewritten = format!("{}\n", lines.join("\n"));
    played
}

/// What differs from one run to the next, made the same: digests, names that the API server makes up, how much a server logs, and when.
fn canonical(output: &str) -> String {
    let masks = [
        (r"(?m)^\d+ lines from ", "212 lines from "),
        (
            r"from 20[0-9T:.-]+Z to 20[0-9T:.-]+Z",
            "from 2026-11-16T08:00:00Z to 2026-11-23T17:30:00Z",
        ),
        (r"sha256:[0-9a-f]{64}", "sha256:…"),
        (r"\bship-[a-z0-9]{5}\b", "ship-x7k2q"),
    ];
    masked(output, &masks)
}
