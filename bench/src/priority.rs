//! A place at the head of the machine's queue for the programs of a measurement, and for nobody else.
//!
//! The open loop asks for tenths of a millisecond at the 99th percentile, so whatever holds a core for ten milliseconds
//! once a second (an agent of the machine's owner, a cron job) decides the answer: a hundredth of all calls stand behind
//! it, in both arms, and the figure jumps with how many of them they are. The load, the provider and both proxies are
//! therefore put under the kernel's real-time policy (round robin, one priority for all) while they are measured. They
//! still share the cores among themselves; the rest of the machine gets what they leave.
//!
//! It needs the right to do so (root, or `CAP_SYS_NICE`). Without it the measurement runs all the same and says so.

use std::process::{Command, Stdio};

/// Programs under the real-time policy until this is dropped.
#[derive(Debug)]
pub(crate) struct Ahead {
    pids: Vec<u32>,
}

impl Ahead {
    /// Puts every thread of these processes ahead. `None` where that is not allowed; then nothing is changed.
    pub(crate) fn of(pids: Vec<u32>) -> Option<Self> {
        let ahead = Self { pids };
        // Dropping what was begun puts everything back.
        ahead.pids.iter().all(|pid| policy(&["--rr", "--all-tasks", "--pid", "1"], *pid)).then_some(ahead)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        for pid in &self.pids {
            policy(&["--other", "--all-tasks", "--pid", "0"], *pid);
        }
    }
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
