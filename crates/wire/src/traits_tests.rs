use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn traits(body: &Value) -> Traits {
    read(body.to_string().as_bytes(), 64, &REASONING_WORDS)
}

fn asked(text: &str) -> Traits {
    traits(&json!({"model": "auto", "messages": [{"role": "user", "content": text}]}))
}

#[test]
fn every_format_shows_its_length_pictures_and_tools() {
    let text = "x".repeat(400);
    let chat = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
        "tools": [{"type": "function", "function": {"name": "f"}}]});
    let responses = json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": text},
        {"type": "input_image", "image_url": "u"}]}], "tools": [{"type": "function", "name": "f"}]});
    let messages = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": text},
        {"type": "image", "source": {"type": "base64", "data": "AAAA"}}]}], "tools": [{"name": "f"}]});
    let generate = json!({"contents": [{"role": "user", "parts": [{"text": text},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}], "tools": [{"functionDeclarations": []}]});
    for body in [chat, responses, messages, generate] {
        let found = traits(&body);
        assert!(found.images && found.tools && !found.code, "{body} {found:?}");
        assert!((100..130).contains(&found.tokens), "{body} {found:?}");
    }
    assert_eq!(traits(&json!({"input": text})).tokens, 100);
    assert!(!traits(&json!({"messages": [], "tools": []})).tools);
}

#[test]
fn code_is_told_from_prose() {
    assert!(asked("What is wrong here?\n```\nx = 1\n```").code);
    assert!(asked("fn main() {\n    let a = b();\n    return a;\n}").code);
    assert!(asked("SELECT name FROM users WHERE id == 3;\n-- return ").code);
    assert!(!asked("Please import the wine; return the empties to the class (of 1998).").code);
    assert!(!asked("Dear Sir or Madam, I write to you about the invoice of last month.").code);
}

#[test]
fn reasoning_is_asked_for_in_the_last_question_and_in_whole_words() {
    assert!(asked("Prove that the sum is even.").reasoning);
    assert!(asked("Explain why the sky is blue, STEP BY STEP").reasoning);
    assert!(asked("请证明这个定理").reasoning);
    assert!(!asked("Please improve this text.").reasoning);
    let turns = json!({"messages": [{"role": "user", "content": "Prove it."}, {"role": "assistant", "content": "proof"},
        {"role": "user", "content": "thanks"}]});
    assert!(!traits(&turns).reasoning);
}

#[test]
fn languages_are_told_by_script_and_by_small_words() {
    for (text, language) in [
        ("What is the capital of France?", "en"),
        ("Wie ist das Wetter in Berlin und was kostet die Reise?", "de"),
        ("Quelle est la capitale de la France et pour quelle raison ?", "fr"),
        ("¿Cuál es la capital de los Países Bajos y por qué?", "es"),
        ("法国的首都是哪里？", "zh"),
        ("フランスの首都はどこですか", "ja"),
        ("프랑스의 수도는 어디입니까?", "ko"),
        ("Какая столица Франции?", "ru"),
        ("Translate the word 你好 for me, please, and tell me what it is in the dictionary", "en"),
        ("12345", "other"),
    ] {
        assert_eq!(asked(text).language, language, "{text}");
        assert!(LANGUAGES.contains(&language));
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, 16, &REASONING_WORDS);
    }

    #[test]
    fn texts_cut_anywhere_are_looked_at(text in "[a-zé\"\\\\\n]{5100,5400}") {
        prop_assert!(asked(&text).tokens > 1000);
    }
}
