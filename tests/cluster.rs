//! Stories on a real API server: what people and controllers do, what they are told, and what is stored.
//!
//! kube-apiserver, etcd and kubectl are built with Go, once a machine. These variables say otherwise:
//! - `RUNSTAMP_CLUSTER=required`: a machine that cannot have them fails the tests instead of skipping them;
//! - `KUBEBUILDER_ASSETS`: a folder that holds the three, so that nothing is built;
//! - `RUNSTAMP_HELM`: the helm to try the chart with, so that none is built;
//! - `RUNSTAMP_CACHE`: where built ones are kept (default: `runstamp` in the user's cache folder);
//! - `RUNSTAMP_TEKTON_CRDS`: a folder with Tekton's own CRDs, instead of those written for the tests;
//! - `RUNSTAMP_CORPUS`: a folder of Runs that must pass as they are, besides the examples;
//! - `RUNSTAMP_BINARY`: the binary to judge, instead of the one just built.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in tests a panic is the report"
)]

/// Shared with `examples/local_cluster.rs`.
#[path = "support"]
#[allow(dead_code, reason = "the example uses the rest")]
mod support {
    pub(crate) mod control_plane;
    pub(crate) mod helm;
    pub(crate) mod manifests;
    pub(crate) mod runstamp;
}

#[path = "common/console.rs"]
#[allow(dead_code, reason = "documents are also played without a cluster")]
mod console;
#[path = "common/glob.rs"]
mod glob;
#[path = "common/golden.rs"]
#[allow(dead_code, reason = "other tests have cases in folders")]
mod golden;
#[path = "common/readme.rs"]
mod readme;
#[path = "common/session.rs"]
mod session;

mod cluster {
    pub(crate) mod casts;
    pub(crate) mod rerun;
    pub(crate) mod stage;

    mod admission_facts;
    mod audit;
    mod certificates;
    mod children;
    mod corpus;
    mod events;
    mod explain;
    mod injection;
    mod installation_manifests;
    mod installation_status;
    mod kinds;
    mod kubectl;
    mod lifecycle;
    mod mtls;
    mod namespaces;
    mod operations;
    mod ownership;
    mod policies;
    mod reports;
    mod reset_policies;
    mod serving;
    mod shadow;
    mod shipped;
    mod status;
    pub(crate) mod suites;
    mod supervision;
    mod tutorial;
}
