//! The rules of the product: a pure core that turns a request and a policy set into a decision.
//!
//! Nothing here reads a file, a clock, the network or the environment; `tests/layering.rs` holds that.

pub mod cause;
pub mod definition;
pub mod field_path;
pub mod policy_set;
pub mod source;
pub mod suggest;
pub mod words;
