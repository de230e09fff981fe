//! Reads settings out of a tree, with faults that say what is wanted and where.

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{
    fault::Fault,
    tree::{Entry, Node, Value},
};

/// Reads one value.
pub(super) struct Reader<'a>(pub(super) &'a Node);

impl Reader<'_> {
    fn wants(&self, wanted: &str) -> Fault {
        let found = match &self.0.value {
            Value::Truth(_) => ", not true or false",
            Value::Number(_) | Value::Fraction(_) => ", not a number",
            Value::Text(_) => ", not a text",
            Value::Date => ", not a date",
            Value::List(_) => ", not a list",
            Value::Table(_) => ", not a table",
            Value::Said(_) => "",
        };
        Fault::new(format_args!("it takes {wanted}{found}"))
    }

    fn number(&self, least: i64, most: i64) -> Result<i64, Fault> {
        let number = match &self.0.value {
            Value::Number(number) => Some(*number),
            Value::Said(said) => said.trim().parse().ok(),
            _ => return Err(self.wants(&wanted(least, most))),
        };
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| Fault::new(format_args!("it takes {}", wanted(least, most))))
    }
}

fn wanted(least: i64, most: i64) -> String {
    match (least, most) {
        (0, i64::MAX) => "a whole number, 0 or more".into(),
        (i64::MIN, _) => "a whole number".into(),
        _ => format!("a whole number from {least} to {most}"),
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $least:expr, $most:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let number = self.number($least, $most)?;
            visitor.$visit(<$type>::try_from(number).map_err(|_| self.wants(&wanted($least, $most)))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Truth(truth) => visitor.visit_bool(*truth),
            Value::Number(number) => visitor.visit_i64(*number),
            Value::Fraction(number) => visitor.visit_f64(*number),
            Value::Text(text) | Value::Said(text) => visitor.visit_str(text),
            Value::Date => Err(Fault::new("no setting is a date: put it in quotes")),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Table(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Truth(truth) => visitor.visit_bool(*truth),
            Value::Said(said) if said == "true" => visitor.visit_bool(true),
            Value::Said(said) if said == "false" => visitor.visit_bool(false),
            _ => Err(self.wants("true or false")),
        }
    }

    numbers! {
        deserialize_u8 visit_u8 u8, 0, u8::MAX.into();
        deserialize_u16 visit_u16 u16, 0, u16::MAX.into();
        deserialize_u32 visit_u32 u32, 0, u32::MAX.into();
        deserialize_u64 visit_u64 u64, 0, i64::MAX;
        deserialize_i64 visit_i64 i64, i64::MIN, i64::MAX;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) | Value::Said(text) => visitor.visit_str(text),
            _ => Err(self.wants("a text in quotes")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::List(nodes) => visitor.visit_seq(List { nodes, next: 0 }),
            Value::Said(said) => {
                let part = |part: &str| Node {
                    place: self.0.place.clone(),
                    value: Value::Said(part.trim().to_owned()),
                };
                let nodes: Vec<Node> = said.split(',').filter(|it| !it.trim().is_empty()).map(part).collect();
                visitor.visit_seq(List { nodes: &nodes, next: 0 })
            }
            _ => Err(self.wants("a list in brackets")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Table(entries) => visitor.visit_map(Table { entries, next: 0 }),
            _ => Err(self.wants("a table")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) | Value::Said(text) => visitor.visit_enum(Word(text)),
            _ => Err(self.wants("a text in quotes")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

struct List<'a> {
    nodes: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.nodes.get(self.next) else { return Ok(None) };
        self.next += 1;
        let read = seed.deserialize(Reader(node));
        read.map(Some).map_err(|fault| fault.within(format!("[{}]", self.next), &node.place))
    }
}

struct Table<'a> {
    entries: &'a [Entry],
    next: usize,
}

impl<'de> MapAccess<'de> for Table<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
        let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|fault| fault.at(&entry.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let entry = &self.entries[self.next];
        self.next += 1;
        seed.deserialize(Reader(&entry.node)).map_err(|fault| fault.within(&entry.key, &entry.place))
    }
}

/// A word of which there are several to choose from.
struct Word<'a>(&'a str);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let word: StrDeserializer<'_, Fault> = self.0.into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Fault> {
        Err(Fault::new("it takes more than a word"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new("it takes more than a word"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Fault> {
        Err(Fault::new("it takes more than a word"))
    }
}
