//! Reads documents of kind Settings.

use super::document::{self, Document};
use super::integration::reactions;
use super::problems::Problems;
use super::values;
use crate::domain::definition::SettingsDefinition;
use crate::domain::words::{CopiedOwnerReferences, Reaction, StateKeyUpdates};

/// The spec of Settings.
pub(super) fn settings(document: Document, problems: &mut Problems) -> Option<SettingsDefinition> {
    document::spec(document, "the spec of Settings", problems, |header, fields| {
        let (exempt_identities, exempt_groups) = fields.section("exempt", "the exempt of Settings", |fields| {
            (
                fields.texts("identities").unwrap_or_default(),
                fields.texts("groups").unwrap_or_default(),
            )
        });
        let (allow_http, allowed_hosts) = fields.section("urls", "the urls of Settings", |fields| {
            (
                fields.boolean("allowHttp"),
                fields.texts("allowedHosts").unwrap_or_default(),
            )
        });
        SettingsDefinition {
            header: document::replaceable(header, fields),
            identities: fields.map("identities", "identities and their user names", values::texts),
            replace: fields.texts("replace").unwrap_or_default(),
            controllers: fields.texts("controllers").unwrap_or_default(),
            exempt_identities,
            exempt_groups,
            unknown_integrations: fields.word(
                "unknownIntegrations",
                &reactions([Reaction::Allow, Reaction::Warn, Reaction::Deny]),
            ),
            state_key_updates: fields.word("stateKeyUpdates", StateKeyUpdates::WORDS),
            copied_owner_references: fields.word("copiedOwnerReferences", CopiedOwnerReferences::WORDS),
            allow_http,
            allowed_hosts,
            hosts: fields.map("hosts", "hosts and their providers", values::text),
        }
    })
}
