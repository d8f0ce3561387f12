//! A limit on requests, and forty callers who want more.
//!
//! In any mode no stretch of the window's length may see more than the limit. In adaptive mode the limit is also
//! used: once its window has been full, every such stretch sees at least 97 % of it, with no gap longer than a
//! hundredth of the window or the time of one call, and nobody is refused. The burst that an idle limit gives away has
//! left the window by then (see [`window::saturated`]).

use std::ops::Range;
use std::time::{Duration, Instant};

use super::caller::{Group, Told, hammer};
use super::law::Law;
use super::order::Order;
use super::provider::Arrival;
use super::relay::Relay;
use super::window::{self, Event};
use super::{Bench, seconds};
use crate::Outcome;
use crate::report::Page;

/// The normal class, by its number.
const NORMAL: usize = 2;
const CALLERS: usize = 40;

/// The limit, its window, and how long it is hammered.
struct Case {
    limit: u64,
    window: Duration,
    name: &'static str,
    span: Duration,
}

pub(crate) async fn run(bench: &Bench, page: &mut Page) -> Outcome<Vec<Law>> {
    let case = if bench.short {
        Case { limit: 20, window: Duration::from_secs(1), name: "requests_per_second", span: Duration::from_secs(8) }
    } else {
        Case {
            limit: 600,
            window: Duration::from_secs(60),
            name: "requests_per_minute",
            span: Duration::from_secs(180),
        }
    };
    page.say(&format!("{CALLERS} callers at {}: {} for {} s", case.name, case.limit, case.span.as_secs()));
    let mut rows = vec![super::row(&[
        "mode",
        "forwarded",
        "refused",
        "most in a window",
        "full after",
        "least in one then",
        "longest gap then",
    ])];
    let mut laws = Vec::new();
    let limits = format!("rate_limits: {{ global: {{ {}: {} }} }}", case.name, case.limit);
    let relay = |mode| Relay::start(&bench.relay, mode, "", &limits);
    let (one, other) = (relay("strict")?, relay("adaptive")?);
    let (strict, adaptive) = tokio::join!(judge(bench, &one, "strict", &case), judge(bench, &other, "adaptive", &case));
    for (row, judged) in [strict?, adaptive?] {
        rows.push(row);
        laws.extend(judged);
    }
    page.table(&rows);
    Ok(laws)
}

async fn judge(bench: &Bench, relay: &Relay, mode: &str, case: &Case) -> Outcome<(Vec<String>, Vec<Law>)> {
    // Windows are cut by the relay's own clock; where in them the calls begin is left to chance.
    tokio::time::sleep(Duration::from_secs_f64(fastrand::f64())).await;
    let order = || Order { takes: Duration::from_millis(10), input: 50, output: 20, cap: Some(20), ..Order::default() };
    let book = hammer(relay.address(), vec![Group { class: NORMAL, callers: CALLERS, order }], case.span).await?;
    let arrivals = relay.provider.arrivals();
    let Some(begin) = arrivals.first().map(|arrival| arrival.at) else {
        return Err(format!("{mode}: nothing was forwarded; {}", book.first_refusal()).into());
    };
    let events: Vec<_> = arrivals.iter().map(|arrival| Event { at: arrival.at - begin, amount: 1 }).collect();
    let until = events.last().map_or(case.span, |last| last.at.max(case.span - Duration::from_millis(100)));
    let calls = book.calls();
    let refused = calls.iter().filter(|told| told.ended.is_some() && told.status != 200).count();
    let (most, _) = window::most(&events, case.window);
    let let_go: Vec<_> = arrivals.iter().filter_map(|arrival| let_go(arrival, &calls, begin)).collect();
    let pauses = bench.pauses.grain();
    let surely = window::surely_most(&let_go, case.window.saturating_sub(pauses));
    let grain = let_go.iter().map(|span| span.end - span.start).fold(pauses, Duration::max);
    let mut laws = vec![Law::new(
        format!(
            "requests, {mode}: at most {} in any {} s ({surely} let go in one, {most} seen by the provider's clock)",
            case.limit,
            case.window.as_secs()
        ),
        surely <= case.limit,
    )];
    let enough = case.limit * 97 / 100;
    let full = window::saturated(&events, case.window, enough, grain);
    let least = full.and_then(|full| window::least(&events, case.window, full, until));
    let gap = full.and_then(|full| window::longest_gap(&events, full, until));
    if mode == "adaptive" {
        let surely = full.and_then(|full| window::least(&events, case.window + grain, full, until));
        laws.push(Law::new(
            format!(
                "requests, adaptive: at least {enough} in every {} s once the window was full, {} after the start ({} seen)",
                case.window.as_secs(),
                seconds(full),
                super::told(least),
            ),
            surely.is_some_and(|least| least >= enough),
        ));
        let one = (case.window + case.window / window::PARTS).div_f64(case.limit as f64);
        let allowed = one.max(case.window / window::PARTS);
        laws.push(Law::new(
            format!(
                "requests, adaptive: no gap over {} then ({} seen, each to within {})",
                seconds(Some(allowed)),
                seconds(gap),
                seconds(Some(grain))
            ),
            gap.is_some_and(|gap| gap <= allowed + grain),
        ));
        laws.push(Law::new(
            format!("requests, adaptive: nobody is refused ({refused} were; first: {})", book.first_refusal()),
            refused == 0,
        ));
    }
    let row = [
        mode.to_owned(),
        events.len().to_string(),
        refused.to_string(),
        most.to_string(),
        seconds(full),
        super::told(least),
        seconds(gap),
    ];
    Ok((row.to_vec(), laws))
}

/// Between which times the relay let the call go: after it was sent and had waited, before the provider saw it. A machine
/// that keeps the provider from looking at its clock blurs the second of these times and not the limit. Nobody has said
/// how long a call waited that has no answer, so of the last few it is not known.
fn let_go(arrival: &Arrival, calls: &[Told], begin: Instant) -> Option<Range<Duration>> {
    let told = calls.get(usize::try_from(arrival.order.number).ok()?).filter(|told| told.ended.is_some())?;
    let seen = arrival.at.saturating_duration_since(begin);
    Some((told.sent + told.queued).saturating_duration_since(begin).min(seen)..seen)
}
