//! The layer rules of the crate, read from its sources: what the rules of the product may use, and where outside types may stand.
#![cfg(test)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use common::files_below;

/// The crates that `domain` may use, each for values only, and why.
const VALUE_CRATES: [(&str, &str); 11] = [
    ("jiff", "dates as texts, never the clock"),
    ("jsonpath_rust", "the syntax tree of a JSONPath"),
    ("memchr", "where a byte stands"),
    ("regex", "patterns, in linear time"),
    ("regex_syntax", "what a pattern is made of"),
    ("serde", "reading and writing values"),
    ("serde_json", "JSON"),
    ("sha2", "digests of policy sets and of injected values"),
    ("strsim", "how near two words are"),
    ("thiserror", "error types"),
    ("url", "addresses as the web reads them"),
];

/// The modules of std that reach outside, or that wait: a decision does neither.
const FORBIDDEN_STD: [&str; 9] = [
    "env",
    "fs",
    "io",
    "net",
    "os",
    "process",
    "sync::mpsc",
    "thread",
    "time",
];

/// What is allowed of them all the same: values that touch nothing.
const ALLOWED_STD: [&str; 3] = ["net::IpAddr", "net::Ipv4Addr", "net::Ipv6Addr"];

/// The longest a source file may be before its tests, in lines.
const LONGEST_FILE: usize = 400;

/// A source file as the rules see it: code without comments, strings and tests.
struct Source {
    path: PathBuf,
    text: String,
    tokens: Vec<String>,
}

