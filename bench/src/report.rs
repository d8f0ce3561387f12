//! What is printed, and what is kept under `docs/results`.
//!
//! The same text goes to both: a page that says more, or less, than the terminal did would have to be trusted.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use hdrhistogram::Histogram;

use crate::Outcome;
use crate::bars::Bar;
use crate::numbers::{Median, median};

/// Prints one line of results.
#[expect(clippy::print_stdout, reason = "a command's own output")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints what went wrong or what is going on, beside the results.
#[expect(clippy::print_stderr, reason = "a command's own output")]
pub(crate) fn complain(text: &str) {
    eprintln!("{text}");
}

/// A page that grows, printed as it does.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Adds a line and prints it.
    pub(crate) fn say(&mut self, text: &str) {
        line(text);
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// Adds a table; the first row is its head.
    pub(crate) fn table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0))
            .collect();
        for (number, row) in rows.iter().enumerate() {
            let mut text = String::from("|");
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(text, " {cell:<width$} |");
            }
            self.say(&text);
            if number == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                self.say(&format!("|{}|", rule.join("|")));
            }
        }
        self.say("");
    }

    /// Adds the bars.
    pub(crate) fn bars(&mut self, bars: &[Bar]) {
        for bar in bars {
            self.say(&format!("- {bar}"));
        }
    }

    /// Keeps the page under the date of today.
    pub(crate) fn keep(&self) -> Outcome<String> {
        self.keep_as("bench")
    }

    /// The same under another name.
    pub(crate) fn keep_as(&self, name: &str) -> Outcome<String> {
        let now = jiff::Timestamp::now().to_string();
        let day = now.split('T').next().unwrap_or_default();
        fs::create_dir_all("docs/results")?;
        let path = format!("docs/results/{name}-{day}.md");
        fs::write(&path, &self.0)?;
        Ok(path)
    }
}

/// `1.23 [1.20, 1.27]`, or a dash for nothing.
pub(crate) fn spread(values: &[f64], digits: usize) -> String {
    median(values).map_or_else(
        || "-".to_owned(),
        |Median { low, middle, high }| format!("{middle:.digits$} [{low:.digits$}, {high:.digits$}]"),
    )
}

/// A quantile in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of seconds, far below 2^52")]
pub(crate) fn millis(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64 / 1e6
}

/// Bytes in MB of 10^6.
#[expect(clippy::cast_precision_loss, reason = "memory of one machine, far below 2^52")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// What this was measured on and with.
pub(crate) fn machine(relay: &str) -> Vec<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .unwrap_or("unknown")
        .trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().next().unwrap_or_default().replace("MemTotal:", "");
    vec![
        format!("machine: {model}, {cores} cores, {} of memory", memory.trim()),
        format!("kernel: {}", said("uname", &["-sr"])),
        format!("nginx: {}", said("nginx", &["-v"])),
        format!(
            "relay: {}",
            if relay == "nginx" {
                "nginx too (the harness measures itself)".to_owned()
            } else {
                said(relay, &["--version"])
            }
        ),
        format!("compiler: {}", said("rustc", &["--version"])),
        format!("commit: {}", said("git", &["describe", "--always", "--dirty"])),
    ]
}

fn said(program: &str, arguments: &[&str]) -> String {
    Command::new(program).args(arguments).output().map_or_else(
        |_| "unknown".to_owned(),
        |output| {
            let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
            String::from_utf8_lossy(&text).trim().to_owned()
        },
    )
}
