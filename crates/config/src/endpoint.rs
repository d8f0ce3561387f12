//! Endpoints as a file names them: by path.
//!
//! People write the path they know from their client, so `/chat/completions`, `/v1/chat/completions` and
//! `chat/completions` all mean the same endpoint, and the answer to a wrong one is the list of right ones.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use sluicegate_vocabulary::Endpoint;
use std::borrow::Cow;

/// An endpoint, written as its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointPath(pub Endpoint);

impl EndpointPath {
    /// Finds the endpoint of a path, with or without its version prefix and leading slash.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let path = path.trim().trim_matches('/');
        let bare = ["v1/", "v1beta/"].iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path);
        Endpoint::ALL.into_iter().find(|endpoint| endpoint.path().trim_start_matches('/') == bare).map(Self)
    }
}

impl<'de> Deserialize<'de> for EndpointPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let known: Vec<&str> = Endpoint::ALL.iter().map(|endpoint| endpoint.path()).collect();
            let near = crate::near::nearest(&text, known.iter().copied());
            let hint = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            de::Error::custom(format!("no endpoint `{text}`; {hint}known: {}", known.join(", ")))
        })
    }
}

impl Serialize for EndpointPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.path())
    }
}

impl JsonSchema for EndpointPath {
    fn schema_name() -> Cow<'static, str> {
        "EndpointPath".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "The path of an endpoint, with or without its version prefix.",
            "examples": ["/chat/completions", "/embeddings", "/images/generations"]
        })
    }
}
