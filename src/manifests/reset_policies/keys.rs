//! State keys as CEL asks for them: which are state on this kind of Run, and who may set them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::integration::StateKey;
use crate::domain::policy_set::PolicySet;
use crate::domain::words::{Place, RunKind};
use crate::manifests::cel::{is_one_of, list, matches_one_of, quoted};

/// State keys of one place by the kinds on which they are state, as CEL asks for them.
pub(super) struct Keys<'s> {
    place: Place,
    set: &'s PolicySet,
    /// In the order of the words, so that the output is the same each time.
    by_kinds: BTreeMap<Vec<RunKind>, Vec<&'s Arc<StateKey>>>,
}

impl<'s> Keys<'s> {
    /// The state keys of a place that are meant.
    pub(super) fn of(set: &'s PolicySet, place: Place, is_meant: impl Fn(&StateKey) -> bool) -> Self {
        let mut by_kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let states = set.integrations.iter().flat_map(|integration| &integration.state);
        for state in states.filter(|state| state.place == place && is_meant(state)) {
            let mut kinds = state.kinds.clone();
            kinds.sort_unstable();
            by_kinds.entry(kinds).or_default().push(state);
        }
        for states in by_kinds.values_mut() {
            states.sort_by(|one, other| one.key.as_str().cmp(other.key.as_str()));
        }
        Self { place, set, by_kinds }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.by_kinds.is_empty()
    }

    /// Whether `k` is one of them and the user is not one who may set it to this value at creation.
    pub(super) fn are_foreign(&self, map: &str) -> String {
        let groups = self.by_kinds.iter().map(|(kinds, states)| {
            let members = self.members(states);
            if kinds.len() == RunKind::WORDS.len() {
                members
            } else {
                let kinds = list(kinds.iter().map(|kind| kind.word()));
                format!("object.kind in {kinds} && ({members})")
            }
        });
        let mut predicate = groups.collect::<Vec<_>>().join(" || ");
        if predicate.is_empty() {
            return "false".to_owned();
        }
        let states = self.by_kinds.values().flatten();
        let creations: Vec<String> = states.filter_map(|state| self.creation(state, map)).collect();
        if !creations.is_empty() {
            predicate = format!("({predicate}) && !({})", creations.join(" || "));
        }
        predicate
    }

    fn members(&self, states: &[&Arc<StateKey>]) -> String {
        let (literals, globs): (Vec<&Arc<StateKey>>, Vec<&Arc<StateKey>>) =
            states.iter().copied().partition(|state| state.key.is_literal());
        let mut alternatives = Vec::new();
        if !literals.is_empty() {
            alternatives.push(format!(
                "k in {}",
                list(literals.iter().map(|state| state.key.as_str()))
            ));
        }
        alternatives.extend(globs.into_iter().map(|state| self.glob(state)));
        alternatives.join(" || ")
    }

    /// A key with a `*`, without those that are declared by themselves.
    fn glob(&self, state: &StateKey) -> String {
        let matches = matches_one_of("k", std::slice::from_ref(&state.key));
        let mut declared: Vec<&str> = self
            .set
            .integrations
            .iter()
            .flat_map(|integration| {
                let config = integration.config.iter().filter(|config| config.place == self.place);
                let states = integration.state.iter().filter(|other| other.place == self.place);
                let states = states.filter(|other| other.key.is_literal());
                config
                    .flat_map(|config| config.spellings.iter().map(|spelling| &**spelling))
                    .chain(states.map(|other| other.key.as_str()))
            })
            .filter(|key| state.key.matches(key))
            .collect();
        if declared.is_empty() {
            return matches;
        }
        declared.sort_unstable();
        format!("{matches} && !(k in {})", list(declared))
    }

    /// That `k` is this key and a creator sets it; nothing where nobody may.
    fn creation(&self, state: &StateKey, map: &str) -> Option<String> {
        let creators = state.creators.iter().filter_map(|creator| {
            let user = is_one_of(&creator.users);
            match &creator.values {
                None => Some(format!("({user})")),
                // A finalizer has no value.
                Some(values) if self.place == Place::Finalizer => values.is_match("").then(|| format!("({user})")),
                Some(values) => Some(format!(
                    "({user}) && {map}[k].matches({})",
                    quoted(&format!("^(?:{})$", values.as_str()))
                )),
            }
        });
        let creators: Vec<String> = creators.collect();
        let key = matches_one_of("k", std::slice::from_ref(&state.key));
        (!creators.is_empty()).then(|| format!("({key}) && ({})", creators.join(" || ")))
    }
}
