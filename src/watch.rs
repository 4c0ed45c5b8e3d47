//! Watching files for changes: one mechanism for policies, certificates and client authorities.
//!
//! Mounted ConfigMaps and Secrets are updated by swapping a symlink beside the files, so directories are watched and
//! never the files themselves: a watch on a file would see its removal and then nothing, ever again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How deep directories are watched; deeper changes are found by the poll.
const DEEPEST: usize = 8;

/// How many directories are watched at most; changes in others are found by the poll.
const MOST_DIRECTORIES: usize = 1_000;

/// When changes are reported.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Quiet time after a change before it is reported: editors and the kubelet write in several steps.
    pub settle: Duration,
    /// Longest wait for that quiet, so that a directory that never rests is still read.
    pub patience: Duration,
    /// A report is made after this time even when nothing was seen: inotify can miss what happens behind symlinks.
    pub poll: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(250),
            patience: Duration::from_secs(2),
            poll: Duration::from_secs(60),
        }
    }
}

/// Reports that something under the watched paths may have changed; what changed is for the caller to find out.
#[derive(Debug)]
pub struct Changes {
    paths: Vec<PathBuf>,
    pace: Pace,
    seen: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Starts to watch files and directories, which need not exist yet.
    ///
    /// What happens from here on is reported, so read the files after this call and not before.
    pub fn of(paths: Vec<PathBuf>, pace: Pace) -> Self {
        // Events name absolute paths, and are compared with these.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let mut changes = Self {
            paths: paths.into_iter().map(absolute).collect(),
            pace,
            seen: Arc::new(Notify::new()),
            watcher: None,
        };
        changes.arm();
        changes
    }

    /// Waits until something may have changed and has come to rest.
    pub async fn next(&mut self) {
        if tokio::time::timeout(self.pace.poll, self.seen.notified()).await.is_ok() {
            self.settle().await;
        }
        // Directories may have been replaced, which ends their watches. The caller reads after this, so nothing that
        // happens in between is lost.
        self.arm();
    }

    async fn settle(&self) {
        let deadline = Instant::now() + self.pace.patience;
        loop {
            let quiet = tokio::time::timeout(self.pace.settle, self.seen.notified());
            if quiet.await.is_err() || Instant::now() >= deadline {
                return;
            }
        }
    }

    fn arm(&mut self) {
        let interesting = self.interesting();
        let seen = Arc::clone(&self.seen);
        let on_event = move |event: notify::Result<notify::Event>| {
            // An error means lost events, which is a reason to look.
            if event.is_ok_and(|event| !is_about(&event, &interesting)) {
                return;
            }
            seen.notify_one();
        };
        self.watcher = match notify::recommended_watcher(on_event) {
            Ok(mut watcher) => {
                for directory in self.directories() {
                    if let Err(error) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
                        tracing::debug!(directory = %directory.display(), %error, "not watched, only polled");
                    }
                }
                Some(watcher)
            }
            Err(error) => {
                tracing::warn!(%error, "file changes are found by polling alone");
                None
            }
        };
    }

    /// Every directory to watch: those given, those in them, and those that hold a given path, which tell when the
    /// path itself is replaced.
    fn directories(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for path in &self.paths {
            found.insert(holder(path));
            collect_directories(path, 0, &mut found);
        }
        found
    }

    /// The directories in which every event counts; elsewhere only the given paths themselves do.
    fn interesting(&self) -> Interesting {
        let mut inside = BTreeSet::new();
        for path in &self.paths {
            if path.is_dir() {
                inside.insert(path.clone());
            } else {
                // Beside a mounted file a symlink of another name is swapped.
                inside.insert(holder(path));
            }
        }
        Interesting {
            inside: inside.into_iter().collect(),
            paths: self.paths.clone(),
        }
    }
}

struct Interesting {
    inside: Vec<PathBuf>,
    paths: Vec<PathBuf>,
}

fn is_about(event: &notify::Event, interesting: &Interesting) -> bool {
    // Reading a file is an event too; reacting to it would make every reload cause the next.
    if !matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Any | EventKind::Other
    ) {
        return false;
    }
    event.need_rescan()
        || event.paths.is_empty()
        || event.paths.iter().any(|path| {
            interesting.inside.iter().any(|directory| path.starts_with(directory)) || interesting.paths.contains(path)
        })
}

/// The directory that holds a path; the root is held by itself.
fn holder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_path_buf()
}

