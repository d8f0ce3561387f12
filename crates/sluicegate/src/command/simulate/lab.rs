//! `simulate`: at this traffic, who waits, who is refused, which limit binds, and what would be enough.

use super::plan::Plan;
use crate::cli::LabArguments;
use crate::outcome::{Code, Failure, Outcome, written};
use crate::source::{Source, unusable};
use crate::terminal::{self, BAD, DIM, GOOD, STRONG, WARN};
use owo_colors::OwoColorize as _;
use serde_json::json;
use sluicegate_config::{Diagnostic, Loader};
use sluicegate_flow::Kind;
use sluicegate_simulate::lab::{
    self, ByClass, Control, Counted, Enough, Experiment, MOST_CALLS, Offered, Part, Provider, Report, Run, Shape,
    Spacing, Trace, Traffic, WorstWindow, text,
};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The largest file of calls that is read, in bytes.
const LARGEST: u64 = 1 << 30;
/// How long traffic lasts that is not replayed, when nobody says.
const USUAL: Duration = Duration::from_secs(600);
/// How many calls traffic has at most that is taken when none is given: as many as a fraction of a second simulates.
const QUICK: f64 = 300_000.0;
/// How wide waiting over time is drawn.
const PLOT: usize = 72;

pub(crate) fn lab(arguments: &LabArguments) -> Outcome {
    let name = match Source::new(&arguments.config).file() {
        Some(file) => file.display().to_string(),
        None => {
            let what = "there is no sluicegate.yaml here; name the file whose limits are to be tried with --config";
            return Err(Failure::new(Code::Config, what));
        }
    };
    let read = crate::source::read(Path::new(&name)).map_err(|why| vec![Diagnostic::unreadable(&name, why)]);
    let loaded = read.and_then(|text| Loader::new().without_secrets().file(&text, &name)).map_err(unusable)?;

    let provider = Provider {
        first_token: arguments.ttft.duration(),
        tokens_per_second: arguments.tokens_per_second,
        ..Provider::default()
    };
    let replayed = replay(arguments)?;
    let mut plan = Plan::new(&loaded.config, replayed.as_ref().map(|(trace, _)| &trace.names));
    arguments.apply(&mut plan);
    plan.relay.lead = provider.first_token;
    let capacity = plan.capacity(provider.service(plan.kinds.tokens_out.mean()));
    let (offered, traffic) = match replayed {
        Some((trace, told)) => (Offered::Replayed(trace), told),
        None => generated(arguments, &plan, capacity)?,
    };
    let control = Control::Relay(Box::new(plan.relay));
    let experiment = Experiment { offered, provider, control, seed: arguments.seed };

    let began = Instant::now();
    let run = experiment.run();
    let answer = Answer {
        report: Report::of(&run),
        enough: lab::enough(&experiment, &run),
        windows: windows(&experiment, &run),
        traffic,
        config: name,
        capacity,
        seed: arguments.seed,
        run,
    };
    let took = began.elapsed();
    written(terminal::results(&if arguments.json { answer.json() } else { answer.human(took) }))?;
    Ok(if answer.report.refusals() == 0 { Code::Done } else { Code::No })
}

impl LabArguments {
    /// What was asked for instead of what follows from the configuration.
    fn apply(&self, plan: &mut Plan) {
        if let Some(mix) = self.mix {
            plan.kinds.classes = mix;
            plan.kinds.highest_of_key.clear();
            plan.kinds.highest_of_endpoint.clear();
        }
        if let Some((tokens_in, tokens_out)) = &self.tokens {
            plan.kinds.tokens_in = tokens_in.clone();
            plan.kinds.tokens_out = tokens_out.clone();
        }
        if let Some(mode) = self.mode {
            plan.relay.mode = mode;
            plan.relay.modes.clear();
        }
        plan.relay.instances = self.instances;
    }
}

