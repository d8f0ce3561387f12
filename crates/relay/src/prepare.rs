//! The request that a candidate gets.
//!
//! Where the provider speaks the client's endpoint the body goes on as it is but for the model's name, as slices of
//! the very bytes that came in. Where it does not, the body is translated. What a provider cannot do at all is said
//! before it is asked.

use crate::call::{PathTarget, Request};
use crate::headers;
use crate::resume::GoingOn;
use crate::snapshot::{Candidate, Route, Snapshot};
use crate::surface;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};
use sluicegate_upstream::RequestBody;
use sluicegate_vocabulary::{CallId, Endpoint, Fault, FaultKind, Format, ProviderKind};
use sluicegate_wire::translate::{self, Context, Job};
use sluicegate_wire::{embeddings, resume, splice};
use std::borrow::Cow;

/// One request, ready to send.
pub(crate) struct Prepared {
    /// Boxed, because it goes along from hand to hand.
    pub(crate) request: Box<http::Request<RequestBody>>,
    pub(crate) way: Way,
    /// What the translation had to leave out.
    pub(crate) dropped: Vec<Cow<'static, str>>,
    pub(crate) resume: Resuming,
}

/// What a stream has to do with streams that break and are gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resuming {
    /// Nothing.
    No,
    /// It may have to be gone on with.
    May,
    /// It goes on with another.
    GoesOn,
}

/// How the answer finds its way back.
pub(crate) enum Way {
    /// As it comes, watched.
    Same {
        /// The usage chunk was our wish, not the client's.
        hide_usage: bool,
    },
    /// As it comes, unwatched.
    Passthrough,
    /// Translated.
    Translated(Box<Context>),
    /// Gemini's embeddings into OpenAI's.
    Embeddings(embeddings::Context),
}

/// Makes the request for one candidate; with what is to be gone on with, if it is asked again for that.
///
/// # Errors
/// What the candidate's provider cannot be asked, and why.
pub(crate) fn prepare(
    request: &Request,
    route: &Route,
    candidate: &Candidate,
    snapshot: &Snapshot,
    going_on: Option<&GoingOn>,
    id: &CallId,
    now_s: u64,
) -> Result<Prepared, Fault> {
    let mut prepared = afresh(request, route, candidate, snapshot, id, now_s)?;
    match going_on {
        Some(going_on) => extend(&mut prepared, request, candidate, going_on)?,
        None if route.resume && request.stream => prepared.resume = Resuming::May,
        None => {}
    }
    Ok(prepared)
}

/// Puts what was said behind the request's messages.
#[cold]
fn extend(prepared: &mut Prepared, request: &Request, candidate: &Candidate, going_on: &GoingOn) -> Result<(), Fault> {
    let form = upstream_format(request, candidate).and_then(|format| candidate.quirks.continues.in_format(format));
    let extended = form.and_then(|form| {
        let body = prepared.request.body().to_vec();
        resume::extended(&body, form, resume::sent(form, &going_on.said), going_on.tokens)
    });
    let cannot = || {
        let message = format!("The provider {} cannot go on with this answer.", candidate.provider.name);
        Fault::new(FaultKind::Unsupported, message)
    };
    *prepared.request.body_mut() = Bytes::from(extended.ok_or_else(cannot)?).into();
    prepared.resume = Resuming::GoesOn;
    Ok(())
}

/// The format in which a candidate is asked.
pub(crate) fn upstream_format(request: &Request, candidate: &Candidate) -> Option<Format> {
    if takes_tools_elsewhere(request, candidate) {
        return Some(Format::Responses);
    }
    let speaks = candidate.provider.speaks;
    let own = request.endpoint.format().filter(|_| speaks.contains(request.endpoint));
    own.or_else(|| speaks.preferred_format())
}

