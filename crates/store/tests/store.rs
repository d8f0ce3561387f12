//! The store as a whole: what it promises about every record, whatever happens around it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test may panic and print"
)]

mod common;

use common::{NOON, OWNER, ended, intent, open, options};
use sluicegate_ledger::{Calendar, Kind, Per, Subject, Unit};
use sluicegate_store::payment::{Order, Paid, Refusal};
use sluicegate_store::{
    By, CallsQuery, Code, Ended, Entered, Filter, Grain, JournalOptions, Mark, MovementsQuery, OpenCalls, Options,
    Owner, PayError, RedeemError, Settled, Store, StoreError, UsageQuery, WhenFailing, restore,
};
use sluicegate_vocabulary::Money;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn money(nanos: i64) -> Money {
    Money::from_nanos(nanos)
}

fn balance(store: &Store, account: &str) -> i64 {
    store.open_account(account, sluicegate_ledger::AccountTerms::default(), 0).unwrap();
    store.accounts().unwrap().into_iter().find(|found| found.name == account).unwrap().balance.nanos()
}

fn is_right(store: &Store) {
    store.catch_up(SOON).unwrap();
    assert_eq!(store.verify().unwrap().wrong, Vec::<String>::new());
}

fn journal_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_call_is_entered_once_with_its_arithmetic_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let journal = store.journal();
    let call = journal.call();
    let record = journal.intent(&intent(call, OWNER, 100)).unwrap();
    journal.wait_written(record).unwrap();
    journal.ended(&ended(call, OWNER, 100), true);
    // The same end a second time, as no code should send it.
    journal.ended(&ended(call, OWNER, 100), true);
    is_right(&store);
    assert_eq!(balance(&store, "a"), -100);
    let books = rusqlite::Connection::open(dir.path().join("books.db")).unwrap();
    let moved = store.movements(&MovementsQuery { limit: 10, ..MovementsQuery::default() }).unwrap();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].call.as_ref().unwrap().lines[..], ended(call, OWNER, 100).charges[0].lines[..]);
    let balance = |name| books.query_row("SELECT balance FROM books WHERE name = $1", [name], |row| row.get(0));
    assert_eq!([balance("provider:openai"), balance("revenue")], [Ok(50), Ok(50)]);
}

#[test]
fn a_call_that_no_account_pays_for_is_paid_by_the_house() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.journal().ended(&ended(store.journal().call(), Owner { account: "", ..OWNER }, 100), false);
    is_right(&store);
    let books = rusqlite::Connection::open(dir.path().join("books.db")).unwrap();
    let house: i64 = books.query_row("SELECT balance FROM books WHERE name = 'house'", [], |row| row.get(0)).unwrap();
    assert_eq!(house, -50);
}

#[test]
fn open_calls_are_settled_by_the_policy() {
    for (policy, charged) in [(OpenCalls::Expected, 100), (OpenCalls::Held, 200), (OpenCalls::Free, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let call = store.journal().call();
        store.journal().intent(&intent(call, OWNER, 100)).unwrap();
        store.close();
        drop(store);
        let (store, recovery) = Store::open(dir.path(), Options { open_calls: policy, ..options() }).unwrap();
        assert_eq!((recovery.open_calls, recovery.charged), (1, money(charged)));
        assert_eq!(balance(&store, "a"), -charged);
        assert!(store.journal().call() > call);
        is_right(&store);
        drop(store);
        // And once only.
        assert_eq!(Store::open(dir.path(), options()).unwrap().1.open_calls, 0);
    }
}

/// The journal of a few calls of which nothing was fed, each in a batch of its own.
fn unfed(dir: &Path, calls: u64) -> Vec<u64> {
    let store = open(dir);
    let stall = rusqlite::Connection::open(dir.join("books.db")).unwrap();
    stall.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut ends = Vec::new();
    for call in 1..=calls {
        store.journal().ended(&ended(call, OWNER, 100), false);
        let _ = store.journal().wait_written(call - 1);
        ends.push(call);
    }
    store.close();
    ends
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_the_batch_that_was_torn() {
    let whole = tempfile::tempdir().unwrap();
    unfed(whole.path(), 3);
    let file = journal_files(whole.path()).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let one = (used - 16) / 3;
    for cut in (16..=used).step_by(13).chain([used - 1]) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("journal")).unwrap();
        // Cut short, as by a full disk, or with what was not written yet still zero, as by a loss of power.
        let zeros = vec![0; if cut % 2 == 0 { 4096 } else { 0 }];
        let torn = dir.path().join("journal").join(file.file_name().unwrap());
        std::fs::write(&torn, [&bytes[..cut], &zeros].concat()).unwrap();
        let (store, recovery) = Store::open(dir.path(), options()).unwrap();
        let records = (cut - 16) / one;
        assert_eq!(recovery.fed, records as u64, "cut at {cut}");
        assert_eq!(balance(&store, "a"), -100 * records as i64);
        store.journal().ended(&ended(9, OWNER, 1), false);
        is_right(&store);
    }
}

