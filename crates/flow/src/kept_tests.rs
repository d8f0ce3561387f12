use super::*;

impl Handle for std::sync::Arc<u32> {
    fn is_alone(&self) -> bool {
        Self::strong_count(self) == 1
    }
}

#[test]
fn only_what_is_alone_and_worthless_is_forgotten() {
    let mut kept = Kept::default();
    let held = kept.get_or("held", || std::sync::Arc::new(0)).clone();
    kept.get_or("worthy", || std::sync::Arc::new(1));
    kept.get_or("idle", || std::sync::Arc::new(0));
    kept.forget(|value| **value == 0);
    assert_eq!(["held", "worthy", "idle"].map(|key| kept.get(&key).is_some()), [true, true, false]);
    drop(held);
    kept.forget(|value| **value == 0);
    assert!(kept.get(&"held").is_none());
}

#[test]
fn a_map_that_was_large_gives_its_room_back() {
    let mut kept = Kept::default();
    for key in 0..10_000 {
        kept.get_or(key, || std::sync::Arc::new(0));
    }
    kept.forget(|_| true);
    assert!(kept.0.capacity() <= 64);
}

/// Every interleaving of a sweep with those who ask, by a model checker.
mod interleavings {
    use super::*;
    use loom::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// A limit: what is in use of it.
    type Level = Arc<AtomicU64>;

    impl Handle for Level {
        fn is_alone(&self) -> bool {
            Self::strong_count(self) == 1
        }
    }

    fn ask(kept: &Mutex<Kept<u8, Level>>) -> Level {
        kept.lock().unwrap().get_or(7, || Arc::new(AtomicU64::new(0))).clone()
    }

    fn sweep(kept: &Mutex<Kept<u8, Level>>) {
        kept.lock().unwrap().forget(|level| level.load(SeqCst) == 0);
    }

    /// Two take from a limit that is swept meanwhile: all that is held is seen by whoever asks, so there was never a
    /// second copy.
    #[test]
    fn whoever_asks_sees_what_everybody_holds() {
        loom::model(|| {
            let kept = Arc::new(Mutex::new(Kept::default()));
            let taker = Arc::clone(&kept);
            let other = thread::spawn(move || {
                let level = ask(&taker);
                level.fetch_add(1, SeqCst);
                level
            });
            let sweeper = Arc::clone(&kept);
            let sweeping = thread::spawn(move || sweep(&sweeper));
            let mine = ask(&kept);
            mine.fetch_add(1, SeqCst);
            let theirs = other.join().unwrap();
            sweeping.join().unwrap();
            assert_eq!((mine.load(SeqCst), theirs.load(SeqCst), ask(&kept).load(SeqCst)), (2, 2, 2));
        });
    }

    /// One takes and ends, and lets go of the handle: what is left in use is never forgotten, and what is idle is.
    #[test]
    fn use_outlives_the_handle() {
        loom::model(|| {
            let kept = Arc::new(Mutex::new(Kept::default()));
            let taker = Arc::clone(&kept);
            let other = thread::spawn(move || {
                ask(&taker).fetch_add(1, SeqCst);
            });
            sweep(&kept);
            other.join().unwrap();
            sweep(&kept);
            assert_eq!(ask(&kept).load(SeqCst), 1);
            ask(&kept).store(0, SeqCst);
            sweep(&kept);
            assert!(kept.lock().unwrap().get(&7).is_none());
        });
    }
}
