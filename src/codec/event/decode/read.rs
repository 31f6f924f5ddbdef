//! From a slot to a value: what each kind of field accepts.

use std::borrow::Cow;

use super::names::Field;
use super::object::Object;
use crate::codec::event::json::{Token, integer, unescape};
use crate::codec::event::{Malformed, Reason, limits};
use crate::types::{InvalidTime, Money, Quantity, UtcTime};

type Text<'a> = Cow<'a, str>;

#[cold]
pub(super) fn invalid(field: Field, expected: &str) -> Malformed {
    Malformed::new(Reason::InvalidField, format!("{}: expected {expected}", field.name))
}

#[cold]
pub(super) fn missing(field: Field) -> Malformed {
    Malformed::new(Reason::MissingField, format!("{} is missing", field.name))
}

#[inline]
fn required<T>(field: Field, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or_else(|| missing(field))
}

/// The text of a token that is a string.
#[inline]
pub(super) fn string<'a>(field: Field, token: Token<'a>) -> Result<Text<'a>, Malformed> {
    match token {
        Token::Text(text) => Ok(Cow::Borrowed(text)),
        Token::Escaped(raw) => Ok(Cow::Owned(unescape(raw))),
        Token::NotUtf8 => {
            Err(Malformed::new(Reason::InvalidUtf8, format!("the header of {} is no UTF-8", field.name)))
        }
        _ => Err(invalid(field, "a string")),
    }
}

fn label<'a>(field: Field, token: Token<'a>) -> Result<Text<'a>, Malformed> {
    let text = string(field, token)?;
    match limits::check_label(&text) {
        Ok(()) => Ok(text),
        Err(expected) => Err(invalid(field, expected)),
    }
}

pub(super) fn whole(field: Field, token: Token<'_>) -> Result<i64, Malformed> {
    let invalid = |found: &str| {
        let found: String = found.chars().take(64).collect();
        Malformed::new(
            Reason::InvalidQuantity,
            format!("{}: {found} is no whole number in range", field.name),
        )
    };
    match token {
        Token::Number(text) => integer(text).ok_or_else(|| invalid(text)),
        _ => Err(invalid("what stands there")),
    }
}

pub(super) fn quantity(field: Field, token: Token<'_>) -> Result<Quantity, Malformed> {
    let value = whole(field, token)?;
    u64::try_from(value)
        .ok()
        .and_then(|units| Quantity::new(units).ok())
        .ok_or_else(|| Malformed::new(Reason::InvalidQuantity, format!("{}: {value} is below 0", field.name)))
}

pub(super) fn time(field: Field, token: Token<'_>) -> Result<UtcTime, Malformed> {
    let invalid = |detail: String| Malformed::new(Reason::InvalidTime, format!("{}: {detail}", field.name));
    match token {
        Token::Text(_) | Token::Escaped(_) | Token::NotUtf8 => {
            string(field, token)?.parse().map_err(|error: InvalidTime| invalid(error.to_string()))
        }
        _ => Err(invalid("expected an RFC 3339 time in a string".to_owned())),
    }
}

fn money(field: Field, token: Token<'_>) -> Result<Money, Malformed> {
    let parsed = match token {
        Token::Number(text) | Token::Text(text) => text.parse(),
        Token::Escaped(raw) => unescape(raw).parse(),
        _ => return Err(invalid(field, "a decimal number")),
    };
    parsed.map_err(|error| Malformed::new(Reason::InvalidField, format!("{}: {error}", field.name)))
}

impl<'a, const N: usize> Object<'a, N> {
    /// Free text.
    #[inline]
    pub(super) fn text(&self, field: Field) -> Result<Text<'a>, Malformed> {
        match self.plain_text(field) {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => required(field, self.optional_text(field)?),
        }
    }

    #[inline]
    pub(super) fn optional_text(&self, field: Field) -> Result<Option<Text<'a>>, Malformed> {
        self.read_plain(
            field,
            |lexeme, text| lexeme.plain_text(text).map(Cow::Borrowed),
            |token| string(field, token),
        )
    }

    /// The id of an entry, or a name that is kept: short, without control characters.
    #[inline]
    pub(super) fn label(&self, field: Field) -> Result<Text<'a>, Malformed> {
        required(field, self.optional_label(field)?)
    }

    #[inline]
    pub(super) fn optional_label(&self, field: Field) -> Result<Option<Text<'a>>, Malformed> {
        self.read_plain(
            field,
            |lexeme, text| {
                let text = lexeme.plain_text(text)?;
                limits::check_label(text).is_ok().then_some(Cow::Borrowed(text))
            },
            |token| label(field, token),
        )
    }

    #[inline]
    pub(super) fn optional_whole(&self, field: Field) -> Result<Option<i64>, Malformed> {
        self.read_plain(
            field,
            |lexeme, text| lexeme.number(text).and_then(integer),
            |token| whole(field, token),
        )
    }

    #[inline]
    pub(super) fn quantity(&self, field: Field) -> Result<Quantity, Malformed> {
        let quantity = self.read_plain(
            field,
            |lexeme, text| {
                let units = u64::try_from(lexeme.number(text).and_then(integer)?).ok()?;
                Quantity::new(units).ok()
            },
            |token| quantity(field, token),
        )?;
        required(field, quantity)
    }

    #[inline]
    pub(super) fn optional_time(&self, field: Field) -> Result<Option<UtcTime>, Malformed> {
        self.read_plain(
            field,
            |lexeme, text| lexeme.plain_text(text)?.parse().ok(),
            |token| time(field, token),
        )
    }

    pub(super) fn money(&self, field: Field) -> Result<Money, Malformed> {
        required(field, self.read(field, |token| money(field, token))?)
    }

    /// False where it is not said.
    pub(super) fn flag(&self, field: Field) -> Result<bool, Malformed> {
        let flag = self.read(field, |token| match token {
            Token::Bool(flag) => Ok(flag),
            _ => Err(invalid(field, "true or false")),
        })?;
        Ok(flag.unwrap_or(false))
    }
}
