//! The clients of the day: calls that fall due at a rate, whatever became of the last ones, and what became of each.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};

use super::script::PROVIDERS;
use crate::servers::CLIENT_KEY;
use crate::{Outcome, answer};

/// One call in so many is streamed.
const STREAMED: u64 = 10;
/// A client waits so long and no longer.
const PATIENCE: Duration = Duration::from_secs(40);
/// A connection that was idle for longer is not used again.
const KEPT: Duration = Duration::from_secs(8);
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

struct Clients {
    address: SocketAddr,
    idle: RefCell<Vec<(Instant, answer::Connection)>>,
    seconds: RefCell<Vec<Second>>,
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
    let seconds = usize::try_from(span.as_secs())?;
    let clients =
        Rc::new(Clients { address, idle: RefCell::default(), seconds: RefCell::new(vec![Second::default(); seconds]) });
    let gap = Duration::from_secs(1) / rate;
    let bodies = [body(false), body(true)];
    let mut tasks = Vec::new();
    for number in 0..u64::from(rate) * span.as_secs() {
        let due = began + gap * u32::try_from(number)?;
        // The timer's grain is a millisecond; what falls due within it goes together.
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let streamed = number.is_multiple_of(STREAMED);
        let [whole, stream] = &bodies;
        let body = if streamed { stream.clone() } else { whole.clone() };
        let clients = Rc::clone(&clients);
        let second = usize::try_from(number / u64::from(rate))?;
        tasks.push(tokio::task::spawn_local(async move {
            let told = match tokio::time::timeout(PATIENCE, clients.call(body, streamed)).await {
                Ok(Ok(told)) => told,
                Ok(Err(error)) => Told::nothing(error.to_string()),
                Err(_) => Told::nothing("no answer in time".to_owned()),
            };
            clients.note(second, due.elapsed(), told);
        }));
        if tasks.len() > 10_000 {
            tasks.retain(|task| !task.is_finished());
        }
    }
    for task in tasks {
        task.await?;
    }
    Ok(clients.seconds.take())
}

fn body(stream: bool) -> Bytes {
    const SENTENCE: &str = "The quick brown fox jumps over the lazy dog while the band plays on. ";
    let text = SENTENCE.repeat(6);
    Bytes::from(format!(
        r#"{{"model":"day","messages":[{{"role":"user","content":"{text}"}}],"max_tokens":50,"stream":{stream}}}"#
    ))
}

impl Clients {
    fn note(&self, second: usize, took: Duration, told: Told) {
        let mut seconds = self.seconds.borrow_mut();
        let Some(second) = seconds.get_mut(second) else { return };
        second.calls += 1;
        second.extra += told.attempts.saturating_sub(1);
        second.times.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        if let Some(by) = told.provider.and_then(|provider| second.by.get_mut(provider)) {
            *by += 1;
        }
        if let Some(error) = told.error {
            second.failed += 1;
            second.broken += u64::from(told.broken);
            if second.errors.len() < KEPT_ERRORS {
                second.errors.push(error);
            }
        }
    }

    async fn call(&self, body: Bytes, streamed: bool) -> Outcome<Told> {
        let mut connection = self.connection().await?;
        let request = Request::post("/v1/chat/completions")
            .header(HOST, "127.0.0.1")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {CLIENT_KEY}"))
            .body(Full::new(body))?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let attempts = header("x-sluicegate-attempts").and_then(|text| text.parse().ok()).unwrap_or(0);
        let name = header("x-sluicegate-provider");
        let provider = PROVIDERS.iter().position(|(known, _)| Some(*known) == name);
        let whole = response.into_body().collect().await?.to_bytes();
        let end: &[u8] = if streamed { b"data: [DONE]" } else { b"}" };
        let fine = status == 200 && whole.trim_ascii_end().ends_with(end);
        self.idle.borrow_mut().push((Instant::now(), connection));
        let error = (!fine).then(|| {
            let tail = String::from_utf8_lossy(whole.get(whole.len().saturating_sub(300)..).unwrap_or_default());
            format!("{status}: {tail}")
        });
        let broken = streamed && status == 200 && error.as_ref().is_some_and(|it| it.contains("upstream_broken"));
        Ok(Told { provider: provider.filter(|_| fine), attempts, error, broken })
    }

    async fn connection(&self) -> Outcome<answer::Connection> {
        loop {
            let latest = self.idle.borrow_mut().pop();
            let Some((since, mut connection)) = latest else { break };
            if since.elapsed() > KEPT {
                // So are all that are left.
                self.idle.borrow_mut().clear();
                break;
            }
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let mut connection = answer::connect(self.address).await?;
        connection.ready().await?;
        Ok(connection)
    }
}
