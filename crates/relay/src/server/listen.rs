//! Listening sockets: one set for every worker on the same addresses, and how a worker gives a connection away.
//!
//! With `SO_REUSEPORT` the kernel deals connections out by a hash of their addresses, which with a few dozen long-lived
//! connections can leave one worker with twice the other's. A worker that has clearly more than the least loaded one
//! hands a new connection over.

use super::StartError;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// Connections the kernel holds for us until they are accepted.
const BACKLOG: i32 = 4096;

/// One worker's sockets.
pub(crate) type Sockets = Vec<std::net::TcpListener>;

/// Binds every address once for every worker. A port of 0 is chosen once and used by all.
pub(crate) fn bind(addresses: &[SocketAddr], workers: usize) -> Result<(Vec<Sockets>, Vec<SocketAddr>), StartError> {
    let mut sets: Vec<Sockets> = (0..workers).map(|_| Vec::new()).collect();
    let mut bound = Vec::new();
    for address in addresses {
        let fail = |source| StartError::Listen { address: *address, source };
        // Alone first, without sharing the port: otherwise a second relay would silently take half the calls.
        drop(socket(*address, false).map_err(fail)?);
        let mut actual = *address;
        for set in &mut sets {
            let listener = socket(actual, true).map_err(fail)?;
            actual = listener.local_addr().map_err(fail)?;
            set.push(listener);
        }
        bound.push(actual);
    }
    Ok((sets, bound))
}

fn socket(address: SocketAddr, shared: bool) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A way to give a worker connections that another one accepted.
pub(crate) type Handover = mpsc::UnboundedSender<std::net::TcpStream>;
/// The other end of it.
pub(crate) type HandedOver = mpsc::UnboundedReceiver<std::net::TcpStream>;

/// The channel is as bounded as the number of open files, since each item is one.
pub(crate) fn handover() -> (Handover, HandedOver) {
    mpsc::unbounded_channel()
}
