use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::app::App;
use super::gate::gate;
use super::problem::{Code, Problem};
use super::tokens::Role;
use super::{commands, dead_letters, events, jobs, levels, operations};

/// One route: what docs/openapi.yaml describes, and metrics are labelled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    /// What a caller's token must reach; nothing = no token needed.
    pub role: Option<Role>,
}

/// The path of the route that answered, in a response's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct RouteName(pub &'static str);

const fn read(path: &'static str) -> Route {
    Route { method: "GET", path, role: Some(Role::Read) }
}

const fn command(method: &'static str, path: &'static str) -> Route {
    Route { method, path, role: Some(Role::Command) }
}

const fn admin(method: &'static str, path: &'static str) -> Route {
    Route { method, path, role: Some(Role::Admin) }
}

/// Every route. The router is made of this table and of nothing else; HEAD goes with each GET.
pub const ROUTES: &[Route] = &[
    read("/stock_levels"),
    read("/stock_levels/{sku}"),
    read("/stock_levels/{sku}/history"),
    read("/stock_levels/{sku}/holds"),
    read("/stock_levels/{sku}/allocations"),
    read("/stock_levels/{sku}/lots"),
    read("/stock_levels/{sku}/locations"),
    read("/stock_levels/{sku}/transfers"),
    read("/stock_levels/{sku}/serials"),
    command("POST", "/events"),
    command("POST", "/commands"),
    read("/commands"),
    command("PATCH", "/stock_levels/{sku}"),
    command("POST", "/stock_levels/{sku}/reservations"),
    command("POST", "/allocations/bulk"),
    read("/dead-letters"),
    read("/dead-letters/{position}"),
    command("POST", "/dead-letters/{position}/put-back"),
    read("/jobs"),
    admin("POST", "/jobs"),
    read("/jobs/{id}"),
    admin("DELETE", "/jobs/{id}"),
    read("/partitions"),
    Route { method: "GET", path: "/health/live", role: None },
    Route { method: "GET", path: "/health/ready", role: None },
    read("/metrics"),
];

/// What answers a route of the table.
fn handler(route: &Route) -> Option<MethodRouter<Arc<App>>> {
    Some(match (route.method, route.path) {
        ("GET", "/stock_levels") => get(levels::list),
        ("GET", "/stock_levels/{sku}") => get(levels::one),
        ("GET", "/stock_levels/{sku}/history") => get(levels::history),
        ("GET", path) if path.starts_with("/stock_levels/{sku}/") => get(levels::facet),
        ("POST", "/events") => post(events::publish),
        ("POST", "/commands") => post(commands::post),
        ("GET", "/commands") => get(commands::outcome),
        ("PATCH", "/stock_levels/{sku}") => patch(commands::adjust),
        ("POST", "/stock_levels/{sku}/reservations") => post(commands::reserve),
        ("POST", "/allocations/bulk") => post(commands::allocate_bulk),
        ("GET", "/dead-letters") => get(dead_letters::list),
        ("GET", "/dead-letters/{position}") => get(dead_letters::show),
        ("POST", "/dead-letters/{position}/put-back") => post(dead_letters::put_back),
        ("GET", "/jobs") => get(jobs::list),
        ("POST", "/jobs") => post(jobs::start),
        ("GET", "/jobs/{id}") => get(jobs::one),
        ("DELETE", "/jobs/{id}") => delete(jobs::cancel),
        ("GET", "/partitions") => get(operations::partitions),
        ("GET", "/health/live") => get(operations::live),
        ("GET", "/health/ready") => get(operations::ready),
        ("GET", "/metrics") => get(operations::metrics),
        _ => return None,
    })
}

pub(super) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let Some(handler) = handler(route) else { continue };
        let guard = middleware::from_fn_with_state((Arc::clone(&app), *route), guard);
        router = router.route(route.path, handler.route_layer(guard));
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), gate))
        .with_state(app)
}

/// Lets through whose token reaches the route's role, and names the route for metrics.
async fn guard(State((app, route)): State<(Arc<App>, Route)>, request: Request, next: Next) -> Response {
    let allowed = match route.role {
        None => Ok(None),
        Some(role) => {
            app.authorize(request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes()), role)
        }
    };
    let mut response = match allowed {
        Ok(caller) => {
            let mut response = next.run(request).await;
            if let Some(caller) = caller {
                response.extensions_mut().insert(caller);
            }
            response
        }
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(RouteName(route.path));
    response
}

async fn unknown(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(256).collect();
    let hint = if path.starts_with("/stock_levels/") { "; a / within a SKU is written %2F" } else { "" };
    Problem::new(Code::UnknownRoute, format!("there is nothing at {path}{hint}"))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(256).collect();
    Problem::new(Code::MethodNotAllowed, format!("{path} does not take {method}; see Allow"))
}

/// The panic's own message goes to the log alone.
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(message, "a handler panicked");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_table_has_a_handler_and_stands_once() {
        for (i, route) in ROUTES.iter().enumerate() {
            assert!(handler(route).is_some(), "{route:?}");
            assert!(
                !ROUTES[..i].iter().any(|r| (r.method, r.path) == (route.method, route.path)),
                "{route:?}"
            );
        }
    }
}
