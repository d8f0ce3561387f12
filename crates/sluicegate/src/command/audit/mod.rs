//! `audit` and `verify`: what an endpoint really is, before traffic goes there.

mod arguments;

pub(crate) use arguments::{AUDIT_EXAMPLES, AuditArguments, VERIFY_EXAMPLES, VerifyArguments};

use crate::engine::choose_cryptography;
use crate::outcome::{Code, Failure, Outcome, written};
use crate::terminal;
use indicatif::{ProgressBar, ProgressStyle};
use sluicegate_audit::history::History;
use sluicegate_audit::{Allowance, Answer, Load, Order, Progress, Report, Search, Step, estimate};
use sluicegate_ledger::{Price, PriceBook};
use sluicegate_vocabulary::Money;
use std::future::Future;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The largest log that is read, in bytes.
const LARGEST_LOG: u64 = 4 << 30;

pub(crate) fn audit(arguments: &AuditArguments) -> Outcome {
    if let Some(log) = &arguments.from_log {
        return from_log(arguments, log);
    }
    let order = order(arguments)?;
    if !agreed(arguments, &order)? {
        return Ok(Code::Interrupted);
    }
    let report = running(async {
        let progress: Arc<dyn Progress> = Arc::new(Shown::new());
        tokio::select! {
            report = sluicegate_audit::audit(&order, progress) => {
                report.map_err(|error| Failure::new(Code::Other(2), error.to_string()))
            }
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Code::Interrupted, "interrupted; calls already sent are billed")),
        }
    })?;
    let json = || serde_json::to_string_pretty(&report).unwrap_or_default() + "\n";
    save(arguments, json)?;
    let text = match (arguments.json, arguments.markdown) {
        (true, _) => json(),
        (_, true) => report.markdown(),
        _ => report.text(),
    };
    written(terminal::results(&text))?;
    Ok(ended(&report))
}

/// Writes the report as JSON into the file that was named, if one was.
fn save(arguments: &AuditArguments, json: impl Fn() -> String) -> Outcome<()> {
    let Some(file) = &arguments.save else { return Ok(()) };
    std::fs::write(file, json()).map_err(|error| Failure::other(format!("{}: {error}", file.display())))?;
    terminal::tell(&format!("saved {}", file.display()));
    Ok(())
}

fn ended(report: &Report) -> Code {
    let reached = report.checks.iter().any(|check| check.name != "models");
    match (report.is_good(), reached) {
        (true, _) => Code::Done,
        (false, true) => Code::No,
        (false, false) => Code::Unreachable,
    }
}

pub(crate) fn verify(arguments: &VerifyArguments) -> Outcome {
    let wrong = |message: String| Failure::new(Code::Other(2), message);
    let target = arguments.endpoint.target(&arguments.url).map_err(wrong)?;
    let verified =
        running(async { sluicegate_audit::verify(&target).await.map_err(|error| wrong(error.to_string())) })?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&verified).unwrap_or_default() + "\n"
    } else {
        format!("{}\n", verified.told)
    };
    written(terminal::results(&text))?;
    Ok(match verified.answer {
        Answer::Right | Answer::Open => Code::Done,
        Answer::WrongKey | Answer::NoKey => Code::NotAllowed,
        Answer::Unreachable => Code::Unreachable,
        Answer::WrongPath | Answer::WrongKeyForm | Answer::WrongRegion | Answer::WrongModel | Answer::NotAnApi => {
            Code::No
        }
    })
}

fn running<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    choose_cryptography();
    let failed = |error: io::Error| Failure::other(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(work)
}

