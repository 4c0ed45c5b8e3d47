//! The rules of the product: a pure core that turns a request and a policy set into a decision.
//!
//! Nothing here reads a file, a clock, the network or the environment; `tests/layering.rs` holds that.

pub mod cause;
pub mod compile;
pub mod decision;
pub mod definition;
pub mod field_path;
pub mod identity;
pub mod integration;
pub mod patch;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod policy_set;
pub mod registry;
pub mod run;
pub mod schema;
pub mod selector;
pub mod settings;
pub mod source;
pub mod suggest;
pub mod template;
pub mod trace;
pub mod trigger;
pub mod trigger_source;
pub mod words;
