//! What operators see: logs and metrics.

mod counter_grid;
mod decisions;
mod metrics;
mod policy_meters;
mod process;
mod rejection;
mod throttle;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

pub use decisions::log_reply;
pub use metrics::{InFlight, Metrics};
pub use policy_meters::PolicyMeters;
pub use rejection::{Rejection, RejectionLog};
pub use throttle::Throttle;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A level that is none.
#[derive(Debug, thiserror::Error)]
#[error("expected a log level such as info or debug, found {level:?}")]
pub struct LevelError {
    /// What was given.
    pub level: String,
    /// What is wrong with it.
    #[source]
    pub source: ParseError,
}

/// Starts logging to stderr; a second call changes nothing.
///
/// `level` is `error`, `warn`, `info`, `debug` or `trace`, or directives such as `runstamp=debug,rustls=info`. Of the
/// crate that watches files only errors are logged, unless a directive names it.
///
/// # Errors
/// When `level` is neither.
pub fn start_logging(format: LogFormat, level: &str) -> Result<(), LevelError> {
    let filter = log_filter(level).map_err(|source| LevelError {
        level: level.to_owned(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(use_colour()).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    // Whoever embeds the server may have started logging already, and then that one stays.
    drop(started);
    Ok(())
}

/// Crates whose warnings are told here already, or are none: the one that watches files warns whenever a folder that it
/// watched is replaced, which is how Kubernetes updates every mounted ConfigMap and Secret; the one that watches objects
/// warns at every attempt, with the whole answer of the API server.
const QUIET_CRATES: [&str; 2] = ["notify", "kube_runtime"];

fn log_filter(level: &str) -> Result<EnvFilter, ParseError> {
    let mut filter = EnvFilter::builder().parse(level)?;
    for name in QUIET_CRATES {
        let is_named = level.split(',').any(|directive| directive.trim().starts_with(name));
        if !is_named {
            filter = filter.add_directive(format!("{name}=error").parse()?);
        }
    }
    Ok(filter)
}

fn use_colour() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_watches_files_is_silent_unless_it_is_asked_for() {
        #[track_caller]
        fn check(level: &str, expected: &[&str]) {
            let filter = log_filter(level).unwrap().to_string();
            let mut directives: Vec<_> = filter.split(',').collect();
            directives.sort_unstable();
            assert_eq!(directives, expected, "{level:?}");
        }
        check("info", &["info", "kube_runtime=error", "notify=error"]);
        check("trace", &["kube_runtime=error", "notify=error", "trace"]);
        check(
            "runstamp=debug",
            &["kube_runtime=error", "notify=error", "runstamp=debug"],
        );
        check("info,notify=debug", &["info", "kube_runtime=error", "notify=debug"]);
        check("info,kube_runtime=warn", &["info", "kube_runtime=warn", "notify=error"]);
        check("", &["kube_runtime=error", "notify=error"]);
        assert!(log_filter("a=b=c").is_err());
    }
}
