//! What the program says about itself while it runs, on standard error.
//!
//! Warnings by default, `-v` and `-vv` for more. What an operator must see whatever the level (a reload, a refused key,
//! the end) goes to the target [`NOTICE`], which is always on.
//!
//! Workers speak here too, so nothing here waits long for a reader: when standard error is full and stays full, a line is
//! lost.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sluicegate_control::{LogFormat, Stamp};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The target of what is always said.
pub(crate) const NOTICE: &str = sluicegate_control::NOTICE;

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
    // Without standard error there is nobody to speak to.
    let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() else { return };
    let layer = tracing_subscriber::fmt::layer().with_writer(Patient(File::from(stderr)));
    let registry = tracing_subscriber::registry().with(filter);
    // A second start, as in a test, keeps the first.
    let _ = match format {
        LogFormat::Json => registry.with(layer.json().with_timer(Moment::Full)).try_init(),
        LogFormat::Human { colour } => {
            registry.with(layer.with_ansi(colour).with_target(verbose > 1).with_timer(Moment::Time)).try_init()
        }
    };
}

/// Standard error for lines that may be lost.
struct Patient(File);

/// A full pipe whose reader is alive has room again by then.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// A pipe that is ready takes so many bytes at once.
const PIECE: usize = 4096;

impl<'a> MakeWriter<'a> for Patient {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a File);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        for piece in line.chunks(PIECE) {
            let ready = poll(&mut [PollFd::new(self.0, PollFlags::OUT)], Some(&PATIENCE));
            if !ready.is_ok_and(|ready| ready > 0) {
                break;
            }
            self.0.write_all(piece)?;
        }
        // What was lost counts as written, or it would be tried again.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
