//! Are this URL and this key right?
//!
//! One free call, the list of models, and where that fails a few more that find out what is wrong: the path, the form of
//! the key, the key itself, the name. The answer is a sentence.

use crate::call::read;
use crate::client::{Client, KeyForm, Target, TargetError};
use http::Method;
use serde::Serialize;
use serde_json::Value;
use sluicegate_upstream::Stage;
use std::time::Duration;

/// No answer is waited for longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

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
    /// Those that are listed.
    Models(Vec<String>),
    Refused(u16, String),
    Elsewhere(Place, u16, String),
    Missing,
    Other,
    Page,
    Failed(Stage, String),
}

/// What a refusal for a place is about.
enum Place {
    /// Where the call comes from.
    Caller,
    /// The same, but accounts that pay are served there.
    Unpaid,
    /// The host that was asked, and the one to be asked instead where it says so.
    Host(Option<String>),
    /// The key or the host: it does not say which.
    KeyOrHost,
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
        Tried::Elsewhere(place, status, why) => {
            let refused = format!("{status} from {}: {why}.", client.host());
            match place {
                Place::Caller => say(
                    Answer::WrongRegion,
                    format!("{refused} It does not serve the place this call comes from; another key does not help."),
                ),
                Place::Unpaid => say(
                    Answer::WrongRegion,
                    format!(
                        "{refused} Without billing it does not serve the place this call comes from; the key of a project \
                         with billing may be served."
                    ),
                ),
                Place::Host(Some(host)) => {
                    let url = with_host(&target.url, &host);
                    let told = format!("{refused} The key belongs to another region; its API begins at {url}.");
                    Verified { url: Some(url), ..say(Answer::WrongRegion, told) }
                }
                Place::Host(None) => {
                    say(Answer::WrongRegion, format!("{refused} The key belongs to another region's address."))
                }
                Place::KeyOrHost => say(
                    Answer::WrongRegion,
                    format!(
                        "{refused} The key is wrong, or it belongs to another region's address; it does not say which."
                    ),
                ),
            }
        }
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
                if matches!(tried(&there).await, Tried::Models(_) | Tried::Refused(..) | Tried::Elsewhere(..)) {
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

async fn found(client: &Client, target: &Target, models: &[String]) -> Verified {
    let say =
        |answer, told: String| Verified { schema: "sluicegate.verify/v1", answer, told, url: None, key_form: None };
    let is_listed = target.model.is_empty() || models.contains(&target.model);
    if !is_listed && !known(client, &target.model).await {
        let told =
            format!("URL and key are right, but {} is not among the {} listed.", target.model, counted(models.len()));
        return say(Answer::WrongModel, told);
    }
    if target.key.is_some() && matches!(tried(&client.with_key(None)).await, Tried::Models(_)) {
        let told = format!(
            "The URL is right ({}), but they are listed to anybody, so this says nothing about the key.",
            counted(models.len())
        );
        return say(Answer::Open, told);
    }
    let key = if target.key.is_some() { "URL and key are right" } else { "The URL is right, and no key is wanted" };
    say(Answer::Right, format!("{key}: {}.", counted(models.len())))
}

/// So many models.
pub(crate) fn counted(count: usize) -> String {
    format!("{count} model{}", if count == 1 { "" } else { "s" })
}

/// Whether a model is known that is not listed.
pub(crate) async fn known(client: &Client, model: &str) -> bool {
    tokio::time::timeout(PATIENCE, client.knows(model)).await.unwrap_or(false)
}

pub(crate) fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
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
                    Tried::Models(ids.map(str::to_owned).collect())
                }
                None => Tried::Page,
            },
            (200, None) => Tried::Page,
            (400 | 401 | 403, json) => {
                // Gemini's compatible surface puts its errors into a list.
                let error = json.as_ref().map(|json| json.get(0).unwrap_or(json));
                let said = |path| error.and_then(|error| error.pointer(path).and_then(Value::as_str));
                let why = said("/error/message");
                let shown = why.unwrap_or("no reason given").trim_end_matches('.').chars().take(160).collect();
                match place(said("/error/code"), why.unwrap_or_default(), client.host()) {
                    Some(place) => Tried::Elsewhere(place, status, shown),
                    None if status == 400 && !why.is_some_and(|why| why.contains("API key not valid")) => Tried::Other,
                    None => Tried::Refused(status, shown),
                }
            }
            (404 | 405, _) => Tried::Missing,
            _ => Tried::Other,
        }
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(tried) => tried,
        Err(_) => Tried::Failed(Stage::Exchange, no_answer()),
    }
}

/// What a refusal says of places, by the codes and words in use: Gemini's for a caller's location, which is closed to those
/// who do not pay, OpenAI's for a caller's country and for a key of another region's host, Azure's for a key or a host that
/// does not fit.
fn place(code: Option<&str>, why: &str, asked: &str) -> Option<Place> {
    let words = why.to_ascii_lowercase();
    let has = |list: &[&str]| list.iter().any(|word| words.contains(word));
    if has(&["location is not supported", "free tier is not available"]) {
        return Some(Place::Unpaid);
    }
    if code == Some("unsupported_country_region_territory") || has(&["country", "territory"]) {
        return Some(Place::Caller);
    }
    if code == Some("incorrect_hostname") || has(&["regional hostname", "regional host name"]) {
        return Some(Place::Host(sibling(&words, asked)));
    }
    has(&["region"]).then_some(Place::KeyOrHost)
}

/// Another host of the same domain that a refusal names.
fn sibling(words: &str, asked: &str) -> Option<String> {
    let asked = asked.split(':').next().unwrap_or(asked);
    let domain = asked.rmatch_indices('.').nth(1).map_or(asked, |(at, _)| asked.get(at + 1..).unwrap_or(asked));
    let trimmed = words.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    let mut hosts = trimmed.filter(|word| word.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')));
    hosts.find(|host| *host != asked).map(str::to_owned)
}

fn with_host(url: &str, host: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

fn with_path(url: &str, path: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or(rest);
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
