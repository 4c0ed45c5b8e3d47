//! What holds where a document is silent. Compilation and digest both read it, so that writing a default out changes nothing.

use crate::domain::words::{ConfigPlace, Mode, OnChild, OnConflict, OnMissing, Reaction, ResetRule};

/// `unknownKeys` of an Integration.
pub const UNKNOWN_KEYS: Reaction = Reaction::Warn;
/// `validationAction` of Integrations and RunPolicies.
pub const VALIDATION_ACTION: Reaction = Reaction::Deny;
/// `reset` of a state key.
pub const RESET: ResetRule = ResetRule::Always;
/// `onChild` of a state key.
pub const ON_CHILD: OnChild = OnChild::Keep;
/// `precedence` of a TriggerSource.
pub const PRECEDENCE: i64 = 0;
/// `priority` of a RunPolicy.
pub const PRIORITY: i64 = 0;
/// `mode` of a RunPolicy.
pub const MODE: Mode = Mode::Enforce;
/// `onConflict` of a value to inject.
pub const ON_CONFLICT: OnConflict = OnConflict::Keep;
/// `onMissing` of a value to inject.
pub const ON_MISSING: OnMissing = OnMissing::Skip;
/// `place` of a config key.
pub const PLACE: ConfigPlace = ConfigPlace::Annotation;
