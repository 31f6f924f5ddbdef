use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The section `[http]`: where the service listens, who may ask, and how much.
///
/// Every limit is a bound on what one client, or all of them, can make the process hold or do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port. Anything but loopback needs `tokens_file`. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may ask: a line per token, `NAME ROLES SHA256`. With it every route but `/health/*` wants a
    /// bearer token, on loopback too.
    pub tokens_file: Option<PathBuf>,
    /// How often `tokens_file` is looked at for changes, in milliseconds.
    pub tokens_reload_ms: u64,
    /// Host names under which an address without tokens may be asked, beside `localhost` and IP addresses.
    /// Protects a loopback service from web pages that point a name of their own at 127.0.0.1.
    pub allowed_hosts: Vec<String>,
    /// Open connections at once; more wait in the listen queue.
    pub max_connections: usize,
    /// Requests under way at once; more are answered 429.
    pub max_requests: usize,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Most events in one `POST /events`, and commands in one `POST /commands`.
    pub max_batch_events: usize,
    /// Commands of a partition that may wait to be decided; while more do, further ones are answered 429.
    pub max_undecided_commands: u64,
    /// Largest request head (request line and headers), in bytes.
    pub max_head_bytes: usize,
    /// Most headers in a request.
    pub max_headers: usize,
    /// Longest request target (path and query), in bytes.
    pub max_uri_bytes: usize,
    /// How long a connection may take to send a request's head, in milliseconds; so also how long it may
    /// stay open between two requests.
    pub head_timeout_ms: u64,
    /// How long a request may take from head to answer, its body included, in milliseconds.
    pub request_timeout_ms: u64,
    /// How long a client may leave an answer unread before its connection is closed, in milliseconds.
    pub write_timeout_ms: u64,
    /// How long `at_least` waits for a position before it answers 503, in milliseconds.
    pub at_least_timeout_ms: u64,
    /// How long a command's outcome is waited for before 202, in milliseconds.
    pub command_wait_ms: u64,
    /// How long a stop waits for requests under way, in milliseconds.
    pub drain_timeout_ms: u64,
    /// Items in a page when the request does not say.
    pub default_limit: usize,
    /// Most items in a page.
    pub max_limit: usize,
    /// The `source` of commands made from the platform's own HTTP requests.
    pub command_source: String,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tokens_file: None,
            tokens_reload_ms: 2_000,
            allowed_hosts: Vec::new(),
            max_connections: 1_024,
            max_requests: 512,
            max_body_bytes: 8 * 1024 * 1024,
            max_batch_events: 10_000,
            max_undecided_commands: 100_000,
            max_head_bytes: 16 * 1024,
            max_headers: 64,
            max_uri_bytes: 8 * 1024,
            head_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            write_timeout_ms: 10_000,
            at_least_timeout_ms: 10_000,
            command_wait_ms: 10_000,
            drain_timeout_ms: 10_000,
            default_limit: 100,
            max_limit: 1_000,
            command_source: "/inventory-store/http".to_owned(),
        }
    }
}

impl HttpConfig {
    /// # Errors
    /// A line per setting that cannot work, naming it.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        let mut at_least = |name: &str, value: u64, least: u64| {
            if value < least {
                wrong.push(format!("{name}: is {value}, must be at least {least}"));
            }
        };
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        at_least("tokens_reload_ms", self.tokens_reload_ms, 10);
        at_least("max_connections", count(self.max_connections), 1);
        at_least("max_requests", count(self.max_requests), 1);
        at_least("max_body_bytes", count(self.max_body_bytes), 1_024);
        at_least("max_batch_events", count(self.max_batch_events), 1);
        at_least("max_undecided_commands", self.max_undecided_commands, 1);
        // hyper's read buffer cannot be smaller than 8 KiB.
        at_least("max_head_bytes", count(self.max_head_bytes), 8 * 1_024);
        at_least("max_headers", count(self.max_headers), 8);
        at_least("max_uri_bytes", count(self.max_uri_bytes), 1_024);
        at_least("head_timeout_ms", self.head_timeout_ms, 10);
        at_least("request_timeout_ms", self.request_timeout_ms, 10);
        at_least("write_timeout_ms", self.write_timeout_ms, 10);
        at_least("default_limit", count(self.default_limit), 1);
        at_least("max_limit", count(self.max_limit), 1);
        if self.max_uri_bytes > self.max_head_bytes {
            wrong.push(format!(
                "max_uri_bytes: is {}, more than max_head_bytes = {} leaves for it",
                self.max_uri_bytes, self.max_head_bytes
            ));
        }
        if self.at_least_timeout_ms >= self.request_timeout_ms {
            wrong.push(format!(
                "at_least_timeout_ms: is {}, must be below request_timeout_ms = {}",
                self.at_least_timeout_ms, self.request_timeout_ms
            ));
        }
        if self.command_wait_ms >= self.request_timeout_ms {
            wrong.push(format!(
                "command_wait_ms: is {}, must be below request_timeout_ms = {}",
                self.command_wait_ms, self.request_timeout_ms
            ));
        }
        if self.default_limit > self.max_limit {
            wrong.push(format!(
                "default_limit: is {}, must not exceed max_limit = {}",
                self.default_limit, self.max_limit
            ));
        }
        if self.command_source.is_empty() {
            wrong.push("command_source: must not be empty".to_owned());
        }
        if !self.listen.ip().is_loopback() && self.tokens_file.is_none() {
            wrong.push(format!(
                "listen: is {}, which other machines can reach: set tokens_file, or listen on 127.0.0.1",
                self.listen
            ));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    #[must_use]
    pub fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    #[must_use]
    pub fn at_least_timeout(&self) -> Duration {
        Duration::from_millis(self.at_least_timeout_ms)
    }

    #[must_use]
    pub fn command_wait(&self) -> Duration {
        Duration::from_millis(self.command_wait_ms)
    }

    #[must_use]
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }

    #[must_use]
    pub fn tokens_reload(&self) -> Duration {
        Duration::from_millis(self.tokens_reload_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(HttpConfig::default().validate(), Ok(()));
    }

    #[test]
    fn another_address_needs_tokens() {
        let open = HttpConfig { listen: SocketAddr::from(([0, 0, 0, 0], 80)), ..HttpConfig::default() };
        let wrong = open.validate().expect_err("refused");
        assert!(wrong.len() == 1 && wrong[0].contains("tokens_file"), "{wrong:?}");
        let guarded = HttpConfig { tokens_file: Some("tokens".into()), ..open };
        assert_eq!(guarded.validate(), Ok(()));
    }

    #[test]
    fn every_setting_that_cannot_work_is_named() {
        let config = HttpConfig {
            max_requests: 0,
            default_limit: 5,
            max_limit: 4,
            at_least_timeout_ms: 30_000,
            command_wait_ms: 30_000,
            ..HttpConfig::default()
        };
        let wrong = config.validate().expect_err("refused");
        for name in ["max_requests", "default_limit", "at_least_timeout_ms", "command_wait_ms"] {
            assert!(wrong.iter().any(|line| line.contains(name)), "{name}: {wrong:?}");
        }
    }
}
