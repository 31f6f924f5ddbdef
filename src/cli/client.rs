//! A client of a running service.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::exit::{Failure, Status};

/// Where a service runs when nothing is said.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Holds a token where no file is given.
const TOKEN_VARIABLE: &str = "INVENTORY_STORE_TOKEN";
/// The largest answer that is read: a thousand items of history are far below.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// How to prove who asks.
#[derive(Args, Clone)]
pub struct TokenArgs {
    /// A file that holds the bearer token; without it the variable INVENTORY_STORE_TOKEN, where set.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    fn token(&self) -> Result<Option<String>, Failure> {
        let token = match &self.token_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                Failure::text(
                    Status::Usage,
                    format!("the token file {} cannot be read: {error}", path.display()),
                )
            })?),
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if token.as_deref().is_some_and(|token| !token.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Failure::text(Status::Usage, "the token holds characters that no bearer token has"));
        }
        Ok(token)
    }
}

/// A running service.
pub struct Client {
    agent: ureq::Agent,
    url: String,
    authorization: Option<String>,
}

/// What the service answered: a body for 2xx; otherwise see [`Answer::into_failure`].
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    url: String,
}

impl Client {
    pub fn new(url: &str, token: &TokenArgs) -> Result<Self, Failure> {
        let url = url.trim_end_matches('/');
        if !url.starts_with("http://") {
            let text = format!(
                "{url} is not an http:// URL; write for example {DEFAULT_URL} (for TLS, go through a local proxy)"
            );
            return Err(Failure::text(Status::Usage, text));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_secs(60)))
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("inventory-store/", env!("CARGO_PKG_VERSION")))
            .build();
        let authorization = token.token()?.map(|token| format!("Bearer {token}"));
        Ok(Self { agent: ureq::Agent::new_with_config(config), url: url.to_owned(), authorization })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn get(&self, path: &str) -> Result<Answer, Failure> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        self.answer(request.call())
    }

    pub fn delete(&self, path: &str) -> Result<Answer, Failure> {
        let mut request = self.agent.delete(format!("{}{path}", self.url));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        self.answer(request.call())
    }

    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer, Failure> {
        self.post_preferring(path, content_type, "", body)
    }

    /// With a preference such as `respond-async`; none where it is empty.
    pub fn post_preferring(
        &self,
        path: &str,
        content_type: &str,
        prefer: &str,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let mut request = self.agent.post(format!("{}{path}", self.url)).header("content-type", content_type);
        if !prefer.is_empty() {
            request = request.header("prefer", prefer);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        self.answer(request.send(body))
    }

    fn answer(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, Failure> {
        let broken = |error: ureq::Error| {
            let text = match &error {
                ureq::Error::Timeout(_) => format!("{} did not answer in time ({error})", self.url),
                ureq::Error::Io(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => format!(
                    "{} cannot be reached ({error}); is the service running? Start it with `inventory-store serve`, or read a stopped one's --data-dir",
                    self.url
                ),
                _ => format!("{}: {error}", self.url),
            };
            Failure::text(Status::Unreachable, text)
        };
        let mut response = answer.map_err(broken)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().map_err(broken)?;
        Ok(Answer { status, body, url: self.url.clone() })
    }
}

impl Answer {
    /// The body of a 2xx answer.
    pub fn success(self) -> Result<Vec<u8>, Failure> {
        if (200..300).contains(&self.status) { Ok(self.body) } else { Err(self.into_failure()) }
    }

    /// The problem in words.
    pub fn problem(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let field = |name: &str| problem.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let text = field("detail").or_else(|| field("title")).or_else(|| field("message"));
        let text = text.map_or_else(|| format!("HTTP status {}", self.status), super::table::shown);
        match field("code") {
            Some(code) => format!("{text} ({})", super::table::shown(code)),
            None => text,
        }
    }

    pub fn into_failure(self) -> Failure {
        let status = match self.status {
            401 | 403 => Status::Usage,
            408 | 429 | 500.. => Status::Unreachable,
            _ => Status::Refused,
        };
        let hint = match self.status {
            401 => "; give a token with --token-file or INVENTORY_STORE_TOKEN",
            _ => "",
        };
        Failure::text(status, format!("{}: {}{hint}", self.url, self.problem()))
    }
}

/// A text as one segment of a path, or one value of a query.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sku_fits_in_one_segment() {
        assert_eq!(encoded("SKU-1_a.b~"), "SKU-1_a.b~");
        assert_eq!(encoded("a/b c?Ä%"), "a%2Fb%20c%3F%C3%84%25");
    }
}
