use super::*;
use crate::account::{Accounts, Terms as Bounds};
use crate::budget::{Budgets, Terms};
use crate::period::{Calendar, Per, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Barrier;
use std::thread;

const HOUR: i64 = 3_600_000;

fn money(nanos: i64) -> Amount {
    Amount { money: Money::from_nanos(nanos), tokens: 0 }
}

fn terms(amount: i64, unit: Unit, per: Per) -> Terms {
    Terms {
        subject: Subject::Key("app".into()),
        unit,
        amount,
        calendar: Calendar::utc(per),
        warn_at: vec![50, 80, 100],
        on_exceed: OnExceed::Refuse,
    }
}

fn budget(amount: i64, unit: Unit, per: Per) -> Arc<Budget> {
    Arc::new(Budget::new(terms(amount, unit, per), 0, 0))
}

fn payer(account: Option<&Arc<Account>>, budgets: &[Arc<Budget>]) -> Payer {
    Payer { account: account.map(Arc::clone), budgets: budgets.iter().map(Arc::clone).collect() }
}

fn account(nanos: i64) -> Arc<Account> {
    Arc::new(Account::new("a", Money::from_nanos(nanos), Bounds::default()))
}

/// How many of so many threads at once are let in.
fn admitted(payer: &Payer, threads: usize, most: Amount) -> usize {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    payer.hold(0, most)
                })
            })
            .collect();
        let holds: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
        holds.iter().filter(|hold| hold.is_ok()).count()
    })
}

#[test]
fn of_many_calls_at_once_a_budget_for_three_admits_three() {
    let bound = payer(None, &[budget(30, Unit::Money, Per::Day)]);
    assert_eq!(admitted(&bound, 24, money(10)), 3);
    let bound = payer(None, &[budget(30, Unit::Tokens, Per::Day)]);
    assert_eq!(admitted(&bound, 24, Amount { money: Money::ZERO, tokens: 10 }), 3);
}

