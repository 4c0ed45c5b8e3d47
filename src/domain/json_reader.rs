//! A quick reader of JSON: what is asked for is borrowed from the text, what nobody asks for is checked and stepped over.
//!
//! It reads what API servers send; what it does not read it leaves to serde_json, which knows better, and says why. So a text is JSON
//! exactly where serde_json says so, and whatever is read here serde_json reads to the same value.

mod marks;
mod raw;
mod scan;
mod visit;

use std::fmt;

use marks::Marks;
pub use raw::RawJson;
use serde::de::Deserialize;

/// Deepest nesting that is stepped over here.
const MAX_DEPTH: u32 = u64::BITS;

/// The bytes of most strings that have escapes: JSON inside JSON.
const ESCAPED_ROOM: usize = 256;

/// Reads a value that takes up the whole text.
///
/// # Errors
/// When the text is not JSON, holds another value, or should be left to serde_json. Only serde_json can tell which.
pub fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, LeftAlone> {
    let mut reader = Reader {
        text,
        position: 0,
        marks: Marks::of(text.as_bytes()),
    };
    let value = T::deserialize(&mut reader)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(LeftAlone),
    }
}

/// Nothing was read; serde_json can tell why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftAlone;

impl fmt::Display for LeftAlone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this is left to serde_json")
    }
}

impl std::error::Error for LeftAlone {}

impl serde::de::Error for LeftAlone {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

/// Walks over a text from its beginning to its end, never back.
struct Reader<'t> {
    text: &'t str,
    position: usize,
    /// Where strings end or have escapes, known beforehand: most of the text is strings.
    marks: Marks,
}

impl<'t> Reader<'t> {
    /// The next byte that is not white space, which stays.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.position)?;
        if byte > b' ' {
            Some(byte)
        } else {
            self.peek_after_space()
        }
    }

    #[cold]
    fn peek_after_space(&mut self) -> Option<u8> {
        let space = self
            .rest()
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'));
        self.position += space.count();
        self.rest().first().copied()
    }

    /// Steps over a byte.
    #[inline]
    fn expect(&mut self, expected: u8) -> Result<(), LeftAlone> {
        if self.peek() != Some(expected) {
            return Err(LeftAlone);
        }
        self.position += 1;
        Ok(())
    }

    /// Steps over `true`, `false` or `null`.
    #[inline]
    fn word(&mut self, word: &str) -> Result<(), LeftAlone> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(LeftAlone);
        }
        self.position += word.len();
        Ok(())
    }

    /// Reads what follows the first plain piece of a string that has escapes.
    fn escaped(&mut self, plain: &str) -> Result<String, LeftAlone> {
        let mut text = String::with_capacity(plain.len() + ESCAPED_ROOM);
        text.push_str(plain);
        loop {
            text.push(self.escape()?);
            text.push_str(self.plain().ok_or(LeftAlone)?);
            if self.ends_string() {
                return Ok(text);
            }
        }
    }

    /// Steps over what follows the quotation mark with which a string begins.
    #[inline]
    fn skip_string(&mut self) -> Result<(), LeftAlone> {
        loop {
            self.position = self.marks.next(self.position).ok_or(LeftAlone)?;
            if self.ends_string() {
                return Ok(());
            }
            self.position += scan::escape(self.rest()).ok_or(LeftAlone)?;
        }
    }

    /// The piece of a string up to the next quotation mark, backslash or mistake.
    fn plain(&mut self) -> Option<&'t str> {
        let start = self.position;
        self.position = self.marks.next(start)?;
        self.text.get(start..self.position)
    }

    /// Steps over the quotation mark that ends a string, if it stands here.
    #[inline]
    fn ends_string(&mut self) -> bool {
        let ends = self.rest().first() == Some(&b'"');
        self.position += usize::from(ends);
        ends
    }

    /// Reads an escape. Those that stand for half a character are left alone.
    fn escape(&mut self) -> Result<char, LeftAlone> {
        let rest = self.rest();
        let length = scan::escape(rest).ok_or(LeftAlone)?;
        self.position += length;
        match rest.get(1..length).unwrap_or_default() {
            [b'u', digits @ ..] => {
                let digits = std::str::from_utf8(digits).map_err(|_| LeftAlone)?;
                let code = u32::from_str_radix(digits, 16).map_err(|_| LeftAlone)?;
                char::from_u32(code).ok_or(LeftAlone)
            }
            b"b" => Ok('\u{8}'),
            b"f" => Ok('\u{c}'),
            b"n" => Ok('\n'),
            b"r" => Ok('\r'),
            b"t" => Ok('\t'),
            [itself] => Ok(char::from(*itself)),
            _ => Err(LeftAlone),
        }
    }

    /// Steps over a number.
    fn skip_number(&mut self) -> Result<(), LeftAlone> {
        self.position += scan::number(self.rest()).ok_or(LeftAlone)?;
        Ok(())
    }

    /// Steps over any value, without recursion.
    fn skip_value(&mut self) -> Result<(), LeftAlone> {
        // What is open, the innermost last: one for an object, zero for a list.
        let mut open = 0_u64;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    self.skip_string()?;
                }
                Some(bracket @ (b'{' | b'[')) => {
                    self.position += 1;
                    let is_object = bracket == b'{';
                    if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                        self.position += 1;
                    } else if depth == MAX_DEPTH {
                        return Err(LeftAlone);
                    } else {
                        depth += 1;
                        open = open << 1 | u64::from(is_object);
                        if is_object {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                Some(_) => self.skip_number()?,
                None => return Err(LeftAlone),
            }
            // A value ends here, and maybe what holds it.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let is_object = open & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.position += 1;
                        if is_object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    Some(b'}') if is_object => {}
                    Some(b']') if !is_object => {}
                    _ => return Err(LeftAlone),
                }
                self.position += 1;
                depth -= 1;
                open >>= 1;
            }
        }
    }

    #[inline]
    fn skip_key(&mut self) -> Result<(), LeftAlone> {
        self.expect(b'"')?;
        self.skip_string()?;
        self.expect(b':')
    }

    #[inline]
    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.position..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
