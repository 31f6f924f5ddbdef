use smallvec::SmallVec;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::RowError;
use super::wire::{self, SchemaRead, SchemaWrite};
use crate::codec::command::CommandHash;
use crate::codec::result::{Outcome, Verdict};
use crate::types::{Offset, Partition, Position, Sku, Version};

/// The version byte of outcomes.
pub(super) const OUTCOME_VERSION: u8 = 1;

/// [`Outcome`] as it is written. The order of fields is the format.
#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredOutcome<'a> {
    sku: &'a str,
    command_source: &'a str,
    command_id: &'a str,
    command_type: &'a str,
    command_hash: [u8; 32],
    partition: u16,
    offset: u64,
    version: u64,
    verdict: StoredVerdict<'a>,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) enum StoredVerdict<'a> {
    Accepted {
        event_ids: Vec<[u8; 16]>,
    },
    Rejected {
        code: &'a str,
        message: &'a str,
        /// JSON, compact, members sorted by name.
        details: &'a str,
    },
}

/// The key of a command's outcome: xxh3_128 (seed 0) over SKU, source and id, each behind its length as a
/// u32; little-endian, both. Two commands may share one, however unlikely: compare the outcome's own names.
#[must_use]
pub fn outcome_key(sku: &Sku, source: &str, id: &str) -> [u8; 16] {
    let mut framed: SmallVec<[u8; 256]> = SmallVec::new();
    for part in [sku.as_str(), source, id] {
        // A part of a record is far shorter than 2^32 bytes.
        framed.extend_from_slice(&(part.len() as u32).to_le_bytes());
        framed.extend_from_slice(part.as_bytes());
    }
    xxh3_128(&framed).to_le_bytes()
}

/// Appends the value of an outcome.
pub fn encode_outcome(outcome: &Outcome, out: &mut Vec<u8>) {
    out.push(OUTCOME_VERSION);
    let text;
    let verdict = match &outcome.verdict {
        Verdict::Accepted { event_ids } => {
            StoredVerdict::Accepted { event_ids: event_ids.iter().map(|id| *id.as_bytes()).collect() }
        }
        Verdict::Rejected { code, message, details } => {
            text = details.to_string();
            StoredVerdict::Rejected { code, message, details: &text }
        }
    };
    let stored = StoredOutcome {
        sku: outcome.sku.as_str(),
        command_source: &outcome.command_source,
        command_id: &outcome.command_id,
        command_type: &outcome.command_type,
        command_hash: outcome.command_hash.0,
        partition: outcome.command_position.partition.0,
        offset: outcome.command_position.offset.0,
        version: outcome.version.0,
        verdict,
    };
    wire::write(&stored, out);
}

