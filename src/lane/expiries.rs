use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::store::Expiring;
use crate::types::UtcTime;

/// When the entries of a partition end by themselves: the soonest first. Hints only: whoever acts on one looks
/// at the entry itself, which may have another instant by then, or be gone.
///
/// Bounded: beyond [`MOST`] the later half is let go of, and asked of the store again when its turn comes.
pub struct Expiries {
    soonest: BinaryHeap<Reverse<Expiring>>,
    /// What ends later than this is not at hand.
    horizon: Option<UtcTime>,
    /// How many are let in before the later ones go.
    limit: usize,
}

impl Default for Expiries {
    fn default() -> Self {
        Self { soonest: BinaryHeap::new(), horizon: None, limit: MOST }
    }
}

/// Entries at hand, about 20 MiB of them.
const MOST: usize = 100_000;

impl Expiries {
    /// Takes one in.
    pub fn push(&mut self, expiring: Expiring) {
        if self.horizon.is_some_and(|horizon| expiring.at > horizon) {
            return;
        }
        self.soonest.push(Reverse(expiring));
        if self.soonest.len() > self.limit {
            let mut all: Vec<_> = std::mem::take(&mut self.soonest).into_vec();
            all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            // All of one instant stay together.
            let horizon = all.get(MOST / 2).map(|kept| kept.0.at);
            all.retain(|expiring| horizon.is_none_or(|horizon| expiring.0.at <= horizon));
            self.horizon = horizon;
            // Many of one instant must not be sorted again with each that comes.
            self.limit = if all.len() > MOST / 4 * 3 { 2 * all.len() } else { MOST };
            self.soonest = all.into();
        }
    }

    /// The next one that is due at `now`.
    pub(super) fn pop_due(&mut self, now: UtcTime) -> Option<Expiring> {
        if self.soonest.peek().is_some_and(|next| next.0.at <= now) {
            return self.soonest.pop().map(|next| next.0);
        }
        None
    }

    /// Whether the store must be asked again: all that is at hand has had its turn, and there may be more.
    pub(super) fn is_exhausted(&self) -> bool {
        self.soonest.is_empty() && self.horizon.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rows::Facet;

    fn expiring(second: i64) -> Expiring {
        let at = UtcTime::new(second, 0).expect("a time");
        Expiring { at, sku: "S".into(), facet: Facet::Hold, id: second.to_string().into() }
    }

    #[test]
    fn gives_what_is_due_soonest_first() {
        let mut expiries = Expiries::default();
        for second in [3, 1, 2] {
            expiries.push(expiring(second));
        }
        let now = UtcTime::new(2, 0).expect("a time");
        assert_eq!(expiries.pop_due(now), Some(expiring(1)));
        assert_eq!(expiries.pop_due(now), Some(expiring(2)));
        assert_eq!(expiries.pop_due(now), None);
        assert!(!expiries.is_exhausted());
    }

    #[test]
    fn is_bounded_and_says_when_to_ask_again() {
        let mut expiries = Expiries::default();
        for second in (0..3 * MOST as i64).rev() {
            expiries.push(expiring(second));
            assert!(expiries.soonest.len() <= MOST);
        }
        let mut next = 0;
        while let Some(due) = expiries.pop_due(UtcTime::MAX) {
            assert_eq!(due, expiring(next), "nothing before the horizon is missing");
            next += 1;
        }
        assert!(next > 0 && expiries.is_exhausted());
    }
}
