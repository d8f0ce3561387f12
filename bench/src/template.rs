//! What is asked: one request, prepared once, and what its answer must look like.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};

use crate::Outcome;
use crate::servers::{self, CLIENT_KEY};

/// How an answer is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// 200 and a JSON body that ends.
    Whole,
    /// 200 and so many events of a chat stream with `[DONE]` at the end.
    Events(usize),
    /// 200 and something in the body.
    Fine,
    /// Any status: what was ordered is a failure.
    Anything,
}

/// A request that is sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    path: &'static str,
    body: Bytes,
    pub(crate) expect: Expect,
}

/// Where chat clients of OpenAI's ask.
const CHAT: &str = "/v1/chat/completions";

/// A question of about a kilobyte, as a chat client sends it.
fn body(model: &str, markers: &str, stream: bool) -> Bytes {
    const SENTENCE: &str = "The quick brown fox jumps over the lazy dog while the band plays on. ";
    let text = SENTENCE.repeat(12);
    Bytes::from(format!(
        r#"{{"model":"{model}","messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":"{text}{markers}"}}],"temperature":0.7,"max_tokens":200,"stream":{stream}}}"#
    ))
}

impl Template {
    /// A buffered answer of a few dozen tokens, after `wait_ms` at the provider.
    pub(crate) fn buffered(wait_ms: u32) -> Self {
        let wait = if wait_ms == 0 { String::new() } else { format!("[[sim:ttft={wait_ms}ms]]") };
        Self { path: CHAT, body: body("bench", &wait, false), expect: Expect::Whole }
    }

    /// A stream of `tokens` tokens at a pace, `tokens_per_second`; each token is an event of its own.
    pub(crate) fn streamed(tokens: usize, tokens_per_second: u32) -> Self {
        let markers = format!("[[sim:tokens={tokens}]] [[sim:tps={tokens_per_second}]]");
        Self { path: CHAT, body: body("bench", &markers, true), expect: Expect::Events(tokens) }
    }

    /// Whatever the markers order, streamed or not, of a model that nobody expects anything of.
    pub(crate) fn fault(markers: &str, stream: bool) -> Self {
        Self { path: CHAT, body: body(servers::FAULTY, markers, stream), expect: Expect::Anything }
    }

    /// A short question in each of the other formats, answered whole and as a stream.
    pub(crate) fn translated() -> impl Iterator<Item = Self> {
        const MESSAGES: &str = r#""messages":[{"role":"user","content":"Say something. [[sim:tokens=40]]"}]"#;
        const CONTENTS: &str =
            r#"{"contents":[{"role":"user","parts":[{"text":"Say something. [[sim:tokens=40]]"}]}]}"#;
        let messages = |stream| format!(r#"{{"model":"bench","max_tokens":200,{MESSAGES},"stream":{stream}}}"#);
        let responses =
            |stream| format!(r#"{{"model":"bench","input":"Say something. [[sim:tokens=40]]","stream":{stream}}}"#);
        let all = [
            ("/v1/messages", messages(false)),
            ("/v1/messages", messages(true)),
            ("/v1/responses", responses(false)),
            ("/v1/responses", responses(true)),
            ("/v1beta/models/bench:generateContent", CONTENTS.to_owned()),
            ("/v1beta/models/bench:streamGenerateContent?alt=sse", CONTENTS.to_owned()),
        ];
        all.into_iter().map(|(path, body)| Self { path, body: body.into(), expect: Expect::Fine })
    }

    /// The request as hyper sends it.
    pub(crate) fn request(&self) -> Outcome<Request<Full<Bytes>>> {
        let mut request = Request::post(self.path)
            .header(HOST, "127.0.0.1")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {CLIENT_KEY}"));
        if self.expect == Expect::Anything {
            // What was ordered would be waited out, or tried again for long.
            request = request.header("x-deadline-ms", "300");
        }
        Ok(request.body(Full::new(self.body.clone()))?)
    }
}
