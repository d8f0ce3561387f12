//! `POST /v1/completions`, the legacy endpoint for text.

use std::borrow::Cow;

use serde_json::{Value, json};
use sluicegate_vocabulary::Format;

use super::chat::logprob;
use super::{FINGERPRINT, check};
use crate::answer::{Answer, Finish};
use crate::ask::Ask;
use crate::call::{Call, Reply, Script, unix_now};
use crate::json::{look, put};
use crate::refusal::{Outcome, Refusal};
use crate::tokens;

const FIELDS: &[&str] = &[
    "model",
    "prompt",
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
    "user",
];

/// What the endpoint allows when a request does not say.
const USUAL_LIMIT: i64 = 16;

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, deployment: Option<&str>) -> Outcome<Reply> {
    let body = call.parse()?;
    let model = check::model(&body, deployment)?;
    check::fields(&body, FIELDS, call.is_strict())?;
    let mut ask = Ask::new(call.shared.options.seed, Cow::Borrowed(model));
    let prompts = prompts(&body)?;
    for prompt in &prompts {
        ask.text(prompt);
    }
    ask.user = Cow::Owned(prompts.last().cloned().unwrap_or_default());
    ask.stream = check::flag(&body, "stream")?.unwrap_or(false);
    ask.stop = check::stop(&body)?;
    check::decimal(&body, "temperature", 0.0, 2.0)?;
    let most = check::whole(&body, "max_tokens", 0, i64::MAX)?.unwrap_or(USUAL_LIMIT);
    ask.max_tokens = Some(most.unsigned_abs());
    let each = check::whole(&body, "n", 1, 128)?.unwrap_or(1).unsigned_abs();
    let logprobs = check::whole(&body, "logprobs", 0, 5)?;
    let echo = check::flag(&body, "echo")?.unwrap_or(false);
    call.begin(&ask)?;
    call.allow(each.saturating_mul(prompts.len() as u64))?;
    let mut choices = Vec::new();
    for (at, prompt) in prompts.iter().enumerate() {
        let mut ask = ask.clone();
        ask.user = Cow::Borrowed(prompt);
        for index in 0..each {
            let answer = call.answer(&ask, at as u64 * each + index);
            choices.push(Choice { answer, before: if echo { prompt.clone() } else { String::new() } });
        }
    }
    let output: u64 = choices.iter().map(|choice| choice.answer.output_tokens).sum();
    let usage = json!({
        "prompt_tokens": ask.input_tokens,
        "completion_tokens": output,
        "total_tokens": ask.input_tokens + output,
    });
    let head = json!({
        "id": call.id("cmpl-", 29, 0),
        "object": "text_completion",
        "created": unix_now(),
        "model": call.model_name(model),
        "system_fingerprint": FINGERPRINT,
    });
    if ask.stream {
        let wants_usage = *look(&body, &["stream_options", "include_usage"]) == true && !call.orders.no_usage;
        let script = stream(&head, &choices, logprobs, wants_usage.then_some(&usage), !call.orders.no_done);
        return Ok(Reply::Events(script));
    }
    let mut out = head;
    let whole = choices.iter().enumerate().map(|(index, choice)| choice.whole(index, logprobs));
    put(&mut out, "choices", whole.collect::<Vec<_>>());
    if !call.orders.no_usage {
        put(&mut out, "usage", usage);
    }
    Ok(Reply::timed(&out, output))
}

struct Choice {
    answer: Answer,
    /// The prompt, if it is to be repeated.
    before: String,
}

impl Choice {
    fn text(&self) -> &str {
        self.answer.text.as_deref().unwrap_or_default()
    }

    fn finish(&self) -> &'static str {
        match self.answer.finish {
            Finish::Length => "length",
            Finish::Refused => "content_filter",
            _ => "stop",
        }
    }

    fn whole(&self, index: usize, top: Option<i64>) -> Value {
        let text = format!("{}{}", self.before, self.text());
        let logprobs = top.map_or(Value::Null, |_| logprobs(&text));
        json!({ "text": text, "index": index, "logprobs": logprobs, "finish_reason": self.finish() })
    }
}

fn logprobs(text: &str) -> Value {
    let mut offset = 0;
    let (mut words, mut numbers, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    for piece in tokens::pieces(text) {
        words.push(json!(piece));
        numbers.push(json!(logprob(piece)));
        offsets.push(json!(offset));
        offset += piece.chars().count();
    }
    json!({ "tokens": words, "token_logprobs": numbers, "top_logprobs": null, "text_offset": offsets })
}

fn stream(head: &Value, choices: &[Choice], top: Option<i64>, usage: Option<&Value>, done: bool) -> Script {
    let mut script = Script::new(Format::Chat, 4096);
    let mut chunk = |choices: Value, tokens: u64, this: Option<&Value>| {
        let mut event = head.clone();
        put(&mut event, "choices", choices);
        if usage.is_some() {
            put(&mut event, "usage", this.cloned().unwrap_or(Value::Null));
        }
        script.event(None, &event, tokens);
    };
    for (index, choice) in choices.iter().enumerate() {
        let before = (!choice.before.is_empty()).then_some((choice.before.as_str(), 0));
        for (piece, tokens) in before.into_iter().chain(tokens::pieces(choice.text()).map(|piece| (piece, 1))) {
            let logprobs = top.map_or(Value::Null, |_| logprobs(piece));
            let one = json!([{ "text": piece, "index": index, "logprobs": logprobs, "finish_reason": null }]);
            chunk(one, tokens, None);
        }
        let last = json!([{ "text": "", "index": index, "logprobs": null, "finish_reason": choice.finish() }]);
        chunk(last, 0, None);
    }
    if let Some(usage) = usage {
        chunk(json!([]), 0, Some(usage));
    }
    if done {
        script.bytes.extend_from_slice(b"data: [DONE]\n\n");
        script.end(0);
    }
    script
}

fn prompts(body: &Value) -> Outcome<Vec<String>> {
    let wrong = |got: &Value| check::wrong_type("prompt", "a string, an array of strings or arrays of tokens", got);
    let tokens = |list: &[Value]| {
        (!list.is_empty() && list.iter().all(Value::is_u64)).then(|| Value::Array(list.to_vec()).to_string())
    };
    match body.get("prompt") {
        None | Some(Value::Null) => Ok(vec![String::new()]),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(list)) if list.is_empty() => {
            Err(Refusal::bad("Invalid 'prompt': empty array.").param("prompt").code("empty_array"))
        }
        Some(Value::Array(list)) => match tokens(list) {
            Some(one) => Ok(vec![one]),
            None => list
                .iter()
                .map(|item| match item {
                    Value::String(one) => Ok(one.clone()),
                    Value::Array(inner) => tokens(inner).ok_or_else(|| wrong(item)),
                    other => Err(wrong(other)),
                })
                .collect(),
        },
        Some(other) => Err(wrong(other)),
    }
}
