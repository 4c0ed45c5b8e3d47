//! Compiles the state keys of an Integration.

use std::sync::Arc;

use super::context::Context;
use super::integrations::{kinds, text_or_empty};
use super::settings::Surroundings;
use super::{defaults, schemas};
use crate::domain::definition::{IntegrationDefinition, StateDefinition};
use crate::domain::integration::{Creator, StateKey};
use crate::domain::pattern::Glob;
use crate::domain::schema::ValueSchema;
use crate::domain::words::Place;

/// Compiles annotations, labels and finalizers, in this order.
pub(super) fn compile(
    integration_index: usize,
    integration: &Arc<str>,
    definition: &IntegrationDefinition,
    surroundings: &Surroundings,
    context: &mut Context,
) -> Vec<Arc<StateKey>> {
    let lists = [
        (Place::Annotation, &definition.annotations),
        (Place::Label, &definition.labels),
        (Place::Finalizer, &definition.finalizers),
    ];
    let states = lists
        .into_iter()
        .flat_map(|(place, states)| states.iter().map(move |state| (place, state)));
    states
        .filter_map(|(place, state)| {
            let key = state_key(integration_index, integration, place, state, surroundings, context)?;
            Some(Arc::new(key))
        })
        .collect()
}

fn state_key(
    integration_index: usize,
    integration: &Arc<str>,
    place: Place,
    definition: &StateDefinition,
    surroundings: &Surroundings,
    context: &mut Context,
) -> Option<StateKey> {
    let schema = schemas::compile(&definition.schema, None, &surroundings.settings.urls, context);
    context.refuse_repeats("field manager", &definition.field_managers);
    let creators = definition.creators.iter().map(|creator| Creator {
        identity: creator.identity.value.clone(),
        users: surroundings
            .identities
            .resolve(std::slice::from_ref(&creator.identity), context),
        values: creator.values.as_ref().and_then(|values| context.pattern(values)),
    });
    let creators = creators.collect();
    let writers = surroundings.identities.resolve(&definition.writers, context);
    // What is no key was reported with the other declarations.
    let key = Glob::parse(&definition.key.value).ok()?;
    Some(StateKey {
        integration_index,
        integration: Arc::clone(integration),
        place,
        key,
        description: text_or_empty(&definition.schema.description),
        source: definition.schema.source.as_ref().map(|source| source.value.clone()),
        writer_names: definition.writers.iter().map(|writer| writer.value.clone()).collect(),
        writers,
        field_managers: definition
            .field_managers
            .iter()
            .map(|manager| manager.value.clone())
            .collect(),
        creators,
        kinds: kinds(definition.kinds.as_deref(), &definition.key, context),
        namespaced: definition
            .namespaced
            .as_ref()
            .is_some_and(|namespaced| namespaced.value),
        reset: definition
            .reset
            .as_ref()
            .map_or(defaults::RESET, |written| written.value),
        on_child: definition
            .on_child
            .as_ref()
            .map_or(defaults::ON_CHILD, |written| written.value),
        updates: definition
            .updates
            .as_ref()
            .map_or(surroundings.settings.state_key_updates, |written| written.value),
        schema: Some(schema).filter(|schema| *schema != ValueSchema::default()),
    })
}
