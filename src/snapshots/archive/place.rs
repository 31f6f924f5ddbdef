//! Objects under the archive's root, for threads that wait: the one door to `object_store`.
//!
//! The crate is async, so each archive has a small runtime of its own; a call blocks for at most
//! `archive.timeout_seconds`.

use std::future::Future;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::ArchiveError;
use super::open::{Opened, open};
use crate::config::ArchiveConfig;
use crate::types::UtcTime;

/// Where the objects of an archive are.
pub(super) struct Place {
    store: Arc<dyn ObjectStore>,
    root: Path,
    directory: Option<std::path::PathBuf>,
    url: String,
    timeout: Duration,
    runtime: Runtime,
}

/// An object there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// Below the root.
    pub name: String,
    pub bytes: u64,
    pub modified: UtcTime,
}

/// A request under way.
pub(super) struct Pending<T> {
    task: JoinHandle<Result<T, object_store::Error>>,
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What putting an object came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Done,
    /// There is another of that name, and it was left.
    Taken,
}

impl Place {
    pub fn open(config: &ArchiveConfig) -> Result<Self, ArchiveError> {
        let Opened { store, root, directory, url } = open(config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(16)
            .thread_name("archive-io")
            .enable_all()
            .build()
            .map_err(|error| ArchiveError::Failed { url: url.clone(), detail: error.to_string() })?;
        Ok(Self { store, root, directory, url, timeout: config.timeout(), runtime })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The root, where it is a directory of this machine.
    pub fn directory(&self) -> Option<&FilePath> {
        self.directory.as_deref()
    }

    /// Puts an object where there is none of that name: whole and durable, or not at all.
    pub fn put(&self, name: &str, bytes: Bytes) -> Result<Put, ArchiveError> {
        let pending = self.begin_put(name, bytes.clone());
        self.end_put(name, pending, &bytes)
    }

    /// Begins to.
    pub fn begin_put(&self, name: &str, bytes: Bytes) -> Pending<()> {
        let (store, path) = (Arc::clone(&self.store), self.path(name));
        self.spawn(async move {
            let options = PutOptions::from(PutMode::Create);
            store.put_opts(&path, bytes.into(), options).await.map(drop)
        })
    }

    /// Waits for it. An object of that name with the same bytes is ours: an answer was lost, and the request
    /// sent again.
    pub fn end_put(&self, name: &str, pending: Pending<()>, bytes: &Bytes) -> Result<Put, ArchiveError> {
        match self.wait(pending)? {
            Ok(()) => Ok(Put::Done),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(if self.get(name)?.as_ref() == Some(bytes) { Put::Done } else { Put::Taken })
            }
            Err(error) => Err(self.error(&error)),
        }
    }

    /// The object; nothing where there is none.
    pub fn get(&self, name: &str) -> Result<Option<Bytes>, ArchiveError> {
        let pending = self.begin_get(name);
        self.end_get(pending)
    }

    /// Begins to read an object.
    pub fn begin_get(&self, name: &str) -> Pending<Bytes> {
        let (store, path) = (Arc::clone(&self.store), self.path(name));
        self.spawn(async move { store.get(&path).await?.bytes().await })
    }

    /// Waits for it.
    pub fn end_get(&self, pending: Pending<Bytes>) -> Result<Option<Bytes>, ArchiveError> {
        match self.wait(pending)? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(&error)),
        }
    }

    /// Its length; nothing where there is none.
    pub fn length(&self, name: &str) -> Result<Option<u64>, ArchiveError> {
        let (store, path) = (Arc::clone(&self.store), self.path(name));
        match self.wait(self.spawn(async move { store.head(&path).await }))? {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(&error)),
        }
    }

    /// All objects below the folder, in the order of their names; the whole archive for `""`.
    pub fn list(&self, folder: &str) -> Result<Vec<Object>, ArchiveError> {
        let (store, path) = (Arc::clone(&self.store), self.path(folder));
        let listed =
            self.wait(self.spawn(async move { store.list(Some(&path)).try_collect::<Vec<_>>().await }))?;
        let mut found: Vec<Object> = match listed {
            Ok(found) => found
                .into_iter()
                .filter_map(|object| {
                    let below: Vec<_> = object
                        .location
                        .prefix_match(&self.root)?
                        .map(|part| part.as_ref().to_owned())
                        .collect();
                    let (seconds, nanos) =
                        (object.last_modified.timestamp(), object.last_modified.timestamp_subsec_nanos());
                    Some(Object {
                        name: below.join("/"),
                        bytes: object.size,
                        modified: UtcTime::new(seconds, nanos.min(999_999_999)).unwrap_or(UtcTime::MIN),
                    })
                })
                .collect(),
            // A directory that is not there holds nothing; a bucket that is not there is a mistake.
            Err(object_store::Error::NotFound { .. }) if self.directory.is_some() => Vec::new(),
            Err(error) => return Err(self.error(&error)),
        };
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Deletes an object; it may be gone already.
    pub fn delete(&self, name: &str) -> Result<(), ArchiveError> {
        let (store, path) = (Arc::clone(&self.store), self.path(name));
        match self.wait(self.spawn(async move { store.delete(&path).await }))? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(&error)),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').filter(|part| !part.is_empty()).fold(self.root.clone(), |path, part| path.join(part))
    }

    fn spawn<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, object_store::Error>> + Send + 'static,
    ) -> Pending<T> {
        Pending { task: self.runtime.spawn(request) }
    }

    fn wait<T>(&self, mut pending: Pending<T>) -> Result<Result<T, object_store::Error>, ArchiveError> {
        let limited = async { tokio::time::timeout(self.timeout, &mut pending.task).await };
        match self.runtime.block_on(limited) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(ArchiveError::Failed { url: self.url.clone(), detail: error.to_string() }),
            Err(_) => {
                let detail = format!("no answer within {} s", self.timeout.as_secs());
                Err(ArchiveError::Unreachable { url: self.url.clone(), detail })
            }
        }
    }

    fn error(&self, error: &object_store::Error) -> ArchiveError {
        use object_store::Error;

        let (url, detail) = (self.url.clone(), causes(error));
        match (error, io_kind(error)) {
            (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _)
            | (_, Some(io::ErrorKind::PermissionDenied)) => ArchiveError::Denied { url, detail },
            (_, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) => {
                ArchiveError::DiskFull { url }
            }
            (Error::UnknownConfigurationKey { .. } | Error::InvalidPath { .. }, _) => {
                ArchiveError::Misconfigured { url, detail }
            }
            _ if self.directory.is_some() => ArchiveError::Failed { url, detail },
            _ => ArchiveError::Unreachable { url, detail },
        }
    }
}

/// The error and what caused it, without repetition.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The operating system's reason, where that is what failed.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(config: &ArchiveConfig, source: Box<dyn std::error::Error + Send + Sync>) -> ArchiveError {
        let place = Place::open(config).expect("opens");
        place.error(&object_store::Error::Generic { store: "a test's", source })
    }

    #[test]
    fn a_full_disk_and_a_locked_door_are_told_from_other_failures() {
        let directory = ArchiveConfig { url: "/nowhere/archive".into(), ..ArchiveConfig::default() };
        let from = |kind: io::ErrorKind| error(&directory, io::Error::from(kind).into());
        assert!(matches!(from(io::ErrorKind::StorageFull), ArchiveError::DiskFull { .. }));
        assert!(matches!(from(io::ErrorKind::PermissionDenied), ArchiveError::Denied { .. }));
        let other = from(io::ErrorKind::BrokenPipe);
        assert!(matches!(other, ArchiveError::Failed { .. }));
        assert!(other.to_string().contains("/nowhere/archive"), "{other}");
    }
}
