//! Whatever happens: evolve does what the model does, keeps the row's invariants, changes nothing where it
//! fails, needs only the entries that `touched` names, and does not mind how a history is split.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::facts::*;
use super::model::Model;
use super::*;

const NAMES: [&str; 5] = ["", "A", "B", "ü\u{0}", "X/Y"];
const STATUSES: [&str; 5] = ["AVAILABLE", "ALLOCATED", "DAMAGED", "ON_HOLD", "In the Moat"];

fn name() -> impl Strategy<Value = &'static str> {
    select(&NAMES[..])
}

/// Mostly small, so that takes meet stock; sometimes at the ends of the range.
fn some_units() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..20_u64, 1 => (i64::MAX as u64 - 20)..=i64::MAX as u64]
}

fn some_level() -> impl Strategy<Value = i64> {
    prop_oneof![16 => 0..40_i64, 2 => -5..0_i64, 1 => Just(i64::MIN), 1 => (i64::MAX - 20)..=i64::MAX]
}

fn instant() -> impl Strategy<Value = Option<UtcTime>> {
    select(vec![None, UtcTime::new(10, 0), UtcTime::new(20, 0)])
}

fn level_change() -> impl Strategy<Value = Fact<'static>> {
    let names = || proptest::option::of(name());
    let levels = (some_level(), some_level(), some_level(), some_level());
    let reason = select(vec!["ADJUSTMENT", "DEALLOCATION"]);
    let date = select(vec![None, Some("2027-01-31"), Some("2028-01-31")]);
    let form = (reason, instant(), date, 0..4_u8);
    (levels, names(), names(), names(), form).prop_map(|(levels, lot, location, allocation, form)| {
        let (on_hand, allocated, new_on_hand, new_allocated) = levels;
        let (reason, expires_at, date, layout) = form;
        // One in four leaves on hand as it is, one in four says nothing of allocation.
        let new_on_hand = if layout == 0 { on_hand } else { new_on_hand };
        let mut fact = level((on_hand, allocated), (new_on_hand, new_allocated));
        if layout == 1 {
            (fact.previous.allocated, fact.new.allocated) = (None, None);
        }
        Fact::LevelChanged(LevelChanged {
            change_reason: reason.into(),
            lot_number: lot.map(Into::into),
            location_id: location.map(Into::into),
            allocation_id: allocation.map(Into::into),
            expires_at,
            expiry_date: date.map(Into::into),
            ..fact
        })
    })
}

fn some_fact() -> impl Strategy<Value = Fact<'static>> {
    let status_name = || select(&STATUSES[..]);
    let names = || proptest::option::of(name());
    prop_oneof![
        8 => level_change(),
        4 => (status_name(), status_name(), some_units()).prop_map(|(from, to, units)| status(from, to, units)),
        3 => (name(), some_units(), instant())
            .prop_map(|(id, units, expires_at)| Fact::HoldPlaced(HoldPlaced { expires_at, ..hold(id, units) })),
        3 => (name(), some_units(), instant(), select(vec!["jo", "expiry"])).prop_map(|(id, units, at, by)| {
            let released = HoldReleased { expires_at: at, released_by: by.into(), ..release(id, units) };
            Fact::HoldReleased(released)
        }),
        2 => (name(), name(), name(), some_units())
            .prop_map(|(id, from, to, units)| initiated(id, from, to, units)),
        2 => (name(), name(), some_units()).prop_map(|(id, to, units)| completed(id, to, units)),
        2 => (name(), names()).prop_map(|(id, location)| serial_received(id, location)),
        2 => (name(), names()).prop_map(|(id, allocation)| serial_allocated(id, allocation)),
        1 => name().prop_map(serial_shipped),
        1 => name().prop_map(kit_created),
        1 => some_units().prop_map(kit_assembled),
        1 => some_units().prop_map(kit_disassembled),
        1 => some_units().prop_map(|units| valued("FIFO", "2.5", "33.33", units)),
        1 => name().prop_map(classified),
        1 => Just(report()),
    ]
}

fn some_event() -> impl Strategy<Value = Event<'static>> {
    let envelope = (
        select(vec![OURS, THEIRS, "/erp"]),
        0..30_u8,
        proptest::option::of(0..60_u64),
        proptest::option::of(0..20_u64),
        instant(),
    );
    (envelope, some_fact()).prop_map(|((source, id, sequence, based_on, time), fact)| {
        let mut event = event(source, id.to_string(), fact);
        event.envelope.sequence = sequence;
        event.envelope.based_on = based_on;
        event.envelope.time = time;
        event
    })
}

