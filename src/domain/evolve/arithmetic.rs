use super::EvolveError;
use crate::types::Quantity;

/// A part and the sum it belongs to, after a move; and whether the part was short of what was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    pub part: Quantity,
    pub sum: Quantity,
    /// The part had less than was taken: it gave what it had.
    pub short: bool,
}

/// Moves `part` and the `sum` it belongs to by `units`, more or fewer. Takes no more than the part has.
pub(super) fn moved(
    part: Quantity,
    sum: Quantity,
    units: i128,
    what: &'static str,
) -> Result<Moved, EvolveError> {
    let overflow = EvolveError::Overflow { what };
    // More units than a quantity holds.
    let magnitude = u64::try_from(units.unsigned_abs()).ok().and_then(|units| Quantity::new(units).ok());
    if units >= 0 {
        let gained = magnitude.ok_or(overflow)?;
        Ok(Moved {
            part: part.checked_add(gained).ok_or(overflow)?,
            sum: sum.checked_add(gained).ok_or(overflow)?,
            short: false,
        })
    } else {
        let wanted = magnitude.unwrap_or(Quantity::MAX);
        let taken = wanted.min(part);
        let short = magnitude.is_none_or(|wanted| wanted > part);
        // The part is no more than the sum.
        Ok(Moved { part: part.saturating_sub(taken), sum: sum.saturating_sub(taken), short })
    }
}

/// `sum` with `old` replaced by `new`.
pub(super) fn replaced(
    sum: Quantity,
    old: Quantity,
    new: Quantity,
    what: &'static str,
) -> Result<Quantity, EvolveError> {
    sum.saturating_sub(old).checked_add(new).ok_or(EvolveError::Overflow { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(units: u64) -> Quantity {
        Quantity::new(units).expect("a quantity")
    }

    #[test]
    fn a_part_gives_no_more_than_it_has() {
        let moved = |part, sum, units| moved(quantity(part), quantity(sum), units, "test");
        assert_eq!(moved(5, 9, 2), Ok(Moved { part: quantity(7), sum: quantity(11), short: false }));
        assert_eq!(moved(5, 9, -5), Ok(Moved { part: quantity(0), sum: quantity(4), short: false }));
        assert_eq!(moved(5, 9, -6), Ok(Moved { part: quantity(0), sum: quantity(4), short: true }));
        assert_eq!(moved(0, 9, -1), Ok(Moved { part: quantity(0), sum: quantity(9), short: true }));
    }

    #[test]
    fn nothing_wraps_at_the_ends_of_the_range() {
        let overflow = Err(EvolveError::Overflow { what: "test" });
        let max = i128::from(i64::MAX);
        let widest = i128::from(i64::MAX) - i128::from(i64::MIN);
        assert_eq!(moved(quantity(1), quantity(1), max, "test"), overflow);
        assert_eq!(moved(Quantity::ZERO, quantity(1), max, "test"), overflow);
        assert_eq!(moved(Quantity::ZERO, Quantity::ZERO, widest, "test"), overflow);
        let emptied = Moved { part: Quantity::ZERO, sum: Quantity::ZERO, short: true };
        assert_eq!(moved(Quantity::MAX, Quantity::MAX, -widest, "test"), Ok(emptied));
        assert_eq!(moved(Quantity::MAX, Quantity::MAX, i128::MIN, "test"), Ok(emptied));
    }
}