#[test]
fn damage_within_the_journal_is_not_passed_over_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    unfed(dir.path(), 3000);
    let files = journal_files(dir.path());
    assert!(files.len() > 1);
    let mut file = File::options().write(true).open(&files[0]).unwrap();
    file.seek(SeekFrom::Start(1000)).unwrap();
    file.write_all(b"damage").unwrap();
    let opened = Store::open(dir.path(), options()).map(|(_, recovery)| recovery);
    assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{opened:?}");
    std::fs::remove_file(&files[0]).unwrap();
    assert!(matches!(Store::open(dir.path(), options()), Err(StoreError::Missing { from: 0, .. })));
}

#[test]
fn a_stalled_database_stalls_no_call_and_loses_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let stall = rusqlite::Connection::open(dir.path().join("books.db")).unwrap();
    stall.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for call in 1..=2000 {
        let record = store.journal().intent(&intent(call, OWNER, 100)).unwrap();
        store.journal().wait_written(record).unwrap();
        store.journal().ended(&ended(call, OWNER, 100), true);
    }
    // Nothing was fed, and yet every call went through; several files wait.
    assert!(store.behind() >= 4000);
    assert!(journal_files(dir.path()).len() > 3);
    assert_eq!(store.journal().health().failing, None);
    // Whoever feeds tries again and again, and does nothing for it that would have to be done once more.
    assert!(matches!(store.catch_up(Duration::from_secs(2)), Err(StoreError::Late)));
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let days: Vec<_> = names.filter(|name| name.to_str().unwrap().starts_with("calls-")).collect();
    assert!(days.is_empty(), "{days:?}");
    stall.execute_batch("ROLLBACK").unwrap();
    is_right(&store);
    assert_eq!(balance(&store, "a"), -200_000);
    // Files that were fed are gone.
    std::thread::sleep(Duration::from_millis(100));
    assert!(journal_files(dir.path()).len() <= 3, "{:?}", journal_files(dir.path()));
}

#[test]
fn a_full_journal_refuses_new_calls_keeps_those_that_run_and_recovers_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let journal = JournalOptions { file_bytes: 16 << 10, most_bytes: 48 << 10, ..JournalOptions::default() };
    let store = Store::open(dir.path(), Options { journal, ..options() }).unwrap().0;
    let stall = rusqlite::Connection::open(dir.path().join("books.db")).unwrap();
    stall.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut running = Vec::new();
    for call in 1..100_000 {
        let Ok(record) = store.journal().intent(&intent(call, OWNER, 100)) else { break };
        if store.journal().wait_written(record).is_err() {
            break;
        }
        running.push(call);
    }
    let health = store.journal().health();
    assert!(health.failing.is_some_and(|why| why.contains("bound")), "{running:?}");
    assert!(store.journal().admits().is_err());
    // Calls that run end as ever, and a call without a cost is left out and counted.
    for call in &running {
        store.journal().ended(&ended(*call, OWNER, 100), true);
    }
    let refused = Ended { charges: smallvec::smallvec![], status: 402, ..ended(7, OWNER, 0) };
    store.journal().ended(&refused, false);
    assert_eq!(store.journal().health().left_out, 1);
    stall.execute_batch("ROLLBACK").unwrap();
    is_right(&store);
    // The last intent may have been taken without its call being let in: it is settled at the next start.
    let charged = -balance(&store, "a");
    assert_eq!(charged, running.len() as i64 * 100);
    let until = std::time::Instant::now() + SOON;
    while store.journal().admits().is_err() {
        assert!(std::time::Instant::now() < until, "{:?}", store.journal().health());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(store.journal().health().failing, None);
}

