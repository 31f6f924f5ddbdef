//! The store that a URL names.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use super::ArchiveError;
use crate::config::ArchiveConfig;

/// An opened store, and where in it the archive's root is.
pub(super) struct Opened {
    pub store: Arc<dyn ObjectStore>,
    pub root: Path,
    /// The root, where it is a directory of this machine.
    pub directory: Option<PathBuf>,
    /// What the archive is called in errors.
    pub url: String,
}

pub(super) fn open(config: &ArchiveConfig) -> Result<Opened, ArchiveError> {
    let refused = |detail: String| ArchiveError::Misconfigured { url: config.url.clone(), detail };
    let (scheme, rest) = config.url.split_once("://").unwrap_or(("file", &config.url));
    if scheme == "file" {
        return local(rest).map_err(refused);
    }
    let path = rest.split_once('/').map_or("", |(_, path)| path).trim_matches('/');
    let root = Path::parse(path).map_err(|error| refused(error.to_string()))?;
    let store = remote::open(scheme, config).map_err(refused)?;
    Ok(Opened { store, root, directory: None, url: config.url.clone() })
}

fn local(path: &str) -> Result<Opened, String> {
    let directory = std::path::absolute(FilePath::new(path)).map_err(|error| error.to_string())?;
    let root = Path::from_absolute_path(&directory).map_err(|error| error.to_string())?;
    // Not rooted in the directory, which need not be there to find that it holds nothing.
    let store = LocalFileSystem::new().with_fsync(true);
    let url = directory.display().to_string();
    Ok(Opened { store: Arc::new(store), root, directory: Some(directory), url })
}

#[cfg(not(feature = "object-stores"))]
mod remote {
    use std::sync::Arc;

    use object_store::ObjectStore;

    use crate::config::ArchiveConfig;

    pub fn open(scheme: &str, _: &ArchiveConfig) -> Result<Arc<dyn ObjectStore>, String> {
        Err(format!("this program was built without the feature object-stores, which {scheme}:// needs"))
    }
}

#[cfg(feature = "object-stores")]
mod remote {
    use std::str::FromStr;
    use std::sync::Arc;
    use std::time::Duration;

    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;
    use object_store::gcp::GoogleCloudStorageBuilder;
    use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

    use crate::config::ArchiveConfig;

    /// Settings from the environment (as the provider's own tools read them), below the archive's options.
    pub fn open(scheme: &str, config: &ArchiveConfig) -> Result<Arc<dyn ObjectStore>, String> {
        let url = config.url.as_str();
        let retry = retry(config.timeout());
        let text = |error: object_store::Error| error.to_string();
        Ok(match scheme {
            "s3" => {
                let mut builder = AmazonS3Builder::from_env().with_url(url).with_retry(retry);
                for (key, value) in settings(config)? {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build().map_err(text)?)
            }
            "gs" => {
                let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry);
                for (key, value) in settings(config)? {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build().map_err(text)?)
            }
            "az" => {
                let mut builder = MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry);
                for (key, value) in settings(config)? {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build().map_err(text)?)
            }
            _ => return Err(format!("{scheme}:// is no kind of archive; there are file, s3, gs and az")),
        })
    }

    /// Time limits first, then the archive's options, which may set others.
    fn settings<K: FromStr<Err = object_store::Error>>(
        config: &ArchiveConfig,
    ) -> Result<Vec<(K, String)>, String> {
        let client = [
            (ClientConfigKey::ConnectTimeout, Duration::from_secs(5).min(config.timeout())),
            (ClientConfigKey::Timeout, config.timeout()),
        ];
        let mut settings = Vec::new();
        for (key, time) in client {
            let key = K::from_str(key.as_ref()).map_err(|error| error.to_string())?;
            settings.push((key, format!("{} seconds", time.as_secs())));
        }
        for (name, value) in &config.options {
            let key = K::from_str(name).map_err(|_| format!("archive.options.{name} is no option of it"))?;
            settings.push((key, value.expose().to_owned()));
        }
        Ok(settings)
    }

    /// Tries again for half the time, so that the cause is known before the whole runs out.
    fn retry(timeout: Duration) -> RetryConfig {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        };
        RetryConfig { backoff, max_retries: 5, retry_timeout: timeout / 2 }
    }
}
