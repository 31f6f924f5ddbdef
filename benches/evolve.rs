//! Time per event of evolve alone, and how it grows with a SKU: it must not.
//!
//! The first table folds events in memory, `touched` and the loading of entries included, decoding and the
//! store left out. The second puts 1,000 to 1,000,000 serials, holds and allocations on one SKU and goes on
//! with events on entries drawn at random; a hash map stands for the store. "evolve" is the fold with its
//! entries at hand; "with the map" adds reading and writing the map, whose cache misses are its own.
//!
//!     cargo bench --bench evolve [-- MAX_ENTRIES]

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints, and stops where it fails")]

mod support;

use std::hint::black_box;

use inventory_store::domain::event::{
    Envelope, Event, Fact, HoldPlaced, HoldReleased, Level, LevelChanged, SerialAllocated, SerialReceived,
    SerialShipped, StatusChanged, TransferCompleted, TransferInitiated,
};
use inventory_store::domain::rows::{Entry, Facet, StockRow};
use inventory_store::domain::{Aggregate, Rules, evolve, touched};
use inventory_store::generator::{Options, Warehouse};
use inventory_store::types::{Offset, Quantity, Timestamp};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use support::{Of, Stopwatch, Used, describe, keep, machine};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Makes the fact about the entry of this number.
type MakeFact = fn(u64) -> Fact<'static>;

/// Events in each measurement.
const EVENTS: u64 = 200_000;
/// Events whose entries are at hand at once.
const BATCH: u64 = 1_000;

fn main() {
    // `cargo bench` hands its own flags through.
    let largest = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let machine = machine();
    println!("{}\n", describe(&machine));
    let kinds = by_kind();
    let curves = curve(largest);
    keep("evolve", &machine, &json!({ "by_kind": kinds, "by_entries": curves }));
}

fn rules() -> Rules {
    Rules { own_source: "/inventory-store".into() }
}

fn units(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

fn event(n: u64, fact: Fact<'static>) -> Event<'static> {
    let envelope = Envelope {
        id: format!("0192f0c1-7a3e-7cc2-b9a1-{n:012x}").into(),
        source: "/paklog/warehouse".into(),
        sku: "SKU-000001".into(),
        time: None,
        sequence: None,
        based_on: None,
        causation_id: None,
        causation_source: None,
        correlation_id: None,
        trace_parent: None,
    };
    Event { envelope, fact }
}

fn level_changed(previous: (i64, i64), new: (i64, i64)) -> LevelChanged<'static> {
    let level =
        |(on_hand, allocated)| Level { on_hand, allocated: Some(allocated), available_to_promise: None };
    LevelChanged {
        previous: level(previous),
        new: level(new),
        change_reason: "ADJUSTMENT".into(),
        location_id: None,
        allocation_id: None,
        lot_number: None,
        expiry_date: None,
        expires_at: None,
        comment: None,
    }
}

/// Loads what the event touches, as absent where it was never seen, and folds it.
fn fold(rules: &Rules, aggregate: &mut Aggregate, event: &Event<'_>, offset: u64) {
    for (facet, id) in touched(event) {
        if !aggregate.is_loaded(facet, id) {
            aggregate.load(facet, id, None);
        }
    }
    black_box(
        evolve(rules, aggregate, event, Offset(offset), Timestamp(0)).expect("an event that can be applied"),
    );
}

fn row(name: &str, events: u64, took: Used) -> Value {
    let (cpu, wall) = (took.cpu_nanos(events as usize), took.wall_nanos(events as usize));
    println!("{name:<34} {cpu:>10.0} {wall:>10.0} {:>14.2}", 1_000.0 / cpu);
    json!({ "name": name, "cpu_nanos": cpu, "wall_nanos": wall })
}

fn by_kind() -> Vec<Value> {
    println!("{:<34} {:>10} {:>10} {:>14}", "one SKU, in memory", "ns CPU", "ns wall", "M events/CPU s");
    let mut rows = Vec::new();
    let mut by_name = |name: &str, fact: &dyn Fn(u64) -> Fact<'static>| {
        let events: Vec<_> = (0..EVENTS).map(|n| event(n, fact(n))).collect();
        let (rules, mut aggregate) = (rules(), Aggregate::default());
        let begun = Stopwatch::start(Of::Thread);
        for (event, offset) in events.iter().zip(0..) {
            fold(&rules, &mut aggregate, event, offset);
        }
        rows.push(row(name, EVENTS, begun.stop()));
    };
    by_name("level-changed", &|n| {
        let n = n as i64 % 1_000;
        Fact::LevelChanged(level_changed((n, 0), (n + 1, 0)))
    });
    by_name("level-changed, all entries named", &|n| {
        let n = n as i64;
        let fact = level_changed((n, n), (n + 1, n + 1));
        Fact::LevelChanged(LevelChanged {
            location_id: Some(format!("A-{:02}", n % 8).into()),
            lot_number: Some(format!("L-{}", n % 8).into()),
            allocation_id: Some(format!("ORD-{}", n % 8).into()),
            ..fact
        })
    });
    by_name("stock-status.changed", &|n| {
        let (from, to) = if n % 2 == 0 { ("AVAILABLE", "DAMAGED") } else { ("DAMAGED", "AVAILABLE") };
        Fact::StatusChanged(StatusChanged {
            previous_status: from.into(),
            new_status: to.into(),
            quantity: units(3),
            reason: "inspection".into(),
            lot_number: None,
        })
    });
    by_name("inventory-hold", &|n| hold(n / 2, n % 2 == 0));
    by_name("stock-transfer", &|n| transfer(n / 2, n % 2 == 0));
    by_name("serial-number", &|n| serial(n / 3, n % 3));
    rows.push(a_day());
    rows
}

