//! What Runstamp costs as a server, beside an echo that costs the least that a webhook can: see `benches/README.md`.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that does not measure what it means ends at once"
)]

use std::path::Path;

use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;

mod client;
mod cpu;
mod echo;
mod latency;
#[path = "../load.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod load;
mod memory;
mod overload;
mod process;
mod reload;
mod stage;
mod start;
mod table;
mod traffic;

// As in the binary: the echo gets it, too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const EXAMPLES: &str = "\
Examples:
  cargo bench --bench http
  cargo bench --bench http -- cpu --seconds 60
  cargo bench --bench http -- memory --requests 1000000";

/// Measure Runstamp over HTTPS on one core, against an echo
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// What to measure [default: everything]
    #[arg(value_enum)]
    rows: Vec<Row>,
    /// How long each server is asked in a row
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0)]
    seconds: f64,
    /// Requests of the row about memory
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000.0)]
    requests: f64,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Processor time for one request
    Cpu,
    /// Latency at fixed rates
    Latency,
    /// Memory at rest and under load
    Memory,
    /// From exec to ready
    Start,
    /// Latency while 10,000 policies are loaded
    Reload,
    /// 1.3 times the maximum rate
    Overload,
}

fn main() -> anyhow::Result<()> {
    // Two libraries that use TLS must agree on one provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, echo, certificate, key] = arguments.as_slice()
        && echo == "echo"
    {
        return echo::serve(Path::new(certificate), Path::new(key), Vec::new());
    }
    let options = Options::parse_from(arguments);
    let stage = stage::Stage::set()?;
    // Starting is not one server beside a load: it may have the whole machine.
    if options.wants(Row::Start) {
        start::run(&stage)?;
    }
    process::pin_the_load()?;
    for row in Row::value_variants().iter().filter(|row| options.wants(**row)) {
        match row {
            Row::Start => {}
            Row::Cpu => cpu::run(&stage, &options)?,
            Row::Latency => latency::run(&stage, &options)?,
            Row::Memory => memory::run(&stage, &options)?,
            Row::Reload => reload::run(&stage, &options)?,
            Row::Overload => overload::run(&stage, &options)?,
        }
    }
    Ok(())
}

impl Options {
    fn wants(&self, row: Row) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }
}
