use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// The exact quantile of the last 128.
fn exact(lengths: &[u64], percent: usize) -> u64 {
    let mut latest = lengths[lengths.len().saturating_sub(REMEMBERED)..].to_vec();
    latest.sort_unstable();
    latest[(latest.len() * percent).div_ceil(100) - 1]
}

proptest! {
    #[test]
    fn quantiles_are_those_of_the_latest_answers_and_at_most_an_eighth_too_high(
        tokens in vec(prop_oneof![0..50_u64, 0..4_000_u64, 0..3_000_000_u64], 1..400),
    ) {
        let mut lengths = Lengths::default();
        tokens.iter().for_each(|&tokens| lengths.learn(tokens));
        match lengths.learned() {
            None => prop_assert!(tokens.len() < 20),
            Some(Learned { p75, p95 }) => for (told, percent) in [(p75, 75), (p95, 95)] {
                let renewed = (tokens.len() - tokens.len() % RENEWED as usize).max(ENOUGH as usize);
                let exact = exact(&tokens[..renewed], percent).min(LONGEST - 1);
                prop_assert!((exact..=exact + exact / 8).contains(&told), "{told} for {exact}");
            },
        }
    }

    #[test]
    fn a_class_holds_its_longest_and_no_more(tokens in 0..LONGEST) {
        let longest = longest_of(class_of(tokens));
        prop_assert!(tokens <= longest && class_of(longest) == class_of(tokens));
        prop_assert!(longest + 1 == LONGEST || class_of(longest + 1) == class_of(tokens) + 1);
    }
}

#[test]
fn what_has_changed_is_learned_and_what_was_is_forgotten() {
    let mut lengths = Lengths::default();
    (0..1000).for_each(|_| lengths.learn(3000));
    (0..REMEMBERED).for_each(|_| lengths.learn(100));
    assert_eq!(lengths.learned(), Some(Learned { p75: 103, p95: 103 }));
}

#[test]
fn it_stays_small() {
    assert!(size_of::<Lengths>() <= 344, "{}", size_of::<Lengths>());
}
