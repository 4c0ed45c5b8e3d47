//! `runstamp schema`: the JSON Schema of policy files for editors, and the reference of their fields for people.

use clap::{Args, ValueEnum};

use super::{Verdict, output};
use crate::policy_schema::{policy_reference, policy_schema};

const EXAMPLE: &str = "\
Examples:
  runstamp schema > policy.schema.json
  runstamp schema -o markdown > policy-reference.md

An editor with the YAML language server completes and checks a policy file that begins with
  # yaml-language-server: $schema=policy.schema.json
(a path relative to the file). It sees what a schema can say; `runstamp check` sees the rest.";

/// Print the JSON Schema of policy files, for editors
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct SchemaArgs {
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: SchemaFormat,
}

/// What of the schema is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum SchemaFormat {
    /// JSON Schema, for editors.
    #[default]
    Json,
    /// The reference of all fields, for people.
    Markdown,
}

/// Prints the schema.
pub(super) fn run(arguments: &SchemaArgs) -> anyhow::Result<Verdict> {
    output::print(&match arguments.output {
        SchemaFormat::Json => format!("{}\n", serde_json::to_string_pretty(&policy_schema())?),
        SchemaFormat::Markdown => policy_reference(),
    })?;
    Ok(Verdict::Fine)
}
