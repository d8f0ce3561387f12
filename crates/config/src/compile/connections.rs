//! Sense of how a provider is connected to, and which proxy that goes through.

use super::Compiler;
use crate::codes;
use crate::connections::{Connections, Proxy};
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::url::BaseUrl;
use secrecy::SecretString;
use std::net::IpAddr;

/// The variables that name a proxy for an address, in the order in which they count.
const fn variables(secure: bool) -> [&'static str; 4] {
    if secure {
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        // What HTTP_PROXY says can come from a client where programs run under CGI, which this one does not.
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    }
}

impl Compiler<'_> {
    /// How a provider is connected to. Without an address there is nothing to reach through a proxy.
    pub(super) fn connections(&mut self, name: &str, stated: &file::Provider, url: Option<&BaseUrl>) -> Connections {
        let usual = Connections::default();
        let at = |field: &'static str| ["providers", name, field];
        let numbers = [
            ("max_connections", stated.max_connections, 1, 1_000_000),
            ("max_idle_connections", stated.max_idle_connections, 0, 1_000_000),
            ("max_streams_per_connection", stated.max_streams_per_connection, 1, 10_000),
        ];
        for (field, number, least, most) in numbers {
            if let Some(number) = number {
                self.within(number, least, most, &at(field));
            }
        }
        if stated.connection_wait_timeout.is_some() && stated.max_connections.is_none() {
            let what = "without `max_connections` a call never waits for a connection";
            self.say(Diagnostic::new(codes::NO_EFFECT_HERE, what), &at("connection_wait_timeout"));
        }
        let times = [
            ("connection_wait_timeout", stated.connection_wait_timeout),
            ("connection_idle_timeout", stated.connection_idle_timeout),
            ("connection_max_age", stated.connection_max_age),
        ];
        for (field, time) in times {
            if let Some(time) = time {
                self.lasts(time, field, &at(field));
            }
        }
        if let Some(file) = &stated.ca_file {
            let path = at("ca_file");
            match self.environment.read(file) {
                Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => {}
                Ok(_) => {
                    let what = format!("{} has no certificate in it: it must be PEM", file.display());
                    self.say(Diagnostic::new(codes::BAD_CA_FILE, what), &path);
                }
                Err(why) => {
                    let what = format!("{} cannot be read: {why}", file.display());
                    self.say(Diagnostic::new(codes::BAD_CA_FILE, what), &path);
                }
            }
            if url.is_some_and(|url| !url.secure) {
                let what = "the provider's address is http://, so nobody shows a certificate";
                self.say(Diagnostic::new(codes::NO_EFFECT_HERE, what), &path);
            }
        }
        Connections {
            proxy: url.and_then(|url| self.proxy(name, stated.proxy.as_deref(), url)),
            ca_file: stated.ca_file.clone(),
            max_connections: stated.max_connections,
            wait_timeout: stated.connection_wait_timeout.unwrap_or(usual.wait_timeout),
            max_idle: stated.max_idle_connections.unwrap_or(usual.max_idle),
            max_streams: stated.max_streams_per_connection.unwrap_or(usual.max_streams),
            http2: stated.http2.unwrap_or(usual.http2),
            idle_timeout: stated.connection_idle_timeout.unwrap_or(usual.idle_timeout),
            max_age: stated.connection_max_age.unwrap_or(usual.max_age),
        }
    }

    fn proxy(&mut self, name: &str, stated: Option<&str>, url: &BaseUrl) -> Option<Proxy> {
        let path = ["providers", name, "proxy"];
        let stated = stated.map(str::trim);
        if stated == Some("direct") {
            return None;
        }
        if let Some(text) = stated {
            let parsed = parse(text, None);
            return parsed.map_err(|why| self.say(Diagnostic::new(codes::BAD_PROXY, why), &path)).ok();
        }
        self.usual_proxy(name, url)
    }

    /// The proxy that the environment names for an address.
    pub(super) fn usual_proxy(&mut self, name: &str, url: &BaseUrl) -> Option<Proxy> {
        let set = |name: &str| self.environment.variable(name).filter(|value| !value.trim().is_empty());
        let excepted = ["no_proxy", "NO_PROXY"].into_iter().find_map(set).unwrap_or_default();
        if url.is_local() || is_excepted(&excepted, &url.host, url.port()) {
            return None;
        }
        let (variable, text) = variables(url.secure).into_iter().find_map(|name| Some((name, set(name)?)))?;
        match parse(&text, Some(variable)) {
            Ok(proxy) => Some(proxy),
            Err(why) => {
                let what = format!("environment variable {variable}: {why}");
                let remedy = "correct or unset it, or say `proxy: direct` for this provider";
                self.say_at_name(Diagnostic::new(codes::BAD_PROXY, what).remedy(remedy), &["providers", name]);
                None
            }
        }
    }
}

/// Reads the address of a proxy; the error does not repeat it, since a password may be in it.
fn parse(text: &str, variable: Option<&'static str>) -> Result<Proxy, String> {
    let text = text.trim().trim_end_matches('/');
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err("a proxy is spoken to over http:// or https://, like http://proxy.example.com:3128".to_owned());
    }
    let (user, authority) = match rest.rsplit_once('@') {
        Some((user, authority)) => (Some(decoded(user).ok_or("the proxy's user cannot be read")?), authority),
        None => (None, rest),
    };
    let url = BaseUrl::parse(&format!("{scheme}://{authority}")).map_err(|why| why.replace("a base URL", "a proxy"))?;
    if url.has_path() {
        return Err("a proxy has no path: http://proxy.example.com:3128".to_owned());
    }
    let host = url.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let (secure, port) = (url.secure, url.port());
    Ok(Proxy { secure, host, port, user: user.map(SecretString::from), variable })
}

/// `%40` and its like as the bytes they stand for; `None` where that is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match byte {
            b'%' => out.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok().filter(|text| !text.contains(['\r', '\n', '\0']))
}

/// Whether `NO_PROXY` names a host: `*`, a name with all below it, an address, a range of addresses, each perhaps with a
/// port.
fn is_excepted(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let (name, only) = match entry.rsplit_once(':') {
            Some((name, digits)) if !name.contains(':') || name.ends_with(']') => (name, digits.parse::<u16>().ok()),
            _ => (entry, None),
        };
        if only.is_some_and(|only| only != port) {
            return false;
        }
        let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if let Some(address) = address {
            return name.parse() == Ok(address) || is_in_range(&name, address);
        }
        let name = name.trim_start_matches('*').trim_start_matches('.');
        host == name || host.strip_suffix(name).is_some_and(|head| head.ends_with('.'))
    })
}

/// Whether an address is within `10.0.0.0/8` or the like.
fn is_in_range(range: &str, address: IpAddr) -> bool {
    let Some((base, bits)) = range.split_once('/') else { return false };
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let same = |a: u128, b: u128, width: u32| {
        bits <= width && (a ^ b).checked_shr(width - bits).is_none_or(|differing| differing == 0)
    };
    match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => same(base.to_bits().into(), address.to_bits().into(), 32),
        (IpAddr::V6(base), IpAddr::V6(address)) => same(base.to_bits(), address.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