fn order(arguments: &AuditArguments) -> Outcome<Order> {
    let wrong = |message: String| Failure::new(Code::Other(2), message);
    let url = arguments.url.as_deref().unwrap_or_default();
    let target = arguments.endpoint.target(url).map_err(wrong)?;
    if target.model.is_empty() {
        return Err(wrong("which model? give --model NAME".to_owned()));
    }
    let price = match &arguments.price {
        Some(text) => Some(told_price(text).map_err(wrong)?),
        None => known_price(&target.model, url),
    };
    let steps: Vec<usize> = arguments.concurrency.iter().copied().filter(|&step| step > 0).collect();
    let rate = arguments.rate.map(|rate| (rate, arguments.lasting.duration()));
    let load = (rate.is_some() || !steps.is_empty()).then(|| Load {
        steps,
        calls_each: arguments.calls.max(1),
        rate,
        words: arguments.words.clamp(1, 100_000),
        max_tokens: arguments.max_tokens.max(1),
    });
    Ok(Order {
        target,
        allowance: Allowance { cost: arguments.max_cost, calls: arguments.max_requests, price },
        load,
        search: arguments.find_limit.then(Search::default),
        objectives: arguments.objectives.clone(),
    })
}

fn told_price(text: &str) -> Result<Price, String> {
    let wrong = || format!("--price {text}: write dollars per million tokens of input and of output, such as 0.25,2");
    let (input, output) = text.split_once(',').ok_or_else(wrong)?;
    Ok(Price::flat(input.trim().parse().map_err(|_| wrong())?, output.trim().parse().map_err(|_| wrong())?))
}

/// A model's price by the book: by the vendor before its name, else by the vendor whose name the host has.
fn known_price(model: &str, url: &str) -> Option<Price> {
    let book = PriceBook::bundled();
    if let Some((vendor, name)) = model.split_once('/')
        && let Some(price) = book.price(vendor, name)
    {
        return Some(price.clone());
    }
    book.vendors().filter(|vendor| url.contains(vendor)).find_map(|vendor| book.price(vendor, model)).cloned()
}

/// Whether calls may be sent. Where nobody can be asked, a bound must have been given.
fn agreed(arguments: &AuditArguments, order: &Order) -> Outcome<bool> {
    let (calls, cost) = estimate(order);
    let bound = order.allowance.cost.map(|cap| format!(", at most ${cap}")).unwrap_or_default();
    let money = match (&order.allowance.price, order.allowance.cost) {
        (Some(_), _) => format!("{bound} (estimate ${cost})"),
        (None, Some(_)) => {
            let message = "no price is known for this model, so --max-cost cannot be kept; give --price IN,OUT as well";
            return Err(Failure::new(Code::Other(2), message));
        }
        (None, None) => ", at a price that is not known".to_owned(),
    };
    let asked = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !asked && order.allowance.cost.is_none() && !arguments.yes {
        let message = "this sends real, billed calls: give --max-cost DOLLARS, or --yes with --max-requests NUMBER";
        return Err(Failure::new(Code::Other(2), message));
    }
    if arguments.yes || !asked {
        terminal::tell(&format!("sending up to {calls} calls{money}"));
        return Ok(true);
    }
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "about to send up to {calls} real, billed calls{money}. Continue? [y/N] ");
    let _ = err.flush();
    drop(err);
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn from_log(arguments: &AuditArguments, log: &Path) -> Outcome {
    let failed = |error: io::Error| Failure::other(format!("{}: {error}", log.display()));
    let mut text = String::new();
    let source: Box<dyn io::Read> =
        if log == Path::new("-") { Box::new(io::stdin()) } else { Box::new(std::fs::File::open(log).map_err(failed)?) };
    source.take(LARGEST_LOG).read_to_string(&mut text).map_err(failed)?;
    let model = arguments.endpoint.model.as_deref();
    let history = History::read(&text, model);
    if history.lines == 0 {
        let which = model.map(|model| format!(" of {model}")).unwrap_or_default();
        let unread = match history.unread {
            0 => String::new(),
            unread => format!(" ({unread} lines could not be read)"),
        };
        return Err(Failure::other(format!("{}: no calls{which} in it{unread}", log.display())));
    }
    let now = match &arguments.price {
        Some(price) => Some(told_price(price).map_err(|message| Failure::new(Code::Other(2), message))?),
        None => model.and_then(|model| known_price(model, "")),
    };
    let now = now.and_then(|price| history.monthly(&price));
    let after = match &arguments.compare {
        None => None,
        Some(name) => {
            let price = known_price(name, "").ok_or_else(|| {
                Failure::new(Code::Other(2), format!("the price book does not know {name}; write it as vendor/model"))
            })?;
            history.monthly(&price).map(|money| (name, money))
        }
    };
    let json = || {
        let mut document = serde_json::to_value(&history).unwrap_or_default();
        if let Some(fields) = document.as_object_mut() {
            fields.insert("monthly_usd".to_owned(), now.map(|money| money.to_string()).into());
            fields.insert("compared_monthly_usd".to_owned(), after.map(|(_, money)| money.to_string()).into());
        }
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    };
    save(arguments, json)?;
    let dollars = |money: Money| money.nanos() as f64 / 1e9;
    let whose = if arguments.price.is_some() { "at the price given" } else { "by the price book" };
    let told = || {
        told(&history, now.map(|now| (whose, dollars(now))), after.map(|(name, money)| (name.as_str(), dollars(money))))
    };
    let text = match (arguments.json, arguments.markdown) {
        (true, _) => json(),
        (_, true) => format!("# Calls of {}\n\n```\n{}```\n", log.display(), told()),
        _ => told(),
    };
    if history.unread > 0 {
        terminal::tell(&format!("{} lines could not be read and are not in these numbers", history.unread));
    }
    written(terminal::results(&text))
}

