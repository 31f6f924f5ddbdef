use crate::codec::result::Outcome;
use crate::commands::{Name, Rows};
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::projector::Projector;
use crate::store::StoreError;

/// A partition's store as commands read it: between two writes of its only writer, which has the rows that it
/// wrote last at hand.
pub(super) struct StoreRows<'p>(pub &'p Projector);

impl Rows for StoreRows<'_> {
    type Error = StoreError;

    fn stock(&self, sku: &str) -> Result<Option<StockRow>, StoreError> {
        self.0.stock(sku)
    }

    fn entry(&self, sku: &str, facet: Facet, id: &str) -> Result<Option<Entry>, StoreError> {
        self.0.entry(sku, facet, id)
    }

    fn outcome(&self, name: &Name) -> Result<Option<Outcome>, StoreError> {
        Ok(self.0.store().outcome(&name.sku, &name.source, &name.id)?.map(|kept| kept.outcome))
    }
}
