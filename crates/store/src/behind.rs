//! Threads that let the calls go first.
//!
//! Feeding the database and writing the request log are done after a call and in lumps: a few milliseconds of work for
//! some hundred calls. On a machine that is busy such a lump would hold a core while calls wait for it, and be seen as
//! the slowest hundredth of them. So these threads take the less of a core that somebody else wants. What the operating
//! system leaves them, a quarter of it, is several times what they need.

/// How far behind: the "nice" value, of which 0 is usual and 19 the most.
#[cfg(target_os = "linux")]
const BEHIND: i32 = 5;

/// Puts the thread that calls this behind the others of the process. Where that cannot be had it stays where it is: on
/// Linux the value is each thread's own, elsewhere it would be the whole process's.
pub fn behind_the_calls() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, BEHIND) {
        tracing::debug!(%error, "a thread stays beside the calls");
    }
}
