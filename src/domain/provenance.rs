//! Provenance: which values on a Run are Runstamp's own, so that a copy derives them again instead of carrying them on.
//!
//! `runstamp.dev/injected` holds a JSON object `{key: "<policy>/<first 8 hex digits of the value's SHA-256>"}`.
//! Anyone can write the annotation, so it may only ever give up a value that the named policy can inject and that still is what was recorded.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::decision::{Author, RemovalReason, Removed};
use super::integration::field_of;
use super::policy_set::PolicySet;
use super::run::StringMap;
use super::view::View;
use super::words::Place;

/// Entries of labels begin with this, which no annotation key can.
const LABEL_PREFIX: &str = "label:";

/// The entry that says that the Run was recognised as a copy.
///
/// What gave the copy away has been removed, and the order of trigger facts depends on it: without this record
/// a second pass over the same Run would derive other values. `@` can stand in no key.
const COPY_ENTRY: &str = "@copy";

/// The record on a Run, as it came.
#[derive(Debug, Default)]
pub struct Provenance<'r> {
    entries: StringMap<'r>,
}

impl<'r> Provenance<'r> {
    /// The annotation's key.
    pub const KEY: &'static str = "runstamp.dev/injected";

    /// Reads the record; a malformed one is none, and goes when the Run's own is written.
    pub fn read(annotations: &'r StringMap<'r>) -> Self {
        let entries = annotations
            .get(Self::KEY)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        Self { entries }
    }

    /// Whether an earlier pass recognised the Run as a copy.
    pub fn says_copy(&self) -> bool {
        self.entries.get(COPY_ENTRY).is_some()
    }

    /// Whether this value is what the record says, by a policy that exists and can inject the key.
    pub fn vouches_for(&self, place: Place, key: &str, value: &str, set: &PolicySet) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let entry = match place {
            Place::Annotation => self.entries.get(key),
            Place::Label => self.entries.get(&format!("{LABEL_PREFIX}{key}")),
            Place::Finalizer => None,
        };
        entry
            .and_then(|entry| entry.rsplit_once('/'))
            .is_some_and(|(policy, hash)| {
                hash == short_hash(value) && set.policy(policy).is_some_and(|policy| policy.can_inject(place, key))
            })
    }

    /// Takes back every value that is ours, so that it is derived again from the Run's own context.
    pub fn recall(&self, view: &mut View<'_>, set: &PolicySet) -> Vec<Removed> {
        let mut recalled = Vec::new();
        if self.entries.is_empty() {
            return recalled;
        }
        let metadata = &view.run().metadata;
        for (place, map, gone) in [
            (Place::Annotation, metadata.annotations(), &mut view.gone_annotations),
            (Place::Label, metadata.labels(), &mut view.gone_labels),
        ] {
            for (position, (key, value)) in map.iter().enumerate() {
                if !gone.contains(position) && self.vouches_for(place, key, value, set) {
                    gone.insert(position);
                    let author = self.author(place, key, set);
                    recalled.push(Removed {
                        field: field_of(place, key),
                        reason: RemovalReason::Provenance,
                        author,
                    });
                }
            }
        }
        recalled
    }

    fn author(&self, place: Place, key: &str, set: &PolicySet) -> Author {
        let entry = match place {
            Place::Label => self.entries.get(&format!("{LABEL_PREFIX}{key}")),
            _ => self.entries.get(key),
        };
        entry
            .and_then(|entry| entry.rsplit_once('/'))
            .and_then(|(policy, _)| set.policy(policy))
            .map_or(Author::Runstamp, |policy| {
                Author::Policy(policy.name.clone(), policy.index)
            })
    }
}

/// The record to write.
#[derive(Debug, Default)]
pub struct Record {
    entries: BTreeMap<String, String>,
}

impl Record {
    /// Records a value that a policy put in.
    pub fn enter(&mut self, place: Place, key: &str, value: &str, policy: &str) {
        let entry = format!("{policy}/{}", short_hash(value));
        let key = if place == Place::Label {
            format!("{LABEL_PREFIX}{key}")
        } else {
            key.to_owned()
        };
        self.entries.insert(key, entry);
    }

    /// Records that the Run was recognised as a copy.
    pub fn enter_copy(&mut self) {
        self.entries.insert(COPY_ENTRY.to_owned(), "true".to_owned());
    }

    /// The annotation's value; nothing where there is nothing to record.
    pub fn to_text(&self) -> Option<String> {
        (!self.entries.is_empty()).then(|| serde_json::to_string(&self.entries).unwrap_or_default())
    }
}

/// The first eight hexadecimal digits of the value's SHA-256.
fn short_hash(value: &str) -> String {
    Sha256::digest(value.as_bytes())
        .iter()
        .take(4)
        .fold(String::with_capacity(8), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
