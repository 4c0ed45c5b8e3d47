//! STUB until the real one is merged.
#![allow(missing_docs)]
#[derive(Debug)]
pub struct Template;
