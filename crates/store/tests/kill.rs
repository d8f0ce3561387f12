//! `kill -9` at random moments, while calls are answered: every answered call is in the books exactly once.
//!
//! The test starts itself as a child that answers calls: it holds, writes the intent, waits until that is written, and
//! then tells its parent on a pipe, which is the first byte of an answer. The parent kills it at a random moment, starts
//! it again, and in the end compares what it was told with the books. `SLUICEGATE_KILLS` sets how often; 10 by default.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a test may panic and print"
)]

mod common;

use common::{OWNER, ended, intent, open};
use sluicegate_ledger::{Account, AccountTerms, Amount, Kind, Payer};
use sluicegate_store::{Entered, MovementsQuery, Owner};
use sluicegate_vocabulary::Money;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const CHILD: &str = "SLUICEGATE_TEST_CHILD_DIR";
/// What the two accounts have: one more than can be spent, one that runs empty.
const RICH: i64 = 1_000_000_000_000;
const POOR: i64 = 200_000;

#[test]
fn the_child_that_answers() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let store = open(Path::new(&dir));
    for (name, nanos) in [("rich", RICH), ("poor", POOR)] {
        store.open_account(name, AccountTerms::default(), 0).unwrap();
        let entered = store.credit(Kind::TopUp, &format!("first {name}"), name, Money::from_nanos(nanos), 0).unwrap();
        assert!(matches!(entered, Entered::New | Entered::Before));
    }
    let payers: Vec<Payer> = store
        .accounts()
        .unwrap()
        .into_iter()
        .map(|account| {
            let live = Account::new(&account.name, account.balance, account.terms);
            Payer { account: Some(Arc::new(live)), ..Payer::default() }
        })
        .collect();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (store, payer) = (&store, &payers[number % 2]);
            scope.spawn(move || answer(store, payer));
        }
    });
}

fn answer(store: &sluicegate_store::Store, payer: &Payer) {
    let name = payer.account.as_ref().unwrap().name();
    let owner = Owner { account: name, ..OWNER };
    loop {
        let price = fastrand::i64(1..2000) * 2;
        let amount = Amount { money: Money::from_nanos(price), tokens: 0 };
        let Ok(hold) = payer.hold(0, amount) else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        let (journal, call) = (store.journal(), store.journal().call());
        let record = journal.intent(&intent(call, owner, price)).unwrap();
        journal.wait_written(record).unwrap();
        let line = format!("answered {call} {price}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        let _ = hold.settle(amount);
        journal.ended(&ended(call, owner, price), true);
    }
}

#[test]
fn every_answered_call_is_in_the_books_exactly_once_whenever_the_process_is_killed() {
    if std::env::var(CHILD).is_ok() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let kills: u32 = std::env::var("SLUICEGATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut answered = HashMap::<i64, i64>::new();
    for _ in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_child_that_answers", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut told = Vec::new();
            for line in BufReader::new(out).split(b'\n') {
                // The last line may have been cut by the kill: without its end it was no answer.
                let line = String::from_utf8(line.unwrap()).unwrap();
                told.push(line);
            }
            told
        });
        std::thread::sleep(Duration::from_millis(fastrand::u64(50..400)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            let mut words = line.split(' ');
            let (Some("answered"), Some(call), Some(price)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let before = answered.insert(call.parse().unwrap(), price.parse().unwrap());
            assert_eq!(before, None, "a number of a call was given twice");
        }
    }
    let (store, recovery) = sluicegate_store::Store::open(dir.path(), common::options()).unwrap();
    store.catch_up(Duration::from_secs(30)).unwrap();
    println!("{kills} kills, {} calls answered, {} open at the last", answered.len(), recovery.open_calls);
    assert!(!answered.is_empty());
    let verdict = store.verify().unwrap();
    assert_eq!(verdict.wrong, Vec::<String>::new());
    let mut charged = HashMap::<String, (i64, i64)>::new();
    let mut query = MovementsQuery { limit: 1000, ..MovementsQuery::default() };
    loop {
        let page = store.movements(&query).unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(last.mark);
        for moved in page.iter().filter(|moved| moved.call.is_some()) {
            let sum = charged.entry(moved.reference.clone()).or_default();
            *sum = (sum.0 + 1, sum.1 - moved.amount.nanos());
        }
    }
    for (call, price) in &answered {
        assert_eq!(charged.get(&format!("{call}/0")), Some(&(1, *price)), "call {call}");
    }
    assert!(charged.values().all(|(count, _)| *count == 1));
    for account in store.accounts().unwrap() {
        assert!(account.balance >= Money::ZERO, "{account:?}");
    }
}
