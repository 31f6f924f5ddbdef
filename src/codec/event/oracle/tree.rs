use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::codec::event::{Malformed, Reason};

/// A JSON value that keeps what `serde_json::Value` forgets: the order of members and repeated names.
///
/// A number that fits no 64-bit integer comes from `serde_json` as an object of one member with a reserved
/// name, so an object that has this name of its own accord is the one text this cannot tell from a number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
    /// A header's value that is no UTF-8.
    NotUtf8,
}

const NUMBER: &str = "$serde_json::private::Number";
const DEEPEST: u32 = 64;

impl Json {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let text =
            std::str::from_utf8(bytes).map_err(|e| Malformed::new(Reason::InvalidUtf8, e.to_string()))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parsed =
            Level(0).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
        parsed.map_err(|error| {
            // The only error that is not the grammar's is our own.
            let reason = if error.is_data() { Reason::TooDeep } else { Reason::InvalidJson };
            Malformed::new(reason, error.to_string())
        })
    }

    pub(super) fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null | Self::NotUtf8 => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(text) => text.parse().map_or(Value::Null, Value::Number),
            Self::String(text) => Value::String(text.clone()),
            Self::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), value.to_value())).collect())
            }
        }
    }
}

/// # Errors
/// [`Reason::RepeatedKey`] where a name stands among `members` twice.
pub(super) fn check_repeated(members: &[(String, Json)]) -> Result<(), Malformed> {
    let mut names = std::collections::BTreeSet::new();
    match members.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) => Err(Malformed::new(Reason::RepeatedKey, name.clone())),
        None => Ok(()),
    }
}

/// How many containers are around a value.
struct Level(u32);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Json, A::Error> {
        if self.0 == DEEPEST {
            return Err(de::Error::custom("too deep"));
        }
        let mut items = Vec::new();
        while let Some(item) = array.next_element_seed(Level(self.0 + 1))? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let first = object.next_key::<String>();
        if let Ok(Some(NUMBER)) = first.as_ref().map(Option::as_deref) {
            return object.next_value().map(Json::Number);
        }
        if self.0 == DEEPEST {
            return Err(de::Error::custom("too deep"));
        }
        let mut next = first?;
        let mut members = Vec::new();
        while let Some(name) = next {
            members.push((name, object.next_value_seed(Level(self.0 + 1))?));
            next = object.next_key()?;
        }
        Ok(Json::Object(members))
    }
}
