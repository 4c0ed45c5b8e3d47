//! Injection: what the policies that are for a Run put into it, key by key, and what they leave out and why.

mod block;
mod render;
mod room;
mod told;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::cause::{Cause, CauseKind};
use super::decision::{Author, ShadowOutcome, Skipped, Violation};
use super::integration::{ConfigKey, Integration, field_of};
use super::policy::{Constraint, Injection, RunPolicy};
use super::policy_set::PolicySet;
use super::reading::Reading;
use super::registry::DeclaredKeyRef;
use super::schema::{Format, ValueSchema, credential_in, quoted};
use super::trace::Trace;
use super::trigger::Facts;
use super::view::View;
use super::words::{Mode, OnConflict, OnMissing, Place, Reaction};
use render::{Rendered, Renderer};
use room::{added_bytes, bytes_before};
use told::{same_as_enforced, tell_origins};

/// Kubernetes' limit for the keys and values of all annotations together
/// (`k8s.io/apimachinery/pkg/api/validation`, `TotalAnnotationSizeLimitB`).
pub const MAX_ANNOTATIONS_BYTES: usize = 256 * 1024;

/// A value that a policy puts in.
#[derive(Debug)]
pub struct Claim<'f> {
    /// The value.
    pub value: Cow<'f, str>,
    /// The policy that was first to write the key.
    pub policy: &'f RunPolicy,
    /// The user's value that it takes the place of.
    pub overwritten: Option<&'f str>,
}

/// What is put in, by key.
#[derive(Debug, Default)]
pub struct Claims<'f> {
    annotations: BTreeMap<&'f str, Claim<'f>>,
    labels: BTreeMap<&'f str, Claim<'f>>,
}

impl<'f> Claims<'f> {
    /// What is put in at a key.
    pub fn get(&self, place: Place, key: &str) -> Option<&Claim<'f>> {
        match place {
            Place::Annotation => self.annotations.get(key),
            Place::Label => self.labels.get(key),
            Place::Finalizer => None,
        }
    }

    /// Everything that is put in at a place, sorted by key.
    pub fn sorted(&self, place: Place) -> impl Iterator<Item = (&'f str, &Claim<'f>)> {
        let claims = match place {
            Place::Annotation => Some(&self.annotations),
            Place::Label => Some(&self.labels),
            Place::Finalizer => None,
        };
        claims.into_iter().flatten().map(|(key, claim)| (*key, claim))
    }

    /// How many keys are put in.
    pub fn count(&self) -> usize {
        self.annotations.len() + self.labels.len()
    }

    fn enter(&mut self, place: Place, key: &'f str, claim: Claim<'f>) {
        match place {
            Place::Annotation => self.annotations.insert(key, claim),
            Place::Label => self.labels.insert(key, claim),
            Place::Finalizer => None,
        };
    }
}

/// What injection did.
#[derive(Debug, Default)]
pub struct Injections<'f> {
    /// What is put in.
    pub claims: Claims<'f>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// Conflicts and missing values that a policy refuses.
    pub violations: Vec<Violation>,
    /// Sentences for the client.
    pub notices: Vec<String>,
    /// What shadow policies would have done.
    pub shadow: Vec<ShadowOutcome>,
}

/// Whether a key can be put in, and if not, why.
#[derive(Debug)]
enum Standing<'f> {
    /// It is there with this very value.
    Satisfied,
    /// It can be put in; the user's value that it takes the place of.
    Free(Cow<'f, str>, Option<&'f str>),
    /// It cannot; why.
    Blocked(String),
}

/// Lets the policies write, in the order given, which is the order in which they apply.
pub fn inject<'f>(
    policies: &[&'f Arc<RunPolicy>],
    reading: &mut Reading<'f, '_>,
    facts: &'f Facts<'f>,
    set: &'f PolicySet,
    trace: Option<&mut Trace>,
) -> Injections<'f> {
    let constraints = policies
        .iter()
        .flat_map(|policy| policy.constraints.iter().map(|constraint| (&***policy, constraint)))
        .collect();
    let view = reading.view();
    let mut injector = Injector {
        view,
        set,
        constraints,
        annotations_bytes: bytes_before(view),
        outcome: Injections::default(),
        trace,
    };
    for policy in policies {
        let mut renderer = Renderer::new(policy, facts);
        for block in &policy.integrations {
            injector.inject_block(policy, block, &mut renderer, reading);
        }
        for injection in &policy.keys {
            injector.inject_key(policy, injection, &mut renderer, reading);
        }
        if let Some(trace) = injector.trace.as_deref_mut() {
            tell_origins(policy, &renderer, reading, trace);
        }
    }
    same_as_enforced(&mut injector.outcome);
    injector.outcome
}

