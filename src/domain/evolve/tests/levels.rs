use super::facts::*;
use super::*;

#[test]
fn levels_become_what_the_event_says() {
    let mut story = Story::given([levels((0, 0), (100, 30))]);

    // Based on other levels than there are: the new ones count, not the difference.
    story.when(levels((0, 0), (7, 1)));

    assert_eq!(story.levels(), (7, 1));
}

#[test]
fn a_negative_level_is_applied_as_zero_with_an_anomaly() {
    let mut story = Story::given([levels((0, 0), (100, 30))]);

    assert_eq!(story.when(levels((100, 30), (-3, 30))), ANOMALY);
    assert_eq!(story.levels(), (0, 30));
    assert_eq!(story.when(levels((0, 30), (0, i64::MIN))), ANOMALY);
    assert_eq!(story.levels(), (0, 0));
    assert_eq!(story.stock().anomalies, Counted { count: 2, last: Some(Offset(30)) });
}

#[test]
fn the_minimal_layout_leaves_allocated_as_it_was() {
    let mut story = Story::given([Fact::LevelChanged(named("ORD-1", (0, 0), (100, 30)))]);
    let mut minimal = named("ORD-1", (100, 0), (90, 0));
    (minimal.previous.allocated, minimal.new.allocated) = (None, None);

    assert_eq!(story.when(Fact::LevelChanged(minimal)), CLEAN);

    assert_eq!(story.levels(), (90, 30));
    assert_eq!(story.units(Facet::Allocation, "ORD-1"), Some(30));
}

#[test]
fn lots_and_locations_move_by_the_events_own_difference() {
    let mut story = Story::given([at("A", 0, 60), in_lot("L", 60, 100)]);
    assert_eq!(story.units(Facet::Location, "A"), Some(60));
    assert_eq!(story.units(Facet::Lot, "L"), Some(40));
    assert_eq!(story.stock().outside_locations(), Difference(40));
    assert_eq!(story.stock().outside_lots(), Difference(60));

    // On hand jumps from 100 to 5, the location by the −10 that the event states.
    story.when(at("A", 15, 5));

    assert_eq!(story.levels().0, 5);
    assert_eq!(story.units(Facet::Location, "A"), Some(50));
    assert_eq!(story.stock().outside_locations(), Difference(-45), "may be negative after foreign facts");
}

#[test]
fn a_location_that_is_short_gives_what_it_has() {
    let mut story = Story::given([levels((0, 0), (100, 0)), at("A", 100, 110)]);

    assert_eq!(story.when(at("A", 110, 95)), CLEAN);

    assert_eq!(story.units(Facet::Location, "A"), None, "deleted at zero");
    assert_eq!(story.stock().in_locations, Quantity::ZERO);
    assert_eq!(story.stock().outside_locations(), Difference(95), "the rest came out of unassigned");
}

#[test]
fn a_lot_that_is_short_gives_what_it_has() {
    let mut story = Story::given([levels((0, 0), (100, 0)), in_lot("L", 100, 110)]);

    assert_eq!(story.when(in_lot("L", 110, 95)), CLEAN);

    assert_eq!(story.units(Facet::Lot, "L"), None);
    assert_eq!(story.stock().outside_lots(), Difference(95));
}

#[test]
fn a_lot_keeps_its_expiry_date() {
    let dated = |date: Option<&'static str>, previous, new| {
        Fact::LevelChanged(LevelChanged {
            lot_number: Some("L".into()),
            expiry_date: date.map(Into::into),
            ..level((previous, 0), (new, 0))
        })
    };
    let date = |story: &Story| match story.aggregate.entry(Facet::Lot, "L") {
        Some(Entry::Lot(lot)) => lot.expiry_date.as_deref().map(str::to_owned),
        other => panic!("no lot: {other:?}"),
    };
    let mut story = Story::given([dated(Some("2027-01-31"), 0, 10)]);

    story.when(dated(None, 10, 8));
    assert_eq!(date(&story).as_deref(), Some("2027-01-31"));
    story.when(dated(Some("2027-02-28"), 8, 8));
    assert_eq!(date(&story).as_deref(), Some("2027-02-28"), "a new date is taken, also without a move");
    assert_eq!(story.units(Facet::Lot, "L"), Some(8));

    let mut story = Story::given([levels((0, 0), (5, 0))]);
    assert_eq!(story.when(dated(Some("2027-01-31"), 5, 5)), CLEAN);
    assert_eq!(story.units(Facet::Lot, "L"), None, "a date alone makes no lot");
}

