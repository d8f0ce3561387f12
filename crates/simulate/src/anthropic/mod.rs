//! Anthropic's endpoints.

mod content;
mod models;
mod read;
mod write;

use serde_json::json;

pub(crate) use models::{models, one};

use crate::call::{Call, Reply};
use crate::refusal::Outcome;

/// `POST /v1/messages`.
pub(crate) fn messages(call: &mut Call<'_>) -> Outcome<Reply> {
    let body = call.parse()?;
    let (ask, wish) = read::read(call, &body, true)?;
    call.begin(&ask)?;
    let answer = call.answer(&ask, 0);
    let writer = write::Writer::new(call, &ask, &wish, &answer);
    Ok(if ask.stream { Reply::Events(writer.stream()) } else { writer.whole() })
}

/// `POST /v1/messages/count_tokens`.
pub(crate) fn count_tokens(call: &mut Call<'_>) -> Outcome<Reply> {
    let body = call.parse()?;
    let (ask, _) = read::read(call, &body, false)?;
    call.begin_with(&ask.model, &ask.user, 0, 0)?;
    Ok(Reply::json(&json!({ "input_tokens": ask.input_tokens })))
}
