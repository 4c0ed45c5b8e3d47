//! What stands in the end of what was recalled and what is put in, and the record of it.

use std::sync::Arc;

use crate::domain::decision::{Author, Decision, Injected, RemovalReason, Removed};
use crate::domain::inject::Claims;
use crate::domain::integration::{Integration, field_of};
use crate::domain::patch::Puts;
use crate::domain::policy_set::PolicySet;
use crate::domain::provenance::{Provenance, Recalled, Record};
use crate::domain::reading::Reading;
use crate::domain::registry::DeclaredKeyRef;
use crate::domain::reset::lasting_evidence;
use crate::domain::rules::breaches;
use crate::domain::trigger::{Facts, context};
use crate::domain::view::View;
use crate::domain::words::Place;

/// Whether a later pass over the same Run would derive other facts, because what told of a copy is gone by then.
pub(super) fn order_matters<'f>(reading: &mut Reading<'f, '_>, facts: &Facts<'_>, set: &'f PolicySet) -> bool {
    // The record itself is written anew, so what it said does not last unless it is said again.
    let lasts = !lasting_evidence(reading.view().run(), &Provenance::default()).is_empty();
    !lasts && context(reading, false, set, None).facts != *facts
}

/// Decides what stands in the end, tells what has changed, and writes the record.
pub(super) fn settle<'p>(
    claims: &'p Claims<'p>,
    mut record: Record<'p>,
    recalled: &'p [Recalled<'p, 'p>],
    view: &View<'_>,
    set: &PolicySet,
    decision: &mut Decision,
) -> Puts<'p> {
    let mut puts = Puts::default();
    decision.injected.reserve(claims.count());
    for place in [Place::Annotation, Place::Label] {
        for (key, claim) in claims.sorted(place) {
            let policy = claim.policy;
            record.enter(place, key, &claim.value, &policy.name, claim.overwritten);
            put(&mut puts, place, key, &claim.value);
            decision.injected.push(Injected {
                place,
                key: key.to_owned(),
                value: claim.value.to_string(),
                policy: Arc::clone(&policy.name),
                policy_index: policy.index,
            });
        }
    }
    let needed = needed_integrations(claims, recalled, view, set);
    for Recalled {
        place,
        key,
        value,
        policy,
        overwritten,
    } in recalled
    {
        let place = *place;
        let field = || field_of(place, key);
        match claims.get(place, key) {
            // What is derived again as it was has not changed: a second pass over the same Run has nothing to tell.
            Some(claim) if claim.value == *value => continue,
            Some(_) => {}
            None if is_needed(place, key, &needed, set) => {
                record.enter(place, key, value, &policy.name, overwritten.as_deref());
                put(&mut puts, place, key, value);
                decision.notices.push(format!(
                    "kept {}, which policy {} set before and does not set now: other keys of this Run need it",
                    field(),
                    policy.name
                ));
                continue;
            }
            None => {
                let verb = if overwritten.is_some() {
                    "gave back the user's"
                } else {
                    "removed"
                };
                decision.notices.push(format!(
                    "{verb} {}: policy {} set it before and does not set it now",
                    field(),
                    policy.name
                ));
            }
        }
        let author = Author::Policy(Arc::clone(&policy.name), policy.index);
        decision.removed.push(Removed {
            field: field(),
            reason: RemovalReason::Provenance,
            author,
        });
    }
    decision.removed.sort_by(|left, right| left.field.cmp(&right.field));
    if let Some(text) = record.into_text() {
        puts.annotations.insert(Provenance::KEY, text.into());
    }
    puts
}

fn put<'p>(puts: &mut Puts<'p>, place: Place, key: &'p str, value: &'p str) {
    let map = if place == Place::Label {
        &mut puts.labels
    } else {
        &mut puts.annotations
    };
    map.insert(key, value.into());
}

/// The integrations of which a rule would be broken that held on the Run as it was sent, were recalled values to go for good.
///
/// The user edited or added a key beside ours: to take ours away and then refuse the Run for their absence would be our mistake.
fn needed_integrations<'s>(
    claims: &Claims<'_>,
    recalled: &[Recalled<'_, '_>],
    view: &View<'_>,
    set: &'s PolicySet,
) -> Vec<&'s Arc<Integration>> {
    let mut needed: Vec<&Arc<Integration>> = Vec::new();
    let lost = recalled
        .iter()
        .filter(|recalled| claims.get(recalled.place, recalled.key).is_none());
    for integration in lost.filter_map(|recalled| integration_of(recalled.place, recalled.key, set)) {
        if needed.iter().any(|known| known.index == integration.index) {
            continue;
        }
        let is_set = |key: usize, holds: &dyn Fn(&str) -> bool| {
            let config = integration.config.get(key);
            config.is_some_and(|config| config.spellings.iter().any(|spelling| holds(spelling)))
        };
        let came = |spelling: &str| view.map(Place::Annotation).get(spelling).is_some();
        let stays =
            |spelling: &str| claims.get(Place::Annotation, spelling).is_some() || view.annotation(spelling).is_some();
        let before = breaches(integration, |key| is_set(key, &came));
        let after = breaches(integration, |key| is_set(key, &stays));
        if after.iter().any(|breach| !before.contains(breach)) {
            needed.push(integration);
        }
    }
    needed
}

fn is_needed(place: Place, key: &str, needed: &[&Arc<Integration>], set: &PolicySet) -> bool {
    let integration = integration_of(place, key, set);
    integration.is_some_and(|integration| needed.iter().any(|needed| needed.index == integration.index))
}

fn integration_of<'s>(place: Place, key: &str, set: &'s PolicySet) -> Option<&'s Arc<Integration>> {
    match set.registry.declared(place, key) {
        Some(DeclaredKeyRef::Config { integration, .. }) => Some(integration),
        _ => None,
    }
}
