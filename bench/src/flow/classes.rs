//! Four classes that all want more than there is.
//!
//! They share by weight, and what is shared is tokens, not calls: a class with calls three times as large gets a third
//! as many. Where nobody knows beforehand what a call will use, the shares are corrected by what it has used. The
//! lowest class gets its share too, however long the others could go on.

use std::time::{Duration, Instant};

use super::caller::{Group, hammer};
use super::law::Law;
use super::order::Order;
use super::relay::{CLASSES, Relay};
use super::window::{self, Event};
use super::{Bench, seconds};
use crate::Outcome;
use crate::report::Page;

const CALLERS: usize = 25;
/// What a call of each class uses, highest class first.
const TOKENS: [u64; 4] = [200, 400, 400, LARGEST];
const LARGEST: u64 = 1200;
/// Of these, what the request has.
const INPUT: u64 = 50;
/// The share of each class may be off by so much of the total.
const OFF: f64 = 0.02;
const LOW: usize = 3;

/// A limit that four classes want.
struct Case {
    name: &'static str,
    provider: String,
    rest: String,
    takes: Duration,
    /// Whether requests say how long their answers may be, so that what they will use is known beforehand.
    capped: bool,
}

pub(crate) async fn run(bench: &Bench, page: &mut Page) -> Outcome<Vec<Law>> {
    page.say(&format!("{CALLERS} callers of each of four classes, calls of {TOKENS:?} tokens"));
    let mut rows =
        vec![super::row(&["limit", "class", "calls", "tokens", "share", "due", "oldest wait", "longest gap"])];
    let mut laws = Vec::new();
    // Two at a time: more would want more of the machine than the limits leave them.
    for capped in [true, false] {
        let cases = [permits(capped, bench), requests(capped, bench)];
        let [few, slow] =
            cases.each_ref().map(|case| Relay::start(&bench.relay, "adaptive", &case.provider, &case.rest));
        let (few, slow, [permits, requests]) = (few?, slow?, &cases);
        let (one, other) = tokio::join!(judge(bench, &few, permits), judge(bench, &slow, requests));
        for (judged, more) in [one?, other?] {
            rows.extend(judged);
            laws.extend(more);
        }
    }
    page.table(&rows);
    Ok(laws)
}

/// A provider that answers few at once.
fn permits(capped: bool, bench: &Bench) -> Case {
    Case {
        name: if capped { "at once, length known" } else { "at once, length unknown" },
        provider: "max_concurrency: 8".to_owned(),
        rest: String::new(),
        takes: Duration::from_millis(if bench.short { 40 } else { 50 }),
        capped,
    }
}

/// A limit on requests over all.
fn requests(capped: bool, bench: &Bench) -> Case {
    let per_second = if bench.short { 200 } else { 100 };
    Case {
        name: if capped { "requests, length known" } else { "requests, length unknown" },
        provider: String::new(),
        rest: format!("rate_limits: {{ global: {{ requests_per_second: {per_second} }} }}"),
        takes: Duration::from_millis(10),
        capped,
    }
}

async fn judge(bench: &Bench, relay: &Relay, case: &Case) -> Outcome<(Vec<Vec<String>>, Vec<Law>)> {
    let (warm, span) = if bench.short { (1, 6) } else { (10, 60) };
    let (warm, span) = (Duration::from_secs(warm), Duration::from_secs(span));
    let groups = TOKENS.iter().enumerate().map(|(class, tokens)| {
        let order = Order {
            takes: case.takes,
            input: INPUT,
            output: tokens - INPUT,
            cap: case.capped.then_some(tokens - INPUT),
            ..Order::default()
        };
        Group { class, callers: CALLERS, order: move || order }
    });
    let begin = Instant::now();
    let book = hammer(relay.address(), groups.collect(), span).await?;
    let end = Instant::now();
    let calls = book.calls();
    let class_of = |number: u64| calls.get(usize::try_from(number).ok()?).map(|told| told.class);
    let mut events: Vec<Vec<Event>> = vec![Vec::new(); CLASSES.len()];
    for arrival in relay.provider.arrivals() {
        let at = arrival.at.saturating_duration_since(begin);
        if let Some(events) = class_of(arrival.order.number).and_then(|class| events.get_mut(class))
            && (warm..span).contains(&at)
        {
            events.push(Event { at, amount: arrival.order.tokens() });
        }
    }
    let sum = |events: &Vec<Event>| events.iter().map(|event| event.amount).sum::<u64>();
    let total = events.iter().map(sum).sum::<u64>().max(1) as f64;
    let per_second = total / (span - warm).as_secs_f64();
    let weights = CLASSES.iter().map(|(_, weight)| weight).sum::<u64>() as f64;
    let (mut rows, mut laws, mut worst) = (Vec::new(), Vec::new(), 0.0_f64);
    for (class, ((name, weight), events)) in CLASSES.iter().zip(&events).enumerate() {
        let (share, due) = (sum(events) as f64 / total, *weight as f64 / weights);
        worst = worst.max((share - due).abs());
        let of_class = calls.iter().filter(|told| told.class == class);
        let oldest = of_class.map(|told| told.ended.unwrap_or(end) - told.sent).max();
        let gap = window::longest_gap(events, warm, span);
        rows.push(vec![
            case.name.to_owned(),
            (*name).to_owned(),
            events.len().to_string(),
            sum(events).to_string(),
            format!("{:.2} %", share * 100.0),
            format!("{:.2} %", due * 100.0),
            seconds(oldest),
            seconds(gap),
        ]);
        if class == LOW {
            // What a call of the class takes at the class's share.
            let each = Duration::from_secs_f64(LARGEST as f64 / (per_second * due));
            let bound = each * (2 * CALLERS as u32) + Duration::from_secs(1);
            laws.push(Law::new(
                format!(
                    "classes, {}: the low class waits at most twice as long as its share explains, {} ({} seen)",
                    case.name,
                    seconds(Some(bound)),
                    seconds(oldest)
                ),
                oldest.is_some_and(|oldest| oldest <= bound),
            ));
            let longest = each * 4 + bench.pauses.grain();
            laws.push(Law::new(
                format!(
                    "classes, {}: the low class is served at least every {} ({} seen)",
                    case.name,
                    seconds(Some(longest)),
                    seconds(gap)
                ),
                gap.is_some_and(|gap| gap <= longest),
            ));
        }
    }
    laws.push(Law::new(
        format!("classes, {}: shares by tokens within 2 % of 8:4:2:1 ({:.2} % off)", case.name, worst * 100.0),
        worst <= OFF,
    ));
    let refused = calls.iter().filter(|told| told.ended.is_some() && told.status != 200).count();
    laws.push(Law::new(
        format!("classes, {}: nobody is refused ({refused} were; first: {})", case.name, book.first_refusal()),
        refused == 0,
    ));
    Ok((rows, laws))
}
