//! Stories on a real API server: what people and controllers do, what they are told, and what is stored.
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
    pub(crate) mod manifests;
    pub(crate) mod runstamp;
}

mod cluster {
    pub(crate) mod casts;
    pub(crate) mod rerun;
    pub(crate) mod stage;

    mod admission_facts;
    mod children;
    mod corpus;
    mod injection;
    mod kinds;
    mod kubectl;
    mod lifecycle;
    mod ownership;
    mod reports;
    mod serving;
    mod shipped;
    mod status;
    mod supervision;
}
