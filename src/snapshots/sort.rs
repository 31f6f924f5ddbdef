//! The last record of each key, in the order of keys, in bounded memory.
//!
//! Records come in the order of their offsets. They are gathered in memory up to a bound, sorted, and written
//! as a run of which each key stands once; in the end the runs are merged. A run is a file of entries:
//!
//! | bytes | what |
//! |---|---|
//! | 4, 4 | lengths of key and value, u32 little-endian |
//! | 8, 8, 8 | offset, cycle, next: u64 little-endian |
//! | 1 | 0 a tombstone, 1 a row, 2 a record that cannot be read (its value says why) |
//! | 1, 16 | whether there is a hash before, and it |
//! | … | key, value |
//!
//! Runs are of this process's own making and live as long as the work that needs them; what is read back is
//! held against a checkpoint's digest.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::codec::snapshot::RecordMark;
use crate::types::{NextOffset, Offset};

const HEAD: usize = 4 + 4 + 8 + 8 + 8 + 1 + 1 + 16;
/// What an entry takes beside its bytes: where it begins, and as much again while they are sorted.
const INDEX_BYTES: usize = 2 * size_of::<usize>();
/// Of a larger memory the rest is taken as it is needed.
const RESERVED: usize = 64 << 20;

/// What a key's record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    Gone,
    Row(&'a [u8]),
    /// It cannot be read, and why.
    Unreadable(&'a str),
}

/// One record of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub key: &'a [u8],
    pub offset: Offset,
    pub mark: RecordMark,
    pub said: Said<'a>,
}

/// Gathers records.
pub(super) struct Sorter {
    directory: PathBuf,
    memory: usize,
    arena: Vec<u8>,
    /// Where each entry begins.
    index: Vec<usize>,
    runs: usize,
}

impl Sorter {
    /// `memory`: bytes to gather before a run is written. `runs`: how many stand in `directory` already.
    pub(super) fn new(directory: &Path, memory: usize, runs: usize) -> Self {
        // Growing would copy it again and again; of what is not used the system gives nothing.
        let arena = Vec::with_capacity(memory.min(RESERVED));
        Self { directory: directory.to_path_buf(), memory, arena, index: Vec::new(), runs }
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        self.index.push(self.arena.len());
        let (kind, value) = match entry.said {
            Said::Gone => (0, &[][..]),
            Said::Row(value) => (1, value),
            Said::Unreadable(why) => (2, why.as_bytes()),
        };
        let out = &mut self.arena;
        // A record of the log is far below 2^32 bytes.
        out.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(&entry.offset.0.to_le_bytes());
        out.extend_from_slice(&entry.mark.cycle.to_le_bytes());
        out.extend_from_slice(&entry.mark.next.0.to_le_bytes());
        out.push(kind);
        out.push(u8::from(entry.mark.before.is_some()));
        out.extend_from_slice(&entry.mark.before.unwrap_or_default().to_le_bytes());
        out.extend_from_slice(entry.key);
        out.extend_from_slice(value);
    }

    /// Whether what is gathered takes all it may.
    pub(super) fn is_full(&self) -> bool {
        self.arena.len() + self.index.len() * INDEX_BYTES >= self.memory
    }

    /// How many runs there are.
    pub(super) fn runs(&self) -> usize {
        self.runs
    }

    /// Writes what is gathered as a run, durably.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        self.sort();
        fs::create_dir_all(&self.directory)?;
        let mut file = BufWriter::with_capacity(1 << 20, File::create(run(&self.directory, self.runs))?);
        for start in &self.index {
            file.write_all(raw(&self.arena, *start))?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.runs += 1;
        self.arena.clear();
        self.index.clear();
        Ok(())
    }

