use super::*;
use sluicegate_flow::{Cost, Label, Limit, Pace, Quota, Scope};

const MINUTE: Duration = Duration::from_secs(60);

/// One caller takes the only permit for a moment and gives it back because his other limit refuses; another comes to
/// wait for it in that moment.
#[test]
fn a_permit_taken_for_a_moment_only_is_not_lost_to_who_begins_to_wait_then() {
    let room = Room::new(Bounds::default());
    let permit = Limit::new(Label::new(Scope::Key, "one"), Kind::Concurrency, Quota::concurrency(1));
    let nothing = Limit::new(Label::new(Scope::Overall, "all"), Kind::Requests, Quota::window(1, MINUTE));
    // So many that the moment is a long one.
    let roomy = (0..60).map(|window| {
        let quota = Quota::window(u64::MAX >> 8, MINUTE);
        Limit::new(Label::new(Scope::Tenant, window.to_string()), Kind::Requests, quota)
    });
    let short = LimitSet::new([Arc::clone(&permit)].into_iter().chain(roomy).chain([nothing]));
    let ask = Ask { cost: Cost { requests: 1, tokens: 0 }, class: Priority::High, pace: Pace::Free };
    room.try_take(room.now(), &short, ask).unwrap().settle(room.now(), 0);
    let free = LimitSet::new([permit]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert!(room.try_take(room.now(), &short, ask).is_err());
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let lost = runtime.block_on(async {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(1) {
                if room.try_take(room.now(), &free, ask).is_ok() {
                    continue;
                }
                let arrived = Instant::now();
                let want = Want { set: &free, ask, flow: 1, bytes: 0, arrived, until: arrived + MINUTE };
                if tokio::time::timeout(Duration::from_secs(1), room.wait(&want)).await.is_err() {
                    return true;
                }
            }
            false
        });
        stop.store(true, Ordering::Relaxed);
        assert!(!lost, "it slept beside a free permit");
    });
    assert_eq!((room.stats().waiting, free.status(room.now())[0].left), ([0; 4], 1));
}
