//! The clients of the day: calls that fall due at a rate, whatever became of the last ones, and what became of each.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};

use super::script::PROVIDERS;
use crate::Outcome;
use crate::clients::{Clients, each_at_its_time};
use crate::servers::CLIENT_KEY;

/// One call in so many is streamed.
const STREAMED: u64 = 10;
/// A client waits so long and no longer.
const PATIENCE: Duration = Duration::from_secs(40);
/// Errors that are kept word by word for each second.
const KEPT_ERRORS: usize = 3;

/// What fell due in one second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Second {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    /// Those of them that were streams, had begun, and ended with an error that said so.
    pub(crate) broken: u64,
    /// Tries beyond the first.
    pub(crate) extra: u64,
    /// Calls that each provider answered.
    pub(crate) by: [u64; PROVIDERS.len()],
    /// From the moment the call was due, in microseconds.
    pub(crate) times: Vec<u32>,
    pub(crate) errors: Vec<String>,
}

/// What one call came to.
struct Told {
    provider: Option<usize>,
    attempts: u64,
    error: Option<String>,
    broken: bool,
}

impl Told {
    fn nothing(error: String) -> Self {
        Self { provider: None, attempts: 1, error: Some(error), broken: false }
    }
}

/// Makes `rate` calls a second for `span` from `began` on, evenly, and waits until all have ended.
pub(crate) async fn drive(address: SocketAddr, rate: u32, span: Duration, began: Instant) -> Outcome<Vec<Second>> {
    let count = usize::try_from(span.as_secs())?;
    let seconds = Rc::new(RefCell::new(vec![Second::default(); count]));
    let gap = Duration::from_secs(1) / rate;
    let due = move |place: usize| began + gap * u32::try_from(place).unwrap_or(u32::MAX);
    let bodies = [body(false), body(true)];
    let plan = (0..usize::try_from(rate)? * count).map(|place| {
        let streamed = (place as u64).is_multiple_of(STREAMED);
        let [whole, stream] = &bodies;
        (due(place), (if streamed { stream.clone() } else { whole.clone() }, streamed))
    });
    let (clients, noted) = (Clients::of(address), Rc::clone(&seconds));
    let call = |(body, streamed)| one(Rc::clone(&clients), body, streamed);
    let ended = move |place: usize, _, outcome: Outcome<Told>| {
        let told = outcome.unwrap_or_else(|error| Told::nothing(error.to_string()));
        let mut seconds = noted.borrow_mut();
        if let Some(second) = seconds.get_mut(place / rate as usize) {
            second.note(due(place).elapsed(), told);
        }
    };
    each_at_its_time(plan, PATIENCE, call, ended).await?;
    Ok(seconds.take())
}

fn body(stream: bool) -> Bytes {
    const SENTENCE: &str = "The quick brown fox jumps over the lazy dog while the band plays on. ";
    let text = SENTENCE.repeat(6);
    Bytes::from(format!(
        r#"{{"model":"day","messages":[{{"role":"user","content":"{text}"}}],"max_tokens":50,"stream":{stream}}}"#
    ))
}

impl Second {
    fn note(&mut self, took: Duration, told: Told) {
        self.calls += 1;
        self.extra += told.attempts.saturating_sub(1);
        self.times.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        if let Some(by) = told.provider.and_then(|provider| self.by.get_mut(provider)) {
            *by += 1;
        }
        if let Some(error) = told.error {
            self.failed += 1;
            self.broken += u64::from(told.broken);
            if self.errors.len() < KEPT_ERRORS {
                self.errors.push(error);
            }
        }
    }
}

async fn one(clients: Rc<Clients>, body: Bytes, streamed: bool) -> Outcome<Told> {
    let request = Request::post("/v1/chat/completions")
        .header(HOST, "127.0.0.1")
        .header(CONTENT_TYPE, "application/json")
        .header(AUTHORIZATION, format!("Bearer {CLIENT_KEY}"))
        .body(Full::new(body))?;
    let (head, whole) = clients.call(request).await?;
    let status = head.status;
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let attempts = header("x-sluicegate-attempts").and_then(|text| text.parse().ok()).unwrap_or(0);
    let name = header("x-sluicegate-provider");
    let provider = PROVIDERS.iter().position(|(known, _)| Some(*known) == name);
    let end: &[u8] = if streamed { b"data: [DONE]" } else { b"}" };
    let fine = status == 200 && whole.trim_ascii_end().ends_with(end);
    let error = (!fine).then(|| {
        let tail = String::from_utf8_lossy(whole.get(whole.len().saturating_sub(300)..).unwrap_or_default());
        format!("{status}: {tail}")
    });
    let broken = streamed && status == 200 && error.as_ref().is_some_and(|it| it.contains("upstream_broken"));
    Ok(Told { provider: provider.filter(|_| fine), attempts, error, broken })
}
