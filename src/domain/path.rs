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
#[derive(Debug, PartialEq)]
pub enum Lookup<'d> {
    Absent,
    Text(std::borrow::Cow<'d, str>),
    Mistyped(&'static str),
    TooLarge,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Present,
    Absent,
    TooLarge,
}
impl Path {
    pub fn lookup<'d>(&self, _d: &'d super::document::Document) -> Lookup<'d> {
        Lookup::Absent
    }
    pub fn exists(&self, _d: &super::document::Document) -> Presence {
        Presence::Absent
    }
}
