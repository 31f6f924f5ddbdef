//! What nobody can be answered for, and bytes of any kind.

use proptest::prelude::*;

use super::golden::records;
use super::*;

fn reason(raw: &Raw) -> Reason {
    match raw.decode() {
        Err(malformed) => malformed.reason,
        Ok(received) => panic!("{received:?}"),
    }
}

#[test]
fn what_cannot_be_answered_is_malformed() {
    let record = |attributes: &str| Raw::structured(&format!(r#"{{{attributes},"data":{{"quantity":1}}}}"#));
    let kind = format!(r#""type":"{TYPE_PREFIX}product-stock.receive""#);
    for (attributes, expected) in [
        (format!(r#""specversion":"1.0","source":"/s",{kind},"subject":"SKU-1""#), Reason::MissingField),
        (
            format!(r#""specversion":"1.0","id":"","source":"/s",{kind},"subject":"SKU-1""#),
            Reason::InvalidField,
        ),
        (format!(r#""specversion":"1.0","id":"i",{kind},"subject":"SKU-1""#), Reason::MissingField),
        (r#""specversion":"1.0","id":"i","source":"/s","subject":"SKU-1""#.to_owned(), Reason::MissingField),
        (
            format!(r#""specversion":"0.3","id":"i","source":"/s",{kind},"subject":"SKU-1""#),
            Reason::SpecVersion,
        ),
        (
            format!(r#""specversion":"1.0","id":"i","id":"j","source":"/s",{kind},"subject":"SKU-1""#),
            Reason::RepeatedKey,
        ),
        (
            format!(r#""specversion":"1.0","id":"i","source":"/s",{kind},"subject":"SKU-2""#),
            Reason::DisagreeingSku,
        ),
        (format!(r#""specversion":"1.0","id":"i","source":"/s",{kind},"subject":7"#), Reason::InvalidField),
        (
            format!(r#""specversion":"1.0","id":"i","source":"/s",{kind},"subject":"{}""#, "S".repeat(1000)),
            Reason::InvalidSku,
        ),
        (
            format!(r#""specversion":"1.0","id":"i","source":"/s",{kind},"subject":"a\u0007b""#),
            Reason::InvalidSku,
        ),
        (format!(r#""specversion":"1.0","id":"i","source":"/s",{kind},"subject":"""#), Reason::InvalidSku),
        (
            format!(
                r#""specversion":"1.0","id":"{}","source":"/s",{kind},"subject":"SKU-1""#,
                "i".repeat(1025)
            ),
            Reason::InvalidField,
        ),
        (
            format!(
                r#""specversion":"1.0","id":"i","source":"/s",{kind},"subject":"SKU-1","data_base64":"e30=""#
            ),
            Reason::InvalidField,
        ),
        (
            format!(
                r#""specversion":"1.0","id":"i","source":"/s",{kind},"subject":"SKU-1","datacontenttype":"text/xml""#
            ),
            Reason::InvalidField,
        ),
    ] {
        assert_eq!(reason(&record(&attributes)), expected, "{attributes}");
    }
}

#[test]
fn a_record_without_a_sku_or_with_another_key_is_malformed() {
    let record = |subject: &str, data: &str, key: Option<&[u8]>| Raw {
        key: key.map(<[u8]>::to_vec),
        ..Raw::structured(&format!(
            r#"{{"specversion":"1.0","id":"i","source":"/s","type":"{TYPE_PREFIX}product-stock.receive"{subject},"data":{data}}}"#
        ))
    };
    assert_eq!(reason(&record("", r#"{"quantity":1}"#, None)), Reason::DisagreeingSku);
    assert_eq!(reason(&record(r#","subject":"SKU-1""#, "{}", Some(b"SKU-2"))), Reason::DisagreeingSku);
    assert_eq!(reason(&record("", r#"{"sku":"SKU-1"}"#, Some(b"SKU-2"))), Reason::DisagreeingSku);
    assert_eq!(reason(&record("", "{}", Some(b"\xff"))), Reason::InvalidUtf8);
    assert_eq!(reason(&record(r#","subject":"SKU-1""#, "{}", Some(b"\xff"))), Reason::InvalidUtf8);
    assert_eq!(reason(&record("", "{}", Some(b"a\0b"))), Reason::InvalidSku);
    // Whichever names it: the subject, the data, the key.
    for raw in [
        record(r#","subject":"SKU-1""#, r#"{"quantity":1}"#, None),
        record("", r#"{"quantity":1,"sku":"SKU-1"}"#, None),
        record("", r#"{"quantity":1}"#, Some(b"SKU-1")),
    ] {
        assert_eq!(accepted(&raw).0.envelope.sku.as_str(), "SKU-1");
    }
}

#[test]
fn bytes_that_are_no_message_are_malformed() {
    let good = Raw::with("product-stock.receive", r#"{"quantity":1}"#, "");
    assert_eq!(reason(&Raw { value: None, ..good.clone() }), Reason::NullValue);
    assert_eq!(reason(&Raw { value: Some(vec![b'x'; 10 << 20]), ..good.clone() }), Reason::TooLarge);
    assert_eq!(reason(&Raw { value: Some(b"\xff\xfe".to_vec()), ..good.clone() }), Reason::InvalidUtf8);
    assert_eq!(reason(&Raw::structured("")), Reason::InvalidJson);
    assert_eq!(reason(&Raw::structured("[]")), Reason::InvalidField);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(reason(&Raw::with("product-stock.receive", &deep, "")), Reason::TooDeep);
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    assert_eq!(reason(&Raw::with("product-stock.receive", &deep, "")), Reason::TooDeep);

    let binary = |content_type: &str, value: &[u8]| Raw {
        key: Some(b"SKU-1".to_vec()),
        value: Some(value.to_vec()),
        headers: vec![
            Header::new("content-type", content_type),
            Header::new("ce_specversion", "1.0"),
            Header::new("ce_id", "i"),
            Header::new("ce_source", "/s"),
            Header::new("ce_type", format!("{TYPE_PREFIX}product-stock.receive")),
            Header::new("ce_subject", "SKU-1"),
        ],
    };
    accepted(&binary("application/json", br#" {"quantity":1} "#));
    assert_eq!(reason(&binary("application/json", br#"{"quantity":1"#)), Reason::InvalidJson);
    assert_eq!(reason(&binary("application/json", br#"{"quantity":1}{"#)), Reason::InvalidJson);
    assert_eq!(reason(&binary("application/json", b"\xff")), Reason::InvalidUtf8);
    assert_eq!(reason(&binary("application/json", b"")), Reason::InvalidJson);
    assert_eq!(reason(&binary("text/xml", b"<a/>")), Reason::InvalidField);
    assert_eq!(reason(&binary("application/cloudevents-batch+json", b"[]")), Reason::InvalidField);
    let mut bad_header = binary("application/json", b"{}");
    bad_header.headers.push(Header::new("ce_id", b"\xff".to_vec()));
    assert_eq!(reason(&bad_header), Reason::InvalidUtf8);
    assert_eq!(fault(&binary("application/json", b"5")), "data: expected an object");
}

#[test]
fn data_in_base64_is_read_as_any_other() {
    use base64::Engine as _;
    let encoded = |data: &[u8]| {
        let text = base64::prelude::BASE64_STANDARD.encode(data);
        Raw::structured(&format!(
            r#"{{"specversion":"1.0","id":"cmd-1","source":"/shop","type":"{TYPE_PREFIX}product-stock.receive","subject":"SKU-1","data_base64":"{text}"}}"#
        ))
    };
    let plain = Raw::with("product-stock.receive", r#"{"quantity":1}"#, "");
    assert_eq!(accepted(&encoded(br#"{"quantity":1}"#)), accepted(&plain));
    assert_eq!(reason(&encoded(b"{")), Reason::InvalidJson);
    assert_eq!(reason(&encoded(b"\xff")), Reason::InvalidUtf8);
}

#[test]
fn clocks_may_be_wrong_by_any_length_of_time() {
    for time in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-01T12:00:00+14:00"] {
        let attributes = format!(r#","time":"{time}","expirytime":"{time}""#);
        let (command, _) = accepted(&Raw::with("product-stock.receive", r#"{"quantity":1}"#, &attributes));
        assert_eq!(command.envelope.expiry_time, time.parse().ok());
    }
}

#[test]
fn headers_carry_correlation_and_trace_where_the_event_does_not() {
    let mut raw = Raw::with("product-stock.receive", r#"{"quantity":1}"#, "");
    raw.headers.push(Header::new("x-correlation-id", "c-9"));
    raw.headers.push(Header::new("traceparent", "t-9"));
    let received = raw.decode().expect("answerable");
    assert_eq!(
        (received.correlation_id.as_deref(), received.trace_parent.as_deref()),
        (Some("c-9"), Some("t-9"))
    );
    let mut raw = Raw::with("product-stock.receive", "{}", r#","correlationid":"own""#);
    raw.headers.push(Header::new("X-Correlation-ID", "c-9"));
    let received = raw.decode().expect("answerable");
    assert_eq!(received.correlation_id.as_deref(), Some("own"));
    assert!(received.command.is_err(), "an invalid command is answered under its correlation id too");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Every golden record, with bytes changed, put in, cut off: read or refused, and never more than that.
    #[test]
    fn mutated_records_never_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..8),
    ) {
        let records = records();
        let (_, mut raw) = records[which.index(records.len())].clone();
        let mut value = raw.value.take().unwrap_or_default();
        for (at, byte, kind) in changes {
            if value.is_empty() {
                break;
            }
            let at = at.index(value.len());
            match kind {
                0 => value[at] = byte,
                1 => value.insert(at, byte),
                2 => drop(value.remove(at)),
                _ => value.truncate(at),
            }
        }
        raw.value = Some(value);
        for extended in [false, true] {
            if let Ok(received) = raw.decode_extended(extended) {
                prop_assert!(!received.id.is_empty() && !received.source.is_empty());
                if let Ok(command) = received.command {
                    prop_assert_eq!(command.envelope.sku, received.sku);
                }
            }
        }
    }

    #[test]
    fn arbitrary_data_never_panics(data in "\\PC{0,60}", name in prop::sample::select(&Request::TYPE_NAMES[..])) {
        let _ = Raw::with(name, &data, "").decode();
        let quoted = serde_json::to_string(&data).expect("JSON");
        for field in ["quantity", "lot", "components", "expires_at", "unit_cost", "quantity_change"] {
            let raw = Raw::with(name, &format!(r#"{{"{field}":{quoted}}}"#), "");
            prop_assert!(raw.decode().expect("answerable").command.is_err());
        }
    }
}

#[test]
fn truncated_records_never_panic() {
    for (name, raw) in records() {
        let value = raw.value.clone().unwrap_or_default();
        for end in 0..value.len() {
            let cut = Raw { value: Some(value[..end].to_vec()), ..raw.clone() };
            assert!(cut.decode().is_err(), "{name} cut at {end}");
        }
    }
}

/// What a command may be at most becomes events and a result that readers take: none of ours is ever too large
/// for ourselves.
#[test]
fn the_largest_command_becomes_records_that_fit() {
    use crate::codec::event::{DEFAULT_MAX_BYTES, Mode};
    use crate::domain::event::{Envelope, Event, Fact};

    // The longest names, of characters that double when written, and the longest text, of one that takes six.
    let name = |number: usize| format!("{number:04}{}", "\"".repeat(251));
    let text = "\u{1}".repeat(MAX_TEXT_BYTES);
    let components: Vec<_> = (0..MAX_COMPONENTS)
        .map(|i| serde_json::json!({"component_sku": name(i), "quantity": i64::MAX, "is_optional": true}))
        .collect();
    let data = serde_json::json!({
        "kit_name": text, "kit_type": "CONFIGURABLE", "components": components, "created_by": text,
    });
    let id = "\u{1}".repeat(MAX_NAME_BYTES);
    let sku = Sku::new(&name(0)[..254]).expect("a SKU");
    let encoded = encode(&Draft {
        name: "kit.create",
        sku: &sku,
        source: &id,
        id: &id,
        time: None,
        expected_version: None,
        expiry_time: None,
        correlation_id: Some(&id),
        trace_parent: Some(&id),
        data: &data,
    });
    let raw = Raw { key: None, value: Some(encoded.value), headers: encoded.headers };
    let (command, _) = accepted(&raw);
    let Request::CreateKit(kit) = command.request else { panic!("{:?}", command.request) };
    let envelope = Envelope {
        id: "00000000-0000-0000-0000-000000000000".into(),
        source: "inventory-store".into(),
        sku: sku.as_str().into(),
        time: Some(UtcTime::MAX),
        sequence: Some(u64::MAX),
        based_on: Some(u64::MAX),
        causation_id: Some((&*id).into()),
        causation_source: Some((&*id).into()),
        correlation_id: Some((&*id).into()),
        trace_parent: Some((&*id).into()),
    };
    let event = Event { envelope, fact: Fact::KitCreated(kit) };
    for mode in [Mode::Structured, Mode::Binary] {
        let encoded = crate::codec::event::encode(&event, mode);
        let headers: usize =
            encoded.headers.iter().map(|h| h.name.len() + h.value.as_ref().map_or(0, Vec::len)).sum();
        let bytes = encoded.value.len() + headers + sku.as_str().len();
        assert!(bytes < DEFAULT_MAX_BYTES, "{mode:?}: {bytes} bytes");
    }
}
