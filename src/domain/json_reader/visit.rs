//! Handing over what is read, as serde asks for it.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{LeftAlone, RawJson, Reader};

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = LeftAlone;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        match self.peek() {
            Some(b'"') => self.deserialize_str(visitor),
            Some(b'{') => self.deserialize_map(visitor),
            Some(b'[') => self.deserialize_seq(visitor),
            Some(b't' | b'f') => self.deserialize_bool(visitor),
            Some(b'n') => self.deserialize_unit(visitor),
            // A number: nobody asks for one, and to read it right is an art.
            _ => Err(LeftAlone),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        self.expect(b'"')?;
        let plain = self.plain().ok_or(LeftAlone)?;
        if self.ends_string() {
            visitor.visit_borrowed_str(plain)
        } else {
            visitor.visit_string(self.escaped(plain)?)
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        let is_true = self.peek() == Some(b't');
        self.word(if is_true { "true" } else { "false" })?;
        visitor.visit_bool(is_true)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        self.peek();
        self.word("null")?;
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        if self.peek() == Some(b'n') {
            self.word("null")?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, LeftAlone> {
        if name != RawJson::NAME {
            return visitor.visit_newtype_struct(self);
        }
        self.peek();
        let start = self.position;
        self.skip_value()?;
        let token = self.text.get(start..self.position).ok_or(LeftAlone)?;
        visitor.visit_borrowed_str(token)
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        self.skip_value()?;
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        self.expect(b'{')?;
        let mut members = Members(Items::of(self, b'}'));
        let value = visitor.visit_map(&mut members)?;
        members.0.end(value)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, LeftAlone> {
        self.deserialize_map(visitor)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, LeftAlone> {
        self.expect(b'[')?;
        let mut items = Items::of(self, b']');
        let value = visitor.visit_seq(&mut items)?;
        items.end(value)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit_struct tuple tuple_struct enum
    }
}

/// What stands between two brackets.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    closing: u8,
    is_first: bool,
    is_over: bool,
}

impl<'r, 'de> Items<'r, 'de> {
    #[inline]
    fn of(reader: &'r mut Reader<'de>, closing: u8) -> Self {
        Self {
            reader,
            closing,
            is_first: true,
            is_over: false,
        }
    }

    /// Steps to the next item; false where the bracket closes.
    #[inline]
    fn advance(&mut self) -> Result<bool, LeftAlone> {
        if self.reader.peek() == Some(self.closing) {
            self.reader.position += 1;
            self.is_over = true;
            return Ok(false);
        }
        if !self.is_first {
            self.reader.expect(b',')?;
        }
        self.is_first = false;
        Ok(true)
    }

    /// The value, if whoever made it has seen everything.
    #[inline]
    fn end<T>(self, value: T) -> Result<T, LeftAlone> {
        if self.is_over { Ok(value) } else { Err(LeftAlone) }
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = LeftAlone;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, LeftAlone> {
        if self.advance()? {
            seed.deserialize(&mut *self.reader).map(Some)
        } else {
            Ok(None)
        }
    }
}

struct Members<'r, 'de>(Items<'r, 'de>);

impl<'de> MapAccess<'de> for &mut Members<'_, 'de> {
    type Error = LeftAlone;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, LeftAlone> {
        if !self.0.advance()? {
            return Ok(None);
        }
        if self.0.reader.peek() != Some(b'"') {
            return Err(LeftAlone);
        }
        seed.deserialize(&mut *self.0.reader).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, LeftAlone> {
        self.0.reader.expect(b':')?;
        seed.deserialize(&mut *self.0.reader)
    }
}
