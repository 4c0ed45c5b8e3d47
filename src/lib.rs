//! Runstamp: an admission webhook for Tekton Runs.

pub mod domain;

pub mod policy_file;

pub mod diagnostics;

pub mod builtin;

pub mod review;

pub mod cli;
