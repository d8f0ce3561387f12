//! Listening for operators: a loopback or internal address, and the Unix socket of our own commands.
//!
//! The traffic is a scraper and a person, so this is the plain way: one task a connection, HTTP/1, a time limit on the
//! request head, and a bound on how many connections there may be.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

/// Open connections at most.
const CONNECTIONS: usize = 64;
const HEAD_LIMIT: Duration = Duration::from_secs(15);

/// Serves a router on an address. Ends only when it is dropped.
pub async fn serve_tcp(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        take(accepted, &router, &room).await;
    }
}

/// Serves a router on a Unix socket. Ends only when it is dropped.
pub async fn serve_unix(listener: UnixListener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        take(accepted, &router, &room).await;
    }
}

async fn take<T>(accepted: std::io::Result<T>, router: &Router, room: &Arc<Semaphore>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match accepted {
        Ok(stream) => {
            let Ok(place) = Arc::clone(room).acquire_owned().await else { return };
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_LIMIT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "an operator's connection ended");
                }
                drop(place);
            });
        }
        Err(error) => {
            tracing::warn!(%error, "cannot accept an operator's connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
