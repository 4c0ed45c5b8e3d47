//! Provenance: which values on a Run are Runstamp's own, so that a copy derives them again instead of carrying them on.
//!
//! `runstamp.dev/injected` holds a JSON object `{key: "<policy>/<first 8 hex digits of the value's SHA-256>"}`.
//! Where a policy overwrote a user's value, `/` and that value follow: conditions must see it again in the next pass.
//! Anyone can write the annotation, so it may only ever give up a value that the named policy can inject and that still is what was recorded.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::integration::Rule;
use super::json_text::{push_escaped, push_string};
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
            .filter(|policy| policy.can_inject(place, key) && short_hash(value) == *self.hash.as_bytes())
    }
}

/// The record to write.
#[derive(Debug, Default)]
pub struct Record<'r> {
    is_copy: bool,
    values: Vec<Recorded<'r>>,
}

/// A value that a policy put in.
#[derive(Debug)]
struct Recorded<'r> {
    place: Place,
    key: &'r str,
    policy: &'r str,
    hash: [u8; HASH_DIGITS],
    overwritten: Option<&'r str>,
}

impl Recorded<'_> {
    /// The key of the entry, in its two parts.
    fn key(&self) -> impl Iterator<Item = u8> {
        let prefix = if self.place == Place::Label { LABEL_PREFIX } else { "" };
        prefix.bytes().chain(self.key.bytes())
    }
}

impl<'r> Record<'r> {
    /// Records a value that a policy put in.
    pub fn enter(&mut self, place: Place, key: &'r str, value: &str, policy: &'r str, overwritten: Option<&'r str>) {
        self.values.push(Recorded {
            place,
            key,
            policy,
            hash: short_hash(value),
            overwritten,
        });
    }

    /// Records that the Run was recognised as a copy.
    pub fn enter_copy(&mut self) {
        self.is_copy = true;
    }

    /// The annotation's value, sorted by key; nothing where there is nothing to record.
    pub fn into_text(mut self) -> Option<String> {
        if self.values.is_empty() && !self.is_copy {
            return None;
        }
        self.values.sort_by(|left, right| {
            if left.place == right.place {
                left.key.cmp(right.key)
            } else {
                left.key().cmp(right.key())
            }
        });
        let mut text = String::with_capacity(self.room());
        text.push('{');
        // No other key begins with `@`, and few with what sorts before it.
        let first = if self.is_copy {
            self.values.partition_point(|value| value.key().lt(COPY_ENTRY.bytes()))
        } else {
            self.values.len()
        };
        for (position, value) in self.values.iter().enumerate() {
            if self.is_copy && position == first {
                push_copy(&mut text);
            }
            push_separator(&mut text);
            text.push('"');
            if value.place == Place::Label {
                text.push_str(LABEL_PREFIX);
            }
            push_escaped(&mut text, value.key);
            text.push_str("\":\"");
            push_escaped(&mut text, value.policy);
            text.push('/');
            text.push_str(std::str::from_utf8(&value.hash).unwrap_or_default());
            if let Some(overwritten) = value.overwritten {
                text.push('/');
                push_escaped(&mut text, overwritten);
            }
            text.push('"');
        }
        if self.is_copy && first == self.values.len() {
            push_copy(&mut text);
        }
        text.push('}');
        Some(text)
    }

    /// The bytes of most records.
    fn room(&self) -> usize {
        let frame = LABEL_PREFIX.len() + HASH_DIGITS + r#"":"//","#.len();
        let values = self
            .values
            .iter()
            .map(|value| value.key.len() + value.policy.len() + value.overwritten.map_or(0, str::len) + frame);
        values.sum::<usize>() + r#"{"@copy":"true"}"#.len()
    }
}

fn push_copy(text: &mut String) {
    push_separator(text);
    push_string(text, COPY_ENTRY);
    text.push_str(r#":"true""#);
}

fn push_separator(text: &mut String) {
    if text.len() > 1 {
        text.push(',');
    }
}

/// How many digits of a value's hash the record holds.
const HASH_DIGITS: usize = 8;

/// The first eight hexadecimal digits of the value's SHA-256.
fn short_hash(value: &str) -> [u8; HASH_DIGITS] {
    let digest: [u8; 32] = Sha256::digest(value.as_bytes()).into();
    let [first, second, third, fourth, ..] = digest;
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut digits = [0; HASH_DIGITS];
    for (pair, byte) in digits
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip([first, second, third, fourth])
    {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}
