//! A place at the head of the machine's queue for the programs of a measurement, and for nobody else.
//!
//! The open loop asks for tenths of a millisecond at the 99th percentile, so whatever holds a core for ten milliseconds
//! once a second (an agent of the machine's owner, a cron job) decides the answer: a hundredth of all calls stand behind
//! it, in both arms, and the figure jumps with how many of them they are. The load, the provider and both proxies are
//! therefore put under the kernel's real-time policy (round robin, one priority for all) while they are measured. They
//! still share the cores among themselves; the rest of the machine gets what they leave. A thread that its own program
//! has put behind its others ("nice") stays behind them.
//!
//! It needs the right to do so (root, or `CAP_SYS_NICE`). Without it the measurement runs all the same and says so.

use std::process::{Command, Stdio};

/// Threads of programs under the real-time policy until this is dropped.
#[derive(Debug)]
pub(crate) struct Ahead {
    threads: Vec<u32>,
}

impl Ahead {
    /// Puts the threads of these processes ahead. `None` where that is not allowed; then nothing is changed.
    pub(crate) fn of(pids: &[u32]) -> Option<Self> {
        let threads = pids.iter().flat_map(|pid| threads(*pid)).filter(|&(_, nice)| nice == 0);
        let ahead = Self { threads: threads.map(|(thread, _)| thread).collect() };
        // Dropping what was begun puts everything back.
        let all = ahead.threads.iter().all(|thread| policy(&["--rr", "--pid", "1"], *thread));
        (all && !ahead.threads.is_empty()).then_some(ahead)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        for thread in &self.threads {
            policy(&["--other", "--pid", "0"], *thread);
        }
    }
}

/// The threads of a process, each with its nice value.
fn threads(pid: u32) -> Vec<(u32, i32)> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/task"));
    let entries = folder.into_iter().flatten().flatten();
    let thread = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // After the name, which may hold anything, the nice value is the seventeenth word.
        let nice = stat.rsplit(')').next()?.split_whitespace().nth(16)?.parse().ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, nice))
    };
    entries.filter_map(thread).collect()
}

fn policy(arguments: &[&str], pid: u32) -> bool {
    Command::new("chrt")
        .args(arguments)
        .arg(pid.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
