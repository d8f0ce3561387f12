//! What money costs a call: hold and settlement, beside any number of other accounts, and the bill.
//!
//! `cargo bench -p sluicegate-ledger --bench hold`.

use divan::{Bencher, black_box};
use sluicegate_ledger::{
    AccountTerms, Accounts, Amount, BudgetTerms, Budgets, Calendar, OnExceed, Payer, Per, PriceBook, Subject, Unit,
};
use sluicegate_vocabulary::{Money, Usage};

fn main() {
    divan::main();
}

const NOW: i64 = 1_795_262_400_000;
const MOST: Amount = Amount { money: Money::from_nanos(1_000), tokens: 700 };
const USED: Amount = Amount { money: Money::from_nanos(10), tokens: 500 };

fn payers(accounts: usize, budgets: usize) -> Vec<Payer> {
    let (all, kept) = (Accounts::default(), Budgets::default());
    let plenty = Money::from_nanos(i64::MAX / 2);
    let one = |number: usize| {
        let budget = |per| {
            let subject = Subject::Key(number.to_string().into());
            let (amount, calendar, warn_at) = (i64::MAX / 2, Calendar::utc(per), vec![50, 80]);
            let terms =
                BudgetTerms { subject, unit: Unit::Money, amount, calendar, warn_at, on_exceed: OnExceed::Refuse };
            kept.ensure(terms, NOW, |_| 0)
        };
        let account = all.open(&number.to_string(), plenty, AccountTerms::default());
        let budgets = [Per::Day, Per::Month].into_iter().take(budgets).map(budget).collect();
        Payer { account: Some(account), budgets }
    };
    (0..accounts).map(one).collect()
}

#[divan::bench(args = [1, 1_000, 1_000_000])]
fn hold_and_settle_on_one_of_so_many_accounts(bencher: Bencher<'_, '_>, accounts: usize) {
    let payers = payers(accounts, 0);
    let mut at = 0;
    bencher.bench_local(|| {
        // The same few hundred accounts, since the question is what others cost, not what a cold cache does.
        at = (at + 1) % payers.len().min(256);
        payers.get(at).map(|payer| payer.hold(black_box(NOW), MOST).map(|hold| hold.settle(USED)))
    });
}

#[divan::bench(args = [0, 1, 2])]
fn hold_and_settle_with_so_many_budgets(bencher: Bencher<'_, '_>, budgets: usize) {
    let payers = payers(1, budgets);
    bencher.bench_local(|| payers.first().map(|payer| payer.hold(black_box(NOW), MOST).map(|hold| hold.settle(USED))));
}

#[divan::bench]
fn nothing_bound(bencher: Bencher<'_, '_>) {
    let payer = Payer::default();
    bencher.bench_local(|| payer.hold(black_box(NOW), MOST).map(|hold| hold.settle(USED)));
}

#[divan::bench]
fn bill(bencher: Bencher<'_, '_>) {
    let Some(price) = PriceBook::bundled().price("openai", "gpt-4.1") else { return };
    let usage = Usage { input: 1_200, cache_read: 800, output: 300, reasoning: 90, ..Usage::default() };
    bencher.bench_local(|| price.charge(&black_box(usage)));
}
