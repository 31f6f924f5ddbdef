//! Several refusals may apply; the first in the contract's order is given.

use super::*;

const TEN: Step<'_> = ("product-stock.receive", r#"{"quantity":10}"#);

fn refused(given: &[Step<'_>], when: Step<'_>, conditions: &Conditions) -> String {
    let mut story = Story::given(given);
    match story.decide(&command(when.0, when.1, conditions)) {
        Ok(facts) => format!("{} facts", facts.len()),
        Err(refusal) => told(&refusal),
    }
}

#[test]
fn a_condition_on_the_version_is_held() {
    let expecting = |version| Conditions { expected_version: Some(version), ..Conditions::default() };
    assert_eq!(refused(&[TEN], TEN, &expecting(1)), "1 facts");
    assert_eq!(refused(&[], TEN, &expecting(0)), "1 facts");
    assert_eq!(refused(&[TEN], TEN, &expecting(2)), "! VERSION_CONFLICT expected_version=2 version=1");
    assert_eq!(refused(&[TEN], TEN, &expecting(0)), "! VERSION_CONFLICT expected_version=0 version=1");
}

#[test]
fn a_command_expires_after_its_instant() {
    let until =
        |text: &str| Conditions { expiry_time: Some(text.parse().expect("a time")), ..Conditions::default() };
    assert_eq!(refused(&[], TEN, &until("2026-11-01T12:00:00Z")), "1 facts");
    assert_eq!(
        refused(&[], TEN, &until("2026-11-01T11:59:59.999999999Z")),
        "! EXPIRED expiry_time=2026-11-01T11:59:59.999999999Z decided_at=2026-11-01T12:00:00Z"
    );
}

#[test]
fn the_first_that_applies_is_given() {
    let late = Conditions {
        expected_version: Some(9),
        expiry_time: Some("2026-11-01T00:00:00Z".parse().expect("a time")),
    };
    let wrong_version = Conditions { expiry_time: None, ..late.clone() };
    let none = Conditions::default();
    let code = |given: &[Step<'_>], when, conditions: &Conditions| {
        refused(given, when, conditions).split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let deallocate: Step<'_> = ("product-stock.deallocate", r#"{"allocation_id":"X","quantity":99}"#);
    let too_large = format!(r#"{{"quantity":{MAX}}}"#);

    // Past the greatest quantity is a fault of the command, and that comes before all.
    assert_eq!(code(&[TEN], ("product-stock.receive", &too_large), &late), "INVALID_COMMAND");
    assert_eq!(code(&[], deallocate, &late), "EXPIRED");
    assert_eq!(code(&[], deallocate, &wrong_version), "VERSION_CONFLICT");
    assert_eq!(code(&[], deallocate, &none), "UNKNOWN_SKU");
    assert_eq!(code(&[TEN], deallocate, &none), "UNKNOWN_ALLOCATION");

    // The hold is there, and there is too little for it besides.
    let hold: Step<'_> =
        ("inventory-hold.place", r#"{"hold_id":"H","hold_type":"QUALITY_HOLD","quantity":8,"reason":"r"}"#);
    assert_eq!(code(&[TEN, hold], hold, &none), "HOLD_EXISTS");
    let allocation: Step<'_> = ("product-stock.allocate", r#"{"quantity":8,"allocation_id":"A"}"#);
    assert_eq!(code(&[TEN, allocation], allocation, &none), "ALLOCATION_EXISTS");
    // Neither allocated nor on hand.
    assert_eq!(code(&[TEN], ("product-stock.pick", r#"{"quantity":11}"#), &none), "INSUFFICIENT_ALLOCATION");
    // Neither there nor free.
    assert_eq!(
        code(&[TEN, hold], ("product-stock.adjust", r#"{"quantity_change":-11,"reason":"DAMAGE"}"#), &none),
        "INSUFFICIENT_STOCK"
    );
    // A transfer that is open, from a place that has nothing left.
    let transfer: Step<'_> = (
        "stock-transfer.initiate",
        r#"{"transfer_id":"T","source_location":"A","destination_location":"B","quantity":99,"initiated_by":"jo","reason":"r"}"#,
    );
    let all: Step<'_> = ("product-stock.receive", r#"{"quantity":99,"location_id":"A"}"#);
    assert_eq!(code(&[all, transfer], transfer, &none), "TRANSFER_EXISTS");
}
