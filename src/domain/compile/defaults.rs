//! What holds where a document is silent. Compilation and digest both read it, so that writing a default out changes nothing.

use crate::domain::words::{ConfigPlace, Mode, OnChild, OnConflict, OnMissing, Reaction, ResetRule};

/// `unknownKeys` of an Integration.
pub(super) const UNKNOWN_KEYS: Reaction = Reaction::Warn;
/// `validationAction` of Integrations and RunPolicies.
pub(super) const VALIDATION_ACTION: Reaction = Reaction::Deny;
/// `reset` of a state key.
pub(super) const RESET: ResetRule = ResetRule::Always;
/// `onChild` of a state key.
pub(super) const ON_CHILD: OnChild = OnChild::Keep;
/// `precedence` of a TriggerSource.
pub(super) const PRECEDENCE: i64 = 0;
/// `priority` of a RunPolicy.
pub(super) const PRIORITY: i64 = 0;
/// `mode` of a RunPolicy.
pub(super) const MODE: Mode = Mode::Enforce;
/// `onConflict` of a value to inject.
pub(super) const ON_CONFLICT: OnConflict = OnConflict::Keep;
/// `onMissing` of a value to inject.
pub(super) const ON_MISSING: OnMissing = OnMissing::Skip;
/// `place` of a config key.
pub(super) const PLACE: ConfigPlace = ConfigPlace::Annotation;
