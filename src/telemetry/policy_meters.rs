//! What decisions did, counted by integration and policy: handles of one policy set, by position in it.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::counter_grid::CounterGrid;
use super::metrics::{LINEAGES, Metrics, lineage_position, word_at};
use crate::domain::cause::CauseKind;
use crate::domain::decision::{Author, Decision, StateUpdate, Verdict};
use crate::domain::policy_set::PolicySet;
use crate::domain::words::Reaction;

/// The kinds of cause, each at its own position.
const CAUSE_KINDS: [CauseKind; 6] = [
    CauseKind::Invalid,
    CauseKind::Required,
    CauseKind::NotSupported,
    CauseKind::Forbidden,
    CauseKind::TooLong,
    CauseKind::Duplicate,
];

const SHADOW_OUTCOMES: [&str; 8] = [
    "Inject",
    "Overwrite",
    "Equal",
    "Skip",
    "Violation",
    "Warning",
    "Audited",
    "other",
];

const WRITERS: [&str; 2] = ["declared", "undeclared"];

/// The metric families that policy sets, one after the other, take their handles from.
#[derive(Debug, Clone)]
pub(super) struct PolicyFamilies {
    state_removed: Family<IntegrationLabels, Counter>,
    state_updates: Family<WriterLabels, Counter>,
    injected: Family<PolicyLabels, Counter>,
    shadow: Family<ShadowLabels, Counter>,
    denied: Family<DeniedLabels, Counter>,
    violations: Family<ViolationLabels, Counter>,
}

impl PolicyFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            state_removed: Family::default(),
            state_updates: Family::default(),
            injected: Family::default(),
            shadow: Family::default(),
            denied: Family::default(),
            violations: Family::default(),
        };
        registry.register(
            "state_removed",
            "Keys and fields of another Run that were removed",
            families.state_removed.clone(),
        );
        registry.register(
            "state_updates",
            "State keys that updates touched, by declared writers or by others",
            families.state_updates.clone(),
        );
        registry.register("injected", "Values that policies injected", families.injected.clone());
        registry.register(
            "shadow",
            "What shadow policies would have done",
            families.shadow.clone(),
        );
        registry.register("denied", "Causes of refusals", families.denied.clone());
        registry.register(
            "violations",
            "Broken rules, whatever they met",
            families.violations.clone(),
        );
        families
    }
}

/// The handles of one policy set.
#[derive(Debug)]
pub struct PolicyMeters {
    families: PolicyFamilies,
    integrations: Vec<Arc<str>>,
    policies: Vec<Arc<str>>,
    state_removed: CounterGrid,
    state_updates: CounterGrid,
    injected: CounterGrid,
    shadow: CounterGrid,
    denied: CounterGrid,
    violations: CounterGrid,
}

impl PolicyMeters {
    /// Takes the handles that decisions by this set need.
    pub fn new(metrics: &Metrics, set: &PolicySet) -> Self {
        let integrations: Vec<_> = set.integrations.iter().map(|one| Arc::clone(&one.name)).collect();
        let policies: Vec<_> = set.policies.iter().map(|one| Arc::clone(&one.name)).collect();
        let authors = integrations.len() + policies.len() + 2;
        let meters = Self {
            families: metrics.policy_families.clone(),
            state_removed: CounterGrid::new(authors, 1),
            state_updates: CounterGrid::new(integrations.len(), WRITERS.len()),
            injected: CounterGrid::new(policies.len(), 1),
            shadow: CounterGrid::new(policies.len(), SHADOW_OUTCOMES.len()),
            denied: CounterGrid::new(authors, CAUSE_KINDS.len()),
            violations: CounterGrid::new(authors, LINEAGES.len() * Reaction::WORDS.len()),
            integrations,
            policies,
        };
        meters.show_zeros();
        meters
    }

    /// Makes the series of every integration before the first event: a rate needs a value to start from. Policies may
    /// be thousands, and theirs appear when they count.
    fn show_zeros(&self) {
        for name in &self.integrations {
            let integration = name.to_string();
            for writer in WRITERS {
                drop(self.families.state_updates.get_or_create(&WriterLabels {
                    integration: integration.clone(),
                    writer,
                }));
            }
            let labels = IntegrationLabels { integration };
            drop(self.families.state_removed.get_or_create(&labels));
        }
    }

