//! Every reason for which a record is put aside, and what is just about accepted.

use serde_json::{Value, json};

use crate::codec::event::{DEFAULT_MAX_BYTES, Decoded, Malformed, Reason, decode};
use crate::domain::event::{Event, Fact};
use crate::types::Header;

const STRUCTURED: &str = "application/cloudevents+json";

/// A well-formed event whose `data` is about a hold.
fn hold() -> Value {
    json!({
        "specversion": "1.0",
        "id": "e-1",
        "source": "/wms",
        "type": "com.paklog.inventory.fulfillment.v1.inventory-hold.placed",
        "subject": "SKU-1",
        "time": "2026-11-01T12:34:56.123Z",
        "data": {
            "sku": "SKU-1", "hold_id": "H1", "hold_type": "QUALITY_HOLD", "quantity_on_hold": 5, "reason": "look",
        },
    })
}

/// The text of [`hold`] with `from` replaced by `to`.
fn edited(from: &str, to: &str) -> String {
    let text = hold().to_string();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replacen(from, to, 1)
}

fn structured() -> Vec<Header> {
    vec![Header::new("content-type", STRUCTURED)]
}

fn read_bytes(value: &[u8]) -> Result<Event<'static>, Malformed> {
    let headers = structured();
    let decoded = decode(Some(b"SKU-1"), Some(value), &headers, DEFAULT_MAX_BYTES);
    let asked = crate::codec::event::oracle::decode(Some(b"SKU-1"), Some(value), &headers, DEFAULT_MAX_BYTES);
    assert_eq!(reason(&decoded), reason(&asked), "{}", String::from_utf8_lossy(value));
    match decoded? {
        Decoded::Event(event) => Ok(crate::codec::event::into_owned(event)),
        Decoded::Unknown { event_type } => panic!("unknown type {event_type}"),
    }
}

fn reason<T>(result: &Result<T, Malformed>) -> Option<Reason> {
    result.as_ref().err().map(|malformed| malformed.reason)
}

fn read(text: &str) -> Result<Event<'static>, Malformed> {
    read_bytes(text.as_bytes())
}

#[track_caller]
fn refused(text: &str, expected: Reason) {
    match read(text) {
        Err(malformed) => assert_eq!(malformed.reason, expected, "{malformed}: {text}"),
        Ok(event) => panic!("{text} was read as {event:?}"),
    }
}

#[test]
fn the_example_itself_is_well_formed() {
    let event = read(&hold().to_string()).expect("an event");
    let Fact::HoldPlaced(fact) = event.fact else { panic!("{:?}", event.fact) };
    assert_eq!((&*fact.hold_id, fact.quantity.units()), ("H1", 5));
    assert_eq!(event.envelope.time.expect("a time").to_string(), "2026-11-01T12:34:56.123Z");
}

#[test]
fn size_and_null_values() {
    let text = hold().to_string();
    let headers = structured();
    let at = |max| reason(&decode(None, Some(text.as_bytes()), &headers, max));
    assert_eq!(at(text.len()), None);
    assert_eq!(at(text.len() - 1), Some(Reason::TooLarge));
    assert_eq!(reason(&decode(Some(b"SKU-1"), None, &headers, 10)), Some(Reason::NullValue));
}

#[test]
fn text_that_is_no_utf8() {
    let text = hold().to_string().into_bytes();
    for bad in [&[0xff][..], &[0xc0, 0x80], &[0xed, 0xa0, 0x80], &[0xf4, 0x90, 0x80, 0x80], &[0xe2, 0x82]] {
        // In a value, in a name, between tokens.
        for place in ["look", "hold_id", "{\""] {
            let at = text.windows(place.len()).position(|w| w == place.as_bytes()).expect(place);
            let mut broken = text.clone();
            broken.splice(at..at + 1, bad.iter().copied());
            assert_eq!(reason(&read_bytes(&broken)), Some(Reason::InvalidUtf8), "{bad:x?} in {place}");
        }
    }
    let value = text.clone();
    assert_eq!(reason(&decode(Some(&[0xff]), Some(&value), &structured(), 9999)), Some(Reason::InvalidUtf8));
    let headers = vec![Header::new("content-type", vec![0xff])];
    assert_eq!(reason(&decode(None, Some(&value), &headers, 9999)), Some(Reason::InvalidUtf8));
}

