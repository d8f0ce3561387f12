//! Are this URL and this key right?
//!
//! One free call, the list of models, and where that fails a few more that find out what is wrong: the path, the form of
//! the key, the key itself, the name. The answer is a sentence.

use crate::call::{is_simulated, read};
use crate::client::{Client, KeyForm, Target, TargetError};
use http::Method;
use serde::Serialize;
use serde_json::Value;
use sluicegate_upstream::Stage;
use std::time::Duration;

/// No answer is waited for longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Which form this is.
    pub schema: &'static str,
    /// What came of it.
    pub answer: Answer,
    /// In a sentence, with what to do.
    pub told: String,
    /// The URL that works instead of the one given.
    pub url: Option<String>,
    /// The form of the key that works instead of the one given.
    pub key_form: Option<&'static str>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Both are right.
    Right,
    /// The list of models works without a key as well, so it says nothing about the key.
    Open,
    /// The API begins elsewhere.
    WrongPath,
    /// The key is sent in the wrong header.
    WrongKeyForm,
    /// The key is refused.
    WrongKey,
    /// A key is wanted.
    NoKey,
    /// The endpoint does not serve this account or place.
    WrongRegion,
    /// The model is not listed.
    WrongModel,
    /// Nobody answers.
    Unreachable,
    /// Something answers that is no such API.
    NotAnApi,
}

/// Where APIs begin, tried when the given path leads nowhere.
const PATHS: [&str; 6] = ["/v1", "", "/api/v1", "/openai/v1", "/api", "/v1beta/openai"];

/// What one try says.
enum Tried {
    Models(Listed),
    Refused(u16, String),
    Missing,
    Other,
    Page,
    Failed(Stage, String),
}

/// A list of models.
struct Listed {
    models: Vec<String>,
    /// Whether what is not listed is answered as well.
    any: bool,
}

/// Asks. An empty model is not looked for.
///
/// # Errors
/// When the URL is none or the key cannot be sent.
pub async fn verify(target: &Target) -> Result<Verified, TargetError> {
    let client = Client::new(target)?;
    let key = target.key.as_deref();
    let say =
        |answer, told: String| Verified { schema: "sluicegate.verify/v1", answer, told, url: None, key_form: None };
    Ok(match tried(&client).await {
        Tried::Models(listed) => found(&client, target, &listed).await,
        Tried::Refused(status, why) if is_region(&why) => say(
            Answer::WrongRegion,
            format!("{status} from {}: {why}. The key may belong to another region's endpoint.", client.host()),
        ),
        Tried::Refused(status, why) => match key {
            None => say(Answer::NoKey, format!("{} wants a key ({status}).", client.host())),
            Some(key) => {
                for form in KeyForm::ALL.into_iter().filter(|form| *form != target.form) {
                    if let Tried::Models(_) = tried(&client.with_key(Some((form, key)))).await {
                        let told = format!(
                            "The key is right, but it is sent as `{}`; {} wants `{}`.",
                            target.form.told(),
                            client.host(),
                            form.told()
                        );
                        return Ok(Verified { key_form: Some(form.header()), ..say(Answer::WrongKeyForm, told) });
                    }
                }
                let tail = if status == 403 { " It may be right and lack the right to list models." } else { "" };
                say(Answer::WrongKey, format!("{} refuses the key ({status}): {why}.{tail}", client.host()))
            }
        },
        Tried::Missing | Tried::Page | Tried::Other => {
            for path in PATHS.into_iter().filter(|path| *path != client.base()) {
                let there = client.at(path);
                if matches!(tried(&there).await, Tried::Models(_) | Tried::Refused(..)) {
                    let url = with_path(&target.url, path);
                    let told = format!("Nothing is at {}; the API begins at {url}.", target.url);
                    return Ok(Verified { url: Some(url), ..say(Answer::WrongPath, told) });
                }
            }
            say(
                Answer::NotAnApi,
                format!(
                    "{} answers, but not as such an API does: no list of models at {}/models.",
                    client.host(),
                    target.url
                ),
            )
        }
        Tried::Failed(stage, error) => {
            let hint = match stage {
                Stage::Resolve => " The name is not known; is it spelled right, and is there a network?",
                Stage::Tls => " Is it https, and is its certificate valid?",
                _ => " Is it running, and is the port right?",
            };
            say(Answer::Unreachable, format!("{}: {error}.{hint}", client.host()))
        }
    })
}

async fn found(client: &Client, target: &Target, Listed { models, any }: &Listed) -> Verified {
    let say =
        |answer, told: String| Verified { schema: "sluicegate.verify/v1", answer, told, url: None, key_form: None };
    let is_listed = *any || target.model.is_empty() || models.contains(&target.model);
    if !is_listed && !known(client, &target.model).await {
        let told =
            format!("URL and key are right, but {} is not among the {} models listed.", target.model, models.len());
        return say(Answer::WrongModel, told);
    }
    if target.key.is_some() && matches!(tried(&client.with_key(None)).await, Tried::Models(_)) {
        let told = format!(
            "The URL is right ({} models), but they are listed to anybody, so this says nothing about the key.",
            models.len()
        );
        return say(Answer::Open, told);
    }
    let key = if target.key.is_some() { "URL and key are right" } else { "The URL is right, and no key is wanted" };
    say(Answer::Right, format!("{key}: {} models.", models.len()))
}

async fn known(client: &Client, model: &str) -> bool {
    tokio::time::timeout(PATIENCE, client.knows(model)).await.unwrap_or(false)
}

async fn tried(client: &Client) -> Tried {
    let asked = async {
        let mut answer = match client.send(Method::GET, "/models", None).await {
            Ok(answer) => answer,
            Err(error) => return Tried::Failed(error.stage(), error.to_string()),
        };
        let body = read(&mut answer.body).await.unwrap_or_default();
        let json = serde_json::from_slice::<Value>(&body).ok();
        let status = answer.status.as_u16();
        match (status, json) {
            (200, Some(list)) => match list.get("data").or_else(|| list.get("models")).and_then(Value::as_array) {
                Some(models) => {
                    let ids = models.iter().filter_map(|model| model.get("id").and_then(Value::as_str));
                    Tried::Models(Listed {
                        models: ids.map(str::to_owned).collect(),
                        any: is_simulated(&answer.fields),
                    })
                }
                None => Tried::Page,
            },
            (200, None) => Tried::Page,
            (401 | 403, json) => {
                let why = json.as_ref().and_then(|error| error.pointer("/error/message").and_then(Value::as_str));
                Tried::Refused(
                    status,
                    why.unwrap_or("no reason given").trim_end_matches('.').chars().take(160).collect(),
                )
            }
            (404 | 405, _) => Tried::Missing,
            _ => Tried::Other,
        }
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(tried) => tried,
        Err(_) => Tried::Failed(Stage::Exchange, format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn is_region(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    ["region", "country", "territory", "location is not supported"].iter().any(|word| why.contains(word))
}

fn with_path(url: &str, path: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or(rest);
    format!("{scheme}://{authority}{path}")
}