    /// Counts everything that a decision did.
    pub fn count(&self, decision: &Decision) {
        // A Run that is refused never comes to be: nothing was taken from it or put into it.
        if decision.is_allowed() {
            self.count_changes(decision);
        }
        for update in &decision.state_updates {
            self.count_state_update(update);
        }
        for shadow in &decision.shadow {
            let column = SHADOW_OUTCOMES
                .iter()
                .position(|outcome| *outcome == shadow.outcome)
                .unwrap_or(SHADOW_OUTCOMES.len() - 1);
            self.shadow.count(shadow.policy_index, column, || {
                self.families.shadow.get_or_create_owned(&ShadowLabels {
                    policy: shadow.policy.to_string(),
                    outcome: word_at(&SHADOW_OUTCOMES, column),
                })
            });
        }
        self.count_violations(decision);
    }

    fn count_changes(&self, decision: &Decision) {
        for removed in &decision.removed {
            self.state_removed.count(self.row(&removed.author), 0, || {
                self.families.state_removed.get_or_create_owned(&IntegrationLabels {
                    integration: self.label(&removed.author),
                })
            });
        }
        for injected in &decision.injected {
            self.injected.count(injected.policy_index, 0, || {
                self.families.injected.get_or_create_owned(&PolicyLabels {
                    policy: injected.policy.to_string(),
                })
            });
        }
    }

    fn count_state_update(&self, update: &StateUpdate) {
        // The list is sorted by name, and an update that touches state keys is rare enough for a binary search.
        let Ok(row) = self.integrations.binary_search(&update.integration) else {
            return;
        };
        let column = usize::from(!update.by_writer);
        self.state_updates.count(row, column, || {
            self.families.state_updates.get_or_create_owned(&WriterLabels {
                integration: update.integration.to_string(),
                writer: word_at(&WRITERS, column),
            })
        });
    }

    fn count_violations(&self, decision: &Decision) {
        let lineage = lineage_position(decision.lineage);
        for violation in &decision.violations {
            let row = self.row(&violation.author);
            let column = lineage * Reaction::WORDS.len() + violation.reaction as usize;
            self.violations.count(row, column, || {
                self.families.violations.get_or_create_owned(&ViolationLabels {
                    integration: self.label(&violation.author),
                    lineage: word_at(&LINEAGES, lineage),
                    action: violation.reaction.word(),
                })
            });
            if decision.verdict != Verdict::Refused || violation.reaction != Reaction::Deny {
                continue;
            }
            let kind = violation.cause.kind;
            let Some(column) = CAUSE_KINDS.iter().position(|known| *known == kind) else {
                continue;
            };
            self.denied.count(row, column, || {
                self.families.denied.get_or_create_owned(&DeniedLabels {
                    integration: self.label(&violation.author),
                    reason: kind.reason(),
                })
            });
        }
    }

    fn row(&self, author: &Author) -> usize {
        let integrations = self.integrations.len();
        let both = integrations + self.policies.len();
        match author {
            Author::Integration(_, index) => *index,
            Author::Policy(_, index) => integrations + *index,
            Author::Settings => both,
            Author::Runstamp => both + 1,
        }
    }

    /// The value of the label `integration`. A policy's rules are no integration's, and the slash, which no name
    /// holds, keeps the two apart.
    fn label(&self, author: &Author) -> String {
        match author {
            Author::Integration(name, _) => name.to_string(),
            Author::Policy(name, _) => format!("policy/{name}"),
            Author::Settings => "runstamp/settings".to_owned(),
            Author::Runstamp => "runstamp/rules".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IntegrationLabels {
    integration: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriterLabels {
    integration: String,
    writer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    policy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    policy: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeniedLabels {
    integration: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViolationLabels {
    integration: String,
    lineage: &'static str,
    action: &'static str,
}
