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

/// Up to so many entries a key is found faster by walking than by halving: most keys differ in length already, which is seen without
/// a look at the text, while the order of two keys under one long prefix shows only at its end.
const MOST_WALKED: usize = 64;

/// The entries for which a map that has any has room at first.
const FIRST_ROOM: usize = 8;

/// A map of strings, sorted by key, each key once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringMap<'a> {
    entries: Vec<(CowStr<'a>, CowStr<'a>)>,
}

impl<'a> StringMap<'a> {
    /// The map without entries.
    pub const EMPTY: &'static StringMap<'static> = &StringMap { entries: Vec::new() };

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Position and value of a key.
    pub fn find(&self, key: &str) -> Option<(usize, &str)> {
        let position = if self.entries.len() <= MOST_WALKED {
            self.entries.iter().position(|(candidate, _)| **candidate == *key)
        } else {
            self.entries
                .binary_search_by(|(candidate, _)| (**candidate).cmp(key))
                .ok()
        }?;
        self.entries.get(position).map(|(_, value)| (position, &**value))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.find(key).map(|(_, value)| value)
    }

    /// The value of a key, borrowed from where the map was read.
    pub fn get_borrowed(&self, key: &str) -> Option<Cow<'a, str>> {
        let (position, _) = self.find(key)?;
        self.entries.get(position).map(|(_, value)| value.0.clone())
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Sorts what the body held and refuses a key that stands there twice: JSON Patch could not tell which is meant.
    fn from_entries<E: Error>(mut entries: Vec<(CowStr<'a>, CowStr<'a>)>) -> Result<Self, E> {
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
        Ok(Self { entries })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for StringMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = StringMap<'de>;

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
                StringMap::from_entries(entries)
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
        for size in [0, 1, MOST_WALKED, MOST_WALKED + 1, 500] {
            let expected: BTreeMap<String, String> = (0..size)
                .map(|number| (format!("example.com/key-{number}"), number.to_string()))
                .collect();
            let json = serde_json::to_string(&expected).unwrap();
            let map: StringMap<'_> = serde_json::from_str(&json).unwrap();
            for (position, (key, value)) in expected.iter().enumerate() {
                assert_eq!(map.find(key), Some((position, value.as_str())), "{size}");
            }
            assert_eq!(map.find("example.com/key-x"), None, "{size}");
        }
    }
}