/// The calls of a file, and what is said about them.
fn replay(arguments: &LabArguments) -> Outcome<Option<(Trace, String)>> {
    let (file, is_log) = match (&arguments.trace, &arguments.log) {
        (Some(file), _) => (file, false),
        (None, Some(file)) => (file, true),
        (None, None) => return Ok(None),
    };
    let name = file.display();
    let failed = |why: &dyn std::fmt::Display| Failure::other(format!("cannot replay {name}: {why}"));
    let size = std::fs::metadata(file).map_err(|error| failed(&error))?.len();
    if size > LARGEST {
        return Err(failed(&format!("it is larger than {} MiB; take a part of it", LARGEST >> 20)));
    }
    let calls = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let mut kinds = lab::Kinds::default();
    if let Some((tokens_in, tokens_out)) = &arguments.tokens {
        kinds = lab::Kinds { tokens_in: tokens_in.clone(), tokens_out: tokens_out.clone(), ..kinds };
    }
    let (trace, passed_over) = if is_log {
        Trace::log(&calls, &kinds, arguments.seed).map_err(|error| failed(&error))?
    } else if calls.trim_start().starts_with('{') {
        (Trace::lines(&calls, &kinds, arguments.seed).map_err(|error| failed(&error))?, 0)
    } else {
        (Trace::counts(&calls, &kinds, arguments.seed).map_err(|error| failed(&error))?, 0)
    };
    let mut told = format!("replayed from {name}");
    if passed_over > 0 {
        let _ = write!(told, "; {} lines that are no receipts were passed over", text::grouped(passed_over as u64));
    }
    Ok(Some((trace, told)))
}

/// Traffic as it was asked for, or one that follows from the limits, and what is said about it.
fn generated(arguments: &LabArguments, plan: &Plan, capacity: Option<f64>) -> Outcome<(Offered, String)> {
    let (shape, told) = match (&arguments.traffic, capacity) {
        (Some(shape), _) => (*shape, String::new()),
        (None, Some(capacity)) => {
            let base = 0.6 * capacity;
            let shape =
                Shape::Spike { base, factor: 3.4, length: Duration::from_secs(8), every: Duration::from_secs(120) };
            (shape, format!("no traffic given, so 60 % of what fits ({}), with spikes", calls_per(capacity)))
        }
        (None, None) => {
            (Shape::Steady { rate: 10.0 }, "no traffic given and nothing limited, so ten calls a second".to_owned())
        }
    };
    let mean = shape.mean();
    let usual = match shape {
        Shape::Diurnal { period, .. } => period,
        _ if arguments.traffic.is_none() && mean > 0.0 => {
            USUAL.min(Duration::from_secs_f64(QUICK / mean)).max(Duration::from_secs(120))
        }
        _ => USUAL,
    };
    let length = arguments.duration.map_or(usual, sluicegate_config::Period::duration);
    let expected = mean * length.as_secs_f64();
    if expected > MOST_CALLS as f64 {
        let (expected, most) = (text::grouped(expected as u64), text::grouped(MOST_CALLS as u64));
        let what = format!("that would be {expected} calls; at most {most} are simulated: shorten it with --for");
        return Err(Failure::other(what));
    }
    let traffic = Traffic {
        parts: vec![Part { shape, length }],
        spacing: if arguments.even { Spacing::Even } else { Spacing::Poisson },
        kinds: plan.kinds.clone(),
    };
    let shape = shape.to_string();
    let told = if told.is_empty() { shape } else { format!("{told}: {shape}") };
    Ok((Offered::Generated(traffic), told))
}

/// `50 calls/s`, or per minute where that is the readable number.
fn calls_per(rate: f64) -> String {
    if rate >= 1.0 { format!("{rate:.1} calls/s") } else { format!("{:.1} calls/min", rate * 60.0) }
}

/// How full the fullest window of each limit was that holds for all calls.
fn windows(experiment: &Experiment, run: &Run) -> Vec<WorstWindow> {
    let Control::Relay(relay) = &experiment.control else { return Vec::new() };
    let rules = relay.ingress.iter().chain(&relay.egress).filter(|rule| rule.concerns == lab::Concerns::All);
    let counted = rules.filter_map(|rule| {
        let counted = match rule.kind {
            Kind::Requests => Counted::Requests,
            Kind::Tokens => Counted::Tokens,
            Kind::Concurrency => return None,
        };
        Some(WorstWindow::of(run, rule.name(), rule.quota.set, rule.quota.window, counted))
    });
    counted.collect()
}

