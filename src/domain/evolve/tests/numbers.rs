use super::facts::*;
use super::*;

#[test]
fn the_contracts_example() {
    let story = Story::given([levels((0, 0), (100, 30)), Fact::HoldPlaced(hold("H1", 50))]);
    let numbers = story.stock().numbers();
    assert_eq!(numbers.free(), 20);
    assert_eq!(numbers.available_to_promise(), quantity(20));
    assert_eq!(numbers.shortfall(), 0);
}

#[test]
fn holds_and_the_status_on_hold_add_up() {
    let story = Story::given([
        levels((0, 0), (100, 0)),
        status("AVAILABLE", "ON_HOLD", 10),
        Fact::HoldPlaced(hold("H1", 5)),
    ]);
    assert_eq!(story.stock().numbers().free(), 85);
}

#[test]
fn units_of_status_allocated_are_in_allocated_already() {
    let story = Story::given([
        levels((0, 0), (100, 30)),
        status("AVAILABLE", "ALLOCATED", 30),
        status("AVAILABLE", "IN_TRANSIT", 4),
    ]);
    let numbers = story.stock().numbers();
    assert_eq!(numbers.unavailable, quantity(4));
    assert_eq!(numbers.free(), 66);
    assert_eq!(story.stock().available(), quantity(66), "but they are not AVAILABLE");
}

#[test]
fn what_an_event_says_is_available_is_not_trusted() {
    let mut lie = level((0, 0), (100, 30));
    lie.new.available_to_promise = Some(9_999);
    let story = Story::given([Fact::LevelChanged(lie)]);
    assert_eq!(story.stock().numbers().available_to_promise(), quantity(70));
}

#[test]
fn the_widest_shortfall_is_shown() {
    let max = i64::MAX as u64;
    let story = Story::given([
        levels((0, 0), (0, i64::MAX)),
        status("AVAILABLE", "DAMAGED", max),
        Fact::HoldPlaced(hold("H1", max)),
    ]);
    let numbers = story.stock().numbers();
    assert_eq!(numbers.available_to_promise(), Quantity::ZERO);
    assert_eq!(numbers.shortfall(), 3 * u128::from(max));
}
