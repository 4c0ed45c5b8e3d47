//! The sentences about what happens to a key: at creation of a Root and of a Child, and when somebody changes it.

use crate::domain::identity::Identities;
use crate::domain::integration::{Integration, StateKey};
use crate::domain::reset::is_lost_by_child;
use crate::domain::words::{Place, Reaction, ResetRule, RunKind, StateKeyUpdates};

/// Nothing happens to it.
pub(super) const KEPT: &str = "kept";

/// Nobody looks at changes of it.
pub(super) const NOT_JUDGED: &str = "passes: changes of it are not judged";

pub(super) fn config_on_root(integration: &Integration) -> String {
    let mut sentence = format!("kept; a malformed value is {}", met(integration.validation_action));
    if integration.kinds.len() < RunKind::WORDS.len() {
        sentence.push_str(&format!(
            "; on another kind than {} it is {}",
            words_of(&integration.kinds),
            if integration.validation_action == Reaction::Audit {
                "counted"
            } else {
                "warned about"
            },
        ));
    }
    sentence
}

pub(super) fn config_on_child(place: Place) -> String {
    match place {
        Place::Annotation => "kept; a malformed value is counted, never refused",
        Place::Label | Place::Finalizer => KEPT,
    }
    .to_owned()
}

pub(super) fn config_on_update(integration: &Integration) -> String {
    format!("a malformed new value is {}", met(integration.validation_action))
}

pub(super) fn state_on_root(state: &StateKey) -> String {
    let rule = state.reset;
    let unless = unless_by_creators(state);
    let mut sentence = match rule {
        ResetRule::Always => format!("removed{unless}"),
        ResetRule::OnCopy => format!("removed from a copy of another Run{unless}, else kept"),
        ResetRule::Never => KEPT.to_owned(),
    };
    if state.schema.is_some() && (rule != ResetRule::Always || !unless.is_empty()) {
        sentence.push_str("; where it is kept, a malformed value is refused");
    }
    if rule == ResetRule::Never {
        return sentence;
    }
    sentence + &other_kinds(state, KEPT)
}

pub(super) fn state_on_child(state: &StateKey) -> String {
    if is_lost_by_child(state, state.key.as_str()) {
        format!("removed{}{}", unless_by_creators(state), other_kinds(state, KEPT))
    } else {
        KEPT.to_owned()
    }
}

pub(super) fn state_on_update(state: &StateKey, controllers: &Identities) -> String {
    if state.place == Place::Finalizer {
        return NOT_JUDGED.to_owned();
    }
    let mut sentence = match state.updates {
        StateKeyUpdates::Allow => "passes",
        StateKeyUpdates::Warn => "passes with a warning",
        StateKeyUpdates::Drop => "is taken back: the old value returns",
        StateKeyUpdates::Deny => "is refused",
    }
    .to_owned();
    if state.schema.is_some() && matches!(state.updates, StateKeyUpdates::Allow | StateKeyUpdates::Warn) {
        sentence.push_str("; a malformed value is refused");
    }
    let writers = state.writers.globs();
    if controllers
        .globs()
        .iter()
        .any(|controller| !writers.contains(controller))
    {
        sentence.push_str("; one that a pipelines controller adds is dropped again");
    }
    sentence + &other_kinds(state, "not judged")
}

fn met(reaction: Reaction) -> &'static str {
    match reaction {
        Reaction::Deny => "refused",
        Reaction::Warn => "warned about",
        Reaction::Audit => "counted",
        Reaction::Allow => "not judged",
    }
}

fn unless_by_creators(state: &StateKey) -> String {
    let creators = state.creators.iter().map(|creator| match &creator.values {
        None => creator.identity.clone(),
        Some(values) => format!("{} with a value that matches {}", creator.identity, values.as_str()),
    });
    let creators: Vec<String> = creators.collect();
    if creators.is_empty() {
        String::new()
    } else {
        format!(" unless set by {}", creators.join(" or by "))
    }
}

/// What becomes of the key where it is no state.
fn other_kinds(state: &StateKey, fate: &str) -> String {
    if state.kinds.len() < RunKind::WORDS.len() {
        format!("; {fate} on other kinds than {}", words_of(&state.kinds))
    } else {
        String::new()
    }
}

fn words_of(kinds: &[RunKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    words.join(" and ")
}
