use super::*;

fn answer(text: &str) -> Answer {
    Answer { status: 200, finish: Some("stop".to_owned()), text: text.to_owned(), ..Answer::default() }
}

fn differences(old: &Answer, new: &Answer) -> Vec<Difference> {
    compare(old, new).differences
}

#[test]
fn answers_in_other_words_do_not_differ_but_are_less_alike() {
    let seen = compare(&answer("The capital of France is Paris."), &answer("It is Paris, the capital of France."));
    assert!(seen.differences.is_empty());
    assert!(seen.similarity.is_some_and(|alike| (0.5..1.0).contains(&alike)), "{seen:?}");
    let seen = compare(&answer("The capital"), &answer("the  CAPITAL\n"));
    assert_eq!(seen.similarity, Some(1.0));
    assert_eq!(similarity("abcdef", "uvwxyz"), 0.0);
    assert_eq!(similarity("a", ""), 0.0);
}

#[test]
fn each_kind_of_difference_is_found() {
    let old = answer("a text of some length");
    assert_eq!(differences(&old, &Answer { status: 500, ..Answer::default() }), [Difference::Status]);
    assert_eq!(differences(&old, &Answer { finish: Some("length".to_owned()), ..old.clone() }), [Difference::Finish]);
    assert_eq!(differences(&old, &answer("")), [Difference::Empty]);
    assert_eq!(differences(&old, &answer("short")), [Difference::Length]);

    let tool =
        |name: &str, arguments: &str| Answer { tools: vec![(name.to_owned(), arguments.to_owned())], ..answer("") };
    let old = tool("weather", r#"{"city":"Paris","days":1}"#);
    assert_eq!(differences(&old, &tool("weather", r#"{ "days": 1, "city": "Paris" }"#)), []);
    assert_eq!(differences(&old, &tool("forecast", r#"{"city":"Paris","days":1}"#)), [Difference::ToolNames]);
    assert_eq!(differences(&old, &tool("weather", r#"{"city":"Rome","days":1}"#)), [Difference::ToolArguments]);
    let broken = differences(&old, &tool("weather", r#"{"city":"#));
    assert_eq!(broken, [Difference::ToolArguments, Difference::ToolJson]);

    let json = |text: &str| Answer { json: true, ..answer(text) };
    assert_eq!(differences(&json(r#"{"a":1}"#), &json("Sure: {}")), [Difference::Json]);
    assert_eq!(differences(&json(r#"{"a":1}"#), &json(r#"{"a":2}"#)), []);
}

#[test]
fn vectors_differ_in_shape_or_are_as_alike_as_their_directions() {
    let vectors =
        |vectors: &[&[f32]]| Answer { vectors: vectors.iter().map(|vector| vector.to_vec()).collect(), ..answer("") };
    let old = vectors(&[&[1.0, 0.0], &[0.0, 2.0]]);
    let seen = compare(&old, &vectors(&[&[3.0, 0.0], &[1.0, 1.0]]));
    assert_eq!(seen.differences, []);
    assert!(seen.similarity.is_some_and(|alike| (alike - f64::midpoint(1.0, 0.5_f64.sqrt())).abs() < 1e-6), "{seen:?}");
    for other in [vectors(&[&[1.0, 0.0]]), vectors(&[&[1.0, 0.0, 0.0], &[0.0, 2.0, 0.0]]), answer("")] {
        assert_eq!(compare(&old, &other).differences, [Difference::Shape]);
        assert_eq!(compare(&old, &other).similarity, None);
    }
}

#[test]
fn ratios_are_new_over_old() {
    let timed = |ms: u64, nanos: i64| Answer {
        first_token: Some(Duration::from_millis(ms)),
        total: Some(Duration::from_millis(ms * 3)),
        cost: Some(Money::from_nanos(nanos)),
        ..answer("text")
    };
    let seen = compare(&timed(1_000, 100), &timed(2_000, 50));
    assert_eq!((seen.first_token, seen.total, seen.cost, seen.length), (Some(2.0), Some(2.0), Some(0.5), Some(1.0)));
}

#[test]
fn calls_with_effects_are_never_mirrored_and_others_by_their_share() {
    let share = Share::percent(10.0).unwrap();
    let mirrored = (0..10_000_u32).filter(|call| is_mirrored(Seed(3), &call.to_le_bytes(), share, false)).count();
    assert!((850..1_150).contains(&mirrored), "{mirrored}");
    assert!((0..10_000_u32).all(|call| !is_mirrored(Seed(3), &call.to_le_bytes(), Share::ALL, true)));
}

#[test]
fn a_tally_stays_bounded_and_every_difference_has_the_same_chance_to_be_kept() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut tally = Tally::default();
    let (old, new) = (answer("a text of some length"), answer("short"));
    let seen = compare(&old, &new);
    for call in 0..5_000 {
        tally.add(&call.to_string(), (&old, &new), &seen, false, random.f64());
    }
    assert_eq!((tally.calls(), tally.differing(), tally.count(Difference::Length)), (5_000, 5_000, 5_000));
    assert_eq!(tally.samples().len(), 100);
    assert!(tally.samples().iter().all(|sample| sample.old.is_empty() && sample.new.is_empty()));
    let late = tally.samples().iter().filter(|sample| sample.call.parse::<u32>().unwrap() >= 2_500).count();
    assert!((30..=70).contains(&late), "{late} of the kept ones stem from the second half");
}
