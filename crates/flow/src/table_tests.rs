use super::*;
use crate::ask::{Ask, Cost};
use crate::quota::Scope;
use proptest::collection::vec;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn spec(name: &str, set: u64, revision: u64) -> Spec {
    let label = Label::new(Scope::Key, name);
    Spec { label, kind: Kind::Requests, quota: Quota::window(set, MINUTE), revision }
}

fn take(set: &LimitSet, now: Nanos) -> bool {
    set.reserve(now, Ask { cost: Cost { requests: 1, tokens: 0 }, ..Ask::default() })
        .map(|reservation| reservation.settle(now, 0))
        .is_ok()
}

fn drain(set: &LimitSet, now: Nanos) -> usize {
    (0..10_000).take_while(|_| take(set, now)).count()
}

fn limits(table: &LimitTable) -> usize {
    table.iter_status(Nanos(0), usize::MAX, |_| false).len()
}

fn sets(table: &LimitTable) -> usize {
    table.sets.iter().map(|shard| shard.lock().len()).sum()
}

#[test]
fn a_set_is_compiled_once_and_its_limits_are_shared_by_name_kind_and_window() {
    let table = LimitTable::new();
    let one = table.set(SetId(1, 0), Nanos(0), || [spec("one", 5, 1), spec("all", 8, 1)]);
    let other = table.set(SetId(2, 0), Nanos(0), || [spec("other", 5, 1), spec("all", 8, 1)]);
    assert_eq!((drain(&one, Nanos(0)), drain(&other, Nanos(0)), limits(&table)), (5, 3, 3));
    let again = table.set(SetId(1, 0), Nanos(0), || -> [Spec; 0] { panic!("known") });
    assert!(Arc::ptr_eq(&one.limits()[0], &again.limits()[0]));
    let hour = Quota::window(5, MINUTE * 60);
    let specs = || {
        [spec("one", 5, 1), Spec { quota: hour, ..spec("one", 0, 1) }, Spec { kind: Kind::Tokens, ..spec("one", 9, 1) }]
    };
    let wide = table.set(SetId(3, 0), Nanos(0), specs);
    assert!(Arc::ptr_eq(&one.limits()[0], &wide.limits()[0]));
    assert_eq!((wide.limits().len(), limits(&table)), (3, 5));
}

#[test]
fn what_is_idle_is_forgotten_and_what_is_in_use_is_not() {
    let table = LimitTable::new();
    for key in 0..1000 {
        let set = table.set(SetId(key, 0), Nanos(0), || [spec(&key.to_string(), 5, 1)]);
        assert!(take(&set, Nanos(0)));
    }
    let held = table.set(SetId(7, 0), Nanos(0), || [spec("7", 5, 1)]);
    table.sweep(Nanos(SECOND));
    assert_eq!(sets(&table), 1000, "all were asked for");
    table.sweep(Nanos(SECOND));
    assert_eq!((sets(&table), limits(&table)), (0, 1000), "a fifth of each is in use");
    let again = table.set(SetId(8, 0), Nanos(SECOND), || [spec("8", 5, 1)]);
    assert_eq!(drain(&again, Nanos(SECOND)), 4, "the limit remembers, though the set was forgotten");
    table.sweep(Nanos(62 * SECOND));
    drop(again);
    table.sweep(Nanos(125 * SECOND));
    assert_eq!((sets(&table), limits(&table)), (0, 1), "one is held");
    drop(held);
    table.sweep(Nanos(125 * SECOND));
    assert_eq!(limits(&table), 0);
}

#[test]
fn whoever_waits_or_is_in_flight_keeps_a_limit() {
    let table = LimitTable::new();
    let limit = table.limit(&spec("waited for", 5, 1), Nanos(0));
    limit.waiting_changed(1);
    let permits = Spec { quota: Quota::concurrency(3), ..spec("held", 0, 1) };
    let set = table.set(SetId(1, 1), Nanos(0), || [permits]);
    let reservation = set.reserve(Nanos(0), Ask::default()).expect("free");
    drop(set);
    let id = limit.id();
    drop(limit);
    (0..3).for_each(|_| table.sweep(Nanos(0)));
    assert_eq!(limits(&table), 2);
    table.limit(&spec("waited for", 5, 1), Nanos(0)).waiting_changed(-1);
    assert_eq!(table.limit(&spec("waited for", 5, 1), Nanos(0)).id(), id);
    drop(reservation);
    table.sweep(Nanos(0));
    assert_eq!(limits(&table), 0);
}

