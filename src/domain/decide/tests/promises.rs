//! allocate, deallocate, pick.

use super::*;

const ALLOCATE: &str = "product-stock.allocate";
const DEALLOCATE: &str = "product-stock.deallocate";
const PICK: &str = "product-stock.pick";
const TEN: Step<'_> =
    ("product-stock.receive", r#"{"quantity":10,"location_id":"A","lot":{"lot_number":"L"}}"#);
const ORDER: Step<'_> = (ALLOCATE, r#"{"quantity":4,"allocation_id":"ORD-1"}"#);
const UNNAMED: Step<'_> = (ALLOCATE, r#"{"quantity":3}"#);

#[test]
fn a_promise_needs_what_is_available() {
    holds(&[
        line(&[TEN], (ALLOCATE, r#"{"quantity":10}"#), &["level 10/0/10 -> 10/10/0 ALLOCATION"]),
        line(
            &[TEN, UNNAMED],
            (ALLOCATE, r#"{"quantity":7,"allocation_id":"ORD-1","expires_at":"2026-11-02T01:00:00+01:00"}"#),
            &["level 10/3/7 -> 10/10/0 ALLOCATION for ORD-1 until 2026-11-02T00:00:00Z"],
        ),
        line(
            &[TEN, UNNAMED],
            (ALLOCATE, r#"{"quantity":8}"#),
            &["! INSUFFICIENT_STOCK requested=8 available=7 of=units available to promise"],
        ),
        line(
            &[
                TEN,
                (
                    "inventory-hold.place",
                    r#"{"hold_id":"H","hold_type":"QUALITY_HOLD","quantity":9,"reason":"r"}"#,
                ),
            ],
            (ALLOCATE, r#"{"quantity":2}"#),
            &["! INSUFFICIENT_STOCK requested=2 available=1 of=units available to promise"],
        ),
        line(
            &[TEN, ORDER],
            (ALLOCATE, r#"{"quantity":1,"allocation_id":"ORD-1"}"#),
            &["! ALLOCATION_EXISTS allocation_id=ORD-1 quantity_allocated=4"],
        ),
        line(&[], (ALLOCATE, r#"{"quantity":1}"#), &["! UNKNOWN_SKU sku=SKU-1"]),
    ]);
}

#[test]
fn a_promise_is_given_back_whole_or_in_part() {
    holds(&[
        line(
            &[TEN, ORDER, UNNAMED],
            (DEALLOCATE, r#"{"allocation_id":"ORD-1"}"#),
            &["level 10/7/3 -> 10/3/7 DEALLOCATION for ORD-1"],
        ),
        line(
            &[TEN, ORDER],
            (DEALLOCATE, r#"{"allocation_id":"ORD-1","quantity":1}"#),
            &["level 10/4/6 -> 10/3/7 DEALLOCATION for ORD-1"],
        ),
        line(
            &[TEN, ORDER, UNNAMED],
            (DEALLOCATE, r#"{"quantity":3}"#),
            &["level 10/7/3 -> 10/4/6 DEALLOCATION"],
        ),
        line(
            &[TEN, ORDER],
            (DEALLOCATE, r#"{"allocation_id":"ORD-1","quantity":5}"#),
            &["! INSUFFICIENT_ALLOCATION requested=5 allocated=4 allocation_id=ORD-1"],
        ),
        // Units under a name are nobody else's.
        line(
            &[TEN, ORDER, UNNAMED],
            (DEALLOCATE, r#"{"quantity":4}"#),
            &["! INSUFFICIENT_ALLOCATION requested=4 allocated=3"],
        ),
        line(
            &[TEN, ORDER],
            (DEALLOCATE, r#"{"allocation_id":"ORD-2"}"#),
            &["! UNKNOWN_ALLOCATION allocation_id=ORD-2"],
        ),
        // Used up, an allocation is gone, and its name free again.
        line(
            &[TEN, ORDER, (DEALLOCATE, r#"{"allocation_id":"ORD-1"}"#)],
            ORDER,
            &["level 10/0/10 -> 10/4/6 ALLOCATION for ORD-1"],
        ),
        // A foreign fact that lowered allocated below its names: it never goes below zero.
        line(
            &[
                TEN,
                ORDER,
                (
                    "product-stock.level-changed",
                    r#"{"previousQuantityOnHand":10,"previousQuantityAllocated":4,"newQuantityOnHand":10,"newQuantityAllocated":1,"changeReason":"X"}"#,
                ),
            ],
            (DEALLOCATE, r#"{"allocation_id":"ORD-1","quantity":2}"#),
            &["! INSUFFICIENT_ALLOCATION requested=2 allocated=1 allocation_id=ORD-1"],
        ),
        line(
            &[
                TEN,
                ORDER,
                (
                    "product-stock.level-changed",
                    r#"{"previousQuantityOnHand":10,"previousQuantityAllocated":4,"newQuantityOnHand":10,"newQuantityAllocated":1,"changeReason":"X"}"#,
                ),
            ],
            (DEALLOCATE, r#"{"allocation_id":"ORD-1"}"#),
            &["level 10/1/9 -> 10/0/10 DEALLOCATION for ORD-1"],
        ),
    ]);
}

#[test]
fn a_pick_takes_what_was_promised() {
    holds(&[
        line(
            &[TEN, ORDER],
            (PICK, r#"{"quantity":4,"allocation_id":"ORD-1","location_id":"A","lot_number":"L"}"#),
            &["level 10/4/6 -> 6/0/6 ITEM_PICKED at A lot L for ORD-1"],
        ),
        line(&[TEN, UNNAMED], (PICK, r#"{"quantity":2}"#), &["level 10/3/7 -> 8/1/7 ITEM_PICKED"]),
        line(
            &[TEN, ORDER],
            (PICK, r#"{"quantity":1}"#),
            &["! INSUFFICIENT_ALLOCATION requested=1 allocated=0"],
        ),
        line(
            &[TEN, ORDER],
            (PICK, r#"{"quantity":5,"allocation_id":"ORD-1"}"#),
            &["! INSUFFICIENT_ALLOCATION requested=5 allocated=4 allocation_id=ORD-1"],
        ),
        line(
            &[TEN, ORDER],
            (PICK, r#"{"quantity":5,"allocation_id":"ORD-2"}"#),
            &["! UNKNOWN_ALLOCATION allocation_id=ORD-2"],
        ),
        line(
            &[TEN, ORDER],
            (PICK, r#"{"quantity":1,"allocation_id":"ORD-1","location_id":"B"}"#),
            &[
                "! INSUFFICIENT_STOCK requested=1 available=0 of=units in the location B and unassigned unassigned=0",
            ],
        ),
        line(
            &[TEN, ORDER],
            (PICK, r#"{"quantity":1,"allocation_id":"ORD-1","lot_number":"M"}"#),
            &[
                "! INSUFFICIENT_STOCK requested=1 available=0 of=units in the lot M and unassigned unassigned=0",
            ],
        ),
        // What is set apart cannot be picked.
        line(
            &[
                TEN,
                ORDER,
                (
                    "stock-status.change",
                    r#"{"quantity":8,"from":"AVAILABLE","to":"DAMAGED","reason":"r","accept_shortfall":true}"#,
                ),
            ],
            (PICK, r#"{"quantity":3,"allocation_id":"ORD-1"}"#),
            &["! INSUFFICIENT_STOCK requested=3 available=2 of=units on hand of status AVAILABLE"],
        ),
    ]);
}
