//! The files of the page, as they are in the binary.

use include_dir::{Dir, include_dir};

/// Most bytes that a question may have: the texts of the page, as JSON.
pub const MOST_REQUEST_BYTES: usize = 2 * 1024 * 1024;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/play/page");

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageFile {
    /// Its content type.
    pub(super) content_type: &'static str,
    /// What stands in it.
    pub(super) content: &'static [u8],
}

/// The file at a path of the page.
pub(super) fn file(path: &str) -> Option<PageFile> {
    let name = match path {
        "/" => "index.html",
        _ => path.strip_prefix('/')?,
    };
    let file = FILES.get_file(name)?;
    let content_type = match file.path().extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    Some(PageFile {
        content_type,
        content: file.contents(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_content_type() {
        assert_eq!(
            file("/").map(|file| file.content_type),
            Some("text/html; charset=utf-8")
        );
        for entry in FILES.files() {
            let path = format!("/{}", entry.path().display());
            assert!(file(&path).is_some(), "{path}");
        }
        assert_eq!(FILES.dirs().count(), 0, "a folder would not be served");
        for path in ["/../play.rs", "/nothing.js", "", "//"] {
            assert_eq!(file(path), None, "{path}");
        }
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_and_nothing_stands_inline() {
        for entry in FILES.files() {
            let text = entry.contents_utf8().expect("UTF-8");
            let name = entry.path().display();
            for (number, line) in text.lines().enumerate() {
                let is_name = line.contains("xmlns=") || line.contains("createElementNS");
                let is_foreign = line.contains("://") && !is_name;
                assert!(!is_foreign, "{name}:{}: {line}", number + 1);
                for word in [
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacentHTML",
                    "document.write",
                    "eval(",
                    "style=\"",
                    "<style",
                ] {
                    assert!(!line.contains(word), "{name}:{}: {word}", number + 1);
                }
            }
        }
    }
}
