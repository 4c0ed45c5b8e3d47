//! The forms of a problem, on texts that are hard to show.

use super::*;
use crate::domain::source::{Code, Span};
use crate::policy_file::{PolicyText, read_texts};

fn files(texts: &[(&str, &str)]) -> SourceFiles {
    let texts = texts.iter().map(|(name, text)| PolicyText {
        name: (*name).to_owned(),
        content: text.as_bytes().to_vec(),
        builtin: false,
    });
    read_texts(texts).0
}

/// The span of the first occurrence of a word in the first file.
fn span_of(word: &str, files: &SourceFiles) -> Span {
    let text = &files.iter().next().unwrap().text;
    let start = u32::try_from(text.find(word).unwrap()).unwrap();
    Span {
        file: 0,
        start,
        end: start + u32::try_from(word.len()).unwrap(),
    }
}

/// Renders a problem about `word` in a file of one text.
#[track_caller]
fn check(text: &str, word: &str, expected: &str) {
    let files = files(&[("a.yaml", text)]);
    let problem = Problem::error(Code::UnknownField, span_of(word, &files), "wrong");
    assert_eq!(render(&problem, &files, Style::Plain), expected);
}

#[test]
fn marks_stand_under_wide_characters() {
    check(
        "text: 日本 x\n",
        "x\n",
        "error[unknown-field]: wrong\n --> a.yaml:1:10\n  |\n1 | text: 日本 x\n  |            ^\n",
    );
}

#[test]
fn tabs_are_shown_as_spaces_and_count_as_one_column() {
    check(
        "\ta: b\n",
        "b",
        "error[unknown-field]: wrong\n --> a.yaml:1:5\n  |\n1 |     a: b\n  |        ^\n",
    );
}

#[test]
fn a_carriage_return_is_not_shown() {
    check(
        "a: b\r\nc: d\r\n",
        "b",
        "error[unknown-field]: wrong\n --> a.yaml:1:4\n  |\n1 | a: b\n  |    ^\n",
    );
}

#[test]
fn a_place_of_several_lines_is_marked_on_its_first() {
    check(
        "a:\n  b: c\n",
        "a:\n  b",
        "error[unknown-field]: wrong\n --> a.yaml:1:1\n  |\n1 | a:\n  | ^^\n",
    );
}

#[test]
fn escape_sequences_of_a_file_never_reach_the_terminal() {
    let files = files(&[("a\u{1b}[2J.yaml", "key: \u{1b}[31mred\u{9b}31m\u{202e}\n")]);
    let problem = Problem::error(
        Code::UnknownField,
        span_of("red", &files),
        "found \u{1b}[31m\nerror: forged",
    )
    .with_help("\u{9b}0m");
    for text in [render(&problem, &files, Style::Plain), one_line(&problem, &files)] {
        assert!(
            text.chars()
                .all(|character| character == '\n' || !is_unprintable(character)),
            "{text:?}"
        );
        assert!(!text.contains("\nerror: forged"), "{text}");
    }
}

#[test]
fn of_a_very_long_line_only_the_marked_part_is_shown() {
    let text = format!("[{}wrong{}]", "\"ä\", ".repeat(100_000), ", 1".repeat(100_000));
    let files = files(&[("a.json", &text)]);
    let problem = Problem::error(Code::UnknownField, span_of("wrong", &files), "wrong").with_label("here");
    let rendered = render(&problem, &files, Style::Plain);
    assert!(rendered.len() < 1000, "{} bytes", rendered.len());
    assert!(rendered.contains("a.json:1:500002"), "{rendered}");
    let lines: Vec<&str> = rendered.lines().collect();
    let column = |line: &str, wanted: &str| line.chars().count() - line[line.find(wanted).unwrap()..].chars().count();
    assert_eq!(column(lines[3], "wrong"), column(lines[4], "^^^^^ here"), "{rendered}");
}

#[test]
fn spans_outside_of_a_file_or_inside_of_a_character_are_survived() {
    let files = files(&[("a.yaml", "ä"), ("empty.yaml", "")]);
    for (file, start, end) in [
        (0, 1, 1),
        (0, 1, 2),
        (0, 500, 600),
        (0, 2, 0),
        (1, 0, 0),
        (1, 0, 9),
        (7, 0, 1),
    ] {
        let problem = Problem::error(Code::UnknownField, Span { file, start, end }, "wrong");
        assert!(render(&problem, &files, Style::Plain).starts_with("error[unknown-field]: wrong\n"));
        assert!(one_line(&problem, &files).ends_with("error[unknown-field]: wrong"));
        assert!(serde_json::to_string(&Record::new(&problem, &files)).is_ok());
    }
}

#[test]
fn related_places_in_another_file_follow_as_notes() {
    let files = files(&[("a.yaml", "name: x\n"), ("b.yaml", "name: x\n")]);
    let first = Span {
        file: 1,
        start: 6,
        end: 7,
    };
    let problem = Problem::warning(Code::UnknownField, span_of("x", &files), "two of a name")
        .with_related(first, "the other is here");
    assert_eq!(
        render(&problem, &files, Style::Plain),
        "\
warning[unknown-field]: two of a name
 --> a.yaml:1:7
  |
1 | name: x
  |       ^
note: the other is here
 --> b.yaml:1:7
  |
1 | name: x
  |       -
"
    );
}

#[test]
fn colours_are_there_only_when_asked_for() {
    let files = files(&[("a.yaml", "name: x\n")]);
    let problem = Problem::error(Code::UnknownField, span_of("x", &files), "wrong");
    assert!(!render(&problem, &files, Style::Plain).contains('\u{1b}'));
    let coloured = render(&problem, &files, Style::Coloured);
    assert!(coloured.contains("\u{1b}["));
    assert!(coloured.contains("a.yaml:1:7"));
}

#[test]
fn one_line_holds_everything_a_log_needs() {
    let files = files(&[("a.yaml", "name: x\n")]);
    let problem = Problem::error(Code::UnknownField, span_of("x", &files), "wrong").with_help("mend it");
    assert_eq!(
        one_line(&problem, &files),
        "a.yaml:1:7: error[unknown-field]: wrong; mend it"
    );
}

#[test]
fn a_record_names_both_ends_and_the_related_places() {
    let files = files(&[("a.yaml", "name: xyz\n")]);
    let problem = Problem::error(Code::UnknownField, span_of("xyz", &files), "wrong")
        .with_label("here")
        .with_help("mend it")
        .with_text("uvw", true)
        .with_related(span_of("name", &files), "the field");
    assert_eq!(
        serde_json::to_value(Record::new(&problem, &files)).unwrap(),
        serde_json::json!({
            "apiVersion": "runstamp.dev/v1alpha1",
            "kind": "Diagnostic",
            "severity": "error",
            "code": "unknown-field",
            "message": "wrong",
            "file": "a.yaml", "line": 1, "column": 7, "endLine": 1, "endColumn": 10,
            "label": "here",
            "help": "mend it",
            "related": [
                {"message": "the field", "file": "a.yaml", "line": 1, "column": 1, "endLine": 1, "endColumn": 5}
            ],
            "fixes": [
                {"certain": true, "replacement": "uvw", "file": "a.yaml", "line": 1, "column": 7, "endLine": 1, "endColumn": 10}
            ],
        })
    );
}
