//! Reading `spec` in one pass: what is there in the right shape is taken, everything else is stepped over.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::string_map::{CowStr, StringMap};
use crate::domain::field_path::FieldPath;
use crate::domain::json_reader::{self, RawJson};
use crate::domain::path::Shape;

/// What is read of `spec`.
#[derive(Debug, Default)]
pub struct Spec<'a> {
    /// `params`, those with a name.
    pub params: Vec<Param<'a>>,
    /// `status`: `Cancelled` and the like.
    pub status: Option<Cow<'a, str>>,
    /// Metadata that will reach child Runs.
    pub nested: Vec<NestedMetadata<'a>>,
}

/// One parameter.
#[derive(Debug)]
pub struct Param<'a> {
    /// `name`
    pub name: Cow<'a, str>,
    /// `value` as it stands; absent where there is none.
    pub value: Option<RawJson<'a>>,
}

/// A JSON value as text: a string's text, the token of a number or boolean as it stands.
///
/// # Errors
/// What stands there instead.
pub fn text_of(value: RawJson<'_>) -> Result<Cow<'_, str>, Shape> {
    let token = value.text();
    match token.as_bytes().first() {
        Some(b'"') => match token.get(1..token.len() - 1).filter(|text| !text.contains('\\')) {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => serde_json::from_str::<CowStr<'_>>(token)
                .map(|text| text.0)
                .map_err(|_| Shape::Null),
        },
        Some(b'[') => Err(Shape::List),
        Some(b'{') => Err(Shape::Object),
        Some(b'n') | None => Err(Shape::Null),
        Some(_) => Ok(Cow::Borrowed(token)),
    }
}

/// Where metadata stands that will reach child Runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NestedPlace {
    TaskRunSpecs,
    Tasks,
    Finally,
}

/// Metadata inside `spec` that Tekton copies to child Runs.
#[derive(Debug)]
pub struct NestedMetadata<'a> {
    place: NestedPlace,
    index: usize,
    /// Its annotations.
    pub annotations: StringMap<'a>,
    /// Its labels.
    pub labels: StringMap<'a>,
}

impl NestedMetadata<'_> {
    /// The path of this `metadata`.
    pub fn field(&self) -> FieldPath {
        let spec = FieldPath::root().field("spec");
        match self.place {
            NestedPlace::TaskRunSpecs => spec.field("taskRunSpecs").index(self.index),
            NestedPlace::Tasks => spec
                .field("pipelineSpec")
                .field("tasks")
                .index(self.index)
                .field("taskSpec"),
            NestedPlace::Finally => spec
                .field("pipelineSpec")
                .field("finally")
                .index(self.index)
                .field("taskSpec"),
        }
        .field("metadata")
    }
}

/// A value of the wrong type becomes the default instead of an error, and is stepped over whole.
struct Lenient<T>(T);

/// What a lenient value is made of when the type is right.
trait FromJson<'de>: Default {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn from_text(_text: Cow<'de, str>) -> Self {
        Self::default()
    }
}

