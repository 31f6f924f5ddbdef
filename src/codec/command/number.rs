use std::borrow::Cow;

/// A JSON number in the one spelling that all spellings of it share: digits without zeros at either end, and
/// behind `e` the power of ten they are of, unless that is 0. `5`, `5.0` and `0.5e1` are `5`; `50` is `5e1`.
///
/// An exponent of more than 18 digits leaves it as it stands.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    // Almost every number is a short whole one that ends in no zero.
    let plain = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.ends_with('0');
    if plain || text == "0" {
        return Cow::Borrowed(text);
    }
    rewritten(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn rewritten(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((_, exponent)) if exponent.len() > 18 => return None,
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - trimmed.len()).ok()?;
    let trimmed = trimmed.trim_start_matches('0');
    if trimmed.is_empty() {
        return Some("0".to_owned());
    }
    let exponent = exponent + zeros - i64::try_from(fraction.len()).ok()?;
    let sign = if negative { "-" } else { "" };
    Some(if exponent == 0 { format!("{sign}{trimmed}") } else { format!("{sign}{trimmed}e{exponent}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_number_are_one() {
        for (canonical_text, spellings) in [
            ("5", vec!["5", "5.0", "5e0", "0.5e1", "50E-1", "5.000e+0"]),
            ("-5", vec!["-5", "-5.0", "-0.5e1"]),
            ("5e1", vec!["50", "50.0", "5e1", "500e-1", "0.05E3"]),
            ("0", vec!["0", "-0", "0.0", "0e5", "-0.00E-3"]),
            ("25e-2", vec!["0.25", "0.250", "2.5e-1"]),
            ("123456789012345678901234567891", vec!["123456789012345678901234567891"]),
            ("1e999999999", vec!["1e999999999", "10e999999998"]),
            ("1e99999999999999999999", vec!["1e99999999999999999999"]),
        ] {
            for spelling in spellings {
                assert_eq!(canonical(spelling), canonical_text, "{spelling}");
            }
        }
    }
}
