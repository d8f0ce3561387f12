//! The Unix socket in the data directory, by which this machine's commands speak to the running relay.
//!
//! What may be asked there is the same HTTP API that has another door at `server.admin_listen`, where a token is asked for.
//! This door is guarded by the file system: the socket belongs to the relay's user and nobody else may open it.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixListener, UnixStream};

/// The socket's name in the data directory.
pub const SOCKET_FILE: &str = "control.sock";

/// The largest answer that is read, in bytes.
const LARGEST: usize = 16 << 20;

/// Binds the socket for the relay's own user. A socket left behind by a process that is gone is replaced, so the caller
/// must hold the data directory's lock.
///
/// # Errors
/// The operating system's reason; one is a path longer than a socket's address can be (about 100 bytes).
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Why a running relay gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("no relay is running with this data directory")]
    NotRunning,
    /// The socket is another user's.
    #[error("the socket belongs to another user; run this as the user the relay runs as")]
    NotAllowed,
    /// It did not answer in time.
    #[error("the relay did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// Anything else.
    #[error("the relay's answer could not be read: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// Asks a running relay, and gives the status and the body of its answer.
///
/// # Errors
/// There was no answer.
pub async fn ask(socket: &Path, method: Method, path: &str, limit: Duration) -> Result<(StatusCode, Bytes), AskError> {
    ask_with(socket, method, path, Bytes::new(), limit).await
}

/// The same with a body of JSON.
///
/// # Errors
/// There was no answer.
pub async fn ask_with(
    socket: &Path,
    method: Method,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<(StatusCode, Bytes), AskError> {
    let asked = async {
        let stream = UnixStream::connect(socket).await.map_err(|error| not_connected(&error))?;
        exchange(stream, "sluicegate", None, method, path, body).await
    };
    tokio::time::timeout(limit, asked).await.unwrap_or(Err(AskError::Timeout(limit)))
}

/// Asks a relay at the address of its `server.admin_listen`, `HOST:PORT`, as whoever has the token.
///
/// # Errors
/// There was no answer.
pub async fn ask_at(
    address: &str,
    token: &str,
    method: Method,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<(StatusCode, Bytes), AskError> {
    let asked = async {
        let stream = TcpStream::connect(address).await.map_err(|error| not_connected(&error))?;
        exchange(stream, address, Some(token), method, path, body).await
    };
    tokio::time::timeout(limit, asked).await.unwrap_or(Err(AskError::Timeout(limit)))
}

fn not_connected(error: &io::Error) -> AskError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning,
        io::ErrorKind::PermissionDenied => AskError::NotAllowed,
        _ => AskError::Broken(error.to_string().into()),
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    token: Option<&str>,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), AskError> {
    let broken = |error: &dyn std::error::Error| AskError::Broken(error.to_string().into());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, host)
        .header(http::header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::new(body)).map_err(|error| broken(&error))?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(AskError::Broken)?;
        Ok((status, body.to_bytes()))
    };
    let mut connection = std::pin::pin!(connection);
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        answer = &mut talk => answer,
        ended = &mut connection => match ended {
            // The connection may end right after the last byte, before the answer was taken up.
            Ok(()) => talk.await,
            Err(error) => Err(broken(&error)),
        },
    }
}
