//! Maps by key that are filled when policies are loaded and then asked for every key of every Run.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys only policy files decide.
///
/// The standard hasher keeps whoever chooses the keys of a map from making them collide. Whoever creates a Run chooses what is asked
/// for, not what is in the map, so the worst that can be had is a walk past the same few keys each time.
pub type KeyMap<V> = HashMap<String, V, BuildHasherDefault<KeyHasher>>;

/// Eight bytes at a time, the last eight once more where they are not a whole word: each word is mixed in by a multiplication whose
/// upper and lower half are folded together.
#[derive(Debug, Default)]
pub struct KeyHasher(u64);

impl KeyHasher {
    fn mix(&mut self, word: u64) {
        // The fraction of the golden ratio: odd, and its bits are spread evenly.
        const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.0.rotate_left(32) ^ word) * FACTOR;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if rest.is_empty() {
            return;
        }
        match bytes.last_chunk() {
            Some(last) => self.mix(u64::from_le_bytes(*last)),
            None => self.mix(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))),
        }
    }

    /// What a string ends with, which its length has told already.
    fn write_u8(&mut self, _byte: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher as _, BuildHasherDefault};

    use super::KeyHasher;

    /// The map takes both ends of the hash: neither may be the same for keys that are alike.
    #[test]
    fn keys_that_are_alike_are_spread() {
        let hashes = (0..1000).map(|number| {
            BuildHasherDefault::<KeyHasher>::default().hash_one(format!("chains.tekton.dev/key-{number:03}"))
        });
        let hashes: Vec<u64> = hashes.collect();
        let distinct = |part: fn(u64) -> u64| hashes.iter().map(|hash| part(*hash)).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|hash| hash), 1000);
        // A thousand balls in 1024 boxes leave a third of the boxes empty.
        assert!(distinct(|hash| hash % 1024) > 550);
        assert!(distinct(|hash| hash >> 54) > 550);
    }
}
