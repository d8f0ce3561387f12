//! What a caller asks, and what the provider behind the relay is to do about it.
//!
//! The order travels in the request's own `user` field, so the relay passes it on as it does with any other.

use std::time::Duration;

use bytes::Bytes;

use crate::Outcome;

/// One call, ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Order {
    /// Names the call; counts within a proof.
    pub(crate) number: u64,
    /// How long the provider takes to answer.
    pub(crate) takes: Duration,
    /// The usage that it reports.
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// The cap that the request sets to its answer. The provider does not care.
    pub(crate) cap: Option<u64>,
    /// Whether it asks for a stream.
    pub(crate) stream: bool,
}

impl Order {
    /// The body of the request. What it says is as long as a relay that counts four bytes to a token takes for `input`.
    pub(crate) fn body(&self) -> Bytes {
        const AROUND: usize = r#"[{"role":"user","content":""}]"#.len();
        let bytes = usize::try_from(self.input * 4).unwrap_or(usize::MAX);
        let text = "a word or ".chars().cycle().take(bytes.saturating_sub(AROUND)).collect::<String>();
        let cap = self.cap.map_or_else(String::new, |cap| format!(r#""max_tokens":{cap},"#));
        Bytes::from(format!(
            r#"{{"model":"bench","messages":[{{"role":"user","content":"{text}"}}],{cap}"stream":{},"user":"{} {} {} {}"}}"#,
            self.stream,
            self.number,
            self.takes.as_millis(),
            self.input,
            self.output
        ))
    }

    /// The order in a body.
    pub(crate) fn read(body: &[u8]) -> Outcome<Self> {
        let body: serde_json::Value = serde_json::from_slice(body)?;
        let user = body.get("user").and_then(serde_json::Value::as_str).ok_or("the order got lost")?;
        let mut numbers = user.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next().ok_or("half an order");
        let (number, takes, input, output) = (next()??, next()??, next()??, next()??);
        Ok(Self {
            number,
            takes: Duration::from_millis(takes),
            input,
            output,
            cap: body.get("max_tokens").and_then(serde_json::Value::as_u64),
            stream: body.get("stream").and_then(serde_json::Value::as_bool).unwrap_or(false),
        })
    }

    /// Everything it uses.
    pub(crate) const fn tokens(&self) -> u64 {
        self.input + self.output
    }
}
