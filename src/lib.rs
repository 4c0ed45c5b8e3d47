//! Runstamp: an admission webhook for Tekton Runs.

pub mod domain;
pub mod review;
