//! The command line: one file a command, and what the commands share.
//!
//! Data goes to stdout, errors to stderr. Exit codes: 0 fine, 1 what was examined is bad, 2 the question could not be answered.

mod audit;
mod certs;
mod check;
mod completions;
mod keys;
mod man;
mod manifests;
mod output;
mod play;
mod policy_args;
mod review;
mod schema;
mod serve;
mod shadow;
mod status;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLE: &str = "\
Example:
  runstamp check policies/

Exit code 0: fine; 1: what was examined is bad; 2: the question could not be answered.";

/// Admission webhook for Tekton Runs
#[derive(Debug, Parser)]
#[command(name = "runstamp", version, arg_required_else_help = true, after_help = EXAMPLE)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::ServeArgs>),
    Check(check::CheckArgs),
    Review(review::ReviewArgs),
    Play(play::PlayArgs),
    Test(test::TestArgs),
    Shadow(shadow::ShadowArgs),
    Audit(audit::AuditArgs),
    Keys(keys::KeysArgs),
    Certs(certs::CertsArgs),
    Manifests(manifests::ManifestsArgs),
    Status(status::StatusArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// What a command found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing is wrong.
    Fine,
    /// What was examined is bad.
    Bad,
}

/// Runs the command that the arguments name; the first argument is the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers too, on stdout; a closed stream is nobody's error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome = match &arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Review(arguments) => review::run(arguments),
        Command::Play(arguments) => play::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Shadow(arguments) => shadow::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Keys(arguments) => keys::run(arguments),
        Command::Certs(arguments) => certs::run(arguments),
        Command::Manifests(arguments) => manifests::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man(arguments) => man::run(arguments),
    };
    match outcome {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        Err(error) => {
            output::print_error(&error);
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_is_broken_where_the_terminal_ends_and_nowhere_else() {
        let commands = Arguments::command();
        let nested = commands
            .get_subcommands()
            .flat_map(|command| std::iter::once(command).chain(command.get_subcommands()));
        for command in std::iter::once(&commands).chain(nested) {
            let name = command.get_name();
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = after.lines().collect();
            for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
                let is_prose = !line.is_empty() && !line.starts_with(' ');
                let is_over = line.ends_with(['.', ':']) || next.is_empty() || next.starts_with(' ');
                assert!(!is_prose || is_over, "{name}: a sentence is broken after \"{line}\"");
                assert!(
                    is_prose || line.len() <= 100,
                    "{name}: too wide for a screen: \"{line}\""
                );
            }
        }
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no description");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("runstamp {name}")), "{name} has no example");
        }
    }
}
