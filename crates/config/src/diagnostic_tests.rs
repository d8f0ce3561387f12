use super::*;

fn sample() -> Diagnostic {
    let mut diagnostic =
        Diagnostic::new("E012", "unknown field `rps`").label("did you mean `rpm`?").note("allowed here: rpm");
    diagnostic.position = Some(Position {
        file: "a,b:c.yaml".to_owned(),
        line: 9,
        column: 3,
        width: 3,
        excerpt: vec![(8, "global:".to_owned()), (9, "  rps: 5".to_owned()), (10, "  tpm: 6".to_owned())],
    });
    diagnostic
}

#[test]
fn people_see_the_place_and_what_was_probably_meant() {
    let expected = "\
error[E012] unknown field `rps`
   ╭─[a,b:c.yaml:9:3]
 8 │ global:
 9 │   rps: 5
   ·   ─┬─
   ·    ╰── did you mean `rpm`?
10 │   tpm: 6
   ╰─
   allowed here: rpm";
    assert_eq!(sample().to_string(), expected);
}

#[test]
fn programs_get_the_same_facts() {
    let json = sample().json();
    assert_eq!(json["code"], "E012");
    assert_eq!(json["severity"], "error");
    assert_eq!(json["position"]["line"], 9);
    assert_eq!(json["position"].get("excerpt"), None);
}

#[test]
fn annotations_are_escaped() {
    assert_eq!(
        sample().github(),
        "::error file=a%2Cb%3Ac.yaml,line=9,col=3,title=E012::unknown field `rps`; did you mean `rpm`?"
    );
    assert_eq!(Diagnostic::new("N201", "100%\nsure").github(), "::notice title=N201::100%25%0Asure");
}

#[test]
fn a_width_of_nothing_does_not_break_the_drawing() {
    let mut diagnostic = sample();
    diagnostic.position.as_mut().unwrap().width = 0;
    assert!(diagnostic.to_string().contains("did you mean"));
}
