use super::*;
use proptest::prelude::*;

fn percent(share: f64) -> Share {
    Share::percent(share).unwrap()
}

#[test]
fn shares_converge_to_the_percentage_of_each_step() {
    const CALLERS: u32 = 100_000;
    for seed in [0, 1, 42, u64::MAX] {
        for share in [0.1, 1.0, 5.0, 10.0, 20.0, 40.0, 50.0] {
            let moved = (0..CALLERS)
                .filter(|caller| Seed(seed).arm(format!("key-{caller}").as_bytes(), percent(share)) == Arm::New)
                .count() as f64;
            let (expected, n) = (share / 100.0, f64::from(CALLERS));
            // Five standard deviations of a fair draw.
            let room = 5.0 * (n * expected * (1.0 - expected)).sqrt();
            assert!((moved - n * expected).abs() < room, "seed {seed}, {share} %: {moved} of {CALLERS}");
        }
    }
}

#[test]
fn the_places_of_similar_names_are_independent() {
    // Neighbours in one position, sequences of numbers, and one name under many seeds: none may share its side with its
    // neighbour more often than two independent ones would (half the time at 50 %).
    let sides: [Box<dyn Fn(u64) -> Arm>; 4] = [
        Box::new(|i| Seed(7).arm(&i.to_le_bytes(), Share::HALF)),
        Box::new(|i| Seed(7).arm(format!("user-{i:08}").as_bytes(), Share::HALF)),
        Box::new(|i| Seed(i).arm(b"web-app", Share::HALF)),
        Box::new(|i| Seed(7).arm(&vec![b'a'; i as usize % 4_096], Share::HALF)),
    ];
    for (which, side) in sides.iter().enumerate() {
        let n = 4_000;
        let same = (0..n).filter(|&i| side(i) == side(i + 1)).count() as f64;
        let room = 5.0 * (f64::from(n as u32) / 4.0).sqrt();
        assert!((same - n as f64 / 2.0).abs() < room, "series {which}: {same} of {n} alike");
    }
}

#[test]
fn assignments_are_the_same_for_good() {
    // These values are stored in nobody's database but relied upon by everybody's migrations: if this test fails, a
    // restart would move callers in the middle of a step.
    let places = [(0, ""), (1, "a"), (42, "web-app"), (42, "customer-42"), (u64::MAX, "0123456789abcdef0")];
    let found: Vec<u64> = places.iter().map(|(seed, unit)| place(*seed, unit.as_bytes())).collect();
    assert_eq!(found, PLACES);
}
const PLACES: [u64; 5] = [
    18_076_446_883_787_237_007,
    13_655_198_512_640_939_131,
    2_069_698_525_694_466_483,
    14_796_354_757_528_427_153,
    13_378_276_732_995_830_620,
];

#[test]
fn targets_share_by_their_weights_and_without_regard_to_the_side() {
    let weights = [60, 0, 40];
    let mut counts = [[0_u32; 3]; 2];
    for caller in 0..20_000_u64 {
        let unit = caller.to_string();
        let side = Seed(9).arm(unit.as_bytes(), percent(20.0)) == Arm::New;
        counts[usize::from(side)][Seed(9).target(unit.as_bytes(), &weights).unwrap()] += 1;
    }
    for [first, none, third] in counts {
        assert_eq!(none, 0);
        let share = f64::from(first) / f64::from(first + third);
        assert!((share - 0.6).abs() < 0.03, "{share}");
    }
    assert_eq!(Seed(9).target(b"x", &[]), None);
    assert_eq!(Seed(9).target(b"x", &[0, 0]), None);
}

#[test]
fn what_callers_stick_by_is_read_and_written_alike() {
    for (text, sticky) in [
        ("call", StickyBy::Call),
        ("key", StickyBy::Key),
        ("user", StickyBy::User),
        ("header:x-session-id", StickyBy::Header("x-session-id".to_owned())),
    ] {
        assert_eq!(text.parse(), Ok(sticky.clone()));
        assert_eq!(sticky.to_string(), text);
    }
    assert_eq!("request".parse(), Ok(StickyBy::Call));
    assert_eq!("header:X-Session".parse(), Ok(StickyBy::Header("x-session".to_owned())));
    assert!("".parse::<StickyBy>().is_err() && "header:".parse::<StickyBy>().is_err());
    assert!("header:a b".parse::<StickyBy>().unwrap_err().to_string().contains("header:NAME"));
}

proptest! {
    #[test]
    fn a_caller_keeps_its_side_and_never_moves_back_when_a_step_grows(
        seed: u64, unit in prop::collection::vec(any::<u8>(), 0..64), a in 0_u32..=1_000_000, b in 0_u32..=1_000_000
    ) {
        let (small, large) = (Share::try_from(a.min(b)).unwrap(), Share::try_from(a.max(b)).unwrap());
        let seed = Seed(seed);
        prop_assert_eq!(seed.arm(&unit, small), seed.arm(&unit, small));
        if seed.arm(&unit, small) == Arm::New {
            prop_assert_eq!(seed.arm(&unit, large), Arm::New);
        }
        prop_assert_eq!(seed.arm(&unit, Share::NONE), Arm::Old);
        prop_assert_eq!(seed.arm(&unit, Share::ALL), Arm::New);
    }
}
