//! Commands over HTTP: the same forms as events.

use super::*;
use crate::codec::event::http::{parse, split};

const ATTRIBUTES: &str = r#""specversion":"1.0","source":"/shop","subject":"SKU-1","type":"com.paklog.inventory.fulfillment.v1.product-stock.receive""#;

fn none<'h>() -> std::iter::Empty<(&'h str, &'h [u8])> {
    std::iter::empty()
}

#[test]
fn every_form_becomes_the_same_command() {
    let structured = format!(r#"{{{ATTRIBUTES},"id":"cmd-1","data":{{"quantity":5}}}}"#);
    let batch = format!("[{structured}]");
    let headers: [(&str, &[u8]); 6] = [
        ("ce-specversion", b"1.0"),
        ("Ce-Id", b"cmd-1"),
        ("ce-source", b"/shop"),
        ("ce-type", b"com.paklog.inventory.fulfillment.v1.product-stock.receive"),
        ("ce-subject", b"SKU-1"),
        ("X-Correlation-ID", b"c-1"),
    ];
    let items = [
        parse(Some("application/cloudevents+json"), none(), structured.as_bytes(), 10).expect("a form"),
        parse(Some("application/cloudevents-batch+json"), none(), batch.as_bytes(), 10).expect("a form"),
        parse(Some("application/json"), headers.into_iter(), br#"{"quantity":5}"#, 10).expect("a form"),
        split(structured.as_bytes()).expect("a text"),
    ];
    let mut hashes = Vec::new();
    for items in items {
        let item = items.into_iter().next().expect("an item").expect("a sound item");
        let received = item.decode_command(MAX_BYTES, false).expect("answerable");
        assert_eq!((&*received.id, &*received.source), ("cmd-1", "/shop"));
        assert!(received.command.is_ok(), "{received:?}");
        hashes.push(received.hash);
    }
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_batch_with_one_bad_member_names_it() {
    let good = |id: &str| format!(r#"{{{ATTRIBUTES},"id":"{id}","data":{{"quantity":5}}}}"#);
    let bad = r#"{"specversion":"1.0","id":"bad","type":"t","source":"s"}"#;
    let body = format!("[{},{bad},{}]", good("a"), good("b"));
    let items =
        parse(Some("application/cloudevents-batch+json"), none(), body.as_bytes(), 10).expect("a form");
    assert_eq!(items.len(), 3);
    let rejected = items[1].as_ref().expect_err("no SKU");
    assert_eq!((rejected.index, rejected.event_id.as_deref()), (1, Some("bad")));
    for (at, id) in [(0, "a"), (2, "b")] {
        let item = items[at].as_ref().expect("a sound item");
        assert_eq!(&*item.decode_command(MAX_BYTES, false).expect("answerable").id, id);
    }
}
