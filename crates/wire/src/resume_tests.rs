use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn simple(body: Value) -> bool {
    is_simple(body.to_string().as_bytes())
}

fn chat(more: Value) -> Value {
    let mut body = json!({ "model": "m", "stream": true, "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn plain_text_in_every_format_is_simple() {
    assert!(simple(chat(json!({ "max_tokens": 9, "temperature": 0.5, "n": 1, "tools": [], "logprobs": false }))));
    assert!(simple(chat(json!({ "messages": [
        { "role": "system", "content": "be brief" }, { "role": "user", "content": [{ "type": "text", "text": "hi" }] },
        { "role": "assistant", "content": "yes?" }, { "role": "user", "content": "go on" },
    ] }))));
    assert!(simple(json!({ "model": "m", "input": "hi", "instructions": "be brief" })));
    assert!(simple(json!({ "model": "m", "input": [
        { "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
    ] })));
    assert!(simple(json!({
        "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }], "generationConfig": { "maxOutputTokens": 9 },
    })));
}

#[test]
fn whatever_a_cut_could_break_is_not_simple() {
    for more in [
        json!({ "tools": [{ "type": "function" }] }),
        json!({ "response_format": { "type": "json_object" } }),
        json!({ "n": 2 }),
        json!({ "logprobs": true }),
        json!({ "thinking": { "type": "enabled" } }),
        json!({ "reasoning_effort": "high" }),
        json!({ "modalities": ["text", "audio"] }),
        json!({ "something_new": 1 }),
        json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "x" } }] }] }),
        json!({ "messages": [{ "role": "user", "content": "hi" }, { "role": "assistant", "content": "I" }] }),
        json!({ "messages": [
            { "role": "assistant", "content": "", "tool_calls": [{ "id": "1" }] }, { "role": "user", "content": "hi" },
        ] }),
        json!({ "messages": [] }),
    ] {
        assert!(!simple(chat(more.clone())), "{more}");
    }
    let gemini = |config: Value| json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }], "generationConfig": config });
    assert!(!simple(gemini(json!({ "responseSchema": { "type": "object" } }))));
    assert!(!simple(gemini(json!({ "candidateCount": 2 }))));
    assert!(!simple(json!({ "contents": [{ "role": "user", "parts": [{ "inlineData": {} }] }] })));
    assert!(!is_simple(b"not json"));
}

#[test]
fn a_request_is_extended_and_keeps_the_spelling_of_the_rest() {
    let body = br#"{"model":"m","seed":12345678901234567890123,"max_tokens":100,"messages":[{"role":"user","content":"h\u0069"}]}"#;
    let extend = |form| {
        let text = extended(body, form, "Once \"upon", 40).unwrap();
        (serde_json::from_slice::<Value>(&text).unwrap(), String::from_utf8(text).unwrap())
    };
    let (value, text) = extend(Continues::LastMessage);
    assert!(text.contains("12345678901234567890123") && text.contains(r#""h\u0069""#), "{text}");
    assert_eq!(value["max_tokens"], 60);
    assert_eq!(value["messages"][1], json!({ "role": "assistant", "content": "Once \"upon" }));
    assert_eq!(extend(Continues::Prefix).0["messages"][1]["prefix"], true);
    let (value, _) = extend(Continues::FinalMessage);
    assert_eq!((&value["continue_final_message"], &value["add_generation_prompt"]), (&json!(true), &json!(false)));
    assert_eq!(extended(body, Continues::Prefix, "x", 100), None, "nothing is left to say");
    assert_eq!(extended(b"{\"input\":1}", Continues::Prefix, "x", 1), None);
}

fn joined(form: Continues, said: &str, pieces: &[&str]) -> Result<String, BeganAnew> {
    let mut seam = Seam::new(form, said);
    let mut text = String::new();
    for piece in pieces {
        text += &seam.join((*piece).to_owned())?;
    }
    Ok(text + &seam.end()?)
}

const SAID: &str = "It was the best of times, it was the worst of times,";

#[test]
fn a_second_answer_is_never_spliced_behind_the_first() {
    use Continues::{LastMessage, Prefix, PrefixRepeated};
    assert_eq!(joined(Prefix, SAID, &[" it", " was the age"]).unwrap(), " it was the age");
    assert_eq!(joined(Prefix, SAID, &["It was the best of ", "times, it was the worst"]), Err(BeganAnew));
    assert_eq!(joined(Prefix, SAID, &["It was the best of days, it was not so"]).unwrap().len(), 38);
    assert_eq!(joined(Prefix, SAID, &["It was"]).unwrap(), "It was", "too short to be the same answer again");
    assert_eq!(
        joined(PrefixRepeated, SAID, &["It was the best of times, it ", "was the worst of times, it"]).unwrap(),
        " it"
    );
    assert_eq!(joined(PrefixRepeated, SAID, &[" it was the age"]), Err(BeganAnew));
    assert_eq!(joined(PrefixRepeated, SAID, &["It was the best"]), Err(BeganAnew));
    assert_eq!(joined(LastMessage, "One. ", &[" Two."]).unwrap(), "Two.", "what was not sent comes again");
    assert_eq!(joined(LastMessage, "One.\n\n", &["\n", "\nTwo."]).unwrap(), "Two.");
    assert_eq!(joined(LastMessage, "One. ", &["Two."]).unwrap(), "Two.");
}

proptest! {
    #[test]
    fn joined_text_is_the_same_however_it_is_cut(
        text in "[a-zé \n]{0,80}", at in 0_usize..80, cuts in prop::collection::vec(0_usize..80, 0..6),
        form in prop_oneof![Just(Continues::LastMessage), Just(Continues::Prefix), Just(Continues::PrefixRepeated)],
    ) {
        let chars: Vec<char> = text.chars().collect();
        let (said, rest) = chars.split_at(at.min(chars.len()));
        let said: String = said.iter().collect();
        let comes: String = if form == Continues::PrefixRepeated { text.clone() } else {
            text.strip_prefix(sent(form, &said)).unwrap().to_owned()
        };
        let _ = rest;
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| comes.is_char_boundary(*cut) && *cut < comes.len()).collect();
        cuts.sort_unstable();
        cuts.push(comes.len());
        let mut from = 0;
        let pieces: Vec<&str> = cuts.iter().map(|to| { let piece = &comes[from..*to]; from = *to; piece }).collect();
        if let Ok(joined) = joined(form, &said, &pieces) {
            prop_assert_eq!(said + &joined, text);
        } else {
            prop_assert!(form != Continues::PrefixRepeated);
        }
    }
}
