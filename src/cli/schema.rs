//! `runstamp schema`: the JSON Schema of policy files, for editors.

use clap::Args;

use super::{Verdict, output};
use crate::policy_schema::policy_schema;

const EXAMPLE: &str = "\
Example:
  runstamp schema > policy.schema.json

An editor with the YAML language server completes and checks a policy file that begins with
  # yaml-language-server: $schema=policy.schema.json
(a path relative to the file). It sees what a schema can say; `runstamp check` sees the rest.";

/// Print the JSON Schema of policy files, for editors
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct SchemaArgs {}

/// Prints the schema.
pub(super) fn run(_: &SchemaArgs) -> anyhow::Result<Verdict> {
    output::print(&format!("{}\n", serde_json::to_string_pretty(&policy_schema())?))?;
    Ok(Verdict::Fine)
}