/// What came out.
struct Answer {
    config: String,
    traffic: String,
    seed: u64,
    capacity: Option<f64>,
    run: Run,
    report: Report,
    enough: Option<Enough>,
    windows: Vec<WorstWindow>,
}

impl Answer {
    fn human(&self, took: Duration) -> String {
        let Self { report, run, .. } = self;
        let mut out = String::new();
        let length = text::span(run.length.as_secs_f64() * 1000.0);
        let head = format!("{length} simulated in {:.2} s · {} · seed {}", took.as_secs_f64(), self.config, self.seed);
        let _ = writeln!(out, "{}", head.style(DIM));
        let _ = writeln!(out, "{}", self.traffic.style(DIM));
        if run.cut {
            let most = text::grouped(MOST_CALLS as u64);
            let _ = writeln!(out, "{} cut off after {most} calls", "warning".style(WARN));
        }
        let _ = writeln!(out, "\n{}", text::classes(report));
        out.push_str(&text::plot(&lab::waiting(run, PLOT), run.length.as_secs_f64()));
        if !out.ends_with("\n\n") {
            out.push('\n');
        }
        let calls = format!("{} calls", text::grouped(report.offered));
        if report.refusals() == 0 {
            let _ = writeln!(out, "{} of {calls} were refused", "none".style(GOOD));
        } else {
            let share = format!("{:.2} %", 100.0 * report.refused_share());
            let _ = writeln!(out, "{} of {calls} were refused: {}", share.style(BAD), text::refusals(report));
        }
        for (at, (name, times)) in run.binding.iter().take(3).enumerate() {
            let line = format!("{name} kept {} calls from going at once", text::grouped(*times));
            let lead = if at == 0 { "binding" } else { "then" };
            let _ = writeln!(out, "{} {line}", format!("{lead:<8}").style(STRONG));
        }
        if run.binding.is_empty() {
            let _ = writeln!(out, "no limit kept any call from going at once");
        }
        for window in &self.windows {
            let (most, allowed) = (text::grouped(window.most), text::grouped(window.allowed));
            let _ = writeln!(
                out,
                "{} {}: {most} of {allowed} at most",
                format!("{:<8}", "fullest").style(STRONG),
                window.limit
            );
        }
        if let Some(enough) = &self.enough {
            for (at, needed) in enough.limits.iter().enumerate() {
                let (is, enough) = (text::grouped(needed.is), text::grouped(needed.enough));
                let lead = if at == 0 { "enough" } else { "and" };
                let _ =
                    writeln!(out, "{} {}: {enough} instead of {is}", format!("{lead:<8}").style(STRONG), needed.limit);
            }
            let longest = text::span(enough.longest_ms);
            let _ = writeln!(out, "{:<8} nobody would be refused then, and wait {longest} at most", "");
        }
        out
    }

    fn json(&self) -> String {
        let waits = lab::waiting(&self.run, PLOT);
        let by_class = |ByClass([critical, high, normal, low]): &ByClass<f64>| json!([critical, high, normal, low]);
        let document = json!({
            "schema": "sluicegate.simulate/v1",
            "config": self.config,
            "traffic": self.traffic,
            "seed": self.seed,
            "seconds": self.run.length.as_secs_f64(),
            "cut": self.run.cut,
            "capacity_calls_per_second": self.capacity,
            "report": self.report,
            "binding": self.run.binding.iter().map(|(limit, times)| json!({"limit": limit, "times": times}))
                .collect::<Vec<_>>(),
            "fullest_windows": self.windows,
            "enough": self.enough,
            "longest_waits_s": waits.iter().map(by_class).collect::<Vec<_>>(),
        });
        format!("{document:#}\n")
    }
}

#[cfg(test)]
#[path = "lab_tests.rs"]
mod tests;
