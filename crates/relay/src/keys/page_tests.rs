use super::*;

#[test]
fn a_question_about_usage_is_read_or_told_what_is_wrong_with_it() {
    let words = |query: &str| {
        Question::read(query)
            .map(|question| (question.by.iter().map(|(word, _)| *word).collect::<Vec<_>>(), question.days))
    };
    assert_eq!(words("").unwrap(), (vec!["day"], 30));
    assert_eq!(words("by=model%2Cday&days=7&key=sk-1").unwrap(), (vec!["model", "day"], 7));
    for wrong in ["by=provider", "by=day,hour", "by=day,model,key", "days=0", "days=367", "days=x"] {
        assert!(words(wrong).is_err(), "{wrong}");
    }
}
