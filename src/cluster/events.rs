//! Kubernetes Events for refusals that nobody sees, written beside requests.
//!
//! The recorder of the client library is not used: it takes two mistakes of one EventListener for the same Event,
//! remembers without bound and writes every repetition.

mod book;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::headless::{HeadlessRefusal, Witness, WitnessKind, hex};
use crate::telemetry::{Metrics, Throttle};
pub use book::EventPace;
use book::{Book, Outcome, StoredEvent, Write};

/// Who writes the Events: a qualified name, as the API demands.
const CONTROLLER: &str = "runstamp.dev/runstamp";

/// The reason, as people filter by it.
const REASON: &str = "RunRefused";

/// What was tried when it happened.
const ACTION: &str = "CreateRun";

/// Longest name of a reporting instance, in bytes (`k8s.io/kubernetes/pkg/apis/core/validation/events.go`).
const MAX_INSTANCE_BYTES: usize = 128;

/// Longest time for one Event, with the look for what it is about.
const WRITE_TIME: Duration = Duration::from_secs(5);

/// Writes Events until it is told to end.
#[derive(Debug)]
pub struct EventWriter {
    end: oneshot::Sender<Instant>,
    task: JoinHandle<()>,
}

impl EventWriter {
    /// Starts to write what comes out of the queue, as this replica.
    pub fn start(
        client: Client,
        replica: &str,
        refusals: mpsc::Receiver<HeadlessRefusal>,
        metrics: Arc<Metrics>,
        pace: EventPace,
    ) -> Self {
        let (end, ending) = oneshot::channel();
        let mut instance = if replica.is_empty() { CONTROLLER } else { replica }.to_owned();
        instance.truncate(instance.floor_char_boundary(MAX_INSTANCE_BYTES));
        let work = Work {
            desk: Desk { client, instance },
            book: Book::new(pace),
            refusals,
            metrics,
            failures: Throttle::new(),
        };
        Self {
            end,
            task: tokio::spawn(work.run(ending)),
        }
    }

    /// Writes what waits, within the limit; what finds no time is dropped and counted.
    pub async fn finish(self, limit: Duration) {
        // It ends by itself at the limit; a task that is gone already has nothing left to say.
        let _ = self.end.send(Instant::now() + limit);
        let _ = self.task.await;
    }
}

/// The writer's own state.
struct Work {
    desk: Desk,
    book: Book,
    refusals: mpsc::Receiver<HeadlessRefusal>,
    metrics: Arc<Metrics>,
    failures: Throttle,
}

impl Work {
    async fn run(mut self, mut ending: oneshot::Receiver<Instant>) {
        let limit = self.serve(&mut ending).await;
        let _ = tokio::time::timeout_at(limit.into(), self.flush()).await;
        let mut lost = self.book.untold();
        while self.refusals.try_recv().is_ok() {
            lost = lost.saturating_add(1);
        }
        if lost > 0 {
            self.metrics.count_dropped_events(u64::from(lost));
            tracing::warn!(lost, "refusals were not told: there was no time to write their Events");
        }
    }

    /// Takes refusals and writes Events until the end is announced; returns by when it must come.
    async fn serve(&mut self, ending: &mut oneshot::Receiver<Instant>) -> Instant {
        // One write at a time, and refusals are taken meanwhile.
        let mut writing = JoinSet::new();
        loop {
            let due = self.book.next_due().filter(|_| writing.is_empty());
            tokio::select! {
                announced = &mut *ending => {
                    let limit = announced.unwrap_or_else(|_| Instant::now());
                    if let Ok(Some(Ok(written))) = tokio::time::timeout_at(limit.into(), writing.join_next()).await {
                        self.note(written);
                    }
                    return limit;
                }
                Some(refusal) = self.refusals.recv() => self.take(refusal),
                Some(joined) = writing.join_next() => {
                    if let Ok(written) = joined {
                        self.note(written);
                    }
                }
                () = until(due), if due.is_some() => {
                    if let Some(write) = self.book.begin(Instant::now()) {
                        writing.spawn(self.desk.clone().write(write));
                    }
                }
            }
        }
    }

