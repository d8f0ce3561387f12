use super::*;

const LENGTH: Duration = Duration::from_secs(1800);

/// The means of three runs: part refused, part used.
fn paced(setting: Setting) -> (f64, f64) {
    let runs = [1, 2, 3].map(|seed| play(setting, LENGTH, seed));
    let mean = |of: fn(&Paced) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
    let (refused, used) = (mean(Paced::refused_part), mean(|run| run.used));
    println!("{setting:?}: {:.2} % refused, {:.1} % used", 100.0 * refused, 100.0 * used);
    (refused, used)
}

#[test]
fn alone_almost_nothing_is_refused_and_the_quota_is_used() {
    let (refused, used) = paced(Setting::ALONE);
    assert!(refused <= 0.01 && used >= 0.97, "{refused} refused, {used} used");
}

#[test]
fn beside_a_stranger_little_is_refused_and_the_quota_is_used() {
    let (refused, used) = paced(Setting::BESIDE_A_STRANGER);
    assert!(refused <= 0.03 && used >= 0.97, "{refused} refused, {used} used");
}

#[test]
fn four_instances_that_share_one_count_do_as_well_as_one() {
    let (refused, used) = paced(Setting::FOUR_SHARING);
    assert!(refused <= 0.03 && used >= 0.97, "{refused} refused, {used} used");
}

#[test]
fn instances_with_counts_of_their_own_keep_to_their_shares() {
    let (refused, used) = paced(Setting { shared: false, ..Setting::FOUR_SHARING });
    assert!(refused <= 0.075 && used >= 0.97, "{refused} refused, {used} used");
}

#[test]
fn a_provider_that_tells_nothing_but_refusals_is_searched_for_its_rate() {
    let (refused, used) = paced(Setting { told: false, ..Setting::ALONE });
    assert!(refused <= 0.05 && used >= 0.95, "{refused} refused, {used} used");
}

#[test]
fn the_stranger_gets_no_less_than_without_us_and_we_our_half() {
    let run = play(Setting::BESIDE_A_STRANGER, LENGTH, 4);
    let ours = run.answered as f64 / (10.0 * LENGTH.as_secs_f64());
    assert!((0.45..0.6).contains(&ours), "{ours} of the quota");
}
