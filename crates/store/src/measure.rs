//! What tests measure questions by.

use std::time::{Duration, Instant};

/// How often each question is asked: the system counts a processor's time in hundredths of a second.
const TIMES: u32 = 50;

/// How long a question takes.
pub(crate) struct Took {
    /// Of a processor, in the mean: what others on the machine do is none of it.
    pub(crate) work: Duration,
    /// On the clock: the first time, the median and the longest.
    first: Duration,
    median: Duration,
    most: Duration,
}

impl Took {
    /// Asks over and over.
    pub(crate) fn by(mut ask: impl FnMut()) -> Self {
        let before = worked();
        let times = (0..TIMES).map(|_| {
            let began = Instant::now();
            ask();
            began.elapsed()
        });
        let mut times: Vec<Duration> = times.collect();
        let work = (worked() - before) / TIMES;
        let first = times[0];
        times.sort_unstable();
        Self { work, first, median: times[times.len() / 2], most: times[times.len() - 1] }
    }
}

/// As cells of a table: of a processor; on the clock the first time, the median and the longest.
impl std::fmt::Display for Took {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [work, first, median, most] =
            [self.work, self.first, self.median, self.most].map(|time| time.as_secs_f64() * 1e3);
        write!(out, "{work:.1} ms | {first:.1} ms | {median:.1} ms | {most:.1} ms")
    }
}

/// What this process has used of a processor.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    Duration::from_millis(10 * ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
}
