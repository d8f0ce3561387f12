//! The comparison: which arms, which loads, in which order.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::bars::{self, Bar};
use crate::closed::{self, Sample};
use crate::numbers::median;
use crate::priority::Ahead;
use crate::report::{Page, complain, machine, megabytes, millis, spread};
use crate::servers::{self, Server};
use crate::template::{Expect, Template};
use crate::{CompareArgs, Outcome, answer, held, open, usage};

/// The concurrency of the main measurement, which the bar on CPU is about.
const MAIN: usize = 50;

/// Callers at once.
const CALLERS: [usize; 3] = [1, MAIN, 256];

/// What the provider takes for an answer in the open loop, in milliseconds.
const UPSTREAM_MS: u32 = 20;

/// The arm in which nothing is left out.
const EVERYTHING: &str = "relay, everything on";

/// The arm that answers from its cache, and the one that answers the same calls without.
const CACHED: &str = "relay, from its cache";
const RELAYED: &str = "relay, without a cache";

/// One side of the comparison.
struct Arm {
    name: &'static str,
    server: Server,
}

/// How long everything takes.
struct Plan {
    rounds: usize,
    fewer: usize,
    span: Duration,
    open_span: Duration,
}

/// Measures what `args` ask for, prints it, and says by the exit code whether every bar was cleared.
pub(crate) async fn run(args: CompareArgs) -> Outcome<ExitCode> {
    let folder = tempfile::tempdir()?;
    let upstream = servers::upstream(folder.path())?;
    let plan = Plan {
        rounds: if args.quick { args.rounds.min(6) } else { args.rounds }.max(1),
        fewer: if args.quick { 2 } else { args.rounds.div_ceil(3).max(1) },
        span: Duration::from_millis(if args.quick { 800 } else { 1500 }),
        open_span: Duration::from_secs(if args.quick { 3 } else { 5 }),
    };
    let wanted = |part: &str| args.only.as_deref().is_none_or(|only| part.contains(only));
    let relay = args.relay.to_string_lossy().into_owned();

    let mut page = Page::default();
    page.say("# The relay beside nginx\n");
    page.say(
        "Both stand in front of the simulated provider on one machine and take turns under the same load. nginx is",
    );
    page.say(
        "Debian's, as a plain proxy: `worker_processes auto`, connections kept, access log off (a second nginx has it",
    );
    page.say("on). The relay checks the client's key, exchanges the model's name, counts metrics and writes its request log.");
    page.say(
        "Ratios are medians of interleaved pairs, with the interval that holds the true median with 95 % (with fewer",
    );
    page.say("than six pairs: the whole range). CPU is the kernel's own count for the proxy's processes.\n");
    page.say(&format!(
        "Command: `make bench`, {} pairs of {} ms for the main measurement.\n",
        plan.rounds,
        plan.span.as_millis()
    ));
    for fact in machine(&relay) {
        page.say(&format!("- {fact}"));
    }
    page.say("");

    let start = |name| start(name, &args.relay, upstream.buffered, folder.path());
    let mut cleared = Vec::new();
    let mut failed = 0;
    if wanted("memory") {
        cleared.extend(memory(&mut page, &start, args.streams).await?);
    }
    // nginx and the relay, and for the main measurement a third.
    let arms = [start("nginx")?, start("relay")?, start("nginx, log on")?];
    let mut saturation = None;
    if wanted("buffered") || wanted("open") {
        let results = buffered(&mut page, &arms, &plan, wanted("buffered")).await?;
        saturation = results.last().and_then(|result| median(&each(result.relay(), Sample::rate))).map(|m| m.middle);
        failed += wrong(&results);
        if wanted("buffered") {
            cleared.extend(cpu_bars("buffered", &results));
        }
    }
    if wanted("streamed") {
        let results = streamed(&mut page, &arms, &plan).await?;
        failed += wrong(&results);
        cleared.extend(cpu_bars("streamed", &results));
    }
    if wanted("everything") {
        let arms = [start("nginx")?, start(EVERYTHING)?];
        let (bars, wrong) = everything(&mut page, &arms, &plan).await?;
        cleared.extend(bars);
        failed += wrong;
    }
    if wanted("cached") && args.relay != Path::new("nginx") {
        let arms = [start("nginx")?, start(RELAYED)?, start(CACHED)?];
        let (bars, wrong) = cached(&mut page, &arms, &plan).await?;
        cleared.extend(bars);
        failed += wrong;
    }
    if let Some(saturation) = saturation.filter(|_| wanted("open")) {
        let mut programs: Vec<u32> = arms.iter().flat_map(|arm| arm.server.pids()).chain(upstream.pids()).collect();
        programs.push(std::process::id());
        let ahead = Ahead::of(&programs);
        let (bar, wrong) = open_loop(&mut page, &arms, &plan, saturation * 0.3, ahead.is_some()).await?;
        cleared.push(bar);
        failed += wrong;
    }
    if wanted("memory") {
        peaks(&mut page, &arms)?;
    }

    page.say("## Bars\n");
    page.bars(&cleared);
    page.say(&format!("- calls that failed or were answered wrongly: {failed}"));
    if args.write {
        let path = page.keep()?;
        complain(&format!("written to {path}"));
    }
    let good = failed == 0 && cleared.iter().all(Bar::passed);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn start(name: &'static str, relay: &Path, upstream: SocketAddr, folder: &Path) -> Outcome<Arm> {
    let server = match name {
        "nginx" => servers::nginx(upstream, folder, false)?,
        "nginx, log on" => servers::nginx(upstream, folder, true)?,
        _ if relay == Path::new("nginx") => servers::nginx(upstream, &folder.join("again"), false)?,
        EVERYTHING => servers::relay_with_everything(relay, upstream, folder)?,
        CACHED => servers::relay_with_cache(relay, upstream, folder)?,
        RELAYED => servers::relay(relay, upstream, &folder.join("relayed"))?,
        _ => servers::relay(relay, upstream, folder)?,
    };
    Ok(Arm { name, server })
}

/// What all arms did at one concurrency: a list of samples for each, in the arms' order.
struct Measured {
    callers: usize,
    samples: Vec<Vec<Sample>>,
}

impl Measured {
    fn nginx(&self) -> &[Sample] {
        self.samples.first().map_or(&[], Vec::as_slice)
    }

    fn relay(&self) -> &[Sample] {
        self.samples.get(1).map_or(&[], Vec::as_slice)
    }
}

/// One load, as long and as often as it is put on.
struct Load<'a> {
    template: &'a Template,
    callers: usize,
    rounds: usize,
    span: Duration,
}

