//! What a decision costs: review bytes in, reply bytes out, beside the least that any webhook must do, which is to validate the same
//! bytes as JSON. See `benches/README.md`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that does not measure what it means ends at once"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion};
use mimalloc::MiMalloc;
use runstamp::domain::compile::compile;
use runstamp::domain::policy_set::PolicySet;
use runstamp::policy_file::{PolicyText, read_texts};
use runstamp::review::{Stance, Webhook, answer};
use serde::de::IgnoredAny;

#[allow(dead_code, reason = "other benchmarks use the rest")]
mod load;

// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Policies of teams besides the built-in ones; without any, the Run needs nothing.
const POLICIES: [usize; 4] = [0, 1, 100, 10_000];

fn main() {
    let reviews = reviews();
    let sets: Vec<(usize, PolicySet)> = POLICIES
        .iter()
        .map(|count| (*count, compiled(load::texts_with_teams(*count))))
        .collect();
    check(&reviews, &sets);
    print_ratios(&reviews, &sets);
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .without_plots()
        .configure_from_args();
    decisions(&mut criterion, &reviews, &sets);
    drop(sets);
    loading(&mut criterion);
    criterion.final_summary();
}

/// Reviews of three sizes, by name.
fn reviews() -> Vec<(String, Vec<u8>)> {
    let small = load::recorded("root-create.mutate");
    let middle = load::recorded("pipelines-as-code.mutate");
    let large = load::with_scripts(&middle, 50_000);
    [small, middle, large]
        .into_iter()
        .map(|review| (format!("{:.1} KB", review.len() as f64 / 1e3), review))
        .collect()
}

fn compiled(texts: Vec<PolicyText>) -> PolicySet {
    let (_, loaded) = read_texts(texts);
    assert_eq!(loaded.problems, [], "the generated policies are free of errors");
    compile(loaded.definitions).set.expect("the generated policies compile")
}

/// What is measured is what is meant: everything is injected, or nothing is.
fn check(reviews: &[(String, Vec<u8>)], sets: &[(usize, PolicySet)]) {
    for (size, review) in reviews {
        for (policies, set) in sets {
            let reply = answer(Webhook::Mutate, review, set, Stance::default()).expect("a review");
            let expected = if *policies == 0 { 0 } else { load::INJECTED };
            assert_eq!(reply.decision.injected.len(), expected, "{size}, {policies} policies");
            assert_eq!(reply.outcome, if *policies == 0 { "allow" } else { "patch" });
        }
    }
}

fn validate_json(review: &[u8]) {
    let valid = serde_json::from_slice::<IgnoredAny>(black_box(review)).is_ok();
    black_box(valid);
}

fn mutate(review: &[u8], set: &PolicySet) {
    let reply = answer(Webhook::Mutate, black_box(review), set, Stance::default());
    black_box(reply.is_ok());
}

/// Ratios hold on a busy machine where absolute times do not: both are timed in turns, and the best turn of each counts.
fn print_ratios(reviews: &[(String, Vec<u8>)], sets: &[(usize, PolicySet)]) {
    const TURNS: u32 = 100;
    println!("| review | policies | IgnoredAny | mutate | ratio |");
    println!("|---|---|---|---|---|");
    for (size, review) in reviews {
        let calls = u32::try_from(1_000_000 / review.len()).unwrap_or(1);
        for (policies, set) in sets {
            let (mut baseline, mut decision) = (Duration::MAX, Duration::MAX);
            for _ in 0..TURNS {
                baseline = baseline.min(time(calls, || validate_json(review)));
                decision = decision.min(time(calls, || mutate(review, set)));
            }
            println!(
                "| {size} | {policies} | {:.2} µs | {:.2} µs | {:.2} |",
                baseline.as_nanos() as f64 / 1e3,
                decision.as_nanos() as f64 / 1e3,
                decision.as_nanos() as f64 / baseline.as_nanos() as f64
            );
        }
    }
}

/// The time of one call, over many.
fn time(calls: u32, call: impl Fn()) -> Duration {
    let begun = Instant::now();
    for _ in 0..calls {
        call();
    }
    begun.elapsed() / calls
}

fn decisions(criterion: &mut Criterion, reviews: &[(String, Vec<u8>)], sets: &[(usize, PolicySet)]) {
    for (size, review) in reviews {
        criterion.bench_with_input(BenchmarkId::new("IgnoredAny", size), review, |bencher, review| {
            bencher.iter(|| validate_json(review));
        });
        for (policies, set) in sets {
            let id = BenchmarkId::new(format!("mutate, {policies} policies"), size);
            criterion.bench_with_input(id, review, |bencher, review| bencher.iter(|| mutate(review, set)));
        }
    }
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("10000 policies");
    group.sample_size(10);
    let texts = load::texts_with_teams(10_000);
    group.bench_function("read", |bencher| {
        bencher.iter_batched(|| texts.clone(), read_texts, BatchSize::PerIteration);
    });
    let (_, loaded) = read_texts(texts);
    group.bench_function("compile", |bencher| {
        bencher.iter_batched(|| loaded.definitions.clone(), compile, BatchSize::PerIteration);
    });
    group.finish();
}
