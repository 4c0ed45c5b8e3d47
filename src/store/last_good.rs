//! The last good policies of ConfigMaps, as they are kept for replicas that start while a mistake is in force.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::policy_file::{ConfigMapFiles, ConfigMaps, MOST_CONFIG_MAP_BYTES};

/// Most compressed bytes that are kept: a ConfigMap holds 1 MiB with everything else that stands in it.
pub const LARGEST_KEPT: usize = 1_000_000;

/// Most bytes that are read back. JSON writes line breaks and quotes with two characters, so twice the policies, and
/// some room for names; what inflates further was not written by us.
const MOST_INFLATED: usize = 2 * MOST_CONFIG_MAP_BYTES + 1024 * 1024;

/// The form that this program writes and reads.
const VERSION: u32 = 1;

/// Why policies cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotKept {
    /// They are larger than a ConfigMap.
    #[error("expected at most {most} bytes, found {found}: the policies are too large to keep", most = LARGEST_KEPT)]
    TooLarge {
        /// Bytes after compression, or before it where that is too much already.
        found: usize,
    },
    /// They cannot be written at all.
    #[error("failed to compress the policies: {0}")]
    Compress(String),
}

/// Why what was kept cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotRead {
    /// It is no gzip, or ends too early.
    #[error("failed to decompress what was kept")]
    Decompress(#[source] std::io::Error),
    /// It grows beyond every bound.
    #[error("expected at most {most} bytes after decompression, found more", most = MOST_INFLATED)]
    TooLarge,
    /// It is no JSON of the form that is written.
    #[error("failed to read what was kept")]
    Malformed(#[source] serde_json::Error),
    /// A later version of the program has written it.
    #[error("expected version {VERSION} of the form, found {0}")]
    OtherVersion(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    version: u32,
    config_maps: BTreeMap<String, BTreeMap<String, String>>,
}

/// Only the version, for a form that nobody here knows.
#[derive(Deserialize)]
struct AnyKept {
    version: u32,
}

/// Policies in the form in which they are kept; the same policies give the same bytes.
///
/// # Errors
/// When they are too large.
pub fn write_kept(maps: &ConfigMaps) -> Result<Vec<u8>, NotKept> {
    let kept = Kept {
        version: VERSION,
        config_maps: maps
            .iter()
            .map(|(name, files)| (name.to_owned(), files.data.clone()))
            .collect(),
    };
    let json = serde_json::to_vec(&kept).map_err(|error| NotKept::Compress(error.to_string()))?;
    if json.len() > MOST_INFLATED {
        return Err(NotKept::TooLarge { found: json.len() });
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(&json).and_then(|()| encoder.finish());
    let bytes = written.map_err(|error| NotKept::Compress(error.to_string()))?;
    if bytes.len() > LARGEST_KEPT {
        return Err(NotKept::TooLarge { found: bytes.len() });
    }
    Ok(bytes)
}

/// Reads policies that were kept; whether they still compile is for the caller to find out.
///
/// # Errors
/// When they are not in the form of [`write_kept`], or larger than anything that it writes.
pub fn read_kept(bytes: &[u8]) -> Result<ConfigMaps, NotRead> {
    let mut json = Vec::new();
    let limit = u64::try_from(MOST_INFLATED).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(bytes)
        .take(limit)
        .read_to_end(&mut json)
        .map_err(NotRead::Decompress)?;
    if json.len() > MOST_INFLATED {
        return Err(NotRead::TooLarge);
    }
    let AnyKept { version } = serde_json::from_slice(&json).map_err(NotRead::Malformed)?;
    if version != VERSION {
        return Err(NotRead::OtherVersion(version));
    }
    let kept: Kept = serde_json::from_slice(&json).map_err(NotRead::Malformed)?;
    let mut maps = ConfigMaps::default();
    for (name, data) in kept.config_maps {
        maps.insert(
            name,
            ConfigMapFiles {
                data,
                ..ConfigMapFiles::default()
            },
        );
    }
    Ok(maps)
}

/// What is known of what is kept already, besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Digest of the policies, where it says so.
    pub digest: Option<String>,
    /// Resource version up to which its writer had seen the ConfigMaps.
    pub seen: Option<u64>,
    /// Resource version of the object itself.
    pub own: Option<u64>,
}

/// What to do about what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Write it.
    Write,
    /// The same is kept already.
    Same,
    /// A replica that has seen more has written, and this one lags behind: it will see that, too.
    Newer,
    /// There is nothing to keep, and nothing is kept.
    Nothing,
}

/// Whether good policies, seen at a resource version, replace what is kept.
///
/// Resource versions of one kind grow with time, so of two writers the one that has seen more is right. The object
/// itself is younger than what its writer had seen; where it is not, it came from another cluster, and its word
/// counts for nothing.
pub fn keep(stored: Option<&Stored>, digest: &str, seen: u64, is_empty: bool) -> Keeping {
    let Some(stored) = stored else {
        return if is_empty { Keeping::Nothing } else { Keeping::Write };
    };
    if stored.digest.as_deref() == Some(digest) {
        return Keeping::Same;
    }
    let credible = stored.seen.filter(|seen| stored.own.is_some_and(|own| *seen < own));
    if credible.is_some_and(|theirs| theirs > seen) {
        return Keeping::Newer;
    }
    Keeping::Write
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(content: &str) -> ConfigMaps {
        let mut maps = ConfigMaps::default();
        let data = BTreeMap::from([("p.yaml".to_owned(), content.to_owned())]);
        maps.insert(
            "team",
            ConfigMapFiles {
                data,
                ..ConfigMapFiles::default()
            },
        );
        maps
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Text that does not compress well.
    fn noise(bytes: usize) -> String {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn what_is_kept_comes_back() {
        for content in ["", "a: \"b\"\n# ü\u{1f600}\n", &"x: y\n".repeat(100_000)] {
            let bytes = write_kept(&maps(content)).unwrap();
            assert_eq!(bytes, write_kept(&maps(content)).unwrap());
            assert_eq!(read_kept(&bytes).unwrap(), maps(content));
        }
        assert!(
            read_kept(&write_kept(&ConfigMaps::default()).unwrap())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let error = write_kept(&maps(&noise(1_500_000))).unwrap_err();
        assert!(
            matches!(error, NotKept::TooLarge { found } if found > LARGEST_KEPT),
            "{error}"
        );
    }

    #[test]
    fn what_nobody_wrote_is_not_read() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            let error = read_kept(bytes).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
        check(b"", "failed to decompress");
        check(b"no gzip at all", "failed to decompress");
        let whole = write_kept(&maps("a: b\n")).unwrap();
        check(&whole[..whole.len() - 9], "failed to decompress");
        check(&gzip(b"{"), "failed to read");
        check(&gzip(b"{\"version\":1}"), "failed to read");
        check(
            &gzip(b"{\"version\":1,\"configMaps\":{\"a\":{\"b\":1}}}"),
            "failed to read",
        );
        check(
            &gzip(b"{\"version\":2,\"everything\":true}"),
            "expected version 1 of the form, found 2",
        );
        check(&gzip(&vec![b' '; MOST_INFLATED + 1]), "expected at most");
    }

    #[test]
    fn a_replica_that_lags_does_not_overwrite_what_is_newer() {
        let stored = |digest: &str, seen, own| Stored {
            digest: Some(digest.to_owned()),
            seen,
            own,
        };
        #[track_caller]
        fn check(stored: &Stored, seen: u64, expected: Keeping) {
            assert_eq!(keep(Some(stored), "mine", seen, false), expected, "{stored:?} {seen}");
        }
        check(&stored("other", Some(10), Some(11)), 9, Keeping::Newer);
        check(&stored("other", Some(10), Some(11)), 10, Keeping::Write);
        check(&stored("other", Some(10), Some(11)), 12, Keeping::Write);
        check(&stored("mine", Some(10), Some(11)), 9, Keeping::Same);
        check(&stored("mine", Some(10), Some(11)), 12, Keeping::Same);
        // Restored from the backup of another cluster, or written by hand.
        check(&stored("other", Some(1_000), Some(11)), 9, Keeping::Write);
        check(&stored("other", None, Some(11)), 9, Keeping::Write);
        check(&stored("other", Some(10), None), 9, Keeping::Write);
        check(&Stored::default(), 9, Keeping::Write);
        assert_eq!(keep(None, "mine", 9, false), Keeping::Write);
        assert_eq!(keep(None, "mine", 9, true), Keeping::Nothing);
        // Taken away on purpose: what was kept must not come back.
        assert_eq!(
            keep(Some(&stored("other", Some(3), Some(4))), "mine", 9, true),
            Keeping::Write
        );
    }
}
