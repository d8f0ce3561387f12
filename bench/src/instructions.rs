//! Instructions that a relayed call takes, by what the relay does for it.
//!
//! On a noisy machine a difference of a few per cent in time drowns; instructions of the same work differ by tenths of a
//! per cent. Each arm runs the relay under callgrind with one worker, asks some calls to warm it, sets the counters to
//! zero, asks as many calls as wanted over the same [`CALLERS`] connections, waits until the books are fed, and reads what all
//! threads took together.
//!
//! What it promises:
//! - **Nothing is left out.** Threads that feed the database or write the log count like the worker.
//! - **Copies count by what they are.** Long `rep movsb` copies would count by the byte, so glibc is told not to use them.
//! - **A wrong answer ends the run**, since a failure costs other instructions than a call.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Duration;

use crate::answer::Connection;
use crate::bars::{self, Bar};
use crate::report::{Page, complain, machine};
use crate::servers::{self, CLIENT_KEY};
use crate::template::Template;
use crate::{Outcome, answer, closed};

/// Connections that ask.
const CALLERS: usize = 50;

/// Calls before counting.
const WARM: usize = 1_000;

/// Keeps copies of long pieces from being counted by the byte.
const PLAIN_COPIES: &str = "glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000";

/// What to count.
#[derive(Debug, clap::Args)]
pub(crate) struct InstructionsArgs {
    /// The relay's binary.
    #[arg(long)]
    relay: PathBuf,
    /// Calls that are counted in each arm. Few hide what is done now and then, such as feeding the database.
    #[arg(long, default_value_t = 10_000)]
    calls: usize,
    /// Only the arms whose name contains this; the one they are compared with is counted in any case.
    #[arg(long)]
    only: Option<String>,
    /// A folder for callgrind's own files, to see where the instructions went.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Writes the page to docs/results/instructions-<date>.md.
    #[arg(long)]
    write: bool,
}

/// What a call may cost, beside another arm.
#[derive(Debug, Clone, Copy)]
struct Against {
    arm: &'static str,
    /// The most that is allowed, in per cent of it.
    at_most: Option<f64>,
}

/// One way to configure the relay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    /// What is added to the configuration at its top level.
    more: &'static str,
    /// What the model has, inside its braces.
    model: &'static str,
    /// What the key has, inside its braces.
    key: &'static str,
    against: Option<Against>,
}

const PLAIN: Arm = Arm { name: "plain", more: "", model: "", key: "", against: None };
const PRICED: Arm = Arm {
    name: "price",
    more: "prices: { models: { simulator/gpt-4.1-mini: { input: 0.4, output: 1.6 } } }\n",
    against: Some(Against { arm: "plain", at_most: None }),
    ..PLAIN
};

/// The arm in which nothing is left out.
pub(crate) const EVERYTHING: &str = "everything";

/// All of them, each after the one it is compared with.
pub(crate) const ARMS: [Arm; 8] = [
    PLAIN,
    Arm {
        name: "two limits",
        key: ", limits: { rpm: 1000000, tpm: 100000000 }",
        against: Some(Against { arm: "plain", at_most: Some(bars::LIMITS_PERCENT) }),
        ..PLAIN
    },
    Arm {
        name: "eight limits",
        more: "rate_limits: { global: { requests_per_minute: 1000000, tokens_per_minute: 100000000 } }\n",
        model: ", limits: { rpm: 1000000, tpm: 100000000, concurrency: 1000 }",
        key: ", limits: { rpm: 1000000, tpm: 100000000, concurrency: 1000 }",
        against: Some(Against { arm: "plain", at_most: None }),
    },
    // What a hit saves is the system's work for a second connection more than instructions, so its bar is one on CPU: the part
    // `cached` of the comparison.
    Arm {
        name: "cache hit",
        more: "cache: { exact: { ttl: 1h, only_when: always } }\n",
        against: Some(Against { arm: "plain", at_most: None }),
        ..PLAIN
    },
    PRICED,
    Arm {
        name: "price and ledger",
        more: "prices: { models: { simulator/gpt-4.1-mini: { input: 0.4, output: 1.6 } } }\nledger: {}\n",
        against: Some(Against { arm: "price", at_most: Some(bars::LEDGER_PERCENT) }),
        ..PLAIN
    },
    Arm {
        name: "price, ledger and budget",
        more: "prices: { models: { simulator/gpt-4.1-mini: { input: 0.4, output: 1.6 } } }\nledger: {}\n",
        key: ", budget: { usd: 1000000, per: day }",
        against: Some(Against { arm: "price", at_most: None }),
        ..PLAIN
    },
    Arm {
        name: EVERYTHING,
        more:
            "rate_limits: { global: { requests_per_minute: 1000000, tokens_per_minute: 100000000, concurrency: 1000 } }
prices: { models: { simulator/gpt-4.1-mini: { input: 0.4, output: 1.6 } } }
ledger: {}
",
        model: ", limits: { rpm: 1000000, tpm: 100000000, concurrency: 1000 }",
        key: ", limits: { rpm: 1000000, tpm: 100000000, concurrency: 1000 }, budget: { usd: 1000000, per: day }",
        against: Some(Against { arm: "plain", at_most: None }),
    },
];

