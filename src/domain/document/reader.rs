//! Reads JSON that serde_json has already found well-formed into a [`Node`], each byte once.

use std::borrow::Cow;

use super::{MAX_DEPTH, MAX_NODES, Node, Unreadable};

/// Reads one value that takes up the whole text.
pub(super) fn read(text: &str) -> Result<Node<'_>, Unreadable> {
    let mut reader = Reader {
        text,
        position: 0,
        nodes_left: MAX_NODES,
    };
    let node = reader.value(0)?;
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(Unreadable::Malformed),
    }
}

struct Reader<'j> {
    text: &'j str,
    position: usize,
    nodes_left: usize,
}

impl<'j> Reader<'j> {
    fn value(&mut self, depth: usize) -> Result<Node<'j>, Unreadable> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or(Unreadable::TooManyNodes)?;
        match self.peek() {
            Some(b'{') => self.object(deeper(depth)?),
            Some(b'[') => self.list(deeper(depth)?),
            Some(b'"') => Ok(Node::Text(self.string()?)),
            Some(_) => match self.word() {
                "null" => Ok(Node::Null),
                "true" => Ok(Node::Boolean(true)),
                "false" => Ok(Node::Boolean(false)),
                number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                    Ok(Node::Number(number))
                }
                _ => Err(Unreadable::Malformed),
            },
            None => Err(Unreadable::Malformed),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node<'j>, Unreadable> {
        let mut elements = Vec::new();
        self.expect(b'[')?;
        if self.peek() != Some(b']') {
            elements.push(self.value(depth)?);
            while self.peek() == Some(b',') {
                self.position += 1;
                elements.push(self.value(depth)?);
            }
        }
        self.expect(b']')?;
        Ok(Node::List(elements))
    }

    fn object(&mut self, depth: usize) -> Result<Node<'j>, Unreadable> {
        let mut members = Vec::new();
        self.expect(b'{')?;
        if self.peek() != Some(b'}') {
            members.push(self.member(depth)?);
            while self.peek() == Some(b',') {
                self.position += 1;
                members.push(self.member(depth)?);
            }
        }
        self.expect(b'}')?;
        // The sort is stable, so that equal keys stay in the order of the text and the last one can win.
        members.sort_by(|(left, _), (right, _)| left.cmp(right));
        members.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Ok(Node::Object(members))
    }

    fn member(&mut self, depth: usize) -> Result<(Cow<'j, str>, Node<'j>), Unreadable> {
        self.peek();
        let key = self.string()?;
        self.expect(b':')?;
        Ok((key, self.value(depth)?))
    }

    fn string(&mut self) -> Result<Cow<'j, str>, Unreadable> {
        let start = self.position;
        self.expect(b'"')?;
        let mut has_escapes = false;
        loop {
            match self.text.as_bytes().get(self.position) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.position += 2;
                }
                Some(_) => self.position += 1,
                None => return Err(Unreadable::Malformed),
            }
        }
        self.position += 1;
        let token = self.text.get(start..self.position).ok_or(Unreadable::Malformed)?;
        if has_escapes {
            // The only escape that is well-formed and no text is half a surrogate pair, which Go, and so the
            // API server, never sends: one replacement character stands for the whole string.
            let unescaped = serde_json::from_str(token).unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.to_string());
            return Ok(Cow::Owned(unescaped));
        }
        let body = token.get(1..token.len() - 1).ok_or(Unreadable::Malformed)?;
        Ok(Cow::Borrowed(body))
    }

    /// A number, `true`, `false` or `null`: whatever comes before the next mark of punctuation.
    fn word(&mut self) -> &'j str {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let length = rest
            .bytes()
            .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')))
            .unwrap_or(rest.len());
        self.position += length;
        rest.get(..length).unwrap_or_default()
    }

    /// The next byte that is not white space, which is skipped.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.position) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.position += 1,
                other => return other.copied(),
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() == Some(byte) {
            self.position += 1;
            Ok(())
        } else {
            Err(Unreadable::Malformed)
        }
    }
}

fn deeper(depth: usize) -> Result<usize, Unreadable> {
    if depth < MAX_DEPTH {
        Ok(depth + 1)
    } else {
        Err(Unreadable::TooDeep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_no_json_is_an_error_and_not_a_panic() {
        for wrong in [
            "", " ", "[", "]", "{", "}", "[1", "[1,", "[,]", "{\"a\"}", "{\"a\":}", "{a:1}", "\"", "\"\\", "\"\\\"",
            "x", "1 2", "nul", "[1]]", "é",
        ] {
            assert_eq!(read(wrong), Err(Unreadable::Malformed), "{wrong:?}");
        }
    }
}
