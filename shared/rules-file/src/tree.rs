//! JSON as it stands there, with fields that are there twice, and what is wrong with it when it is read as something.
//!
//! `serde_json`'s own errors are sentences, and its `Value` forgets the first of two fields of one name.

use std::collections::BTreeSet;
use std::fmt;

use replication::cut;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    self, Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_path_to_error::Segment;

use crate::wrong::Wrong;

/// JSON from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that is not over the largest `i64`.
    Integer(i64),
    /// A larger whole number.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// Fields, as they stand there.
    Mapping(Vec<(String, Json)>),
}

impl Json {
    /// Reads JSON text.
    ///
    /// # Errors
    /// [`Wrong::Document`], if it is none.
    pub fn parse(text: &[u8]) -> Result<Self, Wrong> {
        serde_json::from_slice(text)
            .map_err(|error| Wrong::Document { problem: format!("{error}: allowed is JSON in UTF-8") })
    }

    /// The first field of this name.
    pub fn field(&self, name: &str) -> Option<&Self> {
        let Self::Mapping(fields) = self else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// Takes all fields of this name out; gives the first of them.
    pub fn take(&mut self, name: &str) -> Option<Self> {
        let Self::Mapping(fields) = self else { return None };
        let (taken, left) = std::mem::take(fields).into_iter().partition(|(field, _)| field == name);
        *fields = left;
        let mut taken: Vec<(String, Self)> = taken;
        (!taken.is_empty()).then(|| taken.swap_remove(0).1)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as an error shows it.
    pub fn shown(&self) -> String {
        let quoted = |text: String| format!("{:?}", cut(&text));
        match self {
            Self::Null => quoted("null".to_owned()),
            Self::Bool(value) => quoted(value.to_string()),
            Self::Integer(value) => quoted(value.to_string()),
            Self::Unsigned(value) => quoted(value.to_string()),
            Self::Float(value) => quoted(value.to_string()),
            Self::Text(text) => quoted(text.clone()),
            Self::List(_) => "(a list)".to_owned(),
            Self::Mapping(_) => "(a mapping)".to_owned(),
        }
    }

    /// What stands at a path.
    pub(crate) fn at(&self, path: &[Segment]) -> Option<&Self> {
        path.iter().try_fold(self, |json, step| match (json, step) {
            (Self::List(items), Segment::Seq { index }) => items.get(*index),
            (json, Segment::Map { key }) => json.field(key),
            _ => None,
        })
    }

    /// The path of the first field that is there twice.
    pub(crate) fn twice(&self) -> Option<Vec<Segment>> {
        match self {
            Self::List(items) => items.iter().enumerate().find_map(|(index, item)| {
                item.twice().map(|path| [vec![Segment::Seq { index }], path].concat())
            }),
            Self::Mapping(fields) => {
                let mut known = BTreeSet::new();
                fields.iter().find_map(|(name, value)| {
                    let step = || vec![Segment::Map { key: name.clone() }];
                    let again = !known.insert(name);
                    if again { Some(step()) } else { value.twice().map(|path| [step(), path].concat()) }
                })
            }
            _ => None,
        }
    }
}

/// Why JSON cannot be read as something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no such field; these there are.
    UnknownField(&'static [&'static str]),
    /// This field has to be there.
    MissingField(&'static str),
    /// A field is there twice.
    Twice,
    /// A value is of another type.
    Value(String),
}

impl Fault {
    /// In words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::UnknownField(_) => "unknown field".to_owned(),
            Self::MissingField(field) => format!("missing field {field}"),
            Self::Twice => "a field is there twice".to_owned(),
            Self::Value(words) => words.clone(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::Value(cut(&words.to_string()).to_owned())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        // A text that was found stands in it, however long it is.
        Self::Value(format!("{}, not {expected}", cut(&found.to_string())))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::UnknownField(expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::MissingField(field)
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::Twice
    }
}

/// Reads JSON as something, with [`Fault`] for what it is not.
pub(crate) struct Reader<'a>(pub(crate) &'a Json);

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(*value),
            Json::Integer(value) => visitor.visit_i64(*value),
            Json::Unsigned(value) => visitor.visit_u64(*value),
            Json::Float(value) => visitor.visit_f64(*value),
            Json::Text(text) => visitor.visit_borrowed_str(text),
            Json::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Reader))),
            Json::Mapping(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.as_str(), Reader(value)));
                visitor.visit_map(MapDeserializer::new(fields))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// What has fields is no list: `serde` would take their values in the order of the fields.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Json::List(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

/// Takes whatever there is.
struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Unsigned(value), Json::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut mapping = Vec::new();
        while let Some(field) = fields.next_entry()? {
            mapping.push(field);
        }
        Ok(Json::Mapping(mapping))
    }
}
