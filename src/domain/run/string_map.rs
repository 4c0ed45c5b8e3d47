//! Borrowed strings and maps of strings, as `annotations` and `labels` are.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A string that borrows from the body wherever the JSON has no escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CowStr<'a>(pub Cow<'a, str>);

impl Deref for CowStr<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CowStr<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for CowStr<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = CowStr<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(CowStr(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(CowStr(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(CowStr(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The entries for which a map that has any has room at first.
const FIRST_ROOM: usize = 8;

/// The entries of a map of strings, sorted by key, each key once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries<'a>(Vec<(CowStr<'a>, CowStr<'a>)>);

impl<'a> Entries<'a> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Sorts what the body held and refuses a key that stands there twice: JSON Patch could not tell which is meant.
    fn from_read<E: Error>(mut entries: Vec<(CowStr<'a>, CowStr<'a>)>) -> Result<Self, E> {
        // The API server sends maps sorted, so this is one pass over the keys and no sorting.
        if !entries.is_sorted_by(|(left, _), (right, _)| left < right) {
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            let twice = entries
                .iter()
                .zip(entries.iter().skip(1))
                .find(|((left, _), (right, _))| left == right);
            if let Some(((key, _), _)) = twice {
                return Err(E::custom(format_args!(
                    "the key \"{}\" stands there twice",
                    key.escape_debug()
                )));
            }
        }
        Ok(Self(entries))
    }
}

/// A map of strings in which keys are looked for: entries, and where they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringMap<'a> {
    entries: Entries<'a>,
    index: KeyIndex,
}

impl<'a> StringMap<'a> {
    /// The map without entries.
    pub const EMPTY: &'static StringMap<'static> = &StringMap {
        entries: Entries(Vec::new()),
        index: KeyIndex::EMPTY,
    };

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.0.len()
    }

    /// Position and value of a key.
    pub fn find(&self, key: &str) -> Option<(usize, &str)> {
        let entries = &self.entries.0;
        if entries.len() > MOST_INDEXED {
            let position = entries.binary_search_by(|(candidate, _)| (**candidate).cmp(key));
            let position = position.ok()?;
            return entries.get(position).map(|(_, value)| (position, &**value));
        }
        self.index.candidates(key).find_map(|position| {
            let (candidate, value) = entries.get(position)?;
            (**candidate == *key).then_some((position, &**value))
        })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.find(key).map(|(_, value)| value)
    }

    /// The value of a key, borrowed from where the map was read.
    pub fn get_borrowed(&self, key: &str) -> Option<Cow<'a, str>> {
        let (position, _) = self.find(key)?;
        self.entries.0.get(position).map(|(_, value)| value.0.clone())
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter()
    }
}

/// Maps with more entries have no index: their keys are found by halving.
const MOST_INDEXED: usize = 64;

/// Twice as many as there are entries at most, so that a search for a key that is not there soon meets an empty one.
const SLOTS: usize = 2 * MOST_INDEXED;

/// Where the keys of a small map stand: a decision asks for some 45 keys, and most Runs have few of them.
///
/// A key has its slot by its length and its end, in which keys of one map differ most, and the next free one where that is taken.
/// Keys that are made to share a slot are walked over one by one, which is no more than walking over the map.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyIndex {
    /// 0 where no key is, else its position and one.
    slots: [u8; SLOTS],
}

impl Default for KeyIndex {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl KeyIndex {
    const EMPTY: Self = Self { slots: [0; SLOTS] };

    fn of(entries: &[(CowStr<'_>, CowStr<'_>)]) -> Self {
        let mut index = Self::EMPTY;
        if entries.len() > MOST_INDEXED {
            return index;
        }
        for ((key, _), position) in entries.iter().zip(1..) {
            let mut slot = slot_of(key);
            while index.slots.get(slot).is_some_and(|taken| *taken != 0) {
                slot = (slot + 1) % SLOTS;
            }
            if let Some(free) = index.slots.get_mut(slot) {
                *free = position;
            }
        }
        index
    }

    /// The positions at which a key may stand.
    fn candidates(&self, key: &str) -> impl Iterator<Item = usize> {
        let slot = slot_of(key);
        let slots = (slot..slot + SLOTS).map(|slot| self.slots.get(slot % SLOTS).copied().unwrap_or(0));
        slots
            .take_while(|taken| *taken != 0)
            .map(|taken| usize::from(taken) - 1)
    }
}

fn slot_of(key: &str) -> usize {
    // Multiplying by odd numbers moves what differs to the upper bits.
    let end = key.as_bytes().last_chunk().map_or(0, |end| u32::from_le_bytes(*end));
    let mixed = end.wrapping_add(key.len() as u32).wrapping_mul(0x9e37_79b1);
    (mixed >> (u32::BITS - SLOTS.ilog2())) as usize
}

impl<'de: 'a, 'a> Deserialize<'de> for StringMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = Entries::deserialize(deserializer)?;
        let index = KeyIndex::of(&entries.0);
        Ok(Self { entries, index })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry::<CowStr<'de>, CowStr<'de>>()? {
                    // A Run has a few dozen entries or none, and each growth moves all that are there.
                    if entries.len() == entries.capacity() {
                        entries.reserve((3 * entries.len()).max(FIRST_ROOM));
                    }
                    entries.push(entry);
                }
                Entries::from_read(entries)
            }
        }

        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_key_is_found_in_small_and_large_maps_and_no_other() {
        for size in [0, 1, MOST_INDEXED, MOST_INDEXED + 1, 500] {
            let expected: BTreeMap<String, String> = (0..size)
                .map(|number| (format!("example.com/key-{number}"), number.to_string()))
                .collect();
            let json = serde_json::to_string(&expected).unwrap();
            let map: StringMap<'_> = serde_json::from_str(&json).unwrap();
            for (position, (key, value)) in expected.iter().enumerate() {
                assert_eq!(map.find(key), Some((position, value.as_str())), "{size}");
            }
            for absent in ["", "x", "example.com/key-x"] {
                assert_eq!(map.find(absent), None, "{size}");
            }
        }
    }

    #[test]
    fn keys_that_share_a_slot_are_all_found() {
        // The same length and the same end.
        let keys: Vec<String> = (0..MOST_INDEXED)
            .map(|number| format!("{number:04}/same-end"))
            .collect();
        let expected: BTreeMap<&str, &str> = keys.iter().map(|key| (key.as_str(), key.as_str())).collect();
        let json = serde_json::to_string(&expected).unwrap();
        let map: StringMap<'_> = serde_json::from_str(&json).unwrap();
        for (position, key) in keys.iter().enumerate() {
            assert_eq!(map.find(key), Some((position, key.as_str())));
        }
        assert_eq!(map.find("9999/same-end"), None);
    }
}
