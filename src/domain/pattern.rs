//! STUB until the real one is merged.
#![allow(missing_docs)]
#[derive(Debug, Clone)]
pub struct Pattern(regex::Regex);
#[derive(Debug)]
pub struct PatternError(pub String);
impl Pattern {
    pub fn parse(t: &str) -> Result<Self, PatternError> {
        regex::Regex::new(&format!("^(?:{t})$"))
            .map(Self)
            .map_err(|e| PatternError(e.to_string()))
    }
    pub fn is_match(&self, v: &str) -> bool {
        self.0.is_match(v)
    }
    pub fn capture1<'v>(&self, v: &'v str) -> Option<&'v str> {
        self.0
            .captures(v)
            .and_then(|c| c.get(1).or(c.get(0)))
            .map(|m| m.as_str())
    }
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}
#[derive(Debug, Clone)]
pub struct Glob(String);
impl Glob {
    pub fn new(t: &str) -> Self {
        Self(t.into())
    }
    pub fn matches(&self, v: &str) -> bool {
        wildmatch::WildMatch::new(&self.0).matches(v)
    }
    pub fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
