//! Base URLs: just enough of a parser to say early what would fail late.

use sluicegate_vocabulary::ProviderKind;

/// A base URL that can be called, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    path: String,
}

impl BaseUrl {
    /// Reads a URL; the error says what is wrong without repeating it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or("a base URL begins with https:// or http://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("a base URL begins with https:// or http://"),
        };
        if rest.contains(['?', '#']) {
            return Err("a base URL has no query and no fragment");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("a base URL has no user or password; a key goes under api_key_env");
        }
        let (host, port) = host_and_port(authority)?;
        if !path.bytes().all(|b| b.is_ascii_graphic()) || path.contains("//") {
            return Err("the path of a base URL is plain ASCII without spaces or empty segments");
        }
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { secure, host: host.to_ascii_lowercase(), port, path })
    }

    /// The form in which the adapters expect it: with the version for OpenAI's family, without it for the others.
    pub(crate) fn for_kind(mut self, kind: ProviderKind) -> Self {
        let superfluous: &[&str] = match kind {
            ProviderKind::Anthropic => &["/v1"],
            ProviderKind::Gemini => &["/v1beta", "/v1"],
            ProviderKind::Azure => &["/openai/v1", "/openai"],
            _ => &[],
        };
        let shorter = superfluous.iter().find_map(|tail| self.path.strip_suffix(tail)).map(str::to_owned);
        if let Some(shorter) = shorter {
            self.path = shorter;
        }
        if matches!(kind, ProviderKind::OpenAi | ProviderKind::DeepSeek) && self.path.is_empty() {
            "/v1".clone_into(&mut self.path);
        }
        self
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback())
    }

    /// Whether it has a path.
    pub(crate) fn has_path(&self) -> bool {
        !self.path.is_empty()
    }

    /// The port that is called.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.secure { 443 } else { 80 })
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match authority.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        Some(digits) => {
            let number = digits.parse().ok().filter(|port| *port > 0 && digits.bytes().all(|b| b.is_ascii_digit()));
            Some(number.ok_or("the port of a base URL is a number from 1 to 65535")?)
        }
        None => None,
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let fits = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    if fits { Ok((host, port)) } else { Err("the host of a base URL is a name or an address, such as api.example.com") }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
