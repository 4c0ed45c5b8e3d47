//! The rules of the product: a pure core that turns a request and a policy set into a decision.
//!
//! Nothing here reads a file, a clock, the network or the environment; `tests/layering.rs` holds that.

pub mod cause;
pub mod field_path;
pub mod git_url;
pub mod pattern;
pub mod schema;
pub mod source;
pub mod suggest;
