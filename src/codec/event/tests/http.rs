//! CloudEvents over HTTP become the records that a Kafka client would have written.

use crate::codec::event::http::{FormError, Item, Rejected, parse, split};
use crate::codec::event::{DEFAULT_MAX_BYTES, Decoded, Reason};
use crate::domain::event::{Event, Fact};
use crate::types::{Header, Headers};

const EVENT: &str = r#"{"specversion":"1.0","id":"e-1","source":"/wms","type":"com.paklog.inventory.fulfillment.v1.inventory-valuation.changed",
  "subject":"SKU-1","data":{"valuation_method":"FIFO","previous_unit_cost":2.50,"new_unit_cost":3.000,"previous_total_value":0,"new_total_value":1e2,"quantity":5.0,"reason":"r"}}"#;

type Items = Vec<Result<Item, Rejected>>;

fn post(content_type: Option<&str>, headers: &[(&str, &str)], body: &str) -> Result<Items, FormError> {
    parse(content_type, headers.iter().map(|(n, v)| (*n, v.as_bytes())), body.as_bytes(), 3)
}

fn event(item: &Item) -> Event<'_> {
    match item.decode(DEFAULT_MAX_BYTES) {
        Ok(Decoded::Event(event)) => event,
        other => panic!("{other:?}"),
    }
}

fn text<'h>(headers: &'h Vec<Header>, name: &str) -> Option<&'h str> {
    Headers::last(headers, name).flatten().map(|value| std::str::from_utf8(value).expect("UTF-8"))
}

#[test]
fn a_structured_event_is_stored_as_it_came() {
    let headers = [("X-CORRELATION-ID", "c-1"), ("traceparent", "00-1")];
    let items =
        post(Some("application/cloudevents+json"), &headers, &format!(" {EVENT}\r\n")).expect("a message");
    let [Ok(item)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(item.value, EVENT.as_bytes());
    assert_eq!((item.sku.as_str(), item.event_id.as_str(), item.source.as_str()), ("SKU-1", "e-1", "/wms"));
    assert!(item.event_type.ends_with(".inventory-valuation.changed"));
    assert_eq!(text(&item.headers, "X-Correlation-ID"), Some("c-1"));
    let event = event(item);
    assert_eq!(event.envelope.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(event.envelope.trace_parent.as_deref(), Some("00-1"));
}

#[test]
fn an_events_own_correlation_goes_before_the_requests() {
    let body = EVENT.replacen("\"id\"", "\"correlationid\":\"own\",\"id\"", 1);
    let items = post(Some("application/cloudevents+json"), &[("x-correlation-id", "request")], &body)
        .expect("a message");
    let [Ok(item)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(text(&item.headers, "X-Correlation-ID"), Some("own"));
}

#[test]
fn a_batch_keeps_each_item_byte_for_byte_and_names_the_bad_ones() {
    let body = format!("[ {EVENT} ,\n{{\"id\":\"bad\"}}, {} ]", EVENT.replace("SKU-1", "SKU-2"));
    let items =
        post(Some("application/cloudevents-batch+json; charset=utf-8"), &[], &body).expect("a message");
    let [Ok(first), Err(second), Ok(third)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(first.value, EVENT.as_bytes());
    assert_eq!((second.index, second.event_id.as_deref()), (1, Some("bad")));
    assert_eq!(second.malformed.reason, Reason::SpecVersion);
    assert_eq!(third.sku, "SKU-2");
    assert!(
        matches!(event(third).fact, Fact::ValuationChanged(fact) if fact.new_unit_cost.to_string() == "3")
    );
}

#[test]
fn batches_have_a_limit() {
    let four = format!("[{EVENT},{EVENT},{EVENT},{EVENT}]");
    let error = post(Some("application/cloudevents-batch+json"), &[], &four).expect_err("too many");
    assert_eq!(error, FormError::TooManyItems { found: 4, max: 3 });
    assert_eq!(post(Some("application/cloudevents-batch+json"), &[], "[]"), Ok(Vec::new()));
}

#[test]
fn a_binary_event_becomes_a_binary_record() {
    let headers = [
        ("Ce-SpecVersion", "1.0"),
        ("ce-id", "e%20%E2%82%AC"),
        ("ce-source", "\"/wms\""),
        ("ce-type", "com.paklog.inventory.fulfillment.v1.serial-number.received"),
        ("CE-SUBJECT", "SKU-%C3%84"),
        ("accept", "*/*"),
    ];
    let body = r#"{ "serialNumber":"S1" }"#;
    let items = post(Some("application/json"), &headers, body).expect("a message");
    let [Ok(item)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.sku.as_str(), item.event_id.as_str()), ("SKU-Ä", "e €"));
    assert_eq!(item.value, body.as_bytes());
    assert_eq!(text(&item.headers, "ce_subject"), Some("SKU-Ä"));
    assert_eq!(text(&item.headers, "content-type"), Some("application/json"));
    assert!(item.headers.iter().all(|header| header.name != "accept"));
    assert!(matches!(event(item).fact, Fact::SerialReceived(fact) if fact.serial_number == "S1"));

    let twice = [&headers[..], &[("ce-id", "other")]].concat();
    let items = post(Some("application/json"), &twice, body).expect("a message");
    assert!(
        matches!(items.as_slice(), [Err(bad)] if bad.malformed.reason == Reason::RepeatedKey),
        "{items:?}"
    );
}

#[test]
fn a_kits_sku_is_found_in_its_data() {
    let body = r#"{"specversion":"1.0","id":"1","source":"s","type":"com.paklog.inventory.fulfillment.v1.kit.create","data":{"kitSku":"KIT"}}"#;
    let items = post(Some("application/cloudevents+json"), &[], body).expect("a message");
    assert!(matches!(items.as_slice(), [Ok(item)] if item.sku == "KIT"), "{items:?}");
}

#[test]
fn what_is_no_message_is_refused_as_a_whole() {
    for (content_type, body) in
        [(Some("application/json"), "{}"), (Some("application/cloudevents+avro"), "{}"), (None, "{}")]
    {
        assert!(
            matches!(post(content_type, &[], body), Err(FormError::ContentType { .. })),
            "{content_type:?}"
        );
    }
    for body in ["", "{", "[{}", "{}", "[{},]", "null"] {
        let answer = post(Some("application/cloudevents-batch+json"), &[], body);
        assert!(matches!(answer, Err(FormError::Body(_))), "{body}: {answer:?}");
    }
    for body in ["", "{", "{} {}"] {
        assert!(
            matches!(post(Some("application/cloudevents+json"), &[], body), Err(FormError::Body(_))),
            "{body}"
        );
    }
}

#[test]
fn files_are_one_object_an_array_or_lines() {
    for (text, count) in [
        (EVENT.to_owned(), 1),
        (format!("\u{feff}{EVENT}\n"), 1),
        (format!("[{EVENT},\n{EVENT}]\n"), 2),
        (format!("{EVENT}\n\n{EVENT}\r\n{EVENT}"), 3),
        (String::new(), 0),
    ] {
        let items = split(text.as_bytes()).expect("items");
        assert_eq!(items.len(), count, "{text}");
        for item in items {
            assert_eq!(item.expect("an item").value, EVENT.as_bytes());
        }
    }
    assert!(matches!(split(format!("{EVENT}\n{{oops").as_bytes()), Err(FormError::Body(_))));
    assert!(matches!(split(b"\xff"), Err(FormError::Body(bad)) if bad.reason == Reason::InvalidUtf8));
    let items = split(b"{} 5").expect("items");
    assert!(items.iter().all(Result::is_err), "{items:?}");
}