impl<'de, T: FromJson<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything<T>(PhantomData<T>);

        impl<'de, T: FromJson<'de>> Visitor<'de> for Anything<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::from_map(map)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
                T::from_seq(seq)
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
                Ok(T::from_text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                Ok(T::from_text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<T, E> {
                Ok(T::default())
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
                Ok(T::default())
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<T, E> {
                Ok(T::default())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<T, E> {
                Ok(T::default())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<T, E> {
                Ok(T::default())
            }
        }

        deserializer.deserialize_any(Anything(PhantomData)).map(Lenient)
    }
}

impl<'de, T: FromJson<'de>> FromJson<'de> for Vec<T> {
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut items = Self::new();
        while let Some(Lenient(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

impl<'de> FromJson<'de> for Option<Cow<'de, str>> {
    fn from_text(text: Cow<'de, str>) -> Self {
        Some(text)
    }
}

/// A key of a map that is read leniently.
type Key<'de> = CowStr<'de>;

impl<'de> FromJson<'de> for Spec<'de> {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut spec = Self::default();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match &*key {
                "params" => {
                    let Lenient(params) = map.next_value::<Lenient<Vec<MaybeParam<'de>>>>()?;
                    spec.params = params.into_iter().filter_map(|MaybeParam(param)| param).collect();
                }
                "status" => spec.status = map.next_value::<Lenient<_>>()?.0,
                "taskRunSpecs" => {
                    let Lenient(items) = map.next_value::<Lenient<Vec<WithMetadata<'de>>>>()?;
                    spec.push_nested(NestedPlace::TaskRunSpecs, items);
                }
                "pipelineSpec" => {
                    let Lenient(PipelineSpec { tasks, finally }) = map.next_value()?;
                    spec.push_nested(NestedPlace::Tasks, tasks);
                    spec.push_nested(NestedPlace::Finally, finally);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(spec)
    }
}

impl<'a> Spec<'a> {
    fn push_nested(&mut self, place: NestedPlace, items: impl IntoIterator<Item = impl Into<MetadataMaps<'a>>>) {
        for (index, item) in items.into_iter().enumerate() {
            let MetadataMaps { annotations, labels } = item.into();
            if !annotations.is_empty() || !labels.is_empty() {
                self.nested.push(NestedMetadata {
                    place,
                    index,
                    annotations,
                    labels,
                });
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Spec<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Lenient::<Spec<'de>>::deserialize(deserializer).map(|Lenient(spec)| spec)
    }
}

/// A parameter, or something else in its place.
#[derive(Default)]
struct MaybeParam<'a>(Option<Param<'a>>);

impl<'de> FromJson<'de> for MaybeParam<'de> {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let (mut name, mut value) = (None, None);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match &*key {
                "name" => name = map.next_value::<Lenient<Option<Cow<'de, str>>>>()?.0,
                "value" => value = Some(map.next_value::<RawJson<'de>>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Self(name.map(|name| Param { name, value })))
    }
}

/// The maps of a `metadata` inside `spec`.
#[derive(Default)]
struct MetadataMaps<'a> {
    annotations: StringMap<'a>,
    labels: StringMap<'a>,
}

impl<'de> FromJson<'de> for MetadataMaps<'de> {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut maps = Self::default();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            // A map that is none of strings is Tekton's to refuse, and nothing that could reach a child Run.
            match &*key {
                "annotations" => maps.annotations = string_map(map.next_value()?),
                "labels" => maps.labels = string_map(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(maps)
    }
}

fn string_map(raw: RawJson<'_>) -> StringMap<'_> {
    json_reader::read(raw.text())
        .or_else(|_| serde_json::from_str(raw.text()))
        .unwrap_or_default()
}

/// An object of which only `metadata` is read.
#[derive(Default)]
struct WithMetadata<'a>(MetadataMaps<'a>);

impl<'de> FromJson<'de> for WithMetadata<'de> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        only_field(map, "metadata").map(Self)
    }
}

/// An object of which only `taskSpec` is read, and of that only `metadata`.
#[derive(Default)]
struct WithTaskSpec<'a>(WithMetadata<'a>);

impl<'de> FromJson<'de> for WithTaskSpec<'de> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        only_field(map, "taskSpec").map(Self)
    }
}

impl<'a> From<WithMetadata<'a>> for MetadataMaps<'a> {
    fn from(item: WithMetadata<'a>) -> Self {
        item.0
    }
}

impl<'a> From<WithTaskSpec<'a>> for MetadataMaps<'a> {
    fn from(item: WithTaskSpec<'a>) -> Self {
        item.0.0
    }
}

#[derive(Default)]
struct PipelineSpec<'a> {
    tasks: Vec<WithTaskSpec<'a>>,
    finally: Vec<WithTaskSpec<'a>>,
}

impl<'de> FromJson<'de> for PipelineSpec<'de> {
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut spec = Self::default();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match &*key {
                "tasks" => spec.tasks = map.next_value::<Lenient<_>>()?.0,
                "finally" => spec.finally = map.next_value::<Lenient<_>>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(spec)
    }
}

fn only_field<'de, A: MapAccess<'de>, T: FromJson<'de>>(mut map: A, name: &str) -> Result<T, A::Error> {
    let mut found = T::default();
    while let Some(key) = map.next_key::<Key<'de>>()? {
        if &*key == name {
            found = map.next_value::<Lenient<T>>()?.0;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(found)
}
