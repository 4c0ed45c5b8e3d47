//! The server on real sockets: handshakes, rotation, limits, overload, drain, reload, and the binary around it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test reports, in helpers as in tests"
)]

#[path = "server/alerts.rs"]
mod alerts;
#[path = "server/binary.rs"]
mod binary;
#[path = "server/client.rs"]
mod client;
#[path = "server/drain.rs"]
mod drain;
#[path = "server/engine.rs"]
mod engine;
#[path = "server/harness.rs"]
mod harness;
#[path = "server/headless.rs"]
mod headless;
#[path = "server/http.rs"]
mod http;
#[path = "server/load.rs"]
mod load;
#[path = "server/policy_edits.rs"]
mod policy_edits;
#[path = "server/reload.rs"]
mod reload;
#[path = "server/tls.rs"]
mod tls;
