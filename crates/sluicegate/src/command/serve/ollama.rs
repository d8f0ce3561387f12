//! Finding an Ollama on this machine: whether something listens where one would.
//!
//! `OLLAMA_HOST` is its own variable for that. The server writes `0.0.0.0` there to listen everywhere, and clients leave
//! the scheme or the port out, so it is read the way its own client reads it.

use std::time::Duration;
use tokio::net::TcpStream;

/// A program on this machine answers at once or is not there.
const PATIENCE: Duration = Duration::from_millis(150);
const USUAL: &str = "127.0.0.1";
const PORT: u16 = 11434;

/// The host and port of an Ollama that listens.
pub(crate) async fn find() -> Option<String> {
    let address = address(&std::env::var("OLLAMA_HOST").unwrap_or_default())?;
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(&address)).await;
    matches!(connected, Ok(Ok(_))).then_some(address)
}

/// The host and port that the variable means; `None` when it means a server behind TLS, which is no finding of ours.
fn address(variable: &str) -> Option<String> {
    let text = variable.trim();
    if text.starts_with("https://") {
        return None;
    }
    let text = text.strip_prefix("http://").unwrap_or(text);
    let text = text.split('/').next().unwrap_or_default();
    let bracketed = text.starts_with('[');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !bracketed || host.ends_with(']') => (host, port.parse().unwrap_or(PORT)),
        _ => (text, PORT),
    };
    let host = if matches!(host, "" | "0.0.0.0" | "[::]") { USUAL } else { host };
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
#[path = "ollama_tests.rs"]
mod tests;
