//! More than a replica carries: what it still does, and what becomes of the rest.

use std::time::Duration;

use crate::Options;
use crate::stage::{CONNECTIONS, Stage, request};
use crate::table::{at_least, begin, megabytes, note, percentile};
use crate::traffic::Sample;

/// Requests that three API servers have under way at most (`--max-mutating-requests-inflight`); they turn away the rest.
const CROWD: usize = 600;

/// How much more than the maximum is asked.
const EXCESS: f64 = 1.3;

/// An answer that comes later is of no use: the API server waits no longer for a person's Run.
const PATIENCE: Duration = Duration::from_secs(3);

/// How the most that the server carries is found out, before and after.
const MAXIMUM: Duration = Duration::from_secs(2);

pub(crate) fn run(stage: &Stage, options: &Options) -> anyhow::Result<()> {
    // As installed.
    let (server, request) = (stage.runstamp_with(100, &["--max-in-flight", "128"])?, request());
    let mut few = stage.connect(&server, &request, true, CONNECTIONS)?;
    let mut crowd = stage.connect(&server, &request, true, CROWD)?;
    let time = Duration::from_secs_f64(options.seconds);
    let mut most = || stage.runtime.block_on(few.saturate(&server, &request, MAXIMUM));
    let before = most()?.rate;
    let asking = crowd.ask_at_a_rate(&request, before * EXCESS, time, 0);
    let samples = stage.runtime.block_on(asking)?;
    let after = most()?.rate;

    let of = |status: u16| -> Vec<&Sample> {
        let samples = samples.iter().filter(|sample| sample.latency <= PATIENCE);
        samples.filter(|sample| sample.status == status).collect()
    };
    let (answered, turned_away) = (of(200), of(503));
    begin("1.3 times the maximum rate, one core");
    let goodput = answered.len() as f64 / time.as_secs_f64();
    // The neighbours of a shared machine change what the maximum is.
    let most = f64::midpoint(before, after);
    at_least(
        "answers in time, against the maximum",
        goodput / most * 100.0,
        70.0,
        85.0,
        " %",
    );
    note(
        "the maximum before and after",
        &format!("{before:.0} and {after:.0} a second"),
    );
    let asked = before * EXCESS * time.as_secs_f64();
    note("asked", &format!("{asked:.0} in {time:?}"));
    note("answered", &described(&answered));
    note("503", &described(&turned_away));
    note(
        "not sent, since 600 were under way",
        &format!("{:.0}", asked - samples.len() as f64),
    );
    note(
        "later than 3 s",
        &(samples.len() - answered.len() - turned_away.len()).to_string(),
    );
    note(
        "memory, the most",
        &format!("{:.1} MB", megabytes(server.most_resident()?)),
    );
    Ok(())
}

fn described(samples: &[&Sample]) -> String {
    let mut latencies: Vec<_> = samples.iter().map(|sample| sample.latency).collect();
    let (p50, p99) = (percentile(&mut latencies, 50.0), percentile(&mut latencies, 99.0));
    format!("{}, p50 {p50:.1} ms, p99 {p99:.1} ms", samples.len())
}
