//! The digest of a policy set: the SHA-256 of what the merged documents mean.
//!
//! Each value is hashed with a mark that says how it goes on, so that no two different sets write the same bytes.
//! Every definition is taken apart field by field: a new field does not compile until it is decided whether it counts.
//! Places and files do not count, nor the order of mappings, nor whether a default is written out.

mod documents;

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::merge::Merged;
use crate::domain::definition::{Mapping, Text};
use crate::domain::policy_set::Digest;
use crate::domain::source::Located;

/// Stands before everything else, so that another version of the language never has the same digest.
const LANGUAGE: &str = "runstamp.dev/v1alpha1";

/// The digest of the merged documents.
pub(super) fn digest(merged: &Merged) -> Digest {
    let mut hash = Hash(Sha256::new());
    LANGUAGE.feed(&mut hash);
    merged.feed(&mut hash);
    let mut text = String::from("sha256:");
    for byte in hash.0.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Digest::new(text)
}

/// The bytes so far.
struct Hash(Sha256);

impl Hash {
    /// One value after the other.
    fn all(&mut self, values: &[&dyn Canonical]) {
        for value in values {
            value.feed(self);
        }
    }

    fn mark(&mut self, mark: u8) {
        self.0.update([mark]);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    /// A length before what is counted keeps `[ab, c]` and `[a, bc]` apart.
    fn length(&mut self, length: usize) {
        self.number(u64::try_from(length).unwrap_or(u64::MAX));
    }
}

/// What can be hashed.
trait Canonical {
    fn feed(&self, hash: &mut Hash);
}

impl Canonical for str {
    fn feed(&self, hash: &mut Hash) {
        hash.mark(b's');
        hash.length(self.len());
        hash.0.update(self.as_bytes());
    }
}

impl Canonical for &str {
    fn feed(&self, hash: &mut Hash) {
        str::feed(self, hash);
    }
}

impl Canonical for String {
    fn feed(&self, hash: &mut Hash) {
        str::feed(self, hash);
    }
}

impl Canonical for bool {
    fn feed(&self, hash: &mut Hash) {
        hash.mark(if *self { b't' } else { b'f' });
    }
}

impl Canonical for i64 {
    fn feed(&self, hash: &mut Hash) {
        hash.mark(b'i');
        hash.0.update(self.to_le_bytes());
    }
}

impl Canonical for u64 {
    fn feed(&self, hash: &mut Hash) {
        hash.mark(b'u');
        hash.number(*self);
    }
}

impl<T: Canonical> Canonical for Located<T> {
    fn feed(&self, hash: &mut Hash) {
        self.value.feed(hash);
    }
}

impl<T: Canonical> Canonical for Option<T> {
    fn feed(&self, hash: &mut Hash) {
        match self {
            None => hash.mark(b'n'),
            Some(value) => {
                hash.mark(b'o');
                value.feed(hash);
            }
        }
    }
}

impl<T: Canonical> Canonical for Vec<T> {
    fn feed(&self, hash: &mut Hash) {
        hash.mark(b'l');
        hash.length(self.len());
        for value in self {
            value.feed(hash);
        }
    }
}

/// In the order of the keys: a mapping means the same in any.
impl<T: Canonical> Canonical for Mapping<T> {
    fn feed(&self, hash: &mut Hash) {
        let mut entries: Vec<(&str, &T)> = self.iter().map(|(key, value)| (key.value.as_str(), value)).collect();
        entries.sort_by_key(|(key, _)| *key);
        hash.mark(b'm');
        hash.length(entries.len());
        for (key, value) in entries {
            key.feed(hash);
            value.feed(hash);
        }
    }
}

/// A list of names whose order says nothing.
struct Set<'s>(&'s [Text]);

impl Canonical for Set<'_> {
    fn feed(&self, hash: &mut Hash) {
        let mut names: Vec<&str> = self.0.iter().map(|name| name.value.as_str()).collect();
        names.sort_unstable();
        names.feed(hash);
    }
}
