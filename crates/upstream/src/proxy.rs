//! A proxy between us and a provider.
//!
//! What is encrypted goes through a tunnel that the proxy is asked for with `CONNECT`, so that it sees neither keys nor
//! bodies. What is in clear text is given to it with the whole URL in the request line, as browsers and other clients do,
//! because many proxies open tunnels to port 443 only. HTTP/2 in clear text has no such form and goes through a tunnel.
//!
//! A proxy's user and password are sent to the proxy and shown to nobody.

use crate::http1::{HeadError, HeadReader};
use crate::origin::{Origin, Scheme};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::BytesMut;
use http::{HeaderValue, StatusCode};
use std::fmt;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    origin: Origin,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// A proxy at an address, which is itself spoken to in clear text or over TLS; `user` is what it knows us by, as
    /// `user:password`.
    #[must_use]
    pub fn new(origin: Origin, user: Option<&str>) -> Self {
        let authorization = user.and_then(|user| {
            // Base64 can always stand in a header.
            let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(user))).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Self { origin, authorization }
    }

    /// Where it is.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Asks for a tunnel to an origin. Behind it, everything that is read comes from there.
    pub(crate) async fn tunnel<T>(&self, io: &mut T, to: &Origin) -> Result<(), ProxyError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let host = to.authority();
        let mut asked = format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            asked.extend_from_slice(b"proxy-authorization: ");
            asked.extend_from_slice(authorization.as_bytes());
            asked.extend_from_slice(b"\r\n");
        }
        asked.extend_from_slice(b"\r\n");
        io.write_all(&asked).await?;
        io.flush().await?;
        let mut heads = HeadReader::new(true);
        let mut answer = BytesMut::new();
        loop {
            // Byte by byte, since what follows the head is the provider's already and must stay where it is.
            match io.read_u8().await {
                Ok(byte) => answer.extend_from_slice(&[byte]),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ProxyError::Closed),
                Err(error) => return Err(error.into()),
            }
            if let Some(head) = heads.read(&mut answer)? {
                return match head.status {
                    status if status.is_success() => Ok(()),
                    StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ProxyError::Unauthorized),
                    status => Err(ProxyError::Refused(status)),
                };
            }
        }
    }
}

/// Where it is, without the user.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.origin.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.origin)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a proxy did instead of opening a way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("it wants a user and a password, or others than those it was given (407)")]
    Unauthorized,
    #[error("it refused with {0}")]
    Refused(StatusCode),
    #[error("it closed the connection without an answer")]
    Closed,
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a request has in its head so that a proxy passes it on.
#[derive(Debug)]
pub(crate) struct Forward {
    /// What stands before the path.
    pub(crate) prefix: Box<str>,
    /// What the proxy knows us by.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Forward {
    pub(crate) fn new(proxy: &Proxy, to: &Origin) -> Self {
        Self { prefix: format!("http://{to}").into(), authorization: proxy.authorization.clone() }
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
