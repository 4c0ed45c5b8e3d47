//! Runstamp: an admission webhook for Tekton Runs.

pub mod cert;
pub mod domain;
pub mod review;
pub mod telemetry;
pub mod tls;
pub mod watch;
