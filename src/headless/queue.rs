//! The way from a request to whoever writes Events: bounded, and never waited for.

use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::HeadlessRefusal;
use crate::domain::decision::Decision;
use crate::review::Subject;
use crate::telemetry::Metrics;

/// Refusals that may wait to be looked at. Looking at one takes microseconds, so that only a stuck writer fills it.
pub const QUEUE_LENGTH: usize = 256;

/// Takes refusals from the request path.
#[derive(Debug, Clone)]
pub struct RefusalQueue {
    sender: Sender<HeadlessRefusal>,
    metrics: Arc<Metrics>,
}

impl RefusalQueue {
    /// An empty queue, and the end at which refusals come out.
    pub fn new(metrics: Arc<Metrics>) -> (Self, Receiver<HeadlessRefusal>) {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        (Self { sender, metrics }, receiver)
    }

    /// Takes what is worth telling, and returns at once: what finds no room is dropped and counted.
    pub fn offer(&self, subject: &Subject<'_>, decision: &Decision) {
        let Some(refusal) = HeadlessRefusal::of(subject, decision) else {
            return;
        };
        if self.sender.try_send(refusal).is_err() {
            self.metrics.count_dropped_events(1);
        }
    }
}
