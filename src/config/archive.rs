//! `[archive]`: where bases are kept beyond what the snapshot topic remembers, and for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kafka::Secret;

/// `[archive]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// The root of the archive: a directory (a relative one is relative to the working directory),
    /// `file:///dir`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. No credentials in
    /// it: those are `archive.options` or the environment. Default `snapshots`.
    pub url: String,
    /// Events of a partition after which the service makes its next base by itself. 0 = never by events.
    /// Default 10000000.
    pub every_events: u64,
    /// Seconds after which the service makes a partition's next base by itself, where it has any event since;
    /// counted from the newest base, or from the start where there is none. 0 = never by time. Default 86400
    /// (a day).
    pub every_seconds: u64,
    /// How many of the newest bases of each partition are kept, whatever their age. At least 1. Default 7.
    pub keep: u32,
    /// Days for which a base is kept after it was made, though newer ones are enough for `keep`. 0 = `keep`
    /// alone decides. Default 30.
    pub keep_days: u32,
    /// Seconds that one request to the store of the archive may take, tries again included. Default 60.
    pub timeout_seconds: u32,
    /// Options of the object store, by the names of the `object_store` crate (`aws_region`, `aws_endpoint`,
    /// `google_service_account`, `azure_storage_account_name` …); they win over the environment's. Never
    /// printed where they may be secret.
    pub options: BTreeMap<String, Secret>,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            url: "snapshots".into(),
            every_events: 10_000_000,
            every_seconds: 86_400,
            keep: 7,
            keep_days: 30,
            timeout_seconds: 60,
            options: BTreeMap::new(),
        }
    }
}

impl ArchiveConfig {
    /// How long one request may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_seconds))
    }

    /// # Errors
    /// A sentence per setting that cannot be.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        if self.url.is_empty() {
            problems.push("url: is empty; give a directory, or file://, s3://, gs:// or az://".into());
        }
        if let Some((scheme, rest)) = self.url.split_once("://") {
            if !["file", "s3", "gs", "az"].contains(&scheme) {
                let text = "is no kind of archive; give a directory, or file://, s3://, gs:// or az://";
                problems.push(format!("url: {scheme}:// {text}"));
            }
            if rest.contains(['@', '?', '#']) {
                // Not repeated: it may hold a secret.
                problems.push("url: has a user, a query or a fragment; what belongs to the store goes into archive.options".into());
            }
        }
        if self.keep == 0 {
            problems.push("keep: 0 would keep no base; give 1 at least".into());
        }
        if self.timeout_seconds == 0 {
            problems.push("timeout_seconds: 0 leaves no time for any request".into());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(url: &str) -> String {
        let config = ArchiveConfig { url: url.into(), ..ArchiveConfig::default() };
        config.validate().err().unwrap_or_default().join("\n")
    }

    #[test]
    fn takes_directories_and_the_object_stores_there_are() {
        for url in ["snapshots", "/var/archive", "file:///var/archive", "s3://b/p", "gs://b", "az://c/p"] {
            assert_eq!(problems(url), "", "{url}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_use_and_repeats_no_secret() {
        assert!(problems("ftp://host/dir").contains("ftp://"));
        assert!(problems("").contains("url"));
        for url in ["s3://key:hunter2@bucket/p", "az://c/p?sig=hunter2"] {
            let text = problems(url);
            assert!(text.contains("archive.options") && !text.contains("hunter2"), "{text}");
        }
        let nothing = ArchiveConfig { keep: 0, timeout_seconds: 0, ..ArchiveConfig::default() };
        assert_eq!(nothing.validate().expect_err("refused").len(), 2);
    }
}
