use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Letterbox, PARTITION, Place, Stored, content};
use crate::codec::command::CommandHash;
use crate::codec::event::{Decoded, Reason, decode, into_owned};
use crate::codec::result::{self, Outcome, Verdict};
use crate::projector::{KeptRecord, Mode, header};
use crate::types::{Header, NewRecord, NextOffset, Offset, Position, Record, Sku, Topic, Version};

pub(super) fn a_sku_of_this_partition() -> String {
    (0..).map(|i| format!("SKU-{i}")).find(|sku| of_this_partition(sku)).expect("one of three")
}

fn of_this_partition(sku: &str) -> bool {
    crate::types::partition_of(sku, super::COUNT) == PARTITION
}

fn structured(offset: u64, value: &str) -> Stored {
    Stored {
        offset,
        timestamp: 1_793_512_800_000,
        key: None,
        value: Some(value.as_bytes().to_vec()),
        headers: vec![
            Header::new("content-type", "application/cloudevents+json"),
            Header::new("X-Correlation-ID", "c-1"),
            Header { name: "empty".into(), value: None },
        ],
    }
}

/// A level-changed of `sku` with `change` made to its JSON text.
fn level(sku: &str, change: impl FnOnce(String) -> String) -> String {
    change(format!(
        r#"{{"specversion":"1.0","id":"e-1","source":"/wms","type":"com.paklog.inventory.fulfillment.v1.product-stock.level-changed","subject":"{sku}","time":"2026-11-01T12:00:00Z","data":{{"sku":"{sku}","previous_stock_level":{{"quantity_on_hand":0,"quantity_allocated":0,"available_to_promise":0}},"new_stock_level":{{"quantity_on_hand":10,"quantity_allocated":0,"available_to_promise":10}},"change_reason":"RECEIPT"}}}}"#
    ))
}

