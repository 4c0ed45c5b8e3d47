//! Latency at fixed rates, from the moment when a request was to be sent.

use std::time::Duration;

use crate::Options;
use crate::stage::{CONNECTIONS, Stage, request};
use crate::table::percentile;

/// Requests a second; the last is near what one core carries.
const RATES: [f64; 4] = [100.0, 1_000.0, 5_000.0, 15_000.0];

/// Turns at each rate.
const ROUNDS: u32 = 5;

pub(crate) fn run(stage: &Stage, options: &Options) -> anyhow::Result<()> {
    let request = request();
    let servers = [
        ("echo", stage.echo()?, false),
        ("runstamp, 100 policies", stage.runstamp(100)?, true),
    ];
    let time = Duration::from_secs_f64(options.seconds / f64::from(ROUNDS) / 4.0);
    println!("\n## Latency at fixed rates, in milliseconds (16 connections, one core)\n");
    println!("| server | a second | p50 | p99 | p99.9 |");
    println!("|---|---|---|---|---|");
    let mut connections = Vec::new();
    for (_, server, has_patch) in &servers {
        connections.push(stage.connect(server, &request, *has_patch, CONNECTIONS)?);
    }
    for rate in RATES {
        let mut latencies = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (connections, latencies) in connections.iter_mut().zip(&mut latencies) {
                let samples =
                    stage
                        .runtime
                        .block_on(connections.ask_at_a_rate(&request, rate, time, usize::MAX / 2))?;
                latencies.extend(samples.iter().map(|sample| sample.latency));
            }
        }
        for ((name, _, _), latencies) in servers.iter().zip(&mut latencies) {
            println!(
                "| {name} | {rate:.0} | {:.3} | {:.3} | {:.3} |",
                percentile(latencies, 50.0),
                percentile(latencies, 99.0),
                percentile(latencies, 99.9)
            );
        }
    }
    Ok(())
}
