//! Clients that leave at any moment: while they send, while they wait, while they are answered.
//!
//! Everything a call holds is given back by a drop, whatever ends the call; so when all have gone nothing may be left.
//! The books must balance to the unit: what the long windows have in use is what the request log says was sent and
//! used, and no more. The short windows are full again once they have passed.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::law::Law;
use super::order::Order;
use super::relay::{CLASSES, Relay, key};
use super::{Bench, seconds};
use crate::Outcome;
use crate::report::Page;

/// Everything must have been given back by so long after the last has left.
const SETTLED: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// Never binding: they keep the books.
const HOURLY: &str = "requests_per_hour: 100000000, tokens_per_hour: 100000000000";

/// How the clients fared.
#[derive(Debug, Default)]
struct Count {
    sending: Cell<u64>,
    unanswered: Cell<u64>,
    answering: Cell<u64>,
    whole: Cell<u64>,
}

fn more(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

pub(crate) async fn run(bench: &Bench, page: &mut Page) -> Outcome<Vec<Law>> {
    let (clients, span, scale, quiet) =
        if bench.short { (100, 6, 1, Duration::from_secs(2)) } else { (1000, 60, 8, Duration::from_secs(62)) };
    let limits = format!("max_concurrency: {}, limits: {{ requests_per_second: {} }}", 8 * scale, 30 * scale);
    let minutely = if bench.short { "" } else { ", tokens_per_minute: 100000000, requests_per_minute: 100000" };
    let rest = format!(
        "rate_limits: {{ global: {{ requests_per_second: {}, concurrency: {}{minutely}, {HOURLY} }} }}",
        40 * scale,
        60 * scale
    );
    let mut relay = Relay::start(&bench.relay, "adaptive", &limits, &rest)?;
    let count = Rc::new(Count::default());
    let until = Instant::now() + Duration::from_secs(span);
    let tasks: Vec<_> = (0..clients)
        .map(|number| tokio::task::spawn_local(client(relay.address(), number, until, Rc::clone(&count))))
        .collect();
    tokio::time::sleep(until.saturating_duration_since(Instant::now()) / 2).await;
    let amid = relay.quota()?;
    for task in tasks {
        task.await?;
    }
    let begin = Instant::now();
    let mut quota = relay.quota()?;
    while left_over(&quota).is_some() && begin.elapsed() < SETTLED {
        tokio::time::sleep(LOOK).await;
        quota = relay.quota()?;
    }
    let took = begin.elapsed();
    page.table(&[
        super::row(&[
            "clients",
            "left sending",
            "left unanswered",
            "left answering",
            "answered",
            "in flight amid",
            "waiting amid",
            "settled after",
        ]),
        vec![
            clients.to_string(),
            count.sending.get().to_string(),
            count.unanswered.get().to_string(),
            count.answering.get().to_string(),
            count.whole.get().to_string(),
            number(&amid, "/in_flight").to_string(),
            number(&amid, "/waiting/calls").to_string(),
            seconds(Some(took)),
        ],
    ]);
    let left = left_over(&quota);
    let mut laws = vec![Law::new(
        format!(
            "cancel: nothing in flight, waiting or held once all have left ({})",
            left.as_deref().unwrap_or("so it is")
        ),
        left.is_none(),
    )];
    laws.extend(balance(&relay).await?);
    tokio::time::sleep(quiet).await;
    let short = refilled(&relay.quota()?, quiet);
    laws.push(Law::new(
        format!("cancel: every window that has passed is full again ({})", short.as_deref().unwrap_or("so it is")),
        short.is_none(),
    ));
    let problem = relay.problem()?;
    laws.push(Law::new(
        format!("cancel: the relay came out whole ({})", problem.as_deref().unwrap_or("so it did")),
        problem.is_none(),
    ));
    Ok(laws)
}

/// Compares what is in use for the hour with what the request log says.
async fn balance(relay: &Relay) -> Outcome<Vec<Law>> {
    // The log is written in groups.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let quota = relay.quota()?;
    let log = relay.log()?;
    let sent: Vec<&Value> = log.iter().filter(|line| line.get("attempts").is_some()).collect();
    let used: u64 = sent.iter().map(|line| used(line)).sum();
    let (requests, tokens) = (in_use(&quota, "requests"), in_use(&quota, "tokens"));
    let arrived = relay.provider.arrivals().len();
    Ok(vec![
        Law::new(
            format!(
                "cancel: requests charged are those sent: {requests} charged, {} sent by the log, {arrived} arrived whole",
                sent.len()
            ),
            requests == sent.len() as u64 && arrived <= sent.len(),
        ),
        Law::new(
            format!("cancel: tokens charged are those used: {tokens} charged, {used} used by the log"),
            tokens == used,
        ),
    ])
}

/// What a call is charged in the end: what it used, or what was reserved where it was answered and nobody said.
fn used(line: &Value) -> u64 {
    let usage = line.get("usage").and_then(Value::as_object);
    let Some(usage) = usage else {
        let answered = ["done", "truncated", "client_gone", "shutdown", "timed_out"];
        let end = line.get("end").and_then(Value::as_str).unwrap_or_default();
        return if answered.contains(&end) { number(line, "/reserved") } else { 0 };
    };
    usage.values().filter_map(Value::as_u64).sum()
}

/// What of the hour's window is in use.
fn in_use(quota: &Value, counts: &str) -> u64 {
    let hour = limits(quota).find(|limit| {
        limit.get("counts").and_then(Value::as_str) == Some(counts)
            && limit.get("window_seconds").and_then(Value::as_f64) == Some(3600.0)
    });
    hour.map_or(0, |limit| number(limit, "/capacity").saturating_sub(number(limit, "/left")))
}

/// What is still held, in words.
fn left_over(quota: &Value) -> Option<String> {
    let permits = limits(quota).filter(|limit| limit.get("counts").and_then(Value::as_str) == Some("concurrency"));
    let permits: u64 = permits.map(|limit| number(limit, "/capacity") - number(limit, "/left")).sum();
    let waiting_at: u64 = limits(quota).map(|limit| number(limit, "/waiting")).sum();
    let of_callers: u64 =
        list(quota, "callers").map(|caller| number(caller, "/in_flight") + number(caller, "/waiting")).sum();
    let held = [
        ("calls in flight", number(quota, "/in_flight")),
        ("calls waiting", number(quota, "/waiting/calls")),
        ("bytes waiting", number(quota, "/waiting/bytes")),
        ("calls waiting at limits", waiting_at),
        ("permits held", permits),
        ("calls of callers", of_callers),
    ];
    let held: Vec<String> =
        held.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
    (!held.is_empty()).then(|| held.join(", "))
}

/// Which of the windows that are shorter than the quiet is not full, in words.
fn refilled(quota: &Value, quiet: Duration) -> Option<String> {
    let mut short = limits(quota).filter(|limit| {
        let passed = limit.get("window_seconds").and_then(Value::as_f64).is_none_or(|it| it < quiet.as_secs_f64());
        passed && number(limit, "/left") != number(limit, "/capacity")
    });
    short.next().map(Value::to_string)
}

fn limits(quota: &Value) -> impl Iterator<Item = &Value> {
    list(quota, "limits")
}

fn list<'a>(quota: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    quota.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// Calls and leaves, again and again.
async fn client(address: SocketAddr, number: u64, until: Instant, count: Rc<Count>) {
    let mut random = fastrand::Rng::with_seed(number);
    while Instant::now() < until {
        let output = random.u64(20..2000);
        let order = Order {
            takes: Duration::from_millis(random.u64(20..600)),
            input: random.u64(20..400),
            output,
            cap: random.bool().then_some(output),
            stream: random.bool(),
            number,
        };
        let stay = Duration::from_millis(random.u64(..2000)).min(until.saturating_duration_since(Instant::now()));
        // A failure to connect is the machine's; one later on is how the relay hangs up.
        if one(address, &order, stay, &mut random, &count).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn one(
    address: SocketAddr,
    order: &Order,
    stay: Duration,
    random: &mut fastrand::Rng,
    count: &Count,
) -> Outcome<()> {
    let mut stream = TcpStream::connect(address).await?;
    let body = order.body();
    let class = random.usize(..CLASSES.len());
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        key(class),
        body.len()
    );
    let bytes = [head.as_bytes(), &body].concat();
    if random.u8(..5) == 0 {
        let part = random.usize(..bytes.len());
        stream.write_all(bytes.get(..part).unwrap_or_default()).await?;
        tokio::time::sleep(stay / 4).await;
        more(&count.sending);
        return Ok(());
    }
    stream.write_all(&bytes).await?;
    let (mut buffer, mut seen) = ([0_u8; 4096], Vec::new());
    let reading = async {
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => seen.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            }
            // The last chunk of an answer.
            if seen.ends_with(b"0\r\n\r\n") || seen.ends_with(b"}}") {
                return;
            }
        }
    };
    let finished = tokio::time::timeout(stay, reading).await.is_ok();
    more(match (finished, seen.is_empty()) {
        (true, _) => &count.whole,
        (false, true) => &count.unanswered,
        (false, false) => &count.answering,
    });
    Ok(())
}
