//! Does it answer as it should, and is it what it says?
//!
//! Each check is one or two small calls and one line of the report. A check that the endpoint's dialect has no form for is
//! left out. What a reseller may be tempted to do has its own checks: another model than the one asked for, and counts of
//! tokens that are higher than what was sent.

use crate::audit::Context;
use crate::call::{Sent, Went, limit_header, read};
use crate::speech::{Ask, Extra, path};
use crate::verify::{PATIENCE, counted, known, no_answer};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use sluicegate_vocabulary::Dialect;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// As it should be.
    Good,
    /// Works, but not as expected.
    Doubtful,
    /// Does not.
    Bad,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which, as a word for programs.
    pub name: &'static str,
    /// How it came out.
    pub finding: Finding,
    /// In words.
    pub told: String,
}

fn check(name: &'static str, finding: Finding, told: impl Into<String>) -> Check {
    Check { name, finding, told: told.into() }
}

/// How much higher than ours an endpoint's count may be before it is told: vocabularies differ, though hardly on the
/// words that are sent here.
const COUNT_TOLERANCE: f64 = 0.15;
/// The same for answers, which are in whatever words the model likes and can only be estimated.
const OUTPUT_TOLERANCE: f64 = 0.6;

pub(crate) async fn conformance(context: &Context) -> Vec<Check> {
    let silent = |_| check("models", Finding::Bad, format!("/models: {}", no_answer()));
    let mut checks = vec![tokio::time::timeout(PATIENCE, models(context)).await.unwrap_or_else(silent)];
    let question = Ask::question("Describe a river in about forty words.", 120);
    let Some(buffered) = context.send(&question).await else { return checks };
    checks.push(chat(&buffered));
    if let Went::Failed(word) = &buffered.went
        && (word == "timeout" || (1..500).contains(&buffered.status))
    {
        // Nothing else can work.
        return checks;
    }
    checks.push(headers(&buffered));
    if let Some(streamed) = context.send(&question.clone().stream(true)).await {
        checks.push(stream(&streamed));
        checks.extend(stream_usage(&streamed));
    }
    if let Some(sent) = context.send(&Ask::question("What is the weather in Paris?", 100).extra(Extra::Tool)).await {
        checks.push(tools(&sent));
    }
    if context.target.dialect == Dialect::OpenAi {
        let ask = Ask::question("Answer with a JSON object that has the one field \"ok\".", 100).extra(Extra::Json);
        if let Some(sent) = context.send(&ask).await {
            checks.push(json(&sent));
        }
    }
    checks.extend(stop(context, &buffered).await);
    checks.extend(length(context).await);
    checks.extend(errors(context).await);
    checks.push(identity(context, &buffered));
    checks.extend(counts(context).await);
    checks.extend(output_count(&buffered));
    checks
}

async fn models(context: &Context) -> Check {
    let mut answer = match context.client.send(Method::GET, "/models", None).await {
        Ok(answer) => answer,
        Err(error) => return check("models", Finding::Bad, format!("/models: {error}")),
    };
    let list = read(&mut answer.body).await.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
    let ids: Option<Vec<&str>> = list
        .as_ref()
        .and_then(|list| list.get("data")?.as_array())
        .map(|models| models.iter().filter_map(|model| model.get("id").and_then(Value::as_str)).collect());
    match ids {
        _ if !answer.status.is_success() => {
            check("models", Finding::Bad, format!("/models: {}", answer.status.as_u16()))
        }
        None => check("models", Finding::Bad, "/models: the answer is no list of models"),
        Some(ids) if ids.contains(&context.target.model.as_str()) => check(
            "models",
            Finding::Good,
            format!("/models · {}, {} among them", counted(ids.len()), context.target.model),
        ),
        Some(ids) if known(&context.client, &context.target.model).await => check(
            "models",
            Finding::Good,
            format!("/models · {}, {} not listed but known", counted(ids.len()), context.target.model),
        ),
        Some(ids) => check(
            "models",
            Finding::Doubtful,
            format!("/models · {}, {} not among them", counted(ids.len()), context.target.model),
        ),
    }
}