/// Sequences that mostly rise, so that our own events are not all duplicates.
fn histories() -> impl Strategy<Value = Vec<Event<'static>>> {
    vec((some_event(), 0..5_u8), 0..60).prop_map(|events| {
        let mut sequence = 0;
        let in_order = |(mut event, chance): (Event<'static>, u8)| {
            if chance > 0 && event.envelope.sequence.is_some() {
                sequence += 1;
                event.envelope.sequence = Some(sequence);
            }
            event
        };
        events.into_iter().map(in_order).collect()
    })
}

fn check_invariants(aggregate: &Aggregate) {
    let sum = |facet| -> u128 {
        let rows = aggregate.entries().filter(|((of, _), _)| *of == facet).filter_map(|(_, entry)| entry);
        rows.map(|entry| u128::from(entry.quantity().units())).sum()
    };
    let stock = &aggregate.stock;
    assert_eq!(sum(Facet::Hold), u128::from(stock.held.units()));
    assert_eq!(sum(Facet::Allocation), u128::from(stock.named_allocations.units()));
    assert_eq!(sum(Facet::Lot), u128::from(stock.in_lots.units()));
    assert_eq!(sum(Facet::Location), u128::from(stock.in_locations.units()));
    let serials = |state| {
        let is = |entry: Option<&Entry>| matches!(entry, Some(Entry::Serial(row)) if row.state == state);
        aggregate.entries().filter(|(_, entry)| is(*entry)).count() as u64
    };
    assert_eq!(serials(SerialState::Received), stock.serials_received);
    assert_eq!(serials(SerialState::Allocated), stock.serials_allocated);
    assert!(stock.statuses.is_sorted_by(|a, b| a.0 < b.0), "{:?}", stock.statuses);
    assert!(stock.statuses.iter().all(|(name, units)| &**name != "AVAILABLE" && !units.is_zero()));
    assert!(stock.identities.len() <= REMEMBERED_IDENTITIES);
    for ((facet, id), entry) in aggregate.entries() {
        let entry = entry.filter(|_| facet != Facet::Serial);
        assert!(entry.is_none_or(|entry| !entry.quantity().is_zero()), "{facet:?} {id:?} is kept at zero");
    }
}

fn check_model(aggregate: &Aggregate, model: &Model) {
    let stock = &aggregate.stock;
    let wide = |quantity: Quantity| i128::from(quantity.units());
    assert_eq!((wide(stock.on_hand), wide(stock.allocated)), (model.on_hand, model.allocated));
    let statuses = stock.statuses.iter().map(|(name, units)| (name.to_string(), wide(*units))).collect();
    assert_eq!(model.statuses, statuses);
    assert_eq!(stock.abc_class.as_deref(), model.class.as_deref());
    assert_eq!(stock.valuation.as_deref(), model.valuation.as_ref());
    let kit = stock.kit.as_ref().map(|kit| (kit.name.to_string(), wide(kit.assembled)));
    assert_eq!(kit, model.kit);
    assert_eq!((stock.version.0, stock.own_sequence), (model.version, model.sequence));
    assert_eq!(stock.last.map(|last| (last.offset.0, last.time)), model.last);
    assert_eq!(stock.identities.len(), model.seen.len());
    let counts = (stock.duplicates.count, stock.conflicts.count, stock.anomalies.count);
    assert_eq!(counts, (model.duplicates, model.conflicts, model.anomalies));
    assert_eq!(wide(stock.held), model.held());
    assert_eq!(wide(stock.named_allocations), model.named());

    let mut entries = 0;
    for ((_, id), entry) in aggregate.entries() {
        let Some(entry) = entry else { continue };
        entries += 1;
        let units = wide(entry.quantity());
        match entry {
            Entry::Hold(row) => {
                let (left, placed) = &model.holds[id];
                assert_eq!(**row, HoldRow { quantity: row.quantity, ..placed.clone() });
                assert_eq!(units, *left);
            }
            Entry::Allocation(row) => assert_eq!((units, row.expires_at), model.allocations[id]),
            Entry::Lot(row) => {
                assert_eq!((units, row.expiry_date.as_deref().map(str::to_owned)), model.lots[id]);
            }
            Entry::Location(_) => assert_eq!(units, model.locations[id]),
            Entry::Transfer(row) => {
                let (source, destination) =
                    (row.source_location.to_string(), row.destination_location.to_string());
                assert_eq!((units, source, destination), model.transfers[id]);
            }
            Entry::Serial(row) => assert_eq!(**row, model.serials[id]),
        }
    }
    let expected = model.holds.len()
        + model.allocations.len()
        + model.lots.len()
        + model.locations.len()
        + model.transfers.len()
        + model.serials.len();
    assert_eq!(entries, expected);
}

