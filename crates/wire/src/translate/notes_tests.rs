use super::*;

#[test]
fn policies_move_the_border_between_hints_and_guarantees() {
    for (policy, hint_is_lost, guarantee_is_lost) in
        [(Policy::Default, true, false), (Policy::Strict, false, false), (Policy::Lenient, true, true)]
    {
        let mut notes = Notes::new(policy, Format::Generate);
        assert_eq!(notes.drop(Field::Seed).is_ok(), hint_is_lost, "{policy:?}");
        assert_eq!(notes.refuse(Field::Answers, "no").is_ok(), guarantee_is_lost, "{policy:?}");
        let expected: &[&str] = match policy {
            Policy::Default => &["generationConfig.seed"],
            Policy::Strict => &[],
            Policy::Lenient => &["generationConfig.seed", "generationConfig.candidateCount"],
        };
        assert_eq!(notes.into_dropped(), expected);
    }
}

#[test]
fn a_field_is_named_once() {
    let mut notes = Notes::new(Policy::Default, Format::Chat);
    notes.drop(Field::Seed).unwrap();
    notes.drop(Field::Seed).unwrap();
    assert_eq!(notes.into_dropped(), ["seed"]);
}

#[test]
fn names_can_stand_in_a_header_whatever_the_client_wrote() {
    let mut notes = Notes::new(Policy::Default, Format::Chat);
    notes.drop_named("x\r\nset-cookie: a=b, c\u{e9}").unwrap();
    for i in 0..1000 {
        notes.drop_named(format!("{i}{}", "k".repeat(10_000))).unwrap();
    }
    let dropped = notes.into_dropped();
    assert_eq!(dropped[0], "x??set-cookie:?a=b??c?");
    assert_eq!((dropped.len(), dropped.last().unwrap().as_ref()), (MAX_NAMES, MORE));
    assert!(dropped.iter().all(|name| name.len() <= MAX_PATH));
}

#[test]
fn a_refusal_quotes_no_megabytes() {
    let fault = bad_request("\u{e9}".repeat(100_000), "\u{e9}".repeat(100_000));
    assert!(fault.message.len() <= MAX_SENTENCE + 3 && fault.param.unwrap().len() <= MAX_PATH + 3);
}