fn told(history: &History, now: Option<(&str, f64)>, after: Option<(&str, f64)>) -> String {
    let calls = history.calls.map_or_else(|| "calls not counted,".to_owned(), |calls| format!("{calls} calls in"));
    let lasted = match history.seconds {
        seconds if seconds < 120.0 => format!("{seconds:.1} seconds"),
        seconds if seconds < 7_200.0 => format!("{:.1} minutes", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.1} hours", seconds / 3_600.0),
        seconds => format!("{:.1} days", seconds / 86_400.0),
    };
    let mut lines = vec![format!("{calls} {lasted}")];
    if let Some((mean, peak)) = history.calls_per_second {
        let peak = peak.map(|peak| format!(" · busiest second {peak}")).unwrap_or_default();
        lines.push(format!("calls/s          mean {mean:.2}{peak}"));
    }
    let counted = |number: Option<u64>, what: &str| number.map(|number| format!("{number} {what}"));
    let busiest: Vec<String> =
        [counted(history.peak_calls_per_minute, "calls"), counted(history.peak_tokens_per_minute, "tokens")]
            .into_iter()
            .flatten()
            .collect();
    let busiest =
        if busiest.is_empty() { "not in this log: its lines are sums".to_owned() } else { busiest.join(" · ") };
    lines.push(format!("busiest minute   {busiest}"));
    if let Some(most) = history.peak_concurrency {
        lines.push(format!("at once          {most} at most"));
    }
    for (name, times) in [("first token", history.first_token), ("total", history.total)] {
        if let Some(times) = times {
            lines.push(format!(
                "{name:<16} p50 {:.0} ms · p95 {:.0} ms · p99 {:.0} ms",
                times.p50, times.p95, times.p99
            ));
        }
    }
    lines.push(format!("tokens           {} in · {} out", history.input, history.output));
    let errors = history.errors.as_ref().map_or_else(
        || "not in this log".to_owned(),
        |errors| errors.iter().map(|(status, count)| format!("{status} × {count}")).collect::<Vec<_>>().join(" · "),
    );
    lines.push(format!("errors           {}", if errors.is_empty() { "none" } else { &errors }));
    if let Some(dollars) = history.logged_monthly_usd {
        lines.push(format!("a month          ${dollars:.2} by the log's own figures"));
    }
    if let Some((whose, dollars)) = now {
        lines.push(format!("a month          ${dollars:.2} {whose}"));
    }
    if let Some((name, dollars)) = after {
        lines.push(format!("a month          ${dollars:.2} with {name}"));
    }
    lines.join("\n") + "\n"
}

/// How far it is, on a terminal; elsewhere nothing moves.
struct Shown(ProgressBar);

impl Shown {
    fn new() -> Self {
        let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} · {pos} calls · {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Shown {
    fn phase(&self, name: &str) {
        self.0.set_message(name.to_owned());
    }

    fn calls(&self, count: usize) {
        self.0.inc(count as u64);
    }

    fn step(&self, step: &Step) {
        self.0.inc(step.ok + step.limited + step.failed());
    }
}
