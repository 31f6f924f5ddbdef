//! What a build keeps while it is being filled, so that a killed one goes on.
//!
//! Beside the partition's generations, in `scratch/build-KEY`: the sorted files written so far and a note that
//! says what they hold. The note is replaced whole, after the files that it names are on the disk; so it is
//! never ahead of them. What it does not name is written anew.
//!
//! | line | what |
//! |---|---|
//! | 1 | `build 1` |
//! | 2 | parts of the source, a number of the filler's own, rows, bytes, digest, the last key in hexadecimal |
//! | one per file | its name, its length |
//! | last | `end` |

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Digest, StoreError};

const HEAD: &str = "build 1";
const END: &str = "end";
const NOTE: &str = "note";

/// A sorted file is noted once it has so many bytes: less is quickly written again.
const WORTH_KEEPING: u64 = 4 << 20;

/// A place for a build that others of the same partition do not touch while this lives.
pub(super) struct Staging {
    directory: PathBuf,
    /// The operating system's: a killed build holds none.
    _lock: Held,
    pub kept: Option<Kept>,
}

/// What the files of a build hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whole parts of the source.
    pub parts: u64,
    /// Of whoever fills, to go on with.
    pub own: u64,
    pub rows: u64,
    /// Of keys and values.
    pub bytes: u64,
    pub digest: Digest,
    pub last: Vec<u8>,
    pub(super) files: Vec<(String, u64)>,
}

impl Staging {
    /// Takes the place of `key`, with what is kept there; nothing where another build has it. Places of other
    /// keys that nobody has are removed.
    pub(super) fn take(scratch: &Path, key: &str) -> Result<Option<Self>, StoreError> {
        let name = format!("build-{key}");
        let directory = scratch.join(&name);
        fs::create_dir_all(&directory).map_err(|e| StoreError::io(&directory, e))?;
        for entry in fs::read_dir(scratch).into_iter().flatten().flatten() {
            let other = entry.file_name().to_string_lossy().into_owned();
            if other.starts_with("build-")
                && other != name
                && lock(&entry.path()).is_ok_and(|it| it.is_some())
            {
                // Takes room and harms nothing where it stays.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let Some(held) = lock(&directory)? else { return Ok(None) };
        let kept = read(&directory);
        let named = |file: &str| {
            file == "lock"
                || kept.as_ref().is_some_and(|kept| kept.files.iter().any(|(name, _)| name == file))
        };
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            if !named(&file) && (file != NOTE || kept.is_none()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Some(Self { directory, _lock: held, kept }))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) const fn is_worth(bytes: u64) -> bool {
        bytes >= WORTH_KEEPING
    }

    /// Notes what the files hold. They must be on the disk.
    pub(super) fn save(&self, kept: &Kept) -> Result<(), StoreError> {
        let Kept { parts, own, rows, bytes, digest, last, files } = kept;
        let last: String = last.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut text = format!("{HEAD}\n{parts} {own} {rows} {bytes} {} {last}\n", digest.0);
        for (name, length) in files {
            text.push_str(&format!("{name} {length}\n"));
        }
        text.push_str(END);
        let write = || {
            File::open(&self.directory)?.sync_all()?;
            let fresh = self.directory.join("note.new");
            let mut file = File::create(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, self.directory.join(NOTE))?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|e| StoreError::io(&self.directory, e))
    }

    /// Removes it and all it holds.
    pub(super) fn discard(self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A lock that is held.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Not left to the closing of the file: a process that is being started has it open too, for a moment.
        let _ = self.0.unlock();
    }
}

fn lock(directory: &Path) -> Result<Option<Held>, StoreError> {
    let path = directory.join("lock");
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|e| StoreError::io(&path, e))?;
    Ok(file.try_lock().is_ok().then_some(Held(file)))
}

/// The note, where it is whole and every file it names is there.
fn read(directory: &Path) -> Option<Kept> {
    let text = fs::read_to_string(directory.join(NOTE)).ok()?;
    let mut lines = text.lines();
    if lines.next()? != HEAD || lines.next_back()? != END {
        return None;
    }
    let mut fields = lines.next()?.split(' ');
    let mut number = || fields.next()?.parse::<u64>().ok();
    let (parts, own, rows, bytes) = (number()?, number()?, number()?, number()?);
    let digest = Digest(fields.next()?.parse().ok()?);
    let hex = fields.next()?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let last = hex.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    let mut files = Vec::new();
    for line in lines {
        let (name, length) = line.split_once(' ')?;
        let length: u64 = length.parse().ok()?;
        if fs::metadata(directory.join(name)).ok()?.len() != length {
            return None;
        }
        files.push((name.to_owned(), length));
    }
    Some(Kept { parts, own, rows, bytes, digest, last, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(files: Vec<(String, u64)>) -> Kept {
        Kept {
            parts: 3,
            own: 7,
            rows: 100,
            bytes: 4000,
            digest: Digest(u128::MAX),
            last: vec![0, 255, 16],
            files,
        }
    }

    #[test]
    fn what_is_noted_is_found_again_unless_a_file_of_it_is_not_what_it_was() {
        let scratch = tempfile::tempdir().expect("a directory");
        let take = || Staging::take(scratch.path(), "a").expect("taken").expect("free");
        let staging = take();
        assert_eq!(staging.kept, None);
        fs::write(staging.directory().join("rows-00000.sst"), b"four").expect("written");
        let noted = kept(vec![("rows-00000.sst".into(), 4)]);
        staging.save(&noted).expect("saved");
        fs::write(staging.directory().join("rows-00001.sst"), b"not noted").expect("written");
        assert!(Staging::take(scratch.path(), "a").expect("asked").is_none(), "one at a time");
        drop(staging);

        let staging = take();
        assert_eq!(staging.kept, Some(noted));
        assert!(!staging.directory().join("rows-00001.sst").exists());
        fs::write(staging.directory().join("rows-00000.sst"), b"cut").expect("written");
        drop(staging);
        assert_eq!(take().kept, None);
    }

    /// As a process that is being started has every open file, for a moment.
    #[test]
    fn a_place_that_was_let_go_of_is_free_though_another_has_its_file_open() {
        let scratch = tempfile::tempdir().expect("a directory");
        let staging = Staging::take(scratch.path(), "a").expect("taken").expect("free");
        let elsewhere = staging._lock.0.try_clone().expect("a second handle");
        drop(staging);
        assert!(Staging::take(scratch.path(), "a").expect("asked").is_some());
        drop(elsewhere);
    }

    #[test]
    fn a_note_cut_anywhere_is_none() {
        let scratch = tempfile::tempdir().expect("a directory");
        let staging = Staging::take(scratch.path(), "a").expect("taken").expect("free");
        staging.save(&kept(Vec::new())).expect("saved");
        let note = staging.directory().join(NOTE);
        let whole = fs::read(&note).expect("read");
        for length in 0..whole.len() {
            fs::write(&note, &whole[..length]).expect("written");
            assert_eq!(read(staging.directory()), None, "{length}");
        }
    }

    #[test]
    fn a_build_of_something_else_takes_away_what_nobody_goes_on_with() {
        let scratch = tempfile::tempdir().expect("a directory");
        drop(Staging::take(scratch.path(), "old").expect("taken"));
        let held = Staging::take(scratch.path(), "held").expect("taken");
        drop(Staging::take(scratch.path(), "new").expect("taken"));
        let there = |key: &str| scratch.path().join(format!("build-{key}")).exists();
        assert!(!there("old") && there("held") && there("new"));
        drop(held);
    }
}