#[test]
fn domain_uses_nothing_that_reaches_outside() {
    let mut mistakes = Vec::new();
    for source in domain() {
        for path in paths(&source.tokens) {
            let first = path.first().map_or("", String::as_str);
            let rest = path.get(1..).unwrap_or_default().join("::");
            let is_fine = match first {
                "std" => {
                    let begins = |list: &[&str]| {
                        list.iter()
                            .any(|known| rest == *known || rest.starts_with(&format!("{known}::")))
                    };
                    !begins(&FORBIDDEN_STD) || begins(&ALLOWED_STD)
                }
                "crate" => rest.split("::").next() == Some("domain"),
                _ => true,
            };
            if !is_fine {
                mistakes.push(format!("{}: {}", source.path.display(), path.join("::")));
            }
        }
        for name in outside_crates(&source.tokens) {
            if !VALUE_CRATES.iter().any(|(known, _)| *known == name) {
                mistakes.push(format!("{}: the crate {name}", source.path.display()));
            }
        }
        for word in ["Mutex", "RwLock", "RefCell", "unsafe", "println", "eprintln"] {
            if source.tokens.iter().any(|token| token == word) {
                mistakes.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn modules_of_domain_form_no_cycle() {
    let sources = domain();
    let modules: BTreeSet<String> = sources.iter().filter_map(|source| module(&source.path)).collect();
    assert!(modules.len() > 20, "only {} modules were found", modules.len());
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        let Some(name) = module(&source.path) else { continue };
        let depth = source.path.components().count() - Path::new("src/domain").components().count();
        for path in paths(&source.tokens) {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            let used = match path.first().map(String::as_str) {
                Some("crate") => path.get(2),
                Some("super") if ups == depth => path.get(ups),
                _ => None,
            };
            if let Some(used) = used.filter(|used| modules.contains(*used) && **used != name) {
                uses.entry(name.clone()).or_default().insert(used.clone());
            }
        }
    }
    assert!(uses["decision"].contains("patch"), "the uses are not read: {uses:?}");
    // What uses nothing that is left can be laid down first; what remains in the end goes in circles.
    let mut left = modules;
    loop {
        let free: Vec<String> = left
            .iter()
            .filter(|name| uses.get(*name).is_none_or(|used| used.is_disjoint(&left)))
            .cloned()
            .collect();
        if free.is_empty() {
            break;
        }
        left.retain(|name| !free.contains(name));
    }
    let circle: Vec<String> = left
        .iter()
        .map(|name| {
            let used: Vec<_> = uses[name].intersection(&left).cloned().collect();
            format!("{name} uses {}", used.join(", "))
        })
        .collect();
    assert!(
        circle.is_empty(),
        "these modules use each other:\n{}",
        circle.join("\n")
    );
}

#[test]
fn outside_types_stay_where_they_belong() {
    let mut mistakes = Vec::new();
    for source in sources(Path::new("src")) {
        let mut forbid = |word: &str, places: &[&str]| {
            let is_at_home = places.iter().any(|place| source.path.starts_with(place));
            if !is_at_home && source.tokens.iter().any(|token| token == word) {
                mistakes.push(format!("{}: {word}", source.path.display()));
            }
        };
        forbid("AdmissionReview", &["src/review.rs", "src/review"]);
        forbid("kube", &["src/cluster.rs", "src/cluster", "src/watch.rs", "src/watch"]);
        forbid(
            "k8s_openapi",
            &["src/cluster.rs", "src/cluster", "src/watch.rs", "src/watch"],
        );
        // The reload writes errors with their sources into the log, and `anyhow` spells those out.
        forbid(
            "anyhow",
            &["src/main.rs", "src/cli.rs", "src/cli", "src/server/reload.rs"],
        );
        forbid("granit_parser", &["src/policy_file.rs", "src/policy_file"]);
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_file_is_short_and_says_what_it_is_for() {
    let mut mistakes = Vec::new();
    for source in sources(Path::new("src")) {
        let path = source.path.display();
        // A file of tests alone, included by its parent under `cfg(test)`, may be as long as its tables.
        let is_tests = source.path.ends_with("tests.rs");
        let lines = source
            .text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .count();
        if lines >= LONGEST_FILE && !is_tests {
            mistakes.push(format!(
                "{path}: {lines} lines before its tests; {LONGEST_FILE} is too many"
            ));
        }
        if !source.text.starts_with("//! ") {
            mistakes.push(format!("{path}: the first line does not say what the file is for"));
        }
        if source.path.ends_with("mod.rs") {
            mistakes.push(format!("{path}: a module is a file beside its folder"));
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn sources_are_read_as_the_compiler_reads_them() {
    let text = "use a::{b::{self, c}, d}; // use e::f;\nlet g = \"use h::i\"; j::k::<l>(m); 'x: loop {} let n = '\"'; r#\"o::p\"#;";
    let tokens = tokens(text);
    let found: Vec<String> = paths(&tokens).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b", "a::b::c", "a::d", "j::k"]);
    assert_eq!(outside_crates(&tokens), BTreeSet::from(["a".to_owned()]));
}

fn domain() -> Vec<Source> {
    let mut all = sources(Path::new("src/domain"));
    all.retain(|source| !source.path.ends_with("tests.rs"));
    assert!(all.len() > 40, "only {} files were found", all.len());
    all
}

fn sources(folder: &Path) -> Vec<Source> {
    files_below(folder, "rs")
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            // Tests stand at the end of a file, and may use what they like.
            let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
            let tokens = tokens(code);
            Source { path, text, tokens }
        })
        .collect()
}

/// The module of `domain` that a file belongs to: a parent and its children are one.
fn module(path: &Path) -> Option<String> {
    let below = path.strip_prefix("src/domain").ok()?;
    let first = below.components().next()?.as_os_str().to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// Names, and punctuation but for `::` one character each; comments and literals are left out.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let characters: Vec<char> = code.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let mut index = 0;
    while index < characters.len() {
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < characters.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            'r' if at(index + 1) == '"' || (at(index + 1) == '#' && matches!(at(index + 2), '"' | '#')) => {
                let hashes = (index + 1..).take_while(|place| at(*place) == '#').count();
                index += hashes + 2;
                let end = |place: usize| at(place) == '"' && (1..=hashes).all(|more| at(place + more) == '#');
                while index < characters.len() && !end(index) {
                    index += 1;
                }
                index += hashes + 1;
            }
            '"' => {
                index += 1;
                while index < characters.len() && at(index) != '"' {
                    index += if at(index) == '\\' { 2 } else { 1 };
                }
                index += 1;
            }
            // A character literal; a lifetime has no closing quote.
            '\'' if at(index + 1) == '\\' => {
                index += 3;
                while index < characters.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            '\'' if at(index + 2) == '\'' => index += 3,
            ':' if at(index + 1) == ':' => {
                tokens.push("::".to_owned());
                index += 2;
            }
            first if first.is_alphabetic() || first == '_' => {
                let start = index;
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
                tokens.push(characters[start..index].iter().collect());
            }
            space if space.is_whitespace() => index += 1,
            other => {
                tokens.push(other.to_string());
                index += 1;
            }
        }
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Every path of at least two segments, with the braces of `use` spread out.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let begins = is_name(&tokens[index]) && tokens.get(index + 1).is_some_and(|next| next == "::");
        if begins {
            index = read_path(tokens, index, &[], &mut found);
        } else {
            index += 1;
        }
    }
    found
}

/// Reads the path that begins at `index`, behind a prefix; returns the place after it.
fn read_path(tokens: &[String], mut index: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(index).map(String::as_str) {
            Some("{") => {
                index += 1;
                while let Some(token) = tokens.get(index).filter(|token| *token != "}") {
                    index = if is_name(token) || token == "{" {
                        read_path(tokens, index, &path, found)
                    } else {
                        index + 1
                    };
                }
                return index + 1;
            }
            Some(token) if is_name(token) => {
                if token != "self" || path.is_empty() {
                    path.push(token.to_owned());
                }
                index += 1;
            }
            _ => break,
        }
        let goes_on = tokens.get(index).is_some_and(|token| token == "::")
            && tokens.get(index + 1).is_some_and(|next| is_name(next) || next == "{");
        if !goes_on {
            break;
        }
        index += 1;
    }
    if path.len() > 1 {
        found.push(path);
    }
    index.max(1)
}

/// The crates that `use` lines name, and those of other paths that begin with a dependency's name.
fn outside_crates(tokens: &[String]) -> BTreeSet<String> {
    const LOCAL: [&str; 6] = ["crate", "super", "self", "std", "core", "alloc"];
    // `use` may name a module of the file without `self`.
    let modules: BTreeSet<&String> = tokens
        .windows(2)
        .filter(|pair| pair[0] == "mod")
        .map(|pair| &pair[1])
        .collect();
    let mut crates = BTreeSet::new();
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map_or("", |before| tokens[before].as_str());
        let begins_path = before != "::" && tokens.get(index + 1).is_some_and(|next| next == "::");
        let is_local = LOCAL.contains(&token.as_str()) || modules.contains(token);
        let is_outside = before == "use" || DEPENDENCIES.contains(token);
        if begins_path && is_name(token) && !is_local && is_outside {
            crates.insert(token.clone());
        }
    }
    crates
}

/// The names in the manifest, as paths spell them.
static DEPENDENCIES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let names = manifest.lines().filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.replace('-', "_")).collect()
});
