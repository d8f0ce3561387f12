use std::borrow::Cow;

use super::*;

fn ask(text: &str, tools: &[&str]) -> Ask<'static> {
    let mut ask = Ask::new(1, Cow::Borrowed("m"));
    ask.user = Cow::Owned(text.to_owned());
    ask.text(text);
    for name in tools {
        ask.tool(name, None, Some(json!({"type": "object", "properties": {"city": {"type": "string"}}})));
    }
    ask
}

fn say(ask: &Ask<'_>) -> Answer {
    answer(ask, &Orders::default(), None, None, 0)
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.calls.iter().map(|call| call.name.as_str()).collect()
}

#[test]
fn a_tool_is_called_when_the_message_means_it() {
    let got = say(&ask("What is the weather in Paris?", &["get_weather", "get_time"]));
    assert_eq!(names(&got), ["get_weather"]);
    assert_eq!((got.finish, got.calls[0].text.as_str()), (Finish::Calls, r#"{"city":"Paris"}"#));
    assert!(say(&ask("Hello", &["get_weather"])).calls.is_empty());
}

#[test]
fn two_are_called_when_two_are_asked_for_and_parallel_calls_are_allowed() {
    let mut request = ask("Weather in two cities, please", &["get_weather", "get_time"]);
    assert_eq!(names(&say(&request)), ["get_weather", "get_weather"]);
    request.parallel = false;
    assert_eq!(names(&say(&request)), ["get_weather"]);
    let both = ask("Call get_time and get_weather in parallel", &["get_weather", "get_time"]);
    assert_eq!(names(&say(&both)), ["get_weather", "get_time"]);
}

#[test]
fn the_tool_choice_decides_before_the_words_do() {
    let mut request = ask("weather", &["get_weather", "get_time"]);
    request.choice = Choice::Never;
    assert!(say(&request).calls.is_empty());
    request.choice = Choice::Named("get_time".to_owned());
    assert_eq!(names(&say(&request)), ["get_time"]);
    let mut request = ask("hello", &["get_weather", "get_time"]);
    request.choice = Choice::Required;
    assert_eq!(names(&say(&request)), ["get_weather"]);
}

#[test]
fn after_a_result_it_answers_in_text() {
    let mut request = ask("What is the weather?", &["get_weather"]);
    request.results = vec!["18 degrees".to_owned()];
    let got = say(&request);
    assert!(got.calls.is_empty() && got.text.unwrap().contains("The tool returned: 18 degrees."));
}

#[test]
fn a_limit_cuts_exactly_and_says_length() {
    let mut request = ask("hello", &[]);
    request.max_tokens = Some(7);
    let got = say(&request);
    assert_eq!((got.output_tokens, &got.finish), (7, &Finish::Length));
    assert_eq!(tokens::count(got.text.as_deref().unwrap()), 7);
    request.max_tokens = Some(100_000);
    assert_eq!(say(&request).finish, Finish::Stop);
}

#[test]
fn the_first_stop_string_ends_the_text_before_it() {
    let mut request = ask("one two STOP three", &[]);
    request.stop = vec!["three".to_owned(), "STOP".to_owned()];
    let got = say(&request);
    assert_eq!(got.finish, Finish::StopString("STOP".to_owned()));
    assert!(got.text.unwrap().ends_with("one two "));
}

#[test]
fn thinking_is_counted_in_the_output() {
    let mut request = ask("hello", &[]);
    request.thinking = true;
    let got = say(&request);
    let text = tokens::count(got.text.as_deref().unwrap());
    assert_eq!(got.output_tokens, got.thinking_tokens + text);
    assert!(got.thinking_tokens > 0);
}

#[test]
fn structured_output_fits_and_is_the_same_again() {
    let mut request = ask("hello", &[]);
    request.output = Output::Schema(json!({"type": "object", "properties": {"n": {"type": "integer"}}}));
    let got = say(&request);
    assert_eq!(got, say(&request));
    let value: Value = serde_json::from_str(got.text.as_deref().unwrap()).unwrap();
    assert!(value["n"].is_i64());
}
