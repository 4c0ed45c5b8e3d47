//! Memory: at rest, with many policies, after many requests, and with large bodies.

use std::rc::Rc;
use std::time::Duration;

use crate::stage::{CONNECTIONS, Stage, request, review};
use crate::table::{at_most, begin, megabytes, note};
use crate::{Options, client, load};

/// A review of 3 MiB, far beyond what etcd stores.
const LARGE: usize = 3 * 1024 * 1024;

/// A twentieth more than before is taken for growth: an allocator keeps some pages that it does not need.
const GROWTH: f64 = 1.05;

/// What loading needed besides goes back to the system when the thread ends that looked at the files last, which is ten
/// seconds later.
const SETTLE: Duration = Duration::from_secs(15);

/// Longest that a slice of the load takes.
const SLICE: Duration = Duration::from_secs(1);

pub(crate) fn run(stage: &Stage, options: &Options) -> anyhow::Result<()> {
    begin("Memory");
    let idle = stage.runstamp(0)?;
    // What is asked first is the probe, as in a cluster.
    at_most("idle", megabytes(idle.resident()?), 25.0, 15.0, " MB");
    let many = stage.runstamp(10_000)?;
    let loaded = many.resident()?;
    std::thread::sleep(SETTLE);
    at_most("10,000 policies", megabytes(many.resident()?), 80.0, 40.0, " MB");
    note("10,000 policies, just loaded", &format!("{:.1} MB", megabytes(loaded)));
    drop(many);
    under_load(stage, options)?;
    large_bodies(stage)
}

fn under_load(stage: &Stage, options: &Options) -> anyhow::Result<()> {
    let (server, request) = (stage.runstamp(100)?, request());
    let mut connections = stage.connect(&server, &request, true, CONNECTIONS)?;
    let mut ask = |requests: f64| -> anyhow::Result<u64> {
        let mut asked = 0.0;
        while asked < requests {
            let round = stage.runtime.block_on(connections.saturate(&server, &request, SLICE))?;
            asked += round.rate * SLICE.as_secs_f64();
        }
        server.resident()
    };
    let warm = ask(options.requests / 10.0)?;
    let after = ask(options.requests)?;
    at_most(
        &format!(
            "after {:.0} requests more, against after a tenth of them",
            options.requests
        ),
        after as f64 / warm as f64,
        GROWTH,
        GROWTH,
        " ×",
    );
    note("100 policies, after the load", &format!("{:.1} MB", megabytes(after)));
    Ok(())
}

fn large_bodies(stage: &Stage) -> anyhow::Result<()> {
    let server = stage.runstamp(100)?;
    let large: Rc<[u8]> = client::request(&load::with_scripts(&review(), LARGE)).into();
    let mut connections = stage.connect(&server, &large, true, CONNECTIONS)?;
    stage
        .runtime
        .block_on(connections.saturate(&server, &large, 3 * SLICE))?;
    note(
        "16 reviews of 3 MiB at once, again and again: the most",
        &format!("{:.1} MB", megabytes(server.most_resident()?)),
    );
    drop(connections);
    note(
        "the same, afterwards",
        &format!("{:.1} MB", megabytes(server.resident()?)),
    );
    Ok(())
}
