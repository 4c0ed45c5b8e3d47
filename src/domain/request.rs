//! What the API server asks, as the rules see it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::run::Run;
use super::words::RunKind;

/// What is being done to the Run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// Somebody connects to it; no Run knows that.
    Connect,
}

impl Operation {
    /// The word of the AdmissionReview.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// Who asks, as the API server has authenticated them.
#[derive(Debug, Clone, Default)]
pub struct User<'a> {
    /// `userInfo.username`
    pub name: Cow<'a, str>,
    /// `userInfo.groups`
    pub groups: Vec<Cow<'a, str>>,
}

/// Where the whole object can be read again, for the few policies that look beyond what a [`Run`] holds.
#[derive(Debug, Clone, Copy)]
pub struct ObjectText<'a> {
    /// The text that holds the object.
    pub text: &'a str,
    /// Finds the object in the text.
    pub locate: for<'t> fn(&'t str) -> Option<&'t RawValue>,
}

impl<'a> ObjectText<'a> {
    /// The object's JSON.
    pub fn read(&self) -> Option<&'a RawValue> {
        (self.locate)(self.text)
    }
}

/// One request about one Run.
#[derive(Debug)]
pub struct Request<'a> {
    /// What is being done.
    pub operation: Operation,
    /// The kind of Run.
    pub kind: RunKind,
    /// The namespace, from the request and not from the object.
    pub namespace: Cow<'a, str>,
    /// Who asks.
    pub user: User<'a>,
    /// The Run as it would be stored; absent on DELETE.
    pub object: Option<Box<Run<'a>>>,
    /// The Run as it is stored; absent on CREATE.
    pub old_object: Option<Box<Run<'a>>>,
    /// The object's text.
    pub object_text: ObjectText<'a>,
}

/// What the caller wants besides the decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Judge rules and requirements in `mutate` too, for clusters that register only that webhook.
    pub judge_all_in_mutate: bool,
    /// Fill in facts and trace.
    pub explain: bool,
}
