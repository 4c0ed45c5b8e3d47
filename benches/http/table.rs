//! The lines that are printed: measured, must, goal, and whether they are reached.

use std::time::Duration;

/// Begins a table of figures that are held against a bound.
pub(crate) fn begin(title: &str) {
    println!("\n## {title}\n");
    println!("| what | measured | must | goal | reached |");
    println!("|---|---|---|---|---|");
}

/// A figure that is to be small, with its bounds in the same unit.
pub(crate) fn at_most(what: &str, measured: f64, must: f64, goal: f64, unit: &str) {
    let reached = if measured <= goal {
        "goal"
    } else if measured <= must {
        "must"
    } else {
        "no"
    };
    println!("| {what} | **{measured:.2}{unit}** | {must}{unit} | {goal}{unit} | {reached} |");
}

/// A figure that is to be large.
pub(crate) fn at_least(what: &str, measured: f64, must: f64, goal: f64, unit: &str) {
    let reached = if measured >= goal {
        "goal"
    } else if measured >= must {
        "must"
    } else {
        "no"
    };
    println!("| {what} | **{measured:.1}{unit}** | {must}{unit} | {goal}{unit} | {reached} |");
}

/// A figure without a bound, which helps to judge the others.
pub(crate) fn note(what: &str, measured: &str) {
    println!("| {what} | {measured} | | | |");
}

/// The middle of some figures; nothing of nothing.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The latency that so many of a hundred stay below, in milliseconds.
pub(crate) fn percentile(latencies: &mut [Duration], percent: f64) -> f64 {
    latencies.sort_unstable();
    let position = (latencies.len() as f64 * percent / 100.0) as usize;
    let latency = latencies.get(position).or(latencies.last());
    latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
}

/// Bytes in megabytes, as the bounds are given.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
