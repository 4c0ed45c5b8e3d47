//! STUB until the real one is merged.
#![allow(missing_docs)]
#[derive(Debug)]
pub struct Document;
impl Document {
    pub fn parse(_t: &str) -> Result<Self, ()> {
        Ok(Self)
    }
    pub fn set_text(&mut self, _f: &super::field_path::FieldPath, _v: &str) {}
    pub fn remove(&mut self, _f: &super::field_path::FieldPath) {}
}