fn afresh(
    request: &Request,
    route: &Route,
    candidate: &Candidate,
    snapshot: &Snapshot,
    id: &CallId,
    now_s: u64,
) -> Result<Prepared, Fault> {
    if let PathTarget::Provider { rest, .. } = &request.target {
        return passthrough(request, candidate, rest);
    }
    let provider = &candidate.provider;
    let detour = takes_tools_elsewhere(request, candidate);
    if provider.speaks.contains(request.endpoint) && !detour {
        let hide_usage = request.stream
            && provider.stream_usage
            && matches!(request.endpoint, Endpoint::ChatCompletions | Endpoint::Completions)
            && !request.head.include_usage;
        let body = match request.target {
            PathTarget::None => {
                let spliced = splice::model(&request.body, &request.head, &candidate.model, hide_usage);
                RequestBody::new(spliced.into_slices())
            }
            _ => RequestBody::from(request.body.clone()),
        };
        let way = Way::Same { hide_usage };
        return finish(request, candidate, request.endpoint, body, way, Vec::new());
    }
    if request.endpoint == Endpoint::Embeddings && provider.speaks.contains(Endpoint::GeminiBatchEmbed) {
        let (body, context) = embeddings::request(&request.body, &candidate.model)?;
        let way = Way::Embeddings(context);
        return finish(request, candidate, Endpoint::GeminiBatchEmbed, Bytes::from(body).into(), way, Vec::new());
    }
    let preferred = if detour { Some(Format::Responses) } else { provider.speaks.preferred_format() };
    let formats = request.endpoint.format().zip(preferred);
    let Some((client, upstream)) = formats else {
        return Err(Fault::new(
            FaultKind::Unsupported,
            format!("The provider {} does not offer {}.", provider.name, request.endpoint.path()),
        ));
    };
    let job = Job {
        client,
        upstream,
        model: &candidate.model,
        public_model: &route.name,
        stream: (client == Format::Generate).then_some(request.stream),
        quirks: &candidate.quirks,
        policy: route.policy.unwrap_or(snapshot.policy),
        now: now_s,
        call_id: id.as_str(),
    };
    let outbound = translate::request(&request.body, &job)?;
    let endpoint = match (upstream, outbound.stream) {
        (Format::Chat, _) => Endpoint::ChatCompletions,
        (Format::Responses, _) => Endpoint::Responses,
        (Format::Messages, _) => Endpoint::Messages,
        (Format::Generate, true) => Endpoint::GenerateStream,
        (Format::Generate, false) => Endpoint::Generate,
    };
    let way = Way::Translated(Box::new(outbound.context));
    finish(request, candidate, endpoint, Bytes::from(outbound.body).into(), way, outbound.dropped)
}

/// Some models refuse function tools on chat completions while they reason and take them on Responses. Only for their
/// calls is the body looked into again.
fn takes_tools_elsewhere(request: &Request, candidate: &Candidate) -> bool {
    request.endpoint == Endpoint::ChatCompletions
        && !candidate.quirks.chat_tools_with_reasoning
        && candidate.provider.speaks.contains(Endpoint::Responses)
        && has_tools_and_reasons(&request.body)
}

fn has_tools_and_reasons(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Probe<'a> {
        #[serde(borrow, default)]
        tools: Option<&'a serde_json::value::RawValue>,
        #[serde(borrow, default)]
        reasoning_effort: Option<Cow<'a, str>>,
    }
    serde_json::from_slice::<Probe<'_>>(body).is_ok_and(|probe| {
        probe.tools.is_some_and(|tools| !matches!(tools.get(), "null" | "[]"))
            && probe.reasoning_effort.as_deref() != Some("none")
    })
}

fn finish(
    request: &Request,
    candidate: &Candidate,
    endpoint: Endpoint,
    body: RequestBody,
    way: Way,
    dropped: Vec<Cow<'static, str>>,
) -> Result<Prepared, Fault> {
    let path = candidate.path(endpoint).ok_or_else(|| {
        Fault::new(
            FaultKind::Unsupported,
            format!("The provider {} does not offer {}.", candidate.provider.name, endpoint.path()),
        )
    })?;
    let json = HeaderValue::from_static("application/json");
    let mut headers = match way {
        Way::Same { .. } => headers::to_provider(&request.parts.headers, Some(json)),
        // Another family's headers mean nothing to this provider.
        _ => {
            let mut own = HeaderMap::with_capacity(6);
            own.insert(CONTENT_TYPE, json);
            own
        }
    };
    if candidate.provider.kind == ProviderKind::Anthropic && !headers.contains_key("anthropic-version") {
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    }
    let request = assemble(candidate, Method::POST, path.clone(), headers, body);
    Ok(Prepared { request, way, dropped, resume: Resuming::No })
}

fn passthrough(request: &Request, candidate: &Candidate, rest: &str) -> Result<Prepared, Fault> {
    let query = request.parts.uri.query().map(without_key);
    let path = candidate
        .provider
        .passthrough_path(rest, query.as_deref().filter(|query| !query.is_empty()))
        .ok_or_else(|| Fault::new(FaultKind::BadRequest, "The path after the provider's name is not a valid path."))?;
    let headers = headers::to_provider(&request.parts.headers, None);
    let body = RequestBody::from(request.body.clone());
    let method = request.parts.method.clone();
    Ok(Prepared {
        request: assemble(candidate, method, path, headers, body),
        way: Way::Passthrough,
        dropped: Vec::new(),
        resume: Resuming::No,
    })
}

/// The query without the client's key in it.
fn without_key(query: &str) -> String {
    query.split('&').filter(|pair| !surface::is_key(pair)).collect::<Vec<_>>().join("&")
}

fn assemble(
    candidate: &Candidate,
    method: Method,
    path: PathAndQuery,
    mut headers: HeaderMap,
    body: RequestBody,
) -> Box<http::Request<RequestBody>> {
    let provider = &candidate.provider;
    headers.insert(http::header::HOST, provider.host.clone());
    for (name, value) in &provider.headers {
        headers.insert(name.clone(), value.clone());
    }
    let mut request = Box::new(http::Request::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers;
    request
}