/// What went wrong, on one line.
fn trouble(sent: &Sent) -> String {
    let error = sent.error.split_whitespace().collect::<Vec<_>>().join(" ");
    match &sent.went {
        Went::Ok => String::new(),
        Went::Limited(_) => format!("429 {error}"),
        Went::Failed(word) => format!("{word} {error}"),
    }
    .chars()
    .take(160)
    .collect()
}

fn chat(sent: &Sent) -> Check {
    match sent.went {
        Went::Ok if sent.said.text.is_empty() => check("chat", Finding::Bad, "chat: an answer without text"),
        Went::Ok if sent.said.input.is_none() => check("chat", Finding::Bad, "chat: an answer without usage"),
        Went::Ok => check("chat", Finding::Good, "chat, with usage"),
        _ => check("chat", Finding::Bad, format!("chat: {}", trouble(sent))),
    }
}

fn stream(sent: &Sent) -> Check {
    match sent.went {
        Went::Ok if sent.first.is_none() => check("stream", Finding::Bad, "streaming: no text came"),
        Went::Ok => check("stream", Finding::Good, "streaming, to its end"),
        Went::Failed(ref word) if word == "truncated" => {
            check("stream", Finding::Bad, "streaming: the stream ended without saying that it was over")
        }
        _ => check("stream", Finding::Bad, format!("streaming: {}", trouble(sent))),
    }
}

fn stream_usage(sent: &Sent) -> Option<Check> {
    let told = sent.said.input.is_some() && sent.said.output.is_some();
    (sent.went == Went::Ok).then(|| match told {
        true => check("stream_usage", Finding::Good, "usage at the end of a stream"),
        false => check("stream_usage", Finding::Bad, "no usage at the end of a stream, though it was asked for"),
    })
}

fn headers(sent: &Sent) -> Check {
    match limit_header(&sent.fields) {
        Some(name) => check("limit_headers", Finding::Good, format!("rate-limit headers ({name}, ...)")),
        None => check("limit_headers", Finding::Doubtful, "rate-limit headers: none sent"),
    }
}

fn tools(sent: &Sent) -> Check {
    match (&sent.went, &sent.said.tool) {
        (Went::Ok, Some((name, arguments)))
            if name == "weather" && serde_json::from_str::<Value>(arguments).is_ok() =>
        {
            check("tools", Finding::Good, "tool call, with arguments that are JSON")
        }
        (Went::Ok, Some((name, _))) => {
            check("tools", Finding::Bad, format!("tool call: `{name}` with arguments that are no JSON"))
        }
        (Went::Ok, None) => check("tools", Finding::Bad, "tool call: none came, though one was insisted on"),
        _ => check("tools", Finding::Bad, format!("tool call: {}", trouble(sent))),
    }
}

fn json(sent: &Sent) -> Check {
    match sent.went {
        Went::Ok if serde_json::from_str::<Value>(sent.said.text.trim()).is_ok() => {
            check("json", Finding::Good, "JSON mode")
        }
        Went::Ok => check("json", Finding::Bad, "JSON mode: the answer is no JSON"),
        _ => check("json", Finding::Bad, format!("JSON mode: {}", trouble(sent))),
    }
}

/// Asks again and to stop before a word that the first answer had often.
async fn stop(context: &Context, before: &Sent) -> Option<Check> {
    let words: Vec<&str> = before.said.text.split_whitespace().filter(|word| word.len() >= 2).collect();
    let count = |word: &str| words.iter().filter(|other| **other == word).count();
    let word = words.iter().max_by_key(|word| count(word)).map(|word| (*word).to_owned())?;
    let ask = Ask::question("Describe a river in about forty words.", 120).extra(Extra::Stop(word.clone()));
    let sent = context.send(&ask).await?;
    Some(match sent.went {
        Went::Ok if sent.said.text.contains(&word) => check("stop", Finding::Bad, "`stop` ignored"),
        Went::Ok => check("stop", Finding::Good, "`stop` obeyed"),
        _ => check("stop", Finding::Bad, format!("`stop`: {}", trouble(&sent))),
    })
}

async fn length(context: &Context) -> Option<Check> {
    let sent = context.send(&Ask::question("Count from one to a hundred in words.", 5)).await?;
    let output = sent.said.output?;
    Some(if output <= 5 {
        check("max_tokens", Finding::Good, "`max_tokens` obeyed")
    } else {
        check("max_tokens", Finding::Bad, format!("`max_tokens` ignored: 5 allowed, {output} sent"))
    })
}

