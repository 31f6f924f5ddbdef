use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::super::event::Envelope;
use super::super::rows::{REMEMBERED_IDENTITIES, StockRow};
use crate::types::Version;

/// Whether an event was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Seen,
    New {
        mark: Mark,
        /// Our own sequence jumped.
        gap: bool,
    },
}

/// What tells an event from the next delivery of the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Our own: how many events this store has written for the SKU.
    Sequence(u64),
    /// Anyone else's, and what of our own bears no sequence: the hash of source and id.
    Identity(u64),
}

pub(super) fn recognise(stock: &StockRow, envelope: &Envelope<'_>, own: bool) -> Arrival {
    match envelope.sequence {
        Some(sequence) if own => by_sequence(stock, sequence),
        _ => by_identity(stock, identity(&envelope.source, &envelope.id)),
    }
}

/// Not above the last = seen; further than one above = a gap, but for a SKU's first event, whose history
/// may begin before the log does.
fn by_sequence(stock: &StockRow, sequence: u64) -> Arrival {
    let Some(ahead) = sequence.checked_sub(stock.own_sequence).filter(|ahead| *ahead > 0) else {
        return Arrival::Seen;
    };
    let gap = ahead > 1 && stock.version != Version::NEVER_SEEN;
    Arrival::New { mark: Mark::Sequence(sequence), gap }
}

fn by_identity(stock: &StockRow, identity: u64) -> Arrival {
    if stock.identities.contains(&identity) {
        Arrival::Seen
    } else {
        Arrival::New { mark: Mark::Identity(identity), gap: false }
    }
}

pub(super) fn remember(stock: &mut StockRow, mark: Mark) {
    match mark {
        Mark::Sequence(sequence) => stock.own_sequence = sequence,
        Mark::Identity(identity) => {
            if stock.identities.len() >= REMEMBERED_IDENTITIES {
                let forgotten = stock.identities.len() + 1 - REMEMBERED_IDENTITIES;
                stock.identities.drain(..forgotten);
            }
            stock.identities.push(identity);
        }
    }
}

/// xxh3_64 over source, 0x00, id. Part of the stored rows: never change it.
fn identity(source: &str, id: &str) -> u64 {
    // Long enough for a URI and a UUID; longer ones go to the heap.
    let mut bytes: SmallVec<[u8; 256]> = SmallVec::new();
    bytes.extend_from_slice(source.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(id.as_bytes());
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_never_changes() {
        assert_eq!(identity("/wms", "1"), xxh3_64(b"/wms\x001"));
        assert_eq!(identity(&"s".repeat(500), "1"), xxh3_64(format!("{}\u{0}1", "s".repeat(500)).as_bytes()));
        // XXH3's own test vector for the empty input guards against another algorithm under the same name.
        assert_eq!(xxh3_64(b""), 0x2d06_8005_38d3_94c2);
    }

    #[test]
    fn the_source_and_the_id_do_not_run_together() {
        assert_ne!(identity("ab", "c"), identity("a", "bc"));
    }
}
