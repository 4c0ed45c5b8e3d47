//! More than a replica carries: what it still does, and what becomes of the rest.

use std::time::Duration;

use crate::Options;
use crate::stage::{CONNECTIONS, Stage, request};
use crate::table::{at_least, begin, megabytes, note, percentile};

/// More connections than requests may be under way.
const CROWD: usize = 640;

/// How much more than the maximum is asked.
const EXCESS: f64 = 1.3;

/// An answer that comes later is of no use: the API server waits no longer for a person's Run.
const PATIENCE: Duration = Duration::from_secs(3);

/// How the most that the server carries is found out, before and after.
const MAXIMUM: Duration = Duration::from_secs(2);

pub(crate) fn run(stage: &Stage, options: &Options) -> anyhow::Result<()> {
    let (server, request) = (stage.runstamp(100)?, request());
    let mut few = stage.connect(&server, &request, true, CONNECTIONS)?;
    let mut crowd = stage.connect(&server, &request, true, CROWD)?;
    let before = stage.runtime.block_on(few.saturate(&server, &request, MAXIMUM))?.rate;
    let time = Duration::from_secs_f64(options.seconds);
    let samples = stage
        .runtime
        .block_on(crowd.ask_at_a_rate(&request, before * EXCESS, time))?;
    let after = stage.runtime.block_on(few.saturate(&server, &request, MAXIMUM))?.rate;
    // The neighbours of a shared machine change what the maximum is.
    let most = f64::midpoint(before, after);

    let end = samples.iter().map(|sample| sample.intended).max();
    let in_time = |status: u16| {
        samples
            .iter()
            .filter(move |sample| sample.status == status && sample.latency <= PATIENCE)
            .filter(|sample| end.is_some_and(|end| sample.intended + sample.latency <= end))
    };
    let mut turned_away: Vec<_> = in_time(503).map(|sample| sample.latency).collect();
    let mut answered: Vec<_> = in_time(200).map(|sample| sample.latency).collect();
    begin("1.3 times the maximum rate, one core");
    let goodput = answered.len() as f64 / time.as_secs_f64();
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
    note("asked", &format!("{:.0} a second for {time:?}", before * EXCESS));
    note(
        "answers, p50 and p99",
        &format!(
            "{}, {:.1} ms, {:.1} ms",
            answered.len(),
            percentile(&mut answered, 50.0),
            percentile(&mut answered, 99.0)
        ),
    );
    note(
        "503, p50 and p99",
        &format!(
            "{}, {:.1} ms, {:.1} ms",
            turned_away.len(),
            percentile(&mut turned_away, 50.0),
            percentile(&mut turned_away, 99.0)
        ),
    );
    let late = samples.len() - answered.len() - turned_away.len();
    note("later than 3 s, or than the end", &late.to_string());
    note(
        "memory, the most",
        &format!("{:.1} MB", megabytes(server.most_resident()?)),
    );
    Ok(())
}
