use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An exact decimal of at most 28 digits: money and unit costs. Never a float on its way in or out.
///
/// Always normalised (no trailing zeros, no negative zero), so that equal amounts have equal bytes. Written
/// to JSON as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(Decimal);

impl Money {
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// Most significant digits.
    pub const MAX_DIGITS: u32 = 28;

    /// # Errors
    /// [`InvalidMoney::TooManyDigits`] where the normalised amount has more than 28 digits.
    pub fn new(amount: Decimal) -> Result<Self, InvalidMoney> {
        let amount = amount.normalize();
        if digits(amount.mantissa().unsigned_abs()) > Self::MAX_DIGITS {
            return Err(InvalidMoney::TooManyDigits);
        }
        Ok(Self(amount))
    }

    /// An amount in hundredths.
    #[must_use]
    pub fn from_cents(cents: u64) -> Self {
        // At most 20 digits.
        Self(Decimal::from_i128_with_scale(i128::from(cents), 2).normalize())
    }

    #[must_use]
    pub fn amount(self) -> Decimal {
        self.0
    }

    /// Coefficient and scale (digits after the point): the persisted form.
    #[must_use]
    pub fn parts(self) -> (i128, u32) {
        (self.0.mantissa(), self.0.scale())
    }

    /// From what [`Self::parts`] gave.
    ///
    /// # Errors
    /// [`InvalidMoney`] where the parts are not those of a normalised amount.
    pub fn from_parts(coefficient: i128, scale: u32) -> Result<Self, InvalidMoney> {
        let amount =
            Decimal::try_from_i128_with_scale(coefficient, scale).map_err(|_| InvalidMoney::TooManyDigits)?;
        let money = Self::new(amount)?;
        if money.parts() == (coefficient, scale) { Ok(money) } else { Err(InvalidMoney::NotANumber) }
    }
}

fn digits(mut coefficient: u128) -> u32 {
    let mut count = 0;
    while coefficient > 0 {
        coefficient /= 10;
        count += 1;
    }
    count
}

impl FromStr for Money {
    type Err = InvalidMoney;

    /// Reads the text of a JSON number: optional minus, digits, optional fraction, optional exponent.
    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        if !is_json_number(text) {
            return Err(InvalidMoney::NotANumber);
        }
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => {
                (digits, exponent.parse::<i32>().map_err(|_| InvalidMoney::TooManyDigits)?)
            }
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (negative, whole) = whole.strip_prefix('-').map_or((false, whole), |rest| (true, rest));

        // Only the digits between the first and the last that is not zero carry meaning.
        let all = || whole.bytes().chain(fraction.bytes());
        let trailing_zeros = all().rev().take_while(|b| *b == b'0').count();
        let kept = whole.len() + fraction.len() - trailing_zeros;
        let mut coefficient: i128 = 0;
        for digit in all().take(kept) {
            coefficient = coefficient
                .checked_mul(10)
                .and_then(|c| c.checked_add(i128::from(digit - b'0')))
                .filter(|c| *c < 10_i128.pow(Self::MAX_DIGITS))
                .ok_or(InvalidMoney::TooManyDigits)?;
        }
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        let point = i64::try_from(fraction.len()).map_err(|_| InvalidMoney::TooManyDigits)?
            - i64::try_from(trailing_zeros).map_err(|_| InvalidMoney::TooManyDigits)?
            - i64::from(exponent);
        // A negative scale means zeros before the point: they count as digits of the amount.
        let scale = match u32::try_from(point) {
            Ok(scale) => scale,
            Err(_) => {
                let zeros = u32::try_from(-point).map_err(|_| InvalidMoney::TooManyDigits)?;
                coefficient = 10_i128
                    .checked_pow(zeros)
                    .and_then(|power| coefficient.checked_mul(power))
                    .ok_or(InvalidMoney::TooManyDigits)?;
                0
            }
        };
        if negative {
            coefficient = -coefficient;
        }
        let amount =
            Decimal::try_from_i128_with_scale(coefficient, scale).map_err(|_| InvalidMoney::TooManyDigits)?;
        Self::new(amount)
    }
}

fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Money {
    /// A JSON number with exactly these digits.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = serde_json::Number::from_str(&self.0.to_string()).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    /// A JSON number or a string that holds one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Money;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string that holds a decimal number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Money, E> {
                text.parse().map_err(E::custom)
            }
        }

        // A number keeps its text (serde_json's `arbitrary_precision`), so it passes through no float.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) => number.as_str().parse().map_err(de::Error::custom),
            serde_json::Value::String(text) => Text.visit_str(&text),
            other => Err(de::Error::custom(format!("expected a number or a string, found {other}"))),
        }
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    #[error("expected a decimal number")]
    NotANumber,
    #[error("a decimal number has at most 28 digits here")]
    TooManyDigits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_a_json_number_exactly() {
        for (text, shown) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.0", "0"),
            ("2.50", "2.5"),
            ("-12.3400", "-12.34"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("1.5E+3", "1500"),
            ("0.1", "0.1"),
            ("9999999999999999999999999999", "9999999999999999999999999999"),
            ("0.0000000000000000000000000001", "0.0000000000000000000000000001"),
            ("1000000000000000000000000000.0000", "1000000000000000000000000000"),
            ("0e99999999", "0"),
        ] {
            let money: Money = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(money.to_string(), shown, "{text}");
            let (coefficient, scale) = money.parts();
            assert_eq!(Money::from_parts(coefficient, scale), Ok(money));
        }
    }

    #[test]
    fn refuses_what_is_no_number_or_too_long() {
        for text in ["", "-", "+1", "01", ".5", "5.", "1e", "1_000", "NaN", " 1", "0x1", "1.2.3"] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney::NotANumber), "{text:?}");
        }
        for text in ["99999999999999999999999999999", "1e28", "1e-29", "1e999999999999"] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney::TooManyDigits), "{text:?}");
        }
    }

    #[test]
    fn json_carries_every_digit() {
        let text = "1234567890123456789012345.678";
        let money: Money = serde_json::from_str(text).expect("money");
        assert_eq!(serde_json::to_string(&money).expect("json"), text);
        assert_eq!(serde_json::from_str::<Money>(&format!("\"{text}\"")).expect("money"), money);
    }
}