/// Every arm once, one after the other, in each round. Who begins turns with the round, so that no arm always follows
/// the same one.
async fn rounds(arms: &[Arm], load: &Load<'_>) -> Outcome<Measured> {
    let mut samples: Vec<Vec<Sample>> = arms.iter().map(|_| Vec::new()).collect();
    for round in 0..load.rounds {
        for step in 0..arms.len() {
            let which = (round + step) % arms.len();
            let (Some(arm), Some(kept)) = (arms.get(which), samples.get_mut(which)) else { continue };
            let streamed = matches!(load.template.expect, Expect::Events(_));
            let address = if streamed { arm.server.streamed } else { arm.server.buffered };
            let warm = if round == 0 { Duration::from_millis(500) } else { Duration::from_millis(150) };
            let sample = closed::run(address, &arm.server.pids(), load.template, load.callers, warm, load.span).await?;
            if let Some(failure) = &sample.failure {
                complain(&format!("{}: {} failed: {failure}", arm.name, sample.failed));
            }
            kept.push(sample);
        }
    }
    Ok(Measured { callers: load.callers, samples })
}

fn ratios(ours: &[Sample], theirs: &[Sample], of: fn(&Sample) -> f64) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(ours, theirs)| of(ours) / of(theirs)).collect()
}

fn each(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> Vec<f64> {
    samples.iter().map(of).collect()
}

fn wrong(results: &[Measured]) -> u64 {
    results.iter().flat_map(|result| result.samples.iter().flatten()).map(|sample| sample.failed).sum()
}

fn cpu_bars(kind: &str, results: &[Measured]) -> Vec<Bar> {
    let bar = |result: &Measured| Bar {
        what: format!("CPU per {kind} request at {} callers, times nginx's", result.callers),
        measured: median(&ratios(result.relay(), result.nginx(), Sample::micros_per_call))
            .map_or(f64::NAN, |m| m.middle),
        at_most: bars::CPU_RATIO,
        unit: "x",
    };
    results.iter().map(bar).collect()
}

/// A table with a row for each arm and concurrency.
fn table(page: &mut Page, arms: &[Arm], results: &[Measured]) {
    let head =
        ["callers", "proxy", "CPU µs/request", "ratio", "requests/s", "ratio", "p50 ms", "p99 ms", "first byte p50 ms"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for result in results {
        for (arm, samples) in arms.iter().zip(&result.samples) {
            let same = arm.name == "nginx";
            let ratio = |of| if same { "1".to_owned() } else { spread(&ratios(samples, result.nginx(), of), 2) };
            rows.push(vec![
                result.callers.to_string(),
                arm.name.to_owned(),
                spread(&each(samples, Sample::micros_per_call), 1),
                ratio(Sample::micros_per_call),
                spread(&each(samples, Sample::rate), 0),
                ratio(Sample::rate),
                spread(&each(samples, |s| millis(&s.whole, 0.5)), 2),
                spread(&each(samples, |s| millis(&s.whole, 0.99)), 2),
                spread(&each(samples, |s| millis(&s.first, 0.5)), 2),
            ]);
        }
    }
    page.table(&rows);
}

/// Buffered calls at every concurrency, or, when only the saturation is wanted, at the highest.
async fn buffered(page: &mut Page, arms: &[Arm; 3], plan: &Plan, whole: bool) -> Outcome<Vec<Measured>> {
    let template = Template::buffered(0);
    let mut results = Vec::new();
    for callers in if whole { &CALLERS[..] } else { &CALLERS[2..] } {
        let main = *callers == MAIN;
        let count = if main { plan.rounds } else { plan.fewer };
        complain(&format!("buffered, {callers} callers, {count} rounds"));
        let load = Load { template: &template, callers: *callers, rounds: count, span: plan.span };
        results.push(rounds(if main { &arms[..] } else { &arms[..2] }, &load).await?);
    }
    if !whole {
        return Ok(results);
    }
    page.say("## Buffered calls, closed loop\n");
    page.say("About 1 KB of question, a short answer, no wait at the provider.\n");
    table(page, arms, &results);
    if let Some(main) = results.iter().find(|result| result.callers == MAIN) {
        let relay = main.relay();
        let calls: u64 = relay.iter().map(|sample| sample.calls).sum();
        let failed: u64 = relay.iter().map(|sample| sample.failed).sum();
        let success = closed::count(calls) / closed::count((calls + failed).max(1)) * 100.0;
        let rate = median(&each(relay, Sample::rate)).map_or(0.0, |m| m.middle);
        let p99 = median(&each(relay, |s| millis(&s.whole, 0.99))).map_or(0.0, |m| m.middle);
        page.say(
            "Beside the figures our users know (847 requests a second at 50 connections with 99.7 % success; gateway",
        );
        page.say("latency p99 under 50 ms; 2 million calls a day):\n");
        page.say(&format!(
            "- at 50 connections: {rate:.0} requests a second, {success:.2} % success, p99 {p99:.2} ms in all"
        ));
        page.say(&format!("- that rate held for a day: {:.0} million calls\n", rate * 86_400.0 / 1e6));
    }
    Ok(results)
}

/// Buffered calls to a relay with limits at every scope, prices, and books with a budget.
async fn everything(page: &mut Page, arms: &[Arm; 2], plan: &Plan) -> Outcome<(Vec<Bar>, u64)> {
    let template = Template::buffered(0);
    let mut results = Vec::new();
    for callers in [MAIN, 256] {
        complain(&format!("everything on, {callers} callers, {} rounds", plan.rounds));
        let load = Load { template: &template, callers, rounds: plan.rounds, span: plan.span };
        results.push(rounds(arms, &load).await?);
    }
    page.say("## The same calls with everything on\n");
    page.say("Limits on requests, tokens and concurrency of all calls, the key, the model and the provider; a price; books with a");
    page.say("budget of the key. Everybody's CPU counts, also that of the threads which write the books. The cache is off, since");
    page.say("this load asks the same thing again and again.\n");
    table(page, arms, &results);
    let mut bars = cpu_bars("buffered", &results);
    for bar in &mut bars {
        bar.what.push_str(", everything on");
        bar.at_most = bars::EVERYTHING_CPU_RATIO;
    }
    Ok((bars, wrong(&results)))
}

/// The same call again and again, answered by the provider and from the cache.
async fn cached(page: &mut Page, arms: &[Arm; 3], plan: &Plan) -> Outcome<(Vec<Bar>, u64)> {
    let template = Template::buffered(0);
    let [_, relay, cache] = arms;
    let mut connection = answer::connect(cache.server.buffered).await?;
    answer::call(&mut connection, &template).await?;
    let said = answer::header(&mut connection, &template, "x-sluicegate-cache").await?;
    if said.as_deref() != Some("hit") {
        return Err(format!("the second of two equal calls was no hit: x-sluicegate-cache is {said:?}").into());
    }
    complain(&format!("from the cache, {MAIN} callers, {} rounds", plan.rounds));
    let load = Load { template: &template, callers: MAIN, rounds: plan.rounds, span: plan.span };
    let result = rounds(arms, &load).await?;
    page.say(
        "## The same call again and again, relayed and from the cache
",
    );
    page.say(
        "CPU is all that the process takes, in its own code and in the system's for it.
",
    );
    let samples = |which: usize| result.samples.get(which).map_or(&[][..], Vec::as_slice);
    let beside = ratios(samples(2), samples(1), Sample::micros_per_call);
    let measured = median(&beside).map_or(f64::NAN, |m| m.middle) * 100.0;
    let what = format!("CPU of {} in per cent of {}", cache.name, relay.name);
    let bars = vec![Bar { what, measured, at_most: bars::CACHE_HIT_PERCENT, unit: "%" }];
    let results = [result];
    table(page, arms, &results);
    page.say(&format!("A hit takes {} of a relayed call's CPU.\n", spread(&beside, 3)));
    Ok((bars, wrong(&results)))
}

/// Streams of 50 events over 100 ms.
async fn streamed(page: &mut Page, arms: &[Arm; 3], plan: &Plan) -> Outcome<Vec<Measured>> {
    let template = Template::streamed(50, 500);
    let mut results = Vec::new();
    for callers in CALLERS {
        complain(&format!("streamed, {callers} callers, {} rounds", plan.fewer));
        let load = Load { template: &template, callers, rounds: plan.fewer, span: plan.span * 4 / 3 };
        results.push(rounds(&arms[..2], &load).await?);
    }
    page.say("## Streams of 50 events at 500 a second, closed loop\n");
    table(page, arms, &results);
    Ok(results)
}

/// Calls at a given rate; what the relay adds to nginx's p99.
async fn open_loop(page: &mut Page, arms: &[Arm; 3], plan: &Plan, rate: f64, ahead: bool) -> Outcome<(Bar, u64)> {
    let arms = &arms[..2];
    let template = Template::buffered(UPSTREAM_MS);
    let mut samples: Vec<Vec<Sample>> = arms.iter().map(|_| Vec::new()).collect();
    let count = plan.rounds.max(3);
    complain(&format!("open loop, {rate:.0} calls a second, {count} rounds"));
    let (time_before, stolen_before) = usage::time_and_stolen()?;
    for round in 0..count {
        for step in 0..arms.len() {
            let which = (round + step) % arms.len();
            let (Some(arm), Some(kept)) = (arms.get(which), samples.get_mut(which)) else { continue };
            let seed = u64::try_from(round)?;
            let sample =
                open::run(arm.server.buffered, &arm.server.pids(), &template, rate, plan.open_span, seed).await?;
            if let Some(failure) = &sample.failure {
                complain(&format!("{}: {} failed: {failure}", arm.name, sample.failed));
            }
            kept.push(sample);
        }
    }
    page.say(&format!(
        "## Open loop: {rate:.0} calls a second (30 % of saturation), provider takes {UPSTREAM_MS} ms\n"
    ));
    page.say(&format!("Each call counts from the moment it was due. {count} pairs of {} s.", plan.open_span.as_secs()));
    let (time, stolen) = usage::time_and_stolen()?;
    page.say(&format!(
        "Meanwhile the host gave {:.2} % of this machine's time to others.",
        closed::count(stolen - stolen_before) / closed::count((time - time_before).max(1)) * 100.0
    ));
    page.say(if ahead {
        "Load, provider and both proxies run under the kernel's real-time policy, all at one priority, so that other\nprograms of the machine do not hold a core from them.\n"
    } else {
        "The real-time policy was not allowed here: other programs of the machine are in these figures too.\n"
    });
    let mut rows = vec![
        ["proxy", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "p99 over nginx, ms", "CPU µs/request"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let p99 = |sample: &Sample| millis(&sample.whole, 0.99);
    let nginx = samples.first().cloned().unwrap_or_default();
    let mut added = Vec::new();
    for (arm, samples) in arms.iter().zip(&samples) {
        added = samples.iter().zip(&nginx).map(|(ours, theirs)| p99(ours) - p99(theirs)).collect();
        let quantile = |q| spread(&each(samples, |s| millis(&s.whole, q)), 2);
        rows.push(vec![
            arm.name.to_owned(),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            quantile(0.999),
            spread(&added, 2),
            spread(&each(samples, Sample::micros_per_call), 1),
        ]);
    }
    page.table(&rows);
    let bar = Bar {
        what: "p99 over nginx's in the open loop".to_owned(),
        measured: median(&added).map_or(f64::NAN, |m| m.middle),
        at_most: bars::ADDED_P99_MS,
        unit: "ms",
    };
    Ok((bar, samples.iter().flatten().map(|sample| sample.failed).sum()))
}

/// Memory of fresh processes: idle, and with many streams open.
async fn memory(page: &mut Page, start: &impl Fn(&'static str) -> Outcome<Arm>, streams: usize) -> Outcome<Vec<Bar>> {
    page.say("## Memory\n");
    let mut rows = vec![["proxy", "idle MB", "streams", "with them open MB", "KB/stream"].map(str::to_owned).to_vec()];
    let mut bars = Vec::new();
    for name in ["nginx", "relay"] {
        let arm = start(name)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let pids = arm.server.pids();
        // One process: its resident memory, as every tool shows it. Several: what they share counts once.
        let idle = if let [pid] = *pids.as_slice() { usage::resident(pid)? } else { usage::memory(&pids)? };
        complain(&format!("memory of {name} with {streams} streams"));
        let held = held::run(arm.server.streamed, &pids, streams).await?;
        let open = megabytes(held.during);
        rows.push(vec![
            name.to_owned(),
            format!("{:.1}", megabytes(idle)),
            held.streams.to_string(),
            format!("{open:.1}"),
            format!("{:.1}", (open - megabytes(held.before)) * 1e3 / closed::count(u64::try_from(streams.max(1))?)),
        ]);
        if name == "relay" {
            bars.push(Bar {
                what: "idle memory".to_owned(),
                measured: megabytes(idle),
                at_most: bars::IDLE_MB,
                unit: "MB",
            });
            bars.push(Bar {
                what: format!("memory with {streams} open streams"),
                measured: open,
                at_most: bars::STREAMS_MB,
                unit: "MB",
            });
        }
    }
    page.table(&rows);
    Ok(bars)
}

/// The most memory each process had over all loads.
fn peaks(page: &mut Page, arms: &[Arm]) -> Outcome<()> {
    page.say("Peak resident memory over all the loads above (nginx: sum of its processes):\n");
    for arm in arms {
        let mut bytes = 0;
        for pid in arm.server.pids() {
            bytes += usage::peak(pid)?;
        }
        page.say(&format!("- {}: {:.1} MB", arm.name, megabytes(bytes)));
    }
    page.say("");
    Ok(())
}
