//! `runstamp man`: manual pages, made of what `--help` says.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Arguments, Verdict, output};
use crate::domain::suggest::nearest;

const EXAMPLE: &str = "\
Examples:
  runstamp man | man -l -
  runstamp man review | man -l -
  runstamp man --dir ~/.local/share/man/man1

Exit code 0: printed or written; 2: there is no such command, or a file cannot be written.";

/// Print a manual page, or write all of them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct ManArgs {
    /// Command whose page is printed; without one, that of runstamp itself
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints a page, or writes all of them.
pub(super) fn run(arguments: &ManArgs) -> anyhow::Result<Verdict> {
    let commands = commands();
    if let Some(dir) = &arguments.dir {
        write_all(&commands, dir)?;
    } else {
        output::print(&page(find(&commands, &arguments.command)?)?)?;
    }
    Ok(Verdict::Fine)
}

/// The command line and everything below it, each with the words before it.
fn commands() -> Vec<Command> {
    fn collect(command: &Command, all: &mut Vec<Command>) {
        all.push(command.clone());
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            collect(below, all);
        }
    }
    // Help is an option of every command; a page about it would say nothing.
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    let mut all = Vec::new();
    collect(&root, &mut all);
    all
}

fn find<'c>(commands: &'c [Command], words: &[String]) -> anyhow::Result<&'c Command> {
    let mut name = "runstamp".to_owned();
    for word in words {
        name.push(' ');
        name.push_str(word);
    }
    if let Some(found) = commands.iter().find(|command| bin_name(command) == name) {
        return Ok(found);
    }
    let wanted = name.strip_prefix("runstamp ").unwrap_or(&name);
    let known = || {
        commands
            .iter()
            .filter_map(|command| bin_name(command).strip_prefix("runstamp "))
    };
    match nearest(wanted, known()) {
        Some(near) => bail!("expected a command, found \"{wanted}\": did you mean {near}?"),
        None => bail!(
            "expected a command ({}), found \"{wanted}\"",
            known().collect::<Vec<_>>().join(", ")
        ),
    }
}

fn bin_name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}

fn write_all(commands: &[Command], dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
    for command in commands {
        let path = dir.join(format!("{}.1", bin_name(command).replace(' ', "-")));
        output::write_atomically(&path, page(command)?.as_bytes(), 0o644)?;
    }
    output::print(&format!("wrote {} pages to {}\n", commands.len(), dir.display()))
}

/// The page of a command.
fn page(command: &Command) -> anyhow::Result<String> {
    let man = Man::new(command.clone())
        .title(bin_name(command).replace(' ', "-").to_uppercase())
        .source(concat!("runstamp ", env!("CARGO_PKG_VERSION")))
        .manual("Runstamp");
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let parts = Parts::of(&after);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    let mut roff = Roff::new();
    for block in parts.notes {
        roff.control("PP", []);
        block_of(block, &mut roff);
    }
    roff.to_writer(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    for (heading, part) in [("EXAMPLES", parts.examples), ("EXIT STATUS", parts.exit_status)] {
        if let Some(part) = part {
            roff.control("SH", [heading]);
            block_of(part, &mut roff);
        }
    }
    if bin_name(command) != "runstamp" {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("runstamp"), roman("(1)")]);
    }
    roff.to_writer(&mut text)?;
    String::from_utf8(text).context("a manual page is UTF-8")
}

/// What stands behind the options in `--help`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts<'h> {
    examples: Option<&'h str>,
    notes: Vec<&'h str>,
    exit_status: Option<&'h str>,
}

