//! What one policy in Shadow mode would have done with many Runs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::line::Told;

/// Most keys, and most namespaces, that are told apart for one policy; the rest is counted together.
const MAX_TOLD_APART: usize = 1_000;

/// Most Runs that are shown.
const MAX_EXAMPLES: usize = 3;

/// Longest text that is kept of a log, in characters.
const MAX_TEXT_CHARS: usize = 512;

/// What one policy would have done.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTally {
    /// Its name.
    pub policy: String,
    /// Requests that it would have put a value into.
    pub changed: u64,
    /// Requests that it would have refused.
    pub refused: u64,
    /// Requests that it would have warned of, and not refused.
    pub warned: u64,
    /// How often for which key.
    pub keys: Vec<KeyTally>,
    /// How often for keys beyond those.
    #[serde(skip_serializing_if = "is_zero")]
    pub other_keys: u64,
    /// Requests by namespace.
    pub namespaces: BTreeMap<String, u64>,
    /// Requests in namespaces beyond those.
    #[serde(skip_serializing_if = "is_zero")]
    pub other_namespaces: u64,
    /// Requests by who sent them.
    pub users: Users,
    /// The first Runs, each of another fate, namespace, kind or user.
    pub examples: Vec<Example>,
}

/// What would have been done with one key.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyTally {
    /// `Inject`, `Overwrite`, `Violation`, `Warning`.
    pub outcome: String,
    /// Where.
    pub field: String,
    /// How often.
    pub count: u64,
    /// What was wrong the first time, where the log says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Requests by who sent them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Users {
    /// Everybody whose name does not begin with `system:`.
    pub people: u64,
    /// Service accounts: triggers and controllers.
    pub service_accounts: u64,
    /// Other names that begin with `system:`.
    pub system: u64,
}

/// A Run that would have been another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as the log has it.
    pub kind: String,
    /// Its name, or the beginning of it.
    pub name: String,
    /// Who sent it.
    pub user: String,
    /// `refused`, `warned` or `changed`.
    pub fate: &'static str,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl PolicyTally {
    pub(super) fn new(policy: String) -> Self {
        Self {
            policy,
            changed: 0,
            refused: 0,
            warned: 0,
            keys: Vec::new(),
            other_keys: 0,
            namespaces: BTreeMap::new(),
            other_namespaces: 0,
            users: Users::default(),
            examples: Vec::new(),
        }
    }

    /// Counts what the policy would have done with one request.
    pub(super) fn count(&mut self, outcomes: &[(String, String)], told: &Told) {
        let has = |wanted: &[&str]| outcomes.iter().any(|(outcome, _)| wanted.contains(&outcome.as_str()));
        self.changed += u64::from(has(&["Inject", "Overwrite"]));
        let is_refused = has(&["Violation"]);
        self.refused += u64::from(is_refused);
        self.warned += u64::from(!is_refused && has(&["Warning"]));
        for (outcome, field) in outcomes {
            self.count_key(outcome, field, told);
        }
        if let Some(count) = self.namespaces.get_mut(&told.namespace) {
            *count += 1;
        } else if self.namespaces.len() < MAX_TOLD_APART {
            self.namespaces.insert(short(&told.namespace), 1);
        } else {
            self.other_namespaces += 1;
        }
        let users = &mut self.users;
        match told.user.strip_prefix("system:") {
            None => users.people += 1,
            Some(name) if name.starts_with("serviceaccount:") => users.service_accounts += 1,
            Some(_) => users.system += 1,
        }
        let fate = if is_refused {
            "refused"
        } else if has(&["Warning"]) {
            "warned"
        } else {
            "changed"
        };
        let is_new = |example: &Example| {
            (example.fate, &example.namespace, &example.kind, &example.user)
                != (fate, &told.namespace, &told.kind, &told.user)
        };
        if self.examples.len() < MAX_EXAMPLES && self.examples.iter().all(is_new) {
            self.examples.push(Example {
                namespace: short(&told.namespace),
                kind: short(&told.kind),
                name: short(&told.name),
                user: short(&told.user),
                fate,
            });
        }
    }

    fn count_key(&mut self, outcome: &str, field: &str, told: &Told) {
        let place = self
            .keys
            .binary_search_by(|known| (known.field.as_str(), known.outcome.as_str()).cmp(&(field, outcome)));
        match place {
            Ok(position) => {
                if let Some(known) = self.keys.get_mut(position) {
                    known.count += 1;
                }
            }
            Err(position) if self.keys.len() < MAX_TOLD_APART => {
                let is_fault = matches!(outcome, "Violation" | "Warning");
                let key = KeyTally {
                    outcome: short(outcome),
                    field: short(field),
                    count: 1,
                    fault: fault_at(&told.faults, field).filter(|_| is_fault),
                };
                self.keys.insert(position, key);
            }
            Err(_) => self.other_keys += 1,
        }
    }
}

/// What the log says is wrong with a field: `FIELD: WHAT; FIELD: WHAT`.
fn fault_at(faults: &str, field: &str) -> Option<String> {
    let start = format!("{field}: ");
    let (_, fault) = faults.split_once(&start)?;
    // Where the next field begins, if one does; what is wrong may hold a semicolon itself.
    let end = fault.find("; metadata.").or_else(|| fault.find("; spec."));
    Some(short(fault.get(..end.unwrap_or(fault.len())).unwrap_or(fault)))
}

/// As much of a text as is kept. A log may come from anywhere, and what is shown must not act upon a terminal.
fn short(text: &str) -> String {
    let shown = text.chars().filter(|character| !character.is_control());
    shown.take(MAX_TEXT_CHARS).collect()
}
