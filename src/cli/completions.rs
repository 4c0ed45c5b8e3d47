//! `runstamp completions`: completions for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, Verdict, output};

const EXAMPLE: &str = "\
Examples:
  source <(runstamp completions bash)
  runstamp completions fish > ~/.config/fish/completions/runstamp.fish";

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
pub(super) fn run(arguments: &CompletionsArgs) -> anyhow::Result<Verdict> {
    output::print(&completions(arguments.shell)?)?;
    Ok(Verdict::Fine)
}

fn completions(shell: Shell) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "runstamp", &mut script);
    Ok(String::from_utf8(script)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = completions(*shell).unwrap();
            for command in Arguments::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell} lacks {}",
                    command.get_name()
                );
            }
        }
    }
}