#[test]
fn broken_json() {
    for text in [
        "",
        " ",
        "{",
        "nul",
        "\u{feff}{}",
        "{\"a\":1,}",
        "[1,]",
        "{'a':1}",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "--1",
        "{}{}",
        "NaN",
    ] {
        refused(text, Reason::InvalidJson);
    }
    refused(&format!("\u{feff}{}", hold()), Reason::InvalidJson);
    refused(&format!("{} x", hold()), Reason::InvalidJson);
    refused(&edited("\"look\"", "\"look\","), Reason::InvalidJson);
    for string in [
        r#""\ud800""#,
        r#""\udc00x""#,
        r#""\ud800\ud800""#,
        r#""\x""#,
        "\"a\nb\"",
        "\"a\u{0}b\"",
        r#""\u12""#,
    ] {
        refused(&edited("\"look\"", string), Reason::InvalidJson);
        // Skipped values are held to the grammar too.
        refused(
            &edited("\"reason\":\"look\"", &format!("\"reason\":\"x\",\"new\":[{{\"a\":{string}}}]")),
            Reason::InvalidJson,
        );
    }
    // A grammar error anywhere comes before whatever else is wrong.
    refused(&edited("\"specversion\":\"1.0\"", "\"specversion\":\"1.0\",\"zz\":01"), Reason::InvalidJson);
    let text = hold().to_string();
    for cut in 0..text.len() {
        refused(&text[..cut], Reason::InvalidJson);
    }
}

#[test]
fn a_value_that_is_no_object() {
    for text in ["5", "[]", "null", "\"x\"", "[{}]"] {
        refused(text, Reason::InvalidField);
    }
}

#[test]
fn nesting() {
    let nested = |levels: usize| {
        let deep = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        edited("\"reason\":\"look\"", &format!("\"reason\":\"x\",\"new\":{deep}"))
    };
    // The object and `data` are two levels.
    assert!(read(&nested(62)).is_ok());
    refused(&nested(63), Reason::TooDeep);
    refused(&nested(10_000), Reason::TooDeep);
    refused(&"[".repeat(10_000), Reason::TooDeep);
    refused(&"{\"a\":".repeat(100_000), Reason::TooDeep);
}

#[test]
fn repeated_names() {
    refused(&edited("\"id\":\"e-1\"", "\"id\":\"e-1\",\"id\":\"e-1\""), Reason::RepeatedKey);
    refused(&edited("\"hold_id\":\"H1\"", "\"hold_id\":\"H1\",\"hold_id\":\"H1\""), Reason::RepeatedKey);
    refused(
        &edited("\"hold_id\":\"H1\"", "\"hold_id\":\"H1\",\"hold\\u005fid\":\"H1\""),
        Reason::RepeatedKey,
    );
    refused(&edited("\"hold_id\":\"H1\"", "\"hold_id\":\"H1\",\"holdId\":\"H2\""), Reason::RepeatedKey);
    refused(&edited("\"hold_id\":\"H1\"", "\"hold_id\":\"H1\",\"x\":1,\"y\":2,\"x\":1"), Reason::RepeatedKey);
    // Both spellings with one value; null says nothing; what is not read may repeat itself.
    for both in [
        r#""hold_id":"H1","holdId":"\u0048\u0031""#,
        r#""hold_id":null,"holdId":"H1""#,
        r#""holdId":"H1","hold_id":null"#,
        r#""hold_id":"H1","new":{"x":1,"x":2}"#,
    ] {
        let event = read(&edited("\"hold_id\":\"H1\"", both)).expect(both);
        assert!(matches!(event.fact, Fact::HoldPlaced(fact) if fact.hold_id == "H1"));
    }
    let both = "\"quantity_on_hold\":5,\"quantityOnHold\":";
    assert!(read(&edited("\"quantity_on_hold\":5", &format!("{both}5.0"))).is_ok());
    refused(&edited("\"quantity_on_hold\":5", &format!("{both}6")), Reason::RepeatedKey);
}

