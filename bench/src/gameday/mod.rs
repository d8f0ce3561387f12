//! A game day: providers die, slow down, throttle and recover by script while clients go on calling.
//!
//! Clients call at a fixed rate, whatever becomes of their calls. Three simulated providers with several keys each stand
//! behind the relay. What the clients saw second by second is printed, and held to bars: hardly an error as long as
//! somebody could answer, few extra tries, a dead provider left alone at once and used again soon after it is back, and
//! nothing held when all is over.

mod judge;
mod load;
mod providers;
mod script;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Outcome;
use crate::bars::Bar;
use crate::priority::Ahead;
use crate::report::{self, Page, complain};
use crate::servers::{self, CLIENT_KEY, Server};
use judge::{Beside, Terms};
use providers::Providers;
use script::{PROVIDERS, Scene};

/// How to spend the day.
#[derive(Debug, clap::Args)]
pub(crate) struct GamedayArgs {
    /// The relay's binary.
    #[arg(long)]
    relay: PathBuf,
    /// Half a minute instead of five.
    #[arg(long)]
    short: bool,
    /// Calls a second; less for the short day when absent.
    #[arg(long)]
    rate: Option<u32>,
    /// Writes the page to docs/results/gameday-<date>.md.
    #[arg(long)]
    write: bool,
}

const RATE: u32 = 2000;
/// The short day runs with a binary that may not be optimised, beside other work, and must not depend on how much of the
/// machine that leaves.
const SHORT_RATE: u32 = 60;
/// How long a provider may take to its first byte, which usually takes 20 ms. What is lost with a provider that falls
/// silent is what was sent within this time.
const IMPATIENT: &str = "300ms";
const PATIENT: &str = "20s";
/// Before the first call.
const LEAD: Duration = Duration::from_millis(500);
/// What is held is looked at so long after the last call, and again until nothing is, for at most so long.
const QUIET: Duration = Duration::from_secs(2);
const LEFT_OVER: Duration = Duration::from_secs(20);

