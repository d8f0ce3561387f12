use super::*;
use crate::translate::notes::Policy;
use serde_json::{Value, json};
use sluicegate_vocabulary::FaultKind;

fn read_value(body: &Value) -> Result<Prompt, Fault> {
    let mut notes = Notes::new(Policy::Default, Format::Generate);
    read(body.to_string().as_bytes(), Some(false), &mut notes)
}

fn hi() -> Value {
    json!([{"parts": [{"text": "Hi"}]}])
}

#[test]
fn snake_case_says_the_same_as_camel_case() {
    let camel = json!({
        "contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"maxOutputTokens": 5, "stopSequences": ["x"], "thinkingConfig": {"thinkingBudget": -1}},
    });
    let snake = camel
        .to_string()
        .replace("inlineData", "inline_data")
        .replace("mimeType", "mime_type")
        .replace("systemInstruction", "system_instruction")
        .replace("functionDeclarations", "function_declarations")
        .replace("parametersJsonSchema", "parameters_json_schema")
        .replace("toolConfig", "tool_config")
        .replace("functionCallingConfig", "function_calling_config")
        .replace("allowedFunctionNames", "allowed_function_names")
        .replace("generationConfig", "generation_config")
        .replace("maxOutputTokens", "max_output_tokens")
        .replace("stopSequences", "stop_sequences")
        .replace("thinkingConfig", "thinking_config")
        .replace("thinkingBudget", "thinking_budget");
    let snake: Value = serde_json::from_str(&snake).unwrap();
    let one = read_value(&camel).unwrap();
    assert_eq!(format!("{one:?}"), format!("{:?}", read_value(&snake).unwrap()));
    assert_eq!(one.max_output, Some(5));
    assert_eq!(one.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(one.reasoning, Some(Reasoning::Adaptive));
}

#[test]
fn what_google_keeps_or_runs_is_refused_with_its_field() {
    let cases = [
        (json!({"contents": hi(), "cachedContent": "c/1"}), "cachedContent"),
        (json!({"contents": hi(), "continuationToken": "t"}), "continuationToken"),
        (json!({"contents": hi(), "tools": [{"googleSearch": {}}]}), "tools[0].googleSearch"),
        (json!({"contents": hi(), "tools": [{"code_execution": {}}]}), "tools[0].codeExecution"),
        (json!({"contents": [{"parts": [{"executableCode": {}}]}]}), "contents[0].parts[0]"),
        (
            json!({"contents": hi(), "generationConfig": {"responseModalities": ["IMAGE"]}}),
            "generationConfig.responseModalities",
        ),
        (
            json!({"contents": hi(), "generationConfig": {"responseMimeType": "text/x.enum"}}),
            "generationConfig.responseMimeType",
        ),
    ];
    for (body, param) in cases {
        let fault = read_value(&body).unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::Unsupported, Some(param)), "{body}");
    }
}

#[test]
fn mistakes_are_told_with_their_path() {
    let cases = [
        (json!({}), "contents"),
        (json!({"contents": "Hi"}), "contents"),
        (json!({"contents": [{"role": "robot", "parts": []}]}), "contents[0].role"),
        (
            json!({"contents": [{"parts": [{"functionCall": {"name": "f", "args": "{}"}}]}]}),
            "contents[0].parts[0].functionCall.args",
        ),
        (json!({"contents": hi(), "generationConfig": {"topP": "x"}}), "generationConfig.topP"),
        (
            json!({"contents": hi(), "generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}}),
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (
            json!({"contents": hi(), "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}),
            "toolConfig.functionCallingConfig.mode",
        ),
    ];
    for (body, param) in cases {
        let fault = read_value(&body).unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref()), (FaultKind::BadRequest, Some(param)), "{body}");
    }
}

#[test]
fn a_functions_answer_is_unwrapped_where_it_stands_alone() {
    let read = |response: Value| {
        let raw = serde_json::value::to_raw_value(&response).unwrap();
        outcome(&raw, "x").unwrap()
    };
    assert_eq!(read(json!({"output": "sun"})), ("sun".into(), false));
    assert_eq!(read(json!({"result": {"a": 1}})), ("{\"a\":1}".into(), false));
    assert_eq!(read(json!({"error": "no"})), ("no".into(), true));
    assert_eq!(read(json!({"output": "sun", "more": 1})), ("{\"output\":\"sun\",\"more\":1}".into(), false));
    assert_eq!(read(json!({})), ("{}".into(), false));
}

#[test]
fn a_streamed_answer_that_comes_back_in_pieces_is_whole_again() {
    let prompt = read_value(&json!({"contents": [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [
            {"text": "I ", "thought": true}, {"text": "think.", "thought": true},
            {"text": "", "thought": true, "thoughtSignature": "c2ln"},
            {"text": "Hel"}, {"text": "lo."},
        ]},
    ]}))
    .unwrap();
    let signature = Some(Signature { from: Format::Generate, text: "c2ln".into() });
    assert_eq!(
        prompt.turns[1].parts,
        [Part::Thinking { text: "I think.".into(), signature }, Part::Text("Hello.".into())]
    );
}
