//! One worker's loop: accept, serve, tidy up, stop.

use super::connection;
use super::listen::{HandedOver, Handover, Sockets};
use super::{Shared, Worker};
use sluicegate_config::Server;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// Bounds on connections, fixed at start.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) max_header_bytes: usize,
    pub(crate) header_read_timeout: Duration,
    pub(crate) http2: bool,
}

impl Rules {
    pub(crate) fn new(server: &Server) -> Self {
        Self {
            max_header_bytes: server.max_header_bytes.len(),
            header_read_timeout: Duration::from_millis(server.header_read_timeout.millis()),
            http2: server.http2,
        }
    }
}

/// Runs a worker until it is told to stop.
pub(crate) async fn run(worker: Arc<Worker>, sockets: Sockets, peers: Arc<Vec<Handover>>, mut handed: HandedOver) {
    for socket in sockets {
        let Ok(listener) = TcpListener::from_std(socket) else { continue };
        tokio::spawn(accept(Arc::clone(&worker), listener, Arc::clone(&peers)));
    }
    drop(peers);
    let mut sweep = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            Some(stream) = handed.recv() => {
                if let Ok(stream) = TcpStream::from_std(stream) {
                    begin(&worker, stream);
                }
            }
            _ = sweep.tick() => worker.pool.sweep(Instant::now()),
            () = worker.stop.cancelled() => break,
        }
    }
    // What is open has been told to end; it gets a moment to say so to its client.
    let deadline = Instant::now() + Duration::from_secs(2);
    while load(&worker.shared, worker.index) > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn load(shared: &Shared, index: usize) -> usize {
    shared.load.get(index).map_or(0, |load| load.load(Ordering::Relaxed))
}

async fn accept(worker: Arc<Worker>, listener: TcpListener, peers: Arc<Vec<Handover>>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = worker.closing.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => place(&worker, stream, &peers),
            Err(error) => {
                // Out of file descriptors, mostly. Accepting again at once would only spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves a connection here, or gives it to a worker that has clearly fewer.
fn place(worker: &Arc<Worker>, stream: TcpStream, peers: &[Handover]) {
    let shared = &worker.shared;
    let mine = load(shared, worker.index);
    let least = (0..peers.len()).min_by_key(|index| load(shared, *index)).unwrap_or(worker.index);
    if least != worker.index && mine > load(shared, least) + load(shared, least) / 8 {
        let Some(peer) = peers.get(least) else { return begin(worker, stream) };
        let Ok(stream) = stream.into_std() else { return };
        // A worker that no longer listens is stopping, as we are.
        let _ = peer.send(stream);
        return;
    }
    begin(worker, stream);
}

fn begin(worker: &Arc<Worker>, stream: TcpStream) {
    let counted = Counted::new(worker);
    tokio::spawn(async move {
        connection::serve(&counted.0, stream).await;
        drop(counted);
    });
}

/// One open connection, counted until dropped.
struct Counted(Arc<Worker>);

impl Counted {
    fn new(worker: &Arc<Worker>) -> Self {
        if let Some(load) = worker.shared.load.get(worker.index) {
            load.fetch_add(1, Ordering::Relaxed);
        }
        worker.shared.metrics.connections.inc();
        Self(Arc::clone(worker))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(load) = self.0.shared.load.get(self.0.index) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
        self.0.shared.metrics.connections.dec();
    }
}
