//! Golden records, hostile ones, and mutated ones.

mod golden;
mod hash;
mod hostile;
mod invalid;
mod over_http;

use super::*;
use crate::domain::command::Detail;
use crate::types::Header;

const MAX_BYTES: usize = 1 << 20;

/// A record of the topic.
#[derive(Debug, Clone)]
struct Raw {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

impl Raw {
    /// A structured record, keyed by `SKU-1`.
    fn structured(value: &str) -> Self {
        Self {
            key: Some(b"SKU-1".to_vec()),
            value: Some(value.as_bytes().to_vec()),
            headers: vec![Header::new("content-type", "application/cloudevents+json")],
        }
    }

    /// A structured record with this data and these further attributes, written as JSON members.
    fn with(name: &str, data: &str, attributes: &str) -> Self {
        Self::structured(&format!(
            r#"{{"specversion":"1.0","id":"cmd-1","source":"/shop","type":"{TYPE_PREFIX}{name}","subject":"SKU-1"{attributes},"data":{data}}}"#
        ))
    }

    fn decode(&self) -> Result<Received, Malformed> {
        self.decode_extended(false)
    }

    fn decode_extended(&self, extended_values: bool) -> Result<Received, Malformed> {
        decode(self.key.as_deref(), self.value.as_deref(), &self.headers, MAX_BYTES, extended_values)
    }
}

fn accepted(raw: &Raw) -> (Command, CommandHash) {
    let received = raw.decode().unwrap_or_else(|malformed| panic!("{malformed}: {raw:?}"));
    let hash = received.hash;
    (received.command.unwrap_or_else(|refusal| panic!("{refusal:?}: {raw:?}")), hash)
}

/// `field: fault` of an invalid command.
fn fault(raw: &Raw) -> String {
    fault_of(&raw.decode().unwrap_or_else(|malformed| panic!("{malformed}: {raw:?}")))
}

fn fault_of(received: &Received) -> String {
    let refusal = received.command.as_ref().expect_err("an invalid command");
    assert_eq!(refusal.code, crate::domain::command::RefusalCode::InvalidCommand);
    let text = |name| {
        refusal.details.iter().find_map(|(n, detail)| match detail {
            Detail::Text(text) if *n == name => Some(text.clone()),
            _ => None,
        })
    };
    let (field, fault) = (text("field").expect("a field"), text("fault").expect("a fault"));
    assert_eq!(refusal.message, format!("{field}: {fault}"));
    refusal.message.clone()
}