    /// The last record of each key, in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.sort();
        let mut sources = Vec::with_capacity(self.runs + 1);
        for number in 0..self.runs {
            let file = BufReader::with_capacity(256 << 10, File::open(run(&self.directory, number))?);
            let mut run = Source::Run { file, head: Vec::new() };
            run.advance()?;
            sources.push(run);
        }
        sources.push(Source::Memory { arena: self.arena, index: self.index, at: 0 });
        Ok(Sorted { sources, given: None })
    }

    /// Orders by key and drops all but the last record of each.
    fn sort(&mut self) {
        let arena = &self.arena;
        // Stable, so that of one key the last record stays last; and cycle after cycle comes in the order of
        // keys, which this sort takes as it is.
        self.index.sort_by(|a, b| key_at(arena, *a).cmp(key_at(arena, *b)));
        self.index.dedup_by(|later, kept| {
            let same = key_at(arena, *later) == key_at(arena, *kept);
            if same {
                *kept = *later;
            }
            same
        });
    }
}

fn run(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("run-{number:05}"))
}

/// The bytes of the entry that begins at `start`.
fn raw(arena: &[u8], start: usize) -> &[u8] {
    let entry = arena.get(start..).unwrap_or_default();
    let length = body(entry).map_or(0, |body| HEAD + body);
    entry.get(..length).unwrap_or_default()
}

/// The key of the entry that begins at `start`.
fn key_at(arena: &[u8], start: usize) -> &[u8] {
    let entry = arena.get(start..).unwrap_or_default();
    let length = entry.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    entry.get(HEAD..).and_then(|behind| behind.get(..length)).unwrap_or_default()
}

/// How many bytes follow the head.
fn body(entry: &[u8]) -> Option<usize> {
    let (key, rest) = entry.split_first_chunk::<4>()?;
    let value = rest.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*key) as usize + u32::from_le_bytes(*value) as usize)
}

/// Nothing where `bytes` are no whole entry.
fn decode(bytes: &[u8]) -> Option<Entry<'_>> {
    fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
        let (taken, after) = rest.split_first_chunk::<N>()?;
        *rest = after;
        Some(taken)
    }
    let mut rest = bytes;
    let key = u32::from_le_bytes(*take(&mut rest)?) as usize;
    let value = u32::from_le_bytes(*take(&mut rest)?) as usize;
    let offset = Offset(u64::from_le_bytes(*take(&mut rest)?));
    let cycle = u64::from_le_bytes(*take(&mut rest)?);
    let next = NextOffset(u64::from_le_bytes(*take(&mut rest)?));
    let [kind, has_before] = *take::<2>(&mut rest)?;
    let before = u128::from_le_bytes(*take(&mut rest)?);
    let (key, value_bytes) = rest.split_at_checked(key)?;
    if value_bytes.len() != value {
        return None;
    }
    let said = match kind {
        0 => Said::Gone,
        1 => Said::Row(value_bytes),
        2 => Said::Unreadable(std::str::from_utf8(value_bytes).ok()?),
        _ => return None,
    };
    Some(Entry {
        key,
        offset,
        mark: RecordMark { cycle, next, before: (has_before == 1).then_some(before) },
        said,
    })
}

/// Runs, merged.
pub(super) struct Sorted {
    sources: Vec<Source>,
    /// The source whose head was given last.
    given: Option<usize>,
}

/// A run, or what is in memory still.
enum Source {
    Run { file: BufReader<File>, head: Vec<u8> },
    Memory { arena: Vec<u8>, index: Vec<usize>, at: usize },
}

impl Source {
    /// The next entry; empty at the end.
    fn head(&self) -> &[u8] {
        match self {
            Self::Run { head, .. } => head,
            Self::Memory { arena, index, at } => index.get(*at).map_or(&[], |start| raw(arena, *start)),
        }
    }

    fn key(&self) -> &[u8] {
        key_at(self.head(), 0)
    }

