//! From a member to a value: what each kind of field accepts, and `INVALID_COMMAND` where it does not.

use super::MAX_TEXT_BYTES;
use super::tree::Json;
use crate::codec::event::json::integer;
use crate::codec::event::limits::check_label;
use crate::domain::command::Refusal;
use crate::types::{Difference, InvalidTime, Money, Quantity, UtcTime};

type Read<T> = Result<T, Refusal>;
type Text = Box<str>;

/// The data of a command, asked for its fields one by one.
#[derive(Clone, Copy)]
pub(super) struct Fields<'j, 'a> {
    data: &'j Json<'a>,
    extended_values: bool,
}

impl<'j, 'a> Fields<'j, 'a> {
    pub(super) fn new(data: &'j Json<'a>, extended_values: bool) -> Self {
        Self { data, extended_values }
    }

    /// The same rules for an object inside.
    pub(super) fn within(self, data: &'j Json<'a>) -> Self {
        Self { data, ..self }
    }

    pub(super) fn get(self, name: &str) -> Option<&'j Json<'a>> {
        self.data.member(name)
    }

    pub(super) fn optional<T>(
        self,
        name: &str,
        read: impl FnOnce(&'j Json<'a>) -> Read<T>,
    ) -> Read<Option<T>> {
        self.get(name).map(read).transpose()
    }

    pub(super) fn required<T>(self, name: &str, read: impl FnOnce(&'j Json<'a>) -> Read<T>) -> Read<T> {
        self.optional(name, read)?.ok_or_else(|| Refusal::invalid(name, "is missing"))
    }

    /// Free text.
    pub(super) fn text(self, name: &str) -> Read<Text> {
        self.required(name, |value| text(name, value))
    }

    pub(super) fn optional_text(self, name: &str) -> Read<Option<Text>> {
        self.optional(name, |value| text(name, value))
    }

    /// The id of an entry, or a name that is kept.
    pub(super) fn label(self, name: &str) -> Read<Text> {
        self.required(name, |value| label(name, value))
    }

    pub(super) fn optional_label(self, name: &str) -> Read<Option<Text>> {
        self.optional(name, |value| label(name, value))
    }

    /// A label that the schemas list, or any where extended values are written.
    pub(super) fn listed(self, name: &str, allowed: &[&str]) -> Read<Text> {
        self.optional_listed(name, allowed)?.ok_or_else(|| {
            Refusal::invalid(name, format!("is missing; allowed are {}", allowed.join(", ")))
                .with_texts("allowed", allowed)
        })
    }

    pub(super) fn optional_listed(self, name: &str, allowed: &[&str]) -> Read<Option<Text>> {
        let Some(found) = self.optional_label(name)? else { return Ok(None) };
        if self.extended_values || allowed.contains(&&*found) {
            return Ok(Some(found));
        }
        let fault = format!("{found:?} is not among the values allowed here: {}", allowed.join(", "));
        Err(Refusal::invalid(name, fault).with_texts("allowed", allowed))
    }

    /// A quantity of at least 1.
    pub(super) fn units(self, name: &str) -> Read<Quantity> {
        self.required(name, |value| at_least_one(name, value))
    }

    pub(super) fn optional_units(self, name: &str) -> Read<Option<Quantity>> {
        self.optional(name, |value| at_least_one(name, value))
    }

    /// A quantity, 0 included.
    pub(super) fn quantity(self, name: &str) -> Read<Quantity> {
        self.required(name, |value| quantity(name, value))
    }

    pub(super) fn optional_quantity(self, name: &str) -> Read<Option<Quantity>> {
        self.optional(name, |value| quantity(name, value))
    }

    /// Units more or fewer, not 0.
    pub(super) fn difference(self, name: &str) -> Read<Difference> {
        match self.required(name, |value| whole(name, value))? {
            0 => Err(Refusal::invalid(name, "expected another number than 0")),
            units => Ok(Difference(units)),
        }
    }

