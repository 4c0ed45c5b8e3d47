//! What becomes of a Run, as a unified diff of its YAML.

use serde_json::Value;
use similar::TextDiff;

/// Lines around a change that are shown.
const CONTEXT_LINES: usize = 3;

/// The change to a Run as a unified diff; nothing where nothing changes or the Run is refused.
/// managedFields are left out, as kubectl does.
///
/// # Errors
/// When a Run is nothing that YAML can say.
pub fn diff(before: &Value, after: &Value) -> Result<String, serde_saphyr::ser::Error> {
    if after.is_null() {
        return Ok(String::new());
    }
    let (before, after) = (yaml(before)?, yaml(after)?);
    let diff = TextDiff::from_lines(&before, &after)
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header("sent", "admitted")
        .to_string();
    Ok(diff)
}

fn yaml(object: &Value) -> Result<String, serde_saphyr::ser::Error> {
    let mut object = object.clone();
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    serde_saphyr::to_string(&object)
}
