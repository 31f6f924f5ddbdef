use crate::codec::result::Outcome;
use crate::commands::{Name, Rows};
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::store::{StoreError, StoreWriter};

/// A partition's store as commands read it: between two writes of its only writer.
pub(super) struct StoreRows<'s>(pub &'s StoreWriter);

impl Rows for StoreRows<'_> {
    type Error = StoreError;

    fn stock(&self, sku: &str) -> Result<Option<StockRow>, StoreError> {
        Ok(self.0.load_stock(sku)?.map(|loaded| loaded.row))
    }

    fn entry(&self, sku: &str, facet: Facet, id: &str) -> Result<Option<Entry>, StoreError> {
        Ok(self.0.load_entry(sku, facet, id)?.map(|loaded| loaded.row))
    }

    fn outcome(&self, name: &Name) -> Result<Option<Outcome>, StoreError> {
        Ok(self.0.outcome(&name.sku, &name.source, &name.id)?.map(|kept| kept.outcome))
    }
}
