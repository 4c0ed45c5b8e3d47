//! How many bytes the annotations of a Run would have, with the record of what is injected.

use crate::domain::provenance::Provenance;
use crate::domain::view::View;
use crate::domain::words::Place;

/// The annotations that stay on the Run. The record is left out: it is written anew, and takes its room with each key.
pub(super) fn bytes_before(view: &View<'_>) -> usize {
    let frame = Provenance::KEY.len() + r#"{"@copy":"true"}"#.len();
    let stay = view
        .values(Place::Annotation)
        .filter(|(key, _)| *key != Provenance::KEY);
    frame + stay.map(|(key, value)| key.len() + value.len()).sum::<usize>()
}

/// What one key adds: an annotation itself, and for labels as well its entry in the record.
pub(super) fn added_bytes(place: Place, key: &str, value: &str, policy: &str, overwritten: Option<&str>) -> usize {
    let entry = r#","label:":"/01234567/""#.len() + key.len() + policy.len() + overwritten.map_or(0, escaped_len);
    match place {
        Place::Annotation => key.len() + value.len() + entry,
        Place::Label | Place::Finalizer => entry,
    }
}

/// The length of a text in JSON, where some characters take six bytes.
fn escaped_len(text: &str) -> usize {
    serde_json::to_string(text).map_or(text.len() * 6, |json| json.len())
}
