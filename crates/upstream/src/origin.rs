//! Where a provider is: scheme, host and port, and the path its API begins at.

use std::fmt;
use std::str::FromStr;

/// How an origin is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

/// Scheme, host and port: what one connection leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Host name or address, IPv6 without brackets.
    pub host: Box<str>,
    /// TCP port.
    pub port: u16,
}

/// A base URL that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseOriginError {
    /// Not a URL at all.
    #[error("not a URL; write it as https://host/path")]
    NotUrl,
    /// A scheme other than http or https.
    #[error("the scheme must be http or https")]
    Scheme,
    /// A URL with user, query or fragment.
    #[error("a base URL has neither user, query nor fragment")]
    Extra,
}

impl Origin {
    /// Splits a base URL into its origin and its path, the path without a trailing slash.
    ///
    /// # Errors
    /// Says what about the URL cannot be used.
    pub fn split(url: &str) -> Result<(Self, String), ParseOriginError> {
        if url.contains('#') {
            return Err(ParseOriginError::Extra);
        }
        let uri = http::Uri::from_str(url.trim()).map_err(|_| ParseOriginError::NotUrl)?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) => return Err(ParseOriginError::Scheme),
            None => return Err(ParseOriginError::NotUrl),
        };
        let authority = uri.authority().ok_or(ParseOriginError::NotUrl)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(ParseOriginError::Extra);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(ParseOriginError::NotUrl);
        }
        let port = authority.port_u16().unwrap_or(match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        });
        let origin = Self { scheme, host: host.into(), port };
        Ok((origin, uri.path().trim_end_matches('/').to_owned()))
    }

    /// Host and port, the port in any case.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Prints the `host` header's value: the port only when it is not the scheme's own.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = self.host.contains(':');
        if bracketed {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
