/// The whole number that a JSON number's text says, in any spelling: `5`, `5.0`, `50e-1`. Nothing where it
/// has a fraction, lies outside an `i64`, or has an exponent outside an `i32`.
#[inline]
pub(in crate::codec) fn integer(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    // Nineteen digits and more may overflow; the general way knows.
    if bytes.len() <= 18 {
        let (negative, digits) = match bytes.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, bytes),
        };
        let mut value: i64 = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return spelled_otherwise(text);
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        return Some(if negative { -value } else { value });
    }
    spelled_otherwise(text)
}

/// With a fraction, an exponent or many digits.
#[cold]
fn spelled_otherwise(text: &str) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

    // value = digits × 10^power, with neither leading nor trailing zeros in the digits.
    let zeros = whole.bytes().chain(fraction.bytes()).rev().take_while(|b| *b == b'0').count();
    let significant = (whole.len() + fraction.len()).saturating_sub(zeros);
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()).take(significant) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit.wrapping_sub(b'0')))?;
        if value > i128::from(u64::MAX) {
            return None;
        }
    }
    if value == 0 {
        return Some(0);
    }
    let power = i64::try_from(zeros).ok()? - i64::try_from(fraction.len()).ok()? + i64::from(exponent);
    // A negative power leaves a fraction; 10^20 is past every i64.
    let power = u32::try_from(power).ok().filter(|p| *p < 20)?;
    let value = value.checked_mul(10_i128.checked_pow(power)?)?;
    i64::try_from(if negative { -value } else { value }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_whole_number_is_read() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0e5", 0),
            ("5.0", 5),
            ("5e0", 5),
            ("0.5e1", 5),
            ("50E-1", 5),
            ("-500e-2", -5),
            ("5e+2", 500),
            ("123456789012345678", 123_456_789_012_345_678),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775807.000000000000000000000000000000000000", i64::MAX),
            ("92233720368547758070000000000000000000000000000000000000e-37", i64::MAX),
            ("1000000000000000000e0", 1_000_000_000_000_000_000),
            ("0.0000000000000000000000000000000000001e37", 1),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
    }

    #[test]
    fn fractions_and_overflows_are_none() {
        for text in [
            "5.5",
            "0.1",
            "5e-1",
            "9223372036854775808",
            "-9223372036854775809",
            "1e19",
            "1e400",
            "1e-400",
            "1e99999999999",
            "99999999999999999999999999999999999999999999999999999999999999999999",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