/// Spends the day and judges it. The exit code is 3 when a bar was missed.
pub(crate) async fn run(args: GamedayArgs) -> Outcome<ExitCode> {
    // What it starts runs under the policy that it has itself.
    let ahead = Ahead::of(&[std::process::id()]);
    let (length, scenes) = script::day(args.short);
    let rate = args.rate.unwrap_or(if args.short { SHORT_RATE } else { RATE });
    let folder = tempfile::tempdir()?;
    let providers = Providers::start()?;
    let (config, variables) = config(&providers, if args.short { PATIENT } else { IMPATIENT });
    let mut relay = servers::relay_with(&args.relay, &config, &variables, folder.path())?;
    let began = Instant::now() + LEAD;
    let director = {
        let (scenes, address) = (scenes.clone(), relay.buffered);
        std::thread::spawn(move || direct(providers, &scenes, began, address).map_err(|error| error.to_string()))
    };
    let seconds = load::drive(relay.buffered, rate, length, began).await?;
    let (beside, _providers) = director.join().map_err(|_| "the director's thread ended in a panic")??;
    let ended = Instant::now();
    let held = loop {
        tokio::time::sleep(QUIET).await;
        let held = held(&args.relay, folder.path())?;
        if held == 0 || !args.short || ended.elapsed() > LEFT_OVER {
            break held;
        }
    };
    let mut page = Page::default();
    page.say(&format!("## A game day: {rate} calls a second for {} s\n", length.as_secs()));
    for line in report::machine(&args.relay.to_string_lossy()).iter().filter(|line| !line.starts_with("nginx")) {
        page.say(&format!("- {line}"));
    }
    page.say(&format!(
        "- real-time policy of the kernel: {}\n",
        if ahead.is_some() { "yes" } else { "not allowed here" }
    ));
    page.table(&judge::timeline(&seconds, &scenes, if args.short { 1 } else { 5 }));
    for (number, second) in seconds.iter().enumerate() {
        for error in second.errors.iter().take(1) {
            page.say(&format!("- first error of second {number}: {}", error.replace('\n', " ")));
        }
    }
    page.say("");
    let terms = if args.short { Terms::counted(rate) } else { Terms::MEASURED };
    let bars = judge::bars(&seconds, &scenes, &beside, held, terms);
    page.bars(&bars);
    if let Some(problem) = problem(&mut relay)? {
        return Err(problem.into());
    }
    let missed = bars.iter().filter(|bar| !bar.passed()).count();
    page.say(&format!("\n{} passed, {missed} failed", bars.len() - missed));
    if args.write {
        complain(&format!("written to {}", page.keep_as("gameday")?));
    }
    Ok(if bars.iter().all(Bar::passed) { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Lets the scenes come and go at their times, and looks at the relay's own count of failures around each.
fn direct(
    mut providers: Providers,
    scenes: &[Scene],
    began: Instant,
    relay: std::net::SocketAddr,
) -> Outcome<(Vec<Beside>, Providers)> {
    let wait = |until: Duration| std::thread::sleep((began + until).saturating_duration_since(Instant::now()));
    let mut all = Vec::new();
    for scene in scenes {
        wait(scene.begins);
        complain(&format!("{} s: {}", scene.begins.as_secs(), scene.name));
        let before = failures(relay, scene)?;
        let mut in_flight = 0;
        for provider in &scene.at {
            in_flight += providers.strike(*provider, &scene.fault)?;
        }
        wait(scene.ends());
        let failures = failures(relay, scene)?.saturating_sub(before);
        for provider in &scene.at {
            providers.heal(*provider)?;
        }
        all.push(Beside { in_flight, failures });
    }
    if let Some(last) = scenes.last() {
        wait(judge::over(last));
    }
    Ok((all, providers))
}

/// Tries that have failed at the providers of a scene, as `/metrics` counts them.
fn failures(relay: std::net::SocketAddr, scene: &Scene) -> Outcome<u64> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(relay)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {CLIENT_KEY}\r\nconnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if !text.starts_with("HTTP/1.1 200") {
        return Err(format!("/metrics: {}", text.lines().next().unwrap_or_default()).into());
    }
    let mut failures = 0.0;
    for line in text.lines().filter(|line| line.starts_with("sluicegate_attempts_total{")) {
        let of_one = scene.at.iter().filter_map(|provider| PROVIDERS.get(*provider));
        let ours = of_one.map(|(name, _)| format!("provider=\"{name}\"")).any(|label| line.contains(&label));
        if ours && !line.contains("result=\"ok\"") && !line.contains("result=\"cancelled\"") {
            failures += line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0);
        }
    }
    Ok(failures as u64)
}

/// The configuration, and the variables it names.
fn config(providers: &Providers, first_byte: &str) -> (String, Vec<(String, String)>) {
    let mut variables = vec![("CLIENT".to_owned(), CLIENT_KEY.to_owned())];
    let mut text = "version: 1
server: { listen: \"127.0.0.1:0\", request_log: none, data_dir: data }
providers:
"
    .to_owned();
    for (number, ((name, keys), address)) in PROVIDERS.iter().zip(providers.addresses()).enumerate() {
        let mut pool = Vec::new();
        for key in 0..*keys {
            let variable = format!("KEY_{}_{key}", name.to_uppercase());
            pool.push(format!("{{ name: {name}{key}, env: {variable}, limits: {{ concurrency: 4000 }} }}"));
            variables.push((variable, script::key(number, key)));
        }
        text += &format!(
            "  {name}: {{ kind: openai_compatible, base_url: \"http://{address}/v1\", first_byte_timeout: {first_byte}, limits: {{ concurrency: 8000 }}, keys: [{}] }}\n",
            pool.join(", ")
        );
    }
    text += "models:
  day: { to: [{ model: a/m, weight: 60 }, { model: b/m, weight: 40 }], fallbacks: [c/m] }
keys:
  - { name: client, value_env: CLIENT, limits: { concurrency: 20000 } }
";
    (text, variables)
}

/// What the relay still holds, by `quota`.
fn held(binary: &Path, folder: &Path) -> Outcome<u64> {
    let output =
        Command::new(binary).args(["quota", "--json", "--data-dir"]).arg(folder.join("relay/data")).output()?;
    if !output.status.success() {
        return Err(format!("quota: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let quota: Value = serde_json::from_slice(&output.stdout)?;
    let number = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let limits = quota.get("limits").and_then(Value::as_array).into_iter().flatten();
    let permits: u64 = limits
        .filter(|limit| limit.get("counts").and_then(Value::as_str) == Some("concurrency"))
        .map(|limit| number(limit, "/capacity").saturating_sub(number(limit, "/left")) + number(limit, "/waiting"))
        .sum();
    Ok(permits + number(&quota, "/in_flight") + number(&quota, "/waiting/calls"))
}

/// What is wrong with the relay's process, if anything.
fn problem(relay: &mut Server) -> Outcome<Option<String>> {
    if let Some(status) = relay.ended()? {
        return Ok(Some(format!("the relay ended with {status}: {}", relay.output())));
    }
    let output = relay.output();
    Ok(output.contains("panicked").then(|| format!("a panic: {output}")))
}