#[test]
fn missing_and_wrong_fields() {
    for (from, to) in [
        ("\"hold_id\":\"H1\",", ""),
        ("\"hold_id\":\"H1\"", "\"hold_id\":null"),
        ("\"quantity_on_hold\":5,", ""),
        ("\"id\":\"e-1\",", ""),
        ("\"source\":\"/wms\"", "\"source\":null"),
        ("\"type\":\"com.paklog.inventory.fulfillment.v1.inventory-hold.placed\"", "\"typo\":1"),
    ] {
        refused(&edited(from, to), Reason::MissingField);
    }
    let mut event = hold();
    event.as_object_mut().expect("an object").remove("data");
    refused(&event.to_string(), Reason::MissingField);
    for (from, to) in [
        ("\"e-1\"", "\"\""),
        ("\"e-1\"", "7"),
        ("\"/wms\"", "\"\""),
        ("\"H1\"", "\"\""),
        ("\"H1\"", "7"),
        ("\"H1\"", "\"a\\u0000b\""),
        ("\"H1\"", &format!("\"{}\"", "x".repeat(256))),
        ("\"look\"", "{}"),
        ("\"subject\":\"SKU-1\"", "\"subject\":1"),
        ("\"subject\":", "\"datacontenttype\":\"application/xml\",\"subject\":"),
        ("\"subject\":", "\"data_base64\":\"e30=\",\"subject\":"),
    ] {
        refused(&edited(from, to), Reason::InvalidField);
    }
    assert!(read(&edited("\"H1\"", &format!("\"{}\"", "x".repeat(255)))).is_ok());
    // Free text may hold any character, NUL too.
    let event = read(&edited("\"look\"", "\"a\\u0000b\"")).expect("an event");
    assert!(matches!(event.fact, Fact::HoldPlaced(fact) if fact.reason == "a\0b"));
}

#[test]
fn quantities() {
    for number in
        ["5.5", "-1", "1e400", "1e-400", "9223372036854775808", "\"5\"", "true", "{}", &"9".repeat(5000)]
    {
        refused(&edited("_hold\":5", &format!("_hold\":{number}")), Reason::InvalidQuantity);
    }
    for (number, units) in
        [("5.0", 5), ("5e0", 5), ("-0", 0), ("0.05E2", 5), ("9223372036854775807", i64::MAX as u64)]
    {
        let event = read(&edited("_hold\":5", &format!("_hold\":{number}"))).expect(number);
        assert!(matches!(event.fact, Fact::HoldPlaced(fact) if fact.quantity.units() == units), "{number}");
    }
}

#[test]
fn spec_versions_and_times() {
    for version in ["\"0.3\"", "\"1\"", "1.0", "null", "\"1.0 \""] {
        refused(&edited("\"1.0\"", version), Reason::SpecVersion);
    }
    refused(&edited("\"specversion\":\"1.0\",", ""), Reason::SpecVersion);
    for time in [
        "\"\"",
        "\"yesterday\"",
        "\"2026-11-01\"",
        "\"2026-02-30T00:00:00Z\"",
        "1793536496",
        "\"2026-11-01T12:34:56\"",
    ] {
        refused(&edited("\"2026-11-01T12:34:56.123Z\"", time), Reason::InvalidTime);
        refused(&edited("\"reason\"", &format!("\"expires_at\":{time},\"reason\"")), Reason::InvalidTime);
    }
    assert!(read(&edited("\"2026-11-01T12:34:56.123Z\"", "null")).is_ok());
}

#[test]
fn skus() {
    refused(&edited("\"subject\":\"SKU-1\"", "\"subject\":\"SKU-2\""), Reason::DisagreeingSku);
    refused(&edited("\"sku\":\"SKU-1\"", "\"sku\":\"SKU-2\""), Reason::DisagreeingSku);
    refused(&edited("\"subject\":\"SKU-1\"", "\"subject\":\"\""), Reason::InvalidSku);
    refused(&edited("\"subject\":\"SKU-1\"", "\"subject\":\"a\\u0000b\""), Reason::InvalidSku);
    refused(
        &edited("\"subject\":\"SKU-1\"", &format!("\"subject\":\"{}\"", "x".repeat(256))),
        Reason::InvalidSku,
    );
    let mut event = hold();
    event.as_object_mut().expect("an object").remove("subject");
    let without_subject = event.to_string();
    event["data"].as_object_mut().expect("an object").remove("sku");
    let without_any = event.to_string();
    let headers = structured();
    let sku = |key: Option<&[u8]>, text: &str| match decode(key, Some(text.as_bytes()), &headers, 9999) {
        Ok(Decoded::Event(event)) => Ok(event.envelope.sku.into_owned()),
        Ok(other) => panic!("{other:?}"),
        Err(malformed) => Err(malformed.reason),
    };
    assert_eq!(sku(None, &without_subject), Ok("SKU-1".to_owned()));
    assert_eq!(sku(Some(b"SKU-9"), &without_subject), Err(Reason::DisagreeingSku));
    assert_eq!(sku(Some(b"SKU-9"), &without_any), Ok("SKU-9".to_owned()));
    assert_eq!(sku(None, &without_any), Err(Reason::DisagreeingSku));
    assert_eq!(sku(Some(b""), &without_any), Err(Reason::InvalidSku));
}

