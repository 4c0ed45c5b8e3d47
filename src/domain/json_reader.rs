//! A quick reader of JSON: what is asked for is borrowed from the text, what nobody asks for is checked and stepped over.
//!
//! It reads what API servers send; what it does not read it leaves to serde_json, which knows better, and says why. So a text is JSON
//! exactly where serde_json says so, and whatever is read here serde_json reads to the same value.

mod raw;
mod scan;
mod visit;

use std::borrow::Cow;
use std::fmt;

pub use raw::RawJson;
use serde::de::Deserialize;

/// Deepest nesting that is stepped over here.
const MAX_DEPTH: u32 = u64::BITS;

/// Reads a value that takes up the whole text.
///
/// # Errors
/// When the text is not JSON, holds another value, or should be left to serde_json. Only serde_json can tell which.
pub fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, LeftAlone> {
    let mut reader = Reader { text, position: 0 };
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
}

impl<'t> Reader<'t> {
    /// The next byte that is not white space, which stays.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.position) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.position += 1,
                byte => return byte.copied(),
            }
        }
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
        let rest = self.text.as_bytes().get(self.position..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(LeftAlone);
        }
        self.position += word.len();
        Ok(())
    }

    /// Reads a string.
    #[inline]
    fn string(&mut self) -> Result<Cow<'t, str>, LeftAlone> {
        self.expect(b'"')?;
        let start = self.position;
        self.position += scan::plain(self.rest());
        if self.rest().first() == Some(&b'"') {
            let text = self.text.get(start..self.position).ok_or(LeftAlone)?;
            self.position += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.rest_of_string()?;
        // From one quotation mark to the other, both of which are one byte long.
        let token = self.text.get(start - 1..self.position).ok_or(LeftAlone)?;
        serde_json::from_str(token).map(Cow::Owned).map_err(|_| LeftAlone)
    }

    /// Steps over a string.
    #[inline]
    fn skip_string(&mut self) -> Result<(), LeftAlone> {
        self.expect(b'"')?;
        self.position += scan::plain(self.rest());
        if self.rest().first() == Some(&b'"') {
            self.position += 1;
            return Ok(());
        }
        self.rest_of_string()
    }

    /// Steps over what begins with the first escape of a string.
    fn rest_of_string(&mut self) -> Result<(), LeftAlone> {
        loop {
            let (length, is_end) = scan::mark(self.rest()).ok_or(LeftAlone)?;
            self.position += length;
            if is_end {
                return Ok(());
            }
            self.position += scan::plain(self.rest());
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
                Some(b'"') => self.skip_string()?,
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

    fn skip_key(&mut self) -> Result<(), LeftAlone> {
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
