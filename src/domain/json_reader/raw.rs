//! A JSON value as it stands in the text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

/// A JSON value as it stands in the text: well-formed, without white space around it, and not read yet.
///
/// serde_json has such a type, but only its own readers can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawJson<'t>(&'t str);

impl<'t> RawJson<'t> {
    /// By this name our own reader knows what is asked of it.
    pub(super) const NAME: &'static str = "RawJson";

    /// The text of the value.
    pub fn text(self) -> &'t str {
        self.0
    }
}

impl<'t> From<&'t RawValue> for RawJson<'t> {
    fn from(raw: &'t RawValue) -> Self {
        Self(raw.get())
    }
}

impl<'de: 't, 't> Deserialize<'de> for RawJson<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Token;

        impl<'de> Visitor<'de> for Token {
            type Value = RawJson<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any JSON")
            }

            /// Our own reader hands over the text of the value, whatever it is.
            fn visit_borrowed_str<E: Error>(self, token: &'de str) -> Result<Self::Value, E> {
                Ok(RawJson(token))
            }

            /// serde_json hands over itself.
            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                <&RawValue>::deserialize(deserializer).map(RawJson::from)
            }
        }

        deserializer.deserialize_newtype_struct(Self::NAME, Token)
    }
}
