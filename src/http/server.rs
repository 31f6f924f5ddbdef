use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::app::{App, Handles};
use super::routes::router;
use super::stall::Stalling;
use super::tokens::{TokensError, TokensFile};
use crate::config::http::HttpConfig;

/// A bound HTTP server.
///
/// What a connection can hold is bounded on every side: how many there are, how long the head may take (so
/// also how long it may idle), how large head and body may be, how long a request may take, how long an
/// answer may stay unread.
pub struct Server {
    listener: TcpListener,
    local: SocketAddr,
    app: Arc<App>,
}

/// Why HTTP does not start.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(
        "{address} can be reached by other machines and no tokens are configured: set http.tokens_file (docs/http.md says how to make one), or listen on 127.0.0.1"
    )]
    Open { address: SocketAddr },
    #[error(transparent)]
    Tokens(#[from] TokensError),
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("the listening socket failed: {0}")]
    Listen(io::Error),
    #[error("the threads that append commands cannot be started: {0}")]
    Threads(io::Error),
}

impl Server {
    /// Binds the address. Nobody is answered before [`Self::run`]; connections wait in the listen queue.
    ///
    /// # Errors
    /// [`HttpError`]: an address that needs tokens and has none, a tokens file that cannot be used, an
    /// address in use.
    pub fn bind(config: HttpConfig, handles: Handles) -> Result<Self, HttpError> {
        let address = config.listen;
        if !address.ip().is_loopback() && config.tokens_file.is_none() {
            return Err(HttpError::Open { address });
        }
        let tokens = config.tokens_file.as_deref().map(TokensFile::open).transpose()?;
        let bind = |source| HttpError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let local = listener.local_addr().map_err(bind)?;
        let app = Arc::new(App::new(config, handles, tokens).map_err(HttpError::Threads)?);
        Ok(Self { listener, local, app })
    }

    /// The address bound, with the port taken where 0 was asked.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Answers until `shutdown` completes; then takes no more connections, lets requests under way end
    /// within `http.drain_timeout_ms`, and cuts what is left. Needs a multi-thread tokio runtime with I/O
    /// and time.
    ///
    /// # Errors
    /// [`HttpError::Listen`] where the socket cannot be used.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), HttpError> {
        let Self { listener, app, .. } = self;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(HttpError::Listen)?;
        let router = router(Arc::clone(&app)).layer(DefaultBodyLimit::max(app.config.max_body_bytes));
        let connections = Arc::new(Semaphore::new(app.config.max_connections));
        let graceful = GracefulShutdown::new();
        let mut open = JoinSet::new();
        let mut watching = JoinSet::new();
        if app.tokens.is_some() {
            watching.spawn(watch_tokens(Arc::clone(&app)));
        }

        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                // Keeps the set small.
                Some(_) = open.join_next() => continue,
                accepted = accept(&listener, &connections) => accepted,
            };
            match accepted {
                Ok((stream, permit)) => {
                    let connection = graceful.watch(serve(&app, stream, router.clone()));
                    open.spawn(async move {
                        // What a client does to its own connection is its own affair.
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "connection ended");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, mostly: it passes as connections end.
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }

        drop(listener);
        if tokio::time::timeout(app.config.drain_timeout(), graceful.shutdown()).await.is_err() {
            tracing::warn!(
                connections = open.len(),
                waited_ms = app.config.drain_timeout_ms,
                "requests still under way are cut off"
            );
        }
        open.shutdown().await;
        Ok(())
    }
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &tokio::net::TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let permit = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are written whole: waiting to fill a packet only delays them.
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}

fn serve(
    app: &App,
    stream: TcpStream,
    router: Router,
) -> http1::Connection<TokioIo<Stalling>, TowerToHyperService<Router>> {
    let config = &app.config;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout())
        // A little above ours, which answer with a problem; beyond these hyper answers 431 by itself.
        .max_headers(config.max_headers.max(100) + 1)
        .max_buf_size(2 * config.max_head_bytes.max(32 * 1024));
    let stream = TokioIo::new(Stalling::new(stream, config.write_timeout()));
    builder.serve_connection(stream, TowerToHyperService::new(router))
}

/// Takes over changes of the tokens file while the service runs.
async fn watch_tokens(app: Arc<App>) {
    let mut tick = tokio::time::interval(app.config.tokens_reload());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let app = Arc::clone(&app);
        let looked = tokio::task::spawn_blocking(move || {
            if let Some(tokens) = &app.tokens {
                tokens.look_again();
            }
        });
        if looked.await.is_err() {
            tracing::error!("looking at the tokens file panicked");
        }
    }
}
