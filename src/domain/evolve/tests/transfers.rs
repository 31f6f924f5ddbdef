use super::facts::*;
use super::*;

#[test]
fn a_transfer_moves_units_from_one_location_to_another() {
    let mut story = Story::given([at("A", 0, 60), initiated("T1", "A", "B", 10)]);
    assert_eq!(story.units(Facet::Location, "A"), Some(50));
    assert_eq!(story.units(Facet::Location, "B"), None);
    assert_eq!(story.units(Facet::Transfer, "T1"), Some(10));
    assert_eq!(story.levels(), (60, 0), "units on their way are still on hand");
    assert_eq!(story.stock().outside_locations(), Difference(10));

    assert_eq!(story.when(completed("T1", "B", 10)), CLEAN);

    assert_eq!(story.units(Facet::Location, "B"), Some(10));
    assert_eq!(story.units(Facet::Transfer, "T1"), None, "deleted when completed");
    assert_eq!(story.stock().outside_locations(), Difference(0));
}

#[test]
fn a_source_location_that_is_short_gives_what_it_has_and_the_transfer_holds_its_full_quantity() {
    let mut story = Story::given([levels((0, 0), (60, 0)), at("A", 60, 64)]);

    assert_eq!(story.when(initiated("T1", "A", "B", 10)), CLEAN);

    assert_eq!(story.units(Facet::Location, "A"), None);
    assert_eq!(story.units(Facet::Transfer, "T1"), Some(10));
    assert_eq!(story.stock().in_locations, Quantity::ZERO);
}

#[test]
fn completing_an_unknown_transfer_credits_the_destination_in_full() {
    let mut story = Story::given([levels((0, 0), (60, 0))]);

    assert_eq!(story.when(completed("T9", "B", 10)), ANOMALY);

    assert_eq!(story.units(Facet::Location, "B"), Some(10));
    assert_eq!(story.stock().in_locations, quantity(10));
}

#[test]
fn a_transfer_completed_with_more_than_was_sent_brings_what_was_sent() {
    let mut story = Story::given([at("A", 0, 60), initiated("T1", "A", "B", 10)]);

    assert_eq!(story.when(completed("T1", "B", 12)), ANOMALY);

    assert_eq!(story.units(Facet::Location, "B"), Some(10));
    assert_eq!(story.units(Facet::Transfer, "T1"), None);
}

#[test]
fn a_transfer_completed_with_fewer_ends_and_leaves_the_rest_unassigned() {
    let mut story = Story::given([at("A", 0, 60), initiated("T1", "A", "B", 10)]);

    assert_eq!(story.when(completed("T1", "B", 7)), CLEAN);
    assert_eq!(story.units(Facet::Location, "B"), Some(7));
    assert_eq!(story.units(Facet::Transfer, "T1"), None);
    assert_eq!(story.stock().outside_locations(), Difference(3));

    // What is missing goes by a level change of its own.
    assert_eq!(story.when(levels((60, 0), (57, 0))), CLEAN);
    assert_eq!(story.stock().outside_locations(), Difference(0));
}

#[test]
fn a_transfer_arrives_where_the_event_says() {
    let mut story = Story::given([at("A", 0, 60), initiated("T1", "A", "B", 10)]);

    assert_eq!(story.when(completed("T1", "C", 10)), CLEAN);

    assert_eq!(story.units(Facet::Location, "B"), None);
    assert_eq!(story.units(Facet::Location, "C"), Some(10));
}

#[test]
fn a_transfer_initiated_again_replaces_the_former_and_is_an_anomaly() {
    let mut story = Story::given([at("A", 0, 60), initiated("T1", "A", "B", 10)]);

    assert_eq!(story.when(initiated("T1", "A", "C", 4)), ANOMALY);

    assert_eq!(story.units(Facet::Location, "A"), Some(46));
    assert_eq!(story.units(Facet::Transfer, "T1"), Some(4));
}

#[test]
fn a_destination_that_would_overflow_changes_nothing() {
    let mut story = Story::given([at("B", 0, i64::MAX)]);
    let event = story.ours(completed("T9", "B", 1));
    load_touched(&mut story.aggregate, &event);
    let before = story.aggregate.clone();

    assert_eq!(story.try_event(&event), Err(EvolveError::Overflow { what: "a location" }));
    assert_eq!(story.aggregate, before);
}
