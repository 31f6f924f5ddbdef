//! Golden bytes of every version, and hostile ones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::codec::rows::meta::{Counters, Fingerprint, Identity, Progress, Versions};
use crate::types::{NextOffset, Offset, Partition, Timestamp};

fn checkpoint() -> Checkpoint {
    Checkpoint {
        cycle: 5,
        identity: Identity {
            partition: Partition(7),
            partition_count: 12,
            cluster_id: "cluster".into(),
            versions: Versions { format: 1, decoder: 1, evolve: 1 },
            begins: NextOffset(3),
        },
        progress: Progress {
            next: NextOffset(1000),
            next_results: NextOffset(20),
            next_commands: NextOffset(10),
            fingerprint: Some(Fingerprint {
                offset: Offset(999),
                timestamp: Timestamp(1_793_536_496_789),
                crc32c: 0xdead_beef,
            }),
            log_time: Some(Timestamp(1_793_536_496_789)),
            dead_letter_mark: NextOffset(998),
            counters: Counters {
                skus: 30,
                applied: 900,
                duplicates: 50,
                conflicts: 4,
                anomalies: 3,
                gaps: 2,
                unknown_types: 1,
                stale_expiries: 5,
                malformed: BTreeMap::from([("invalid_json".into(), 46)]),
            },
        },
        rows: 77,
        digest: u128::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
    }
}

const MARK: RecordMark = RecordMark { cycle: 5, next: NextOffset(1000), before: Some(0x0102) };

/// The bytes kept in `tests/golden/snapshot`; `INVENTORY_STORE_WRITE_GOLDEN=1` writes what is not there yet.
fn golden(name: &str, written: &[u8]) -> Vec<u8> {
    let path = format!("{}/tests/golden/snapshot/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("INVENTORY_STORE_WRITE_GOLDEN").is_some() && !std::path::Path::new(&path).exists() {
        std::fs::write(&path, written).expect("writes");
    }
    std::fs::read(&path).expect("a golden file")
}

/// What any version wrote stays readable for ever; the newest is what this program writes.
#[test]
fn golden_bytes_of_every_kind_of_record() {
    let written = encode_checkpoint(&checkpoint());
    let bytes = golden("checkpoint-v1.bin", &written);
    assert_eq!(written, bytes);
    assert_eq!(decode_checkpoint(&bytes), Ok(checkpoint()));

    let bytes = golden("row-v1.bin", &encode_row_v1(b"A", &[1, 2, 3]));
    assert_eq!(decode_row(b"A", &bytes), Ok((None, &[1, 2, 3][..])));

    let written = encode_row(b"A", &MARK, &[1, 2, 3]);
    let bytes = golden("row-v2.bin", &written);
    assert_eq!(written, bytes);
    assert_eq!(decode_row(b"A", &bytes), Ok((Some(MARK), &[1, 2, 3][..])));

    let written = encode_mark(b"A", &MARK);
    let bytes = golden("mark-v1.bin", &written);
    assert_eq!(written, bytes);
    assert_eq!(decode_mark(b"A", &bytes), Ok(MARK));
}

#[test]
fn one_bit_anywhere_and_every_cut_is_found() {
    type Reads = fn(&[u8]) -> bool;
    let cases: [(Vec<u8>, Reads); 4] = [
        (encode_checkpoint(&checkpoint()), |bytes| decode_checkpoint(bytes).is_ok()),
        (encode_row(b"A", &MARK, b"value"), |bytes| decode_row(b"A", bytes).is_ok()),
        (encode_row_v1(b"A", b"value"), |bytes| decode_row(b"A", bytes).is_ok()),
        (encode_mark(b"A", &MARK), |bytes| decode_mark(b"A", bytes).is_ok()),
    ];
    for (bytes, reads) in cases {
        assert!(reads(&bytes));
        for end in 0..bytes.len() {
            assert!(!reads(&bytes[..end]), "cut at {end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!reads(&flipped), "bit {bit}");
        }
    }
}

#[test]
fn nothing_passes_under_another_key_or_for_another_kind() {
    assert_eq!(decode_row(b"B", &encode_row(b"A", &MARK, b"value")), Err(SnapshotError::Checksum));
    assert_eq!(decode_mark(b"B", &encode_mark(b"A", &MARK)), Err(SnapshotError::Checksum));
    let row = encode_row_v1(CHECKPOINT_KEY, b"value");
    assert!(matches!(decode_checkpoint(&row), Err(SnapshotError::Damaged { .. })));
    let row = encode_row(CHECKPOINT_KEY, &MARK, b"value");
    assert_eq!(decode_checkpoint(&row), Err(SnapshotError::Newer { found: 2, known: 1 }));
    assert!(decode_row(CHECKPOINT_KEY, &encode_checkpoint(&checkpoint())).is_err());
    assert_eq!(decode_row(b"A", b"something of another program"), Err(SnapshotError::Foreign));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn hostile_bytes_never_panic_even_well_sealed(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = decode_row(b"A", &bytes);
        let _ = decode_checkpoint(&bytes);
        let _ = decode_mark(b"A", &bytes);
        for version in 0..4 {
            let _ = decode_row(b"A", &sealed::seal(version, b"A", &bytes));
            let _ = decode_checkpoint(&sealed::seal(version, CHECKPOINT_KEY, &bytes));
        }
    }

    #[test]
    fn rows_round_trip(key in prop::collection::vec(any::<u8>(), 1..40), value in prop::collection::vec(any::<u8>(), 0..300)) {
        let sealed = encode_row(&key, &MARK, &value);
        prop_assert_eq!(decode_row(&key, &sealed), Ok((Some(MARK), value.as_slice())));
    }
}
