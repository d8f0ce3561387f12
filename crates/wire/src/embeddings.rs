//! Embeddings between OpenAI's format and Gemini's.
//!
//! Both turn texts into vectors and agree on little else. OpenAI takes one text, a list of texts, or token numbers;
//! Gemini takes a list of requests, each naming the model, and knows no token numbers, since those are numbers of
//! OpenAI's vocabulary. OpenAI's own Python client asks for base64 whenever its user asked for nothing, so a provider
//! that only knows floats must be translated for it: little-endian 32-bit floats, in standard base64.

use crate::usage;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sluicegate_vocabulary::{Fault, FaultKind, Usage, UsageSource};

/// Most texts in one request, OpenAI's limit.
const MOST_INPUTS: usize = 2048;

/// What the way back must know of the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The client wants vectors as base64.
    base64: bool,
    /// How many texts were asked about.
    inputs: usize,
    /// The provider's name of the model, which the answer states.
    model: String,
    /// An estimate of the input's tokens, for answers that report none.
    estimate: u64,
}

#[derive(Deserialize)]
struct OpenAiRequest<'a> {
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    dimensions: Option<u32>,
    encoding_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize)]
struct GeminiRequest<'a> {
    requests: Vec<GeminiOne<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GeminiOne<'a> {
    model: &'a str,
    content: GeminiContent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
}

#[derive(Serialize)]
struct GeminiContent<'a> {
    parts: [GeminiPart<'a>; 1],
}

#[derive(Serialize)]
struct GeminiPart<'a> {
    text: &'a str,
}

#[derive(Deserialize)]
struct GeminiResponse {
    #[serde(default)]
    embeddings: Vec<GeminiVector>,
    /// The answer to a single `embedContent`.
    embedding: Option<GeminiVector>,
}

#[derive(Deserialize)]
struct GeminiVector {
    #[serde(default)]
    values: Vec<f32>,
}

#[derive(Serialize)]
struct OpenAiResponse<'a> {
    object: &'static str,
    data: Vec<OpenAiVector>,
    model: &'a str,
    usage: EmbeddingUsage,
}

#[derive(Serialize)]
struct OpenAiVector {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct EmbeddingUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

fn bad(param: &'static str, sentence: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::BadRequest, sentence).param(param)
}

/// OpenAI's request as a body for Gemini's `:batchEmbedContents`. `model` is Gemini's name of the model, with or without
/// `models/` before it.
///
/// # Errors
///
/// The client's mistakes, each with its field: an input that is neither text nor a list of texts, an empty one, more
/// than 2048 of them, or an unknown `encoding_format`; and [`FaultKind::Unsupported`] for token numbers.
pub fn request(body: &[u8], model: &str) -> Result<(Vec<u8>, Context), Fault> {
    let request: OpenAiRequest<'_> = serde_json::from_slice(body).map_err(|error| {
        Fault::new(FaultKind::BadRequest, format!("the embeddings request cannot be read: {error}"))
    })?;
    let base64 = match request.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(bad("encoding_format", "`encoding_format` must be `float` or `base64`")),
    };
    let texts = texts(request.input)?;
    let name = if model.starts_with("models/") { model.to_owned() } else { format!("models/{model}") };
    let requests = texts
        .iter()
        .map(|text| GeminiOne {
            model: &name,
            content: GeminiContent { parts: [GeminiPart { text }] },
            output_dimensionality: request.dimensions,
        })
        .collect();
    let context = Context {
        base64,
        inputs: texts.len(),
        model: model.to_owned(),
        estimate: texts.iter().map(|text| crate::estimate::tokens(text)).sum(),
    };
    Ok((json(&GeminiRequest { requests })?, context))
}

