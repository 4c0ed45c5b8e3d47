//! A status that is older than its Run.

use jiff::{SignedDuration, Timestamp};

use super::stored::StoredRun;
use super::{Finding, Reason};
use crate::domain::field_path::FieldPath;
use crate::domain::violation::Author;

/// How far the clocks of two machines may be apart.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);

/// Judges when a Run says that it started: Tekton never writes a time before the creation.
pub(super) fn judge(stored: &StoredRun<'_>, findings: &mut Vec<Finding>) {
    let Some(started) = stored.started.as_deref().filter(|_| stored.is_run_here) else {
        return;
    };
    if let (Ok(start), Ok(creation)) = (started.parse::<Timestamp>(), stored.created.parse::<Timestamp>())
        && creation.duration_since(start) > CLOCKS
    {
        let field = FieldPath::root().field("status").field("startTime");
        let message =
            format!("is the start of another Run: expected a time after the creation at {creation}, found {start}");
        findings.push(Finding::new(field, Reason::ForeignStatus, Author::Runstamp, message));
    }
}
