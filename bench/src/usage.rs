//! What the kernel knows about a process: time on a CPU and memory.
//!
//! CPU time is the sum of `/proc/PID/task/*/schedstat`, in nanoseconds; `/proc/PID/stat` counts in ticks of 10 ms,
//! which at low load would be a tenth of what is measured. A thread that ends takes its time with it, so this is for
//! servers whose threads stay, as those here do.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Outcome;

/// Raises the limit on open files as far as it goes; children inherit it.
pub(crate) fn allow_many_files() -> Outcome<()> {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })?;
    Ok(())
}

/// The processes of a program: itself and its children, as nginx has them.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid).chain(children.split_whitespace().filter_map(|word| word.parse().ok())).collect()
}

/// Time that these processes have spent on a CPU.
pub(crate) fn cpu(pids: &[u32]) -> Outcome<Duration> {
    let mut nanos = 0;
    for pid in pids {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).ok_or("no schedstat")?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

/// The machine's time since it started, in ticks: all of it, and what its host gave to others while it was wanted here.
pub(crate) fn time_and_stolen() -> Outcome<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let ticks: Vec<u64> =
        text.lines().next().unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in the first two already.
    Ok((ticks.iter().take(8).sum(), ticks.get(7).copied().unwrap_or(0)))
}

/// Memory of these processes in bytes, pages shared among them counted once.
pub(crate) fn memory(pids: &[u32]) -> Outcome<u64> {
    let mut kib = 0;
    for pid in pids {
        kib += field(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?, "Pss:")?;
    }
    Ok(kib * 1024)
}

/// The most resident memory that one process ever had, in bytes.
pub(crate) fn peak(pid: u32) -> Outcome<u64> {
    Ok(field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmHWM:")? * 1024)
}

/// Resident memory of one process in bytes, shared pages included.
pub(crate) fn resident(pid: u32) -> Outcome<u64> {
    Ok(field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")? * 1024)
}

/// Open file descriptors of one process.
pub(crate) fn open_files(pid: u32) -> Outcome<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

fn field(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find(|line| line.starts_with(name)).ok_or_else(|| format!("no {name}"))?;
    Ok(line.split_whitespace().nth(1).ok_or_else(|| format!("no number after {name}"))?.parse()?)
}
