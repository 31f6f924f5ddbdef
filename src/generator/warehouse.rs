//! The warehouse: what happens to which SKU, one event after another.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::shelf::{
    Shelf, allocate, classify, count, damage, hold, kit, pick, receive, report, revalue, serial, transfer,
};
use crate::domain::event::{Envelope, Event, Fact};
use crate::types::UtcTime;

/// Which day to make.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// How many SKUs there are: `SKU-000000` and up. At least 1.
    pub skus: u32,
    /// Time of the first event.
    pub start: UtcTime,
    /// Time between two events, in nanoseconds.
    pub step_nanos: u64,
}

impl Default for Options {
    /// 1,000 SKUs on 2026-11-01 from 06:00, a thousand events a second.
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant instant within the years that `new` takes")]
        let start = UtcTime::new(1_793_512_800, 0).expect("2026-11-01T06:00:00Z");
        Self { seed: 1, skus: 1_000, start, step_nanos: 1_000_000 }
    }
}

/// An endless stream of events. See the module's head for what can be relied on.
pub struct Warehouse {
    random: fastrand::Rng,
    options: Options,
    shelves: FxHashMap<u32, Shelf>,
    made: u64,
}

impl Warehouse {
    #[must_use]
    pub fn new(options: Options) -> Self {
        let options = Options { skus: options.skus.max(1), ..options };
        Self {
            random: fastrand::Rng::with_seed(options.seed),
            options,
            shelves: FxHashMap::default(),
            made: 0,
        }
    }

    /// How many events it has made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// The name of the SKU of this number.
    #[must_use]
    pub fn sku(number: u32) -> String {
        format!("SKU-{number:06}")
    }

    /// A fifth of the SKUs gets four fifths of the traffic.
    fn pick_sku(&mut self) -> u32 {
        let skus = self.options.skus;
        let hot = (skus / 5).max(1);
        if self.random.u8(0..5) > 0 { self.random.u32(0..hot) } else { self.random.u32(0..skus) }
    }

    fn envelope(&mut self, sku: u32) -> Envelope<'static> {
        let nanos = self.made.saturating_mul(self.options.step_nanos);
        let elapsed = u64::from(self.options.start.nanos()) + nanos % 1_000_000_000;
        let seconds = self.options.start.seconds()
            + i64::try_from(nanos / 1_000_000_000 + elapsed / 1_000_000_000).unwrap_or(i64::MAX / 2);
        // Cut to the millisecond, as most writers do. The remainder is below a second, so it fits.
        let nanos = u32::try_from(elapsed % 1_000_000_000 / 1_000_000 * 1_000_000).unwrap_or(0);
        let id = uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid();
        Envelope {
            id: Cow::Owned(id.to_string()),
            source: Cow::Borrowed("/paklog/warehouse"),
            sku: Cow::Owned(Self::sku(sku)),
            time: UtcTime::new(seconds, nanos),
            sequence: None,
            based_on: None,
            causation_id: None,
            causation_source: None,
            correlation_id: Some(Cow::Owned(format!("wave-{}", self.made / 64))),
            trace_parent: None,
        }
    }

    fn fact(&mut self, sku: u32) -> Fact<'static> {
        let random = &mut self.random;
        let made = self.made;
        let shelf = self.shelves.entry(sku).or_default();
        // The weights of a day, in thousandths. What cannot happen now becomes an order's step, or a receipt
        // where the shelf runs low: so stock neither runs out nor piles up.
        let fact = match random.u16(0..1000) {
            0..=299 => allocate(shelf, random, made),
            300..=569 => pick(shelf, sku),
            570..=619 => hold(shelf, random, made),
            620..=669 => damage(shelf, random),
            670..=749 => transfer(shelf, random, sku, made),
            750..=799 => count(shelf, random, sku),
            800..=849 => serial(shelf, sku, made),
            850..=869 => Some(revalue(shelf, random)),
            870..=874 => Some(classify(shelf, random)),
            875..=879 => Some(kit(shelf, sku, made)),
            880..=884 => Some(report(made)),
            _ => None,
        };
        fact.or_else(|| {
            if shelf.is_low() { None } else { pick(shelf, sku).or_else(|| allocate(shelf, random, made)) }
        })
        .unwrap_or_else(|| receive(shelf, random, sku))
    }
}

impl Iterator for Warehouse {
    type Item = Event<'static>;

    fn next(&mut self) -> Option<Event<'static>> {
        let sku = self.pick_sku();
        let envelope = self.envelope(sku);
        let fact = self.fact(sku);
        self.made += 1;
        Some(Event { envelope, fact })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_day() {
        let day =
            |seed| Warehouse::new(Options { seed, ..Options::default() }).take(2_000).collect::<Vec<_>>();
        assert_eq!(day(7), day(7));
        assert_ne!(day(7), day(8));
    }

    #[test]
    fn a_day_has_everything_that_happens_in_a_warehouse() {
        let day = Warehouse::new(Options { skus: 50, ..Options::default() }).take(20_000);
        let mut types: Vec<_> = day.map(|event| event.fact.type_name()).collect();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), 15, "{types:?}");
    }

    #[test]
    fn times_rise_by_the_step() {
        let times: Vec<_> = Warehouse::new(Options::default()).take(3).map(|e| e.envelope.time).collect();
        let shown: Vec<_> = times.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(shown, ["2026-11-01T06:00:00Z", "2026-11-01T06:00:00.001Z", "2026-11-01T06:00:00.002Z"]);
    }
}
