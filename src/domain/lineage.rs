//! Lineage: whether a person, a pipelines controller or a mirror stands behind a Run. Identity decides, never the object alone.

use super::decision::{Decision, Lineage, RemovalReason};
use super::policy_set::PolicySet;
use super::request::User;
use super::run::Run;

/// Who stands behind a Run.
///
/// Labels and ownerReferences are copied along with everything else, so they make a Child only in the hands of a pipelines controller.
pub fn lineage(user: &User<'_>, run: &Run<'_>, set: &PolicySet) -> Lineage {
    if is_exempt(user, set) {
        Lineage::Mirror
    } else if is_controller(user, set)
        && run
            .metadata
            .owner_references()
            .iter()
            .any(|reference| reference.is_tekton_controller())
    {
        Lineage::Child
    } else {
        Lineage::Root
    }
}

/// Whether a Root may be a child all the same, created by a pipelines controller whom nobody has named in Settings: a
/// service account wrote a PipelineRun into it as its controller, and lost that. If it was one, its PipelineRun hangs.
pub fn may_be_a_child(user: &str, decision: &Decision) -> bool {
    user.starts_with("system:serviceaccount:")
        && decision.lineage == Some(Lineage::Root)
        && decision
            .removed
            .iter()
            .any(|removed| removed.reason == RemovalReason::OwnerReference)
}

/// Whether the user re-creates Runs as they are: MultiKueue workers, backup restore.
pub fn is_exempt(user: &User<'_>, set: &PolicySet) -> bool {
    set.settings.exempt.contains(&user.name)
        || user
            .groups
            .iter()
            .any(|group| set.settings.exempt_groups.iter().any(|exempt| exempt == group))
}

/// Whether the user is a pipelines controller.
pub fn is_controller(user: &User<'_>, set: &PolicySet) -> bool {
    set.settings.controllers.contains(&user.name)
}