struct Injector<'f, 'r, 't> {
    view: &'f View<'r>,
    set: &'f PolicySet,
    constraints: Vec<(&'f RunPolicy, &'f Constraint)>,
    /// Keys and values of all annotations that there will be, the record among them.
    annotations_bytes: usize,
    outcome: Injections<'f>,
    trace: Option<&'t mut Trace>,
}

impl<'f> Injector<'f, '_, '_> {
    /// Injects a label, or an annotation that no integration declares.
    fn inject_key(
        &mut self,
        policy: &'f RunPolicy,
        injection: &'f Injection,
        renderer: &mut Renderer<'f>,
        reading: &mut Reading<'f, '_>,
    ) {
        let declared = match self.set.registry.declared(injection.place, &injection.key) {
            Some(DeclaredKeyRef::Config { integration, key, .. }) => Some((&**integration, key)),
            _ => None,
        };
        match self.standing(policy, injection, declared, renderer, reading) {
            Standing::Satisfied => self.shadow(policy, injection.place, &injection.key, "Equal", None),
            Standing::Blocked(reason) => self.skip(policy, injection.place, &injection.key, reason),
            Standing::Free(value, overwritten) => {
                let (place, key) = (injection.place, &injection.key);
                match self.has_room(added_bytes(place, key, &value, &policy.name, overwritten)) {
                    Ok(()) => self.put(policy, place, key, value, overwritten),
                    Err(reason) => self.skip(policy, place, key, reason),
                }
            }
        }
    }

