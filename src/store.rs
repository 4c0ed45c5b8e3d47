//! The policy set that decides, and the last good one for as long as the files hold a mistake.

mod aside;
mod compiled;
mod edit;
mod last_good;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use sha2::{Digest as _, Sha256};

use crate::diagnostics::{self, Style};
use crate::domain::policy_set::PolicySet;
use crate::policy_file::ReadError;
use crate::telemetry::{Metrics, PolicyMeters};
use aside::{aside, give_way};

pub use self::compiled::{Compiled, PolicyTexts, compile_texts};
pub use self::edit::{Edit, EditMistake, Judgement};
pub use self::last_good::{Keeping, LARGEST_KEPT, NotKept, NotRead, Stored, keep, read_kept, write_kept};

/// How many mistakes are told in one place; the rest is counted. `runstamp check` shows them all.
const MOST_MISTAKES: usize = 20;

/// How many milliseconds a request that began before may still need its policy set.
const LONGEST_DECISION_MS: u32 = 100;

/// A policy set, with the metrics handles that its decisions need.
#[derive(Debug)]
pub struct LivePolicies {
    /// The set.
    pub set: PolicySet,
    /// Its handles.
    pub meters: PolicyMeters,
}

/// Why policy files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A path cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The files hold mistakes.
    #[error("{}", summary(mistakes))]
    Refused {
        /// One line each, `file:line:column: error: message`.
        mistakes: Vec<String>,
        /// The same for people, with the lines they stand in.
        rendered: String,
        /// Whether all of them are names that nobody declares yet.
        only_unresolved: bool,
    },
}

/// The mistakes on one line, the first ones in full.
fn summary(mistakes: &[String]) -> String {
    let mut text = mistakes
        .iter()
        .take(MOST_MISTAKES)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    let beyond = mistakes.len().saturating_sub(MOST_MISTAKES);
    if beyond > 0 {
        text.push_str(&format!("; and {beyond} more"));
    }
    text
}

/// Where the policies that decide were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoliciesFrom {
    /// In the files, directories and ConfigMaps, now or before somebody made a mistake.
    Sources,
    /// In the ConfigMap of the last good set: what the ConfigMaps hold was bad from the start.
    LastGood,
    /// In the binary and the files alone: the ConfigMaps were bad from the start, and no last good set could be used.
    WithoutConfigMaps,
}

impl PoliciesFrom {
    /// The word of `/readyz`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sources => "Sources",
            Self::LastGood => "LastGood",
            Self::WithoutConfigMaps => "WithoutConfigMaps",
        }
    }
}

/// What `/readyz` and `runstamp status` tell about the policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStatus {
    /// Digest of the set that decides.
    pub digest: String,
    /// When it was loaded, in seconds since 1970.
    pub loaded_at: i64,
    /// Why the files as they are now do not decide; `None` while they do.
    pub stale: Option<String>,
    /// Where the set that decides was found.
    pub from: PoliciesFrom,
    /// Why that set would not outlive this process: it is not kept in the cluster.
    pub not_kept: Option<String>,
}

/// What became of policy files that were offered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Offered {
    /// They are the same as before.
    Unchanged,
    /// They mean the same as what decides already: other comments, or a mistake taken back.
    Same,
    /// They decide from now on.
    Live,
    /// They hold a mistake, and the last good set goes on.
    Refused(LoadError),
}

/// The current policy set: read by every request without waiting, replaced as a whole.
#[derive(Debug)]
pub struct PolicyStore {
    live: ArcSwap<LivePolicies>,
    /// What probes ask for: held for a moment only, since whoever answers them answers requests, too.
    status: Mutex<PolicyStatus>,
    /// Held while texts are compiled, so that of two offers the later one wins. It is the fingerprint of the texts that
    /// were offered last, good or bad; `None` where they could not be read.
    offered: Mutex<Option<[u8; 32]>>,
    metrics: Arc<Metrics>,
}

impl PolicyStore {
    /// Starts with these policy files; `now` in seconds since 1970.
    ///
    /// # Errors
    /// When they hold a mistake.
    pub fn open(texts: impl Into<PolicyTexts>, metrics: Arc<Metrics>, now: i64) -> Result<Self, LoadError> {
        let texts = texts.into();
        let fingerprint = fingerprint(&texts);
        let set = aside(|| load(texts)).inspect_err(|_| metrics.count_policy_load_failure())?;
        let digest = set.digest().as_str().to_owned();
        metrics.set_policy_set(&digest);
        metrics.set_policy_load_success(now);
        let meters = PolicyMeters::new(&metrics, &set);
        Ok(Self {
            live: ArcSwap::from_pointee(LivePolicies { set, meters }),
            status: Mutex::new(PolicyStatus {
                digest,
                loaded_at: now,
                stale: None,
                from: PoliciesFrom::Sources,
                not_kept: None,
            }),
            offered: Mutex::new(Some(fingerprint)),
            metrics,
        })
    }

