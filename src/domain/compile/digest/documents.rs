//! What of each document counts for the digest.

use super::super::defaults;
use super::super::merge::Merged;
use super::{Canonical, Hash, Set};
use crate::domain::definition::{
    CreatorDefinition, ExpressionDefinition, FactDefinition, Header, InjectDefinition, InjectionDefinition,
    IntegrationDefinition, MatchDefinition, RequireDefinition, RuleDefinition, RuleTerms, RunPolicyDefinition,
    SchemaDefinition, SelectorDefinition, SettingsDefinition, StateDefinition, TriggerMatchDefinition,
    TriggerSourceDefinition, VariableDefinition, WhenDefinition, WhereDefinition,
};
use crate::domain::settings::Settings;
use crate::domain::source::Located;
use crate::domain::words::RunKind;

impl Canonical for Merged {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            integrations,
            trigger_sources,
            run_policies,
            settings,
        } = self;
        hash.all(&[integrations, trigger_sources, run_policies, settings]);
    }
}

impl Canonical for Header {
    fn feed(&self, hash: &mut Hash) {
        // Where a document comes from says nothing once it is merged.
        let Self {
            name,
            builtin: _,
            replace_builtin: _,
            span: _,
            accepts: _,
        } = self;
        name.feed(hash);
    }
}

impl Canonical for IntegrationDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            header,
            description,
            prefix,
            kinds,
            unknown_keys,
            validation_action,
            config,
            rules,
            annotations,
            labels,
            finalizers,
        } = self;
        hash.all(&[header, description, prefix]);
        feed_kinds(kinds.as_deref(), hash);
        hash.all(&[&word(unknown_keys, defaults::UNKNOWN_KEYS).word()]);
        hash.all(&[&word(validation_action, defaults::VALIDATION_ACTION).word()]);
        hash.all(&[config, rules, annotations, labels, finalizers]);
    }
}

impl Canonical for SchemaDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            span: _,
            description,
            source,
            example,
            format,
            pattern,
            pattern_message,
            enum_values,
            min_length,
            max_length,
            minimum,
            maximum,
            required,
            schemes,
            hosts,
            template,
            aliases,
            place,
        } = self;
        hash.all(&[
            description,
            source,
            example,
            format,
            pattern,
            pattern_message,
            enum_values,
        ]);
        hash.all(&[
            min_length, max_length, minimum, maximum, required, schemes, hosts, template, aliases,
        ]);
        hash.all(&[&word(place, defaults::PLACE).word()]);
    }
}

impl Canonical for RuleDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self { span: _, rule } = self;
        match rule {
            RuleTerms::Together(keys) => hash.all(&[&"together", &Set(keys)]),
            RuleTerms::Requires { key, requires } => hash.all(&[&"requires", key, &Set(requires)]),
            RuleTerms::Exclusive(keys) => hash.all(&[&"exclusive", &Set(keys)]),
            RuleTerms::AnyOf(keys) => hash.all(&[&"anyOf", &Set(keys)]),
        }
    }
}

impl Canonical for CreatorDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self { identity, values } = self;
        hash.all(&[identity, values]);
    }
}

impl Canonical for StateDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            key,
            writers,
            field_managers,
            creators,
            kinds,
            namespaced,
            reset,
            on_child,
            updates,
            schema,
        } = self;
        hash.all(&[key, &Set(writers), &Set(field_managers), creators]);
        hash.all(&[&namespaced.as_ref().is_some_and(|namespaced| namespaced.value)]);
        feed_kinds(kinds.as_deref(), hash);
        hash.all(&[&word(reset, defaults::RESET).word()]);
        hash.all(&[&word(on_child, defaults::ON_CHILD).word()]);
        hash.all(&[&updates.as_ref().map(|updates| updates.value.word()), schema]);
    }
}

impl Canonical for TriggerSourceDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            header,
            precedence,
            users,
            when,
            facts,
        } = self;
        hash.all(&[
            header,
            &word(precedence, defaults::PRECEDENCE),
            &Set(users),
            when,
            facts,
        ]);
    }
}

impl Canonical for WhenDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            span: _,
            annotation,
            label,
            path,
            values,
        } = self;
        hash.all(&[annotation, label, path, values]);
    }
}

