//! Log lines that a flood of requests must not turn into a flood of lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Least time between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lets one line pass in ten seconds, and counts those in between.
#[derive(Debug)]
pub struct Throttle {
    started: Instant,
    /// Milliseconds after `started` from which on a line may pass.
    due: AtomicU64,
    held_back: AtomicU64,
}

impl Throttle {
    /// The first line passes.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            due: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    /// Whether a line may pass now; if so, how many were held back since the last.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(self.started.elapsed())
    }

    fn pass_at(&self, elapsed: Duration) -> Option<u64> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let due = self.due.load(Ordering::Relaxed);
        let next = millis(elapsed.saturating_add(INTERVAL));
        // Of several at once, one takes the turn.
        let passes = millis(elapsed) >= due
            && self
                .due
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if passes {
            Some(self.held_back.swap(0, Ordering::Relaxed))
        } else {
            self.held_back.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_passes_and_says_how_many_did_not() {
        let throttle = Throttle::new();
        let passes = |seconds| throttle.pass_at(Duration::from_secs(seconds));
        assert_eq!(
            [0, 0, 1, 9, 10, 19, 20, 500].map(passes),
            [Some(0), None, None, None, Some(3), None, Some(1), Some(0)]
        );
    }
}
