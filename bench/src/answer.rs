//! One call over one connection, timed and checked.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Outcome;
use crate::template::{Expect, Template};

/// A connection on which calls follow one another.
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// When things happened in one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The first byte of the body, or the end where there was none.
    pub(crate) first: Instant,
    /// The last byte.
    pub(crate) last: Instant,
}

/// Opens a connection.
pub(crate) async fn connect(address: SocketAddr) -> Outcome<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

/// Sends the request, reads the whole answer, and says when. An answer that is not what was expected is an error.
pub(crate) async fn call(connection: &mut Connection, template: &Template) -> Outcome<Times> {
    connection.ready().await?;
    let response = connection.send_request(template.request()?).await?;
    let status = response.status();
    let mut body = response.into_body();
    let (mut first, mut newlines, mut bytes, mut tail) = (None, 0, 0, Bytes::new());
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            first.get_or_insert_with(Instant::now);
            if let Expect::Events(_) = template.expect {
                newlines += memchr::memchr_iter(b'\n', &data).count();
            }
            bytes += data.len();
            tail = data;
        }
    }
    let last = Instant::now();
    let fine = match template.expect {
        Expect::Anything => true,
        Expect::Fine => status == 200 && bytes > 0,
        Expect::Whole => status == 200 && bytes > 0 && tail.trim_ascii_end().ends_with(b"}"),
        // An event is a line and an empty line. Besides the tokens there are the role, the finish and `[DONE]`.
        Expect::Events(tokens) => {
            status == 200 && newlines >= 2 * (tokens + 1) && tail.trim_ascii_end().ends_with(b"[DONE]")
        }
    };
    if fine {
        Ok(Times { first: first.unwrap_or(last), last })
    } else {
        let tail = String::from_utf8_lossy(&tail);
        Err(format!("wrong answer: {status}, {bytes} bytes, {newlines} lines, ends {tail:.200}").into())
    }
}

/// Sends the request, reads the whole answer, and tells one of its headers.
pub(crate) async fn header(connection: &mut Connection, template: &Template, name: &str) -> Outcome<Option<String>> {
    connection.ready().await?;
    let response = connection.send_request(template.request()?).await?;
    let value = response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    response.into_body().collect().await?;
    Ok(value)
}

/// Sends the request and reads up to the first byte of the answer's body; the rest is for the caller to hold or drop.
pub(crate) async fn begin(connection: &mut Connection, template: &Template) -> Outcome<Incoming> {
    connection.ready().await?;
    let response = connection.send_request(template.request()?).await?;
    if response.status() != 200 {
        return Err(format!("wrong answer: {}", response.status()).into());
    }
    let mut body = response.into_body();
    match body.frame().await {
        Some(Ok(_)) => Ok(body),
        Some(Err(error)) => Err(error.into()),
        None => Err("the stream was empty".into()),
    }
}
