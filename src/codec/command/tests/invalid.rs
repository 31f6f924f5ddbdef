//! What can be answered and not granted: `INVALID_COMMAND` names the field and what is wrong with it.

use super::*;

#[test]
fn the_field_and_the_fault_are_named() {
    let receive = "product-stock.receive";
    let adjust = "product-stock.adjust";
    for (name, data, expected) in [
        (receive, "{}", "quantity: is missing"),
        (receive, r#"{"quantity":null}"#, "quantity: is missing"),
        (receive, r#"{"quantity":0}"#, "quantity: expected at least 1"),
        (receive, r#"{"quantity":-1}"#, "quantity: -1 is below 0"),
        (receive, r#"{"quantity":1.5}"#, "quantity: 1.5 is no whole number from -2^63 to 2^63-1"),
        (
            receive,
            r#"{"quantity":9223372036854775808}"#,
            "quantity: 9223372036854775808 is no whole number from -2^63 to 2^63-1",
        ),
        (receive, r#"{"quantity":1e400}"#, "quantity: 1e400 is no whole number from -2^63 to 2^63-1"),
        (receive, r#"{"quantity":"5"}"#, "quantity: expected a whole number"),
        (receive, r#"{"quantity":[5]}"#, "quantity: expected a whole number"),
        (receive, r#"{"quantity":1,"quantity":1}"#, "quantity: stands twice"),
        (receive, r#"{"quantity":1,"surplus":1,"surplus":2}"#, "surplus: stands twice"),
        (
            receive,
            r#"{"quantity":1,"location_id":"A","locationId":"B"}"#,
            "location_id: stands in both spellings with different values",
        ),
        (
            receive,
            r#"{"quantity":1,"location_id":""}"#,
            "location_id: expected 1 to 255 bytes without control characters",
        ),
        (
            receive,
            r#"{"quantity":1,"location_id":"a\u0000"}"#,
            "location_id: expected 1 to 255 bytes without control characters",
        ),
        (receive, r#"{"quantity":1,"location_id":7}"#, "location_id: expected a string"),
        (receive, r#"{"quantity":1,"lot":"L"}"#, "lot: expected an object with lot_number"),
        (receive, r#"{"quantity":1,"lot":{}}"#, "lot_number: is missing"),
        (
            receive,
            r#"{"quantity":1,"lot":{"lot_number":"L","expiry_date":"soon"}}"#,
            "expiry_date: \"soon\" is no date; write for example 2027-01-31 or an RFC 3339 time",
        ),
        (receive, r#"{"quantity":1,"lot":{"lot_number":"L","lot_number":"L"}}"#, "lot_number: stands twice"),
        (receive, r#"{"quantity":1,"unit_cost":-0.5}"#, "unit_cost: -0.5 is below 0"),
        (receive, r#"{"quantity":1,"unit_cost":"cheap"}"#, "unit_cost: expected a decimal number"),
        (
            receive,
            r#"{"quantity":1,"unit_cost":12345678901234567890123456789}"#,
            "unit_cost: a decimal number has at most 28 digits here",
        ),
        (receive, r#"{"quantity":1,"sku":"SKU-2"}"#, "sku: \"SKU-2\" is not the subject, \"SKU-1\""),
        (receive, r#"{"quantity":1,"sku":5}"#, "sku: expected a string"),
        (receive, "null", "data: is missing"),
        (receive, "[1]", "data: expected an object"),
        (receive, r#""quantity""#, "data: expected an object"),
        (
            adjust,
            r#"{"quantity_change":0,"reason":"RETURN"}"#,
            "quantity_change: expected another number than 0",
        ),
        (
            adjust,
            r#"{"quantity_change":-9223372036854775809,"reason":"RETURN"}"#,
            "quantity_change: -9223372036854775809 is no whole number from -2^63 to 2^63-1",
        ),
        (
            adjust,
            r#"{"quantity_change":1,"reason":"RETURN","accept_shortfall":"yes"}"#,
            "accept_shortfall: expected true or false",
        ),
        (
            "product-stock.allocate",
            r#"{"quantity":1,"expires_at":"2026-11-02T00:00:00Z"}"#,
            "expires_at: only an allocation with an allocation_id can expire",
        ),
        (
            "product-stock.allocate",
            r#"{"quantity":1,"allocation_id":"A","expires_at":"tomorrow"}"#,
            "expires_at: \"tomorrow\" is not an RFC 3339 time; write for example 2026-11-01T12:34:56Z",
        ),
        ("product-stock.deallocate", "{}", "allocation_id: is missing; say allocation_id, quantity, or both"),
        (
            "stock-status.change",
            r#"{"quantity":1,"from":"DAMAGED","to":"DAMAGED","reason":"r"}"#,
            "to: expected another status than from",
        ),
        (
            "inventory-hold.release",
            r#"{"hold_id":"H","quantity":0,"released_by":"jo"}"#,
            "quantity: expected at least 1",
        ),
        (
            "stock-transfer.complete",
            r#"{"transfer_id":"T","quantity_transferred":0,"completed_by":"jo"}"#,
            "quantity_transferred: expected at least 1",
        ),
        ("kit.create", r#"{"kit_sku":"SKU-2"}"#, "kit_sku: \"SKU-2\" is not the subject, \"SKU-1\""),
        (
            "kit.create",
            r#"{"kit_name":"K","kit_type":"VIRTUAL","created_by":"jo","components":[{"component_sku":"C","quantity":0}]}"#,
            "components[0]: quantity: expected at least 1",
        ),
        (
            "kit.create",
            r#"{"kit_name":"K","kit_type":"VIRTUAL","created_by":"jo","components":[{"component_sku":"C","quantity":1},{"component_sku":"C","quantity":2}]}"#,
            "components[1]: C stands twice",
        ),
        (
            "kit.create",
            r#"{"kit_name":"K","kit_type":"VIRTUAL","created_by":"jo","components":[{"component_sku":"SKU-1","quantity":1}]}"#,
            "components[0]: a kit is no component of itself",
        ),
        (
            "kit.disassemble",
            r#"{"disassembly_order_id":"O","kit_quantity":1,"components_recovered":{"C":-1},"disassembly_location":"W","completed_by":"jo"}"#,
            "components_recovered.C: -1 is below 0",
        ),
        (
            "kit.disassemble",
            r#"{"disassembly_order_id":"O","kit_quantity":1,"components_recovered":{"C":1,"C":1},"disassembly_location":"W","completed_by":"jo"}"#,
            "C: stands twice",
        ),
    ] {
        assert_eq!(fault(&Raw::with(name, data, "")), expected, "{name} {data}");
    }
}

#[test]
fn attributes_are_named_as_well() {
    for (attributes, expected) in [
        (
            r#","expectedversion":"seven""#,
            "expectedversion: \"seven\" is no version; write it as a decimal string, for example \"7\"",
        ),
        (
            r#","expectedversion":-1"#,
            "expectedversion: -1 is no version; write it as a decimal string, for example \"7\"",
        ),
        (
            r#","expectedversion":"18446744073709551616""#,
            "expectedversion: \"18446744073709551616\" is no version; write it as a decimal string, for example \"7\"",
        ),
        (
            r#","expectedversion":true"#,
            "expectedversion: no string or number is no version; write it as a decimal string, for example \"7\"",
        ),
        (
            r#","expirytime":"noon""#,
            "expirytime: \"noon\" is not an RFC 3339 time; write for example 2026-11-01T12:34:56Z",
        ),
        (r#","expirytime":5"#, "expirytime: expected an RFC 3339 time in a string"),
        (
            r#","time":"noon""#,
            "time: \"noon\" is not an RFC 3339 time; write for example 2026-11-01T12:34:56Z",
        ),
    ] {
        assert_eq!(fault(&Raw::with("product-stock.receive", r#"{"quantity":1}"#, attributes)), expected);
    }
    let long = format!(r#","correlationid":"{}""#, "c".repeat(MAX_NAME_BYTES + 1));
    let received =
        Raw::with("product-stock.receive", r#"{"quantity":1}"#, &long).decode().expect("answerable");
    assert_eq!(fault_of(&received), "correlationid: expected at most 1024 bytes");
    assert_eq!(received.correlation_id, None, "what is too long is not carried on");
    let version = format!(r#","expectedversion":"{}""#, u64::MAX);
    let (command, _) = accepted(&Raw::with("product-stock.receive", r#"{"quantity":1}"#, &version));
    assert_eq!(command.envelope.expected_version, Some(u64::MAX));
}

#[test]
fn an_unknown_type_is_told_the_known_ones() {
    for name in ["product-stock.level-changed", "product-stock.recieve", ""] {
        let received = Raw::with(name, "{}", "").decode().expect("answerable");
        assert!(fault_of(&received).starts_with("type: "), "{name}");
        let refusal = received.command.expect_err("invalid");
        let Some((_, Detail::Texts(allowed))) = refusal.details.iter().find(|(name, _)| *name == "allowed")
        else {
            panic!("{refusal:?}")
        };
        assert_eq!(allowed.len(), 19);
        assert!(allowed.contains(&format!("{TYPE_PREFIX}kit.disassemble")));
    }
    let foreign = r#"{"specversion":"1.0","id":"i","source":"s","type":"order.placed","subject":"SKU-1"}"#;
    assert!(fault(&Raw::structured(foreign)).starts_with("type: \"order.placed\" is no command"));
}

/// Values that the platform's schemas do not list are written only where the setting says so.
#[test]
fn values_that_no_schema_lists_need_the_setting() {
    for (name, data, field, one_allowed) in [
        ("product-stock.receive", r#"{"quantity":1,"reason":"GIFT"}"#, "reason", "RECEIPT"),
        ("product-stock.receive", r#"{"quantity":1,"status":"RETURNED"}"#, "status", "QUARANTINE"),
        ("product-stock.adjust", r#"{"quantity_change":1,"reason":"FOUND"}"#, "reason", "CYCLE_COUNT"),
        ("product-stock.set", r#"{"quantity":1,"reason":"count"}"#, "reason", "PHYSICAL_COUNT"),
        (
            "stock-status.change",
            r#"{"quantity":1,"from":"RESERVED","to":"DAMAGED","reason":"r"}"#,
            "from",
            "IN_TRANSIT",
        ),
        (
            "stock-status.change",
            r#"{"quantity":1,"from":"DAMAGED","to":"ALLOCATED","reason":"r"}"#,
            "to",
            "EXPIRED",
        ),
        (
            "inventory-hold.place",
            r#"{"hold_id":"H","hold_type":"LEGAL_HOLD","quantity":1,"reason":"r"}"#,
            "hold_type",
            "REGULATORY_HOLD",
        ),
        (
            "inventory-valuation.change",
            r#"{"valuation_method":"FEFO","unit_cost":1,"reason":"r"}"#,
            "valuation_method",
            "STANDARD_COST",
        ),
        (
            "abc-classification.change",
            r#"{"new_class":"D","criteria":"COMBINED","reason":"r"}"#,
            "new_class",
            "C",
        ),
        (
            "abc-classification.change",
            r#"{"new_class":"A","criteria":"GUESS","reason":"r"}"#,
            "criteria",
            "VELOCITY_BASED",
        ),
        (
            "kit.create",
            r#"{"kit_name":"K","kit_type":"EDIBLE","components":[],"created_by":"jo"}"#,
            "kit_type",
            "CONFIGURABLE",
        ),
    ] {
        let raw = Raw::with(name, data, "");
        assert!(fault(&raw).starts_with(&format!("{field}: ")), "{name} {data}");
        let refusal = raw.decode().expect("answerable").command.expect_err("invalid");
        let allowed = refusal.details.iter().find(|(name, _)| *name == "allowed").map(|(_, detail)| detail);
        assert!(
            matches!(allowed, Some(Detail::Texts(texts)) if texts.iter().any(|text| text == one_allowed)),
            "{name} {data}: {allowed:?}"
        );
        assert!(raw.decode_extended(true).expect("answerable").command.is_ok(), "{name} {data}");
    }
}

#[test]
fn free_text_and_lists_are_bounded() {
    let comment = |bytes: usize| {
        let text = "x".repeat(bytes);
        Raw::with(
            "product-stock.adjust",
            &format!(r#"{{"quantity_change":1,"reason":"RETURN","comment":"{text}"}}"#),
            "",
        )
    };
    accepted(&comment(MAX_TEXT_BYTES));
    assert_eq!(fault(&comment(MAX_TEXT_BYTES + 1)), "comment: expected at most 4096 bytes, these are 4097");

    let kit = |components: usize| {
        let list: Vec<String> =
            (0..components).map(|i| format!(r#"{{"component_sku":"C-{i}","quantity":1}}"#)).collect();
        let data = format!(
            r#"{{"kit_name":"K","kit_type":"VIRTUAL","components":[{}],"created_by":"jo"}}"#,
            list.join(",")
        );
        Raw::with("kit.create", &data, "")
    };
    accepted(&kit(MAX_COMPONENTS));
    assert_eq!(
        fault(&kit(MAX_COMPONENTS + 1)),
        "components: expected at most 1000 components, these are 1001"
    );
}