async fn errors(context: &Context) -> Option<Check> {
    let unknown = context.ask_model("no-such-model-0000", &Ask::question("Hello", 5)).await?;
    let broken = context.client.send(Method::POST, path(context.target.dialect), Some("{".into()));
    let broken = match tokio::time::timeout(PATIENCE, broken).await {
        Ok(answer) => answer.map(|answer| answer.status).map_err(|error| error.to_string()),
        Err(_) => Err(no_answer()),
    };
    Some(match (unknown.status, broken) {
        (200..300, _) => check("errors", Finding::Doubtful, "errors: it answers for a model that does not exist"),
        (_, Ok(StatusCode::BAD_REQUEST)) if unknown.reasoned => {
            check("errors", Finding::Good, "errors, with their reasons")
        }
        (status, Ok(StatusCode::BAD_REQUEST)) => check(
            "errors",
            Finding::Bad,
            format!("errors: {status} for an unknown model, without a reason in the usual form"),
        ),
        (_, Ok(status)) => {
            check("errors", Finding::Bad, format!("errors: {} for a body that is no JSON", status.as_u16()))
        }
        (_, Err(error)) => check("errors", Finding::Bad, format!("errors: {error} for a body that is no JSON")),
    })
}

/// Whether the answer says that another model gave it. A dated version of the name that was asked for is the same.
fn identity(context: &Context, sent: &Sent) -> Check {
    let asked = context.target.model.as_str();
    match sent.said.model.as_deref() {
        None => check("identity", Finding::Doubtful, "the answer does not say which model gave it"),
        Some(said) if is_same_model(asked, said) => {
            check("identity", Finding::Good, format!("the model says it is {said}"))
        }
        Some(said) => check(
            "identity",
            Finding::Bad,
            format!("reported model differs: asked {asked}, got {}", said.chars().take(80).collect::<String>()),
        ),
    }
}

pub(crate) fn is_same_model(asked: &str, said: &str) -> bool {
    let bare = |name: &str| name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let (asked, said) = (bare(asked), bare(said));
    let version =
        |rest: &str| rest.is_empty() || rest.bytes().all(|b| b.is_ascii_digit() || b == b'-') && rest.starts_with('-');
    said.strip_prefix(&asked).is_some_and(version) || asked.strip_prefix(&said).is_some_and(version)
}

/// What its own count of known words is of ours, from the difference of two calls so that what every call has beside its
/// text does not count.
async fn counts(context: &Context) -> Option<Check> {
    let (few, many) = (20, 420);
    let input = async |words: usize| {
        let sent = context.send(&Ask::words(words, words as u64, 1).stream(false)).await?;
        sent.said.input
    };
    let (low, high) = (input(few).await?, input(many).await?);
    let ratio = high.saturating_sub(low) as f64 / (many - few) as f64;
    let off = (ratio - 1.0) * 100.0;
    Some(if ratio > 1.0 + COUNT_TOLERANCE {
        check("input_count", Finding::Bad, format!("its count of input tokens is {off:.0} % above our own"))
    } else if ratio < 1.0 - COUNT_TOLERANCE {
        check("input_count", Finding::Doubtful, format!("its count of input tokens is {:.0} % below our own", -off))
    } else {
        check("input_count", Finding::Good, "its count of input tokens agrees with our own")
    })
}

fn output_count(sent: &Sent) -> Option<Check> {
    let (said, text) = (sent.said.output? as f64, sent.said.text.as_str());
    let words = text.split_whitespace().count() as f64;
    let own = (sluicegate_wire::estimate::tokens(text) as f64).max(words);
    if own < 10.0 {
        return None;
    }
    let off = (said / own - 1.0) * 100.0;
    Some(if said > own * (1.0 + OUTPUT_TOLERANCE) {
        check(
            "output_count",
            Finding::Doubtful,
            format!("its count of output tokens is {off:.0} % above our estimate (hidden reasoning counts too)"),
        )
    } else {
        check("output_count", Finding::Good, "its count of output tokens is near our estimate")
    })
}

#[cfg(test)]
#[path = "conformance_tests.rs"]
mod tests;
