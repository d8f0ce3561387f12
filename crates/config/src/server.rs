//! The `server` section: where the relay listens and what it allows one client to cost.
//!
//! Every field has a default that is safe on the open internet, because the limits here are what stands between a
//! hostile sender and the process: sizes, times and places are bounded even in an empty file. [`Server::default`] is the
//! one table of them; the schema, the reference and `config show` read it from there.

use crate::endpoint::EndpointPath;
use crate::key::KeyHash;
use crate::units::{Period, Size};
use crate::url::BaseUrl;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use sluicegate_vocabulary::Endpoint;
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Where the relay listens, what it accepts and how long it waits.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address or list of addresses for everything: API, metrics, console. Loopback unless said otherwise.
    pub listen: Listen,
    /// A second address for the operator's surface (`/metrics`, `/admin`); it then leaves `listen`.
    #[schemars(with = "Option<Address>")]
    pub admin_listen: Option<Address>,
    /// The SHA-256 of a token, as 64 hexadecimal digits: whoever sends the token to `admin_listen` may give the orders that
    /// otherwise are taken on the socket in the data directory alone. No orders are taken there when absent.
    pub admin_token_sha256: Option<String>,
    /// Certificate and key with which `listen` speaks TLS.
    pub tls: Option<Tls>,
    /// Offer HTTP/2 to clients (by ALPN under TLS, by prior knowledge without).
    pub http2: bool,
    /// Number of worker threads; one per core when absent.
    pub workers: Option<NonZeroUsize>,
    /// Largest request body.
    pub max_body: Size,
    /// Largest request head: request line and all headers.
    pub max_header_bytes: Size,
    /// Longest request target.
    pub max_url: Size,
    /// Deepest nesting of a JSON body.
    pub max_json_depth: usize,
    /// How long a client may take to send its request head.
    pub header_read_timeout: Period,
    /// How long a client may take to send its request body.
    pub body_read_timeout: Period,
    /// How long to wait for a connection to a provider.
    pub connect_timeout: Period,
    /// How long to wait for the first byte of a provider's answer.
    pub first_byte_timeout: Period,
    /// How long a provider's stream may say nothing before it counts as broken.
    pub stream_idle_timeout: Period,
    /// `off`, or a time: a streaming client that has had no answer for so long is sent a comment, and another every so
    /// often, so that nothing on the way takes the connection for dead. That begins the answer: its status is 200 from
    /// then on, and what goes wrong later is an error event in the stream.
    pub stream_keepalive: Keepalive,
    /// How long open calls may go on after the order to stop.
    pub shutdown_grace: Period,
    /// Endpoints that answer 404, by path: `/images/generations`.
    pub disabled_endpoints: Vec<EndpointPath>,
    /// Folder for everything the relay keeps. `$SLUICEGATE_DATA`, or `./data`.
    pub data_dir: PathBuf,
    /// Where the one line per call goes: `stderr`, `stdout`, `none` or the path of a file.
    pub request_log: RequestLog,
    /// Accept calls from beyond loopback without any client key. Whoever reaches the port spends your money.
    pub insecure_open: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            admin_listen: None,
            admin_token_sha256: None,
            tls: None,
            http2: true,
            workers: None,
            max_body: Size::from_bytes(32 << 20),
            max_header_bytes: Size::from_bytes(64 << 10),
            max_url: Size::from_bytes(16 << 10),
            max_json_depth: 128,
            header_read_timeout: Period::from_secs(15),
            body_read_timeout: Period::from_secs(60),
            connect_timeout: Period::from_secs(5),
            first_byte_timeout: Period::from_secs(600),
            stream_idle_timeout: Period::from_secs(120),
            stream_keepalive: Keepalive::Off,
            shutdown_grace: Period::from_secs(30),
            disabled_endpoints: Vec::new(),
            data_dir: PathBuf::from("./data"),
            request_log: RequestLog::Stderr,
            insecure_open: false,
        }
    }
}

impl Server {
    /// What an operator's token must hash to at `admin_listen`; `None` where no orders are taken there.
    #[must_use]
    pub fn admin_token(&self) -> Option<KeyHash> {
        KeyHash::from_hex(self.admin_token_sha256.as_deref()?)
    }

    /// Whether an endpoint was switched off under `disabled_endpoints`.
    #[must_use]
    pub fn disables(&self, endpoint: Endpoint) -> bool {
        self.disabled_endpoints.iter().any(|path| path.0 == endpoint)
    }

    /// Whether any address of the API can be reached from another machine.
    #[must_use]
    pub fn beyond_loopback(&self) -> bool {
        self.listen.addresses().iter().any(|address| !is_loopback(address.ip()))
    }
}

/// Whether only this machine can reach an address; an IPv4 loopback address in IPv6 clothes counts.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Files for TLS termination, read at start and on reload.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate and its chain.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Comments to a streaming client that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keepalive {
    /// None: the status stays open until the provider answers.
    #[default]
    Off,
    /// The first after so long, and another each time it has passed again.
    Every(Period),
}

