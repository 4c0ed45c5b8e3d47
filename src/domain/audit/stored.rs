//! A Run as it is stored: what a review never sees of it, and who stands behind it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::identity::PIPELINE_RUN_UID;
use super::ownership::Ownership;
use crate::domain::policy_set::PolicySet;
use crate::domain::run::{CowStr, Object, OwnerReference, Run};
use crate::domain::words::{Place, RunKind};

/// Who stands behind a stored Run. Nobody knows any more which user created it; its fields and their managers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A person or a trigger.
    Root,
    /// The controller of what owns it. It inherits what its owner carries.
    Child,
    /// A backup or another cluster: it is meant to be another Run again.
    Mirror,
}

/// The labels of those who create Runs again as they were, and what their programs are called.
///
/// A person who copies such a Run copies the label along: it counts only in the hands of such a program.
const MIRRORS: [(&str, &[&str]); 2] = [
    ("velero.io/restore-name", &["velero"]),
    ("kueue.x-k8s.io/multikueue-origin", &["kueue", "manager", "multikueue"]),
];

/// The controllers of Tekton that leave the status of a Run to somebody else name themselves otherwise.
const TEKTON_PREFIX: &str = "tekton.dev/";

/// Something that a PipelineRun says it runs.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ChildReference<'a> {
    #[serde(borrow, default)]
    pub(super) kind: CowStr<'a>,
    #[serde(borrow, default)]
    pub(super) name: CowStr<'a>,
}

/// A Run as it is stored.
#[derive(Debug)]
pub(super) struct StoredRun<'a> {
    pub(super) kind: RunKind,
    /// Empty where the Run was never stored.
    pub(super) uid: CowStr<'a>,
    pub(super) created: CowStr<'a>,
    pub(super) run: Box<Run<'a>>,
    pub(super) text: &'a str,
    pub(super) ownership: Ownership<'a>,
    pub(super) started: Option<CowStr<'a>>,
    pub(super) children: Vec<Object<ChildReference<'a>>>,
    /// Whether Tekton itself runs it here.
    pub(super) is_run_here: bool,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    metadata: Object<Identity<'a>>,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(borrow, default)]
    uid: CowStr<'a>,
    #[serde(borrow, default)]
    creation_timestamp: Option<CowStr<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow, default)]
    start_time: Option<CowStr<'a>>,
    #[serde(borrow, default)]
    child_references: Option<Vec<Object<ChildReference<'a>>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Management<'a> {
    #[serde(borrow, default)]
    managed_by: Option<CowStr<'a>>,
}

impl<'a> StoredRun<'a> {
    /// Reads a Run from its JSON.
    pub(super) fn read(kind: RunKind, text: &'a str) -> Result<Self, serde_json::Error> {
        let Object(run) = serde_json::from_str::<Object<Run<'a>>>(text)?;
        let whole: Whole<'a> = serde_json::from_str(text)?;
        // As with `spec`: judging the rest is Tekton's business, and what cannot be read there tells nothing.
        let status: Status<'a> = (run.status)
            .and_then(|raw| serde_json::from_str(raw.text()).ok())
            .unwrap_or_default();
        let management: Management<'a> = (whole.spec)
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let ownership = Ownership::of(&run);
        Ok(Self {
            kind,
            uid: whole.metadata.0.uid,
            created: whole.metadata.0.creation_timestamp.unwrap_or_default(),
            run: Box::new(run),
            text,
            ownership,
            started: status.start_time,
            children: status.child_references.unwrap_or_default(),
            is_run_here: (management.managed_by).is_none_or(|manager| manager.starts_with(TEKTON_PREFIX)),
        })
    }

    pub(super) fn namespace(&self) -> &str {
        self.run.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.run.metadata.name.as_deref().unwrap_or_default()
    }

    /// The owner of Tekton's that controls it, and its position.
    pub(super) fn owner(&self) -> Option<(usize, &OwnerReference<'a>)> {
        let owners = self.run.metadata.owner_references().iter().enumerate();
        let mut owners = owners.map(|(position, owner)| (position, &owner.0));
        owners.find(|(_, owner)| owner.is_tekton_controller())
    }

    /// Whether this is its UID or that of an owner.
    pub(super) fn is_own_or_owners(&self, uid: &str) -> bool {
        let owners = self.run.metadata.owner_references();
        *self.uid == *uid || owners.iter().any(|owner| *owner.uid == *uid)
    }

    /// Who stands behind it.
    pub(super) fn standing(&self, set: &PolicySet) -> Standing {
        let labels = self.run.metadata.labels();
        let is_mirror = MIRRORS.iter().any(|(label, programs)| {
            let managers = self.ownership.of_key(Place::Label, label);
            let by_program = |manager: &&str| programs.iter().any(|program| manager.starts_with(program));
            labels.get(label).is_some() && (managers.is_empty() || managers.iter().any(by_program))
        });
        if is_mirror {
            Standing::Mirror
        } else if self.owner().is_some() && self.forged_owner(set).is_none() {
            Standing::Child
        } else {
            Standing::Root
        }
    }

    /// The position of an owner reference to a PipelineRun that no pipelines controller wrote, and who wrote it.
    ///
    /// The controllers of custom tasks go by names that nobody lists, so references to these are believed.
    pub(super) fn forged_owner(&self, set: &PolicySet) -> Option<(usize, Vec<&str>)> {
        let (position, owner) = self.owner().filter(|(_, owner)| owner.kind.0 == "PipelineRun")?;
        let managers = self.ownership.of_owner_reference(&owner.uid);
        // Whoever writes this label writes the reference, in the same breath.
        let label = set.registry.state(Place::Label, PIPELINE_RUN_UID)?;
        let is_declared = |manager: &&str| {
            // A pipelines controller by another name still runs what it has created.
            label.field_managers.iter().any(|known| known == manager) || self.ownership.reports_status(manager)
        };
        let is_forged = !managers.is_empty() && !label.field_managers.is_empty() && !managers.iter().any(is_declared);
        is_forged.then_some((position, managers))
    }

    /// Whether a Child has this key from its owner: it was created with it.
    pub(super) fn has_inherited(&self, managers: &[&str]) -> bool {
        let Some((_, owner)) = self.owner() else { return false };
        let creators = self.ownership.of_owner_reference(&owner.uid);
        managers.is_empty() || creators.is_empty() || managers.iter().any(|manager| creators.contains(manager))
    }
}
