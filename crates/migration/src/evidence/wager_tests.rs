use super::*;

#[test]
fn wealth_under_a_true_claim_is_one_on_average_so_it_rarely_ever_reaches_much() {
    // Ville's inequality, by simulation: 4,000 walks looked at after each of 500 steps.
    for p in [0.01, 0.05, 0.5] {
        let mut random = fastrand::Rng::with_seed(1);
        let crossed = (0..1_000)
            .filter(|_| {
                let mut wager = Wager::default();
                (0..500).any(|_| {
                    let hit = f64::from(u8::from(random.f64() < p));
                    wager.bet(hit - p, p, 1.0);
                    wager.refutes(Belief::FewTimesAsOften, 0.05)
                })
            })
            .count();
        assert!(crossed <= 70, "{p}: {crossed} of 1,000");
    }
}

#[test]
fn what_is_won_does_not_depend_on_the_order() {
    let (mut forth, mut back) = (Wager::default(), Wager::default());
    let seen: Vec<f64> = (0..100).map(|i| f64::from(i % 7) / 7.0 - 0.4).collect();
    seen.iter().for_each(|&x| forth.bet(x, 0.4, 1.0));
    seen.iter().rev().for_each(|&x| back.bet(x, 0.4, 1.0));
    for belief in [Belief::FewTimesAsOften, Belief::Anything] {
        assert!((forth.log_wealth(belief) - back.log_wealth(belief)).abs() < 1e-9);
    }
}

#[test]
fn a_false_claim_is_refuted_and_a_true_one_is_not() {
    assert!(more_than(0.01, 24.0, 400.0, 0.05));
    assert!(!more_than(0.01, 4.0, 400.0, 0.05));
    assert!(fewer_than(0.10, 4.0, 400.0, 0.05));
    assert!(!fewer_than(0.01, 4.0, 400.0, 0.05));
    assert!(!more_than(0.5, 0.0, 0.0, 0.05));
}

#[test]
fn the_wealth_to_begin_with_is_divided_and_not_made() {
    for belief in [Belief::FewTimesAsOften, Belief::Anything] {
        assert!(Wager::default().log_wealth(belief).abs() < 1e-9, "{belief:?}");
    }
}
