//! The rules of the product: a pure core that turns a request and a policy set into a decision.
//!
//! Nothing here reads a file, a clock, the network or the environment; `tests/layering.rs` holds that.

pub mod cause;
pub mod document;
pub mod field_path;
pub mod names;
pub mod path;
pub mod selector;
pub mod source;
pub mod template;
pub mod text_problem;
