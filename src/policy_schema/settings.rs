//! The schema of documents of kind Settings.

use serde_json::{Value, json};

use super::replace_builtin;
use super::terms::{by_default, flag, map, object, reactions, text_map, texts, with, word, words_of};
use crate::domain::settings::Settings;
use crate::domain::words::{CopiedOwnerReferences, Reaction, StateKeyUpdates};

/// The spec.
pub(super) fn spec() -> Value {
    let exempt = object(
        [
            ("identities", texts("Identities whose Runs are Mirrors.")),
            ("groups", texts("Groups whose Runs are Mirrors.")),
        ],
        &[],
    );
    let urls = object(
        [
            (
                "allowHttp",
                by_default(flag("http is allowed where a key lists it."), false),
            ),
            ("allowedHosts", texts("Internal hosts that any uri may lead to.")),
        ],
        &[],
    );
    let default = Settings::default();
    let fields = [
        replace_builtin(),
        ("identities", map("User names by a name for them.", texts(""))),
        (
            "replace",
            texts("Built-in lists that this document sets instead of adding to."),
        ),
        ("controllers", texts("Identities that create Children.")),
        (
            "exempt",
            with(exempt, [("description", json!("Whose Runs are left alone."))]),
        ),
        (
            "unknownIntegrations",
            by_default(
                reactions(
                    "What a key of an integration that nobody declares meets.",
                    [Reaction::Allow, Reaction::Warn, Reaction::Deny],
                ),
                default.unknown_integrations.word(),
            ),
        ),
        (
            "stateKeyUpdates",
            by_default(
                word(
                    "What a state key meets that others than its writers change.",
                    words_of(StateKeyUpdates::WORDS),
                ),
                default.state_key_updates.word(),
            ),
        ),
        (
            "copiedOwnerReferences",
            by_default(
                word(
                    "What a PipelineRun as controller of a Root meets.",
                    words_of(CopiedOwnerReferences::WORDS),
                ),
                default.copied_owner_references.word(),
            ),
        ),
        ("urls", with(urls, [("description", json!("What addresses may be."))])),
        ("hosts", text_map("Providers of self-hosted Git hosts.")),
    ];
    object(fields, &[])
}
