//! What operators see: logs and metrics.

mod counter_grid;
mod decisions;
mod metrics;
mod policy_meters;
mod process;
mod rejection;
mod throttle;

use tracing_subscriber::EnvFilter;

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
    pub source: tracing_subscriber::filter::ParseError,
}

/// Starts logging to stderr; a second call changes nothing.
///
/// `level` is `error`, `warn`, `info`, `debug` or `trace`, or directives such as `runstamp=debug,rustls=info`.
///
/// # Errors
/// When `level` is neither.
pub fn start_logging(format: LogFormat, level: &str) -> Result<(), LevelError> {
    let filter = EnvFilter::builder().parse(level).map_err(|source| LevelError {
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

fn use_colour() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