#[test]
fn where_it_may_go_on_it_does_so_within_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let when_failing = WhenFailing::GoOn { most_bytes: 20_000 };
    let journal =
        JournalOptions { file_bytes: 8 << 10, most_bytes: 8 << 10, when_failing, ..JournalOptions::default() };
    let store = Store::open(dir.path(), Options { journal, ..options() }).unwrap().0;
    let stall = rusqlite::Connection::open(dir.path().join("books.db")).unwrap();
    stall.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut calls = 0;
    while let Ok(record) = store.journal().intent(&intent(calls + 1, OWNER, 100)) {
        store.journal().wait_written(record).unwrap();
        calls += 1;
    }
    let waiting = store.journal().health().waiting_bytes;
    assert!((20_000..40_000).contains(&waiting), "{waiting}");
    stall.execute_batch("ROLLBACK").unwrap();
    drop(stall);
    for call in 1..=calls {
        store.journal().ended(&ended(call, OWNER, 100), true);
    }
    let until = std::time::Instant::now() + SOON;
    while store.catch_up(Duration::from_millis(100)).is_err() {
        assert!(std::time::Instant::now() < until, "{:?}", store.journal().health());
    }
    is_right(&store);
    assert_eq!(balance(&store, "a"), -100 * calls as i64);
}

#[test]
fn of_many_who_redeem_a_code_at_once_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let codes = [Code::from_random(fastrand::u128(..)), Code::from_random(fastrand::u128(..))];
    store.add_codes(&codes, money(500), None, "spring", 0).unwrap();
    store.add_codes(&[Code::from_random(1)], money(500), Some(10), "", 0).unwrap();
    let text = codes[0].as_str();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..16)
            .map(|number| {
                let store = &store;
                scope.spawn(move || store.redeem(text, &format!("a{number}"), 5))
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(amount) if amount.nanos() == 500)).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(RedeemError::Used))).count(), 15);
    // However it is typed.
    let typed = format!(" {} ", codes[1].as_str().to_lowercase().replace('-', ""));
    assert!(store.redeem(&typed, "b", 5).is_ok());
    assert!(matches!(store.redeem("nonsense", "b", 5), Err(RedeemError::Unknown)));
    assert!(matches!(store.redeem(Code::from_random(1).as_str(), "b", 10), Err(RedeemError::Expired)));
    assert_eq!(balance(&store, "b"), 500);
    is_right(&store);
}

#[test]
fn a_credit_is_entered_once_and_never_changed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let credit = |kind, nanos| store.credit(kind, "r1", "a", money(nanos), 0);
    assert_eq!(credit(Kind::TopUp, 100).unwrap(), Entered::New);
    assert_eq!(credit(Kind::TopUp, 100).unwrap(), Entered::Before);
    assert!(matches!(credit(Kind::TopUp, 200), Err(StoreError::Conflict(_))));
    assert!(matches!(credit(Kind::Refund, 50), Err(StoreError::Entry(_))));
    assert_eq!(credit(Kind::Refund, -50).unwrap(), Entered::New);
    assert_eq!(balance(&store, "a"), 50);
    is_right(&store);
}

#[test]
fn a_directory_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    assert!(matches!(Store::open(dir.path(), options()), Err(StoreError::InUse(_))));
}

#[test]
fn usage_is_told_by_time_and_by_whom_and_sees_only_whom_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let other = Owner { tenant: "u", key: "other", model: "smart", ..OWNER };
    for (number, owner) in (1..=6).zip([OWNER, OWNER, other].into_iter().cycle()) {
        let end = Ended { at_ms: NOON + number * 1_800_000, ..ended(number.unsigned_abs(), owner, 100) };
        store.journal().ended(&end, false);
    }
    store.catch_up(SOON).unwrap();
    let ask = |grain, filter, by| {
        let query = UsageQuery { grain, from_ms: NOON, to_ms: NOON + 86_400_000, filter, by, limit: 100 };
        store.usage(&query).unwrap()
    };
    let all = ask(Grain::Day, Filter::default(), vec![]);
    // A day is asked for from its noon on, and told whole.
    assert_eq!((all[0].calls, all[0].input, all[0].cached, all[0].output), (6, 720, 120, 60));
    let by_key = ask(Grain::Hour, Filter::default(), vec![By::Key]);
    assert_eq!(by_key.iter().map(|row| (row.by[0].as_str(), row.calls)).collect::<Vec<_>>(), [("k", 4), ("other", 2)]);
    assert_eq!((by_key[0].input, by_key[0].cost, by_key[0].billed), (480, money(200), money(400)));
    let own =
        ask(Grain::Minute, Filter { key: Some("other".to_owned()), ..Filter::default() }, vec![By::Time, By::Model]);
    assert_eq!(own.len(), 2);
    assert_eq!(own[0].by, [(NOON + 3 * 1_800_000).to_string(), "smart".to_owned()]);
    let day = Calendar::utc(Per::Day).period(NOON);
    assert_eq!(store.used(&Subject::Key("k".into()), Unit::Money, day).unwrap(), 400);
    assert_eq!(store.used(&Subject::Tenant("u".into()), Unit::Tokens, sluicegate_ledger::Span::EVER).unwrap(), 260);
    let hour = Calendar::utc(Per::Hour).period(NOON);
    assert_eq!(store.used(&Subject::Model("fast".into()), Unit::Money, hour).unwrap(), 100);
}

