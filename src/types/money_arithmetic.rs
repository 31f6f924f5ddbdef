//! Exact sums and products of amounts, and the one division there is.

use rust_decimal::Decimal;

use super::{Money, Quantity};

impl Money {
    /// The exact sum, or nothing past 28 digits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let ((a, a_scale), (b, b_scale)) = (self.parts(), other.parts());
        let scale = a_scale.max(b_scale);
        // A coefficient that outgrows an i128 on its way to the other's scale leaves a sum of more than 28
        // digits: the other's last digit is not 0.
        let aligned =
            |coefficient: i128, from: u32| coefficient.checked_mul(10_i128.checked_pow(scale - from)?);
        Self::of(aligned(a, a_scale)?.checked_add(aligned(b, b_scale)?)?, scale)
    }

    /// The exact value of `quantity` units at this cost, or nothing past 28 digits.
    #[must_use]
    pub fn checked_mul(self, quantity: Quantity) -> Option<Self> {
        let (mut coefficient, mut scale) = self.parts();
        let mut units = i128::from(quantity.units());
        if coefficient == 0 || units == 0 {
            return Some(Self::ZERO);
        }
        // Zeros that the product would end with, behind the point, go first: what is left has no more digits
        // than the result.
        let divide = |a: &mut i128, b: &mut i128, prime: i128| {
            let divisible = if *a % prime == 0 { a } else { b };
            *divisible /= prime;
        };
        while scale > 0
            && (coefficient % 2 == 0 || units % 2 == 0)
            && (coefficient % 5 == 0 || units % 5 == 0)
        {
            divide(&mut coefficient, &mut units, 2);
            divide(&mut coefficient, &mut units, 5);
            scale -= 1;
        }
        Self::of(coefficient.checked_mul(units)?, scale)
    }

    /// The amount for each of `quantity` units, with this many decimals, half to even; nothing for no units,
    /// or past 28 digits.
    #[must_use]
    pub fn checked_div(self, quantity: Quantity, decimals: u32) -> Option<Self> {
        let (coefficient, scale) = self.parts();
        let units = Some(i128::from(quantity.units())).filter(|units| *units > 0)?;
        let (negative, coefficient) = (coefficient < 0, coefficient.checked_abs()?);
        // amount / units = (coefficient / 10^cut) / units, all in units of the last decimal kept. What is cut
        // off weighs less than one such unit, so it only decides how to round.
        let (whole, cut, power) = match scale.checked_sub(decimals) {
            Some(excess) => {
                let power = 10_i128.checked_pow(excess)?;
                (coefficient / power, coefficient % power, power)
            }
            None => (coefficient.checked_mul(10_i128.checked_pow(decimals - scale)?)?, 0, 1),
        };
        let (quotient, rest) = (whole / units, whole % units);
        // Twice the rest (rest + cut/power) against units.
        let rounds_up = match units - 2 * rest {
            missing if missing < 0 => true,
            0 => cut > 0 || quotient % 2 == 1,
            1 => 2 * cut > power || (2 * cut == power && quotient % 2 == 1),
            _ => false,
        };
        let rounded = quotient.checked_add(i128::from(rounds_up))?;
        Self::of(if negative { -rounded } else { rounded }, decimals)
    }

    fn of(coefficient: i128, scale: u32) -> Option<Self> {
        let (mut coefficient, mut scale) = (coefficient, scale);
        while scale > 0 && coefficient % 10 == 0 {
            coefficient /= 10;
            scale -= 1;
        }
        Self::new(Decimal::try_from_i128_with_scale(coefficient, scale).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn units(units: u64) -> Quantity {
        Quantity::new(units).expect("a quantity")
    }

    #[test]
    fn sums_are_exact_or_nothing() {
        for (a, b, sum) in [
            ("0.1", "0.2", Some("0.3")),
            ("1.5", "-1.5", Some("0")),
            ("9999999999999999999999999999", "-1", Some("9999999999999999999999999998")),
            ("9999999999999999999999999999", "1", None),
            ("1000000000000000000000000000", "0.1", None),
            ("9999999999999999999999999999", "0.0000000000000000000000000001", None),
            (
                "0.0000000000000000000000000001",
                "0.0000000000000000000000000009",
                Some("0.000000000000000000000000001"),
            ),
        ] {
            assert_eq!(money(a).checked_add(money(b)), sum.map(money), "{a} + {b}");
        }
    }

    #[test]
    fn products_are_exact_or_nothing() {
        for (cost, quantity, value) in [
            ("2.5", 4, Some("10")),
            ("-0.01", 3, Some("-0.03")),
            ("0", u64::MAX >> 1, Some("0")),
            ("7", 0, Some("0")),
            ("1.234567890123456789012345678", 1_000_000_000, Some("1234567890.123456789012345678")),
            ("0.0000000000000000000000000625", 1_600_000_000_000_000_000, Some("0.0000001")),
            ("9999999999999999999999999999", 2, None),
            ("1.234567890123456789012345678", 3_000_000_007, None),
        ] {
            assert_eq!(money(cost).checked_mul(units(quantity)), value.map(money), "{cost} × {quantity}");
        }
    }

    #[test]
    fn a_unit_cost_is_rounded_half_to_even() {
        for (total, quantity, cost) in [
            ("10", 4, Some("2.5")),
            ("10", 3, Some("3.333333")),
            ("20", 3, Some("6.666667")),
            ("-20", 3, Some("-6.666667")),
            ("0.000001", 2, Some("0")),
            ("0.000003", 2, Some("0.000002")),
            ("-0.000003", 2, Some("-0.000002")),
            ("0.000005", 2, Some("0.000002")),
            // Behind the sixth decimal what is cut off decides.
            ("0.0000005", 1, Some("0")),
            ("0.00000050000001", 1, Some("0.000001")),
            ("0.0000015", 1, Some("0.000002")),
            ("0.0000025", 1, Some("0.000002")),
            ("0.000001000000000000000000001", 2, Some("0.000001")),
            ("0.0000014999", 3, Some("0")),
            ("0.0000015001", 3, Some("0.000001")),
            ("9999999999999999999999999999", 1, Some("9999999999999999999999999999")),
            ("9999999999999999999999999999", 7, None),
            ("1", 0, None),
            ("1", u64::MAX >> 1, Some("0")),
        ] {
            assert_eq!(money(total).checked_div(units(quantity), 6), cost.map(money), "{total} / {quantity}");
        }
    }
}
