//! Clients: calls at a rate, each on a connection of its own, whatever became of those before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PRIORITIES: [&str; 3] = ["normal", "normal", "low"];
const BODY: &str = r#"{"model":"chat","max_tokens":40,"messages":[{"role":"user","content":"tell me a story"}]}"#;
/// How long the last calls may take.
const LAST: Duration = Duration::from_secs(15);

/// What clients have sent and seen.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    sent: AtomicU64,
    over: AtomicU64,
    errors: AtomicU64,
    limited: AtomicU64,
    /// By chapter: how long each call took, and how long of it it waited for room.
    times: Mutex<BTreeMap<&'static str, Vec<(Duration, Duration)>>>,
}

struct Seen {
    status: u16,
    queued: Duration,
}

impl Traffic {
    /// Sends so many calls a second until it is dropped. Calls under way go on.
    pub(super) async fn send(self: Arc<Self>, address: SocketAddr, chapter: &'static str, rate: u32) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
        loop {
            ticks.tick().await;
            let number = self.sent.fetch_add(1, Ordering::Relaxed) as usize;
            let priority = PRIORITIES.get(number % PRIORITIES.len()).copied().unwrap_or("normal");
            let traffic = Arc::clone(&self);
            tokio::spawn(async move {
                let began = Instant::now();
                let seen = call(address, priority).await;
                traffic.count(chapter, seen.ok(), began.elapsed());
            });
        }
    }

    fn count(&self, chapter: &'static str, seen: Option<Seen>, took: Duration) {
        match seen {
            Some(Seen { status: 200, queued }) => {
                let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
                times.entry(chapter).or_default().push((took, queued));
            }
            other => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                let limited = other.is_some_and(|seen| seen.status == 429);
                self.limited.fetch_add(u64::from(limited), Ordering::Relaxed);
            }
        }
        self.over.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until no call is under way, but not for ever.
    pub(super) async fn quiet(&self) {
        let begun = Instant::now();
        while self.over.load(Ordering::Relaxed) < self.sent.load(Ordering::Relaxed) && begun.elapsed() < LAST {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Calls sent, answered with success, and failed as their clients saw it.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let (sent, over, errors) =
            (self.sent.load(Ordering::Relaxed), self.over.load(Ordering::Relaxed), self.errors());
        (sent, over.saturating_sub(errors), errors)
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// How often a client was answered 429.
    pub(super) fn shown_429(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// What a chapter's answers were like.
    pub(super) fn line(&self, chapter: &str) -> Option<String> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let times = times.get(chapter)?;
        let quantile = |of: fn(&(Duration, Duration)) -> Duration, q: f64| {
            let mut values: Vec<Duration> = times.iter().map(of).collect();
            values.sort_unstable();
            let rank = ((values.len() as f64 * q).ceil() as usize).saturating_sub(1);
            values.get(rank).copied().unwrap_or_default().as_secs_f64()
        };
        let waited = times.iter().filter(|(_, queued)| *queued > Duration::ZERO).count();
        Some(format!(
            "{chapter:<10} {:>5} answers, p50 {:.2} s, p99 {:.2} s; {waited} waited for room, p99 of all {:.2} s",
            times.len(),
            quantile(|time| time.0, 0.5),
            quantile(|time| time.0, 0.99),
            quantile(|time| time.1, 0.99),
        ))
    }
}

async fn call(address: SocketAddr, priority: &str) -> std::io::Result<Seen> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nx-priority: \
         {priority}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let told = text.lines().find_map(|line| line.strip_prefix("x-sluicegate-queue-ms: ")?.trim().parse().ok());
    Ok(Seen { status, queued: Duration::from_millis(told.unwrap_or(0)) })
}
