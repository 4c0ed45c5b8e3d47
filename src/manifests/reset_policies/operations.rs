//! The operations of a reset in CEL: what goes from the Run, and from managedFields with it.

/// Positions in managedFields, in a comprehension over `i`.
const MANAGERS: &str = "variables.positions";
const FIELDS: &str = "variables.managers[i].?fieldsV1.orValue({})";
const MANAGER_PATH: &str = "'/metadata/managedFields/' + string(i) + '/fieldsV1/'";

/// The annotations and labels that go.
pub(super) fn remove_keys() -> Vec<String> {
    let remove = |field: &str, gone: &str| {
        format!(
            "variables.{gone}.map(k, JSONPatch{{op: 'remove', path: '/metadata/{field}/' + jsonpatch.escapeKey(k)}})"
        )
    };
    vec![remove("annotations", "goneAnnotations"), remove("labels", "goneLabels")]
}

/// The list without what is gone; no list where nothing is left.
pub(super) fn remove_elements(field: &str, all: &str, gone: &str) -> String {
    format!(
        "(size(variables.{gone}) == 0 ? [] : size(variables.{gone}) == size(variables.{all}) ? [JSONPatch{{op: 'remove', path: '/metadata/{field}'}}] : [JSONPatch{{op: 'replace', path: '/metadata/{field}', value: variables.{all}.filter(e, !(e in variables.{gone}))}}])"
    )
}

/// What is gone has no owner left, or the integration that owns the key could not claim it again.
pub(super) fn disown_keys() -> Vec<String> {
    let disown = |field: &str, gone: &str| {
        format!(
            "{MANAGERS}.map(i, variables.{gone}.filter(k, ('f:' + k) in {}).map(k, JSONPatch{{op: 'remove', path: {MANAGER_PATH} + 'f:metadata/{field}/' + jsonpatch.escapeKey('f:' + k)}})).flatten()",
            owned(field)
        )
    };
    vec![
        disown("f:annotations", "goneAnnotations"),
        disown("f:labels", "goneLabels"),
    ]
}

/// The same for the elements of a list; the whole list where none of the manager's is left.
pub(super) fn disown_elements(field: &str, gone: &str) -> String {
    let owned = owned(field);
    let is_gone = format!("e in {gone}");
    format!(
        "{MANAGERS}.filter(i, {owned}.exists(e, {is_gone})).map(i, {owned}.all(e, e == '.' || {is_gone}) ? [JSONPatch{{op: 'remove', path: {MANAGER_PATH} + 'f:metadata/{field}'}}] : {owned}.filter(e, {is_gone}).map(e, JSONPatch{{op: 'remove', path: {MANAGER_PATH} + 'f:metadata/{field}/' + jsonpatch.escapeKey(e)}})).flatten()"
    )
}

fn owned(field: &str) -> String {
    format!("variables.managers[i].?fieldsV1[?'f:metadata'][?'{field}'].orValue({{}})")
}

/// The status that goes.
pub(super) fn remove_status() -> String {
    "(variables.goneStatus ? [JSONPatch{op: 'remove', path: '/status'}] : [])".to_owned()
}

/// Nobody owns it then.
pub(super) fn disown_status() -> String {
    format!(
        "{MANAGERS}.filter(i, variables.goneStatus && 'f:status' in {FIELDS}).map(i, JSONPatch{{op: 'remove', path: {MANAGER_PATH} + 'f:status'}})"
    )
}