    /// Writes everything that waits, as fast as the API server takes it.
    async fn flush(&mut self) {
        self.refusals.close();
        while let Some(refusal) = self.refusals.recv().await {
            self.take(refusal);
        }
        self.book.hurry(Instant::now());
        while let Some(write) = self.book.begin(Instant::now()) {
            let written = self.desk.clone().write(write).await;
            self.note(written);
        }
    }

    fn take(&mut self, refusal: HeadlessRefusal) {
        if !self.book.take(refusal, Instant::now()) {
            self.metrics.count_dropped_events(1);
        }
    }

    fn note(&mut self, written: Written) {
        let Written { write, result } = written;
        let outcome = match result {
            Ok(stored) => Outcome::Written(stored),
            Err(failure) => {
                if failure.outcome != Outcome::Gone
                    && let Some(held_back) = self.failures.pass()
                {
                    let error = failure.reason;
                    tracing::warn!(error, held_back, "failed to write an Event about a refusal");
                }
                failure.outcome
            }
        };
        let lost = self.book.finish(&write, outcome, Instant::now());
        self.metrics.count_dropped_events(u64::from(lost));
    }
}

/// Waits for a moment; without one, for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// A write and what the API server said.
struct Written {
    write: Write,
    result: Result<StoredEvent, Failure>,
}

/// Why an Event was not written.
struct Failure {
    outcome: Outcome,
    reason: String,
}

impl Failure {
    fn of(error: &kube::Error, changes: bool) -> Self {
        let outcome = match error {
            kube::Error::Api(status) if status.code == 404 && changes => Outcome::Gone,
            // Others tell of the server, not of the Event.
            kube::Error::Api(status)
                if (400..500).contains(&status.code) && !matches!(status.code, 401 | 408 | 429) =>
            {
                Outcome::Refused
            }
            _ => Outcome::Failed,
        };
        let reason = reason(error);
        Self { outcome, reason }
    }
}

/// What the API server says, or the error with all that caused it.
fn reason(error: &kube::Error) -> String {
    let mut error: &dyn std::error::Error = match error {
        kube::Error::Api(status) => return status.message.clone(),
        error => error,
    };
    let mut text = error.to_string();
    while let Some(source) = error.source() {
        // Some repeat what caused them.
        let cause = source.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        error = source;
    }
    text
}

/// Writes single Events.
#[derive(Clone)]
struct Desk {
    client: Client,
    instance: String,
}

impl Desk {
    async fn write(self, write: Write) -> Written {
        let result = tokio::time::timeout(WRITE_TIME, self.try_write(&write)).await;
        let result = result.unwrap_or_else(|_| {
            Err(Failure {
                outcome: Outcome::Failed,
                reason: format!("expected an answer within {WRITE_TIME:?}, found none"),
            })
        });
        Written { write, result }
    }