    pub(super) fn optional_time(self, name: &str) -> Read<Option<UtcTime>> {
        self.optional(name, |value| {
            let text = string(name, value)?;
            text.parse().map_err(|error: InvalidTime| Refusal::invalid(name, error.to_string()))
        })
    }

    /// A date or a time with a date, kept as its text.
    pub(super) fn optional_date(self, name: &str) -> Read<Option<Text>> {
        self.optional(name, |value| {
            let text = string(name, value)?;
            let is_date = text.len() == 10 && format!("{text}T00:00:00Z").parse::<UtcTime>().is_ok();
            if is_date || text.parse::<UtcTime>().is_ok() {
                return Ok(text.into());
            }
            let shown: String = text.chars().take(64).collect();
            let fault = format!("{shown:?} is no date; write for example 2027-01-31 or an RFC 3339 time");
            Err(Refusal::invalid(name, fault))
        })
    }

    pub(super) fn cost(self, name: &str) -> Read<Money> {
        self.required(name, |value| cost(name, value))
    }

    pub(super) fn optional_cost(self, name: &str) -> Read<Option<Money>> {
        self.optional(name, |value| cost(name, value))
    }

    /// False where it is not said.
    pub(super) fn flag(self, name: &str) -> Read<bool> {
        let flag = self.optional(name, |value| match value {
            Json::Bool(flag) => Ok(*flag),
            _ => Err(Refusal::invalid(name, "expected true or false")),
        })?;
        Ok(flag.unwrap_or(false))
    }
}

fn string<'j>(name: &str, value: &'j Json<'_>) -> Read<&'j str> {
    value.text().ok_or_else(|| Refusal::invalid(name, "expected a string"))
}

fn text(name: &str, value: &Json<'_>) -> Read<Text> {
    let text = string(name, value)?;
    if text.len() > MAX_TEXT_BYTES {
        let fault = format!("expected at most {MAX_TEXT_BYTES} bytes, these are {}", text.len());
        return Err(Refusal::invalid(name, fault));
    }
    Ok(text.into())
}

fn label(name: &str, value: &Json<'_>) -> Read<Text> {
    let text = string(name, value)?;
    match check_label(text) {
        Ok(()) => Ok(text.into()),
        Err(expected) => Err(Refusal::invalid(name, format!("expected {expected}"))),
    }
}

pub(super) fn whole(name: &str, value: &Json<'_>) -> Read<i64> {
    let Json::Number(number) = value else {
        return Err(Refusal::invalid(name, "expected a whole number"));
    };
    integer(number.text).ok_or_else(|| {
        let shown: String = number.text.chars().take(64).collect();
        Refusal::invalid(name, format!("{shown} is no whole number from -2^63 to 2^63-1"))
    })
}

pub(super) fn quantity(name: &str, value: &Json<'_>) -> Read<Quantity> {
    let units = whole(name, value)?;
    u64::try_from(units)
        .ok()
        .and_then(|units| Quantity::new(units).ok())
        .ok_or_else(|| Refusal::invalid(name, format!("{units} is below 0")))
}

pub(super) fn at_least_one(name: &str, value: &Json<'_>) -> Read<Quantity> {
    let quantity = quantity(name, value)?;
    if quantity.is_zero() {
        return Err(Refusal::invalid(name, "expected at least 1"));
    }
    Ok(quantity)
}

fn cost(name: &str, value: &Json<'_>) -> Read<Money> {
    let text = match value {
        Json::Number(number) => number.text,
        Json::Text(text) => text,
        _ => return Err(Refusal::invalid(name, "expected a decimal number")),
    };
    let cost: Money = match text.parse() {
        Ok(cost) => cost,
        Err(error) => {
            let error: crate::types::InvalidMoney = error;
            return Err(Refusal::invalid(name, error.to_string()));
        }
    };
    if cost < Money::ZERO {
        return Err(Refusal::invalid(name, format!("{cost} is below 0")));
    }
    Ok(cost)
}
