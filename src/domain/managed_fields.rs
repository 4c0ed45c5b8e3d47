//! `metadata.managedFields`: who owns which field of a Run's metadata, as the API server keeps it.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::json_reader::RawJson;
use super::run::{CowStr, Object};

/// The elements of a map or list, by the names under which managedFields knows them.
pub type Elements<'a> = BTreeMap<CowStr<'a>, IgnoredAny>;

/// The fields of one manager, as far as any rule reads them.
#[derive(Debug, Default, Deserialize)]
pub struct ManagedEntry<'a> {
    /// Who wrote them: the name that the client gave, or that of its program. What is no text is as good as none: whose
    /// fields they are does not matter to what is taken from them.
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub manager: CowStr<'a>,
    /// What was written.
    #[serde(borrow, rename = "fieldsV1", default)]
    pub fields: Option<Object<ManagedFields<'a>>>,
}

/// `fieldsV1` of one entry.
#[derive(Debug, Default, Deserialize)]
pub struct ManagedFields<'a> {
    /// `metadata`
    #[serde(borrow, rename = "f:metadata", default)]
    pub metadata: Option<Object<ManagedMetadata<'a>>>,
    /// `spec`, which whoever creates a Run writes.
    #[serde(rename = "f:spec", default)]
    pub spec: Option<IgnoredAny>,
    /// `status`
    #[serde(rename = "f:status", default)]
    pub status: Option<IgnoredAny>,
}

/// `metadata` of one entry.
#[derive(Debug, Default, Deserialize)]
pub struct ManagedMetadata<'a> {
    /// `annotations`: `f:KEY`, and `.` for the map itself.
    #[serde(borrow, rename = "f:annotations", default)]
    pub annotations: Option<Elements<'a>>,
    /// `labels`: likewise.
    #[serde(borrow, rename = "f:labels", default)]
    pub labels: Option<Elements<'a>>,
    /// `finalizers`: `v:"NAME"`, and `.` for the list itself.
    #[serde(borrow, rename = "f:finalizers", default)]
    pub finalizers: Option<Elements<'a>>,
    /// `ownerReferences`: `k:{"uid":"UID"}`, and `.` for the list itself.
    #[serde(borrow, rename = "f:ownerReferences", default)]
    pub owners: Option<Elements<'a>>,
}

/// The entries; nothing where they cannot be read: the API server keeps no such ones.
pub fn read(raw: RawJson<'_>) -> Option<Vec<Object<ManagedEntry<'_>>>> {
    serde_json::from_str(raw.text()).ok()
}

fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CowStr<'de>, D::Error> {
    let raw = RawJson::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.text()).unwrap_or_default())
}

/// The value of an element of a list: `v:"VALUE"`.
pub fn list_value(element: &str) -> Option<CowStr<'_>> {
    serde_json::from_str(element.strip_prefix("v:")?).ok()
}

/// The uid of the owner reference that an element is: `k:{"uid":"UID"}`.
pub fn owner_uid(element: &str) -> Option<CowStr<'_>> {
    let key: OwnerKey<'_> = serde_json::from_str(element.strip_prefix("k:")?).ok()?;
    Some(key.uid)
}

#[derive(Deserialize)]
struct OwnerKey<'a> {
    #[serde(borrow)]
    uid: CowStr<'a>,
}
