use std::fmt;

use serde::{Deserialize, Serialize};

/// Whole units, 0 to 2^63−1. Arithmetic is checked: there is no `+` that could wrap or panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Quantity(u64);

impl Quantity {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(i64::MAX as u64);

    /// # Errors
    /// [`InvalidQuantity`] above 2^63−1.
    pub const fn new(units: u64) -> Result<Self, InvalidQuantity> {
        if units > Self::MAX.0 { Err(InvalidQuantity) } else { Ok(Self(units)) }
    }

    #[must_use]
    pub const fn units(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or nothing above 2^63−1.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        // Two values below 2^63 cannot overflow a u64.
        let sum = self.0 + other.0;
        if sum > Self::MAX.0 { None } else { Some(Self(sum)) }
    }

    /// The difference, or nothing below 0.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// The difference, 0 where it would be below.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self − other`, which may be negative.
    #[must_use]
    pub const fn minus(self, other: Self) -> Difference {
        // Both lie below 2^63, so both fit an i64 and their difference does too.
        Difference(self.0 as i64 - other.0 as i64)
    }

    /// This many units more or fewer; nothing outside 0 to 2^63−1.
    #[must_use]
    pub const fn checked_change(self, by: Difference) -> Option<Self> {
        match (self.0 as i64).checked_add(by.0) {
            Some(units) if units >= 0 => Some(Self(units as u64)),
            _ => None,
        }
    }
}

impl TryFrom<u64> for Quantity {
    type Error = InvalidQuantity;

    fn try_from(units: u64) -> Result<Self, InvalidQuantity> {
        Self::new(units)
    }
}

impl From<Quantity> for u64 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of units outside 0 to 2^63−1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 0 to 9223372036854775807")]
pub struct InvalidQuantity;

/// How two quantities differ: whole units, negative or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Difference(pub i64);

impl Difference {
    pub const ZERO: Self = Self(0);

    /// The units without the sign. Nothing for −2^63, which no two quantities have between them.
    #[must_use]
    pub const fn magnitude(self) -> Option<Quantity> {
        match Quantity::new(self.0.unsigned_abs()) {
            Ok(quantity) => Some(quantity),
            Err(_) => None,
        }
    }
}

/// How many events an aggregate has applied; 0 = never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    pub const NEVER_SEEN: Self = Self(0);

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_hold() {
        let one = Quantity::new(1).expect("one");
        assert_eq!(Quantity::MAX.checked_add(one), None);
        assert_eq!(Quantity::ZERO.checked_sub(one), None);
        assert_eq!(Quantity::new(1 << 63), Err(InvalidQuantity));
        assert_eq!(Quantity::ZERO.minus(Quantity::MAX), Difference(-i64::MAX));
        assert_eq!(Quantity::MAX.checked_change(Difference(1)), None);
        assert_eq!(one.checked_change(Difference(-2)), None);
        assert_eq!(one.checked_change(Difference(-1)), Some(Quantity::ZERO));
        assert_eq!(Difference(i64::MIN).magnitude(), None);
    }
}
