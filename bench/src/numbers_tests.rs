use super::{Median, median, outermost};

#[test]
fn the_median_of_nothing_is_nothing() {
    assert_eq!(median(&[]), None);
}

#[test]
fn few_values_give_their_whole_range() {
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(Median { low: 1.0, middle: 2.0, high: 3.0 }));
    assert_eq!(median(&[1.0]), Some(Median { low: 1.0, middle: 1.0, high: 1.0 }));
}

#[test]
fn an_even_number_has_its_median_in_between() {
    assert_eq!(median(&[1.0, 2.0, 3.0, 10.0]).map(|m| m.middle), Some(2.5));
}

#[test]
fn ends_are_cut_as_the_binomial_table_says() {
    // The well-known table of distribution-free intervals for the median at 95 %.
    for (n, k) in [(5, 0), (6, 0), (8, 0), (9, 1), (12, 2), (15, 3), (20, 5), (25, 7)] {
        assert_eq!(outermost(n), k, "n = {n}");
    }
}

#[test]
fn one_wild_value_does_not_move_the_median_of_many() {
    let mut values: Vec<f64> = (0..20).map(f64::from).collect();
    values[19] = 1e9;
    let wild = median(&values).unwrap();
    assert!(wild.high < 20.0, "{wild:?}");
}
