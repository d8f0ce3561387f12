//! What the program says about itself while it runs, on standard error.
//!
//! Warnings by default, `-v` and `-vv` for more. What an operator must see whatever the level (a reload, a refused key,
//! the end) goes to the target [`NOTICE`], which is always on.

use sluicegate_control::{LogFormat, Stamp};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The target of what is always said.
pub(crate) const NOTICE: &str = "notice";

/// Starts to listen to what the crates say. `verbose` counts `-v`.
pub(crate) fn start(verbose: u8, format: LogFormat) {
    let ours = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // What the libraries say at a level is worth one level less to an operator.
    let theirs = match verbose {
        0 | 1 => LevelFilter::WARN,
        2 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let filter = Targets::new().with_default(theirs).with_target("sluicegate", ours).with_target(NOTICE, Level::INFO);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start, as in a test, keeps the first.
    let _ = match format {
        LogFormat::Json => registry.with(layer.json().with_timer(Moment::Full)).try_init(),
        LogFormat::Human { colour } => {
            registry.with(layer.with_ansi(colour).with_target(verbose > 1).with_timer(Moment::Time)).try_init()
        }
    };
}

/// The moment as the request log writes it.
enum Moment {
    Full,
    Time,
}

impl FormatTime for Moment {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut text = String::new();
        match self {
            Self::Full => Stamp::default().write(&mut text, millis),
            Self::Time => Stamp::default().write_time(&mut text, millis),
        }
        out.write_str(&text)
    }
}
