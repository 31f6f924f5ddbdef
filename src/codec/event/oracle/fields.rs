use super::tree::Json;
use super::{Malformed, Reason, no};
use crate::types::{Money, Quantity, UtcTime};

/// The members of an object, asked for by their snake_case names.
pub(super) struct Fields<'j>(pub &'j [(String, Json)]);

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        camel.push_str(&first.to_uppercase());
        camel.push_str(rest);
    }
    camel
}

impl Fields<'_> {
    /// The values under both spellings that are not null.
    fn values(&self, name: &str) -> Vec<&Json> {
        // The envelope's names hold no field of ours in camelCase, but `data_base64` has an underscore.
        let camel = if name == "data_base64" { name.to_owned() } else { camel_case(name) };
        let is_name = |n: &str| n == name || n == camel;
        self.0
            .iter()
            .filter(|(n, value)| is_name(n) && *value != Json::Null)
            .map(|(_, value)| value)
            .collect()
    }

    pub(super) fn optional<T: PartialEq>(
        &self,
        name: &str,
        read: impl Fn(&Json) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let mut values = self.values(name).into_iter().map(read);
        let Some(first) = values.next().transpose()? else { return Ok(None) };
        for other in values {
            if other? != first {
                return Err(no(Reason::RepeatedKey, name));
            }
        }
        Ok(Some(first))
    }

    pub(super) fn required<T: PartialEq>(
        &self,
        name: &str,
        read: impl Fn(&Json) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        self.optional(name, read)?.ok_or_else(|| no(Reason::MissingField, name))
    }

    pub(super) fn text(&self, name: &str) -> Result<String, Malformed> {
        self.required(name, text)
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, Malformed> {
        self.optional(name, text)
    }

    pub(super) fn label(&self, name: &str) -> Result<String, Malformed> {
        self.required(name, |value| label(&text(value)?))
    }

    pub(super) fn optional_label(&self, name: &str) -> Result<Option<String>, Malformed> {
        self.optional(name, |value| label(&text(value)?))
    }

    pub(super) fn quantity(&self, name: &str) -> Result<Quantity, Malformed> {
        self.required(name, quantity)
    }

    pub(super) fn money(&self, name: &str) -> Result<Money, Malformed> {
        self.required(name, |value| match value {
            Json::Number(text) | Json::String(text) => {
                text.parse().map_err(|_| no(Reason::InvalidField, name))
            }
            _ => Err(no(Reason::InvalidField, name)),
        })
    }

    pub(super) fn optional_time(&self, name: &str) -> Result<Option<UtcTime>, Malformed> {
        self.optional(name, |value| match value {
            Json::String(text) => text.parse().map_err(|_| no(Reason::InvalidTime, text)),
            Json::NotUtf8 => Err(no(Reason::InvalidUtf8, name)),
            _ => Err(no(Reason::InvalidTime, name)),
        })
    }
}

pub(super) fn text(value: &Json) -> Result<String, Malformed> {
    match value {
        Json::String(text) => Ok(text.clone()),
        Json::NotUtf8 => Err(no(Reason::InvalidUtf8, "a header")),
        _ => Err(no(Reason::InvalidField, "not a string")),
    }
}

pub(super) fn label(text: &str) -> Result<String, Malformed> {
    let fits = (1..=255).contains(&text.len()) && !text.chars().any(|c| c.is_control());
    if fits { Ok(text.to_owned()) } else { Err(no(Reason::InvalidField, text)) }
}

/// Through the exact decimals of money: a whole number is one without a scale.
pub(super) fn whole(value: &Json) -> Result<i64, Malformed> {
    let exact = match value {
        Json::Number(text) => text.parse::<Money>().ok(),
        _ => None,
    };
    exact
        .map(Money::parts)
        .filter(|(_, scale)| *scale == 0)
        .and_then(|(units, _)| i64::try_from(units).ok())
        .ok_or_else(|| no(Reason::InvalidQuantity, "not a whole number in range"))
}

pub(super) fn quantity(value: &Json) -> Result<Quantity, Malformed> {
    let units = u64::try_from(whole(value)?).map_err(|_| no(Reason::InvalidQuantity, "below 0"))?;
    Quantity::new(units).map_err(|_| no(Reason::InvalidQuantity, "too large"))
}
