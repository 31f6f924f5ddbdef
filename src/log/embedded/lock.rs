//! One process per log: an exclusive lock on `LOCK`, which names its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::log::LogError;

/// Held as long as the log is open. The system lets go of it when the process ends, however it ends.
pub(super) struct Lock {
    file: Mutex<File>,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, LogError> {
        let path = directory.join("LOCK");
        let refused = |e: std::io::Error| LogError::Refused {
            what: "locking the log directory",
            reason: format!("{}: {e}", path.display()),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // A holder that has not written its name yet is still a holder.
                let _ = std::io::Read::by_ref(&mut file).take(4096).read_to_string(&mut owner);
                let owner = owner.trim();
                let owner = if owner.is_empty() { "another process" } else { owner };
                return Err(LogError::Locked {
                    directory: directory.display().to_string(),
                    owner: owner.to_owned(),
                });
            }
            Err(TryLockError::Error(e)) => return Err(refused(e)),
        }
        let lock = Self { file: Mutex::new(file) };
        lock.write(&format!("process {}", std::process::id())).map_err(refused)?;
        Ok(lock)
    }

    /// Adds where the holder can be asked.
    pub(super) fn name_url(&self, url: &str) -> Result<(), LogError> {
        self.write(&format!("process {} ({url})", std::process::id()))
            .map_err(|e| LogError::Refused { what: "naming the owner in LOCK", reason: e.to_string() })
    }

    fn write(&self, owner: &str) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{owner}")
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not left to the closing of the file: a process that is being started has it open too, for a moment.
        let _ = self.file.get_mut().unwrap_or_else(PoisonError::into_inner).unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_the_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Lock::take(directory.path()).expect("free");
        first.name_url("http://127.0.0.1:8080").expect("writes");
        let Err(LogError::Locked { owner, .. }) = Lock::take(directory.path()) else { panic!("not locked") };
        assert_eq!(owner, format!("process {} (http://127.0.0.1:8080)", std::process::id()));
        drop(first);
        Lock::take(directory.path()).expect("free again");
    }

    #[test]
    fn it_is_free_though_a_process_just_started_has_its_file_still_open() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Lock::take(directory.path()).expect("free");
        // As between a fork and what is executed after it.
        let inherited = first.file.lock().expect("the file").try_clone().expect("a copy");
        drop(first);
        Lock::take(directory.path()).expect("free again");
        drop(inherited);
    }
}