impl Arm {
    pub(crate) fn config(&self, upstream: SocketAddr) -> String {
        let (more, model, key) = (self.more, self.model, self.key);
        format!(
            "version: 1
server: {{ listen: \"127.0.0.1:0\", request_log: requests.log, data_dir: data, workers: 1 }}
providers:
  simulator: {{ kind: openai_compatible, base_url: \"http://{upstream}/v1\" }}
models:
  bench: {{ to: simulator/gpt-4.1-mini{model} }}
keys:
  - {{ name: bench, value_env: BENCH_KEY{key} }}
{more}"
        )
    }
}

/// Counts what `args` ask for and says by the exit code whether every bar was cleared.
pub(crate) async fn run(args: InstructionsArgs) -> Outcome<ExitCode> {
    let folder = tempfile::tempdir()?;
    let upstream = servers::upstream(folder.path())?;
    let mut counted: Vec<(&str, f64)> = Vec::new();
    let mut rows = vec![["arm", "instructions a call", "beside", "ratio"].map(str::to_owned).to_vec()];
    let mut bars = Vec::new();
    for arm in ARMS.iter().filter(|arm| wanted(arm, args.only.as_deref())) {
        complain(&format!("{}: {} calls", arm.name, args.calls));
        let kept = args.keep.as_ref().map(|keep| keep.join(arm.name.replace([' ', ','], "-")));
        let place = kept.unwrap_or_else(|| folder.path().join(arm.name));
        let each = count(arm, &args, upstream.buffered, &place).await?;
        let beside = arm.against.and_then(|against| {
            let (_, other) = counted.iter().find(|(name, _)| *name == against.arm)?;
            Some((against, each / other))
        });
        rows.push(vec![
            arm.name.to_owned(),
            format!("{each:.0}"),
            beside.map_or_else(|| "-".to_owned(), |(against, _)| against.arm.to_owned()),
            beside.map_or_else(|| "-".to_owned(), |(_, ratio)| format!("{ratio:.4}")),
        ]);
        if let Some((against, ratio)) = beside
            && let Some(at_most) = against.at_most
        {
            let what = format!("{}, instructions beside {}", arm.name, against.arm);
            bars.push(Bar { what, measured: ratio * 100.0, at_most, unit: "%" });
        }
        counted.push((arm.name, each));
    }
    let mut page = Page::default();
    page.say("# Instructions of a relayed call\n");
    for fact in machine(&args.relay.display().to_string()) {
        page.say(&format!("- {fact}"));
    }
    page.say(&format!(
        "\n{} buffered calls of about a kilobyte over {CALLERS} connections, one worker; all threads counted.\n",
        args.calls
    ));
    page.table(&rows);
    page.bars(&bars);
    if args.write {
        complain(&format!("written to {}", page.keep_as("instructions")?));
    }
    Ok(if bars.iter().all(Bar::passed) { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Whether an arm is counted: it was asked for, or one that was asked for is compared with it.
fn wanted(arm: &Arm, only: Option<&str>) -> bool {
    let Some(only) = only else { return true };
    let asked = |arm: &Arm| arm.name.contains(only);
    asked(arm) || ARMS.iter().any(|other| asked(other) && other.against.is_some_and(|against| against.arm == arm.name))
}

/// Instructions of one call in one arm.
async fn count(arm: &Arm, args: &InstructionsArgs, upstream: SocketAddr, place: &Path) -> Outcome<f64> {
    fs::create_dir_all(place)?;
    let place = fs::canonicalize(place)?;
    let relay = servers::relay_counted(
        &args.relay,
        &arm.config(upstream),
        &[("BENCH_KEY".to_owned(), CLIENT_KEY.to_owned()), ("GLIBC_TUNABLES".to_owned(), PLAIN_COPIES.to_owned())],
        &place,
    )?;
    let mut connections = Vec::with_capacity(CALLERS);
    for _ in 0..CALLERS {
        connections.push(answer::connect(relay.buffered).await?);
    }
    let template = Template::buffered(0);
    let connections = ask(connections, WARM, &template).await?;
    settle().await;
    callgrind("--zero", relay.pid())?;
    let connections = ask(connections, args.calls, &template).await?;
    settle().await;
    callgrind("--dump", relay.pid())?;
    drop(connections);
    let total = total(&place)?;
    Ok(closed::count(total) / closed::count(u64::try_from(args.calls.max(1))?))
}

/// What is done behind the calls comes to its end.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(4)).await;
}

/// Asks `calls` calls in all, over these connections.
pub(crate) async fn ask(connections: Vec<Connection>, calls: usize, template: &Template) -> Outcome<Vec<Connection>> {
    let left = Rc::new(Cell::new(calls));
    let callers = connections.into_iter().map(|mut connection| {
        let (left, template) = (Rc::clone(&left), template.clone());
        tokio::task::spawn_local(async move {
            while let Some(fewer) = left.get().checked_sub(1) {
                left.set(fewer);
                answer::call(&mut connection, &template).await.map_err(|error| error.to_string())?;
            }
            Ok::<Connection, String>(connection)
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut connections = Vec::with_capacity(callers.len());
    for caller in callers {
        connections.push(caller.await??);
    }
    Ok(connections)
}

/// Tells the callgrind that runs `pid` to do something.
fn callgrind(what: &str, pid: u32) -> Outcome<()> {
    let output = Command::new("callgrind_control").arg(what).arg(pid.to_string()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.contains("OK") {
        return Ok(());
    }
    Err(format!("callgrind_control {what}: {said}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// The instructions in the files of the one dump that was ordered, one file for each thread.
fn total(place: &Path) -> Outcome<u64> {
    let mut sum = 0;
    let mut threads = 0;
    for entry in fs::read_dir(place.join("relay"))? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("callgrind.out.1") {
            continue;
        }
        let text = fs::read_to_string(entry.path())?;
        let line = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
        sum += line.ok_or("a dump without its sum")?.trim().parse::<u64>()?;
        threads += 1;
    }
    if threads == 0 { Err("callgrind dumped nothing".into()) } else { Ok(sum) }
}
