//! Processor time of the server for one request, against the echo's.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use runstamp::domain::compile::compile;
use runstamp::domain::policy_set::PolicySet;
use runstamp::policy_file::read_texts;
use runstamp::review::{Stance, Webhook, answer};

use crate::client::Connection;
use crate::process::{Server, own_cpu};
use crate::stage::{CONNECTIONS, Stage, request, review};
use crate::table::{at_most, begin, median, note};
use crate::traffic::{Connections, Round};
use crate::{Options, load};

/// Turns of one server, each of which is short, so that all meet the same neighbours.
const ROUND: Duration = Duration::from_millis(250);

/// New connections in a turn.
const HANDSHAKES: usize = 100;

/// Decisions in a turn of the one that needs no server.
const DECISIONS: u32 = 5_000;

/// Who is measured.
const NAMES: [&str; 4] = ["echo", "nothing to do", "100 policies", "10,000 policies"];
const POLICIES: [usize; 3] = [0, 100, 10_000];

/// The figures of one server, one a round.
#[derive(Default)]
struct Figures {
    kept: Vec<Round>,
    alone: Vec<Round>,
    handshake_us: Vec<f64>,
}

pub(crate) fn run(stage: &Stage, options: &Options) -> anyhow::Result<()> {
    let request = request();
    let mut servers = vec![(stage.echo()?, false)];
    for policies in POLICIES {
        servers.push((stage.runstamp(policies)?, policies > 0));
    }
    let mut contenders = Vec::new();
    for (server, has_patch) in &servers {
        let kept = stage.connect(server, &request, *has_patch, CONNECTIONS)?;
        let alone = stage.connect(server, &request, *has_patch, 1)?;
        contenders.push((server, kept, alone, Figures::default()));
    }
    let sets = [compiled(0)?, compiled(100)?];
    let mut decisions = [Vec::new(), Vec::new()];
    // Four servers take three turns each.
    let rounds = (options.seconds / 3.0 / ROUND.as_secs_f64()).ceil() as usize;
    for _ in 0..rounds {
        for (server, kept, alone, figures) in &mut contenders {
            stage
                .runtime
                .block_on(turn(stage, server, kept, alone, figures, &request))?;
        }
        for (set, figures) in sets.iter().zip(&mut decisions) {
            figures.push(decide(set)?);
        }
    }
    let figures: Vec<_> = contenders.into_iter().map(|(_, _, _, figures)| figures).collect();
    print(&figures, &decisions.map(median));
    Ok(())
}

async fn turn(
    stage: &Stage,
    server: &Server,
    kept: &mut Connections,
    alone: &mut Connections,
    figures: &mut Figures,
    request: &Rc<[u8]>,
) -> anyhow::Result<()> {
    figures.kept.push(kept.saturate(server, request, ROUND).await?);
    figures.alone.push(alone.saturate(server, request, ROUND).await?);
    let before = server.cpu()?;
    for _ in 0..HANDSHAKES {
        Connection::open(&stage.connector, server.address)
            .await?
            .ask(request)
            .await?;
    }
    let spent = server.cpu()?.saturating_sub(before);
    figures.handshake_us.push(spent.as_secs_f64() * 1e6 / HANDSHAKES as f64);
    Ok(())
}

fn compiled(policies: usize) -> anyhow::Result<PolicySet> {
    let (_, loaded) = read_texts(load::texts_with_teams(policies));
    compile(loaded.definitions).set.context("the policies do not compile")
}

/// What the decision takes without a server, in microseconds.
fn decide(set: &PolicySet) -> anyhow::Result<f64> {
    let review = review();
    let before = own_cpu()?;
    for _ in 0..DECISIONS {
        black_box(answer(Webhook::Mutate, black_box(&review), set, Stance::default()).is_ok());
    }
    Ok(own_cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / f64::from(DECISIONS))
}

fn print(figures: &[Figures], decisions: &[f64; 2]) {
    let [echo, nothing, hundred, thousands] = figures else {
        return;
    };
    let cpu = |rounds: &[Round]| rounds.iter().map(|round| round.cpu_us).collect::<Vec<_>>();
    // The ratio of each round: what disturbs one of two neighbours disturbs the other.
    let ratio = |one: &[Round], other: &[Round]| {
        let pairs = cpu(one).into_iter().zip(cpu(other));
        median(pairs.map(|(one, other)| one / other).collect())
    };
    begin("Processor time of the server for one request, against the echo's (one core, TLS, HTTP/1.1)");
    at_most(
        "100 policies, three inject six keys",
        ratio(&hundred.kept, &echo.kept),
        1.9,
        1.5,
        " ×",
    );
    at_most("nothing to do", ratio(&nothing.kept, &echo.kept), 1.6, 1.35, " ×");
    at_most(
        "10,000 policies, against 100 of them",
        ratio(&thousands.kept, &hundred.kept),
        1.1,
        1.02,
        " ×",
    );
    let echo_us = median(cpu(&echo.kept));
    note("the echo", &format!("{echo_us:.1} µs"));
    for (name, server, decision) in [
        ("100 policies", hundred, decisions[1]),
        ("nothing to do", nothing, decisions[0]),
    ] {
        let rest = median(cpu(&server.kept)) - decision;
        note(&format!("{name}: the decision alone"), &format!("{decision:.1} µs"));
        note(
            &format!("{name}: the server without the decision, against the echo"),
            &format!("{rest:.1} µs, {:.2} ×", rest / echo_us),
        );
    }
    println!("\n| server | 16 connections | a second | one connection | new connections |");
    println!("|---|---|---|---|---|");
    for (name, server) in NAMES.iter().zip(figures) {
        println!(
            "| {name} | {:.1} µs | {:.0} | {:.1} µs | {:.0} µs |",
            median(cpu(&server.kept)),
            median(server.kept.iter().map(|round| round.rate).collect()),
            median(cpu(&server.alone)),
            median(server.handshake_us.clone()),
        );
    }
}
