//! Runstamp: an admission webhook for Tekton Runs.

pub mod builtin;
pub mod cert;
pub mod certificates;
pub mod cli;
pub mod cluster;
pub mod diagnostics;
pub mod domain;
pub mod headless;
pub mod manifests;
pub mod namespaces;
pub mod play;
pub mod policy_file;
pub mod policy_schema;
pub mod report;
pub mod review;
pub mod review_run;
pub mod server;
pub mod shadow_report;
pub mod status;
pub mod store;
pub mod suite;
pub mod telemetry;
pub mod tls;
pub mod watch;
