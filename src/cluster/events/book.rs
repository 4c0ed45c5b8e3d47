//! Which refusals are told, when, and how often each was seen. Time is an argument.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::headless::{HeadlessRefusal, Identity};

/// Kinds of refusal that are remembered at once. Each takes a few kilobytes; what finds no room is dropped and counted.
const MOST_SERIES: usize = 256;

/// Kinds of refusal of Runs of one namespace among them: whoever creates Runs of ever new mistakes must neither fill the
/// namespace with Events nor take the room of others.
const MOST_OF_NAMESPACE: usize = 32;

/// How often a failed write is tried before it is given up.
const MOST_ATTEMPTS: u8 = 3;

/// How fast Events are written.
#[derive(Debug, Clone, Copy)]
pub struct EventPace {
    /// Least time between two writes, of whatever Event: refusals must not become a load of the API server.
    pub gap: Duration,
    /// Least time between two writes of one Event.
    pub update: Duration,
    /// How long after the last refusal the next one of its kind still belongs to the same Event.
    pub window: Duration,
    /// How long after a failure a write is tried again.
    pub retry: Duration,
    /// How long a kind of refusal is not tried again after the API server has refused its Event.
    pub mute: Duration,
}

impl Default for EventPace {
    fn default() -> Self {
        Self {
            gap: Duration::from_millis(200),
            update: Duration::from_secs(5),
            window: Duration::from_secs(10 * 60),
            retry: Duration::from_secs(5),
            mute: Duration::from_secs(60),
        }
    }
}

/// An Event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredEvent {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) refusal: Arc<HeadlessRefusal>,
    /// How often it was seen.
    pub(super) count: u32,
    /// The Event to change; none: it is to be made.
    pub(super) stored: Option<StoredEvent>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The Event says so.
    Written(StoredEvent),
    /// The Event that was to be changed is gone.
    Gone,
    /// The API server does not answer, or is not able to.
    Failed,
    /// The API server will not have it.
    Refused,
}

/// One kind of refusal.
#[derive(Debug)]
struct Series {
    refusal: Arc<HeadlessRefusal>,
    seen: u32,
    written: u32,
    stored: Option<StoredEvent>,
    last_seen: Instant,
    /// When to write next; none while nothing is to be told or a write is under way.
    due: Option<Instant>,
    attempts: u8,
    muted_until: Option<Instant>,
}

impl Series {
    fn untold(&self) -> u32 {
        self.seen.saturating_sub(self.written)
    }

    fn is_over(&self, now: Instant, pace: &EventPace) -> bool {
        self.untold() == 0 && now.saturating_duration_since(self.last_seen) >= pace.window
    }
}

/// Everything that is remembered of refusals.
#[derive(Debug)]
pub(super) struct Book {
    pace: EventPace,
    series: HashMap<Identity, Series>,
    /// When the next write may begin.
    open_from: Option<Instant>,
}

impl Book {
    pub(super) fn new(pace: EventPace) -> Self {
        Self {
            pace,
            series: HashMap::new(),
            open_from: None,
        }
    }

    /// Takes a refusal; false where it is not going to be told.
    pub(super) fn take(&mut self, refusal: HeadlessRefusal, now: Instant) -> bool {
        let pace = self.pace;
        if let Some(series) = self.series.get_mut(&refusal.identity)
            && !series.is_over(now, &pace)
        {
            if series.muted_until.is_some_and(|until| now < until) {
                return false;
            }
            series.muted_until = None;
            let was_told = series.untold() == 0;
            series.seen = series.seen.saturating_add(1);
            series.last_seen = now;
            if was_told && series.due.is_none() {
                let pause = if series.written == 0 {
                    Duration::ZERO
                } else {
                    pace.update
                };
                series.due = Some(now + pause);
            }
            return true;
        }
        self.series.remove(&refusal.identity);
        if !self.has_room(&refusal.namespace) {
            self.series.retain(|_, series| {
                let is_muted = series.muted_until.is_some_and(|until| now < until);
                is_muted || !series.is_over(now, &pace)
            });
        }
        if !self.has_room(&refusal.namespace) {
            return false;
        }
        let series = Series {
            seen: 1,
            written: 0,
            stored: None,
            last_seen: now,
            due: Some(now),
            attempts: 0,
            muted_until: None,
            refusal: Arc::new(refusal),
        };
        self.series.insert(series.refusal.identity, series);
        true
    }

    fn has_room(&self, namespace: &str) -> bool {
        let of_namespace = self
            .series
            .values()
            .filter(|series| series.refusal.namespace == namespace);
        self.series.len() < MOST_SERIES && of_namespace.count() < MOST_OF_NAMESPACE
    }

