//! Which editions of the policies may decide at a moment: a policy carries the number of its edition into every Run.

use std::sync::atomic::{AtomicU64, Ordering};

use runstamp::builtin;
use runstamp::policy_file::PolicyText;
use serde_json::Value;

use crate::common;

/// The annotation that carries the number.
const CARRIER: &str = "slack.integrations.tekton.dev/channel";

/// From the last edition that every replica is known to have, to the newest that any may have.
#[derive(Debug)]
pub(crate) struct Editions {
    oldest: AtomicU64,
    newest: AtomicU64,
}

impl Editions {
    /// The first edition alone.
    pub(crate) fn first() -> Self {
        Self {
            oldest: AtomicU64::new(1),
            newest: AtomicU64::new(1),
        }
    }

    /// The number of the next edition, which may decide from now on.
    pub(crate) fn begin_next(&self) -> u64 {
        self.newest.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Every replica has the newest: those before it must not decide any more.
    pub(crate) fn retire_older(&self) {
        self.oldest.store(self.newest(), Ordering::SeqCst);
    }

    /// The oldest edition that may decide about a Run that is sent now.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::SeqCst)
    }

    /// The newest edition that may have decided about a Run whose answer is there now.
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::SeqCst)
    }
}

/// The policy file of an edition.
pub(crate) fn policy(edition: u64) -> String {
    format!(
        "apiVersion: runstamp.dev/v1alpha1
kind: RunPolicy
metadata:
  name: editions
spec:
  match:
    kinds: [PipelineRun]
  inject:
    integrations:
      slack:
        channel: {{value: edition-{edition}}}
"
    )
}

/// The digest of the built-in and the starter policies with an edition.
pub(crate) fn digest(edition: u64) -> String {
    let own = PolicyText {
        name: "editions.yaml".to_owned(),
        content: policy(edition).into_bytes(),
        builtin: false,
    };
    let all = builtin::policies().into_iter().chain(builtin::starter()).chain([own]);
    common::set_of(all).digest().to_string()
}

/// The edition that decided about a Run.
pub(crate) fn of(run: &Value) -> Option<u64> {
    let value = run["metadata"]["annotations"].get(CARRIER)?.as_str()?;
    value.strip_prefix("edition-")?.parse().ok()
}
