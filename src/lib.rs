//! Runstamp: an admission webhook for Tekton Runs.

pub mod builtin;
pub mod cli;
pub mod diagnostics;
pub mod domain;
pub mod policy_file;
pub mod review;
