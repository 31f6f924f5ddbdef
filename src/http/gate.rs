//! What every request passes, known route or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use super::app::{App, Caller};
use super::problem::{Code, Problem};
use super::routes::RouteName;
use super::trace::{CORRELATION_ID, Trace};

/// The outermost layer: a trace id in, a finished answer out.
pub async fn gate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let trace = Trace::of(request.headers());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    request.extensions_mut().insert(trace.clone());
    let _in_flight = InFlight::new();
    // Always on, so that an error's line carries the trace id at every level; a span alone writes nothing.
    let span = tracing::error_span!("request", trace_id = %trace.trace_id);

    let mut response = admit(&app, request, next).instrument(span.clone()).await;

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        write_problem(&mut response, &problem, &trace.trace_id);
    }
    let headers = response.headers_mut();
    headers.insert(CORRELATION_ID, trace.correlation_id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Stock changes at any moment: nobody may answer from a copy without asking.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    finish(&span, &method, &uri, &response, begun.elapsed());
    response
}

/// Counts a request as under way for as long as it lives, a dropped one included.
struct InFlight;

impl InFlight {
    fn new() -> Self {
        crate::metrics::metrics().http_in_flight.inc();
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        crate::metrics::metrics().http_in_flight.dec();
    }
}

fn write_problem(response: &mut Response, problem: &Problem, trace_id: &str) {
    *response.body_mut() = Body::from(problem.body(trace_id, super::now()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(axum::http::header::CONTENT_LENGTH);
}

fn finish(span: &tracing::Span, method: &Method, uri: &Uri, response: &Response, took: Duration) {
    let status = response.status();
    let route = response.extensions().get::<RouteName>().map_or("unknown", |route| route.0);
    let caller = response.extensions().get::<Caller>().map_or("", |caller| caller.0.as_str());
    let _in_span = span.enter();
    tracing::debug!(
        %method,
        path = uri.path(),
        route,
        caller,
        status = status.as_u16(),
        microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "request answered"
    );
    let metrics = crate::metrics::metrics();
    // A method may be any token: only those we know become a label.
    let method =
        if ["GET", "HEAD", "PATCH", "POST"].contains(&method.as_str()) { method.as_str() } else { "other" };
    metrics.http_requests.with_label_values(&[route, method, status.as_str()]).inc();
    metrics.http_request_seconds.with_label_values(&[route]).observe(took.as_secs_f64());
}

/// The limits that hold for every request; then the route.
async fn admit(app: &Arc<App>, request: Request, next: Next) -> Response {
    if let Err(problem) = check_head(app, &request) {
        return problem.into_response();
    }
    // Probes must not fail because the service is busy: that would restart it for being useful.
    let _place = if request.uri().path().starts_with("/health/") {
        None
    } else {
        match app.place() {
            Ok(place) => Some(place),
            Err(problem) => {
                super::receive::discard(request, app.config.max_body_bytes).await;
                return problem.into_response();
            }
        }
    };
    // What brings a body has as long again to send it.
    let limit = app.config.request_timeout();
    let limit = if matches!(*request.method(), Method::GET | Method::HEAD) { limit } else { 2 * limit };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            Code::Overloaded,
            format!(
                "the answer took longer than http.request_timeout_ms = {}",
                app.config.request_timeout_ms
            ),
        )
        .retry_after(1)
        .into_response(),
    }
}

fn check_head(app: &App, request: &Request) -> Result<(), Problem> {
    let config = &app.config;
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > config.max_uri_bytes {
        return Err(Problem::new(
            Code::UriTooLong,
            format!("the request target has {target} bytes, at most {} are taken", config.max_uri_bytes),
        ));
    }
    let headers = request.headers();
    let bytes =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + target;
    if headers.len() > config.max_headers || bytes > config.max_head_bytes {
        return Err(Problem::new(
            Code::HeadTooLarge,
            format!(
                "{} headers of {bytes} bytes, at most {} and {} are taken",
                headers.len(),
                config.max_headers,
                config.max_head_bytes
            ),
        ));
    }
    if app.tokens.is_none() {
        check_host(app, request)?;
    }
    Ok(())
}

/// Without tokens the address is loopback, and the only protection is that others cannot reach it. A web page
/// could, by pointing a name of its own at 127.0.0.1: its requests carry that name in `Host`.
fn check_host(app: &App, request: &Request) -> Result<(), Problem> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    // A request without Host comes from no browser.
    let Some(host) = host.or_else(|| request.uri().host()) else { return Ok(()) };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let known = name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok()
        || app.config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
    if known {
        return Ok(());
    }
    Err(Problem::new(
        Code::WrongHost,
        "without tokens the service answers to localhost and IP addresses only; name others in http.allowed_hosts",
    ))
}
