//! Latency while 10,000 policies are loaded again, against latency while nothing happens.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::Options;
use crate::process::Server;
use crate::stage::{CONNECTIONS, Stage, request};
use crate::table::{at_most, begin, note, percentile};
use crate::traffic::Sample;

/// How the most that the server carries is found out.
const MAXIMUM: Duration = Duration::from_secs(2);

/// What the log says of a set that is live, before how long it took.
const LIVE: &str = "policies are live took=";

pub(crate) fn run(stage: &Stage, options: &Options) -> anyhow::Result<()> {
    let (server, request) = (stage.runstamp(10_000)?, request());
    let policies = stage.policies(10_000)?;
    let mut connections = stage.connect(&server, &request, true, CONNECTIONS)?;
    let most = stage
        .runtime
        .block_on(connections.saturate(&server, &request, MAXIMUM))?
        .rate;
    let time = Duration::from_secs_f64(options.seconds.max(20.0));
    let calm = stage
        .runtime
        .block_on(connections.ask_at_a_rate(&request, most / 2.0, time, usize::MAX / 2))?;

    let is_over = AtomicBool::new(false);
    let (samples, loads) = std::thread::scope(|scope| {
        let editing = scope.spawn(|| edit_again_and_again(&server, &policies, &is_over));
        let samples = stage
            .runtime
            .block_on(connections.ask_at_a_rate(&request, most / 2.0, time, usize::MAX / 2));
        is_over.store(true, Ordering::SeqCst);
        (samples, editing.join())
    });
    let (samples, loads) = (samples?, loads.ok().context("the edits ended in a panic")??);
    anyhow::ensure!(!loads.is_empty(), "nothing was loaded in {time:?}: {}", server.log());
    let is_during = |sample: &&Sample| {
        loads
            .iter()
            .any(|load| load.0 <= sample.intended && sample.intended <= load.1)
    };
    let mut during: Vec<_> = samples.iter().filter(is_during).map(|sample| sample.latency).collect();
    let mut calm: Vec<_> = calm.iter().map(|sample| sample.latency).collect();

    begin("Reload of 10,000 policies at half the maximum rate, one core");
    let (loaded, quiet) = (percentile(&mut during, 99.0), percentile(&mut calm, 99.0));
    at_most(
        "p99 while they are loaded, against none",
        loaded / quiet,
        2.0,
        1.2,
        " ×",
    );
    note(
        "p99 while they are loaded",
        &format!("{loaded:.2} ms, of {} requests", during.len()),
    );
    note(
        "p99 while nothing happens",
        &format!("{quiet:.2} ms, of {}", calm.len()),
    );
    note(
        "p50 of both",
        &format!(
            "{:.2} ms, {:.2} ms",
            percentile(&mut during, 50.0),
            percentile(&mut calm, 50.0)
        ),
    );
    let took: Duration = loads.iter().map(|load| load.1 - load.0).sum();
    note(
        "loads, and how long one takes",
        &format!("{}, {:.2} s", loads.len(), took.as_secs_f64() / loads.len() as f64),
    );
    note("rate", &format!("{:.0} a second", most / 2.0));
    Ok(())
}

/// Edits one policy as soon as the edit before is live; when each load began and ended.
fn edit_again_and_again(
    server: &Server,
    policies: &Path,
    is_over: &AtomicBool,
) -> anyhow::Result<Vec<(Instant, Instant)>> {
    let file = policies.join("teams-1.yaml");
    let text = fs::read_to_string(&file).context("failed to read a policy file")?;
    let mut loads = Vec::new();
    let known = lives(server).len();
    while !is_over.load(Ordering::SeqCst) {
        let edited = text.replace("'4711'", &format!("'{}'", 5_000 + loads.len()));
        // At once, as the kubelet does.
        fs::write(file.with_extension("new"), edited).context("failed to write a policy file")?;
        fs::rename(file.with_extension("new"), &file).context("failed to replace a policy file")?;
        while !is_over.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
            let lives = lives(server);
            if let Some(took) = lives.get(known + loads.len()) {
                let end = Instant::now();
                loads.push((end - *took, end));
                break;
            }
        }
    }
    Ok(loads)
}

/// How long each load took that the server has told of.
fn lives(server: &Server) -> Vec<Duration> {
    let log = server.log();
    let lines = log.lines().filter_map(|line| line.split_once(LIVE));
    lines
        .filter_map(|(_, rest)| duration(rest.split(' ').next()?))
        .collect()
}

/// Reads `612.3ms` or `1.2s`.
fn duration(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return Some(Duration::from_secs_f64(milliseconds.parse::<f64>().ok()? / 1e3));
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs_f64)
}
