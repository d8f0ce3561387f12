//! The request log: one line for every receipt, written in groups.
//!
//! Ten times a second, and a hundred times while there is much to write, a thread of its own takes the receipts that the workers have gathered, writes their lines into one
//! buffer and the buffer in one write. A call therefore never waits for a disk or a full pipe, and neither does anything
//! else: when the other end does not read, this thread waits alone, the workers' buffers fill, and what does not fit is
//! counted in `sluicegate_request_log_dropped`.

use crate::line;
use crate::operator::Figures;
use sluicegate_config::RequestLog;
use sluicegate_relay::Relay;
use sluicegate_store::behind_the_calls;
use sluicegate_vocabulary::{Receipt, Stamp};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Time between two writes.
const EVERY: Duration = Duration::from_millis(100);
/// The same while there is much to write. The lines of a tenth of a second, written in one go, keep a core from its
/// worker for so long that one call in a hundred feels it.
const BUSY: Duration = Duration::from_millis(10);
/// So many lines at once are much.
const MUCH: usize = 16;
/// A buffer that a burst has made larger than this is given back, in bytes.
const KEEP: usize = 1 << 20;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// JSON objects.
    Json,
    /// For people.
    Human {
        /// With colours.
        colour: bool,
    },
}

/// The thread that writes the log.
#[derive(Debug)]
pub struct LogWriter {
    orders: mpsc::Sender<Order>,
    done: mpsc::Receiver<()>,
}

enum Order {
    Reopen,
    Finish,
}

/// Where lines go, if anywhere.
struct Sink {
    file: Option<File>,
    /// By which name the file can be opened again.
    path: Option<PathBuf>,
}

impl LogWriter {
    /// Starts to write a relay's log, and to count the last minute's calls, which is done without a log too.
    ///
    /// # Errors
    /// The log's file cannot be opened, or the thread not started.
    pub fn start(relay: Arc<Relay>, to: &RequestLog, format: LogFormat, figures: Arc<Figures>) -> io::Result<Self> {
        let sink = match to {
            RequestLog::None => Sink { file: None, path: None },
            RequestLog::Stderr => Sink { file: Some(own(io::stderr())?), path: None },
            RequestLog::Stdout => Sink { file: Some(own(io::stdout())?), path: None },
            RequestLog::File(path) => Sink { file: Some(open(path)?), path: Some(path.clone()) },
        };
        let (orders, received) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        thread::Builder::new().name("request-log".into()).spawn(move || {
            behind_the_calls();
            let (stamp, buffer) = (Stamp::default(), String::new());
            Writer { relay, sink, format, figures, stamp, buffer, failing: false, torn: false }.run(&received);
            // Nobody waits any more when the time to finish is over.
            let _ = finished.send(());
        })?;
        Ok(Self { orders, done })
    }

    /// Opens the log's file again by its name, after it was moved away.
    pub fn reopen(&self) {
        // The thread ends only when told to, so it is there.
        let _ = self.orders.send(Order::Reopen);
    }

    /// Writes what there is and stops, waiting no longer than `limit` for a reader that does not read.
    pub fn finish(self, limit: Duration) {
        let _ = self.orders.send(Order::Finish);
        if self.done.recv_timeout(limit).is_err() {
            tracing::warn!("the request log's last lines could not be written in time");
        }
    }
}

/// A standard stream as a file of our own. The library's lock on it is not taken then, so that a reader who does not
/// read holds up this thread and nobody else who has something to say.
fn own(stream: impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

fn open(path: &Path) -> io::Result<File> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("request log {}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(named)?;
    }
    OpenOptions::new().create(true).append(true).open(path).map_err(named)
}

struct Writer {
    relay: Arc<Relay>,
    sink: Sink,
    format: LogFormat,
    figures: Arc<Figures>,
    stamp: Stamp,
    buffer: String,
    failing: bool,
    /// The last that was written is the beginning of a line whose rest is lost. It is ended before the next line, so
    /// that it spoils no other.
    torn: bool,
}

/// What became of some lines.
struct Written<'a> {
    done: &'a [u8],
    rest: &'a [u8],
    outcome: io::Result<()>,
}

impl Written<'_> {
    /// Whether the log ends within a line now, if it did `before` or not.
    fn is_torn(&self, before: bool) -> bool {
        self.done.last().map_or(before, |byte| *byte != b'\n')
    }

    fn lines_lost(&self) -> u64 {
        self.rest.iter().filter(|byte| **byte == b'\n').count() as u64
    }
}

/// Writes lines as far as it goes.
fn put<'a>(to: &mut impl io::Write, lines: &'a [u8]) -> Written<'a> {
    let mut at = 0;
    let mut outcome = Ok(());
    while let Some(rest) = lines.get(at..).filter(|rest| !rest.is_empty() && outcome.is_ok()) {
        match to.write(rest) {
            Ok(0) => outcome = Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => at += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => outcome = Err(error),
        }
    }
    let (done, rest) = lines.split_at_checked(at).unwrap_or((lines, &[]));
    Written { done, rest, outcome }
}

impl Writer {
    fn run(mut self, orders: &mpsc::Receiver<Order>) {
        let mut pause = EVERY;
        loop {
            let order = orders.recv_timeout(pause);
            let relay = Arc::clone(&self.relay);
            let mut lines = 0;
            relay.read_receipts(|receipts| {
                lines += receipts.len();
                self.write(receipts);
            });
            pause = if lines >= MUCH { BUSY } else { EVERY };
            match order {
                Ok(Order::Reopen) => self.reopen(),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::Finish) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, receipts: &[Receipt]) {
        self.figures.count(receipts);
        let Some(file) = &mut self.sink.file else { return };
        self.buffer.clear();
        if self.torn {
            self.buffer.push('\n');
        }
        for receipt in receipts {
            match self.format {
                LogFormat::Json => line::json(&mut self.buffer, &mut self.stamp, receipt),
                LogFormat::Human { colour } => line::human(&mut self.buffer, &mut self.stamp, receipt, colour),
            }
        }
        let written = put(file, self.buffer.as_bytes());
        self.torn = written.is_torn(self.torn);
        if let Err(error) = &written.outcome {
            self.relay.metrics().log_dropped.inc_by(written.lines_lost().min(receipts.len() as u64));
            // Once for a series: a full disk must not fill another log.
            if !self.failing {
                tracing::error!(%error, "the request log cannot be written; lines are lost and counted");
            }
        }
        self.failing = written.outcome.is_err();
        self.buffer.shrink_to(KEEP);
    }

    fn reopen(&mut self) {
        let Some(path) = &self.sink.path else { return };
        match open(path) {
            Ok(opened) => {
                self.sink.file = Some(opened);
                self.torn = false;
            }
            Err(error) => tracing::error!(%error, "the request log cannot be opened again; the old file is kept"),
        }
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
