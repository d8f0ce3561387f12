//! The thread that syncs the journal.
//!
//! A sync takes as long as the disk takes, and a call waits only for its intent to be written. So the file is synced
//! beside the writing, which goes on meanwhile.

use super::Shared;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// A file, and the number after the last record that was written to it.
type Work = (Arc<File>, u64);

/// The writer's end of it.
pub(super) struct Syncer {
    /// `None` once it is to end.
    work: Option<SyncSender<Work>>,
    failures: Receiver<std::io::Error>,
    /// Something has been put among the failures: that is looked at in each round.
    has_failed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        // One lies ready while another is under way: what is written meanwhile goes with a later one.
        let (work, todo) = sync_channel::<Work>(1);
        let (told, failures) = channel();
        let has_failed = Arc::new(AtomicBool::new(false));
        let (shared, failing) = (Arc::clone(shared), Arc::clone(&has_failed));
        let run = move || {
            for (file, next) in todo {
                match file.sync_data() {
                    Ok(()) => _ = shared.synced.fetch_max(next, Ordering::AcqRel),
                    Err(error) => {
                        let _ = told.send(error);
                        failing.store(true, Ordering::Release);
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("journal-sync".to_owned()).spawn(run)?;
        Ok(Self { work: Some(work), failures, has_failed, thread: Some(thread) })
    }

    /// Has a file synced, unless too much of that is to be done already. Returns whether it will be.
    pub(super) fn sync(&self, file: &Arc<File>, next: u64) -> bool {
        self.work.as_ref().is_some_and(|work| work.try_send((Arc::clone(file), next)).is_ok())
    }

    /// Why a file could not be synced, if one could not.
    pub(super) fn failure(&self) -> Option<std::io::Error> {
        if !self.has_failed.load(Ordering::Relaxed) {
            return None;
        }
        self.has_failed.store(false, Ordering::Release);
        self.failures.try_iter().last()
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, Options};
    use std::collections::VecDeque;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_synced_is_told_and_what_cannot_be_is_told_too() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, thread) = Journal::start(dir.path(), Options::default(), VecDeque::new(), 0).unwrap();
        let syncer = Syncer::start(journal.shared()).unwrap();
        let whole = Arc::new(File::create(dir.path().join("whole")).unwrap());
        assert!(syncer.sync(&whole, 7));
        let began = Instant::now();
        while journal.health().synced < 7 {
            assert!(began.elapsed() < Duration::from_secs(10), "it was never synced");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(syncer.failure().is_none());
        // A pipe cannot be synced.
        let (_reader, writer) = std::io::pipe().unwrap();
        assert!(syncer.sync(&Arc::new(File::from(OwnedFd::from(writer))), 8));
        while syncer.failure().is_none() {
            assert!(began.elapsed() < Duration::from_secs(10), "nobody was told");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(journal.health().synced, 7);
        drop(journal);
        thread.join().unwrap();
    }
}
