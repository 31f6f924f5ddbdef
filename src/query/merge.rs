use std::collections::VecDeque;

use crate::domain::rows::StockRow;
use crate::store::{StoreError, StoreReader};
use crate::types::{Partition, Sku, Version};

/// The SKUs of several partitions in one order: a merge over their scans, each read in small pieces, so that
/// a page costs what it shows and not the number of partitions times that.
pub struct Merge<'a> {
    sources: Vec<Source<'a>>,
    piece: usize,
}

struct Source<'a> {
    partition: Partition,
    reader: &'a StoreReader,
    after: Option<Sku>,
    rows: VecDeque<(Sku, StockRow)>,
    ended: bool,
}

impl<'a> Merge<'a> {
    /// Everything behind `after`, of which about `wanted` will be taken.
    pub fn new(partitions: &'a [(Partition, StoreReader)], after: Option<&Sku>, wanted: usize) -> Self {
        let sources = partitions.iter().map(|(partition, reader)| Source {
            partition: *partition,
            reader,
            after: after.cloned(),
            rows: VecDeque::new(),
            ended: false,
        });
        // SKUs spread evenly; a little more than the share saves most second reads.
        let share = wanted / partitions.len().max(1);
        Self { sources: sources.collect(), piece: share + share / 4 + 4 }
    }

    /// The next SKU; nothing at the end.
    pub fn next(&mut self) -> Result<Option<(Sku, Partition, StockRow)>, StoreError> {
        for source in &mut self.sources {
            source.fill(self.piece)?;
        }
        // A linear look at a dozen heads is as quick as a heap of them.
        let first = self
            .sources
            .iter_mut()
            .filter(|source| !source.rows.is_empty())
            .min_by(|a, b| a.rows.front().map(|(sku, _)| sku).cmp(&b.rows.front().map(|(sku, _)| sku)));
        Ok(first.and_then(|source| source.rows.pop_front().map(|(sku, row)| (sku, source.partition, row))))
    }
}

impl Source<'_> {
    fn fill(&mut self, piece: usize) -> Result<(), StoreError> {
        while self.rows.is_empty() && !self.ended {
            let rows = self.reader.scan(self.after.as_ref(), piece)?;
            self.ended = rows.len() < piece;
            if let Some((last, _)) = rows.last() {
                self.after = Some(last.clone());
            }
            self.rows.extend(rows.into_iter().filter(|(_, row)| row.version > Version::NEVER_SEEN));
        }
        Ok(())
    }
}
