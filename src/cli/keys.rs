//! `runstamp keys`: what an annotation, label or finalizer is, and what becomes of it.

mod markdown;
mod record;
mod text;

use clap::{Args, ValueEnum};

use super::Verdict;
use super::output;
use super::policy_args::PolicyArgs;
use crate::domain::key_facts::{Answer, all, look_up};

const EXAMPLE: &str = "\
Examples:
  runstamp keys
  runstamp keys chains.tekton.dev/signed
  runstamp keys results.tekton.dev --policies policies/
  runstamp keys -o json | jq -r '.items[] | select(.class == \"state\") | .key'
  runstamp keys -o markdown > docs/keys.md

KEY is a key (one that a wildcard stands for, too), a prefix, or the name of an integration.

With -o json, KEY answers one object of kind Key a line; without KEY there is one KeyList \
{apiVersion, kind, policySet, items}.
A Key has:
  key, aliases         the first spelling, which may hold one *, and the others
  place                annotation, label or finalizer
  class, integration   config: users and policies set it; state: only its integration writes it
  kinds                the kinds of Run on which it is that
  description, source, example
  value, schema        what it may hold, in words and as the terms of policy files
  required             must be there once any key of the integration is set
  writers, creators    identities and their users; creators with the values they may set
  injectedBy           names of the policies that inject it
  rules                {reset, onChild, updates} of a state key, as in policy files; else null
  onCreate, onUpdate   {root, child} and a sentence: what happens to it
An unknown KEY answers an UnknownKey {key, verdict, suggestion}. Fields may be added to all of them.

Exit code 0: the key is known; 1: nobody declares it; 2: the policies cannot be read.";

/// Tell what an annotation, label or finalizer is, and what happens to it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct KeysArgs {
    /// Key, prefix or integration; without it all keys
    #[arg(value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    policies: PolicyArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: KeysFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum KeysFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// The reference of all keys.
    Markdown,
}

/// Answers the question of the arguments.
pub(super) fn run(arguments: &KeysArgs) -> anyhow::Result<Verdict> {
    let set = arguments.policies.load()?;
    let Some(key) = &arguments.key else {
        let keys = all(&set);
        output::print(&match arguments.output {
            KeysFormat::Text => text::table(&keys),
            KeysFormat::Json => record::list(&keys, set.digest().as_str())?,
            KeysFormat::Markdown => markdown::reference(&keys, &set),
        })?;
        return Ok(Verdict::Fine);
    };
    match look_up(key, &set) {
        Answer::Known(keys) => {
            output::print(&match arguments.output {
                KeysFormat::Text => text::details(key, &keys),
                KeysFormat::Json => record::lines(&keys)?,
                KeysFormat::Markdown => markdown::reference(&keys, &set),
            })?;
            Ok(Verdict::Fine)
        }
        Answer::Unknown(unknown) => {
            output::print(&match arguments.output {
                KeysFormat::Text | KeysFormat::Markdown => text::unknown(key, &unknown),
                KeysFormat::Json => record::unknown(key, &unknown)?,
            })?;
            Ok(Verdict::Bad)
        }
    }
}
