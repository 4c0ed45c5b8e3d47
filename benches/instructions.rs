//! Answers one review again and again, for tools that count instructions: see `benches/README.md`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that does not measure what it means ends at once"
)]

use std::hint::black_box;

use mimalloc::MiMalloc;
use runstamp::domain::compile::compile;
use runstamp::policy_file::read_texts;
use runstamp::review::{Stance, Webhook, answer};
use serde::de::IgnoredAny;

#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod load;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let [case, calls] = arguments.as_slice() else {
        println!("usage: instructions baseline|nothing|inject CALLS");
        return;
    };
    let calls: usize = calls.parse().expect("a number of calls");
    let review = load::recorded("pipelines-as-code.mutate");
    let (_, loaded) = read_texts(load::texts_with_teams(if case == "inject" { 100 } else { 0 }));
    let set = compile(loaded.definitions).set.expect("the policies compile");
    for _ in 0..calls {
        if case == "baseline" {
            black_box(serde_json::from_slice::<IgnoredAny>(black_box(&review)).is_ok());
        } else {
            black_box(answer(Webhook::Mutate, black_box(&review), &set, Stance::default()).is_ok());
        }
    }
}
