use xxhash_rust::xxh3::xxh3_64;

use super::JobError;
use crate::codec::rows::SEPARATOR;
use crate::snapshots::Work;
use crate::store::{Frozen, StoreReader};

/// A row that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub key: Vec<u8>,
    /// Its value in the one that is held against the other; nothing where it is not there.
    pub have: Option<Vec<u8>>,
    /// In the other.
    pub want: Option<Vec<u8>>,
}

impl Difference {
    /// A SKU that is there and would be gone: what no cutover takes.
    #[must_use]
    pub fn is_missing_sku(&self) -> bool {
        self.want.is_none() && !self.key.contains(&SEPARATOR)
    }
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    pub rows: u64,
    pub differences: u64,
}

/// Which SKUs are compared: so many percent, always the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample(pub u8);

impl Sample {
    pub const ALL: Self = Self(100);

    fn takes(self, key: &[u8]) -> bool {
        let sku = key.split(|byte| *byte == SEPARATOR).next().unwrap_or_default();
        self.0 >= 100 || xxh3_64(sku) % 100 < u64::from(self.0)
    }
}

/// Holds one store's rows against another's, in the order of keys, each store as it is at one moment.
///
/// # Errors
/// Either store's.
pub fn compare(
    have: &StoreReader,
    want: &StoreReader,
    sample: Sample,
    differs: &mut dyn FnMut(Difference),
) -> Result<Compared, JobError> {
    have.freeze(|have| want.freeze(|want| compare_at(have, want, sample, &Work::default(), differs)))
}

/// The same of two stores that stand still.
///
/// # Errors
/// Either store's; [`JobError::Interrupted`].
pub fn compare_at(
    have: &Frozen<'_>,
    want: &Frozen<'_>,
    sample: Sample,
    work: &Work,
    differs: &mut dyn FnMut(Difference),
) -> Result<Compared, JobError> {
    let mut compared = Compared::default();
    let (mut haves, mut wants) = (have.rows()?, want.rows()?);
    work.begin("comparing rows", 0, want.meta()?.rows);
    let (mut a, mut b) = (haves.advance()?, wants.advance()?);
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(compared),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let left = a.filter(|_| order.is_le());
        let right = b.filter(|_| order.is_ge());
        let key = left.or(right).map(|(key, _)| key).unwrap_or_default();
        if sample.takes(key) {
            compared.rows += 1;
            if compared.rows.is_multiple_of(4096) {
                if work.is_stopped() {
                    return Err(JobError::Interrupted);
                }
                work.reach(compared.rows);
            }
            let (have, want) = (left.map(|row| row.1), right.map(|row| row.1));
            if have != want {
                compared.differences += 1;
                differs(Difference {
                    key: key.to_vec(),
                    have: have.map(<[u8]>::to_vec),
                    want: want.map(<[u8]>::to_vec),
                });
            }
        }
        if order.is_le() {
            a = haves.advance()?;
        }
        if order.is_ge() {
            b = wants.advance()?;
        }
    }
}