impl Canonical for FactDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            span: _,
            annotation,
            label,
            params,
            path,
            value,
            pattern,
            map,
            when,
        } = self;
        hash.all(&[annotation, label, params, path, value, pattern, map, when]);
    }
}

impl Canonical for RunPolicyDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            header,
            priority,
            mode,
            matches,
            variables,
            inject,
            require,
            constrain,
            validation_action,
        } = self;
        hash.all(&[
            header,
            &word(priority, defaults::PRIORITY),
            &word(mode, defaults::MODE).word(),
        ]);
        hash.all(&[matches, variables, inject, require, constrain]);
        hash.all(&[&word(validation_action, defaults::VALIDATION_ACTION).word()]);
    }
}

impl Canonical for MatchDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            span: _,
            kinds,
            namespaces,
            exclude_namespaces,
            namespace_selector,
            selector,
            users,
            trigger,
            conditions,
        } = self;
        feed_kinds(kinds.as_deref(), hash);
        hash.all(&[
            &namespaces.as_deref().map(Set),
            &Set(exclude_namespaces),
            namespace_selector,
            selector,
        ]);
        hash.all(&[&users.as_deref().map(Set), trigger, conditions]);
    }
}

impl Canonical for SelectorDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            span: _,
            match_labels,
            match_expressions,
        } = self;
        hash.all(&[match_labels, match_expressions]);
    }
}

impl Canonical for ExpressionDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self { key, operator, values } = self;
        hash.all(&[key, operator, &Set(values)]);
    }
}

impl Canonical for TriggerMatchDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            sources,
            providers,
            hosts,
            events,
            trusted,
        } = self;
        let lists = [sources, providers, hosts, events];
        for list in lists {
            list.as_deref().map(Set).feed(hash);
        }
        trusted.feed(hash);
    }
}

impl Canonical for WhereDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self { path, operator, values } = self;
        hash.all(&[path, &operator.value.word(), &Set(values)]);
    }
}

impl Canonical for VariableDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            name,
            path,
            pattern,
            default,
        } = self;
        hash.all(&[name, path, pattern, default]);
    }
}

impl Canonical for InjectDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            integrations,
            annotations,
            labels,
        } = self;
        hash.all(&[integrations, annotations, labels]);
    }
}

impl Canonical for InjectionDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            value,
            on_conflict,
            on_missing,
        } = self;
        hash.all(&[value, &word(on_conflict, defaults::ON_CONFLICT).word()]);
        hash.all(&[&word(on_missing, defaults::ON_MISSING).word()]);
    }
}

impl Canonical for RequireDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            integrations,
            annotations,
        } = self;
        hash.all(&[&Set(integrations), &Set(annotations)]);
    }
}

impl Canonical for SettingsDefinition {
    fn feed(&self, hash: &mut Hash) {
        let Self {
            header,
            identities,
            // It has done its work in the merge.
            replace: _,
            controllers,
            exempt_identities,
            exempt_groups,
            unknown_integrations,
            state_key_updates,
            copied_owner_references,
            allow_http,
            allowed_hosts,
            hosts,
        } = self;
        let defaults = Settings::default();
        hash.all(&[
            header,
            identities,
            &Set(controllers),
            &Set(exempt_identities),
            &Set(exempt_groups),
        ]);
        hash.all(&[&word(unknown_integrations, defaults.unknown_integrations).word()]);
        hash.all(&[&word(state_key_updates, defaults.state_key_updates).word()]);
        hash.all(&[&word(copied_owner_references, defaults.copied_owner_references).word()]);
        hash.all(&[&word(allow_http, defaults.urls.allow_http), &Set(allowed_hosts), hosts]);
    }
}

/// What is written, or what holds where nothing is.
fn word<T: Copy>(written: &Option<Located<T>>, default: T) -> T {
    written.as_ref().map_or(default, |written| written.value)
}

/// The kinds in the order of the documentation; all of them where none was written.
fn feed_kinds(kinds: Option<&[Located<RunKind>]>, hash: &mut Hash) {
    for (word, kind) in RunKind::WORDS {
        let is_meant = kinds.is_none_or(|kinds| kinds.iter().any(|written| written.value == *kind));
        hash.all(&[word, &is_meant]);
    }
}
