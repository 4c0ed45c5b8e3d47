//! STUB until the real one is merged.
#![allow(missing_docs)]
#[derive(Debug)]
pub struct Path {
    text: String,
}
#[derive(Debug)]
pub enum FastForm {
    Annotation(String),
    Label(String),
    Param(String),
    Name,
    Namespace,
    GenerateName,
}
#[derive(Debug)]
pub struct PathError {
    pub message: String,
    pub start: usize,
    pub end: usize,
    pub suggestion: Option<String>,
}
impl Path {
    pub fn parse(t: &str) -> Result<Self, PathError> {
        Ok(Self { text: t.into() })
    }
    pub fn text(&self) -> &str {
        &self.text
    }
    pub fn fast_form(&self) -> Option<&FastForm> {
        None
    }
}