#[test]
fn the_request_log_is_paged_newest_first_over_days_without_gap_or_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..20_u64 {
        // Calls of three days, not in the order in which they ended.
        let at_ms = NOON + (number as i64 % 3) * 86_400_000;
        let status = if number % 5 == 0 { 502 } else { 200 };
        store.journal().ended(&Ended { at_ms, status, ..ended(number, OWNER, 1) }, false);
    }
    store.catch_up(SOON).unwrap();
    let mut query = CallsQuery { limit: 3, ..CallsQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.calls(&query).unwrap();
        let Some(last) = page.last() else { break };
        query.before = Some(last.place);
        seen.extend(page.iter().map(|call| (call.place.day, call.place.record)));
    }
    assert_eq!(seen.len(), 20);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "{seen:?}");
    let failed = CallsQuery { status: Some(502), limit: 10, ..CallsQuery::default() };
    assert_eq!(store.calls(&failed).unwrap().len(), 4);
    assert_eq!(
        std::fs::read_dir(dir.path())
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                let name = name.to_str().unwrap();
                name.starts_with("calls-") && name.ends_with(".db")
            })
            .count(),
        3
    );
}

#[test]
fn calls_are_found_by_any_of_their_words_and_by_all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let names: Vec<String> = (0..300).map(|number| format!("req-{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let owner = Owner {
            tenant: ["t0", "t1"][number % 2],
            key: ["k0", "k1", "k2"][number % 3],
            model: ["m0", "m1", "m2", "m3", "m4"][number % 5],
            ..OWNER
        };
        // Not all of them are fed together.
        if number % 50 == 0 {
            store.catch_up(SOON).unwrap();
        }
        let status = if number == 77 { 502 } else { 200 };
        store.journal().ended(&Ended { request_id: name, status, ..ended(number as u64, owner, 1) }, false);
    }
    store.catch_up(SOON).unwrap();
    let ask = |query: CallsQuery| {
        let found = store.calls(&CallsQuery { limit: 1000, ..query }).unwrap();
        found.into_iter().map(|call| call.request_id[4..].parse().unwrap()).collect::<Vec<usize>>()
    };
    let of = |tenant: Option<&str>, key: Option<&str>, model: Option<&str>| Filter {
        tenant: tenant.map(str::to_owned),
        key: key.map(str::to_owned),
        model: model.map(str::to_owned),
        label: None,
    };
    let falling =
        |step: usize, rest: usize| (0..300).rev().filter(move |number| number % step == rest).collect::<Vec<_>>();
    assert_eq!(ask(CallsQuery::default()), falling(1, 0));
    assert_eq!(ask(CallsQuery { filter: of(None, Some("k1"), None), ..CallsQuery::default() }), falling(3, 1));
    let all = of(Some("t1"), Some("k1"), Some("m1"));
    assert_eq!(ask(CallsQuery { filter: all, ..CallsQuery::default() }), falling(30, 1));
    // The name of a key is not that of a model.
    assert!(ask(CallsQuery { filter: of(None, None, Some("k1")), ..CallsQuery::default() }).is_empty());
    assert_eq!(ask(CallsQuery { request_id: Some("req-123".to_owned()), ..CallsQuery::default() }), [123]);
    assert_eq!(ask(CallsQuery { status: Some(502), ..CallsQuery::default() }), [77]);
}

