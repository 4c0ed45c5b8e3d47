//! The metrics of the server, with handles that the request path uses without looking anything up.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::counter_grid::CounterGrid;
use super::policy_meters::PolicyFamilies;
use super::process::ProcessCollector;
use super::rejection::Rejection;
use crate::domain::decision::Lineage;
use crate::domain::words::RunKind;
use crate::review::{Reply, Webhook};

/// Bounds of the duration histogram, in seconds: 10 µs to 1 s.
const DURATION_BUCKETS: [f64; 16] = [
    0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
];

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: ReviewCells,
    duration: [Histogram; 2],
    in_flight: Gauge,
    rejected: Vec<Counter>,
    policy_set_info: Family<DigestLabels, Gauge>,
    policy_load_failures: Counter,
    policy_last_load_success: Gauge,
    certificate_expiry: Gauge,
    certificate_load_failures: Counter,
    events_dropped: Counter,
    suspected_children: Counter,
    pub(super) policy_families: PolicyFamilies,
}

impl Metrics {
    /// Registers everything.
    pub fn new() -> Self {
        let mut everything = Registry::default();
        everything.register_collector(Box::new(ProcessCollector));
        let registry = everything.sub_registry_with_prefix("runstamp");
        let reviews = Family::<ReviewLabels, Counter>::default();
        registry.register("admission_reviews", "Admission reviews decided", reviews.clone());
        let duration = Family::<WebhookLabels, Histogram>::new_with_constructor(|| Histogram::new(DURATION_BUCKETS));
        registry.register(
            "admission_review_duration_seconds",
            "Time from the whole body to the whole answer",
            duration.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("in_flight_reviews", "Requests being read or decided", in_flight.clone());
        let rejected = Family::<RejectionLabels, Counter>::default();
        registry.register(
            "rejected_requests",
            "Requests turned away without a decision",
            rejected.clone(),
        );
        let policy_families = PolicyFamilies::register(registry);
        let policy_set_info = Family::<DigestLabels, Gauge>::default();
        registry.register(
            "policy_set_info",
            "1 for the digest of the policy set that decides",
            policy_set_info.clone(),
        );
        let policy_load_failures = Counter::default();
        registry.register(
            "policy_load_failures",
            "Policy sets that were refused",
            policy_load_failures.clone(),
        );
        let policy_last_load_success = Gauge::default();
        registry.register(
            "policy_last_load_success_timestamp_seconds",
            "When the policy files were last read and found good",
            policy_last_load_success.clone(),
        );
        let certificate_expiry = Gauge::default();
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the serving certificate expires",
            certificate_expiry.clone(),
        );
        let certificate_load_failures = Counter::default();
        registry.register(
            "certificate_load_failures",
            "Certificates that could not be used",
            certificate_load_failures.clone(),
        );
        let events_dropped = Counter::default();
        registry.register(
            "events_dropped",
            "Refusals for which no Kubernetes Event could be written",
            events_dropped.clone(),
        );
        let suspected_children = Counter::default();
        registry.register(
            "suspected_children",
            "Runs of service accounts that lost a PipelineRun as owner: a pipelines controller may be missing in Settings",
            suspected_children.clone(),
        );
        Self {
            registry: everything,
            reviews: ReviewCells::new(reviews),
            duration: Webhook::ALL.map(|webhook| {
                duration.get_or_create_owned(&WebhookLabels {
                    webhook: webhook_word(webhook),
                })
            }),
            in_flight,
            rejected: Rejection::ALL
                .iter()
                .map(|reason| rejected.get_or_create_owned(&RejectionLabels { reason: reason.word() }))
                .collect(),
            policy_set_info,
            policy_load_failures,
            policy_last_load_success,
            certificate_expiry,
            certificate_load_failures,
            events_dropped,
            suspected_children,
            policy_families,
        }
    }