    /// The set that decides now; a request holds on to it from beginning to end.
    pub fn live(&self) -> Guard<Arc<LivePolicies>> {
        self.live.load()
    }

    /// What is known about it.
    pub fn status(&self) -> PolicyStatus {
        self.told().clone()
    }

    /// Takes policy files as they are now, or the reason why they cannot be read; `now` in seconds since 1970.
    ///
    /// A mistake leaves the last good set in charge.
    pub fn offer<T: Into<PolicyTexts>>(&self, texts: Result<T, ReadError>, now: i64) -> Offered {
        let texts = texts.map(Into::into);
        aside(|| {
            give_way();
            self.take(texts, now)
        })
    }

    fn take(&self, texts: Result<PolicyTexts, ReadError>, now: i64) -> Offered {
        let mut offered = lock(&self.offered);
        let texts = match texts {
            Ok(texts) => texts,
            Err(error) => {
                *offered = None;
                return self.refuse(error.into());
            }
        };
        let fingerprint = fingerprint(&texts);
        if *offered == Some(fingerprint) {
            return Offered::Unchanged;
        }
        // Should reading them end in a panic, nothing is known of them: the same texts are read again next time.
        *offered = None;
        let loaded = load(texts);
        *offered = Some(fingerprint);
        let set = match loaded {
            Ok(set) => set,
            Err(error) => return self.refuse(error),
        };
        self.metrics.set_policy_load_success(now);
        self.metrics.set_policies_stale(false);
        let mut status = self.told();
        status.stale = None;
        status.from = PoliciesFrom::Sources;
        if set.digest().as_str() == status.digest {
            return Offered::Same;
        }
        drop(status);
        self.replace(set, now);
        Offered::Live
    }

    /// Lets another set decide for as long as what was offered is bad; `now` in seconds since 1970.
    ///
    /// # Errors
    /// When that one holds a mistake, too.
    pub fn stand_in(&self, texts: impl Into<PolicyTexts>, from: PoliciesFrom, now: i64) -> Result<(), LoadError> {
        let texts = texts.into();
        aside(|| {
            give_way();
            let _others_wait = lock(&self.offered);
            let set = load(texts)?;
            self.told().from = from;
            self.replace(set, now);
            Ok(())
        })
    }

    /// Says why the set that decides would not outlive this process; `None` where it would.
    pub fn set_not_kept(&self, why: Option<String>) {
        self.told().not_kept = why;
    }

