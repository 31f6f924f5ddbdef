//! Small rows, stores and changes for tests.

use tempfile::TempDir;

use crate::codec::rows::HistoryItem;
use crate::codec::rows::meta::{Fingerprint, Identity, Progress, Versions};
use crate::config::store::{StoreConfig, StoreMemory};
use crate::domain::rows::{
    AllocationRow, Entry, Facet, HoldRow, LastEvent, LocationRow, LotRow, Numbers, SerialRow, SerialState,
    StockRow, TransferRow,
};
use crate::store::{Mark, PartitionStores, StoreWriter};
use crate::types::{NextOffset, Offset, Partition, Quantity, Sku, Timestamp, UtcTime, Version};

pub const MEMORY: StoreMemory = StoreMemory { block_cache: 8 << 20, write_buffers: 8 << 20 };
pub const PARTITION: Partition = Partition(7);

pub fn identity() -> Identity {
    Identity {
        partition: PARTITION,
        partition_count: 12,
        cluster_id: "test-cluster".into(),
        versions: Versions::CURRENT,
        begins: NextOffset::ZERO,
    }
}

pub fn stores(directory: &TempDir, history_hours: u32) -> PartitionStores {
    PartitionStores::open(directory.path(), &StoreConfig { history_hours, ..StoreConfig::default() }, &MEMORY)
        .expect("stores")
}

/// A fresh, served store.
pub fn fresh(stores: &PartitionStores) -> StoreWriter {
    let writer = stores.create(identity()).expect("a store");
    stores.activate(PARTITION, writer.generation()).expect("served");
    writer
}

pub fn reopen(stores: &PartitionStores, writer: StoreWriter) -> StoreWriter {
    drop(writer);
    stores.open_live(PARTITION).expect("opens").expect("is served")
}

pub fn sku(text: &str) -> Sku {
    Sku::new(text).expect("a SKU")
}

pub fn quantity(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

/// A row that rules no entry out.
pub fn stock(version: u64, offset: u64) -> StockRow {
    StockRow {
        on_hand: quantity(version * 10),
        held: quantity(1),
        named_allocations: quantity(1),
        in_lots: quantity(1),
        in_locations: quantity(1),
        serials_received: 1,
        statuses: vec![("DAMAGED".into(), quantity(1)), ("odd".into(), quantity(2))],
        version: Version(version),
        last: Some(LastEvent {
            offset: Offset(offset),
            time: UtcTime::new(1_700_000_000, 5).expect("a time"),
        }),
        identities: vec![version, u64::MAX],
        ..StockRow::default()
    }
}

/// An entry of `facet` in which `units` shows.
pub fn entry(facet: Facet, units: u64) -> Entry {
    let quantity = quantity(units);
    match facet {
        Facet::Hold => Entry::from(HoldRow {
            hold_type: "QUALITY_HOLD".into(),
            quantity,
            reason: "inspection".into(),
            lot_number: None,
            expires_at: UtcTime::new(1_800_000_000, 0),
        }),
        Facet::Allocation => Entry::Allocation(AllocationRow { quantity, expires_at: None }),
        Facet::Lot => Entry::Lot(LotRow { quantity, expiry_date: Some("2027-01-31".into()) }),
        Facet::Location => Entry::Location(LocationRow { quantity }),
        Facet::Transfer => Entry::from(TransferRow {
            source_location: "A".into(),
            destination_location: "B".into(),
            quantity,
        }),
        Facet::Serial => Entry::from(SerialRow {
            state: SerialState::Received,
            location_id: Some(units.to_string().into()),
            lot_number: None,
            allocation_id: None,
        }),
    }
}

/// `before`, moved to the next event `next` with log time `log_time`.
pub fn moved(before: &Progress, next: u64, log_time: i64) -> Progress {
    let mut progress = before.clone();
    progress.next = NextOffset(next);
    progress.log_time = Some(Timestamp(log_time));
    progress.fingerprint = next.checked_sub(1).map(|offset| Fingerprint {
        offset: Offset(offset),
        timestamp: Timestamp(log_time),
        crc32c: offset as u32,
    });
    progress.counters.applied += 1;
    progress
}

pub fn item(offset: u64, log_time: i64, version: u64) -> HistoryItem {
    HistoryItem {
        offset: Offset(offset),
        log_time: Timestamp(log_time),
        time: Timestamp(log_time).to_utc().expect("a time"),
        event_type: "stock-status.changed".into(),
        event_id: format!("event-{offset}").into(),
        correlation_id: None,
        version: Version(version),
        numbers: Numbers { on_hand: quantity(version), ..Numbers::default() },
    }
}

/// What the next snapshot must carry.
pub fn marks(writer: &StoreWriter) -> Vec<Mark> {
    let through = writer.meta().cycle;
    writer
        .reader()
        .freeze(|frozen| frozen.marks(through).expect("marks").collect::<Result<_, _>>())
        .expect("reads")
}
