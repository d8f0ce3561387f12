use super::*;
use crate::plan::Step;
use crate::share::Share;

fn mapped(pairs: &[(&str, &str)]) -> Definition {
    let plan = Plan::new([Step::new(Share::ALL)]).unwrap();
    Definition {
        from: pairs.iter().map(|(from, _)| Target::new("old", *from)).collect(),
        to: pairs.iter().map(|(_, to)| Target::new("new", *to)).collect(),
        mapped: true,
        ..Definition::new("move", "old", Target::new("", ""), Target::new("", ""), plan)
    }
}

#[test]
fn a_model_goes_to_its_own_counterpart_and_all_others_keep_their_names() {
    let moves = mapped(&[("gpt-x", "claude-y"), ("*", "*")]);
    assert_eq!(moves.check(), Ok(()));
    assert_eq!(moves.goes_to("old", "gpt-x"), Some(Target::new("new", "claude-y")));
    assert_eq!(moves.goes_to("old", "other"), Some(Target::new("new", "other")));
    assert_eq!(moves.goes_to("third", "gpt-x"), None);
    assert_eq!(mapped(&[("gpt-x", "claude-y")]).goes_to("old", "other"), None);
    assert_eq!(Definition { mapped: false, ..moves }.goes_to("old", "gpt-x"), None);
}

#[test]
fn every_pair_needs_two_sides_that_differ() {
    let mut uneven = mapped(&[("a", "b"), ("c", "d")]);
    uneven.to.pop();
    assert_eq!(uneven.check(), Err(DefinitionError::Uneven));
    let mut same = mapped(&[("a", "b"), ("c", "c")]);
    same.to.iter_mut().for_each(|to| to.provider = "old".to_owned());
    assert_eq!(same.check(), Err(DefinitionError::SameSides));
}

#[test]
fn other_keys_of_the_same_provider_are_another_side() {
    let plan = Plan::new([Step::new(Share::ALL)]).unwrap();
    let place = || Target::new("one", "m");
    let keys = Target { keys: vec!["new".to_owned()], ..place() };
    let moves = Definition::new("move", "m", place(), keys.clone(), plan.clone());
    assert_eq!(moves.check(), Ok(()));
    assert_eq!(Definition::new("move", "m", keys.clone(), keys.clone(), plan).check(), Err(DefinitionError::SameSides));
    assert!(!moves.is_same_move(&Definition { to: vec![place()], ..moves.clone() }), "other keys are another move");
    assert!(moves.moves_keys_only());
    assert!(
        !Definition::new("move", "m", Target::new("other", "m"), keys.clone(), moves.plan.clone()).moves_keys_only()
    );
    assert_eq!((place().to_string(), keys.to_string()), ("one/m".to_owned(), "one/m[new]".to_owned()));
}

#[test]
fn what_was_kept_before_there_were_keys_can_be_read() {
    let kept = r#"{"provider":"one","model":"m","credentials":null,"weight":1}"#;
    assert_eq!(serde_json::from_str::<Target>(kept).unwrap(), Target::new("one", "m"));
}