fn collect_directories(path: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) {
    if depth > DEEPEST || found.len() >= MOST_DIRECTORIES || !path.is_dir() {
        return;
    }
    found.insert(path.to_path_buf());
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        // Entries that begin with a dot are not read as policies either; the swap of `..data` shows in the directory
        // that holds it.
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            collect_directories(&entry.path(), depth + 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// No poll within the test's deadline: a report can only come from an event.
    const PACE: Pace = Pace {
        settle: Duration::from_millis(20),
        patience: Duration::from_millis(200),
        poll: Duration::from_secs(3_600),
    };

    const DEADLINE: Duration = Duration::from_secs(20);

    /// Checks that each step is reported, one after the other, on the same watch.
    #[track_caller]
    fn check(watched: &[&str], prepare: impl Fn(&Path), steps: &[&dyn Fn(&Path)]) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        runtime.block_on(async {
            let paths = watched.iter().map(|name| folder.path().join(name)).collect();
            let mut changes = Changes::of(paths, PACE);
            for (number, step) in steps.iter().enumerate() {
                step(folder.path());
                let reported = tokio::time::timeout(DEADLINE, changes.next()).await;
                assert!(reported.is_ok(), "step {number} of {watched:?} was not reported");
            }
        });
    }

    fn mount(folder: &Path, revision: &str) {
        fs::create_dir_all(folder.join("policies").join(format!("..{revision}"))).unwrap();
        fs::write(folder.join("policies").join(format!("..{revision}/a.yaml")), revision).unwrap();
    }

    fn swap(folder: &Path, revision: &str) {
        mount(folder, revision);
        let fresh = folder.join("policies/..data_tmp");
        symlink(format!("..{revision}"), &fresh).unwrap();
        fs::rename(fresh, folder.join("policies/..data")).unwrap();
    }

    #[test]
    fn the_swap_of_a_mounted_directory_is_reported_every_time() {
        let prepare = |folder: &Path| {
            swap(folder, "one");
            symlink("..data/a.yaml", folder.join("policies/a.yaml")).unwrap();
        };
        check(
            &["policies"],
            prepare,
            &[&|folder| swap(folder, "two"), &|folder| swap(folder, "three")],
        );
        // The same for a file of the mount, as certificates are given.
        check(
            &["policies/a.yaml"],
            prepare,
            &[&|folder| swap(folder, "two"), &|folder| swap(folder, "three")],
        );
    }

    #[test]
    fn a_directory_that_is_deleted_and_made_again_is_reported() {
        check(
            &["policies"],
            |folder| mount(folder, "one"),
            &[
                &|folder| fs::remove_dir_all(folder.join("policies")).unwrap(),
                &|folder| fs::create_dir(folder.join("policies")).unwrap(),
                &|folder| fs::write(folder.join("policies/a.yaml"), "a").unwrap(),
            ],
        );
    }

    #[test]
    fn files_in_new_directories_are_reported() {
        check(
            &["policies"],
            |folder| fs::create_dir(folder.join("policies")).unwrap(),
            &[
                &|folder| fs::create_dir_all(folder.join("policies/team/web")).unwrap(),
                &|folder| fs::write(folder.join("policies/team/web/a.yaml"), "a").unwrap(),
                &|folder| fs::remove_file(folder.join("policies/team/web/a.yaml")).unwrap(),
            ],
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_comes_after_the_poll_when_nothing_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = Changes::of(vec![folder.path().join("absent/policies")], Pace::default());
        let before = Instant::now();
        changes.next().await;
        assert_eq!(before.elapsed().as_secs(), 60);
    }

    #[test]
    fn reading_is_no_change_and_neither_is_a_neighbour() {
        use notify::event::{AccessKind, CreateKind};
        #[track_caller]
        fn check(kind: EventKind, path: &str, expected: bool) {
            let interesting = Interesting {
                inside: vec![PathBuf::from("/etc/policies")],
                paths: vec![PathBuf::from("/etc/policies")],
            };
            let event = notify::Event::new(kind).add_path(PathBuf::from(path));
            assert_eq!(is_about(&event, &interesting), expected, "{event:?}");
        }
        check(EventKind::Create(CreateKind::Any), "/etc/policies/..data", true);
        check(EventKind::Create(CreateKind::Any), "/etc/policies", true);
        check(EventKind::Create(CreateKind::Any), "/etc/passwd", false);
        check(EventKind::Access(AccessKind::Any), "/etc/policies/a.yaml", false);
    }
}