    /// Whether a key can be put in, in whatever spelling it may stand there already.
    fn standing(
        &mut self,
        policy: &'f RunPolicy,
        injection: &'f Injection,
        declared: Option<(&Integration, usize)>,
        renderer: &mut Renderer<'f>,
        reading: &mut Reading<'f, '_>,
    ) -> Standing<'f> {
        let config = declared.and_then(|(integration, key)| integration.config.get(key));
        let spellings = config.map_or(std::slice::from_ref(&injection.key), |config| &config.spellings);
        let place = injection.place;
        let present = spellings.iter().find_map(|key| self.view.value(place, key));
        let value = match renderer.render(&injection.value, reading) {
            Rendered::Text(value) => value,
            Rendered::Missing(reason) => return self.missing(policy, injection, reason),
        };
        if present.is_some_and(|present| means_the_same(config, present, &value)) {
            self.tell_satisfied(policy, injection, &value);
            return Standing::Satisfied;
        }
        let claimed = spellings.iter().find_map(|key| self.outcome.claims.get(place, key));
        match claimed {
            Some(claim) if claim.value == value => {
                self.tell_satisfied(policy, injection, &value);
                return Standing::Satisfied;
            }
            Some(claim) => return Standing::Blocked(format!("policy {} has set it", claim.policy.name)),
            None => {}
        }
        if let Err(reason) = self.fits(policy, injection, &value, declared) {
            return Standing::Blocked(reason);
        }
        match (present, injection.on_conflict) {
            (None, _) => Standing::Free(value, None),
            (Some(present), OnConflict::Overwrite) => match can_be_recorded(present) {
                Ok(()) => Standing::Free(value, Some(present)),
                Err(reason) => Standing::Blocked(reason),
            },
            (Some(present), OnConflict::Keep) => {
                Standing::Blocked(format!("the Run has {}, and onConflict is Keep", quoted(present)))
            }
            (Some(present), OnConflict::Deny) => {
                let message = format!("expected {}, found {}", quoted(&value), quoted(present));
                self.refuse(policy, injection, CauseKind::Invalid, message, Some(value.into_owned()));
                Standing::Blocked(format!("the Run has {}, and onConflict is Deny", quoted(present)))
            }
        }
    }

    fn missing(&mut self, policy: &RunPolicy, injection: &Injection, reason: String) -> Standing<'f> {
        match injection.on_missing {
            OnMissing::Skip => {}
            OnMissing::Warn if policy.mode == Mode::Enforce => {
                self.outcome.notices.push(format!(
                    "{} was not set: {reason} (runstamp: policy {})",
                    field_of(injection.place, &injection.key),
                    policy.name
                ));
            }
            OnMissing::Warn => {}
            OnMissing::Deny => {
                let message = format!("cannot be derived: {reason}");
                self.refuse(policy, injection, CauseKind::Required, message, None);
            }
        }
        Standing::Blocked(reason)
    }

    fn refuse(
        &mut self,
        policy: &RunPolicy,
        injection: &Injection,
        kind: CauseKind,
        message: String,
        suggestion: Option<String>,
    ) {
        if policy.mode == Mode::Shadow {
            self.shadow(policy, injection.place, &injection.key, "Violation", Some(message));
            return;
        }
        let field = field_of(injection.place, &injection.key);
        self.outcome.violations.push(Violation {
            cause: Cause {
                field,
                kind,
                message,
                suggestion,
            },
            author: Author::Policy(Arc::clone(&policy.name), policy.index),
            reaction: Reaction::Deny,
        });
    }

    /// Whether a derived value is one that may stand there: a policy never writes what the rules would refuse.
    ///
    /// A Shadow policy is held to its own constraints besides those in force, as it would be if it acted.
    fn fits(
        &self,
        writer: &RunPolicy,
        injection: &Injection,
        value: &str,
        declared: Option<(&Integration, usize)>,
    ) -> Result<(), String> {
        let urls = &self.set.settings.urls;
        if let Some((integration, key)) = declared {
            if let Some(config) = integration.config.get(key) {
                config
                    .schema
                    .check(value, urls)
                    .map_err(|violation| violation.message)?;
            }
            let in_force = self
                .constraints
                .iter()
                .filter(|(policy, _)| policy.mode == Mode::Enforce || policy.index == writer.index);
            for (policy, constraint) in in_force {
                if constraint.integration.index == integration.index && constraint.key == key {
                    constraint
                        .schema
                        .check(value, urls)
                        .map_err(|violation| format!("{} (policy {})", violation.message, policy.name))?;
                }
            }
        } else {
            // Nobody has said what a key without a declaration holds, so a `$(` that a policy spells out may stand there.
            let anything = ValueSchema {
                template: true,
                ..ValueSchema::default()
            };
            anything.check(value, urls).map_err(|violation| violation.message)?;
        }
        if injection.place == Place::Label && !super::names::is_label_value(value) {
            return Err(format!("{} is not a label value", quoted(value)));
        }
        Ok(())
    }

    /// Whether the annotations have room for so much more.
    fn has_room(&self, added: usize) -> Result<(), String> {
        if self.annotations_bytes + added > MAX_ANNOTATIONS_BYTES {
            return Err(format!(
                "the annotations would be larger than {MAX_ANNOTATIONS_BYTES} bytes together"
            ));
        }
        Ok(())
    }

    fn put(
        &mut self,
        policy: &'f RunPolicy,
        place: Place,
        key: &'f str,
        value: Cow<'f, str>,
        overwritten: Option<&'f str>,
    ) {
        self.tell_injected(policy, place, key, &value);
        if policy.mode == Mode::Shadow {
            let outcome = if overwritten.is_some() { "Overwrite" } else { "Inject" };
            self.shadow(policy, place, key, outcome, Some(value.into_owned()));
            return;
        }
        self.annotations_bytes += added_bytes(place, key, &value, &policy.name, overwritten);
        self.outcome.claims.enter(
            place,
            key,
            Claim {
                value,
                policy,
                overwritten,
            },
        );
    }
}

/// Longest value of a user that a policy may overwrite, in bytes: it is kept in the record, which is an annotation too.
const MAX_OVERWRITTEN_BYTES: usize = 1024;

/// Whether the record may keep a user's value that is overwritten.
fn can_be_recorded(present: &str) -> Result<(), String> {
    if let Some(credential) = credential_in(present) {
        return Err(format!(
            "the Run has {credential}, which the record of what was overwritten must not keep"
        ));
    }
    if present.len() > MAX_OVERWRITTEN_BYTES {
        return Err(format!(
            "the Run has a value of more than {MAX_OVERWRITTEN_BYTES} bytes, too long to be overwritten"
        ));
    }
    Ok(())
}

/// Whether two values of a key say the same: commit ids do in small and in capital letters.
fn means_the_same(config: Option<&ConfigKey>, present: &str, value: &str) -> bool {
    let is_sha = config.is_some_and(|config| config.schema.format == Some(Format::GitSha));
    present == value || is_sha && present.eq_ignore_ascii_case(value)
}
