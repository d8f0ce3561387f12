use super::*;

fn rules(rules: Vec<Rule>) -> Rules {
    let standing = Rules::default();
    standing.set(rules).unwrap();
    standing
}

#[test]
fn the_first_rule_that_applies_strikes() {
    let rules =
        rules(vec![Rule::always("[[sim:status=401]]").for_keys("sk-a"), Rule::always("[[sim:status=500]]").times(2)]);
    let status = |key: &str, serial| rules.strike(Some(key), 1, serial).and_then(|orders| orders.status);
    assert_eq!(
        [status("sk-a1", 1), status("sk-b", 2), status("sk-b", 3), status("sk-b", 4)],
        [Some(401), Some(500), Some(500), None]
    );
    assert_eq!(rules.told().iter().map(|told| told.struck).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_rule_for_the_first_key_lets_the_others_be() {
    let rules = rules(vec![Rule::always("[[sim:status=500]]").for_keys("sk-").for_first_key()]);
    let strikes = |key, account| rules.strike(Some(key), account, 1).is_some();
    assert_eq!(
        [strikes("x", 9), strikes("sk-b", 2), strikes("sk-a", 1), strikes("sk-b", 2)],
        [false, true, false, true]
    );
}

#[test]
fn a_share_of_calls_is_struck() {
    let rules = rules(vec![Rule::always("[[sim:reset]]").for_share(0.3)]);
    let struck = (0..1000).filter(|serial| rules.strike(None, 0, *serial).is_some()).count();
    assert!((250..350).contains(&struck), "{struck}");
}

#[test]
fn a_rule_that_makes_no_sense_changes_nothing() {
    let standing = rules(vec![Rule::always("[[sim:reset]]")]);
    for wrong in
        [Rule::always("[[sim:explode]]"), Rule::always("status=500"), Rule::always("[[sim:reset]]").for_share(1.5)]
    {
        assert!(standing.set(vec![wrong]).is_err());
    }
    assert!(standing.strike(None, 0, 0).is_some());
}

#[test]
fn orders_come_from_this_machine_only() {
    let none = http::HeaderMap::new();
    let mut page = http::HeaderMap::new();
    page.insert(http::header::ORIGIN, http::HeaderValue::from_static("http://elsewhere"));
    let ip = |text: &str| Some(text.parse().unwrap());
    assert!(
        may_order(ip("127.0.0.1"), &none) && may_order(ip("::1"), &none) && may_order(ip("::ffff:127.0.0.1"), &none)
    );
    assert!(!may_order(ip("192.0.2.1"), &none) && !may_order(None, &none) && !may_order(ip("127.0.0.1"), &page));
}