impl Keepalive {
    /// The time between comments; `None` when there are none.
    #[must_use]
    pub const fn period(self) -> Option<Period> {
        match self {
            Self::Off => None,
            Self::Every(period) => Some(period),
        }
    }
}

impl<'de> Deserialize<'de> for Keepalive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const WANTED: &str = "`off`, or a time with its unit: 10s";
        struct OffOrTime;
        impl Visitor<'_> for OffOrTime {
            type Value = Keepalive;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(WANTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Keepalive, E> {
                match text.trim() {
                    "off" => Ok(Keepalive::Off),
                    time => time.parse().map(Keepalive::Every).map_err(|_| E::custom(format!("write {WANTED}"))),
                }
            }
            // Older readers of YAML, and the tools built on them, turn a bare `off` into this.
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Keepalive, E> {
                if on { self.visit_str("true") } else { Ok(Keepalive::Off) }
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Keepalive, E> {
                self.visit_str("")
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Keepalive, E> {
                self.visit_str("")
            }
        }
        deserializer.deserialize_any(OffOrTime)
    }
}

impl Serialize for Keepalive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::Every(period) => serializer.collect_str(period),
        }
    }
}

impl JsonSchema for Keepalive {
    fn schema_name() -> Cow<'static, str> {
        "Keepalive".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let off = json_schema!({ "description": "No comments.", "enum": ["off", false] });
        json_schema!({ "anyOf": [off, generator.subschema_for::<Period>()] })
    }
}

/// Where the line per call is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RequestLog {
    /// The process's standard error.
    #[default]
    Stderr,
    /// The process's standard output.
    Stdout,
    /// Nowhere.
    None,
    /// Appended to this file.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for RequestLog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.trim() {
            "stderr" => Self::Stderr,
            "stdout" => Self::Stdout,
            "none" | "off" | "false" => Self::None,
            "" => return Err(de::Error::custom("write stderr, stdout, none or the path of a file")),
            path => Self::File(path.into()),
        })
    }
}

impl Serialize for RequestLog {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Stderr => serializer.serialize_str("stderr"),
            Self::Stdout => serializer.serialize_str("stdout"),
            Self::None => serializer.serialize_str("none"),
            Self::File(path) => path.serialize(serializer),
        }
    }
}

impl JsonSchema for RequestLog {
    fn schema_name() -> Cow<'static, str> {
        "RequestLog".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["stderr", "stdout", "none", "/var/log/sluicegate/requests.log"] })
    }
}

/// One address and port; `localhost` stands for `127.0.0.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(SocketAddr);

impl Address {
    /// The address as the standard library's type.
    #[must_use]
    pub const fn socket(self) -> SocketAddr {
        self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let spelled = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        spelled.as_deref().unwrap_or(text).parse().map(Self).map_err(|_| {
            let port = text.trim_start_matches(':');
            if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) {
                format!("an address has a host: write 127.0.0.1:{port} for this machine only, 0.0.0.0:{port} for every interface")
            } else {
                "an address is an IP address and a port: 127.0.0.1:8080, 0.0.0.0:8080, [::1]:8080".to_owned()
            }
        })
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "IP address and port.", "examples": ["127.0.0.1:8080", "0.0.0.0:8080", "[::1]:8080"] })
    }
}

/// One or several addresses to listen on. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(Vec<SocketAddr>);

impl Default for Listen {
    fn default() -> Self {
        Self(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)])
    }
}

impl Listen {
    /// The addresses, in the order of the file.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }

    /// Reads one address, or several with commas between them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(|part| Address::parse(part).map(Address::socket)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a URL on this machine leads to one of these addresses.
    pub(crate) fn is_at(&self, url: &BaseUrl) -> bool {
        url.is_local() && self.0.iter().any(|address| address.port() == url.port() && address.port() != 0)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Listen;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as 127.0.0.1:8080, or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                // From an environment variable a list comes as one text.
                Listen::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, port: u64) -> Result<Listen, E> {
                self.visit_str(&port.to_string())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Listen, A::Error> {
                let mut addresses = Vec::new();
                while let Some(address) = seq.next_element::<Address>()? {
                    if addresses.contains(&address.0) {
                        return Err(de::Error::custom(format!("{} is listed twice", address.0)));
                    }
                    addresses.push(address.0);
                }
                if addresses.is_empty() {
                    return Err(de::Error::custom("the list is empty: name at least one address"));
                }
                Ok(Listen(addresses))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => serializer.collect_str(only),
            many => serializer.collect_seq(many.iter().map(ToString::to_string)),
        }
    }
}

impl JsonSchema for Listen {
    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let address = generator.subschema_for::<Address>();
        json_schema!({ "anyOf": [address, { "type": "array", "items": address, "minItems": 1 }] })
    }
}