impl<'h> Parts<'h> {
    fn of(after: &'h str) -> Self {
        let mut parts = Self::default();
        for block in after.split("\n\n").filter(|block| !block.is_empty()) {
            if let Some(("Example:" | "Examples:", examples)) = block.split_once('\n') {
                parts.examples = Some(examples);
                continue;
            }
            let (notes, exit_status) = match block.find("Exit code ") {
                Some(0) => ("", Some(block)),
                Some(at) if block.get(..at).is_some_and(|before| before.ends_with('\n')) => {
                    let (notes, exit_status) = block.split_at(at);
                    (notes, Some(exit_status))
                }
                _ => (block, None),
            };
            if !notes.is_empty() {
                parts.notes.push(notes);
            }
            parts.exit_status = parts.exit_status.or(exit_status);
        }
        parts
    }
}

/// Lines that flow, and between them such as are indented: code and tables, which stay as they are.
fn block_of(block: &str, roff: &mut Roff) {
    let mut verbatim = false;
    for line in block.lines() {
        if line.starts_with("  ") != verbatim {
            verbatim = !verbatim;
            roff.control(if verbatim { "nf" } else { "fi" }, []);
        }
        roff.text([roman(line)]);
    }
    if verbatim {
        roff.control("fi", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options_and_examples() {
        let commands = commands();
        let names: Vec<&str> = commands.iter().map(bin_name).collect();
        assert_eq!(names.first(), Some(&"runstamp"));
        assert!(
            names.contains(&"runstamp certs generate") && names.len() > 12,
            "{names:?}"
        );
        for command in &commands {
            let name = bin_name(command);
            let page = page(command).unwrap();
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
                assert!(
                    page.contains(&format!(".SH {section}\n")),
                    "{name} lacks {section}:\n{page}"
                );
            }
            for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
                let long = option
                    .get_long()
                    .map(|long| format!("\\-\\-{}", long.replace('-', "\\-")));
                assert!(
                    long.is_none_or(|long| page.contains(&long)),
                    "{name} lacks {option}:\n{page}"
                );
            }
            // A line that begins with a full stop is a command to troff, and must be one that we mean.
            for line in page.lines().filter(|line| line.starts_with('.')) {
                let macro_name = line.split(' ').next().unwrap();
                let known = [
                    ".TH", ".SH", ".TP", ".PP", ".RS", ".RE", ".IP", ".nf", ".fi", ".ie", ".el", ".ds", ".br", ".de",
                ];
                assert!(known.contains(&macro_name), "{name}: {line}");
            }
        }
    }

    #[test]
    fn the_help_is_taken_apart() {
        let after = "Examples:\n  runstamp x\n\nIt may be long,\nand hold:\n  key  value\nand more.\n\nAnother.\nExit code 0: fine.";
        let parts = Parts::of(after);
        assert_eq!(
            parts,
            Parts {
                examples: Some("  runstamp x"),
                notes: vec!["It may be long,\nand hold:\n  key  value\nand more.", "Another.\n"],
                exit_status: Some("Exit code 0: fine."),
            }
        );
        let mut roff = Roff::new();
        block_of(parts.notes[0], &mut roff);
        block_of("  .y", &mut roff);
        assert_eq!(
            roff.to_roff(),
            "It may be long,\nand hold:\n.nf\n  key  value\n.fi\nand more.\n.nf\n  .y\n.fi\n"
        );
    }

    #[test]
    fn a_command_is_found_by_its_words() {
        let commands = commands();
        let find = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            find(&commands, &words)
                .map(|command| bin_name(command).to_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(find(&[]).unwrap(), "runstamp");
        assert_eq!(find(&["certs", "generate"]).unwrap(), "runstamp certs generate");
        assert_eq!(
            find(&["reveiw"]).unwrap_err(),
            "expected a command, found \"reveiw\": did you mean review?"
        );
        assert!(find(&["xyzzy"]).unwrap_err().starts_with("expected a command (serve, "));
    }

    #[test]
    fn all_pages_are_written_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("man/man1");
        for _ in 0..2 {
            write_all(&commands(), &dir).unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names.len(), commands().len(), "{names:?}");
        assert!(dir.join("runstamp.1").is_file() && dir.join("runstamp-certs-generate.1").is_file());
    }
}
