//! Reading `spec` in one pass: what is there in the right shape is taken, everything else is stepped over.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::string_map::{CowStr, Entries};
use crate::domain::field_path::FieldPath;
use crate::domain::json_reader::RawJson;
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
    pub annotations: Entries<'a>,
    /// Its labels.
    pub labels: Entries<'a>,
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

    /// Whether nothing was found in it that is looked for.
    fn is_nothing(&self) -> bool {
        false
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

/// The items of a list in which something was found, each with its position in the list.
///
/// The others are not kept: `{}` takes two bytes of a body, and what is read of an item takes many times as much.
struct Found<T>(Vec<(usize, T)>);

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: FromJson<'de>> FromJson<'de> for Found<T> {
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let (mut found, mut index) = (Vec::new(), 0);
        while let Some(Lenient(item)) = seq.next_element::<Lenient<T>>()? {
            if !item.is_nothing() {
                found.push((index, item));
            }
            index += 1;
        }
        Ok(Self(found))
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
                    let Lenient(Found(params)) = map.next_value::<Lenient<Found<MaybeParam<'de>>>>()?;
                    spec.params = params.into_iter().filter_map(|(_, MaybeParam(param))| param).collect();
                }
                "status" => spec.status = map.next_value::<Lenient<_>>()?.0,
                "taskRunSpecs" => {
                    let Lenient(items) = map.next_value::<Lenient<Found<WithMetadata<'de>>>>()?;
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
    fn push_nested(&mut self, place: NestedPlace, items: Found<impl Into<MetadataMaps<'a>>>) {
        self.nested.extend(items.0.into_iter().map(|(index, item)| {
            let MetadataMaps { annotations, labels } = item.into();
            NestedMetadata {
                place,
                index,
                annotations,
                labels,
            }
        }));
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

    fn is_nothing(&self) -> bool {
        self.0.is_none()
    }
}

/// The maps of a `metadata` inside `spec`.
#[derive(Default)]
struct MetadataMaps<'a> {
    annotations: Entries<'a>,
    labels: Entries<'a>,
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

    fn is_nothing(&self) -> bool {
        self.annotations.is_empty() && self.labels.is_empty()
    }
}

fn string_map(raw: RawJson<'_>) -> Entries<'_> {
    // Small maps: the quick reader would ask for memory to find where their strings end.
    serde_json::from_str(raw.text()).unwrap_or_default()
}

/// An object of which only `metadata` is read.
#[derive(Default)]
struct WithMetadata<'a>(MetadataMaps<'a>);

impl<'de> FromJson<'de> for WithMetadata<'de> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        only_field(map, "metadata").map(Self)
    }

    fn is_nothing(&self) -> bool {
        self.0.is_nothing()
    }
}

/// An object of which only `taskSpec` is read, and of that only `metadata`.
#[derive(Default)]
struct WithTaskSpec<'a>(WithMetadata<'a>);

impl<'de> FromJson<'de> for WithTaskSpec<'de> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        only_field(map, "taskSpec").map(Self)
    }

    fn is_nothing(&self) -> bool {
        self.0.is_nothing()
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
    tasks: Found<WithTaskSpec<'a>>,
    finally: Found<WithTaskSpec<'a>>,
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