    /// When the next write is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let earliest = self.series.values().filter_map(|series| series.due).min()?;
        Some(self.open_from.map_or(earliest, |open| open.max(earliest)))
    }

    /// The write that has been due for longest. Whoever gets it says what became of it by [`Self::finish`].
    pub(super) fn begin(&mut self, now: Instant) -> Option<Write> {
        let due = self.series.values_mut().filter(|series| series.due.is_some());
        let series = due.min_by_key(|series| (series.due, series.refusal.identity))?;
        series.due = None;
        self.open_from = Some(now + self.pace.gap);
        Some(Write {
            refusal: Arc::clone(&series.refusal),
            count: series.seen,
            stored: series.stored.clone(),
        })
    }

    /// Notes what became of a write; returns how many refusals are given up.
    pub(super) fn finish(&mut self, write: &Write, outcome: Outcome, now: Instant) -> u32 {
        let pace = self.pace;
        let Some(series) = self.series.get_mut(&write.refusal.identity) else {
            return 0;
        };
        match outcome {
            Outcome::Written(stored) => {
                series.stored = Some(stored);
                series.written = write.count;
                series.attempts = 0;
                series.due = (series.untold() > 0).then(|| now + pace.update);
                0
            }
            Outcome::Gone => {
                series.stored = None;
                series.due = Some(now);
                0
            }
            Outcome::Failed if series.attempts + 1 < MOST_ATTEMPTS => {
                series.attempts += 1;
                series.due = Some(now + pace.retry);
                0
            }
            Outcome::Failed | Outcome::Refused => {
                let lost = series.untold();
                // Begun anew when the pause is over: what was not told is not counted in a later Event.
                series.seen = series.written;
                series.attempts = 0;
                series.muted_until = Some(now + pace.mute);
                lost
            }
        }
    }

    /// Whatever waits is due now: there is no later.
    pub(super) fn hurry(&mut self, now: Instant) {
        for series in self.series.values_mut() {
            if series.due.is_some() || series.untold() > 0 {
                series.due = Some(now);
            }
        }
        self.open_from = None;
        self.pace.gap = Duration::ZERO;
        self.pace.update = Duration::ZERO;
    }

    /// Refusals that nobody has been told of.
    pub(super) fn untold(&self) -> u32 {
        self.series
            .values()
            .fold(0_u32, |sum, series| sum.saturating_add(series.untold()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headless::{Witness, WitnessKind};

    const PACE: EventPace = EventPace {
        gap: Duration::from_secs(1),
        update: Duration::from_secs(10),
        window: Duration::from_secs(600),
        retry: Duration::from_secs(5),
        mute: Duration::from_secs(60),
    };

    fn refusal(number: u32) -> HeadlessRefusal {
        let mut identity = [0; 32];
        identity[..4].copy_from_slice(&number.to_be_bytes());
        let creator = Witness {
            kind: WitnessKind::ServiceAccount,
            // Every namespace gets as many as it has room for.
            namespace: format!("ci-{}", number as usize / MOST_OF_NAMESPACE),
            name: "triggers".to_owned(),
            uid: None,
        };
        HeadlessRefusal::for_test(identity, creator)
    }

    fn stored() -> StoredEvent {
        StoredEvent {
            namespace: "ci".to_owned(),
            name: "event".to_owned(),
        }
    }

    /// A book, and a clock that the test sets, in seconds.
    struct Story {
        book: Book,
        start: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self {
                book: Book::new(PACE),
                start: Instant::now(),
            }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        fn take(&mut self, number: u32, seconds: u64) -> bool {
            let now = self.at(seconds);
            self.book.take(refusal(number), now)
        }

        fn due(&self) -> Option<u64> {
            self.book.next_due().map(|due| (due - self.start).as_secs())
        }

        /// Writes what is due; how often it was seen and whether an Event was changed.
        #[track_caller]
        fn write(&mut self, seconds: u64, outcome: Outcome) -> (u32, bool) {
            let now = self.at(seconds);
            let write = self.book.begin(now).expect("something is due");
            self.book.finish(&write, outcome, now);
            (write.count, write.stored.is_some())
        }
    }

    #[test]
    fn the_first_is_written_at_once_and_those_after_it_are_counted() {
        let mut story = Story::new();
        assert!(story.take(1, 0));
        assert_eq!(story.due(), Some(0));
        assert_eq!(story.write(0, Outcome::Written(stored())), (1, false));
        assert_eq!(story.due(), None);
        for second in [1, 2, 3] {
            assert!(story.take(1, second));
        }
        assert_eq!(story.due(), Some(11), "the first repetition sets the time");
        assert_eq!(story.write(11, Outcome::Written(stored())), (4, true));
        assert_eq!(story.due(), None);
    }

    #[test]
    fn what_comes_while_a_write_is_under_way_is_told_after_it() {
        let mut story = Story::new();
        story.take(1, 0);
        let write = story.book.begin(story.at(0)).unwrap();
        assert!(story.take(1, 1));
        assert_eq!(story.due(), None, "one write of an Event at a time");
        let now = story.at(2);
        assert_eq!(story.book.finish(&write, Outcome::Written(stored()), now), 0);
        assert_eq!(story.due(), Some(12));
        assert_eq!(story.write(12, Outcome::Written(stored())), (2, true));
    }

    #[test]
    fn writes_keep_their_distance() {
        let mut story = Story::new();
        for number in 0..3 {
            story.take(number, 0);
        }
        for second in 0..3 {
            assert_eq!(story.due(), Some(second));
            story.write(second, Outcome::Written(stored()));
        }
        assert_eq!(story.due(), None);
    }

    #[test]
    fn after_the_window_another_event_begins() {
        let mut story = Story::new();
        story.take(1, 0);
        story.write(0, Outcome::Written(stored()));
        story.take(1, 599);
        assert_eq!(story.write(609, Outcome::Written(stored())), (2, true));
        story.take(1, 599 + 600);
        assert_eq!(story.write(1_200, Outcome::Written(stored())), (1, false));
    }

    #[test]
    fn an_event_that_is_gone_is_made_again_with_its_count() {
        let mut story = Story::new();
        story.take(1, 0);
        story.write(0, Outcome::Written(stored()));
        story.take(1, 1);
        assert_eq!(story.write(11, Outcome::Gone), (2, true));
        assert_eq!(story.due(), Some(12));
        assert_eq!(story.write(12, Outcome::Written(stored())), (2, false));
        assert_eq!(story.due(), None);
    }

    #[test]
    fn a_failure_is_tried_three_times_and_then_given_up() {
        let mut story = Story::new();
        story.take(1, 0);
        story.take(1, 0);
        for (second, next) in [(0, 5), (5, 10)] {
            assert_eq!(story.write(second, Outcome::Failed), (2, false));
            assert_eq!(story.due(), Some(next));
        }
        let now = story.at(10);
        let write = story.book.begin(now).unwrap();
        assert_eq!(story.book.finish(&write, Outcome::Failed, now), 2, "both are given up");
        assert_eq!((story.due(), story.book.untold()), (None, 0));
    }

    #[test]
    fn what_is_refused_is_not_asked_again_for_a_while() {
        let mut story = Story::new();
        story.take(1, 0);
        let now = story.at(0);
        let write = story.book.begin(now).unwrap();
        assert_eq!(story.book.finish(&write, Outcome::Refused, now), 1);
        assert!(!story.take(1, 59), "dropped");
        assert!(story.take(2, 59), "another one is not concerned");
        assert!(story.take(1, 60));
        story.write(60, Outcome::Written(stored()));
        assert_eq!(story.write(61, Outcome::Written(stored())), (1, false));
    }

    #[test]
    fn the_book_is_bounded_and_makes_room_of_what_is_over() {
        let mut story = Story::new();
        let most = u32::try_from(MOST_SERIES).unwrap();
        for number in 0..most {
            assert!(story.take(number, 0));
        }
        assert!(!story.take(most, 0), "there is no room");
        assert!(story.take(0, 0), "what is known needs none");
        story.write(0, Outcome::Written(stored()));
        assert!(!story.take(most, 599));
        assert!(story.take(most, 600), "one is over");
        assert!(!story.take(most + 1, 600));
        assert_eq!(story.book.series.len(), MOST_SERIES);
    }

    #[test]
    fn no_namespace_takes_the_room_of_another() {
        let mut story = Story::new();
        let share = u32::try_from(MOST_OF_NAMESPACE).unwrap();
        for number in 0..share {
            assert!(story.take(number, 0));
        }
        let mut one_more = refusal(share);
        one_more.namespace = "ci-0".to_owned();
        let now = story.at(0);
        assert!(!story.book.take(one_more.clone(), now), "its share is used up");
        assert!(story.take(share + 1, 0), "others have theirs");
        story.write(0, Outcome::Written(stored()));
        let now = story.at(600);
        assert!(story.book.take(one_more, now), "one is over");
    }

    #[test]
    fn in_the_end_everything_is_due() {
        let mut story = Story::new();
        for number in 0..3 {
            story.take(number, 0);
        }
        story.write(0, Outcome::Written(stored()));
        story.write(1, Outcome::Failed);
        story.take(0, 2);
        let now = story.at(2);
        story.book.hurry(now);
        for _ in 0..3 {
            assert_eq!(story.due(), Some(2));
            story.write(2, Outcome::Written(stored()));
        }
        assert_eq!((story.due(), story.book.untold()), (None, 0));
    }
}
