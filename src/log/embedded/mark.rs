//! The mark: the number of the last acknowledged write, kept apart from the database.
//!
//! The database alone cannot tell a torn tail from a lost one: its own log simply ends. The mark is written
//! after the database's log is on the disk and before anyone is answered, so the database must always reach
//! it. Two places are written in turn, so that one torn write leaves the other. It is itself not synced at
//! each write: after a power failure it may be older than what was acknowledged, never newer than what is
//! on the disk.
//!
//! File `MARK`, 1024 bytes, two places of 512:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `ISLGMRK1` |
//! | 8 | number of the write, little-endian |
//! | 16 | cluster id |
//! | 4 | crc32c of the above, little-endian |
//! | … | zeros |

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use uuid::Uuid;

const NAME: &str = "MARK";
const MAGIC: [u8; 8] = *b"ISLGMRK1";
const PLACE: usize = 512;
const USED: usize = 36;

/// What the mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) number: u64,
    pub(super) cluster: Uuid,
    /// Whether it stands as it was made: nothing was ever acknowledged.
    pub(super) untouched: bool,
}

/// The open file.
pub(super) struct MarkFile {
    file: File,
    cluster: Uuid,
    place: u64,
}

/// The mark in this directory; nothing where there is no such file.
pub(super) fn read(directory: &Path) -> Result<Option<Mark>, String> {
    let bytes = match fs::read(directory.join(NAME)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("{NAME} cannot be read: {e}")),
    };
    if bytes.len() != 2 * PLACE {
        return Err(format!("{NAME} has {} bytes instead of {}", bytes.len(), 2 * PLACE));
    }
    let (first, second) = bytes.split_at(PLACE);
    let newest = [first, second].into_iter().filter_map(decode).max_by_key(|(number, _)| *number);
    let (number, cluster) = newest.ok_or_else(|| format!("neither place of {NAME} can be read"))?;
    let untouched = number == 0 && second.iter().all(|b| *b == 0);
    Ok(Some(Mark { number, cluster, untouched }))
}

fn encode(number: u64, cluster: Uuid) -> [u8; USED] {
    let mut bytes = [0; USED];
    let (magic, rest) = bytes.split_at_mut(8);
    magic.copy_from_slice(&MAGIC);
    let (at_number, rest) = rest.split_at_mut(8);
    at_number.copy_from_slice(&number.to_le_bytes());
    let (at_cluster, _) = rest.split_at_mut(16);
    at_cluster.copy_from_slice(cluster.as_bytes());
    let (body, at_checksum) = bytes.split_at_mut(32);
    at_checksum.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    bytes
}

fn decode(place: &[u8]) -> Option<(u64, Uuid)> {
    let used = place.first_chunk::<USED>()?;
    let number = u64::from_le_bytes(*used.get(8..)?.first_chunk()?);
    let cluster = Uuid::from_bytes(*used.get(16..)?.first_chunk()?);
    (*used == encode(number, cluster)).then_some((number, cluster))
}

impl MarkFile {
    /// Makes the file, whole and on the disk before it has its name.
    pub(super) fn create(directory: &Path, cluster: Uuid) -> io::Result<()> {
        let fresh = directory.join("MARK.new");
        let mut bytes = encode(0, cluster).to_vec();
        bytes.resize(2 * PLACE, 0);
        fs::write(&fresh, bytes)?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, directory.join(NAME))?;
        File::open(directory)?.sync_all()
    }

    /// Opens the file for writing and brings `number` to the disk.
    pub(super) fn open(directory: &Path, cluster: Uuid, number: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(directory.join(NAME))?;
        let mut mark = Self { file, cluster, place: 0 };
        // Both places, so that neither is left from before.
        mark.write(number)?;
        mark.write(number)?;
        mark.sync()?;
        Ok(mark)
    }

    pub(super) fn cluster(&self) -> Uuid {
        self.cluster
    }

    /// Notes that every write up to `number` is on the disk.
    pub(super) fn write(&mut self, number: u64) -> io::Result<()> {
        self.file.write_all_at(&encode(number, self.cluster), self.place)?;
        self.place = if self.place == 0 { PLACE as u64 } else { 0 };
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: Uuid = Uuid::from_u128(7);

    #[test]
    fn says_the_newest_number_and_survives_one_torn_place() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        assert_eq!(read(path), Ok(None));
        MarkFile::create(path, CLUSTER).expect("creates");
        assert_eq!(read(path), Ok(Some(Mark { number: 0, cluster: CLUSTER, untouched: true })));

        let mut file = MarkFile::open(path, CLUSTER, 4).expect("opens");
        file.write(5).expect("writes");
        file.write(6).expect("writes");
        let whole = fs::read(path.join(NAME)).expect("reads");
        let number = |bytes: &[u8]| {
            fs::write(path.join(NAME), bytes).expect("writes");
            read(path).map(|mark| mark.expect("is there").number)
        };
        assert_eq!(number(&whole), Ok(6));
        for at in 0..USED {
            let mut torn = whole.clone();
            torn[PLACE + at] ^= 0x40;
            assert_eq!(number(&torn), Ok(5), "byte {at} of the newest");
            torn[at] ^= 0x40;
            assert!(number(&torn).is_err(), "byte {at} of both");
        }
        for length in 0..whole.len() {
            assert!(number(&whole[..length]).is_err(), "length {length}");
        }
    }
}
