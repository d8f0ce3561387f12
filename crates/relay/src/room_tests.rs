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
                let want = Want { set: &free, ask, debit: None, flow: 1, bytes: 0, arrived, until: arrived + MINUTE };
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

#[test]
fn those_that_wait_elsewhere_and_those_at_limits_share_one_room() {
    let room = Room::new(Bounds { calls: 2, bytes: 1000, ..Bounds::default() });
    let aside = |bytes| room.step_aside(Nanos(1), Priority::Normal, 1, bytes);
    assert!(aside(1001).is_none());
    let one = aside(600).unwrap();
    assert!(aside(401).is_none());
    let two = aside(400).unwrap();
    assert!(aside(0).is_none());
    assert_eq!((room.aside.bytes(), room.stats().bytes), (1000, 0), "each is told once");
    let permit = LimitSet::new([Limit::new(Label::new(Scope::Key, "one"), Kind::Concurrency, Quota::concurrency(1))]);
    let ask = Ask { cost: Cost { requests: 1, tokens: 0 }, class: Priority::High, pace: Pace::Free };
    let _taken = permit.reserve(room.now(), ask).unwrap();
    let arrived = Instant::now();
    let want = Want { set: &permit, ask, debit: None, flow: 2, bytes: 500, arrived, until: arrived + MINUTE };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let wait = || {
        let waited = async { tokio::time::timeout(Duration::from_millis(50), room.wait(&want)).await };
        runtime.block_on(waited).map(|ended| ended.err().and_then(|late| late.at_provider().code))
    };
    assert_eq!(wait().unwrap().as_deref(), Some("queue_full"));
    drop(one);
    assert!(wait().is_err(), "it waits, beside the one of 400 bytes");
    // One that has left its place to wait at a limit has it again, whoever came meanwhile.
    let _back = room.step_back(Nanos(1), Priority::Normal, 1, 900);
    assert_eq!(wait().unwrap().as_deref(), Some("queue_full"));
    drop(two);
}
