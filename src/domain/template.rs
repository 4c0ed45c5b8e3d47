//! STUB until the real one is merged.
#![allow(missing_docs)]
use super::words::FactName;
use std::borrow::Cow;
#[derive(Debug)]
pub struct Template {
    pub text: String,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunField {
    Namespace,
    Kind,
    Name,
    GenerateName,
    User,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Trigger(FactName),
    Variable(String),
    Run(RunField),
}
impl Template {
    pub fn render<'t>(
        &'t self,
        resolve: impl FnMut(&Reference) -> Option<Cow<'t, str>>,
    ) -> Result<String, RenderError<'t>> {
        let _ = resolve;
        Ok(self.text.clone())
    }
}
#[derive(Debug)]
pub enum RenderError<'t> {
    Absent(&'t Reference),
    TooLong,
}
impl Template {
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        std::iter::empty()
    }
}
impl RunField {
    pub fn word(self) -> &'static str {
        ""
    }
}
