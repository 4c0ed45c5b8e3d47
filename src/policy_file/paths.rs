//! Finds and reads policy files: directories recursively, files by name.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{LARGEST_FILE, PolicyText};

/// Files of one set; more is a path that was not meant.
const MOST_FILES: usize = 10_000;

/// Directories within one another.
const DEEPEST_DIRECTORY: usize = 32;

const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Why policy files could not be read; nothing is said about what stands in them.
#[derive(Debug, thiserror::Error)]
#[error("{}", sentence(failures))]
pub struct ReadError {
    /// Every path that failed.
    pub failures: Vec<Failure>,
}

/// A path that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {}: {source}", path.display())]
pub struct Failure {
    /// The path.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

fn sentence(failures: &[Failure]) -> String {
    let sentences: Vec<String> = failures.iter().map(ToString::to_string).collect();
    sentences.join("; ")
}

/// Reads every policy file at the paths, each file once, sorted within each directory.
///
/// A file named itself is read whatever its ending.
pub(super) fn collect(paths: &[PathBuf]) -> Result<Vec<PolicyText>, ReadError> {
    let mut search = Search::default();
    for path in paths {
        search.visit(path, 0);
    }
    if search.failures.is_empty() {
        Ok(search.texts)
    } else {
        Err(ReadError {
            failures: search.failures,
        })
    }
}

#[derive(Default)]
struct Search {
    texts: Vec<PolicyText>,
    failures: Vec<Failure>,
    /// Real paths already visited: a symbolic link can form a loop, and a path can be named twice.
    visited: HashSet<PathBuf>,
}

impl Search {
    fn visit(&mut self, path: &Path, depth: usize) {
        if let Err(source) = self.try_visit(path, depth) {
            self.failures.push(Failure {
                path: path.to_owned(),
                source,
            });
        }
    }

    fn try_visit(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        let metadata = fs::metadata(path)?;
        if !self.visited.insert(fs::canonicalize(path)?) {
            return Ok(());
        }
        if metadata.is_dir() {
            let before = self.texts.len() + self.failures.len();
            self.visit_directory(path, depth)?;
            // An empty folder is a mount that has lost its files more often than it is meant.
            if depth == 0 && self.texts.len() + self.failures.len() == before {
                return Err(io::Error::new(io::ErrorKind::NotFound, "it holds no policy files"));
            }
            return Ok(());
        }
        // In a directory, a pipe or a device is nobody's policy file, and reading it may never end.
        if depth > 0 && !metadata.is_file() {
            return Ok(());
        }
        if self.texts.len() == MOST_FILES {
            return Err(io::Error::other(format!(
                "there are more than {MOST_FILES} policy files"
            )));
        }
        let mut content = Vec::new();
        File::open(path)?
            .take(LARGEST_FILE as u64 + 1)
            .read_to_end(&mut content)?;
        self.texts.push(PolicyText {
            name: path.to_string_lossy().into_owned(),
            content,
            builtin: false,
        });
        Ok(())
    }

    fn visit_directory(&mut self, directory: &Path, depth: usize) -> io::Result<()> {
        if depth == DEEPEST_DIRECTORY {
            let message = format!("directories are nested more than {DEEPEST_DIRECTORY} levels deep");
            return Err(io::Error::other(message));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            names.push(entry?.file_name());
        }
        names.sort();
        for name in names {
            // ConfigMap mounts keep the real files in a directory that begins with two dots, and link to them.
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = directory.join(&name);
            if has_known_ending(&path) || path.is_dir() {
                self.visit(&path, depth + 1);
            }
        }
        Ok(())
    }
}

fn has_known_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[&str]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("# {file}")).unwrap();
        }
        folder
    }

    /// Names of the files that are read, relative to the folder.
    #[track_caller]
    fn check(folder: &TempDir, paths: &[&str], expected: &[&str]) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        let texts = collect(&paths).unwrap();
        let names: Vec<&str> = texts
            .iter()
            .map(|text| {
                let name = Path::new(&text.name).strip_prefix(folder.path()).unwrap();
                name.to_str().unwrap()
            })
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn directories_are_read_recursively_and_sorted() {
        let folder = folder(&[
            "b.yaml",
            "a.yml",
            "team/c.json",
            "notes.txt",
            "README.md",
            ".hidden.yaml",
            ".git/d.yaml",
        ]);
        check(&folder, &["."], &["a.yml", "b.yaml", "team/c.json"]);
    }

    #[test]
    fn a_file_named_itself_is_read_whatever_its_ending() {
        let folder = folder(&["notes.txt", ".hidden"]);
        check(&folder, &["notes.txt", ".hidden"], &["notes.txt", ".hidden"]);
    }

    #[test]
    fn a_mounted_config_map_is_read_once_through_its_links() {
        let folder = folder(&["..2026_11_23/policies.yaml"]);
        symlink("..2026_11_23", folder.path().join("..data")).unwrap();
        symlink("..data/policies.yaml", folder.path().join("policies.yaml")).unwrap();
        check(&folder, &["."], &["policies.yaml"]);
    }

    #[test]
    fn links_that_form_a_loop_end() {
        let folder = folder(&["team/a.yaml"]);
        symlink("..", folder.path().join("team/up")).unwrap();
        symlink("self", folder.path().join("self")).unwrap();
        check(&folder, &["."], &["team/a.yaml"]);
    }

    #[test]
    fn a_path_named_twice_is_read_once() {
        let folder = folder(&["a.yaml"]);
        check(&folder, &[".", "a.yaml", "./a.yaml"], &["a.yaml"]);
    }

    #[test]
    fn every_path_that_cannot_be_read_is_named() {
        let folder = folder(&["a.yaml"]);
        symlink("nowhere", folder.path().join("broken.yaml")).unwrap();
        let error = collect(&[folder.path().join("missing"), folder.path().to_owned()]).unwrap_err();
        let names: Vec<&OsStr> = error
            .failures
            .iter()
            .map(|failure| failure.path.file_name().unwrap())
            .collect();
        assert_eq!(names, ["missing", "broken.yaml"]);
        assert!(error.to_string().starts_with("failed to read "));
    }

    #[test]
    fn of_a_file_that_is_too_large_no_more_is_read_than_shows_it() {
        let folder = folder(&[]);
        fs::write(folder.path().join("large.yaml"), vec![b' '; LARGEST_FILE + 500]).unwrap();
        let texts = collect(&[folder.path().to_owned()]).unwrap();
        assert_eq!(texts[0].content.len(), LARGEST_FILE + 1);
    }

    #[test]
    fn devices_in_a_directory_are_nobodys_policies() {
        let folder = folder(&["a.yaml"]);
        symlink("/dev/zero", folder.path().join("zero.yaml")).unwrap();
        check(&folder, &["."], &["a.yaml"]);
    }
}
