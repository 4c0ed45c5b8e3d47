//! What Runstamp adds to a create through a real API server, beside an echo and beside MutatingAdmissionPolicies: see
//! `benches/README.md`.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that does not measure what it means ends at once"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use clap::Parser;
use mimalloc::MiMalloc;
use runstamp::domain::compile::compile;
use runstamp::policy_file::read_texts;
use runstamp::review::{Stance, Webhook, answer};
use serde_json::Value;

use cluster::{Cluster, Namespace};
use table::{at_most, begin, note, percentile};

mod cluster;
#[path = "../http/echo.rs"]
mod echo;
#[path = "../load.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod load;
mod many;
/// Shared with the tests.
#[path = "../../tests/support"]
#[allow(dead_code, reason = "the tests use the rest")]
mod support {
    pub(crate) mod control_plane;
    pub(crate) mod manifests;
    pub(crate) mod runstamp;
}
#[path = "../http/table.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod table;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The arguments that make this program one of the echoes.
const ECHO: &str = "echo";
const PATCHING_ECHO: &str = "patching-echo";

/// Creators at once where creates a second are counted.
const CREATORS: usize = 4;

/// Creates before anything is measured: the API server opens its connections and compiles its conditions.
const WARM_UP: usize = 20;

const EXAMPLES: &str = "\
Examples:
  cargo bench --bench api-server
  cargo bench --bench api-server -- --creates 2000";

/// Measure what Runstamp adds to a create through a real API server
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// Creates in each namespace, in turns
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    creates: usize,
    /// Leave out the MutatingAdmissionPolicies, which take a minute to make
    #[arg(long)]
    without_policies: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    // Two libraries that use TLS must agree on one provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, kind, certificate, key] = arguments.as_slice()
        && [ECHO, PATCHING_ECHO].contains(&kind.as_str())
    {
        let more = if kind == ECHO { Vec::new() } else { patch_of_runstamp()? };
        return echo::serve(Path::new(certificate), Path::new(key), more);
    }
    let options = Options::parse_from(arguments);
    let cluster = Cluster::start()?;
    let plain = cluster.namespace("plain", None)?;
    let echo = cluster.namespace("echo", Some(cluster.echo(ECHO)?))?;
    let patching = cluster.namespace("patching", Some(cluster.echo(PATCHING_ECHO)?))?;
    let nothing = cluster.namespace("nothing", Some(cluster.runstamp("nothing", Vec::new())?))?;
    let texts = load::texts_with_teams(100);
    let injecting = cluster.namespace("ci", Some(cluster.runstamp("ci", texts)?))?;
    cluster.check(&injecting, load::INJECTED)?;
    cluster.check(&nothing, 0)?;
    cluster.check(&patching, load::INJECTED)?;

    let namespaces = [&plain, &echo, &patching, &nothing, &injecting];
    let [without, with_echo, with_patch, with_nothing, with_injections] =
        in_turns(&cluster, namespaces, options.creates)?;
    begin("A create through the API server (p50, what is added to one without webhooks)");
    let p50 = |latencies: &[Duration]| percentile(&mut latencies.to_vec(), 50.0);
    let added = |latencies: &[Duration]| p50(latencies) - p50(&without);
    let by_echo = added(&with_echo);
    at_most(
        "100 policies, three inject six keys, against the echo",
        added(&with_injections) / by_echo,
        1.15,
        1.05,
        " ×",
    );
    at_most(
        "nothing to do, against the echo",
        added(&with_nothing) / by_echo,
        1.15,
        1.05,
        " ×",
    );
    at_most(
        "100 policies, against an echo that answers with their patch",
        added(&with_injections) / added(&with_patch),
        1.15,
        1.05,
        " ×",
    );
    note("the echo adds", &format!("{by_echo:.2} ms"));
    println!("\n| webhook | p50 | p99 | added to p50 | creates a second, {CREATORS} at once |");
    println!("|---|---|---|---|---|");
    let rows = ["none", "echo", "echo with a patch", "nothing to do", "100 policies"]
        .into_iter()
        .zip(namespaces)
        .zip([&without, &with_echo, &with_patch, &with_nothing, &with_injections]);
    for ((name, namespace), latencies) in rows {
        println!(
            "| {name} | {:.2} ms | {:.2} ms | {:.2} ms | {:.0} |",
            p50(latencies),
            percentile(&mut latencies.clone(), 99.0),
            added(latencies),
            at_once(&cluster, namespace, options.creates)?
        );
    }
    if options.without_policies {
        return Ok(());
    }
    many::compare(&cluster, &plain, options.creates)
}

/// What Runstamp answers about the Run besides that it is allowed, as a piece of JSON: patch and audit annotations.
fn patch_of_runstamp() -> anyhow::Result<Vec<u8>> {
    let (_, loaded) = read_texts(load::texts_with_teams(100));
    let set = compile(loaded.definitions).set.context("the policies do not compile")?;
    let review = load::recorded("pipelines-as-code.mutate");
    let reply = answer(Webhook::Mutate, &review, &set, Stance::default())?;
    let mut body: Value = serde_json::from_slice(&reply.body).context("the answer is no JSON")?;
    let mut more = Vec::new();
    for (name, value) in body["response"].as_object_mut().context("there is no answer")? {
        if !["uid", "allowed"].contains(&name.as_str()) {
            more.extend_from_slice(format!(",{}:{value}", Value::from(name.as_str())).as_bytes());
        }
    }
    Ok(more)
}

/// Creates a Run in each namespace, again and again; how long each took.
fn in_turns<const N: usize>(
    cluster: &Cluster,
    namespaces: [&Namespace; N],
    creates: usize,
) -> anyhow::Result<[Vec<Duration>; N]> {
    let mut latencies = std::array::from_fn(|_| Vec::with_capacity(creates));
    for turn in 0..creates + WARM_UP {
        for (namespace, latencies) in namespaces.iter().zip(&mut latencies) {
            let begun = Instant::now();
            cluster.create(namespace)?;
            if turn >= WARM_UP {
                latencies.push(begun.elapsed());
            }
        }
    }
    Ok(latencies)
}

/// Creates a second where several create at once.
fn at_once(cluster: &Cluster, namespace: &Namespace, creates: usize) -> anyhow::Result<f64> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let creating: Vec<_> = (0..CREATORS)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..creates / CREATORS {
                        cluster.create(namespace)?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for creator in creating {
            creator
                .join()
                .map_err(|_| anyhow!("a creator ended in a panic"))
                .context("")??;
        }
        anyhow::Ok(())
    })?;
    Ok((creates / CREATORS * CREATORS) as f64 / begun.elapsed().as_secs_f64())
}
