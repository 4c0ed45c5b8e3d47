//! The rules of the product: a pure core that turns a request and a policy set into a decision.
//!
//! Nothing here reads a file, a clock, the network or the environment; `tests/layering.rs` holds that.

pub mod cause;
pub mod compile;
pub mod decision;
pub mod definition;
pub mod document;
pub mod evaluate;
pub mod field_path;
pub mod git_url;
pub mod identity;
pub mod inject;
pub mod integration;
pub mod json_reader;
pub mod json_text;
pub mod judge;
pub mod key_facts;
pub mod key_map;
pub mod lineage;
pub mod matching;
pub mod names;
pub mod patch;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod policy_set;
pub mod provenance;
pub mod reading;
pub mod registry;
pub mod request;
pub mod reset;
pub mod rules;
pub mod run;
pub mod schema;
pub mod selector;
pub mod settings;
pub mod source;
pub mod suggest;
pub mod template;
pub mod text_problem;
pub mod trace;
pub mod trigger;
pub mod trigger_source;
pub mod view;
pub mod violation;
pub mod words;
