//! Provenance: which values on a Run are Runstamp's own, so that a copy derives them again instead of carrying them on.
//!
//! `runstamp.dev/injected` holds a JSON object `{key: "<policy>/<first 8 hex digits of the value's SHA-256>"}`.
//! Where a policy overwrote a user's value, `/` and that value follow: conditions must see it again in the next pass.
//! Anyone can write the annotation, so it may only ever give up a value that the named policy can inject and that still is what was recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::integration::Rule;
use super::policy::RunPolicy;
use super::policy_set::PolicySet;
use super::registry::DeclaredKeyRef;
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
        self.entry(place, key)
            .and_then(|entry| entry.author_of(place, key, value, set))
            .is_some()
    }

    /// Takes back every value that is ours, so that it is derived again from the Run's own context.
    /// The record goes in any case: it is written anew, and no condition may see what Runstamp itself changes.
    pub fn recall<'v, 's>(&self, view: &mut View<'v>, set: &'s PolicySet) -> Vec<Recalled<'v, 's>> {
        if let Some((position, _)) = view.map(Place::Annotation).find(Self::KEY) {
            view.take(Place::Annotation, position);
        }
        let mut recalled = Vec::new();
        if self.entries.is_empty() {
            return recalled;
        }
        for place in [Place::Annotation, Place::Label] {
            for (position, (key, value)) in view.map(place).iter().enumerate() {
                let Some(entry) = self
                    .entry(place, key)
                    .filter(|_| view.left_at(place, position, value).is_some())
                else {
                    continue;
                };
                if let Some(policy) = entry
                    .author_of(place, key, value, set)
                    .filter(|_| !self.stands_in_edited_group(place, key, view, set))
                {
                    view.take(place, position);
                    let overwritten = entry.overwritten.map(str::to_owned);
                    if let Some(overwritten) = &overwritten {
                        view.restore(place, position, overwritten.clone());
                    }
                    recalled.push(Recalled {
                        place,
                        key,
                        value,
                        policy,
                        overwritten,
                    });
                }
            }
        }
        recalled
    }

    /// Whether somebody has edited another key of the group that this one belongs to.
    ///
    /// Then the whole group is theirs: a group is never injected in part, so recalling the rest would leave their key alone,
    /// and the Run would be refused for what Runstamp took away.
    fn stands_in_edited_group(&self, place: Place, key: &str, view: &View<'_>, set: &PolicySet) -> bool {
        let Some(DeclaredKeyRef::Config { integration, key, .. }) =
            set.registry.annotation(key).filter(|_| place == Place::Annotation)
        else {
            return false;
        };
        let groups = integration.rules.iter().filter_map(|rule| match rule {
            Rule::Together(group) if group.contains(&key) => Some(group),
            _ => None,
        });
        let mut mates = groups
            .flatten()
            .filter(|mate| **mate != key)
            .filter_map(|mate| integration.config.get(*mate));
        // A key that the user had set all along is in no record, and keeps nothing from being derived again.
        mates.any(|mate| {
            let was_ours = mate.spellings.iter().any(|key| self.entry(place, key).is_some());
            let is_theirs = |key: &String| {
                let value = view.map(place).get(key);
                value.is_some_and(|value| !self.vouches_for(place, key, value, set))
            };
            was_ours && mate.spellings.iter().any(is_theirs)
        })
    }

    fn entry(&self, place: Place, key: &str) -> Option<Entry<'_>> {
        if self.entries.is_empty() {
            return None;
        }
        let text = match place {
            Place::Annotation => self.entries.get(key),
            Place::Label => self.entries.get(&format!("{LABEL_PREFIX}{key}")),
            Place::Finalizer => None,
        }?;
        let mut parts = text.splitn(3, '/');
        Some(Entry {
            policy: parts.next()?,
            hash: parts.next()?,
            overwritten: parts.next(),
        })
    }
}

/// A value that an earlier pass put in, taken back.
#[derive(Debug)]
pub struct Recalled<'r, 's> {
    /// Annotation or label.
    pub place: Place,
    /// Its key.
    pub key: &'r str,
    /// Its value.
    pub value: &'r str,
    /// The policy that put it in.
    pub policy: &'s Arc<RunPolicy>,
    /// The user's value that it took the place of.
    pub overwritten: Option<String>,
}

/// One line of the record.
struct Entry<'e> {
    policy: &'e str,
    hash: &'e str,
    overwritten: Option<&'e str>,
}

impl Entry<'_> {
    /// The policy that put this value in, if the entry can be believed.
    fn author_of<'s>(&self, place: Place, key: &str, value: &str, set: &'s PolicySet) -> Option<&'s Arc<RunPolicy>> {
        set.policy(self.policy)
            .filter(|policy| policy.can_inject(place, key) && short_hash(value) == self.hash)
    }
}

/// The record to write.
#[derive(Debug, Default)]
pub struct Record {
    entries: BTreeMap<String, String>,
}

impl Record {
    /// Records a value that a policy put in.
    pub fn enter(&mut self, place: Place, key: &str, value: &str, policy: &str, overwritten: Option<&str>) {
        let room = policy.len() + "/01234567/".len() + overwritten.map_or(0, str::len);
        let mut entry = String::with_capacity(room);
        entry.push_str(policy);
        entry.push('/');
        entry.push_str(&short_hash(value));
        if let Some(overwritten) = overwritten {
            entry.push('/');
            entry.push_str(overwritten);
        }
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
    let digest: [u8; 32] = Sha256::digest(value.as_bytes()).into();
    let [first, second, third, fourth, ..] = digest;
    format!("{:08x}", u32::from_be_bytes([first, second, third, fourth]))
}