#[test]
fn sixty_four_clients_on_an_account_for_a_hundred_calls_get_exactly_a_hundred() {
    let account = account(100 * 7);
    let payer = payer(Some(&account), &[]);
    let answered: usize = thread::scope(|scope| {
        let one = || (0..20).filter(|_| payer.hold(0, money(7)).map(|hold| hold.settle(money(7))).is_ok()).count();
        let all: Vec<_> = (0..64).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!((answered, account.balance(), account.held()), (100, Money::ZERO, Money::ZERO));
}

#[test]
fn a_call_refused_by_one_is_charged_to_none() {
    let (first, second, account) = (budget(100, Unit::Money, Per::Day), budget(5, Unit::Money, Per::Day), account(100));
    let bound = payer(Some(&account), &[Arc::clone(&first), Arc::clone(&second)]);
    let refused = bound.hold(0, money(10)).unwrap_err();
    assert_eq!((refused.left, refused.needed, refused.resets_ms), (5, 10, Some(24 * HOUR)));
    assert_eq!([first.standing(0).left(), second.standing(0).left()], [100, 5]);
    assert_eq!((account.left(), account.held()), (Money::from_nanos(100), Money::ZERO));
}

#[test]
fn a_refusal_says_what_is_left_and_of_what() {
    let empty = payer(Some(&account(1_500_000_000)), &[]).hold(0, money(2_000_000_000)).unwrap_err();
    assert_eq!(empty.to_string(), "the account a has $1.5 left, and this call may cost $2");
    let short = payer(None, &[budget(10, Unit::Tokens, Per::Month)]);
    let short = short.hold(0, Amount { money: Money::ZERO, tokens: 11 }).unwrap_err();
    assert_eq!(short.to_string(), "the budget of key app (month) has 10 tokens left, and this call may use 11");
}

#[test]
fn a_dropped_hold_goes_back_whole_and_a_settled_one_but_for_what_was_used() {
    let (budget, account) = (budget(100, Unit::Money, Per::Total), account(100));
    let bound = payer(Some(&account), &[Arc::clone(&budget)]);
    drop(bound.hold(0, money(60)).unwrap());
    assert_eq!((budget.standing(0).left(), account.left().nanos()), (100, 100));
    let _ = bound.hold(0, money(60)).unwrap().settle(money(25));
    assert_eq!((budget.standing(0).left(), account.left().nanos()), (75, 75));
}

#[test]
fn what_was_used_beyond_a_hold_is_owed_and_not_dropped() {
    let (budget, account) = (budget(100, Unit::Money, Per::Total), account(100));
    let bound = payer(Some(&account), &[Arc::clone(&budget)]);
    let _ = bound.hold(0, money(60)).unwrap().settle(money(130));
    assert_eq!((budget.standing(0).used, account.balance().nanos()), (130, -30));
    assert_eq!(bound.hold(0, money(1)).unwrap_err().left, 0);
    account.credit(Money::from_nanos(50));
    assert_eq!(account.left().nanos(), 20);
}

#[test]
fn a_running_call_may_take_more_and_keeps_what_it_has_when_there_is_no_more() {
    let account = account(100);
    let mut hold = payer(Some(&account), &[budget(80, Unit::Money, Per::Day)]).hold(0, money(50)).unwrap();
    hold.extend(money(30)).unwrap();
    assert_eq!(hold.extend(money(1)).unwrap_err().left, 0);
    assert_eq!((hold.money().nanos(), account.left().nanos()), (80, 20));
    drop(hold);
    assert_eq!(account.left().nanos(), 100);
}

#[test]
fn a_hold_is_corrected_in_the_period_in_which_it_was_taken() {
    let budget = budget(100, Unit::Money, Per::Hour);
    let bound = payer(None, &[Arc::clone(&budget)]);
    let late = bound.hold(HOUR - 1, money(90)).unwrap();
    assert_eq!(budget.standing(HOUR).left(), 100);
    let _ = late.settle(money(120));
    assert_eq!(budget.standing(HOUR).left(), 100);
    // A clock set back finds the period it left, not what was spent in another.
    let _ = bound.hold(HOUR, money(40)).unwrap().settle(money(40));
    assert_eq!(budget.standing(0).left(), 60);
}

#[test]
fn each_threshold_is_told_once_in_each_period() {
    let budget = budget(100, Unit::Money, Per::Hour);
    let bound = payer(None, &[Arc::clone(&budget)]);
    let spend = |now, nanos| {
        let notices = bound.hold(now, money(0)).unwrap().settle(money(nanos));
        notices
            .into_iter()
            .map(|notice| match notice {
                Notice::Passed { percent, .. } => percent,
                Notice::Low { .. } => 0,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(spend(0, 49), [0_u8; 0]);
    assert_eq!(spend(0, 1), [50]);
    assert_eq!(spend(0, 1), [0_u8; 0]);
    assert_eq!(spend(0, 60), [100]);
    assert_eq!(spend(0, 60), [0_u8; 0]);
    assert_eq!(spend(HOUR, 85), [80]);
    // After a restart nothing is told that was told before it.
    let again = Arc::new(Budget::new(terms(100, Unit::Money, Per::Hour), HOUR, 85));
    let notices = payer(None, &[again]).hold(HOUR, money(0)).unwrap().settle(money(1));
    assert!(notices.is_empty());
}

#[test]
fn a_low_account_is_told_once_until_it_is_filled() {
    let account =
        Arc::new(Account::new("a", Money::from_nanos(100), Bounds { low: Money::from_nanos(50), ..Bounds::default() }));
    let bound = payer(Some(&account), &[]);
    let spend = |nanos| bound.hold(0, money(nanos)).unwrap().settle(money(nanos)).len();
    assert_eq!([spend(50), spend(1), spend(1)], [0, 1, 0]);
    account.credit(Money::from_nanos(10));
    assert_eq!(spend(20), 1);
}

#[test]
fn changed_terms_keep_the_count_and_another_calendar_asks_for_it() {
    let budgets = Budgets::default();
    let first = budgets.ensure(terms(100, Unit::Money, Per::Day), 0, |_| 30);
    assert_eq!(first.standing(0).left(), 70);
    let same = budgets.ensure(terms(100, Unit::Money, Per::Day), 0, |_| unreachable!());
    assert!(Arc::ptr_eq(&first, &same));
    let hold = payer(None, &[Arc::clone(&first)]).hold(0, money(20)).unwrap();
    let raised = budgets.ensure(terms(200, Unit::Money, Per::Day), 0, |_| unreachable!());
    assert_eq!(raised.standing(0).left(), 150);
    let _ = hold.settle(money(10));
    assert_eq!(raised.standing(0).left(), 160);
    let other = Terms {
        calendar: Calendar { zone: jiff::tz::TimeZone::get("Asia/Shanghai").unwrap(), ..Calendar::utc(Per::Day) },
        ..terms(200, Unit::Money, Per::Day)
    };
    let moved = budgets.ensure(other, 0, |span: Span| {
        assert_eq!(span.start_ms, -8 * HOUR);
        7
    });
    assert_eq!(moved.standing(0).left(), 193);
    drop((first, same, raised));
    budgets.forget_unused();
    assert_eq!(budgets.all().len(), 1);
}

#[test]
fn an_account_is_opened_once() {
    let accounts = Accounts::default();
    let first = accounts.open("a", Money::from_nanos(5), Bounds::default());
    let second = accounts.open("a", Money::from_nanos(9), Bounds::default());
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!((accounts.get("a").unwrap().balance().nanos(), accounts.get("b").is_none()), (5, true));
    assert_eq!(accounts.all().len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Hold(i64),
    Settle(prop::sample::Index, i64),
    Drop(prop::sample::Index),
    Credit(i64),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0..50_i64).prop_map(Step::Hold),
        3 => (index(), 0..100_i64).prop_map(|(at, percent)| Step::Settle(at, percent)),
        1 => index().prop_map(Step::Drop),
        1 => (0..100_i64).prop_map(Step::Credit),
        1 => (0..HOUR).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Against a list of what is held and what was spent.
    #[test]
    fn no_account_falls_below_its_floor_and_no_budget_is_overspent(
        start in 0..300_i64, floor in -50..50_i64, limit in 0..200_i64, steps in vec(step(), 1..200),
    ) {
        let bounds = Bounds { floor: Money::from_nanos(floor), low: Money::ZERO };
        let account = Arc::new(Account::new("a", Money::from_nanos(start), bounds));
        let budget = budget(limit, Unit::Money, Per::Hour);
        let bound = payer(Some(&account), &[Arc::clone(&budget)]);
        let (mut now, mut balance, mut open) = (0, start, Vec::<(Hold, i64, i64)>::new());
        let mut spent = std::collections::BTreeMap::<i64, i64>::new();
        for step in steps {
            match step {
                Step::Hold(amount) => {
                    let hour = now / HOUR;
                    let held: i64 = open.iter().map(|(_, held, _)| held).sum();
                    let taken: i64 = open.iter().filter(|(.., of)| *of == hour).map(|(_, held, _)| held).sum();
                    let fits = amount == 0
                        || (balance - held - amount >= floor && spent.get(&hour).unwrap_or(&0) + taken + amount <= limit);
                    let got = bound.hold(now, money(amount));
                    prop_assert_eq!(got.is_ok(), fits);
                    open.extend(got.ok().map(|hold| (hold, amount, hour)));
                }
                Step::Settle(at, percent) if !open.is_empty() => {
                    let (hold, held, hour) = open.swap_remove(at.index(open.len()));
                    let used = held * percent / 100;
                    let _ = hold.settle(money(used));
                    balance -= used;
                    *spent.entry(hour).or_default() += used;
                }
                Step::Drop(at) if !open.is_empty() => drop(open.swap_remove(at.index(open.len()))),
                Step::Credit(amount) => {
                    account.credit(Money::from_nanos(amount));
                    balance += amount;
                }
                Step::Wait(by) => now += by,
                _ => {}
            }
            prop_assert_eq!(account.balance().nanos(), balance);
            prop_assert!(balance >= floor.min(start));
            let standing = budget.standing(now);
            prop_assert_eq!(standing.used, *spent.get(&(now / HOUR)).unwrap_or(&0));
            prop_assert!(standing.used <= limit);
        }
    }
}