    /// The text that Prometheus scrapes, in the OpenMetrics format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail.
            Err(std::fmt::Error) => String::new(),
        }
    }

    /// Counts a review that was decided.
    pub fn count_review(&self, webhook: Webhook, reply: &Reply<'_>, took: Duration) {
        self.reviews.count(webhook, reply);
        if let Some(histogram) = self.duration.get(webhook as usize) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// Counts a request that was turned away.
    pub fn count_rejection(&self, reason: Rejection) {
        if let Some(counter) = self.rejected.get(reason as usize) {
            counter.inc();
        }
    }

    /// Counts a Root that may be a child all the same.
    pub fn count_suspected_child(&self) {
        self.suspected_children.inc();
    }

    /// Counts a request as under way until the guard is dropped.
    pub fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Says which policy set decides from now on.
    pub fn set_policy_set(&self, digest: &str) {
        self.policy_set_info.clear();
        self.policy_set_info
            .get_or_create(&DigestLabels {
                digest: digest.to_owned(),
            })
            .set(1);
    }

    /// Says when the policy files were last found good, in seconds since 1970.
    pub fn set_policy_load_success(&self, now: i64) {
        self.policy_last_load_success.set(now);
    }

    /// Counts a policy set that was refused.
    pub fn count_policy_load_failure(&self) {
        self.policy_load_failures.inc();
    }

    /// Says when the serving certificate expires, in seconds since 1970.
    pub fn set_certificate_expiry(&self, expiry: i64) {
        self.certificate_expiry.set(expiry);
    }

    /// Counts a certificate that could not be used.
    pub fn count_certificate_load_failure(&self) {
        self.certificate_load_failures.inc();
    }

    /// Counts refusals for which no Kubernetes Event could be written.
    pub fn count_dropped_events(&self, refusals: u64) {
        self.events_dropped.inc_by(refusals);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A request that is under way, for as long as this lives.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Webhook {
    const ALL: [Self; 2] = [Self::Mutate, Self::Validate];
}

const OPERATIONS: [&str; 5] = ["CREATE", "UPDATE", "DELETE", "CONNECT", "other"];
const OUTCOMES: [&str; 6] = ["allow", "patch", "deny", "unreadable", "unjudged", "other"];
/// The words of [`RunKind`] in its order, and one for everything else.
const KINDS: [&str; RunKind::WORDS.len() + 1] = ["PipelineRun", "TaskRun", "CustomRun", "other"];
/// The words of [`Lineage`], and one for requests without.
pub(super) const LINEAGES: [&str; 4] = ["Root", "Child", "Mirror", "none"];

/// Position of a lineage in [`LINEAGES`].
pub(super) fn lineage_position(lineage: Option<Lineage>) -> usize {
    match lineage {
        Some(Lineage::Root) => 0,
        Some(Lineage::Child) => 1,
        Some(Lineage::Mirror) => 2,
        None => 3,
    }
}

fn webhook_word(webhook: Webhook) -> &'static str {
    match webhook {
        Webhook::Mutate => "mutate",
        Webhook::Validate => "validate",
    }
}

/// The position of a word, or that of the last one, which stands for everything else.
fn position_of(words: &[&str], word: &str) -> usize {
    words
        .iter()
        .position(|known| *known == word)
        .unwrap_or(words.len().saturating_sub(1))
}

/// The counters of reviews: a row for each webhook and kind, a column for each operation, lineage and outcome.
#[derive(Debug)]
struct ReviewCells {
    family: Family<ReviewLabels, Counter>,
    grid: CounterGrid,
}

impl ReviewCells {
    fn new(family: Family<ReviewLabels, Counter>) -> Self {
        Self {
            family,
            grid: CounterGrid::new(
                Webhook::ALL.len() * KINDS.len(),
                OPERATIONS.len() * LINEAGES.len() * OUTCOMES.len(),
            ),
        }
    }

    fn count(&self, webhook: Webhook, reply: &Reply<'_>) {
        let kind = reply.subject.kind.map_or(RunKind::WORDS.len(), |kind| kind as usize);
        let operation = position_of(&OPERATIONS, reply.subject.operation);
        let lineage = lineage_position(reply.decision.lineage);
        let outcome = position_of(&OUTCOMES, reply.outcome);
        let row = webhook as usize * KINDS.len() + kind;
        let column = (operation * LINEAGES.len() + lineage) * OUTCOMES.len() + outcome;
        self.grid.count(row, column, || {
            self.family.get_or_create_owned(&ReviewLabels {
                webhook: webhook_word(webhook),
                kind: word_at(&KINDS, kind),
                operation: word_at(&OPERATIONS, operation),
                lineage: word_at(&LINEAGES, lineage),
                decision: word_at(&OUTCOMES, outcome),
            })
        });
    }
}

pub(super) fn word_at(words: &[&'static str], position: usize) -> &'static str {
    words.get(position).copied().unwrap_or("other")
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    webhook: &'static str,
    kind: &'static str,
    operation: &'static str,
    lineage: &'static str,
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    webhook: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectionLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DigestLabels {
    digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_positions_of_words_are_those_of_the_domain() {
        for (position, (word, kind)) in RunKind::WORDS.iter().enumerate() {
            assert_eq!((KINDS[position], *kind as usize), (*word, position));
        }
        for lineage in [Lineage::Root, Lineage::Child, Lineage::Mirror] {
            assert_eq!(LINEAGES[lineage_position(Some(lineage))], lineage.word());
        }
        for (position, reason) in Rejection::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, position);
        }
    }
}