    fn replace(&self, set: PolicySet, now: i64) {
        let digest = set.digest().as_str().to_owned();
        self.metrics.set_policy_set(&digest);
        let meters = PolicyMeters::new(&self.metrics, &set);
        let before = self.live.swap(Arc::new(LivePolicies { set, meters }));
        let mut status = self.told();
        status.digest = digest;
        status.loaded_at = now;
        drop(status);
        // Whoever lets go of a set last frees it, which takes far longer than a decision: that must not be a request.
        for _ in 0..LONGEST_DECISION_MS {
            if Arc::strong_count(&before) == 1 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn refuse(&self, error: LoadError) -> Offered {
        let reason = error.to_string();
        let mut status = self.told();
        if status.stale.as_ref() == Some(&reason) {
            // A directory that is still missing is no second failure.
            return Offered::Unchanged;
        }
        self.metrics.count_policy_load_failure();
        self.metrics.set_policies_stale(true);
        status.stale = Some(reason);
        Offered::Refused(error)
    }

    fn told(&self) -> MutexGuard<'_, PolicyStatus> {
        lock(&self.status)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in them is whole at any moment: each field is told by itself, and texts are forgotten before they are read.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads and compiles policy files.
///
/// # Errors
/// When they hold a mistake; warnings are logged.
pub fn load(texts: impl Into<PolicyTexts>) -> Result<PolicySet, LoadError> {
    let compiled = compile_texts(texts.into());
    match compiled.set {
        Some(set) => {
            for warning in compiled.warnings.iter().take(MOST_MISTAKES) {
                tracing::warn!("{}", diagnostics::one_line(warning, &compiled.files));
            }
            Ok(set)
        }
        None => Err(refused(&compiled)),
    }
}

fn refused(compiled: &Compiled) -> LoadError {
    let Compiled { files, errors, .. } = compiled;
    LoadError::Refused {
        mistakes: errors.iter().map(|error| diagnostics::one_line(error, files)).collect(),
        rendered: errors
            .iter()
            .map(|error| diagnostics::render(error, files, Style::Plain))
            .collect::<Vec<_>>()
            .join("\n"),
        only_unresolved: errors.iter().all(|error| error.is_unresolved),
    }
}

/// Tells texts apart without keeping them.
fn fingerprint(texts: &PolicyTexts) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in &texts.own {
        // With their lengths, so that what moves from one file to the next is seen.
        for part in [text.name.as_bytes(), &text.content] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.update(texts.config_maps.digest());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_file::{self, PolicyText};

    const GOOD: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: good}\nspec: {}\n";
    const BETTER: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: better}\nspec: {}\n";
    const BAD: &str = "apiVersion: runstamp.dev/v1alpha1\nkind: RunPolicy\nmetadata: {name: bad}\nspec: {sepc: 1}\n";

    fn texts(content: &str) -> Vec<PolicyText> {
        vec![PolicyText {
            name: "a.yaml".to_owned(),
            content: content.as_bytes().to_vec(),
            builtin: false,
        }]
    }

    fn missing() -> ReadError {
        policy_file::collect_texts(&["/nonexistent/policies".into()]).expect_err("no such directory")
    }

    fn open(content: &str) -> PolicyStore {
        PolicyStore::open(texts(content), Arc::new(Metrics::new()), 1).expect("a good set")
    }

    /// Offers the texts one after the other, and checks each outcome and whether the files are stale afterwards.
    #[track_caller]
    fn check(steps: &[(Option<&str>, &str, bool)]) {
        let store = open(GOOD);
        for (number, (content, expected, stale)) in steps.iter().enumerate() {
            let offered = store.offer(content.map(texts).ok_or_else(missing), 2);
            let word = match offered {
                Offered::Unchanged => "unchanged",
                Offered::Same => "same",
                Offered::Live => "live",
                Offered::Refused(_) => "refused",
            };
            assert_eq!(
                (word, store.status().stale.is_some()),
                (*expected, *stale),
                "step {number}"
            );
        }
    }

    #[test]
    fn a_mistake_keeps_the_last_good_set_until_it_is_mended() {
        check(&[
            (Some(GOOD), "unchanged", false),
            (Some(BAD), "refused", true),
            (Some(BAD), "unchanged", true),
            (Some(GOOD), "same", false),
            (Some(BETTER), "live", false),
        ]);
    }

    #[test]
    fn files_that_vanish_keep_the_last_good_set() {
        check(&[
            (None, "refused", true),
            (None, "unchanged", true),
            (Some(GOOD), "same", false),
        ]);
    }

    #[test]
    fn a_mistake_changes_neither_digest_nor_time() {
        let store = open(GOOD);
        let before = store.status();
        store.offer(Ok(texts(BAD)), 2);
        let after = store.status();
        assert_eq!((&after.digest, after.loaded_at), (&before.digest, before.loaded_at));
        let stale = after.stale.expect("a mistake");
        assert!(stale.starts_with("a.yaml:4:"), "{stale}");
        assert_eq!(store.live().set.digest().as_str(), before.digest);
    }

    #[test]
    fn a_request_keeps_the_set_it_began_with() {
        let store = open(GOOD);
        let held = store.live();
        store.offer(Ok(texts(BETTER)), 2);
        assert_ne!(held.set.digest(), store.live().set.digest());
    }

    /// Probes are answered by the threads that answer requests.
    #[test]
    fn the_status_is_told_while_an_offer_is_compiled() {
        let store = open(GOOD);
        let _compiling = lock(&store.offered);
        assert_eq!(store.status().digest, store.live().set.digest().as_str());
    }

    #[test]
    fn a_bad_set_does_not_open() {
        let error = PolicyStore::open(texts(BAD), Arc::new(Metrics::new()), 1).expect_err("a mistake");
        let LoadError::Refused { mistakes, rendered, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(rendered.contains("sepc"), "{rendered}");
    }

    #[test]
    fn long_lists_of_mistakes_are_cut() {
        let mistakes: Vec<String> = (0..25).map(|number| number.to_string()).collect();
        assert!(summary(&mistakes).ends_with("; 19; and 5 more"));
        assert_eq!(summary(&mistakes[..2]), "0; 1");
    }
}
