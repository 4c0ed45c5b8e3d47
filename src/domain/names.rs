//! STUB until the real one is merged.
#![allow(missing_docs)]
pub fn is_label_value(_v: &str) -> bool {
    true
}
pub fn is_qualified_name(_v: &str) -> bool {
    true
}
