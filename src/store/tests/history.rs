//! History against a list of everything that happened.

use proptest::prelude::*;

use super::fixtures::*;
use crate::codec::rows::HistoryItem;
use crate::store::options::HISTORY;
use crate::store::{Changes, HistoryAt, StoreWriter};
use crate::types::{Offset, Timestamp};

const HOUR: i64 = 3_600_000;
const SKUS: [&str; 3] = ["A", "A!", "B"];

/// One event: which SKU, and how many minutes after the one before.
type Event = (usize, i64);

fn batches() -> impl Strategy<Value = Vec<Vec<Event>>> {
    let event = (0..SKUS.len(), prop_oneof![4 => 0..30_i64, 1 => 30..400_i64]);
    prop::collection::vec(prop::collection::vec(event, 1..6), 1..10)
}

/// Everything that happened, in log order.
#[derive(Default)]
struct Past {
    items: Vec<(usize, HistoryItem)>,
    now: i64,
}

impl Past {
    fn of(&self, sku: usize) -> impl DoubleEndedIterator<Item = &HistoryItem> {
        self.items.iter().filter(move |(of, _)| *of == sku).map(|(_, item)| item)
    }

    /// Folds a batch of events into `writer` and into this list.
    fn fold(&mut self, writer: &mut StoreWriter, events: &[Event]) {
        let first = self.items.len();
        for (sku, minutes) in events {
            self.now += minutes * 60_000;
            let version = self.of(*sku).count() as u64 + 1;
            self.items.push((*sku, item(self.items.len() as u64, self.now, version)));
        }
        let mut changes = Changes::new(moved(writer.progress(), self.items.len() as u64, self.now));
        for (number, text) in SKUS.iter().enumerate() {
            if let Some((_, item)) = self.items[first..].iter().rfind(|(of, _)| *of == number) {
                let before = writer.load_stock(text).expect("loads").map(|loaded| loaded.hash);
                changes.put_stock(text, &stock(item.version.0, item.offset.0), before);
            }
        }
        for (sku, item) in &self.items[first..] {
            changes.add_history(SKUS[*sku], item);
        }
        writer.commit(&changes).expect("commits");
    }

    /// An answer may say that it does not know; what it does say must be so.
    fn check(&self, sku: usize, begins: u64, upto: impl Fn(&HistoryItem) -> bool, answer: HistoryAt) {
        let then = self.of(sku).rfind(|item| upto(item));
        let kept = then.is_some_and(|item| item.offset.0 >= begins);
        match answer {
            HistoryAt::Item(item) => assert_eq!(Some(&item), then),
            HistoryAt::NeverSeen => assert_eq!(then, None),
            HistoryAt::Unchanged(row) => {
                assert!(!kept);
                assert_eq!(then.map(|item| item.version), Some(row.version));
                assert_eq!(self.of(sku).next_back(), then, "no event since");
            }
            HistoryAt::BeforeHistory { begins: told } => {
                assert!(!kept, "{then:?} is kept");
                assert_eq!(told.0, begins);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn history_is_what_happened_as_far_as_it_is_kept(batches in batches(), hours in 1..4_u32, bulk in 0..10_usize) {
        let directory = tempfile::tempdir().expect("a directory");
        let stores = stores(&directory, hours);
        let mut writer = fresh(&stores);
        let mut past = Past { now: 1_700_000_000_000, ..Past::default() };
        for (number, events) in batches.iter().enumerate() {
            past.fold(&mut writer, events);
            if number == bulk {
                // A bulk write of nothing but the position: history begins there anew.
                let changes = Changes::new(writer.progress().clone());
                writer.ingest(&changes).expect("ingests");
            }
        }
        let begins = writer.meta().history_begins.0;
        let reader = writer.reader();

        // Kept: everything within the hours, unless the bulk write ended it.
        if bulk >= batches.len() {
            let oldest = past.now.div_euclid(HOUR) - i64::from(hours);
            for (_, item) in &past.items {
                let kept = item.offset.0 >= begins;
                prop_assert_eq!(kept, item.log_time.0.div_euclid(HOUR) >= oldest, "{:?}", item);
            }
        }
        for (number, text) in SKUS.iter().enumerate() {
            let kept: Vec<HistoryItem> = past.of(number).rev().filter(|i| i.offset.0 >= begins).cloned().collect();
            prop_assert_eq!(reader.history(&sku(text), None, usize::MAX).expect("reads"), kept.clone());
            for offset in 0..=past.items.len() as u64 {
                let page = reader.history(&sku(text), Some(Offset(offset)), 2).expect("reads");
                let expected: Vec<HistoryItem> =
                    kept.iter().filter(|item| item.offset.0 < offset).take(2).cloned().collect();
                prop_assert_eq!(page, expected);
                let answer = reader.history_at(&sku(text), Offset(offset)).expect("reads");
                past.check(number, begins, |item| item.offset.0 <= offset, answer);
            }
            for (_, at) in &past.items {
                for time in [at.log_time.0 - 1, at.log_time.0, at.log_time.0 + 1] {
                    let answer = reader.history_at_time(&sku(text), Timestamp(time)).expect("reads");
                    past.check(number, begins, |item| item.log_time.0 <= time, answer);
                }
            }
        }
    }
}

/// Compaction drops what is hidden.
#[test]
fn what_is_too_old_leaves_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 1);
    let mut writer = fresh(&stores);
    let mut past = Past::default();
    for _ in 0..20 {
        past.fold(&mut writer, &[(0, 30), (1, 30)]);
    }
    writer.flush().expect("flushes");
    let count = |writer: &StoreWriter| {
        let family = writer.database.family(HISTORY).expect("a family");
        let mut options = rocksdb::CompactOptions::default();
        // Files that are at the bottom already are rewritten too.
        options.set_bottommost_level_compaction(rocksdb::BottommostLevelCompaction::Force);
        writer.database.db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        let mut iterator = writer.database.db.raw_iterator_cf(family);
        iterator.seek_to_first();
        std::iter::from_fn(|| {
            let found = iterator.valid();
            iterator.next();
            found.then_some(())
        })
        .count()
    };
    let kept = past.items.len() - writer.meta().history_begins.0 as usize;
    assert!(kept < 6, "{kept}");
    assert_eq!(count(&writer), kept);
    // The bound holds from the first read after opening, and for compactions from then on.
    writer = reopen(&stores, writer);
    past.fold(&mut writer, &[(2, 100_000)]);
    writer.flush().expect("flushes");
    assert_eq!(writer.reader().history(&sku("A"), None, 10).expect("reads"), []);
    assert_eq!(count(&writer), 1);
}

#[test]
fn no_history_is_kept_where_none_is_wanted() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 0));
    let mut past = Past::default();
    past.fold(&mut writer, &[(0, 1), (1, 1)]);
    assert_eq!(writer.meta().history_begins.0, 2);
    let reader = writer.reader();
    assert_eq!(reader.history(&sku("A"), None, 10).expect("reads"), []);
    assert!(matches!(reader.history_at(&sku("A"), Offset(5)).expect("reads"), HistoryAt::Unchanged(_)));
    assert_eq!(reader.history_at(&sku("C"), Offset(5)).expect("reads"), HistoryAt::NeverSeen);
}
