//! The sessions that README.md shows: commands after `$`, and what they print.

use std::path::Path;

/// Where the README is.
pub(crate) const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// A fenced block of the README.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// What follows the fence: `console`, `yaml`.
    pub(crate) language: String,
    /// The file that the block is, named by a comment on the line before: `<!-- file: NAME -->`.
    pub(crate) file: Option<String>,
    /// The lines between the fences, numbered from zero in the README.
    pub(crate) lines: std::ops::Range<usize>,
    /// These lines.
    pub(crate) text: String,
}

/// A command and what it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The command on one line, as a shell would join it.
    pub(crate) command: String,
    /// The command as written.
    pub(crate) written: String,
    /// What follows it.
    pub(crate) output: String,
}

/// The fenced blocks of a Markdown text.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let lines: Vec<&str> = markdown.lines().collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if let Some(language) = lines[at].strip_prefix("```") {
            let start = at + 1;
            let length = lines[start..].iter().position(|line| *line == "```");
            let end = start + length.unwrap_or_else(|| panic!("line {start}: a fence that nothing closes"));
            let before = at.checked_sub(1).map_or("", |line| lines[line]);
            let file = before
                .strip_prefix("<!-- file: ")
                .and_then(|rest| rest.strip_suffix(" -->"));
            blocks.push(Block {
                language: language.to_owned(),
                file: file.map(str::to_owned),
                lines: start..end,
                text: lines[start..end].iter().map(|line| format!("{line}\n")).collect(),
            });
            at = end;
        }
        at += 1;
    }
    blocks
}

/// The commands of a `console` block, each with what it prints.
pub(crate) fn exchanges(block: &Block) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    let mut continues = false;
    for line in block.text.lines() {
        let begun = line.strip_prefix("$ ");
        if let Some(command) = begun {
            exchanges.push(Exchange {
                command: String::new(),
                written: String::new(),
                output: String::new(),
            });
            continues = true;
            push_command(exchanges.last_mut().unwrap(), line, command, &mut continues);
        } else {
            let exchange = exchanges.last_mut().expect("a console block begins with a command");
            if continues {
                push_command(exchange, line, line.trim_start(), &mut continues);
            } else {
                exchange.output.push_str(line);
                exchange.output.push('\n');
            }
        }
    }
    exchanges
}

fn push_command(exchange: &mut Exchange, line: &str, command: &str, continues: &mut bool) {
    let joined = command.strip_suffix('\\');
    *continues = joined.is_some();
    exchange.command.push_str(joined.unwrap_or(command));
    exchange.written.push_str(line);
    exchange.written.push('\n');
}

/// What the README says that a command prints.
#[allow(dead_code, reason = "the cluster tests use it")]
pub(crate) fn output_of(command: &str) -> String {
    let text = std::fs::read_to_string(Path::new(README)).expect("README.md can be read");
    blocks(&text)
        .iter()
        .filter(|block| block.language == "console")
        .flat_map(exchanges)
        .find(|exchange| exchange.command == command)
        .unwrap_or_else(|| panic!("README.md does not show {command}"))
        .output
}
