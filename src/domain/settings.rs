//! Settings of a policy set, compiled.

use std::collections::BTreeMap;

use super::identity::Identities;
use super::key_map::KeyMap;
use super::schema::UrlRules;
use super::words::{CopiedOwnerReferences, Reaction, StateKeyUpdates};

/// Settings, compiled.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The users behind each name, for those who ask who that is; decisions read the lists below.
    pub identities: BTreeMap<String, Identities>,
    /// Who creates Children.
    pub controllers: Identities,
    /// Whose Runs are Mirrors.
    pub exempt: Identities,
    /// Groups whose Runs are Mirrors.
    pub exempt_groups: Vec<String>,
    /// What keys of undeclared integrations meet.
    pub unknown_integrations: Reaction,
    /// What a state key meets that is changed by someone who is not a writer.
    pub state_key_updates: StateKeyUpdates,
    /// What controller references on a Root meet.
    pub copied_owner_references: CopiedOwnerReferences,
    /// What URLs may be.
    pub urls: UrlRules,
    /// Providers of self-hosted Git hosts.
    pub hosts: KeyMap<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            identities: BTreeMap::new(),
            controllers: Identities::default(),
            exempt: Identities::default(),
            exempt_groups: Vec::new(),
            unknown_integrations: Reaction::Warn,
            state_key_updates: StateKeyUpdates::Warn,
            copied_owner_references: CopiedOwnerReferences::Remove,
            urls: UrlRules::default(),
            hosts: KeyMap::default(),
        }
    }
}
