//! `POST /v1/images/generations`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluicegate_vocabulary::Format;

use super::check;
use crate::call::{Call, Reply, Script, unix_now};
use crate::json::put;
use crate::picture;
use crate::refusal::Outcome;
use crate::seed::Digest;
use crate::tokens;

const FIELDS: &[&str] = &[
    "model",
    "prompt",
    "n",
    "size",
    "quality",
    "background",
    "output_format",
    "output_compression",
    "response_format",
    "style",
    "moderation",
    "stream",
    "partial_images",
    "user",
];

/// The model when a request does not say.
const USUAL_MODEL: &str = "sim-image";

/// Output tokens that one picture counts as.
const PER_PICTURE: u64 = 272;

/// Answers a call.
pub(crate) fn handle(call: &mut Call<'_>, deployment: Option<&str>) -> Outcome<Reply> {
    let body = call.parse()?;
    let model = deployment.or(check::text(&body, "model")?).unwrap_or(USUAL_MODEL);
    check::fields(&body, FIELDS, call.is_strict())?;
    let prompt = check::text(&body, "prompt")?.ok_or_else(|| check::missing("prompt"))?;
    let count = check::whole(&body, "n", 1, 10)?.unwrap_or(1).unsigned_abs();
    let size = check::text(&body, "size")?.unwrap_or("1024x1024");
    let sides = size.split_once('x').map(|(w, h)| w.parse::<u32>().is_ok() && h.parse::<u32>().is_ok());
    if size != "auto" && sides != Some(true) {
        return Err(check::wrong_value("size", size, &["1024x1024", "1024x1536", "1536x1024", "auto"]));
    }
    let stream = check::flag(&body, "stream")?.unwrap_or(false);
    let partial = check::whole(&body, "partial_images", 0, 3)?.unwrap_or(0);
    let by_url =
        check::text(&body, "response_format")?.is_none_or(|format| format == "url") && model.starts_with("dall-e");
    let input = tokens::count(prompt);
    call.begin_with(model, prompt, input, count * PER_PICTURE)?;
    let mut digest = Digest::new(call.shared.options.seed);
    digest.absorb(prompt.as_bytes());
    let usage = json!({
        "input_tokens": input,
        "input_tokens_details": { "text_tokens": input, "image_tokens": 0 },
        "output_tokens": count * PER_PICTURE,
        "total_tokens": input + count * PER_PICTURE,
    });
    let drawn = |number: u64| STANDARD.encode(picture::stripes(digest.with(number)));
    if stream {
        let mut script = Script::new(Format::Responses, 4096);
        let mut add = |name: &str, number: u64, more: (&str, Value)| {
            let mut event = json!({
                "type": name, "b64_json": drawn(number), "created_at": unix_now(), "size": size, "quality": "high",
                "background": "opaque", "output_format": "png",
            });
            put(&mut event, more.0, more.1);
            script.event(Some(name), &event, 0);
        };
        for number in 0..partial {
            add("image_generation.partial_image", number.unsigned_abs(), ("partial_image_index", json!(number)));
        }
        add("image_generation.completed", 0, ("usage", usage));
        return Ok(Reply::Events(script));
    }
    let data: Vec<Value> = (0..count)
        .map(|number| {
            if by_url {
                json!({ "url": format!("data:image/png;base64,{}", drawn(number)), "revised_prompt": prompt })
            } else {
                json!({ "b64_json": drawn(number) })
            }
        })
        .collect();
    Ok(Reply::json(&json!({
        "created": unix_now(),
        "data": data,
        "background": "opaque",
        "output_format": "png",
        "quality": "high",
        "size": size,
        "usage": usage,
    })))
}