/// The two ways in which a reload could hand out a free burst: a fresh limit, and one changed back by a straggler.
#[test]
fn a_newer_configuration_changes_a_limit_and_an_older_one_does_not_change_it_back() {
    let table = LimitTable::new();
    let old = table.set(SetId(1, 0), Nanos(0), || [spec("key", 100, 1)]);
    assert_eq!(drain(&old, Nanos(0)), 100);
    let new = table.set(SetId(2, 0), Nanos(0), || [spec("key", 130, 2)]);
    assert_eq!(drain(&new, Nanos(0)), 30);
    let straggler = table.set(SetId(3, 0), Nanos(0), || [spec("key", 100, 1)]);
    assert_eq!(straggler.limits()[0].quota().set, 130);
    assert_eq!((drain(&straggler, Nanos(0)), limits(&table)), (0, 1));
    table.renew(&spec("key", 150, 3), Nanos(0));
    table.renew(&spec("key", 900, 2), Nanos(0));
    table.renew(&spec("nobody", 900, 3), Nanos(0));
    assert_eq!((drain(&old, Nanos(0)), drain(&new, Nanos(0)), limits(&table)), (20, 0, 1));
}

#[test]
fn no_more_levels_are_told_than_asked_for() {
    let table = LimitTable::new();
    (0..500).for_each(|key| drop(table.limit(&spec(&key.to_string(), 5, 1), Nanos(0))));
    assert_eq!([0, 1, 300, 1000].map(|most| table.iter_status(Nanos(0), most, |_| false).len()), [0, 1, 300, 500]);
}

#[test]
fn whoever_asks_for_few_levels_is_told_of_all_for_which_somebody_waits() {
    let table = LimitTable::new();
    (0..500).for_each(|key| drop(table.limit(&spec(&key.to_string(), 5, 1), Nanos(0))));
    table.limit(&spec("7", 5, 1), Nanos(0)).waiting_changed(1);
    let told = |most: usize| {
        let levels = table.iter_status(Nanos(0), most, |limit| &*limit.label().name == "8");
        let named = levels.iter().filter(|level| matches!(&*level.label.name, "7" | "8")).count();
        (levels.len(), named)
    };
    assert_eq!((told(0), told(10)), ((2, 2), (12, 2)));
}

proptest! {
    /// Whatever is swept and reloaded between calls: no window sees more than the highest quota of its time.
    #[test]
    fn sweeps_and_reloads_give_no_free_burst(
        steps in vec((0..4_u8, 0..3_usize, prop_oneof![Just(0), 0..SECOND, 59 * SECOND..63 * SECOND]), 1..120),
    ) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let table = LimitTable::new();
        let (mut now, mut revision, mut taken) = (0, 1, Vec::new());
        for (action, which, gap) in steps {
            now += gap;
            match action {
                0 => table.sweep(Nanos(now)),
                1 => revision += 1,
                _ => {
                    let make = || [spec(NAMES[which], 10 + revision % 3, revision), spec("all", 20, revision)];
                    let set = table.set(SetId(which as u64, revision), Nanos(now), make);
                    taken.extend(take(&set, Nanos(now)).then_some((now, which)));
                }
            }
        }
        for &(from, _) in &taken {
            let stretch: Vec<_> = taken.iter().filter(|(at, _)| (from..=from + 60 * SECOND).contains(at)).collect();
            prop_assert!(stretch.len() <= 20);
            for name in 0..3 {
                prop_assert!(stretch.iter().filter(|(_, which)| *which == name).count() <= 12);
            }
        }
    }
}

/// Threads that ask, take and let go while others sweep: what they took together fits the limit.
#[test]
fn threads_and_sweeps_together_never_take_more_than_there_is() {
    let table = LimitTable::new();
    let taken: usize = std::thread::scope(|scope| {
        let sweeper = scope.spawn(|| (0..200).for_each(|_| table.sweep(Nanos(7))));
        let takers: Vec<_> = (0..3)
            .map(|taker| {
                let table = &table;
                scope.spawn(move || {
                    let make = || [spec("shared", 1000, 1)];
                    (0..2000)
                        .filter(|round| take(&table.set(SetId(taker, round % 5), Nanos(7), make), Nanos(7)))
                        .count()
                })
            })
            .collect();
        sweeper.join().expect("no panic");
        takers.into_iter().map(|taker| taker.join().expect("no panic")).sum()
    });
    assert_eq!(taken, 1000);
}

#[test]
fn a_note_is_written_once_for_a_set_and_goes_with_it() {
    let table: LimitTable<usize> = LimitTable::default();
    let made = |id| table.set_with_note(SetId(id, 0), Nanos(0), || [spec("one", 5, 1)], |set| set.limits().len());
    assert_eq!(made(1).1, 1);
    let again = table.set_with_note(SetId(1, 0), Nanos(0), || -> [Spec; 0] { panic!("known") }, |_| panic!("written"));
    assert_eq!(again.1, 1);
    (0..2).for_each(|_| table.sweep(Nanos(MINUTE.as_nanos() as u64 * 2)));
    let anew = table.set_with_note(SetId(1, 0), Nanos(0), || [spec("one", 5, 1)], |_| 9);
    assert_eq!(anew.1, 9);
    assert_eq!(table.set(SetId(1, 0), Nanos(0), || [spec("one", 5, 1)]).limits().len(), 1);
}