/// What the generator makes of 10,000 SKUs.
fn a_day() -> Value {
    let options = Options { skus: 10_000, ..Options::default() };
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let events: Vec<(usize, Event<'static>)> = Warehouse::new(options)
        .take(EVENTS as usize)
        .map(|event| {
            let next = places.len();
            (*places.entry(event.envelope.sku.to_string()).or_insert(next), event)
        })
        .collect();
    let rules = rules();
    let mut aggregates = vec![Aggregate::default(); places.len()];
    let begun = Stopwatch::start(Of::Thread);
    for ((at, event), offset) in events.iter().zip(0..) {
        fold(&rules, &mut aggregates[*at], event, offset);
    }
    row("a generated day, 10,000 SKUs", EVENTS, begun.stop())
}

fn hold(n: u64, place: bool) -> Fact<'static> {
    let hold_id = format!("HOLD-{n:08}").into();
    if place {
        Fact::HoldPlaced(HoldPlaced {
            hold_id,
            hold_type: "QUALITY_HOLD".into(),
            quantity: units(5),
            reason: "inspection".into(),
            lot_number: None,
            expires_at: None,
        })
    } else {
        Fact::HoldReleased(HoldReleased {
            hold_id,
            quantity: units(5),
            released_by: "jo".into(),
            expires_at: None,
        })
    }
}

fn transfer(n: u64, initiate: bool) -> Fact<'static> {
    let transfer_id = format!("T-{n:08}").into();
    if initiate {
        Fact::TransferInitiated(TransferInitiated {
            transfer_id,
            source_location: "A-01".into(),
            destination_location: "B-02".into(),
            quantity: units(5),
            initiated_by: "jo".into(),
            reason: "replenishment".into(),
        })
    } else {
        Fact::TransferCompleted(TransferCompleted {
            transfer_id,
            from_location: "A-01".into(),
            to_location: "B-02".into(),
            quantity: units(5),
            completed_by: "jo".into(),
            lot_number: None,
        })
    }
}

