use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn money(nanos: i64) -> Money {
    Money::from_nanos(nanos)
}

#[test]
fn a_charge_moves_what_the_account_pays_to_provider_and_revenue() {
    let entry = Entry::charge("7/0".to_owned(), 0, Some("a"), "openai", money(125), money(100));
    let mut sheet = Sheet::default();
    assert!(sheet.enter(&entry));
    let books = [Book::Account("a".to_owned()), Book::Provider("openai".to_owned()), Book::Revenue];
    assert_eq!(books.map(|book| sheet.balance(&book)), [-125, 100, 25]);
    // Without an account the house pays the cost, whatever would have been billed.
    let own = Entry::charge("8/0".to_owned(), 0, None, "openai", money(125), money(100));
    assert!(sheet.enter(&own));
    assert_eq!((sheet.balance(&Book::House), sheet.balance(&Book::Revenue)), (-100, 25));
}

#[test]
fn credits_go_the_way_their_kind_says() {
    let credit = |kind, nanos| Entry::credit("r", 0, kind, "a", money(nanos)).is_ok();
    for kind in [Kind::Grant, Kind::TopUp, Kind::Code, Kind::Payment] {
        assert_eq!([credit(kind, 1), credit(kind, 0), credit(kind, -1)], [true, false, false], "{kind:?}");
    }
    assert_eq!([credit(Kind::Refund, 1), credit(Kind::Refund, -1)], [false, true]);
    assert_eq!(
        [credit(Kind::Correction, 1), credit(Kind::Correction, -1), credit(Kind::Charge, 1)],
        [true, true, false]
    );
    assert_eq!(Entry::credit("", 0, Kind::TopUp, "a", money(1)), Err(EntryError::NoReference));
    assert!(Kind::ALL.into_iter().all(|kind| Kind::parse(kind.as_str()) == Some(kind)));
}

proptest! {
    #[test]
    fn entries_balance_and_are_entered_once(
        charges in vec((0..20_u8, 0..3_u8, 0..1_000_000_i64, 0..1_000_000_i64), 0..60),
        credits in vec((0..20_u8, 1..1_000_000_i64), 0..30),
    ) {
        let mut sheet = Sheet::default();
        let mut expected = std::collections::HashMap::<String, i64>::new();
        for (call, attempt, billed, cost) in charges {
            let entry = Entry::charge(format!("{call}/{attempt}"), 0, Some("a"), "p", money(billed), money(cost));
            let first = expected.insert(entry.reference.clone(), -billed);
            prop_assert_eq!(sheet.enter(&entry), first.is_none());
            expected.extend(first.map(|before| (entry.reference.clone(), before)));
        }
        for (reference, amount) in credits {
            let reference = format!("top-up {reference}");
            let entry = Entry::credit(&reference, 0, Kind::TopUp, "a", money(amount)).unwrap();
            let first = expected.insert(reference.clone(), amount);
            prop_assert_eq!(sheet.enter(&entry), first.is_none());
            expected.extend(first.map(|before| (reference, before)));
        }
        prop_assert_eq!(sheet.sum(), 0);
        let sum: i64 = expected.values().sum();
        prop_assert_eq!(sheet.balance(&Book::Account("a".to_owned())), i128::from(sum));
    }
}