/// Applies the event as the projector does: loads only what it touches.
fn step(aggregate: &mut Aggregate, event: &Event<'_>, offset: usize) -> Result<Effect, EvolveError> {
    load_touched(aggregate, event);
    evolve(&rules(), aggregate, event, Offset(offset as u64), Timestamp(5))
}

/// The rows alone: what a store would hold.
fn rows(aggregate: &Aggregate) -> (StockRow, std::collections::BTreeMap<(Facet, String), Entry>) {
    let entries = aggregate
        .entries()
        .filter_map(|((facet, id), entry)| entry.map(|entry| ((facet, id.to_owned()), entry.clone())));
    (aggregate.stock.clone(), entries.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn evolve_does_what_the_model_does(events in histories()) {
        let (mut aggregate, mut model) = (Aggregate::default(), Model::default());
        for (offset, event) in events.iter().enumerate() {
            load_touched(&mut aggregate, event);
            let before = aggregate.clone();
            let time = UtcTime::new(0, 5_000_000).expect("a time");
            match (step(&mut aggregate, event, offset), model.step(event, offset as u64, time)) {
                (Ok(effect), Some((after, expected))) => {
                    prop_assert_eq!(effect, expected, "{:?}", event);
                    model = after;
                }
                (Err(EvolveError::Overflow { .. }), None) => prop_assert_eq!(&aggregate, &before),
                (result, expected) => prop_assert!(false, "{result:?}, expected {expected:?} of {event:?}"),
            }
            check_invariants(&aggregate);
            check_model(&aggregate, &model);
        }
    }

    /// Folding in one go and folding with every row written down and read back between two events end in
    /// the same rows: nothing lives outside them, and `touched` names all that evolve needs.
    #[test]
    fn how_a_history_is_split_does_not_matter(events in histories()) {
        let mut whole = Aggregate::default();
        let (mut stock, mut store) = rows(&whole);
        for (offset, event) in events.iter().enumerate() {
            let in_one_go = step(&mut whole, event, offset);

            let mut fresh = Aggregate::new(stock.clone());
            for (facet, id) in touched(event) {
                fresh.load(facet, id, store.get(&(facet, id.to_owned())).cloned());
            }
            let split = evolve(&rules(), &mut fresh, event, Offset(offset as u64), Timestamp(5));
            for ((facet, id), entry) in fresh.entries() {
                match entry {
                    Some(entry) => store.insert((facet, id.to_owned()), entry.clone()),
                    None => store.remove(&(facet, id.to_owned())),
                };
            }
            stock = fresh.stock;
            prop_assert_eq!(in_one_go, split);
        }
        prop_assert_eq!(rows(&whole), (stock, store));
    }

    /// Taking any one of the named entries away is noticed, never taken for its absence.
    #[test]
    fn every_touched_entry_is_needed(event in some_event()) {
        for (missing, _) in touched(&event).iter().enumerate() {
            let mut aggregate = Aggregate::default();
            for (_, (facet, id)) in touched(&event).iter().enumerate().filter(|(at, _)| *at != missing) {
                aggregate.load(*facet, id, None);
            }
            let before = aggregate.clone();
            let mut event = event.clone();
            // Of our own: what has an expiry's form acts as one only then. With sequence 0 it would be passed
            // over before it needs anything.
            event.envelope.source = rules().own_source.into();
            event.envelope.sequence = Some(1);
            let result = evolve(&rules(), &mut aggregate, &event, Offset(0), Timestamp(0));
            let expected_entry = matches!(result, Err(EvolveError::NotLoaded { .. }));
            // A stale expiry needs no more than the entry it acts on; an overflow may come first.
            let passed_over = matches!(result, Ok(Effect::StaleExpiry { .. }) | Err(EvolveError::Overflow { .. }));
            prop_assert!(expected_entry || passed_over, "{result:?} without {missing} of {event:?}");
            prop_assert!(result.is_ok() || aggregate == before);
        }
    }
}
