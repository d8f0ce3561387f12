use super::*;

/// The best of these, chosen afterwards for each situation, is what nobody can know beforehand.
const FIXED: [u32; 9] = [8, 10, 12, 14, 16, 64, 96, 112, 128];

fn adaptive() -> Law {
    Law::Adaptive(SloAimdSettings::default())
}

fn seeds(situation: Situation) -> std::ops::RangeInclusive<u64> {
    if situation == Situation::Hours { 1..=1 } else { 1..=2 }
}

fn best_fixed(situation: Situation, seed: u64) -> f64 {
    FIXED.into_iter().map(|limit| judge(situation, Law::Fixed(limit), seed).good_part()).fold(0.0, f64::max)
}

#[test]
fn adaptive_ge_95pct_of_best_fixed() {
    for situation in Situation::ALL {
        let (mut law, mut best, mut runs) = (0.0, 0.0, 0);
        for seed in seeds(situation) {
            let (good, fixed) = (judge(situation, adaptive(), seed).good_part(), best_fixed(situation, seed));
            assert!(good >= 0.5 * fixed, "{situation:?}, seed {seed}: {good:.3} against {fixed:.3}");
            law += good;
            best += fixed;
            runs += 1;
        }
        println!(
            "{situation:?}: {:.1} % against {:.1} %",
            100.0 * law / f64::from(runs),
            100.0 * best / f64::from(runs)
        );
        assert!(law >= 0.95 * best, "{situation:?}: {law:.3} against {best:.3}");
    }
}

/// A few calls fill the memory, so the signal is as coarse as the limit: less than the bar of the others, told plainly.
#[test]
fn where_a_few_large_calls_fill_the_memory_the_law_stays_near_the_best_fixed_limit() {
    let (mut law, mut best) = (0.0, 0.0);
    for seed in 1..=4 {
        law += judge(Situation::TightMemory, adaptive(), seed).good_part();
        best += best_fixed(Situation::TightMemory, seed);
    }
    assert!(law >= 0.85 * best, "{law:.3} against {best:.3}");
}

#[test]
fn without_a_limit_overload_leaves_next_to_nothing_good() {
    let unlimited = judge(Situation::Overload, Law::Fixed(1000), 1);
    assert!(unlimited.good_part() < 0.05, "{}", unlimited.good_part());
}

#[test]
fn in_steady_overload_the_limit_is_steady() {
    let limits = judge(Situation::Overload, adaptive(), 1).limits;
    let settled: Vec<f64> = limits.iter().skip(120).map(|&limit| f64::from(limit)).collect();
    let mean = settled.iter().sum::<f64>() / settled.len() as f64;
    let variance = settled.iter().map(|limit| (limit - mean).powi(2)).sum::<f64>() / settled.len() as f64;
    assert!(variance.sqrt() / mean < 0.35, "{} around {mean}", variance.sqrt());
}

#[test]
fn within_a_minute_of_the_capacitys_return_as_many_calls_are_good_as_before() {
    for seed in 1..=3 {
        let verdict = judge(Situation::HalfGone, adaptive(), seed);
        let part = |seconds: std::ops::Range<usize>| {
            let sum = |counts: &[u32]| f64::from(counts[seconds.clone()].iter().sum::<u32>());
            sum(&verdict.good_by_second) / sum(&verdict.offered_by_second)
        };
        let (before, after) = (part(300..600), part(1260..1500));
        assert!(after >= 0.95 * before, "seed {seed}: {after:.3} after, {before:.3} before");
    }
}

#[test]
fn first_tokens_come_within_about_the_threshold() {
    let verdict = judge(Situation::Overload, adaptive(), 1);
    assert!(verdict.first_token(0.5) < 1.0, "{}", verdict.first_token(0.5));
    assert!(verdict.first_token(0.99) < 7.5, "{}", verdict.first_token(0.99));
}
