//! receive, adjust, set, status changes.

use super::*;

const RECEIVE: &str = "product-stock.receive";
const ADJUST: &str = "product-stock.adjust";
const SET: &str = "product-stock.set";
const STATUS: &str = "stock-status.change";
const TEN: Step<'_> = (RECEIVE, r#"{"quantity":10}"#);
const ALLOCATE_8: Step<'_> = ("product-stock.allocate", r#"{"quantity":8}"#);
/// Two of ten are damaged.
const TWO_DAMAGED: Step<'_> =
    (STATUS, r#"{"quantity":2,"from":"AVAILABLE","to":"DAMAGED","reason":"dropped"}"#);

#[test]
fn a_receipt_adds_to_what_is_there() {
    holds(&[
        line(&[], TEN, &["level 0/0/0 -> 10/0/10 RECEIPT"]),
        line(
            &[TEN, ALLOCATE_8],
            (
                RECEIVE,
                r#"{"quantity":5,"reason":"PURCHASE_RECEIPT","location_id":"A-01","lot":{"lot_number":"L1","expiry_date":"2027-01-31"}}"#,
            ),
            &["level 10/8/2 -> 15/8/7 PURCHASE_RECEIPT at A-01 lot L1 dated 2027-01-31"],
        ),
        line(
            &[],
            (RECEIVE, r#"{"quantity":5,"status":"QUARANTINE","lot":{"lot_number":"L1"}}"#),
            &["level 0/0/0 -> 5/0/5 RECEIPT lot L1", "status AVAILABLE -> QUARANTINE 5 RECEIPT lot L1"],
        ),
        line(&[], (RECEIVE, r#"{"quantity":5,"status":"AVAILABLE"}"#), &["level 0/0/0 -> 5/0/5 RECEIPT"]),
        // What stands behind what is promised does not shrink by units that are set apart.
        line(
            &[(
                "product-stock.level-changed",
                r#"{"previousQuantityOnHand":0,"previousQuantityAllocated":0,"newQuantityOnHand":1,"newQuantityAllocated":5,"changeReason":"IMPORT"}"#,
            )],
            (RECEIVE, r#"{"quantity":3,"status":"DAMAGED"}"#),
            &["level 1/5/0 -> 4/5/0 RECEIPT", "status AVAILABLE -> DAMAGED 3 RECEIPT"],
        ),
    ]);
}

#[test]
fn a_receipt_with_a_cost_moves_the_average() {
    let at_2_50 = (RECEIVE, r#"{"quantity":4,"unit_cost":2.50}"#);
    holds(&[
        line(
            &[],
            at_2_50,
            &["level 0/0/0 -> 4/0/4 RECEIPT", "valued MOVING_AVERAGE 0 -> 2.5 total 0 -> 10 for 4 RECEIPT"],
        ),
        // 10 + 3 × 1.1 = 13.3; 13.3 / 7 = 1.9
        line(
            &[at_2_50],
            (RECEIVE, r#"{"quantity":3,"unit_cost":"1.10","status":"DAMAGED"}"#),
            &[
                "level 4/0/4 -> 7/0/7 RECEIPT",
                "status AVAILABLE -> DAMAGED 3 RECEIPT",
                "valued MOVING_AVERAGE 2.5 -> 1.9 total 10 -> 13.3 for 7 RECEIPT",
            ],
        ),
        // Without a cost nothing is valued; the next average is of what was valued: 10 + 1 over 4 + 2.
        line(
            &[at_2_50, TEN],
            (RECEIVE, r#"{"quantity":2,"unit_cost":0.5}"#),
            &[
                "level 14/0/14 -> 16/0/16 RECEIPT",
                "valued MOVING_AVERAGE 2.5 -> 1.833333 total 10 -> 11 for 6 RECEIPT",
            ],
        ),
        // Half to even: 0.000001 / 2, 0.000003 / 2.
        line(
            &[
                TEN,
                (
                    "inventory-valuation.change",
                    r#"{"valuation_method":"WEIGHTED_AVERAGE","unit_cost":0,"quantity":1,"reason":"r"}"#,
                ),
            ],
            (RECEIVE, r#"{"quantity":1,"unit_cost":0.000003}"#),
            &[
                "level 10/0/10 -> 11/0/11 RECEIPT",
                "valued WEIGHTED_AVERAGE 0 -> 0.000002 total 0 -> 0.000003 for 2 RECEIPT",
            ],
        ),
        line(
            &[
                TEN,
                ("inventory-valuation.change", r#"{"valuation_method":"FIFO","unit_cost":1,"reason":"r"}"#),
            ],
            (RECEIVE, r#"{"quantity":1,"unit_cost":1}"#),
            &["! INVALID_STATE valuation_method=FIFO"],
        ),
        line(
            &[
                TEN,
                ("inventory-valuation.change", r#"{"valuation_method":"FIFO","unit_cost":1,"reason":"r"}"#),
            ],
            (RECEIVE, r#"{"quantity":1}"#),
            &["level 10/0/10 -> 11/0/11 RECEIPT"],
        ),
        line(
            &[],
            (RECEIVE, r#"{"quantity":1000000000000,"unit_cost":12345678901234567890123}"#),
            &["! INVALID_COMMAND field=unit_cost fault=the value would have more than 28 digits"],
        ),
    ]);
}

#[test]
fn nothing_passes_the_greatest_quantity() {
    let all = format!(r#"{{"quantity":{MAX},"location_id":"A"}}"#);
    let full: Step<'_> = (RECEIVE, &all);
    let change = format!(r#"{{"quantity_change":{MAX},"reason":"ADJUSTMENT"}}"#);
    let too_many = |field: &str, of: &str| {
        format!("! INVALID_COMMAND field={field} fault={of} would pass 9223372036854775807")
    };
    let on_hand = "the quantity on hand";
    holds(&[
        line(&[full], (RECEIVE, r#"{"quantity":1}"#), &[&too_many("quantity", on_hand)]),
        line(
            &[full],
            (ADJUST, r#"{"quantity_change":1,"reason":"RETURN"}"#),
            &[&too_many("quantity_change", on_hand)],
        ),
        line(&[TEN], (ADJUST, &change), &[&too_many("quantity_change", on_hand)]),
        line(
            &[full],
            (SET, r#"{"quantity":1,"reason":"CYCLE_COUNT","location_id":"B"}"#),
            &[&too_many("quantity", on_hand)],
        ),
        // Foreign facts may have put more into lots than is on hand.
        line(
            &[
                full,
                (
                    "product-stock.level-changed",
                    r#"{"previousQuantityOnHand":0,"newQuantityOnHand":5,"changeType":"X","reasonCode":"X"}"#,
                ),
            ],
            (RECEIVE, r#"{"quantity":1,"location_id":"B"}"#),
            &[&too_many("quantity", "the sum of all units under the locations")],
        ),
        line(
            &[TEN],
            (ADJUST, r#"{"quantity_change":-9223372036854775808,"reason":"DAMAGE","accept_shortfall":true}"#),
            &[
                "! INSUFFICIENT_STOCK requested=9223372036854775808 available=10 of=units on hand of status AVAILABLE",
            ],
        ),
    ]);
}

#[test]
fn an_adjustment_moves_on_hand_by_its_difference() {
    holds(&[
        line(
            &[TEN],
            (ADJUST, r#"{"quantity_change":-3,"reason":"THEFT_LOSS","comment":"shelf 4"}"#),
            &["level 10/0/10 -> 7/0/7 THEFT_LOSS note shelf 4"],
        ),
        line(
            &[TEN],
            (ADJUST, r#"{"quantity_change":3,"reason":"RETURN","location_id":"A","lot_number":"L"}"#),
            &["level 10/0/10 -> 13/0/13 RETURN at A lot L"],
        ),
        line(
            &[TEN],
            (ADJUST, r#"{"quantity_change":3,"reason":"RETURN","status":"QUARANTINE"}"#),
            &["level 10/0/10 -> 13/0/13 RETURN", "status AVAILABLE -> QUARANTINE 3 RETURN"],
        ),
        line(
            &[TEN, TWO_DAMAGED],
            (ADJUST, r#"{"quantity_change":-2,"reason":"DAMAGE","status":"DAMAGED"}"#),
            &["status DAMAGED -> AVAILABLE 2 DAMAGE", "level 10/0/10 -> 8/0/8 DAMAGE"],
        ),
        line(
            &[TEN, TWO_DAMAGED],
            (
                ADJUST,
                r#"{"quantity_change":-3,"reason":"DAMAGE","status":"DAMAGED","accept_shortfall":true}"#,
            ),
            &["! INSUFFICIENT_STOCK requested=3 available=2 of=units of status DAMAGED status=DAMAGED"],
        ),
        // On hand never falls below the units in other statuses, whatever is accepted.
        line(
            &[TEN, TWO_DAMAGED],
            (ADJUST, r#"{"quantity_change":-9,"reason":"DAMAGE","accept_shortfall":true}"#),
            &["! INSUFFICIENT_STOCK requested=9 available=8 of=units on hand of status AVAILABLE"],
        ),
        line(&[], (ADJUST, r#"{"quantity_change":1,"reason":"RETURN"}"#), &["! UNKNOWN_SKU sku=SKU-1"]),
    ]);
}

#[test]
fn an_observation_that_oversells_has_to_be_accepted() {
    let minus_3 =
        |accept: bool| format!(r#"{{"quantity_change":-3,"reason":"DAMAGE","accept_shortfall":{accept}}}"#);
    let short_already: Step<'_> =
        (ADJUST, r#"{"quantity_change":-5,"reason":"DAMAGE","accept_shortfall":true}"#);
    let numbers = "quantity_unavailable=0 quantity_held=0";
    holds(&[
        line(
            &[TEN, ALLOCATE_8],
            (ADJUST, &minus_3(false)),
            &[&format!(
                "! WOULD_OVERSELL free_before=2 free_after=-1 quantity_on_hand=7 quantity_allocated=8 {numbers}"
            )],
        ),
        line(&[TEN, ALLOCATE_8], (ADJUST, &minus_3(true)), &["level 10/8/2 -> 7/8/0 DAMAGE"]),
        line(
            &[TEN, ALLOCATE_8],
            (SET, r#"{"quantity":7,"reason":"CYCLE_COUNT"}"#),
            &[&format!(
                "! WOULD_OVERSELL free_before=2 free_after=-1 quantity_on_hand=7 quantity_allocated=8 {numbers}"
            )],
        ),
        line(
            &[TEN, ALLOCATE_8],
            (SET, r#"{"quantity":7,"reason":"CYCLE_COUNT","accept_shortfall":true}"#),
            &["level 10/8/2 -> 7/8/0 CYCLE_COUNT"],
        ),
        line(
            &[TEN, ALLOCATE_8],
            (STATUS, r#"{"quantity":3,"from":"AVAILABLE","to":"DAMAGED","reason":"dropped"}"#),
            &[
                "! WOULD_OVERSELL free_before=2 free_after=-1 quantity_on_hand=10 quantity_allocated=8 quantity_unavailable=3 quantity_held=0",
            ],
        ),
        line(
            &[TEN, ALLOCATE_8],
            (
                STATUS,
                r#"{"quantity":3,"from":"AVAILABLE","to":"DAMAGED","reason":"dropped","accept_shortfall":true}"#,
            ),
            &["status AVAILABLE -> DAMAGED 3 dropped"],
        ),
        // Below zero, but not lower than before.
        line(
            &[TEN, ALLOCATE_8, short_already],
            (SET, r#"{"quantity":6,"reason":"CYCLE_COUNT"}"#),
            &["level 5/8/0 -> 6/8/0 CYCLE_COUNT"],
        ),
        line(
            &[TEN, ALLOCATE_8, short_already],
            (SET, r#"{"quantity":5,"reason":"CYCLE_COUNT"}"#),
            &["level 5/8/0 -> 5/8/0 CYCLE_COUNT"],
        ),
    ]);
}

#[test]
fn a_count_sets_the_level() {
    let at_a = (RECEIVE, r#"{"quantity":6,"location_id":"A"}"#);
    holds(&[
        line(
            &[],
            (SET, r#"{"quantity":0,"reason":"INITIAL_STOCK"}"#),
            &["level 0/0/0 -> 0/0/0 INITIAL_STOCK"],
        ),
        line(
            &[],
            (SET, r#"{"quantity":4,"reason":"INITIAL_STOCK"}"#),
            &["level 0/0/0 -> 4/0/4 INITIAL_STOCK"],
        ),
        line(
            &[TEN],
            (SET, r#"{"quantity":10,"reason":"CYCLE_COUNT"}"#),
            &["level 10/0/10 -> 10/0/10 CYCLE_COUNT"],
        ),
        line(
            &[TEN],
            (SET, r#"{"quantity":8.0,"reason":"CYCLE_COUNT","comment":"c"}"#),
            &["level 10/0/10 -> 8/0/8 CYCLE_COUNT note c"],
        ),
        // Counted at a location: on hand moves by the difference there.
        line(
            &[TEN, at_a],
            (SET, r#"{"quantity":4,"reason":"CYCLE_COUNT","location_id":"A"}"#),
            &["level 16/0/16 -> 14/0/14 CYCLE_COUNT at A"],
        ),
        line(
            &[TEN, at_a],
            (SET, r#"{"quantity":6,"reason":"CYCLE_COUNT","location_id":"A"}"#),
            &["level 16/0/16 -> 16/0/16 CYCLE_COUNT at A"],
        ),
        line(
            &[TEN],
            (SET, r#"{"quantity":6,"reason":"CYCLE_COUNT","location_id":"B"}"#),
            &["level 10/0/10 -> 16/0/16 CYCLE_COUNT at B"],
        ),
        line(
            &[TEN, TWO_DAMAGED],
            (SET, r#"{"quantity":1,"reason":"CYCLE_COUNT","accept_shortfall":true}"#),
            &["! INSUFFICIENT_STOCK requested=9 available=8 of=units on hand of status AVAILABLE"],
        ),
        // A location that foreign facts gave more than there is on hand.
        line(
            &[
                at_a,
                (
                    "product-stock.level-changed",
                    r#"{"previousQuantityOnHand":6,"newQuantityOnHand":2,"changeType":"X","reasonCode":"X"}"#,
                ),
            ],
            (SET, r#"{"quantity":1,"reason":"CYCLE_COUNT","location_id":"A"}"#),
            &["! INSUFFICIENT_STOCK requested=5 available=2 of=units on hand of status AVAILABLE"],
        ),
    ]);
}

/// Foreign facts may leave fewer on hand than are set apart: what is there can be stated, and rise.
#[test]
fn on_hand_that_is_too_low_does_not_fall_further() {
    let given = [
        TEN,
        TWO_DAMAGED,
        (
            "product-stock.level-changed",
            r#"{"previousQuantityOnHand":10,"newQuantityOnHand":1,"changeType":"X","reasonCode":"X"}"#,
        ),
    ];
    holds(&[
        line(
            &given,
            (SET, r#"{"quantity":1,"reason":"CYCLE_COUNT"}"#),
            &["level 1/0/0 -> 1/0/0 CYCLE_COUNT"],
        ),
        line(
            &given,
            (ADJUST, r#"{"quantity_change":1,"reason":"RETURN","status":"DAMAGED","accept_shortfall":true}"#),
            &["level 1/0/0 -> 2/0/0 RETURN", "status AVAILABLE -> DAMAGED 1 RETURN"],
        ),
        line(
            &given,
            (SET, r#"{"quantity":0,"reason":"CYCLE_COUNT","accept_shortfall":true}"#),
            &["! INSUFFICIENT_STOCK requested=1 available=0 of=units on hand of status AVAILABLE"],
        ),
        line(
            &given,
            (STATUS, r#"{"quantity":2,"from":"DAMAGED","to":"AVAILABLE","reason":"mended"}"#),
            &["status DAMAGED -> AVAILABLE 2 mended"],
        ),
    ]);
}

#[test]
fn a_lot_or_location_gives_what_it_has_and_what_is_unassigned() {
    let given = [
        TEN,
        (RECEIVE, r#"{"quantity":5,"location_id":"A","lot":{"lot_number":"L"}}"#),
        (RECEIVE, r#"{"quantity":3,"location_id":"B","lot":{"lot_number":"M"}}"#),
    ];
    holds(&[
        line(
            &given,
            (ADJUST, r#"{"quantity_change":-15,"reason":"DAMAGE","location_id":"A","lot_number":"L"}"#),
            &["level 18/0/18 -> 3/0/3 DAMAGE at A lot L"],
        ),
        line(
            &given,
            (ADJUST, r#"{"quantity_change":-16,"reason":"DAMAGE","location_id":"A"}"#),
            &[
                "! INSUFFICIENT_STOCK requested=16 available=15 of=units in the location A and unassigned unassigned=10",
            ],
        ),
        line(
            &given,
            (ADJUST, r#"{"quantity_change":-16,"reason":"DAMAGE","lot_number":"L"}"#),
            &[
                "! INSUFFICIENT_STOCK requested=16 available=15 of=units in the lot L and unassigned unassigned=10",
            ],
        ),
        line(
            &given,
            (ADJUST, r#"{"quantity_change":-11,"reason":"DAMAGE","location_id":"nowhere"}"#),
            &[
                "! INSUFFICIENT_STOCK requested=11 available=10 of=units in the location nowhere and unassigned unassigned=10",
            ],
        ),
        // Lots that account for more than there is leave nothing unassigned.
        line(
            &[
                given[1],
                given[2],
                (
                    "product-stock.level-changed",
                    r#"{"previousQuantityOnHand":8,"newQuantityOnHand":7,"changeType":"X","reasonCode":"X"}"#,
                ),
            ],
            (ADJUST, r#"{"quantity_change":-6,"reason":"DAMAGE","location_id":"A"}"#),
            &[
                "! INSUFFICIENT_STOCK requested=6 available=5 of=units in the location A and unassigned unassigned=0",
            ],
        ),
    ]);
}

#[test]
fn a_status_change_moves_units_that_are_there() {
    holds(&[
        line(
            &[TEN],
            (
                STATUS,
                r#"{"quantity":2,"from":"AVAILABLE","to":"DAMAGED","reason":"dropped","lot_number":"L"}"#,
            ),
            &["status AVAILABLE -> DAMAGED 2 dropped lot L"],
        ),
        line(
            &[TEN, TWO_DAMAGED],
            (STATUS, r#"{"quantity":1,"from":"DAMAGED","to":"QUARANTINE","reason":"look"}"#),
            &["status DAMAGED -> QUARANTINE 1 look"],
        ),
        line(
            &[TEN, TWO_DAMAGED],
            (STATUS, r#"{"quantity":2,"from":"DAMAGED","to":"AVAILABLE","reason":"mended"}"#),
            &["status DAMAGED -> AVAILABLE 2 mended"],
        ),
        line(
            &[TEN, TWO_DAMAGED],
            (
                STATUS,
                r#"{"quantity":9,"from":"AVAILABLE","to":"QUARANTINE","reason":"r","accept_shortfall":true}"#,
            ),
            &["! INSUFFICIENT_STOCK requested=9 available=8 of=units of status AVAILABLE status=AVAILABLE"],
        ),
        line(
            &[TEN, TWO_DAMAGED],
            (STATUS, r#"{"quantity":3,"from":"DAMAGED","to":"AVAILABLE","reason":"r"}"#),
            &["! INSUFFICIENT_STOCK requested=3 available=2 of=units of status DAMAGED status=DAMAGED"],
        ),
        // Units of status ALLOCATED are in `allocated` already: neither free nor unavailable.
        line(
            &[TEN, ALLOCATE_8],
            (STATUS, r#"{"quantity":8,"from":"AVAILABLE","to":"ALLOCATED","reason":"r"}"#),
            &["status AVAILABLE -> ALLOCATED 8 r"],
        ),
        line(&[], TWO_DAMAGED, &["! UNKNOWN_SKU sku=SKU-1"]),
    ]);
}