#[test]
fn movements_are_paged_without_gap_or_repeat_and_each_account_sees_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..50_u64 {
        let owner = Owner { account: if number % 7 == 0 { "b" } else { "a" }, ..OWNER };
        if number % 10 == 0 {
            store.catch_up(SOON).unwrap();
        }
        store.journal().ended(&ended(number, owner, 100), false);
    }
    store.credit(Kind::TopUp, "r", "b", money(1000), 0).unwrap();
    store.catch_up(SOON).unwrap();
    let pages = |account: Option<&str>| {
        let mut query = MovementsQuery { account: account.map(str::to_owned), limit: 4, ..MovementsQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = store.movements(&query).unwrap();
            let Some(last) = page.last() else { return seen };
            query.after = Some(last.mark);
            seen.extend(page.into_iter().map(|moved| (moved.reference, moved.amount.nanos())));
        }
    };
    let all = pages(None);
    let references: Vec<_> = (0..50).map(|number| format!("{number}/0")).chain(["r".to_owned()]).collect();
    assert_eq!(all.iter().map(|(reference, _)| reference.clone()).collect::<Vec<_>>(), references);
    let own = pages(Some("b"));
    assert_eq!(own.len(), 9);
    assert_eq!(own.iter().map(|(_, amount)| amount).sum::<i64>(), 1000 - 8 * 100);
    let after = Some(Mark::Entry(1));
    assert!(store.movements(&MovementsQuery { after, limit: 4, ..MovementsQuery::default() }).unwrap().is_empty());
}

#[test]
fn an_order_is_credited_once_however_often_it_is_notified() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let order = |reference: &str, amount| Order {
        reference: reference.to_owned(),
        account: "a".to_owned(),
        amount,
        currency: "CNY".to_owned(),
        credit: money(500),
    };
    assert_eq!(store.add_order(&order("o1", 990), 0, Some(10)).unwrap(), Entered::New);
    assert_eq!(store.add_order(&order("o1", 990), 1, Some(11)).unwrap(), Entered::Before);
    assert!(matches!(store.add_order(&order("o1", 991), 1, None), Err(StoreError::Conflict(_))));
    let paid = |order: &str, payment: &str, amount| Paid {
        order: order.to_owned(),
        payment: payment.to_owned(),
        amount,
        currency: "CNY".to_owned(),
        transaction: None,
    };
    let refused = |paid: &Paid| match store.pay("wechat", paid, 2) {
        Err(PayError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&paid("o2", "p1", 990)), Refusal::UnknownOrder);
    assert_eq!(refused(&paid("o1", "p1", 989)), Refusal::WrongAmount);
    assert_eq!(balance(&store, "a"), 0);
    // Of any number of notifications at once, one is the first.
    let outcomes: Vec<Settled> = std::thread::scope(|scope| {
        let pay = || store.pay("wechat", &paid("o1", "p1", 990), 3).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(pay)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let new = outcomes.iter().filter(|outcome| matches!(outcome, Settled::New(_))).count();
    assert_eq!((new, outcomes.len()), (1, 8), "{outcomes:?}");
    let twice = store.pay("alipay", &paid("o1", "p9", 990), 4).unwrap();
    assert_eq!(twice, Settled::Twice(order("o1", 990)));
    assert_eq!(balance(&store, "a"), 500);
    let orders = store.orders(Some("a"), 10).unwrap();
    assert_eq!(orders[0].paid, Some(("wechat".to_owned(), "p1".to_owned(), 3)));
    // Nobody's payment is lost because it came late.
    assert_eq!(orders[0].expires_ms, Some(10));
    assert_eq!(store.add_order(&order("late", 990), 0, Some(10)).unwrap(), Entered::New);
    assert_eq!(store.pay("wechat", &paid("late", "p2", 990), 10).unwrap(), Settled::Late(order("late", 990)));
    assert_eq!(balance(&store, "a"), 1000);
    store.credit(Kind::Refund, "refund of late", "a", money(-500), 5).unwrap();
    // What was given back is an entry of its own.
    store.credit(Kind::Refund, "refund of o1", "a", money(-500), 5).unwrap();
    assert_eq!(balance(&store, "a"), 0);
    is_right(&store);
    let edited = rusqlite::Connection::open(dir.path().join("books.db")).unwrap();
    edited.execute("UPDATE orders SET paid_ms = NULL WHERE reference = 'o1'", []).unwrap();
    assert_eq!(store.verify().unwrap().wrong, ["the order o1 has an entry and is not paid so"]);
}

#[test]
fn what_is_restored_is_what_was_backed_up() {
    let (dir, copy, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    store.credit(Kind::TopUp, "r", "a", money(1000), 0).unwrap();
    for call in 1..=50 {
        store.journal().ended(&ended(call, OWNER, 2), false);
    }
    // What the relay has learned, and how far its migrations are.
    let plain = [("learned.json", "{\"a\":1}"), ("migrations/fast.json", "{}")];
    std::fs::create_dir(dir.path().join("migrations")).unwrap();
    plain.iter().for_each(|(name, text)| std::fs::write(dir.path().join(name), text).unwrap());
    let copied = store.backup(copy.path()).unwrap();
    assert_eq!(copied.files, 4);
    store.journal().ended(&ended(99, OWNER, 2), false);
    assert!(matches!(store.backup(copy.path()), Err(StoreError::NotEmpty(_))));
    assert!(matches!(restore(copy.path(), dir.path()), Err(StoreError::NotEmpty(_))));
    let (restored, verdict) = restore(copy.path(), again.path()).unwrap();
    assert_eq!((restored, verdict.charges, verdict.calls), (copied, 50, 50));
    assert!(!again.path().join("restore.unfinished").exists());
    for (name, text) in plain {
        assert_eq!(std::fs::read_to_string(again.path().join(name)).unwrap(), text, "{name}");
    }
    let restored = open(again.path());
    assert_eq!(balance(&restored, "a"), 900);
    assert_eq!(restored.calls(&CallsQuery { limit: 100, ..CallsQuery::default() }).unwrap().len(), 50);
    restored.journal().ended(&ended(restored.journal().call(), OWNER, 2), false);
    is_right(&restored);
    assert_eq!(balance(&restored, "a"), 898);
}

#[test]
fn a_backup_made_under_load_is_of_one_moment() {
    let (dir, copy, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                store.journal().ended(&ended(store.journal().call(), OWNER, 2), false);
            }
        });
        scope.spawn(|| {
            for number in 0..50 {
                store.credit(Kind::TopUp, &number.to_string(), "a", money(1), 0).unwrap();
            }
        });
        std::thread::sleep(Duration::from_millis(100));
        store.backup(copy.path()).unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    // Its books add up, or this would fail; and each call that they have is in its request log too.
    let (_, verdict) = restore(copy.path(), again.path()).unwrap();
    assert!(verdict.charges > 0);
    assert_eq!(verdict.charges, verdict.calls);
    is_right(&open(again.path()));
}