    fn advance(&mut self) -> io::Result<()> {
        match self {
            Self::Memory { at, .. } => *at += 1,
            Self::Run { file, head } => {
                head.clear();
                let mut fixed = [0; HEAD];
                if file.read(&mut fixed[..1])? == 0 {
                    return Ok(());
                }
                file.read_exact(&mut fixed[1..])?;
                head.extend_from_slice(&fixed);
                let body = body(&fixed).unwrap_or_default() as u64;
                if file.by_ref().take(body).read_to_end(head)? as u64 != body {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(())
    }
}

impl Sorted {
    /// What the last call of [`Self::advance`] gave.
    pub(super) fn current(&self) -> Option<Entry<'_>> {
        decode(self.sources.get(self.given?)?.head())
    }

    /// The next key's last record; nothing at the end.
    pub(super) fn advance(&mut self) -> io::Result<Option<Entry<'_>>> {
        if let Some(given) = self.given.take() {
            self.pass(given)?;
        }
        // Later runs hold later offsets, so of equal keys the last source wins.
        let mut next: Option<(usize, &Source)> = None;
        for (at, source) in self.sources.iter().enumerate() {
            if !source.head().is_empty() && next.is_none_or(|(_, found)| source.key() <= found.key()) {
                next = Some((at, source));
            }
        }
        let Some((at, source)) = next else { return Ok(None) };
        self.given = Some(at);
        let torn = || io::Error::new(io::ErrorKind::InvalidData, "a run does not hold what was written");
        decode(source.head()).ok_or_else(torn).map(Some)
    }

    /// Leaves the key of `given` behind, in every source.
    fn pass(&mut self, given: usize) -> io::Result<()> {
        for other in 0..self.sources.len() {
            let is_same = other != given && self.sources[other].key() == self.sources[given].key();
            if is_same && !self.sources[other].head().is_empty() {
                self.sources[other].advance()?;
            }
        }
        self.sources[given].advance()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn entry<'a>(key: &'a [u8], offset: u64, said: Said<'a>) -> Entry<'a> {
        let before = offset.is_multiple_of(2).then_some(u128::from(offset));
        Entry {
            key,
            offset: Offset(offset),
            mark: RecordMark { cycle: offset / 10, next: NextOffset(offset), before },
            said,
        }
    }

    /// However small the memory, and wherever runs end: the last record of each key, in order.
    #[test]
    fn gives_the_last_record_of_each_key_in_order() {
        let mut random = fastrand::Rng::with_seed(7);
        for memory in [1, 300, 5_000, 1 << 20] {
            let directory = tempfile::tempdir().expect("a directory");
            let mut sorter = Sorter::new(directory.path(), memory, 0);
            let mut last = BTreeMap::new();
            for offset in 0..1000_u64 {
                let key = format!("K{}", random.u32(0..200)).into_bytes();
                let value = vec![random.u8(..); random.usize(0..30)];
                let said = match random.u8(0..10) {
                    0 => Said::Gone,
                    1 => Said::Unreadable("torn"),
                    _ => Said::Row(&value),
                };
                sorter.push(&entry(&key, offset, said));
                let kept = match said {
                    Said::Row(value) => Some(value.to_vec()),
                    _ => None,
                };
                last.insert(key, (offset, kept));
                if sorter.is_full() {
                    sorter.spill().expect("spills");
                }
            }
            let mut sorted = sorter.finish().expect("opens");
            let mut found = Vec::new();
            while let Some(got) = sorted.advance().expect("reads") {
                let kept = match got.said {
                    Said::Row(value) => Some(value.to_vec()),
                    _ => None,
                };
                assert_eq!(got, entry(got.key, got.offset.0, got.said));
                found.push((got.key.to_vec(), (got.offset.0, kept)));
            }
            assert_eq!(found, last.into_iter().collect::<Vec<_>>(), "memory {memory}");
        }
    }

    #[test]
    fn a_run_cut_short_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut sorter = Sorter::new(directory.path(), 1, 0);
        sorter.push(&entry(b"A", 1, Said::Row(b"value")));
        sorter.spill().expect("spills");
        let path = run(directory.path(), 0);
        let bytes = fs::read(&path).expect("reads");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("cut");
        assert!(sorter.finish().is_err());
    }
}
