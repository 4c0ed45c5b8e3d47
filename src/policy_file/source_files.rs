//! The texts that policies were read from, kept so that problems can be shown where they are.

use crate::domain::source::Span;

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the user would write it.
    pub name: String,
    /// What stands in it; replacement characters where it is not UTF-8, empty when it is too large.
    pub text: String,
    /// Whether it is embedded in the binary.
    pub builtin: bool,
    line_starts: Vec<usize>,
}

/// A place for people: lines and columns from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// Every file of a policy set, in the order of reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFiles {
    files: Vec<SourceFile>,
}

impl SourceFiles {
    /// Adds a file; its index is what spans hold.
    pub(super) fn add(&mut self, name: String, text: String, builtin: bool) -> u32 {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(newline, _)| newline + 1))
            .collect();
        self.files.push(SourceFile {
            name,
            text,
            builtin,
            line_starts,
        });
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// The file that a span is in.
    pub fn get(&self, span: Span) -> Option<&SourceFile> {
        self.files.get(span.file as usize)
    }

    /// The files.
    pub fn iter(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter()
    }
}

impl SourceFile {
    /// The line and column of a byte; past the end is the end.
    pub fn position(&self, byte: u32) -> Position {
        let (line, start) = self.line_at(byte);
        let end = self.boundary(byte);
        let column = self.text.get(start..end).map_or(0, |before| before.chars().count());
        Position {
            line,
            column: column + 1,
        }
    }

    /// The number of a byte's line, which costs nothing on a line of any length.
    pub fn line_number(&self, byte: u32) -> usize {
        self.line_at(byte).0
    }

    /// A line by its number from 1, without its line break, and the byte that it begins at.
    pub fn line(&self, number: usize) -> Option<(&str, usize)> {
        let start = *self.line_starts.get(number.checked_sub(1)?)?;
        let end = self.line_starts.get(number).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end)?;
        Some((line.trim_end_matches(['\n', '\r']), start))
    }

    /// The number of a byte's line and the byte that the line begins at.
    fn line_at(&self, byte: u32) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= byte as usize).max(1);
        (line, self.line_starts.get(line - 1).copied().unwrap_or(0))
    }

    /// The nearest beginning of a character at or before a byte.
    fn boundary(&self, byte: u32) -> usize {
        self.text.floor_char_boundary((byte as usize).min(self.text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, byte: u32, expected: (usize, usize)) {
        let mut files = SourceFiles::default();
        let file = files.add("a.yaml".to_owned(), text.to_owned(), false);
        let span = Span {
            file,
            start: byte,
            end: byte,
        };
        let position = files.get(span).unwrap().position(byte);
        assert_eq!((position.line, position.column), expected, "{text:?} at {byte}");
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        check("", 0, (1, 1));
        check("a: 1\nb: 2\n", 0, (1, 1));
        check("a: 1\nb: 2\n", 5, (2, 1));
        check("a: 1\nb: 2\n", 8, (2, 4));
        check("a: 1\n", 5, (2, 1));
        check("a: 1\n", 500, (2, 1));
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        check("ä: ü\n", 4, (1, 4));
        check("日本: x", 8, (1, 5));
        check("日本", 1, (1, 1));
    }

    #[test]
    fn a_carriage_return_belongs_to_no_line() {
        check("a: 1\r\nb: 2\r\n", 6, (2, 1));
        let mut files = SourceFiles::default();
        files.add("a.yaml".to_owned(), "a: 1\r\nb: 2".to_owned(), false);
        let file = files.iter().next().unwrap();
        assert_eq!(file.line(1), Some(("a: 1", 0)));
        assert_eq!(file.line(2), Some(("b: 2", 6)));
        assert_eq!(file.line(3), None);
        assert_eq!(file.line(0), None);
    }
}