/// The headers of a binary record, `more` behind them.
fn binary(more: &[(&str, Option<&[u8]>)]) -> Vec<Header> {
    let attributes = [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", "e-1"),
        ("ce_source", "/wms"),
        ("ce_type", "com.paklog.inventory.fulfillment.v1.inventory-hold.placed"),
        ("ce_subject", "SKU-1"),
    ];
    let mut headers: Vec<_> = attributes.iter().map(|(name, value)| Header::new(*name, *value)).collect();
    headers.extend(
        more.iter()
            .map(|(name, value)| Header { name: (*name).to_owned(), value: value.map(<[u8]>::to_vec) }),
    );
    headers
}

fn read_binary(more: &[(&str, Option<&[u8]>)]) -> Result<Decoded<'static>, Reason> {
    let value = hold()["data"].to_string().into_bytes();
    let key = Some(b"SKU-1".to_vec());
    super::agreement::agreed(&super::agreement::Raw { key, value, headers: binary(more) })
}

#[test]
fn binary_headers() {
    let is_event = |more: &[(&str, Option<&[u8]>)]| match read_binary(more) {
        Ok(Decoded::Event(event)) => event,
        other => panic!("{more:?}: {other:?}"),
    };
    // The last of several counts, as for Kafka's clients; a null value is as good as none.
    assert_eq!(is_event(&[("ce_id", Some(b"e-2"))]).envelope.id, "e-2");
    assert_eq!(read_binary(&[("ce_id", None)]), Err(Reason::MissingField));
    assert_eq!(read_binary(&[("ce_specversion", None)]), Err(Reason::SpecVersion));
    assert_eq!(is_event(&[("ce_subject", None)]).envelope.sku, "SKU-1");
    assert_eq!(read_binary(&[("ce_time", Some(b"noon"))]), Err(Reason::InvalidTime));
    assert_eq!(read_binary(&[("ce_source", Some(&[0xff]))]), Err(Reason::InvalidUtf8));
    // Content types: none is JSON, another is not read, unless the type is unknown anyway.
    assert_eq!(is_event(&[("content-type", None)]).envelope.id, "e-1");
    assert_eq!(is_event(&[("content-type", Some(b"Application/Vnd.X+JSON"))]).envelope.id, "e-1");
    assert_eq!(read_binary(&[("content-type", Some(b"text/xml"))]), Err(Reason::InvalidField));
    assert_eq!(
        read_binary(&[("content-type", Some(b"application/cloudevents-batch+json"))]),
        Err(Reason::InvalidField)
    );
    let newer: (&str, Option<&[u8]>) = ("ce_type", Some(b"com.example.newer"));
    for content_type in ["text/xml", "application/json"] {
        let answer = read_binary(&[newer, ("content-type", Some(content_type.as_bytes()))]);
        assert_eq!(answer, Ok(Decoded::Unknown { event_type: "com.example.newer".into() }), "{content_type}");
    }
    // What only informs never makes a record malformed.
    let event = is_event(&[
        ("X-Correlation-ID", None),
        ("x-correlation-id", Some(b"c-1")),
        ("traceparent", Some(&[0xff])),
        ("ce_sequence", Some(b"-1")),
        ("ce_basedon", Some(b"007")),
        ("", None),
    ]);
    assert_eq!(event.envelope.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(
        (event.envelope.trace_parent, event.envelope.sequence, event.envelope.based_on),
        (None, None, Some(7))
    );
}

#[test]
fn an_unknown_type_is_passed_over_and_still_checked() {
    let newer = edited("inventory-hold.placed", "inventory-hold.teleported");
    let headers = structured();
    let ask = |text: &str| {
        let raw =
            super::agreement::Raw { key: None, value: text.as_bytes().to_vec(), headers: headers.clone() };
        super::agreement::agreed(&raw).map(|decoded| matches!(decoded, Decoded::Unknown { .. }))
    };
    assert_eq!(ask(&newer), Ok(true));
    assert_eq!(ask(&newer.replace("\"SKU-1\"", "\"other\"")), Ok(true));
    assert_eq!(ask(&newer[..newer.len() - 1]), Err(Reason::InvalidJson));
    assert_eq!(ask(&newer.replacen("\"look\"", "01", 1)), Err(Reason::InvalidJson));
    assert_eq!(ask(&newer.replacen("\"id\"", "\"id\":1,\"id\"", 1)), Err(Reason::RepeatedKey));
}

#[test]
fn base64_data_is_read_as_any_other() {
    use base64::Engine as _;
    let with = |data: &[u8]| {
        let mut event = hold();
        event.as_object_mut().expect("an object").remove("data");
        event["data_base64"] = base64::prelude::BASE64_STANDARD.encode(data).into();
        event.to_string()
    };
    assert!(read(&with(hold()["data"].to_string().as_bytes())).is_ok());
    refused(&with(b"{"), Reason::InvalidJson);
    refused(&with(&[0xff]), Reason::InvalidUtf8);
    refused(&with(b"[]"), Reason::InvalidField);
    refused(&with(br#"{"sku":"SKU-1","sku":"SKU-1"}"#), Reason::RepeatedKey);
    refused(&with("[".repeat(10_000).as_bytes()), Reason::TooDeep);
    refused(&edited("\"data\":{", "\"data_base64\":\"!\",\"x\":{"), Reason::InvalidField);
}

#[test]
fn costs() {
    let event = |cost: &str| {
        json!({
            "specversion": "1.0", "id": "e", "source": "s", "subject": "SKU-1",
            "type": "com.paklog.inventory.fulfillment.v1.inventory-valuation.changed",
            "data": {"valuation_method": "FIFO", "new_unit_cost": 1, "previous_total_value": 1,
                "new_total_value": 1, "quantity": 1, "reason": "r"},
        })
        .to_string()
        .replacen("\"data\":{", &format!("\"data\":{{\"previous_unit_cost\":{cost},"), 1)
    };
    for cost in
        ["true", "\"\"", "\" 1\"", "\"1,5\"", "[]", "1e400", "0.00000000000000000000000000001", "\"NaN\""]
    {
        refused(&event(cost), Reason::InvalidField);
    }
    refused(&event("null"), Reason::MissingField);
    for (cost, shown) in [
        ("0.1", "0.1"),
        ("\"2.50\"", "2.5"),
        ("-0.0", "0"),
        ("12345678901234567890.12345678", "12345678901234567890.12345678"),
        ("\"\\u0031e2\"", "100"),
    ] {
        let read = read(&event(cost)).expect(cost);
        assert!(
            matches!(read.fact, Fact::ValuationChanged(fact) if fact.previous_unit_cost.to_string() == shown)
        );
    }
}

#[test]
fn data_before_its_type_is_read_whatever_the_rest_suggests() {
    let event_type = "\"type\":\"com.paklog.inventory.fulfillment.v1.inventory-hold.placed\"";
    let other = event_type.replace("placed", "released");
    let text = hold().to_string();
    assert!(text.find("\"data\":") < text.find("\"type\":"), "{text}");
    for suggestion in [
        format!("{event_type},\"zz\":{{{other}}}"),
        format!("\"yy\":{{{other}}},{event_type}"),
        event_type.replace(':', " : "),
        event_type.replace("com.paklog", "com\\u002epaklog"),
    ] {
        let event = read(&edited(event_type, &suggestion)).expect(&suggestion);
        assert!(matches!(event.fact, Fact::HoldPlaced(fact) if fact.quantity.units() == 5), "{suggestion}");
    }
}
