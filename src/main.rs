//! The `runstamp` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

// Building trees of JSON is mostly allocation, and this allocator halves it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // Two libraries that use TLS must agree on one provider; the only failure is that somebody was here before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    runstamp::cli::run(std::env::args_os())
}