#[test]
fn a_backup_that_was_changed_is_not_restored() {
    let (dir, copy, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    store.credit(Kind::TopUp, "r", "a", money(1000), 0).unwrap();
    store.backup(copy.path()).unwrap();
    let sound = std::fs::read(copy.path().join("books.db")).unwrap();
    let mut file = File::options().write(true).open(copy.path().join("books.db")).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(&[!sound[sound.len() - 1]]).unwrap();
    let refused = restore(copy.path(), again.path()).unwrap_err().to_string();
    assert!(refused.contains("not the file that was backed up"), "{refused}");
    assert_eq!(std::fs::read_dir(again.path()).unwrap().count(), 0);
    std::fs::write(copy.path().join("books.db"), sound).unwrap();
    let list = std::fs::read_to_string(copy.path().join("backup.json")).unwrap();
    for elsewhere in ["../books.db", "migrations/../books.db", "migrations/", "/tmp/books.db"] {
        std::fs::write(copy.path().join("backup.json"), list.replace("books.db", elsewhere)).unwrap();
        let refused = restore(copy.path(), again.path()).unwrap_err().to_string();
        assert!(refused.contains("not the name of a file in it"), "{refused}");
    }
    std::fs::remove_file(copy.path().join("backup.json")).unwrap();
    assert!(restore(copy.path(), again.path()).unwrap_err().to_string().contains("no backup"));
}

#[test]
fn a_hundred_thousand_open_calls_are_all_settled() {
    let dir = tempfile::tempdir().unwrap();
    let big = Options { journal: JournalOptions::default(), ..options() };
    let store = Store::open(dir.path(), big).unwrap().0;
    let stall = rusqlite::Connection::open(dir.path().join("books.db")).unwrap();
    stall.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for call in 1..=100_000 {
        store.journal().intent(&intent(call, OWNER, 10)).unwrap();
    }
    store.close();
    drop((store, stall));
    let (store, recovery) = Store::open(dir.path(), big).unwrap();
    println!("100,000 open calls settled in {:?}", recovery.took);
    assert_eq!((recovery.open_calls, recovery.charged), (100_000, money(1_000_000)));
    // Told at once, before the database has it and after.
    let used = || store.used(&Subject::Key("k".into()), Unit::Money, sluicegate_ledger::Span::EVER).unwrap();
    assert_eq!((balance(&store, "a"), used()), (-1_000_000, 1_000_000));
    store.catch_up(Duration::from_secs(60)).unwrap();
    assert_eq!((balance(&store, "a"), used()), (-1_000_000, 1_000_000));
}
