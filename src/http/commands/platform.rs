//! The platform's own requests, as commands: the same events, refusals and answers as `POST /commands`.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, HeaderName, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::super::app::App;
use super::super::levels::{sku_of, wants_json};
use super::super::parameters::Parameters;
use super::super::problem::{Code, Problem};
use super::super::receive::{self, Taken};
use super::{answer, prefer, submit};
use crate::codec::command::TYPE_PREFIX;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const BATCH: &str = "application/cloudevents-batch+json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adjustment {
    quantity_change: Value,
    reason_code: Value,
    #[serde(default)]
    comment: Value,
}

/// `PATCH /stock_levels/{sku}`: `product-stock.adjust`.
pub async fn adjust(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let sku = sku_of(&uri)?;
    let asked = Asked::of(&request)?;
    let expected_version = expected_version(&asked.headers)?;
    let (body, memory) = read::<Adjustment>(&app, request).await?;
    let mut data = Map::new();
    data.insert("quantity_change".to_owned(), body.quantity_change);
    data.insert("reason".to_owned(), body.reason_code);
    if !body.comment.is_null() {
        data.insert("comment".to_owned(), body.comment);
    }
    let command = asked.command(&app, "product-stock.adjust", sku.as_str(), None, expected_version, data);
    answer::single(asked.submit(&app, vec![command], memory).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reservation {
    quantity: Value,
    order_id: String,
}

/// `POST /stock_levels/{sku}/reservations`: `product-stock.allocate`, named after the order.
pub async fn reserve(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let sku = sku_of(&uri)?;
    let asked = Asked::of(&request)?;
    let expected_version = expected_version(&asked.headers)?;
    let (body, memory) = read::<Reservation>(&app, request).await?;
    let data = allocation(body.quantity, body.order_id);
    let command = asked.command(&app, "product-stock.allocate", sku.as_str(), None, expected_version, data);
    answer::single(asked.submit(&app, vec![command], memory).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bulk {
    requests: Vec<BulkItem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BulkItem {
    sku: String,
    quantity: Value,
    order_id: String,
}

/// `POST /allocations/bulk`: one `product-stock.allocate` each, every one decided by itself.
pub async fn allocate_bulk(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let asked = Asked::of(&request)?;
    let (body, memory) = read::<Bulk>(&app, request).await?;
    let commands = body.requests.into_iter().enumerate().map(|(index, item)| {
        let data = allocation(item.quantity, item.order_id);
        asked.command(&app, "product-stock.allocate", &item.sku, Some(index), None, data)
    });
    let commands = commands.collect();
    answer::batch(&asked.submit(&app, commands, memory).await?)
}

fn allocation(quantity: Value, order_id: String) -> Map<String, Value> {
    Map::from_iter([("quantity".to_owned(), quantity), ("allocation_id".to_owned(), Value::String(order_id))])
}

/// What a request says beside its body.
struct Asked {
    headers: HeaderMap,
    /// The command's id; in a bulk request with `/` and the index.
    key: String,
}

impl Asked {
    fn of(request: &Request) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        wants_json(&headers)?;
        receive::json_body(&headers)?;
        let key = idempotency_key(&headers)?;
        Ok(Self { headers, key })
    }

    fn command(
        &self,
        app: &App,
        name: &str,
        sku: &str,
        index: Option<usize>,
        expected_version: Option<u64>,
        data: Map<String, Value>,
    ) -> Value {
        let id = match index {
            None => self.key.clone(),
            Some(index) => format!("{}/{index}", self.key),
        };
        let mut command = json!({
            "specversion": "1.0", "id": id, "source": app.config.command_source,
            "type": format!("{TYPE_PREFIX}{name}"), "subject": sku, "time": super::super::now().to_string(),
            "datacontenttype": "application/json", "data": data,
        });
        if let (Some(version), Some(command)) = (expected_version, command.as_object_mut()) {
            command.insert("expectedversion".to_owned(), version.to_string().into());
        }
        command
    }

    /// From here on as if they had come to `POST /commands`.
    async fn submit(
        &self,
        app: &App,
        commands: Vec<Value>,
        memory: OwnedSemaphorePermit,
    ) -> Result<Vec<submit::Settled>, Problem> {
        let body = Value::Array(commands).to_string();
        let items = receive::items(app, &self.headers, Some(BATCH), body.as_bytes(), Taken::Commands)?;
        let commands = submit::checked(app, items)?;
        let wait = prefer::wait(&self.headers, app.config.command_wait());
        submit::submit(app, commands, memory, wait).await
    }
}

/// The body as the platform documents it: unknown, missing and repeated fields are named.
async fn read<T: DeserializeOwned>(
    app: &App,
    request: Request,
) -> Result<(T, OwnedSemaphorePermit), Problem> {
    let (body, memory) = receive::body(app, request).await?;
    let read = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Code::InvalidRequest, format!("the body cannot be read: {error}")))?;
    Ok((read, memory))
}

/// The key as it came, out of its quotes (it may be written as a structured field); a fresh one without.
fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    /// With `/` and an index it must still be an id.
    const MOST: usize = 200;
    let wrong = |what: &str| Problem::new(Code::InvalidRequest, format!("Idempotency-Key: {what}"));
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = given.next() else { return Ok(fresh()) };
    if given.next().is_some() {
        return Err(wrong("given more than once"));
    }
    let key = key.to_str().ok().map(str::trim).unwrap_or_default();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if key.is_empty() || key.len() > MOST || key.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(wrong(&format!("1 to {MOST} visible ASCII characters are taken")));
    }
    Ok(key.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "an edge: a request without a key can never be repeated")]
fn fresh() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// `If-Match: "7"` makes the command conditional on the version that the `ETag` of a read showed.
fn expected_version(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut given = headers.get_all(IF_MATCH).iter();
    let Some(tag) = given.next() else { return Ok(None) };
    let version = tag.to_str().ok().map(str::trim).and_then(|tag| {
        let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
        digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
    });
    match (version, given.next()) {
        (Some(version), None) => Ok(Some(version)),
        _ => Err(Problem::new(
            Code::InvalidRequest,
            "If-Match: one version as its ETag writes it is taken, for example \"7\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn a_key_loses_its_quotes_and_without_one_each_request_is_its_own() {
        let key = |values: &[&str]| idempotency_key(&headers(IDEMPOTENCY_KEY, values)).ok();
        assert_eq!(key(&["order-7"]).as_deref(), Some("order-7"));
        assert_eq!(key(&["\"order-7\""]).as_deref(), Some("order-7"));
        assert_eq!(key(&["a b"]).as_deref(), Some("a b"));
        assert_eq!((key(&[""]), key(&["a", "a"]), key(&[&"x".repeat(201)])), (None, None, None));
        assert_ne!(key(&[]), key(&[]));
    }

    #[test]
    fn if_match_is_a_version() {
        let version = |values: &[&str]| expected_version(&headers(IF_MATCH, values)).ok();
        assert_eq!((version(&[]), version(&["\"7\""])), (Some(None), Some(Some(7))));
        for wrong in [&["7"][..], &["*"], &["W/\"7\""], &["\"7\", \"8\""], &["\"-1\""], &["\"7\"", "\"7\""]] {
            assert_eq!(version(wrong), None, "{wrong:?}");
        }
    }
}
