use super::*;

const PLACE: &str = "inventory-hold.place";
const RELEASE: &str = "inventory-hold.release";
const TEN: Step<'_> = ("product-stock.receive", r#"{"quantity":10}"#);
const FIVE_HELD: Step<'_> =
    (PLACE, r#"{"hold_id":"H1","hold_type":"QUALITY_HOLD","quantity":5,"reason":"look"}"#);

#[test]
fn a_hold_needs_what_is_available_or_an_accepted_shortfall() {
    holds(&[
        line(
            &[TEN],
            (
                PLACE,
                r#"{"hold_id":"H1","hold_type":"QUALITY_HOLD","quantity":5,"reason":"look","lot_number":"L","expires_at":"2026-12-01T00:00:00Z"}"#,
            ),
            &["hold H1 QUALITY_HOLD 5 look lot L until 2026-12-01T00:00:00Z"],
        ),
        line(&[TEN, FIVE_HELD], FIVE_HELD, &["! HOLD_EXISTS hold_id=H1 quantity_on_hold=5"]),
        line(
            &[TEN, FIVE_HELD],
            (PLACE, r#"{"hold_id":"H2","hold_type":"CREDIT_HOLD","quantity":6,"reason":"r"}"#),
            &["! INSUFFICIENT_STOCK requested=6 available=5 of=units available to promise"],
        ),
        line(
            &[TEN, FIVE_HELD],
            (
                PLACE,
                r#"{"hold_id":"H2","hold_type":"CREDIT_HOLD","quantity":6,"reason":"r","accept_shortfall":true}"#,
            ),
            &["hold H2 CREDIT_HOLD 6 r"],
        ),
        line(
            &[TEN],
            (
                PLACE,
                r#"{"hold_id":"H2","hold_type":"CREDIT_HOLD","quantity":11,"reason":"r","accept_shortfall":true}"#,
            ),
            &["! INSUFFICIENT_STOCK requested=11 available=10 of=units on hand"],
        ),
        line(&[], FIVE_HELD, &["! UNKNOWN_SKU sku=SKU-1"]),
    ]);
}

#[test]
fn holds_do_not_add_up_past_the_greatest_quantity() {
    let full = format!(r#"{{"quantity":{MAX}}}"#);
    let held = format!(r#"{{"hold_id":"H1","hold_type":"QUALITY_HOLD","quantity":{MAX},"reason":"r"}}"#);
    holds(&[line(
        &[("product-stock.receive", &full), (PLACE, &held)],
        (
            PLACE,
            r#"{"hold_id":"H2","hold_type":"QUALITY_HOLD","quantity":1,"reason":"r","accept_shortfall":true}"#,
        ),
        &["! INVALID_COMMAND field=quantity fault=the units held would pass 9223372036854775807"],
    )]);
}

#[test]
fn a_hold_is_released_whole_or_in_part() {
    holds(&[
        line(&[TEN, FIVE_HELD], (RELEASE, r#"{"hold_id":"H1","released_by":"jo"}"#), &["release H1 5 by jo"]),
        line(
            &[TEN, FIVE_HELD],
            (RELEASE, r#"{"hold_id":"H1","quantity":2,"released_by":"jo"}"#),
            &["release H1 2 by jo"],
        ),
        line(
            &[TEN, FIVE_HELD],
            (RELEASE, r#"{"hold_id":"H1","quantity":6,"released_by":"jo"}"#),
            &["! INSUFFICIENT_HOLD hold_id=H1 requested=6 held=5"],
        ),
        line(
            &[TEN, FIVE_HELD],
            (RELEASE, r#"{"hold_id":"H2","released_by":"jo"}"#),
            &["! UNKNOWN_HOLD hold_id=H2"],
        ),
        // Released by hand in the name of expiry, it is no expiry: it bears no instant.
        line(
            &[TEN, FIVE_HELD],
            (RELEASE, r#"{"hold_id":"H1","released_by":"expiry"}"#),
            &["release H1 5 by expiry"],
        ),
    ]);
}