/// One record per reason.
fn one_of_each() -> BTreeMap<Reason, Stored> {
    let sku = a_sku_of_this_partition();
    let other = (0..).map(|i| format!("SKU-{i}")).find(|sku| !of_this_partition(sku)).expect("two of three");
    let with = |from: &str, to: &str| {
        level(&sku, |text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        })
    };
    let hold = |quantity: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"h","source":"/wms","type":"com.paklog.inventory.fulfillment.v1.inventory-hold.placed","subject":"{sku}","data":{{"sku":"{sku}","hold_id":"H-{quantity}","hold_type":"QUALITY_HOLD","quantity_on_hold":{quantity},"reason":"r"}}}}"#
        )
    };
    let nested = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    let texts = [
        (Reason::TooLarge, with("RECEIPT", &"R".repeat(70_000))),
        (Reason::WrongPartition, level(&other, |text| text)),
        (
            Reason::DisagreeingSku,
            with(&format!(r#""data":{{"sku":"{sku}""#), &format!(r#""data":{{"sku":"{other}""#)),
        ),
        (Reason::InvalidSku, with(&format!(r#""subject":"{sku}""#), r#""subject":"a\u0000b""#)),
        (Reason::InvalidJson, with("RECEIPT\"", "RECEIPT")),
        (Reason::TooDeep, with(r#""change_reason""#, &format!(r#""extra":{nested},"change_reason""#))),
        (Reason::RepeatedKey, with(r#""change_reason""#, r#""changeReason":"ADJUSTMENT","change_reason""#)),
        (Reason::MissingField, with(r#","change_reason":"RECEIPT""#, "")),
        (Reason::InvalidField, with(r#""change_reason":"RECEIPT""#, r#""change_reason":7"#)),
        (Reason::InvalidQuantity, hold("1.5")),
        (Reason::SpecVersion, with(r#""specversion":"1.0""#, r#""specversion":"0.3""#)),
        (Reason::InvalidTime, with("2026-11-01T12:00:00Z", "yesterday")),
    ];
    let mut records: BTreeMap<_, _> =
        texts.into_iter().map(|(reason, text)| (reason, structured(0, &text))).collect();
    records.insert(Reason::NullValue, Stored { value: None, ..structured(0, "") });
    let mut bytes = with("RECEIPT", "RECE~PT").into_bytes();
    let at = bytes.iter().position(|b| *b == b'~').expect("the mark");
    bytes[at] = 0xff;
    records.insert(Reason::InvalidUtf8, Stored { value: Some(bytes), ..structured(0, "") });
    // Twice 2^62 does not fit; the first of them does.
    records.insert(Reason::Overflow, structured(0, &hold("9223372036854775807")));
    records
}

fn header_text<'a>(letter: &'a NewRecord, name: &str) -> Option<&'a str> {
    let header = letter.headers.iter().rev().find(|header| header.name == name)?;
    Some(std::str::from_utf8(header.value.as_deref()?).expect("text"))
}

/// Folding it from the log once more must give the same rows.
#[test]
fn a_record_that_is_larger_than_what_is_read_is_put_aside_though_it_is_known() {
    let (place, letterbox) = (Place::new(), Arc::new(Letterbox::default()));
    let mut projector = place.projector(&letterbox);
    let text = level(&a_sku_of_this_partition(), |text| text.replacen("RECEIPT", &"R".repeat(70_000), 1));
    let large = structured(0, &text);
    let record = large.record(PARTITION);
    let Ok(Decoded::Event(event)) = decode(record.key, record.value, record.headers, usize::MAX) else {
        panic!("an event");
    };
    let event = into_owned(event);
    projector.fold_known([record].into_iter(), |_| Some(&event)).expect("folded");
    projector.commit().expect("written");
    let counters = &projector.store().progress().counters;
    assert_eq!((counters.applied, counters.malformed.get("too_large")), (0, Some(&1)));
    assert_eq!(letterbox.letters().len(), 1);
}

#[test]
fn a_result_that_is_larger_than_what_is_read_is_passed_over_though_it_is_known() {
    let (place, letterbox) = (Place::new(), Arc::new(Letterbox::default()));
    let mut projector = place.projector(&letterbox);
    let sku = a_sku_of_this_partition();
    let outcome = Outcome {
        sku: Sku::new(&sku).expect("a SKU"),
        command_source: "/shop".into(),
        command_id: "cmd-1".into(),
        command_type: "receive".into(),
        command_hash: CommandHash([7; 32]),
        command_position: Position { partition: PARTITION, offset: Offset(4) },
        version: Version(1),
        verdict: Verdict::Rejected {
            code: "INSUFFICIENT_STOCK".into(),
            message: "m".repeat(70_000).into(),
            details: serde_json::json!({}),
        },
    };
    let time = "2026-11-01T12:34:56Z".parse().expect("a time");
    let encoded = result::encode(&outcome, "inventory-store", uuid::Uuid::nil(), time, None, None);
    let large = Stored {
        offset: 0,
        timestamp: 1_793_512_800_000,
        key: Some(sku.into_bytes()),
        value: Some(encoded.value),
        headers: encoded.headers,
    };
    let record = Record { topic: Topic::Results, ..large.record(PARTITION) };
    let mut heard = 0;
    let known = |_: &Record<'_>| Some(&outcome);
    projector.fold_results([record].into_iter(), known, &mut |_| heard += 1).expect("folded");
    assert_eq!(heard, 0);
    projector.commit().expect("written");
    let progress = projector.store().progress();
    assert_eq!(progress.counters.malformed.get("result_too_large"), Some(&1));
    assert_eq!((progress.next_results, progress.next_commands), (NextOffset(1), NextOffset::ZERO));
}

#[test]
fn every_reason_has_its_letter_byte_for_byte_and_stops_nothing() {
    let mut each = one_of_each();
    assert_eq!(each.keys().copied().collect::<Vec<_>>(), {
        let mut all = Reason::ALL.to_vec();
        all.sort();
        all
    });
    let sku = a_sku_of_this_partition();
    let fill = r#"{"specversion":"1.0","id":"first","source":"/wms","type":"com.paklog.inventory.fulfillment.v1.inventory-hold.placed","subject":"SKU","data":{"sku":"SKU","hold_id":"full","hold_type":"QUALITY_HOLD","quantity_on_hold":9223372036854775807,"reason":"r"}}"#;
    let mut records = vec![structured(0, &fill.replace("SKU\"", &format!("{sku}\"")))];
    for (place, record) in each.values_mut().enumerate() {
        record.offset = place as u64 + 1;
        records.push(record.clone());
    }

    for mode in [Mode::Live, Mode::Bulk] {
        let place = Place::new();
        let letterbox = Arc::new(Letterbox::default());
        let mut projector = place.projector(&letterbox);
        projector.set_mode(mode).expect("a mode");
        projector.fold(records.iter().map(|record| record.record(PARTITION))).expect("folded");
        assert_eq!(letterbox.letters(), [], "nothing before the commit");
        projector.commit().expect("committed");

        let letters = letterbox.letters();
        assert_eq!(letters.len(), each.len());
        for (letter, (reason, record)) in letters.iter().zip(&each) {
            assert_eq!(
                header_text(letter, header::REASON),
                Some(reason.name()),
                "{}",
                header_text(letter, header::DETAIL).unwrap_or_default()
            );
            assert!(!header_text(letter, header::DETAIL).expect("a detail").is_empty());
            assert_eq!(header_text(letter, header::TOPIC), Some("inventory.events"));
            assert_eq!(header_text(letter, header::PARTITION), Some("1"));
            assert_eq!(header_text(letter, header::OFFSET), Some(record.offset.to_string().as_str()));
            assert_eq!(header_text(letter, header::TIMESTAMP), Some("1793512800000"));
            assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
            assert_eq!(letter.headers[..record.headers.len()], record.headers);
        }
        let content = content(projector.store());
        assert_eq!(content.progress.next, NextOffset(records.len() as u64));
        assert_eq!(content.progress.dead_letter_mark, content.progress.next);
        assert_eq!(content.progress.counters.applied, 1);
        let counted: BTreeMap<String, u64> =
            each.keys().map(|reason| (reason.name().to_owned(), 1)).collect();
        assert_eq!(content.progress.counters.malformed, counted);
        assert_eq!(content.rows.len(), 1, "no malformed record made a row");
    }
}

#[test]
fn the_position_waits_for_the_letter() {
    let place = Place::new();
    let letterbox = Arc::new(Letterbox::default());
    *letterbox.failing.lock().expect("failing") = 2;
    let mut projector = place.projector(&letterbox);
    projector.fold([structured(4, "{").record(PARTITION)].into_iter()).expect("folded");
    for _ in 0..2 {
        assert!(projector.commit().expect_err("the topic is away").is_retriable());
        assert_eq!(projector.store().progress().next, NextOffset::ZERO);
    }
    projector.commit().expect("committed");
    assert_eq!(projector.store().progress().next, NextOffset(5));
    assert_eq!(letterbox.letters().len(), 1);
    projector.close().expect("closed");

    // A partition folded again, below the mark its store carries, sends nothing twice.
    let mut projector = place.projector(&letterbox);
    projector.fold([structured(5, "{").record(PARTITION)].into_iter()).expect("folded");
    projector.commit().expect("committed");
    assert_eq!(letterbox.letters().len(), 2);
}

#[test]
fn what_no_letter_holds_is_kept_whole_in_the_store() {
    let value = format!("{{\"{}", "x".repeat(4000));
    let mut record = structured(3, &value);
    for (limit, left_out) in [(2000, None), (600, Some("key,headers"))] {
        record.headers.truncate(3);
        record.headers.push(Header::new("large", "y".repeat(500)));
        record.key = Some(b"the key".to_vec());
        let place = Place::new();
        let letterbox = Arc::new(Letterbox { limit, ..Letterbox::default() });
        let mut projector = place.projector(&letterbox);
        projector.fold([record.record(PARTITION)].into_iter()).expect("folded");
        projector.commit().expect("committed");

        let letters = letterbox.letters();
        assert_eq!(letters.len(), 1);
        let letter = &letters[0];
        assert_eq!(letter.value, None);
        assert_eq!(header_text(letter, header::VALUE_LENGTH), Some(value.len().to_string().as_str()));
        assert_eq!(header_text(letter, header::VALUE_SHA256).map(str::len), Some(64));
        assert_eq!(header_text(letter, header::REASON), Some("invalid_json"));
        assert_eq!(header_text(letter, header::LEFT_OUT), left_out);
        assert_eq!(header_text(letter, "large").is_some(), left_out.is_none());
        assert_eq!(letter.key.is_some(), left_out.is_none());

        let kept = projector
            .store()
            .reader()
            .dead(crate::types::Topic::Events, crate::types::Offset(3))
            .expect("a sound store")
            .expect("kept");
        assert_eq!(KeptRecord::decode(&kept), Ok(KeptRecord::of(&record.record(PARTITION))));
    }
}