    async fn try_write(&self, write: &Write) -> Result<StoredEvent, Failure> {
        let now = Timestamp::now();
        let series = (write.count > 1).then(|| EventSeries {
            count: i32::try_from(write.count).unwrap_or(i32::MAX),
            last_observed_time: MicroTime(now),
        });
        if let Some(stored) = &write.stored {
            let events: Api<Event> = Api::namespaced(self.client.clone(), &stored.namespace);
            let patch = Patch::Merge(serde_json::json!({ "series": series }));
            let changed = events.patch(&stored.name, &PatchParams::default(), &patch).await;
            return match changed {
                Ok(_) => Ok(stored.clone()),
                Err(error) => Err(Failure::of(&error, true)),
            };
        }
        let event = self.event(&write.refusal, self.witness(&write.refusal).await, series, now);
        let stored = StoredEvent {
            namespace: event.metadata.namespace.clone().unwrap_or_default(),
            name: event.metadata.name.clone().unwrap_or_default(),
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), &stored.namespace);
        match events.create(&PostParams::default(), &event).await {
            Ok(_) => Ok(stored),
            Err(error) => Err(Failure::of(&error, false)),
        }
    }

    /// The first of those whom the Run names that exists, else its creator.
    ///
    /// Where looking is not allowed, the first is taken for real: what the Event says is true all the same, and only
    /// `kubectl describe`, which asks for Events by uid, does not show it.
    async fn witness(&self, refusal: &HeadlessRefusal) -> Witness {
        for named in &refusal.named {
            let resource = resource(named.kind);
            let objects: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &named.namespace, &resource);
            match objects.get_metadata(&named.name).await {
                Ok(found) => {
                    let uid = found.metadata.uid;
                    return Witness { uid, ..named.clone() };
                }
                // Where the kind is not installed, the answer is no Status and says so in words of its own.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => {
                    let (error, kind) = (reason(&error), named.kind.word());
                    tracing::debug!(error, kind, "failed to look for what a Run names");
                    return named.clone();
                }
            }
        }
        refusal.creator.clone()
    }

    fn event(&self, refusal: &HeadlessRefusal, witness: Witness, series: Option<EventSeries>, now: Timestamp) -> Event {
        let related = (witness != refusal.creator).then(|| reference(&refusal.creator));
        Event {
            metadata: ObjectMeta {
                name: Some(self.name(refusal, now)),
                namespace: Some(witness.namespace.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            type_: Some("Warning".to_owned()),
            reason: Some(REASON.to_owned()),
            action: Some(ACTION.to_owned()),
            note: Some(refusal.note(witness.kind)),
            regarding: Some(reference(&witness)),
            related,
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            series,
            ..Event::default()
        }
    }

    /// A name that no other replica and no other moment gives.
    fn name(&self, refusal: &HeadlessRefusal, now: Timestamp) -> String {
        let mut digest = Sha256::new();
        digest.update(refusal.identity);
        digest.update(now.as_nanosecond().to_be_bytes());
        digest.update(self.instance.as_bytes());
        let digest = digest.finalize();
        format!("runstamp-refusal-{}", hex(digest.get(..10).unwrap_or_default()))
    }
}

/// Where objects of a kind are found.
fn resource(kind: WitnessKind) -> ApiResource {
    let (group, version, plural) = match kind {
        WitnessKind::EventListener => ("triggers.tekton.dev", "v1beta1", "eventlisteners"),
        WitnessKind::Repository => ("pipelinesascode.tekton.dev", "v1alpha1", "repositories"),
        WitnessKind::ServiceAccount => ("", "v1", "serviceaccounts"),
    };
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.word().to_owned(),
        plural: plural.to_owned(),
    }
}

fn reference(witness: &Witness) -> ObjectReference {
    ObjectReference {
        api_version: Some(resource(witness.kind).api_version),
        kind: Some(witness.kind.word().to_owned()),
        namespace: Some(witness.namespace.clone()),
        name: Some(witness.name.clone()),
        uid: witness.uid.clone(),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const PACE: EventPace = EventPace {
        gap: Duration::ZERO,
        update: Duration::ZERO,
        window: Duration::from_secs(600),
        retry: Duration::ZERO,
        mute: Duration::from_secs(60),
    };

    /// A writer that talks to this address, with refusals of three kinds waiting.
    async fn writer(address: &str) -> (EventWriter, Arc<Metrics>) {
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        let client = Client::try_from(config).unwrap();
        let metrics = Arc::new(Metrics::new());
        let (sender, refusals) = mpsc::channel(8);
        for number in 0..3 {
            let creator = Witness {
                kind: WitnessKind::ServiceAccount,
                namespace: "ci".to_owned(),
                name: "triggers".to_owned(),
                uid: None,
            };
            sender
                .send(HeadlessRefusal::for_test([number; 32], creator))
                .await
                .unwrap();
        }
        let writer = EventWriter::start(client, "replica", refusals, Arc::clone(&metrics), PACE);
        (writer, metrics)
    }

    fn dropped(metrics: &Metrics) -> String {
        let text = metrics.render();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("runstamp_events_dropped_total "));
        line.unwrap().to_owned()
    }

    #[tokio::test]
    async fn an_api_server_that_is_not_there_costs_its_events_and_nothing_else() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap().to_string();
        drop(closed);
        let (writer, metrics) = writer(&address).await;
        writer.finish(WRITE_TIME * 10).await;
        assert_eq!(dropped(&metrics), "3");
    }

    #[tokio::test]
    async fn an_end_does_not_wait_for_an_api_server_that_never_answers() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let (writer, metrics) = writer(&address).await;
        // The first write is under way.
        let _held = silent.accept().await.unwrap();
        writer.finish(Duration::ZERO).await;
        assert_eq!(dropped(&metrics), "3");
    }
}
