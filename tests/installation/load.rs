//! A client that creates Runs without pause and looks at every answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use crate::installation::editions::{self, Editions};
use crate::installation::stage::ALICE;
use crate::support::control_plane::User;
use crate::support::control_plane::access::{Access, Answer};

/// Who creates at the same time. The machine has two cores, and the API server wants most of them.
const CREATORS: usize = 6;

/// Stored Runs cost the API server memory: they are deleted so many at a time.
const BATCH: u64 = 500;

/// Batches that may wait to be deleted; a client that is this far ahead waits.
const MAX_BATCHES: usize = 64;

/// More failures than this tell nothing new.
const MAX_FAILURES: usize = 10_000;

/// The label that says which batch a Run belongs to.
const BATCH_LABEL: &str = "tests.runstamp.dev/batch";

const STATE: &str = "chains.tekton.dev/signed";
const SHA: &str = "github.integrations.tekton.dev/sha";
const COMMIT: &str = "6c1f3a7be0d94c25a8f17b6d5e4c3b2a19087f6e";
const JSON: &str = "application/json";

/// What a story lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// Nothing: one create that fails ends the load.
    Nothing,
    /// Creates that fail are counted. A Run that is stored as it must not be ends the load all the same.
    Failures,
}

/// A create that did not give what it must.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// When the answer came, since the load began.
    pub(crate) at: Duration,
    /// How long the answer took.
    pub(crate) took: Duration,
    /// The status code; none where the API server was not reached.
    pub(crate) code: Option<u16>,
    /// What the API server said, or what is wrong with the Run.
    pub(crate) message: String,
}

impl Failure {
    /// The kind of failure: code and message without what differs from one to the next.
    pub(crate) fn kind(&self) -> String {
        let Some(code) = self.code else {
            return "the API server was not reached".to_owned();
        };
        // An API server that has just started names the roles that it does not know yet, in any order. An address names
        // the port of one connection.
        let message = self.message.split(": rbac:").next().unwrap_or_default();
        let words = message.split(' ');
        let words = words.map(|word| if word.contains("127.") { "…" } else { word });
        format!("{code} {}", words.collect::<Vec<_>>().join(" "))
    }
}

/// What a load has seen.
pub(crate) struct Figures {
    created: u64,
    took: Duration,
    /// Of the creates that succeeded, sorted.
    latencies: Vec<Duration>,
    /// What was let pass.
    pub(crate) failures: Vec<Failure>,
}

/// Creators at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    creators: Vec<JoinHandle<Vec<Duration>>>,
    sweeper: Option<JoinHandle<()>>,
}

struct Shared {
    access: Arc<Access>,
    path: String,
    tolerance: Tolerance,
    editions: Arc<Editions>,
    begun: Instant,
    is_over: AtomicBool,
    sent: AtomicU64,
    created: AtomicU64,
    failures: Mutex<Vec<Failure>>,
    loss: Mutex<Option<Failure>>,
}

