//! The server on real sockets: handshakes, rotation, limits, overload, drain, reload, and the binary around it.

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
#[path = "server/http.rs"]
mod http;
#[path = "server/load.rs"]
mod load;
#[path = "server/reload.rs"]
mod reload;
#[path = "server/tls.rs"]
mod tls;
