//! Whether a JSON value says anything at all.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Whether a JSON text holds nothing but null, empty strings, and lists and objects of these: no string with a character, number or boolean.
pub(super) fn is_empty_value(json: &str) -> bool {
    struct Emptiness(bool);

    impl Default for Emptiness {
        fn default() -> Self {
            Self(true)
        }
    }

    // Nesting costs stack only as deep as serde_json allows; deeper text is an error, and then not empty.
    impl<'de> Deserialize<'de> for Emptiness {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Look;

            impl<'de> Visitor<'de> for Look {
                type Value = Emptiness;

                fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str("any JSON")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Emptiness, A::Error> {
                    let mut empty = true;
                    while let Some((_, Emptiness(value))) = map.next_entry::<IgnoredAny, Emptiness>()? {
                        empty &= value;
                    }
                    Ok(Emptiness(empty))
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Emptiness, A::Error> {
                    let mut empty = true;
                    while let Some(Emptiness(value)) = seq.next_element()? {
                        empty &= value;
                    }
                    Ok(Emptiness(empty))
                }

                fn visit_str<E: Error>(self, text: &str) -> Result<Emptiness, E> {
                    Ok(Emptiness(text.is_empty()))
                }

                fn visit_unit<E: Error>(self) -> Result<Emptiness, E> {
                    Ok(Emptiness(true))
                }

                fn visit_bool<E: Error>(self, _: bool) -> Result<Emptiness, E> {
                    Ok(Emptiness(false))
                }

                fn visit_i64<E: Error>(self, _: i64) -> Result<Emptiness, E> {
                    Ok(Emptiness(false))
                }

                fn visit_u64<E: Error>(self, _: u64) -> Result<Emptiness, E> {
                    Ok(Emptiness(false))
                }

                fn visit_f64<E: Error>(self, _: f64) -> Result<Emptiness, E> {
                    Ok(Emptiness(false))
                }
            }

            deserializer.deserialize_any(Look)
        }
    }

    serde_json::from_str::<Emptiness>(json).is_ok_and(|Emptiness(empty)| empty)
}