#[test]
fn a_named_allocation_moves_by_the_events_own_difference() {
    let mut story = Story::given([
        levels((0, 0), (100, 0)),
        Fact::LevelChanged(named("ORD-1", (100, 0), (100, 30))),
        Fact::LevelChanged(named("ORD-2", (100, 30), (100, 35))),
    ]);
    assert_eq!(story.stock().named_allocations, quantity(35));

    assert_eq!(story.when(Fact::LevelChanged(named("ORD-1", (100, 35), (90, 25)))), CLEAN, "a pick");
    assert_eq!(story.units(Facet::Allocation, "ORD-1"), Some(20));
    assert_eq!(story.when(Fact::LevelChanged(named("ORD-1", (90, 25), (70, 5)))), CLEAN);
    assert_eq!(story.units(Facet::Allocation, "ORD-1"), None, "deleted when used up");
    assert_eq!(story.stock().named_allocations, quantity(5));
}

#[test]
fn taking_more_than_an_allocation_has_takes_what_there_is() {
    let mut story =
        Story::given([levels((0, 0), (100, 50)), Fact::LevelChanged(named("ORD-1", (100, 50), (100, 60)))]);

    assert_eq!(story.when(Fact::LevelChanged(named("ORD-1", (100, 60), (100, 45)))), ANOMALY);
    assert_eq!(story.units(Facet::Allocation, "ORD-1"), None);
    assert_eq!(story.levels(), (100, 45));

    assert_eq!(story.when(Fact::LevelChanged(named("UNKNOWN", (100, 45), (100, 44)))), ANOMALY);
    assert_eq!(story.units(Facet::Allocation, "UNKNOWN"), None);
}

#[test]
fn allocated_below_the_named_allocations_leaves_those_and_is_an_anomaly() {
    let mut story = Story::given([Fact::LevelChanged(named("ORD-1", (100, 0), (100, 30)))]);

    assert_eq!(story.when(levels((100, 30), (100, 10))), ANOMALY);
    assert_eq!(story.levels(), (100, 10));
    assert_eq!(story.units(Facet::Allocation, "ORD-1"), Some(30));

    assert_eq!(story.when(levels((100, 10), (120, 10))), CLEAN, "an event that makes it no worse is none");
    assert_eq!(story.when(levels((120, 10), (120, 9))), ANOMALY);
    // Based on other levels than there are, it names more than is allocated afterwards.
    assert_eq!(story.when(Fact::LevelChanged(named("ORD-2", (120, 0), (120, 9)))), ANOMALY);
}

#[test]
fn an_allocation_takes_an_instant_only_when_allocated_rises() {
    let [noon, one, two] =
        ["2026-11-01T12:00:00Z", "2026-11-01T13:00:00Z", "2026-11-01T14:00:00Z"].map(|text| Some(time(text)));
    let change = |expires_at, previous, new| {
        Fact::LevelChanged(LevelChanged { expires_at, ..named("ORD-1", (100, previous), (100, new)) })
    };
    let instant = |story: &Story| match story.aggregate.entry(Facet::Allocation, "ORD-1") {
        Some(Entry::Allocation(allocation)) => allocation.expires_at,
        other => panic!("no allocation: {other:?}"),
    };
    let mut story = Story::given([change(noon, 0, 30)]);
    assert_eq!(instant(&story), noon);

    story.when(change(one, 30, 20));
    assert_eq!(instant(&story), noon, "ignored when it falls");
    story.when(change(one, 20, 20));
    assert_eq!(instant(&story), noon, "ignored when it stays");
    story.when(change(None, 20, 25));
    assert_eq!(instant(&story), noon, "kept where none is stated");
    story.when(change(two, 25, 26));
    assert_eq!(instant(&story), two);
}

#[test]
fn one_event_may_name_lot_location_and_allocation() {
    let mut story = Story::given([Fact::LevelChanged(LevelChanged {
        lot_number: Some("X".into()),
        location_id: Some("X".into()),
        ..named("X", (0, 0), (10, 4))
    })]);
    for (facet, units) in [(Facet::Lot, 10), (Facet::Location, 10), (Facet::Allocation, 4)] {
        assert_eq!(story.units(facet, "X"), Some(units), "{facet:?}");
    }
    assert_eq!(story.when(levels((10, 4), (10, 4))), CLEAN);
}

#[test]
fn the_ends_of_the_range_neither_wrap_nor_panic() {
    let mut story = Story::given([at("A", 0, 5)]);
    let before = story.aggregate.clone();
    let offset = story.offset;

    for (previous, new) in [(i64::MIN, i64::MAX), (i64::MIN, 0), (-1, i64::MAX), (0, i64::MAX)] {
        let event = story.ours(at("A", previous, new));
        let overflow = Err(EvolveError::Overflow { what: "a location" });
        assert_eq!(story.try_event(&event), overflow, "{previous} → {new}");
        assert_eq!(story.aggregate, before);
    }
    story.offset = offset;
    assert_eq!(story.when(at("A", i64::MAX, i64::MIN)), ANOMALY);
    assert_eq!(story.levels(), (0, 0));
    assert_eq!(story.units(Facet::Location, "A"), None);
    assert_eq!(story.when(levels((0, 0), (i64::MAX, i64::MAX))), CLEAN);
    assert_eq!(story.levels(), (i64::MAX as u64, i64::MAX as u64));
}
