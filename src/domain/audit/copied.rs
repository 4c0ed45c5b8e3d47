//! What came along with a copy and says where the other Run belongs: keys that a person may set as well.

use super::finding::{Finding, Reason};
use super::identity::{self, EVENT_ID, Named, is_uuid};
use super::state::{Entry, entries};
use super::stored::StoredRun;
use crate::domain::field_path::FieldPath;
use crate::domain::policy_set::PolicySet;
use crate::domain::reset::DASHBOARD_RERUN_OF;
use crate::domain::words::{Place, ResetRule, StateKeyUpdates};

/// Judges what stands on a Root beside what has been found: where that tells of a copy, this is one.
pub(super) fn judge(stored: &StoredRun<'_>, set: &PolicySet, findings: &mut Vec<Finding>) {
    let Some(evidence) = evidence(stored, findings) else {
        return;
    };
    let all = entries(stored, set);
    let is_event = |entry: &&Entry<'_, '_>| entry.place == Place::Label && entry.key == EVENT_ID;
    let old_event = all
        .iter()
        .find(is_event)
        .filter(|event| came_with_the_creation(event, stored));
    for entry in &all {
        let came_along = match identity::named(entry.place, entry.key, entry.value) {
            // A name of somebody's own making is a group, which a re-run may well belong to.
            Some(Named::Result { name, .. } | Named::Run { result: name, .. }) => {
                let event = stored.run.metadata.labels().get(EVENT_ID);
                let is_its_event = event == Some(name) && old_event.is_none();
                is_uuid(name) && !stored.is_own_or_owners(name) && !is_its_event
            }
            _ => came_with_the_creation(entry, stored),
        };
        let field = entry.state.field(entry.key);
        if came_along && !findings.iter().any(|finding| finding.field == field) {
            let message = format!("says where the other Run belongs: this one is a copy, as {evidence} tells");
            findings.push(entry.finding(stored, Reason::Copied, message));
        }
    }
}

/// What tells that the Run is a copy: the word of a dashboard, or another Run's state that it was created with.
fn evidence(stored: &StoredRun<'_>, findings: &[Finding]) -> Option<FieldPath> {
    if stored.run.metadata.labels().get(DASHBOARD_RERUN_OF).is_some() {
        return Some(FieldPath::label(DASHBOARD_RERUN_OF));
    }
    let creators = stored.ownership.creators();
    let tells = |finding: &&Finding| {
        let writers = &finding.written_by;
        let is_state = !matches!(finding.reason, Reason::ForeignStatus | Reason::ForeignChild);
        is_state && (writers.is_empty() || writers.iter().any(|writer| creators.contains(&writer.as_str())))
    };
    findings.iter().find(tells).map(|finding| finding.field.clone())
}

/// Whether a key that goes with a copy was there when the Run was created. Without managedFields only one that no controller is known
/// to write later can have been.
fn came_with_the_creation(entry: &Entry<'_, '_>, stored: &StoredRun<'_>) -> bool {
    let state = entry.state;
    if state.reset != ResetRule::OnCopy || state.updates == StateKeyUpdates::Allow {
        return false;
    }
    let managers = stored.ownership.of_key(entry.place, entry.key);
    if managers.is_empty() {
        return state.field_managers.is_empty();
    }
    let creators = stored.ownership.creators();
    let is_declared = |manager: &&str| state.field_managers.iter().any(|known| known == manager);
    !managers.iter().any(is_declared) && managers.iter().any(|manager| creators.contains(manager))
}