fn serial(n: u64, step: u64) -> Fact<'static> {
    let serial_number = format!("SN-{n:010}").into();
    match step {
        0 => Fact::SerialReceived(SerialReceived {
            serial_number,
            location_id: Some("A-01".into()),
            lot_number: None,
            received_by: None,
        }),
        1 => Fact::SerialAllocated(SerialAllocated { serial_number, allocation_id: Some("ORD-1".into()) }),
        _ => Fact::SerialShipped(SerialShipped { serial_number, shipment_id: None }),
    }
}

/// One more unit for a named allocation, or the first.
fn allocation(n: u64) -> Fact<'static> {
    Fact::LevelChanged(LevelChanged {
        allocation_id: Some(format!("ORD-{n:08}").into()),
        change_reason: "ALLOCATION".into(),
        ..level_changed((1_000_000, 0), (1_000_000, 1))
    })
}

/// The rows of one SKU, as a store would hold them.
#[derive(Default)]
struct Rows {
    stock: StockRow,
    entries: FxHashMap<(Facet, Box<str>), Entry>,
}

impl Rows {
    /// Folds the events batch by batch, reading and writing the rows around each batch. Gives the time of the
    /// folding, and of all.
    fn fold(&mut self, events: &[Event<'static>]) -> (Used, Used) {
        let rules = rules();
        let mut folding = Used { wall: 0.0, cpu: 0.0 };
        let begun = Stopwatch::start(Of::Thread);
        for batch in events.chunks(BATCH as usize) {
            let mut aggregate = Aggregate::new(std::mem::take(&mut self.stock));
            for (facet, id) in batch.iter().flat_map(|event| touched(event)) {
                if !aggregate.is_loaded(facet, id) {
                    aggregate.load(facet, id, self.entries.get(&(facet, id.into())).cloned());
                }
            }
            let at = Stopwatch::start(Of::Thread);
            for event in batch {
                let effect = evolve(&rules, &mut aggregate, event, Offset(0), Timestamp(0));
                black_box(effect.expect("an event that can be applied"));
            }
            let used = at.stop();
            folding = Used { wall: folding.wall + used.wall, cpu: folding.cpu + used.cpu };
            for ((facet, id), entry) in aggregate.entries() {
                match entry {
                    Some(entry) => self.entries.insert((facet, id.into()), entry.clone()),
                    None => self.entries.remove(&(facet, id.into())),
                };
            }
            self.stock = aggregate.stock;
        }
        (folding, begun.stop())
    }
}

fn curve(largest: u64) -> Vec<Value> {
    println!("\n{:<14} {:>10} {:>10} {:>14}", "one SKU with", "entries", "evolve", "with the map");
    println!("{:<14} {:>10} {:>10} {:>14}", "", "", "ns CPU", "ns CPU");
    let kinds: [(&str, MakeFact, MakeFact); 3] = [
        ("serials", |n| serial(n, 0), |n| serial(n, 1)),
        ("holds", |n| hold(n, true), |n| hold(n, true)),
        ("allocations", allocation, allocation),
    ];
    let mut figures = Vec::new();
    for (name, first, again) in kinds {
        let mut size = 1_000;
        while size <= largest {
            let mut rows = Rows::default();
            for from in (0..size).step_by(BATCH as usize) {
                let events: Vec<_> = (from..from + BATCH).map(|n| event(n, first(n))).collect();
                rows.fold(&events);
            }
            assert_eq!(rows.entries.len() as u64, size);
            let mut random = fastrand::Rng::with_seed(7);
            let events: Vec<_> = (0..EVENTS).map(|n| event(size + n, again(random.u64(0..size)))).collect();
            let (folding, all) = rows.fold(&events);
            let each = |took: Used| took.cpu_nanos(EVENTS as usize);
            println!("{name:<14} {size:>10} {:>10.0} {:>14.0}", each(folding), each(all));
            figures.push(json!({
                "entry": name, "entries": size, "evolve_cpu_nanos": each(folding), "all_cpu_nanos": each(all),
            }));
            size *= 10;
        }
    }
    figures
}
