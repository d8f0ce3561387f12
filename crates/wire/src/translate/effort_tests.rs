use super::*;

#[test]
fn a_budget_and_its_effort_agree() {
    for effort in ["low", "medium", "high"] {
        assert_eq!(of_budget(to_budget(effort)), effort);
    }
    assert_eq!(of_budget(4_095), "low");
    assert_eq!(of_budget(4_096), "medium");
    assert_eq!(of_budget(16_384), "high");
}

#[test]
fn an_unknown_effort_becomes_the_nearest_known_one() {
    let known = ["low", "high", "max"].map(str::to_owned);
    assert_eq!(nearest("minimal", &known), "low");
    assert_eq!(nearest("medium", &known), "low");
    assert_eq!(nearest("xhigh", &known), "high");
    assert_eq!(nearest("max", &known), "max");
    assert_eq!(nearest("strange", &known), "strange");
    assert_eq!(nearest("xhigh", &[]), "xhigh");
}
