//! Patterns of expectations.

/// A pattern in which `*` stands for any text.
pub(crate) struct Glob(String);

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        let parts: Vec<&str> = self.0.split('*').collect();
        let Some((last, inner)) = parts.split_last() else {
            return text.is_empty();
        };
        for (position, part) in inner.iter().enumerate() {
            match rest.find(part) {
                Some(at) if position > 0 || at == 0 => rest = &rest[at + part.len()..],
                _ => return false,
            }
        }
        if inner.is_empty() {
            rest == *last
        } else {
            rest.ends_with(last)
        }
    }
}