impl Load {
    /// Begins to create Runs in a namespace.
    pub(crate) fn start(access: Arc<Access>, namespace: &str, editions: Arc<Editions>, tolerance: Tolerance) -> Self {
        let shared = Arc::new(Shared {
            access,
            path: format!("/apis/tekton.dev/v1/namespaces/{namespace}/pipelineruns"),
            tolerance,
            editions,
            begun: Instant::now(),
            is_over: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            created: AtomicU64::new(0),
            failures: Mutex::default(),
            loss: Mutex::default(),
        });
        let (full, batches) = sync_channel(MAX_BATCHES);
        let creators = (0..CREATORS).map(|_| {
            let (shared, full) = (Arc::clone(&shared), full.clone());
            std::thread::spawn(move || shared.create_without_pause(&full))
        });
        let creators = creators.collect();
        let sweeper = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.delete_batches(&batches)
        });
        Self {
            shared,
            creators,
            sweeper: Some(sweeper),
        }
    }

    /// Runs created so far.
    pub(crate) fn created(&self) -> u64 {
        self.shared.created.load(Ordering::SeqCst)
    }

    /// Creates that failed so far.
    pub(crate) fn failed(&self) -> usize {
        self.shared.failures().len()
    }

    /// Fails with a report if something was lost.
    #[track_caller]
    pub(crate) fn check(&self) {
        if let Some(loss) = self.shared.loss() {
            panic!("lost after {} creates: {loss}", self.created());
        }
    }

    /// Waits until so many more Runs were created than now: what is in force now has then been seen at work.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, creates: u64) {
        let wanted = self.created() + creates;
        crate::installation::stage::wait_until("Runs are created", || {
            self.check();
            let created = self.created();
            if wanted <= created {
                return Ok(());
            }
            Err(format!(
                "{created} of {wanted} created, {} failed, the last: {:?}",
                self.failed(),
                self.shared.failures().last().map(ToString::to_string)
            ))
        });
    }

    /// Ends the load and says what it has seen.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Figures {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let took = self.shared.begun.elapsed();
        let mut latencies = Vec::new();
        for creator in std::mem::take(&mut self.creators) {
            latencies.extend(creator.join().unwrap());
        }
        self.sweeper.take().map(JoinHandle::join).transpose().unwrap();
        if let Some(loss) = self.shared.loss() {
            panic!("lost after {} creates: {loss}", latencies.len());
        }
        latencies.sort();
        Figures {
            created: self.shared.created.load(Ordering::SeqCst),
            took,
            latencies,
            failures: std::mem::take(&mut *self.shared.failures()),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn create_without_pause(&self, full: &SyncSender<u64>) -> Vec<Duration> {
        let mut latencies = Vec::new();
        while !self.is_over.load(Ordering::SeqCst) {
            let number = self.sent.fetch_add(1, Ordering::SeqCst);
            let batch = number / BATCH;
            let oldest = self.editions.oldest();
            let begun = Instant::now();
            let answer = self
                .access
                .request(&ALICE, Method::POST, &self.path, JSON, Some(&run(batch)));
            let took = begun.elapsed();
            match answer {
                Ok(answer) if answer.is_success() => {
                    latencies.push(took);
                    self.created.fetch_add(1, Ordering::SeqCst);
                    if let Err(wrong) = self.judge(&answer, oldest) {
                        self.lose(self.failure(took, Some(answer.code), wrong));
                    }
                }
                Ok(answer) => {
                    let message = match answer.message() {
                        "" => answer.body.to_string(),
                        message => message.to_owned(),
                    };
                    self.fail(self.failure(took, Some(answer.code), message));
                }
                Err(error) => self.fail(self.failure(took, None, format!("{error:#}"))),
            }
            // The batch before the last: others may still be creating in the last.
            if number.is_multiple_of(BATCH) && batch > 1 {
                let _ = full.send(batch - 2);
            }
        }
        latencies
    }

    /// Whether a stored Run was reset and stamped, and by policies that may decide.
    fn judge(&self, answer: &Answer, oldest: u64) -> Result<(), String> {
        let run = &answer.body;
        let annotation = |key: &str| run["metadata"]["annotations"].get(key).and_then(Value::as_str);
        if annotation(STATE).is_some() || annotation(SHA) != Some(COMMIT) {
            return Err(format!("stored without being stamped: {}", run["metadata"]));
        }
        let newest = self.editions.newest();
        match editions::of(run) {
            Some(edition) if (oldest..=newest).contains(&edition) => Ok(()),
            edition => Err(format!(
                "decided by edition {edition:?}, expected one of {oldest} to {newest}: {}",
                run["metadata"]
            )),
        }
    }

    fn failure(&self, took: Duration, code: Option<u16>, message: String) -> Failure {
        Failure {
            at: self.begun.elapsed(),
            took,
            code,
            message,
        }
    }

    fn fail(&self, failure: Failure) {
        if self.tolerance == Tolerance::Nothing {
            return self.lose(failure);
        }
        let is_unreached = failure.code.is_none();
        let mut failures = self.failures();
        if failures.len() < MAX_FAILURES {
            failures.push(failure);
        }
        drop(failures);
        if is_unreached {
            // Whoever finds nobody does not ask again at once.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The first loss ends the load.
    fn lose(&self, loss: Failure) {
        let mut lost = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.is_none() && !self.is_over.swap(true, Ordering::SeqCst) {
            *lost = Some(loss);
        }
    }

    fn loss(&self) -> Option<Failure> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failures(&self) -> MutexGuard<'_, Vec<Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes batches until the load is over. What is left then goes with the API server.
    fn delete_batches(&self, batches: &Receiver<u64>) {
        for batch in batches {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let path = format!("{}?labelSelector={BATCH_LABEL}%3D{batch}", self.path);
            // An API server that is away just now keeps a batch more than it must.
            let _ = self.access.request(&User::Admin, Method::DELETE, &path, JSON, None);
        }
    }
}

/// A PipelineRun of a person, copied from a signed one, with a commit to be told.
fn run(batch: u64) -> Value {
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "generateName": "load-",
            "labels": { BATCH_LABEL: batch.to_string() },
            "annotations": { STATE: "true" },
        },
        "spec": {
            "pipelineRef": { "name": "build" },
            "params": [
                { "name": "git-url", "value": "https://github.com/acme/shop.git" },
                { "name": "git-revision", "value": COMMIT },
            ],
        },
    })
}

impl Figures {
    /// How often each kind of failure was let pass, one a line.
    pub(crate) fn kinds(&self) -> String {
        let mut kinds = BTreeMap::<String, usize>::new();
        for failure in &self.failures {
            *kinds.entry(failure.kind()).or_default() += 1;
        }
        kinds
            .iter()
            .map(|(kind, count)| format!("\n  {count} × {kind}"))
            .collect()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, took) = (self.at.as_secs_f64(), self.took.as_secs_f64());
        let code = self.code.map_or("no answer".to_owned(), |code| code.to_string());
        write!(f, "after {at:.3} s, {code}, which took {took:.3} s: {}", self.message)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = self.created as f64 / self.took.as_secs_f64();
        let at = |hundredth: usize| {
            let index = self.latencies.len() * hundredth / 100;
            let latency = self.latencies.get(index).or(self.latencies.last());
            latency.map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        write!(
            f,
            "{} creates in {:.1} s, {per_second:.0} a second, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms, {} failed",
            self.created,
            self.took.as_secs_f64(),
            at(50),
            at(99),
            at(100),
            self.failures.len()
        )
    }
}