/// The texts of an input in any of its forms.
fn texts(input: Option<&RawValue>) -> Result<Vec<String>, Fault> {
    let Some(input) = input else { return Err(bad("input", "`input` is required and is missing")) };
    let texts = match serde_json::from_str(input.get()) {
        Ok(Input::One(text)) => vec![text],
        Ok(Input::Many(texts)) => texts,
        Err(_) if has_token_numbers(input.get()) => {
            let sentence = "`input` holds token numbers, which only the model they were made for can read; send text";
            return Err(Fault::new(FaultKind::Unsupported, sentence).param("input"));
        }
        Err(_) => return Err(bad("input", "`input` must be a string or an array of strings")),
    };
    if texts.is_empty() {
        return Err(bad("input", "`input` must not be empty"));
    }
    if texts.len() > MOST_INPUTS {
        return Err(bad("input", format!("`input` has {} texts; at most {MOST_INPUTS} are taken", texts.len())));
    }
    match texts.iter().position(String::is_empty) {
        Some(place) => Err(bad("input", format!("`input` must not hold an empty text, as it does at {place}"))),
        None => Ok(texts),
    }
}

/// Whether this is a list of numbers, or of lists of numbers.
fn has_token_numbers(json: &str) -> bool {
    let flat: Result<Vec<serde_json::Number>, _> = serde_json::from_str(json);
    let nested: Result<Vec<Vec<serde_json::Number>>, _> = serde_json::from_str(json);
    flat.is_ok() || nested.is_ok()
}

/// Gemini's answer as OpenAI's, and what was used; where Gemini reports nothing, that is an estimate.
///
/// # Errors
///
/// [`FaultKind::UpstreamBroken`] when the answer cannot be read or holds another number of vectors than was asked for.
pub fn response(body: &[u8], context: &Context) -> Result<(Vec<u8>, Option<Usage>), Fault> {
    let broken = |what: &str| Fault::new(FaultKind::UpstreamBroken, format!("the provider's embeddings {what}"));
    let answer: GeminiResponse = serde_json::from_slice(body).map_err(|_| broken("cannot be read"))?;
    let vectors: Vec<GeminiVector> = answer.embeddings.into_iter().chain(answer.embedding).collect();
    if vectors.len() != context.inputs {
        return Err(broken(&format!("are {} where {} were asked for", vectors.len(), context.inputs)));
    }
    if vectors.iter().any(|vector| vector.values.is_empty()) {
        return Err(broken("hold an empty vector"));
    }
    let used = usage::from_body(sluicegate_vocabulary::Endpoint::GeminiBatchEmbed, body).unwrap_or(Usage {
        input: context.estimate,
        source: UsageSource::Estimated,
        ..Usage::default()
    });
    let data = vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| OpenAiVector {
            object: "embedding",
            index,
            embedding: if context.base64 {
                Vector::Base64(encode(&vector.values))
            } else {
                Vector::Floats(vector.values)
            },
        })
        .collect();
    let prompt_tokens = used.total_input();
    let usage = EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens };
    Ok((json(&OpenAiResponse { object: "list", data, model: &context.model, usage })?, Some(used)))
}

/// Whether a client asked this request's vectors as base64.
#[must_use]
pub fn wants_base64(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Asked {
        encoding_format: Option<String>,
    }
    serde_json::from_slice::<Asked>(body).is_ok_and(|asked| asked.encoding_format.as_deref() == Some("base64"))
}

/// OpenAI's answer with its vectors as base64, for a provider that gave floats where base64 was asked for. `None` when
/// there is nothing to change: the vectors are base64 already, or it is no such answer. All else stays as it was.
#[must_use]
pub fn floats_to_base64(body: &[u8]) -> Option<Vec<u8>> {
    let mut answer: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let mut changed = false;
    for entry in answer.get_mut("data")?.as_array_mut()? {
        let vector = entry.get_mut("embedding")?;
        if vector.is_string() {
            continue;
        }
        let floats: Vec<f32> = serde_json::from_value(vector.take()).ok()?;
        *vector = encode(&floats).into();
        changed = true;
    }
    if changed { serde_json::to_vec(&answer).ok() } else { None }
}

/// Little-endian 32-bit floats in base64.
fn encode(floats: &[f32]) -> String {
    let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Serialising these types cannot fail in practice; should it, it is a defect of ours.
fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value)
        .map_err(|error| Fault::new(FaultKind::Internal, format!("embeddings could not be written: {error}")))
}

#[cfg(test)]
#[path = "embeddings_tests.rs"]
mod tests;
