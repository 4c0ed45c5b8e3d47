//! Test results as JUnit XML, the form that CI systems read.

use std::fmt::Write as _;

use crate::suite::CaseResult;

/// The results as a document with one test suite a Suite file, in the order in which they came.
///
/// No times and no host stand in it: equal results are equal bytes.
pub(super) fn document(results: &[CaseResult<'_>]) -> String {
    let mut files: Vec<&str> = Vec::new();
    for result in results {
        if !files.contains(&result.file) {
            files.push(result.file);
        }
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "<testsuites name=\"runstamp test\" {}>", counts(results.iter()));
    for file in files {
        let of_file = || results.iter().filter(|result| result.file == file);
        let _ = writeln!(text, "  <testsuite name=\"{}\" {}>", escaped(file), counts(of_file()));
        of_file().for_each(|result| case(result, &mut text));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn counts<'r>(results: impl Iterator<Item = &'r CaseResult<'r>>) -> String {
    let (mut tests, mut failures) = (0, 0);
    for result in results {
        tests += 1;
        failures += usize::from(!result.failures.is_empty());
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\"")
}

fn case(result: &CaseResult<'_>, text: &mut String) {
    let _ = write!(
        text,
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
        escaped(result.suite),
        escaped(result.case),
        escaped(result.file),
        result.line
    );
    if result.failures.is_empty() {
        text.push_str("/>\n");
        return;
    }
    let mut names: Vec<&str> = result
        .failures
        .iter()
        .map(|failure| failure.expectation.as_str())
        .collect();
    names.dedup();
    let message = format!("does not hold: {}", names.join(", "));
    let _ = writeln!(text, ">\n      <failure message=\"{}\">", escaped(&message));
    text.push_str(&escaped_lines(&super::told_failure(result)));
    text.push_str("</failure>\n    </testcase>\n");
}

/// A text inside an attribute: line breaks, which a reader would turn into spaces, by their numbers.
pub(in crate::cli) fn escaped(text: &str) -> String {
    escaped_lines(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// A text between tags; what XML 1.0 cannot hold in any spelling is replaced.
pub(in crate::cli) fn escaped_lines(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' | '\t' => escaped.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_name_holds_ends_an_attribute_or_a_document() {
        let text = "a<b>&\"'\r\n\t\0\u{1b}\u{ffff}]]>é";
        assert_eq!(
            escaped(text),
            "a&lt;b&gt;&amp;&quot;'&#13;&#10;&#9;\u{fffd}\u{fffd}\u{fffd}]]&gt;é"
        );
        assert_eq!(escaped_lines("a\n\tb"), "a\n\tb");
    }
}
