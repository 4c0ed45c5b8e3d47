//! Walks `tests/compile`: `ok` compiles without a word, every file of `warn` and `err` has what is said about it beside it.
//!
//! Each file is a user's, on top of the built-in documents in `builtin.yaml`.
//! A new case is a new file; `UPDATE_GOLDENS=1 cargo test --test compile` writes its golden, for a person to read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use runstamp::domain::compile::{Compilation, compile};
use runstamp::domain::source::{Problem, Severity, Span};
use runstamp::policy_file::{PolicyText, SourceFiles, read_texts};

/// The cases of a folder, in order: everything but goldens.
fn cases(folder: &str) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(Path::new("tests/compile").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "txt"))
        .collect();
    cases.sort();
    cases
}

fn text(name: &str, content: &str, builtin: bool) -> PolicyText {
    PolicyText {
        name: name.to_owned(),
        content: content.as_bytes().to_vec(),
        builtin,
    }
}

fn builtin() -> PolicyText {
    let content = fs::read_to_string("tests/compile/builtin.yaml").unwrap();
    text("builtin.yaml", &content, true)
}

fn compile_texts(texts: Vec<PolicyText>) -> (SourceFiles, Compilation) {
    let (files, loaded) = read_texts(texts);
    assert_eq!(shown(&loaded.problems, &files), "", "the reader found mistakes: these cases are for the compiler");
    (files, compile(loaded.definitions))
}

/// Compiles a user's text on top of the built-in documents.
fn compile_user(content: &str) -> Compilation {
    compile_texts(vec![builtin(), text("user.yaml", content, false)]).1
}

fn compile_case(path: &Path) -> (SourceFiles, Compilation) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let content = fs::read_to_string(path).unwrap();
    compile_texts(vec![builtin(), text(name, &content, false)])
}

fn place(span: Span, files: &SourceFiles) -> String {
    let file = files.get(span).unwrap();
    let position = file.position(span.start);
    let marked = file.text.get(span.start as usize..span.end as usize).unwrap();
    let marked: String = marked.lines().next().unwrap_or_default().chars().take(60).collect();
    format!("{}:{}:{} at {marked}", file.name, position.line, position.column)
}

fn shown(problems: &[Problem], files: &SourceFiles) -> String {
    let mut text = String::new();
    for problem in problems {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(text, "{}\n  {severity}: {}", place(problem.span, files), problem.message).unwrap();
        if !problem.label.is_empty() {
            writeln!(text, "  here: {}", problem.label).unwrap();
        }
        for (span, label) in &problem.related {
            writeln!(text, "  {}: {label}", place(*span, files)).unwrap();
        }
        if let Some(help) = &problem.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}

/// Compares with the golden file, or writes it; says whether they agree.
fn agrees_with_golden(path: &Path, found: &str) -> bool {
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(path, found).unwrap();
        return true;
    }
    let golden = fs::read_to_string(path).unwrap_or_default();
    if golden != found {
        eprintln!("--- {}: expected\n{golden}\n--- found\n{found}", path.display());
    }
    golden == found
}

fn check_goldens(folder: &str, least: usize, loads: bool) {
    let cases = cases(folder);
    assert!(cases.len() >= least, "only {} cases in {folder}", cases.len());
    let mut differing = Vec::new();
    for case in cases {
        let (files, compilation) = compile_case(&case);
        assert_eq!(compilation.set.is_some(), loads, "{}", case.display());
        for problem in &compilation.problems {
            check_wording(problem);
        }
        if !agrees_with_golden(&case.with_extension("txt"), &shown(&compilation.problems, &files)) {
            differing.push(case);
        }
    }
    assert!(differing.is_empty(), "differing: {differing:?}");
}

/// What holds of every message: one line, no full stop, nothing that Markdown or a terminal would read.
fn check_wording(problem: &Problem) {
    let texts = [&problem.message, &problem.label].into_iter().chain(&problem.help);
    for text in texts.chain(problem.related.iter().map(|(_, label)| label)) {
        assert!(!text.contains('`') && !text.chars().any(char::is_control), "{text}");
        // A path without .. may be what was expected.
        assert!((!text.ends_with('.') || text.ends_with(" ..")) && text.trim() == text, "{text}");
    }
    assert!(!problem.message.is_empty());
}

#[test]
fn files_of_ok_compile_without_a_word() {
    let cases = cases("ok");
    assert!(cases.len() >= 3, "only {} cases", cases.len());
    for case in cases {
        let (files, compilation) = compile_case(&case);
        assert_eq!(shown(&compilation.problems, &files), "", "{}", case.display());
        assert!(compilation.set.is_some(), "{}", case.display());
    }
}

#[test]
fn files_of_warn_load_with_the_warnings_beside_them() {
    check_goldens("warn", 3, true);
}

#[test]
fn files_of_err_do_not_load_and_have_their_problems_beside_them() {
    check_goldens("err", 10, false);
}
