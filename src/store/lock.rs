use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::StoreError;

const FILE: &str = "LOCK";

/// One process per data directory: held as long as this lives. `LOCK` names the owner's process and URL.
///
/// The operating system holds the lock, so a killed owner leaves none behind.
#[derive(Debug)]
pub struct DirectoryLock {
    path: PathBuf,
    file: File,
}

impl DirectoryLock {
    /// Makes the directory where there is none.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the owner.
    pub fn take(directory: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory).map_err(|e| StoreError::io(directory, e))?;
        let path = directory.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| StoreError::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => {
                let lock = Self { path, file };
                lock.write("")?;
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Whoever holds it may be writing its name right now: what is there is good enough.
                let _ = file.read_to_string(&mut text);
                let (pid, url) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
                Err(StoreError::Locked {
                    directory: directory.to_path_buf(),
                    pid: pid.parse().unwrap_or_default(),
                    url: if url.is_empty() { "an address not known yet".into() } else { url.into() },
                })
            }
            Err(TryLockError::Error(error)) => Err(StoreError::io(&path, error)),
        }
    }

    /// Tells others where this process answers, once it does.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn set_url(&self, url: &str) -> Result<(), StoreError> {
        self.write(url)
    }

    fn write(&self, url: &str) -> Result<(), StoreError> {
        let mut file = &self.file;
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{} {url}", std::process::id()))
            .map_err(|e| StoreError::io(&self.path, e))
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Not left to the closing of the file: a process that is being started has it open too, for a moment.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_and_told_who_the_first_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = DirectoryLock::take(directory.path()).expect("the lock");
        first.set_url("http://127.0.0.1:8080").expect("the url");
        match DirectoryLock::take(directory.path()) {
            Err(StoreError::Locked { pid, url, .. }) => {
                assert_eq!(pid, std::process::id());
                assert_eq!(url, "http://127.0.0.1:8080");
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
        drop(first);
        DirectoryLock::take(directory.path()).expect("the lock is free again");
    }

    #[test]
    fn it_is_free_though_a_process_just_started_has_its_file_still_open() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = DirectoryLock::take(directory.path()).expect("the lock");
        // As between a fork and what is executed after it.
        let inherited = first.file.try_clone().expect("a copy");
        drop(first);
        DirectoryLock::take(directory.path()).expect("the lock is free again");
        drop(inherited);
    }
}
