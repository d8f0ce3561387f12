//! A limit on tokens where calls use up to three times what was reserved for them.
//!
//! What a call will use is not known when it is let go, so the sum of a window may pass the limit, but by no more than
//! what the calls in flight turn out to use beyond their reservations. That debt is repaid before anybody else is let
//! go: whenever a request arrives, everything that ended before counts in full.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::caller::{Group, hammer};
use super::law::Law;
use super::order::Order;
use super::relay::Relay;
use super::window::{self, Event};
use super::{Bench, seconds};
use crate::Outcome;
use crate::report::Page;

/// The normal class, by its number.
const NORMAL: usize = 2;
const CALLERS: usize = 40;
const WINDOW: Duration = Duration::from_secs(60);
/// What a request has, and what is reserved for its answer: by its cap, or by a relay that knows nothing yet. A relay
/// that learns soon knows better about calls without a cap, so every other call says less than it will use.
const INPUT: u64 = 250;
const UNKNOWN: u64 = 1024;

/// A call that arrived at the provider.
struct Sent {
    at: Duration,
    tokens: u64,
    /// When it had ended for its caller; `None` if it had not.
    ended: Option<Duration>,
    /// What it used beyond its reservation.
    beyond: u64,
}

pub(crate) async fn run(bench: &Bench, page: &mut Page) -> Outcome<Vec<Law>> {
    let (limit, span) = (1_200_000, if bench.short { 12 } else { 180 });
    page.say(&format!(
        "{CALLERS} callers at tokens_per_minute: {limit} for {span} s; answers of half to three times what is expected"
    ));
    let mut rows = vec![super::row(&[
        "mode",
        "forwarded",
        "refused",
        "tokens",
        "beyond what was reserved",
        "most in a window",
        "over by",
        "for at most",
    ])];
    let span = Duration::from_secs(span);
    let rest = format!("rate_limits: {{ global: {{ tokens_per_minute: {limit} }} }}");
    let relay = |mode| Relay::start(&bench.relay, mode, "", &rest);
    let (one, other) = (relay("strict")?, relay("adaptive")?);
    let (strict, adaptive) =
        tokio::join!(judge(bench, &one, "strict", limit, span), judge(bench, &other, "adaptive", limit, span));
    let mut laws = Vec::new();
    for (row, judged) in [strict?, adaptive?] {
        rows.push(row);
        laws.extend(judged);
    }
    page.table(&rows);
    Ok(laws)
}

async fn judge(
    bench: &Bench,
    relay: &Relay,
    mode: &str,
    limit: u64,
    span: Duration,
) -> Outcome<(Vec<String>, Vec<Law>)> {
    let order = || Order {
        takes: Duration::from_millis(fastrand::u64(100..500)),
        input: INPUT,
        cap: fastrand::bool().then_some(UNKNOWN),
        output: ((INPUT + UNKNOWN) as f64 * (0.5 + 2.5 * fastrand::f64())) as u64 - INPUT,
        ..Order::default()
    };
    let begin = Instant::now();
    let book = hammer(relay.address(), vec![Group { class: NORMAL, callers: CALLERS, order }], span).await?;
    // The log is written in groups.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reserved = reservations(&relay.log()?);
    let calls = book.calls();
    let mut sent = Vec::new();
    for arrival in relay.provider.arrivals() {
        let told = usize::try_from(arrival.order.number).ok().and_then(|number| calls.get(number));
        let ended = told.and_then(|told| told.ended).map(|ended| ended.saturating_duration_since(begin));
        let tokens = arrival.order.tokens();
        let reserved = reserved.get(&arrival.order.number).copied().unwrap_or(0);
        let at = arrival.at.saturating_duration_since(begin);
        sent.push(Sent { at, tokens, ended, beyond: tokens.saturating_sub(reserved) });
    }
    let grain = bench.pauses.grain();
    let events: Vec<_> = sent.iter().map(|sent| Event { at: sent.at, amount: sent.tokens }).collect();
    let (most, _) = window::most(&events, WINDOW);
    let (over, unexplained) = overshoot(&sent, limit, grain);
    let refused = calls.iter().filter(|told| told.ended.is_some() && told.status != 200).count();
    let row = vec![
        mode.to_owned(),
        sent.len().to_string(),
        refused.to_string(),
        sent.iter().map(|sent| sent.tokens).sum::<u64>().to_string(),
        sent.iter().map(|sent| sent.beyond).sum::<u64>().to_string(),
        most.to_string(),
        most.saturating_sub(limit).to_string(),
        seconds(Some(over)),
    ];
    let mut laws = vec![Law::new(
        format!(
            "tokens, {mode}: no stretch holds more than {limit} and what calls in flight were short of ({unexplained} more seen)"
        ),
        unexplained == 0,
    )];
    if mode == "adaptive" {
        laws.extend(used_up(&events, limit, span, grain));
        laws.push(Law::new(
            format!("tokens, adaptive: nobody is refused ({refused} were; first: {})", book.first_refusal()),
            refused == 0,
        ));
    }
    Ok((row, laws))
}

/// Once its window has been full, the limit is used, and evenly.
fn used_up(events: &[Event], limit: u64, span: Duration, grain: Duration) -> Vec<Law> {
    let enough = limit * 97 / 100;
    let Some(full) = window::saturated(events, WINDOW, enough, grain) else { return Vec::new() };
    let least = window::least(events, WINDOW + grain, full, span);
    let gap = window::longest_gap(events, full, span);
    let mut laws = Vec::new();
    if let Some(least) = least {
        laws.push(Law::new(
            format!("tokens, adaptive: at least {enough} in every minute once the window was full, {} after the start ({least} seen)", seconds(Some(full))),
            least >= enough,
        ));
    }
    laws.push(Law::new(
        format!("tokens, adaptive: no gap over a hundredth of it then ({} seen)", seconds(gap)),
        gap.is_some_and(|gap| gap <= WINDOW / window::PARTS + grain),
    ));
    laws
}

/// For how long at most the trailing window held more than the limit, and the most that it held beyond the limit and
/// what calls in flight explain.
fn overshoot(sent: &[Sent], limit: u64, grain: Duration) -> (Duration, u64) {
    let (mut begin, mut sum, mut unexplained) = (0, 0, 0);
    let (mut since, mut longest) = (None::<Duration>, Duration::ZERO);
    for call in sent {
        sum += call.tokens;
        while let Some(oldest) = sent.get(begin).filter(|oldest| call.at - oldest.at + grain >= WINDOW) {
            sum -= oldest.tokens;
            begin += 1;
        }
        let open = |other: &&Sent| other.at <= call.at && other.ended.is_none_or(|ended| ended + grain >= call.at);
        let short: u64 = sent.iter().filter(open).map(|other| other.beyond).sum();
        unexplained = unexplained.max(sum.saturating_sub(limit + short));
        since = if sum > limit { since.or(Some(call.at)) } else { None };
        longest = longest.max(since.map_or(Duration::ZERO, |since| call.at - since));
    }
    (longest, unexplained)
}

/// What was reserved for each call, by its number.
fn reservations(log: &[Value]) -> HashMap<u64, u64> {
    let one = |line: &Value| {
        let number = line.get("id")?.as_str()?.strip_prefix("call-")?.parse().ok()?;
        Some((number, line.get("reserved")?.as_u64()?))
    };
    log.iter().filter_map(one).collect()
}
