//! Golden bytes, both crates, and everything that is not a row.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::meta::{
    CheckpointMark, Counters, CycleUnderWay, Fingerprint, Identity, Meta, Progress, Versions, decode_meta,
    encode_meta,
};
use super::words::{self, Word};
use super::*;
use crate::domain::rows::{
    AllocationRow, Component, Counted, Entry, Facet, HoldRow, Kit, LastEvent, LocationRow, LotRow, Numbers,
    SerialRow, SerialState, StockRow, TransferRow, Valuation,
};
use crate::types::{Money, NextOffset, Offset, Partition, Quantity, Sku, Timestamp, UtcTime, Version};

/// Bytes of a golden file: hexadecimal, `#` begins a comment.
pub(super) fn golden(text: &str) -> Vec<u8> {
    text.lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

macro_rules! golden {
    ($name:literal) => {
        golden(include_str!(concat!("../../../tests/golden/rows/", $name, ".hex")))
    };
}

fn units(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

fn at(seconds: i64, nanos: u32) -> UtcTime {
    UtcTime::new(seconds, nanos).expect("a time")
}

fn full_stock() -> StockRow {
    StockRow {
        on_hand: units(250),
        allocated: units(251),
        held: units(65536),
        statuses: vec![
            ("DAMAGED".into(), units(7)),
            ("ON_HOLD".into(), Quantity::MAX),
            ("ZÜRICH".into(), units(1)),
        ],
        named_allocations: units(30),
        in_lots: units(60),
        in_locations: units(61),
        serials_received: 5,
        serials_allocated: 4,
        valuation: Some(Box::new(Valuation {
            method: "MOVING_AVERAGE".into(),
            unit_cost: "2.5".parse().expect("money"),
            total_value: "-0.9999999999999999999999999999".parse().expect("money"),
            valued_quantity: units(100),
        })),
        abc_class: Some("A".into()),
        kit: Some(Box::new(Kit {
            name: "Starter kit".into(),
            kit_type: "PHYSICAL".into(),
            components: vec![
                Component { sku: "C-1".into(), quantity: units(2), is_optional: false },
                Component { sku: "C-2".into(), quantity: units(1), is_optional: true },
            ],
            assembled: units(9),
        })),
        version: Version(300),
        last: Some(LastEvent { offset: Offset(1 << 40), time: at(-1, 500_000_000) }),
        identities: vec![0x0807_0605_0403_0201, u64::MAX],
        own_sequence: 12,
        duplicates: Counted { count: 2, last: Some(Offset(41)) },
        conflicts: Counted { count: 1, last: Some(Offset(0)) },
        anomalies: Counted::default(),
    }
}

fn full_meta() -> Meta {
    Meta {
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
        digest: u128::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        rows: 77,
        baseline: true,
        cycle: 5,
        last_checkpoint: Some(CheckpointMark { cycle: 4, next: NextOffset(800) }),
        history_begins: NextOffset(500),
        history_from: Some(Timestamp(1_793_530_799_999)),
        history_hours: vec![(498_203, Offset(500)), (498_204, Offset(700))],
        under_way: Some(CycleUnderWay { cycle: 4, next: NextOffset(900), baseline: true }),
        partial: true,
    }
}

/// The bytes of format 1 stay readable for ever, and are what this program writes.
#[test]
fn golden_bytes_of_every_kind_of_row() {
    for (bytes, row) in
        [(golden!("stock-empty-v1"), StockRow::default()), (golden!("stock-full-v1"), full_stock())]
    {
        let mut written = Vec::new();
        encode_stock(&row, &mut written);
        assert_eq!(written, bytes);
        assert_eq!(decode_stock(&bytes), Ok(row));
    }
    let entries = [
        (
            golden!("hold-v1"),
            Entry::from(HoldRow {
                hold_type: "QUALITY_HOLD".into(),
                quantity: units(50),
                reason: "inspection".into(),
                lot_number: Some("L1".into()),
                expires_at: Some(at(1_793_536_496, 0)),
            }),
        ),
        (
            golden!("allocation-v1"),
            Entry::Allocation(AllocationRow { quantity: units(30), expires_at: None }),
        ),
        (
            golden!("lot-v1"),
            Entry::Lot(LotRow { quantity: units(60), expiry_date: Some("2027-01-31".into()) }),
        ),
        (golden!("location-v1"), Entry::Location(LocationRow { quantity: units(60) })),
        (
            golden!("transfer-v1"),
            Entry::from(TransferRow {
                source_location: "A-01".into(),
                destination_location: "B-02".into(),
                quantity: units(10),
            }),
        ),
        (
            golden!("serial-v1"),
            Entry::from(SerialRow {
                state: SerialState::Allocated,
                location_id: None,
                lot_number: Some("L1".into()),
                allocation_id: Some("ORD-1".into()),
            }),
        ),
    ];
    for (bytes, entry) in entries {
        let mut written = Vec::new();
        encode_entry(&entry, &mut written);
        assert_eq!(written, bytes);
        assert_eq!(decode_entry(entry.facet(), &bytes), Ok(entry));
    }
    let item = HistoryItem {
        offset: Offset(42),
        log_time: Timestamp(1_793_536_496_789),
        time: at(1_793_536_496, 789_000_000),
        event_type: "product-stock.level-changed".into(),
        event_id: "e-1".into(),
        correlation_id: Some("c-1".into()),
        version: Version(7),
        numbers: Numbers {
            on_hand: units(100),
            allocated: units(30),
            held: units(50),
            unavailable: units(2),
        },
    };
    let bytes = golden!("history-v1");
    let mut written = Vec::new();
    encode_history(&item, &mut written);
    assert_eq!(written, bytes);
    assert_eq!(decode_history(Offset(42), &bytes), Ok(item));

    let bytes = golden!("meta-v2");
    let mut written = Vec::new();
    encode_meta(&full_meta(), &mut written);
    assert_eq!(written, bytes);
    assert_eq!(decode_meta(&bytes), Ok(full_meta()));
    let older = Meta { under_way: None, partial: false, ..full_meta() };
    assert_eq!(decode_meta(&golden!("meta-v1")), Ok(older));
}

#[test]
fn the_numbers_of_words_never_change() {
    let golden: Vec<&str> = include_str!("../../../tests/golden/rows/words-v1.txt").lines().collect();
    assert_eq!(golden, words::ALL, "add at the end only, to the golden file too");
    for (number, text) in (1_u8..).zip(words::ALL) {
        let mut bytes = Vec::new();
        wire::write(&Word::of(text), &mut bytes);
        assert_eq!(bytes, [number], "{text}");
    }
}

#[test]
fn keys_are_taken_apart_as_they_were_put_together() {
    for key in [
        RowKey::Stock { sku: "Ä ö" },
        RowKey::Entry { sku: "A", facet: Facet::Serial, id: "" },
        RowKey::Entry { sku: "A", facet: Facet::Hold, id: "with\u{0}zero" },
    ] {
        let mut bytes = Vec::new();
        key.write(&mut bytes);
        assert_eq!(parse_key(&bytes), Ok(key));
    }
    for bytes in
        [&b""[..], b"\0", b"\0\x01x", b"A\0", b"A\0\x07x", b"A\0\0x", b"\xff", b"A\0\x01\xff", b"A\x1f"]
    {
        assert!(parse_key(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn an_unknown_version_is_named() {
    assert_eq!(decode_stock(&[2, 0]), Err(RowError::UnknownVersion { found: 2, known: 1 }));
    assert_eq!(decode_entry(Facet::Lot, &[0]), Err(RowError::UnknownVersion { found: 0, known: 1 }));
    assert!(matches!(decode_meta(&[]), Err(RowError::Damaged { .. })));
}

#[test]
fn what_no_program_of_ours_writes_is_refused() {
    let location = |bytes: &[u8]| decode_entry(Facet::Location, bytes);
    assert!(location(&[1, 5]).is_ok());
    for (bytes, why) in [
        (&[1, 0xfb, 5, 0][..], "a longer form than needed"),
        (&[1, 5, 0], "bytes behind the end"),
        (&[1, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0x80], "a quantity of 2^63"),
        (&[1, 0xff], "a reserved length"),
    ] {
        assert!(location(bytes).is_err(), "{why}");
    }
    let spelled_out = [&[1, 0, 12][..], b"QUALITY_HOLD", &[5, 0, 0, 0]].concat();
    assert!(decode_entry(Facet::Hold, &spelled_out).is_err(), "a word spelled out");

    let broken = |change: fn(&mut StockRow)| {
        let mut row = full_stock();
        change(&mut row);
        let mut bytes = Vec::new();
        encode_stock(&row, &mut bytes);
        decode_stock(&bytes).is_err()
    };
    assert!(broken(|row| row.statuses.swap(0, 1)));
    assert!(broken(|row| row.statuses[0].1 = Quantity::ZERO));
    assert!(broken(|row| row.statuses.insert(0, ("AVAILABLE".into(), units(1)))));
    assert!(broken(|row| row.identities = vec![0; 17]));
}

fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        prop::sample::select(words::ALL).prop_map(Into::into),
        any::<String>().prop_map(String::into_boxed_str),
        Just("x".repeat(300).into_boxed_str()),
    ]
}

fn optional_text() -> impl Strategy<Value = Option<Box<str>>> {
    prop::option::of(text())
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u32>().prop_map(u64::from), any::<u64>()]
}

fn quantity() -> impl Strategy<Value = Quantity> {
    number().prop_map(|n| units(n >> 1))
}

fn instant() -> impl Strategy<Value = UtcTime> {
    (-62_135_596_800_i64..253_402_300_800, 0..1_000_000_000_u32).prop_map(|(s, n)| at(s, n))
}

fn money() -> impl Strategy<Value = Money> {
    (-9_999_999_999_999_999_999_999_999_999_i128..=9_999_999_999_999_999_999_999_999_999, 0..=28_u32)
        .prop_map(|(coefficient, scale)| {
            let text = format!("{coefficient}e-{scale}");
            text.parse().unwrap_or(Money::ZERO)
        })
}

fn counted() -> impl Strategy<Value = Counted> {
    (number(), prop::option::of(number().prop_map(Offset))).prop_map(|(count, last)| Counted { count, last })
}

fn valuation() -> impl Strategy<Value = Valuation> {
    (text(), money(), money(), quantity()).prop_map(|(method, unit_cost, total_value, valued_quantity)| {
        Valuation { method, unit_cost, total_value, valued_quantity }
    })
}

fn kit() -> impl Strategy<Value = Box<Kit>> {
    let component = (text(), quantity(), any::<bool>()).prop_map(|(sku, quantity, is_optional)| Component {
        sku,
        quantity,
        is_optional,
    });
    (text(), text(), prop::collection::vec(component, 0..4), quantity()).prop_map(
        |(name, kit_type, components, assembled)| Box::new(Kit { name, kit_type, components, assembled }),
    )
}

prop_compose! {
    fn stock()(
        quantities in prop::array::uniform6(quantity()),
        statuses in prop::collection::btree_map(text(), number().prop_map(|n| units((n >> 1).max(1))), 0..4),
        valuation in prop::option::of(valuation()),
        abc_class in optional_text(),
        kit in prop::option::of(kit()),
        last in prop::option::of((number(), instant())),
        identities in prop::collection::vec(any::<u64>(), 0..=16),
        numbers in prop::array::uniform4(number()),
        counts in prop::array::uniform3(counted()),
    ) -> StockRow {
        StockRow {
            on_hand: quantities[0],
            allocated: quantities[1],
            held: quantities[2],
            statuses: statuses.into_iter().filter(|(status, _)| **status != *"AVAILABLE").collect(),
            named_allocations: quantities[3],
            in_lots: quantities[4],
            in_locations: quantities[5],
            serials_received: numbers[0],
            serials_allocated: numbers[1],
            valuation: valuation.map(Box::new),
            abc_class,
            kit,
            version: Version(numbers[2]),
            last: last.map(|(offset, time)| LastEvent { offset: Offset(offset), time }),
            identities,
            own_sequence: numbers[3],
            duplicates: counts[0],
            conflicts: counts[1],
            anomalies: counts[2],
        }
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        (text(), quantity(), text(), optional_text(), prop::option::of(instant())).prop_map(
            |(hold_type, quantity, reason, lot_number, expires_at)| {
                Entry::from(HoldRow { hold_type, quantity, reason, lot_number, expires_at })
            }
        ),
        (quantity(), prop::option::of(instant()))
            .prop_map(|(quantity, expires_at)| Entry::Allocation(AllocationRow { quantity, expires_at })),
        (quantity(), optional_text())
            .prop_map(|(quantity, expiry_date)| Entry::Lot(LotRow { quantity, expiry_date })),
        quantity().prop_map(|quantity| Entry::Location(LocationRow { quantity })),
        (text(), text(), quantity()).prop_map(|(source_location, destination_location, quantity)| {
            Entry::from(TransferRow { source_location, destination_location, quantity })
        }),
        (any::<bool>(), optional_text(), optional_text(), optional_text()).prop_map(
            |(received, location_id, lot_number, allocation_id)| {
                let state = if received { SerialState::Received } else { SerialState::Allocated };
                Entry::from(SerialRow { state, location_id, lot_number, allocation_id })
            }
        ),
    ]
}

/// `bincode` reads from these bytes the same shape, and writes the same bytes.
pub(super) fn same_as_bincode<'a, T: bincode::Encode + bincode::BorrowDecode<'a, ()>>(bytes: &'a [u8]) {
    let config = bincode::config::standard();
    let (shape, read): (T, usize) =
        bincode::borrow_decode_from_slice(bytes, config).expect("bincode reads it");
    assert_eq!(read, bytes.len());
    assert_eq!(bincode::encode_to_vec(&shape, config).expect("bincode writes it"), bytes);
}

/// Every truncation is refused; a flipped bit is refused, or is another row written the one way.
pub(super) fn hostile<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    row: &T,
    decode: impl Fn(&[u8]) -> Result<T, RowError>,
    encode: impl Fn(&T, &mut Vec<u8>),
) {
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = decode(&flipped) {
            assert_ne!(&other, row, "bit {bit} means nothing");
            let mut again = Vec::new();
            encode(&other, &mut again);
            assert_eq!(again, flipped);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn stock_rows_round_trip_and_bincode_agrees(row in stock()) {
        let mut bytes = Vec::new();
        encode_stock(&row, &mut bytes);
        prop_assert_eq!(decode_stock(&bytes), Ok(row.clone()));
        same_as_bincode::<super::stock::StoredStock<'_>>(&bytes[1..]);
        hostile(&bytes, &row, decode_stock, encode_stock);
    }

    #[test]
    fn entries_round_trip_and_bincode_agrees(entry in entry()) {
        let mut bytes = Vec::new();
        encode_entry(&entry, &mut bytes);
        let facet = entry.facet();
        prop_assert_eq!(decode_entry(facet, &bytes), Ok(entry.clone()));
        match facet {
            Facet::Hold => same_as_bincode::<super::entry::StoredHold<'_>>(&bytes[1..]),
            Facet::Allocation => same_as_bincode::<super::entry::StoredAllocation>(&bytes[1..]),
            Facet::Lot => same_as_bincode::<super::entry::StoredLot<'_>>(&bytes[1..]),
            Facet::Location => same_as_bincode::<super::entry::StoredLocation>(&bytes[1..]),
            Facet::Transfer => same_as_bincode::<super::entry::StoredTransfer<'_>>(&bytes[1..]),
            Facet::Serial => same_as_bincode::<super::entry::StoredSerial<'_>>(&bytes[1..]),
        }
        hostile(&bytes, &entry, |bytes| decode_entry(facet, bytes), encode_entry);
    }

    #[test]
    fn history_items_round_trip_and_bincode_agrees(
        (log_time, time, event_type, event_id) in (any::<i64>(), instant(), text(), text()),
        correlation_id in optional_text(),
        (version, numbers) in (number(), prop::array::uniform4(quantity())),
    ) {
        let item = HistoryItem {
            offset: Offset(9),
            log_time: Timestamp(log_time),
            time,
            event_type,
            event_id,
            correlation_id,
            version: Version(version),
            numbers: Numbers {
                on_hand: numbers[0], allocated: numbers[1], held: numbers[2], unavailable: numbers[3],
            },
        };
        let mut bytes = Vec::new();
        encode_history(&item, &mut bytes);
        prop_assert_eq!(decode_history(Offset(9), &bytes), Ok(item.clone()));
        same_as_bincode::<super::history::StoredHistory<'_>>(&bytes[1..]);
        hostile(&bytes, &item, |bytes| decode_history(Offset(9), bytes), encode_history);
    }

    #[test]
    fn meta_round_trips_and_bincode_agrees(
        numbers in prop::array::uniform8(number()),
        (digest, cluster_id, hour) in (any::<u128>(), any::<String>(), any::<i64>()),
        malformed in prop::collection::btree_map("[a-z_]{1,12}", number(), 0..4),
    ) {
        let mut meta = full_meta();
        meta.identity.cluster_id = cluster_id;
        meta.progress.next = NextOffset(numbers[0]);
        meta.progress.counters.malformed = malformed;
        meta.progress.counters.applied = numbers[1];
        meta.digest = digest;
        meta.rows = numbers[2];
        meta.last_checkpoint = None;
        meta.history_hours.push((hour, Offset(numbers[3])));
        let mut bytes = Vec::new();
        encode_meta(&meta, &mut bytes);
        prop_assert_eq!(decode_meta(&bytes), Ok(meta.clone()));
        same_as_bincode::<super::meta::StoredMeta<'_>>(&bytes[1..]);
        hostile(&bytes, &meta, decode_meta, encode_meta);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let versioned = [&[1][..], &bytes].concat();
        for bytes in [&bytes, &versioned] {
            let _ = decode_stock(bytes);
            let _ = decode_meta(bytes);
            let _ = decode_history(Offset(0), bytes);
            let _ = parse_key(bytes);
            for facet in Facet::ALL {
                let _ = decode_entry(facet, bytes);
            }
        }
    }

    #[test]
    fn keys_sort_as_their_parts(
        parts in prop::collection::vec(("[ -~äÿ]{1,3}", prop::option::of((0..6_usize, "[\\x00-\\x02a]{0,2}"))), 2),
    ) {
        let keys: Vec<RowKey<'_>> = parts
            .iter()
            .map(|(sku, entry)| match entry {
                None => RowKey::Stock { sku },
                Some((facet, id)) => RowKey::Entry { sku, facet: Facet::ALL[*facet], id },
            })
            .collect();
        let bytes: Vec<Vec<u8>> = keys
            .iter()
            .map(|key| {
                let mut bytes = Vec::new();
                key.write(&mut bytes);
                bytes
            })
            .collect();
        prop_assume!(Sku::check(&parts[0].0).is_ok() && Sku::check(&parts[1].0).is_ok());
        prop_assert_eq!(keys[0].cmp(&keys[1]), bytes[0].cmp(&bytes[1]));
        prop_assert_eq!(parse_key(&bytes[0]), Ok(keys[0]));
    }
}