/// # Errors
/// [`RowError`] where the bytes are not exactly what [`encode_outcome`] writes.
pub fn decode_outcome(bytes: &[u8]) -> Result<Outcome, RowError> {
    let damaged = |reason: String| RowError::Damaged { reason };
    let stored: StoredOutcome<'_> = wire::read(wire::versioned(bytes, OUTCOME_VERSION)?)?;
    let verdict = match stored.verdict {
        StoredVerdict::Accepted { event_ids } => {
            Verdict::Accepted { event_ids: event_ids.into_iter().map(Uuid::from_bytes).collect() }
        }
        StoredVerdict::Rejected { code, message, details } => Verdict::Rejected {
            code: code.into(),
            message: message.into(),
            details: match serde_json::from_str(details) {
                Ok(details @ serde_json::Value::Object(_)) => details,
                Ok(_) => return Err(damaged("its details are no object".into())),
                Err(error) => return Err(damaged(error.to_string())),
            },
        },
    };
    let outcome = Outcome {
        sku: Sku::new(stored.sku).map_err(|error| damaged(error.to_string()))?,
        command_source: stored.command_source.into(),
        command_id: stored.command_id.into(),
        command_type: stored.command_type.into(),
        command_hash: CommandHash(stored.command_hash),
        command_position: Position { partition: Partition(stored.partition), offset: Offset(stored.offset) },
        version: Version(stored.version),
        verdict,
    };
    wire::canonical(bytes, |out| encode_outcome(&outcome, out))?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::tests::{golden, hostile, same_as_bincode};
    use super::*;

    fn accepted() -> Outcome {
        Outcome {
            sku: Sku::new("SKU-1").expect("a SKU"),
            command_source: "/shop".into(),
            command_id: "cmd-1".into(),
            command_type: "com.paklog.inventory.fulfillment.v1.product-stock.receive".into(),
            command_hash: CommandHash(std::array::from_fn(|i| i as u8)),
            command_position: Position { partition: Partition(3), offset: Offset(1000) },
            version: Version(7),
            verdict: Verdict::Accepted {
                event_ids: vec![Uuid::from_bytes([0x11; 16]), Uuid::from_bytes([0x22; 16])],
            },
        }
    }

    fn rejected() -> Outcome {
        Outcome {
            verdict: Verdict::Rejected {
                code: "INSUFFICIENT_STOCK".into(),
                message: "5 > 3".into(),
                details: json!({"requested": 5, "available": 3}),
            },
            ..accepted()
        }
    }

    /// The bytes of format 1 stay readable for ever, and are what this program writes.
    #[test]
    fn golden_bytes() {
        for (outcome, file) in [
            (accepted(), include_str!("../../../tests/golden/rows/outcome-accepted-v1.hex")),
            (rejected(), include_str!("../../../tests/golden/rows/outcome-rejected-v1.hex")),
        ] {
            let mut written = Vec::new();
            encode_outcome(&outcome, &mut written);
            assert_eq!(written, golden(file));
            assert_eq!(decode_outcome(&written), Ok(outcome));
        }
    }

    #[test]
    fn a_key_never_changes_and_its_parts_do_not_run_together() {
        let sku = |text| Sku::new(text).expect("a SKU");
        let bytes = b"\x05\0\0\0SKU-1\x05\0\0\0/shop\x05\0\0\0cmd-1";
        let expected = xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes();
        assert_eq!(outcome_key(&sku("SKU-1"), "/shop", "cmd-1"), expected);
        assert_eq!(golden(include_str!("../../../tests/golden/rows/outcome-key-v1.hex")), expected);
        assert_ne!(outcome_key(&sku("A"), "bc", "d"), outcome_key(&sku("A"), "b", "cd"));
        assert_ne!(outcome_key(&sku("Ab"), "c", "d"), outcome_key(&sku("A"), "bc", "d"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn outcomes_round_trip_and_bincode_agrees(
            (source, id, kind) in (any::<String>(), any::<String>(), any::<String>()),
            (hash, partition, offset, version) in (any::<[u8; 32]>(), any::<u16>(), any::<u64>(), any::<u64>()),
            ids in prop::collection::vec(any::<[u8; 16]>(), 0..4),
            refused in prop::option::of((any::<String>(), prop::collection::btree_map(any::<String>(), any::<i64>(), 0..3))),
        ) {
            let verdict = match refused {
                None => Verdict::Accepted { event_ids: ids.into_iter().map(Uuid::from_bytes).collect() },
                Some((message, details)) => Verdict::Rejected {
                    code: "INVALID_COMMAND".into(),
                    message: message.into(),
                    details: json!(details),
                },
            };
            let outcome = Outcome {
                command_source: source.into(),
                command_id: id.into(),
                command_type: kind.into(),
                command_hash: CommandHash(hash),
                command_position: Position { partition: Partition(partition), offset: Offset(offset) },
                version: Version(version),
                verdict,
                ..accepted()
            };
            let mut bytes = Vec::new();
            encode_outcome(&outcome, &mut bytes);
            prop_assert_eq!(decode_outcome(&bytes), Ok(outcome.clone()));
            same_as_bincode::<StoredOutcome<'_>>(&bytes[1..]);
            hostile(&bytes, &outcome, decode_outcome, encode_outcome);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_outcome(&bytes);
            let _ = decode_outcome(&[&[1][..], &bytes].concat());
        }
    }
}
