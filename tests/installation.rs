//! Stories of an installation: replicas behind the shipped Service, what befalls them and their cluster, and what a
//! client that creates Runs all the while sees of it.
//!
//! They restart the API server and stop its etcd, so they have one of their own, and happen one after the other.
//! The variables of `tests/cluster.rs` hold here too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in tests a panic is the report"
)]

/// Shared with `tests/cluster.rs` and `examples/local_cluster.rs`.
#[path = "support"]
#[allow(dead_code, reason = "the others use the rest")]
mod support {
    pub(crate) mod control_plane;
    pub(crate) mod manifests;
    pub(crate) mod runstamp;
}

mod installation {
    #[path = "../cluster/casts.rs"]
    #[allow(dead_code, reason = "the stories of tests/cluster.rs use the rest")]
    pub(crate) mod casts;

    pub(crate) mod balancer;
    pub(crate) mod certificates;
    pub(crate) mod editions;
    pub(crate) mod load;
    pub(crate) mod replica;
    pub(crate) mod shipped;
    pub(crate) mod stage;

    mod down;
    mod life;
    mod outages;
    mod overload;
    mod rights;
    mod rollouts;
}
