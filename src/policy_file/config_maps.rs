//! Policy files that stand in ConfigMaps: which there are, and what changes when one of them is edited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// Bytes of the policy files of all ConfigMaps together; a set of that size holds tens of thousands of policies.
pub const MOST_CONFIG_MAP_BYTES: usize = 16 * 1024 * 1024;

/// What a ConfigMap holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigMapFiles {
    /// `data`: a policy file each.
    pub data: BTreeMap<String, String>,
    /// The keys of `binaryData`, where no policy file belongs.
    pub binary: BTreeSet<String>,
}

/// The ConfigMaps of policies, by name: their order never depends on which came first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigMaps {
    maps: BTreeMap<String, Arc<ConfigMapFiles>>,
}

impl ConfigMaps {
    /// Puts a ConfigMap in the place of the one with its name.
    pub fn insert(&mut self, name: impl Into<String>, files: impl Into<Arc<ConfigMapFiles>>) {
        self.maps.insert(name.into(), files.into());
    }

    /// Takes a ConfigMap away.
    pub fn remove(&mut self, name: &str) {
        self.maps.remove(name);
    }

    /// The same ConfigMaps after an edit of one of them; `None` takes it away.
    #[must_use]
    pub fn with(&self, name: &str, files: Option<Arc<ConfigMapFiles>>) -> Self {
        let mut edited = self.clone();
        match files {
            Some(files) => edited.insert(name, files),
            None => edited.remove(name),
        }
        edited
    }

    /// The ConfigMap of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<ConfigMapFiles>> {
        self.maps.get(name)
    }

    /// Every ConfigMap with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ConfigMapFiles)> {
        self.maps.iter().map(|(name, files)| (name.as_str(), &**files))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.maps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// Tells one state of the ConfigMaps from another without keeping it.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        // With their lengths, so that what moves from one file to the next is seen.
        let mut enter = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        for (name, files) in self.iter() {
            enter(name.as_bytes());
            enter(&(files.data.len() as u64).to_le_bytes());
            for (key, content) in &files.data {
                enter(key.as_bytes());
                enter(content.as_bytes());
            }
            enter(&(files.binary.len() as u64).to_le_bytes());
            for key in &files.binary {
                enter(key.as_bytes());
            }
        }
        hash.finalize().into()
    }
}

/// What diagnostics call a ConfigMap, or a file in it.
pub fn config_map_file(name: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("configmap/{name}/{key}"),
        None => format!("configmap/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(files: &[(&str, &str)]) -> ConfigMapFiles {
        ConfigMapFiles {
            data: files
                .iter()
                .map(|(key, content)| ((*key).to_owned(), (*content).to_owned()))
                .collect(),
            binary: BTreeSet::new(),
        }
    }

    fn maps(list: &[(&str, &[(&str, &str)])]) -> ConfigMaps {
        let mut maps = ConfigMaps::default();
        for (name, files) in list {
            maps.insert(*name, map(files));
        }
        maps
    }

    #[test]
    fn the_order_of_arrival_changes_nothing() {
        let one = maps(&[("a", &[("x", "1")]), ("b", &[("y", "2")])]);
        let other = maps(&[("b", &[("y", "2")]), ("a", &[("x", "1")])]);
        assert_eq!(one, other);
        assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn whatever_moves_changes_the_digest() {
        let all = [
            maps(&[]),
            maps(&[("a", &[])]),
            maps(&[("a", &[("x", "1")])]),
            maps(&[("ax", &[("", "1")])]),
            maps(&[("a", &[("x1", "")])]),
            maps(&[("a", &[("x", "")]), ("b", &[])]),
            maps(&[("a", &[]), ("b", &[("x", "")])]),
        ];
        let digests: BTreeSet<_> = all.iter().map(ConfigMaps::digest).collect();
        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn an_edit_leaves_the_others_alone() {
        let before = maps(&[("a", &[("x", "1")]), ("b", &[("y", "2")])]);
        let edited = before.with("a", Some(Arc::new(map(&[("x", "3")]))));
        assert_eq!(edited, maps(&[("a", &[("x", "3")]), ("b", &[("y", "2")])]));
        assert_eq!(before.with("a", None), maps(&[("b", &[("y", "2")])]));
        assert_eq!(before.with("c", None), before);
    }
}
