use super::*;
use serde_json::json;

fn yuan(per_usd: &str) -> Display {
    Display { currency: "CNY".to_owned().try_into().unwrap(), per_usd: per_usd.parse().unwrap() }
}

#[test]
fn money_is_shown_in_another_currency_to_the_millionth() {
    for (amount, rate, shown) in [
        ("1", "1", "1"),
        ("1", "7.12", "7.12"),
        ("0.000000001", "7", "0"),
        ("0.0000005", "1", "0.000001"),
        ("-2.5", "7.1", "-17.75"),
        ("0", "7", "0"),
    ] {
        assert_eq!(yuan(rate).shown(amount.parse().unwrap()), shown, "{amount} at {rate}");
    }
    assert_eq!(yuan("4000").shown(Money::from_nanos(i64::MAX)), Money::from_nanos(i64::MAX).to_string());
}

#[test]
fn beside_every_amount_in_dollars_stands_what_it_is_in_the_other_currency() {
    let mut page = json!({
        "total": { "cost_usd": "1.5", "calls": 3 },
        "data": [{ "saved_usd": "2", "key": "0.5" }],
        "account": { "left_usd": null, "balance_usd": "10" },
        "ratio_usd": 0.5,
    });
    yuan("2").beside(&mut page);
    let shown = json!({
        "total": { "cost_usd": "1.5", "calls": 3, "cost_cny": "3" },
        "data": [{ "saved_usd": "2", "key": "0.5", "saved_cny": "4" }],
        "account": { "left_usd": null, "balance_usd": "10", "balance_cny": "20" },
        "ratio_usd": 0.5,
    });
    assert_eq!(page, shown);
}
