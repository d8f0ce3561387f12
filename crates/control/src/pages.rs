//! The pages: what is here, metrics, and the two documents that tools read.
//!
//! They are the same wherever they are served; [`Surface`] says which of them a listener has.

use crate::operator::Operator;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// The HTTP surface as an OpenAPI 3.1 document.
pub const OPENAPI: &str = include_str!("../data/openapi.json");

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const NO_SNIFF: (HeaderName, HeaderValue) = (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// Which pages a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// The clients' address, when it is the operators' too.
    Everything,
    /// The clients' address, when operators have their own.
    Clients,
    /// The operators' own address; it answers health checks as well, which on the clients' address the workers do.
    Operators,
}

/// The pages of a surface.
pub fn pages(operator: Arc<Operator>, surface: Surface) -> Router {
    let mut router = Router::new()
        .route("/config.schema.json", get(schema))
        .route("/openapi.json", get(openapi))
        .route("/", get(about));
    if surface != Surface::Clients {
        router = router.route("/metrics", get(metrics));
    }
    if surface != Surface::Operators {
        router = router.merge(crate::payments::notifications());
    }
    if surface == Surface::Operators {
        router = router.route("/health/live", get(live)).route("/health/ready", get(ready));
        router = router.merge(crate::api::guarded(&operator));
    }
    router.fallback(nothing).with_state(operator)
}

async fn about(State(operator): State<Arc<Operator>>) -> Response {
    let address = operator.address();
    let text = format!(
        "Sluicegate {}: a relay for AI APIs.\n\n\
         Point your client here:\n\
         \x20 OpenAI      base_url = {address}/v1\n\
         \x20 Anthropic   base_url = {address}\n\
         \x20 Gemini      base_url = {address}\n\n\
         \x20 {address}/v1/models            models you can ask for\n\
         \x20 {address}/openapi.json         every path there is\n\
         \x20 {address}/config.schema.json   schema of the configuration file\n\
         \x20 {address}/health/ready         whether it takes calls\n",
        operator.version()
    );
    page("text/plain; charset=utf-8", text)
}

async fn metrics(State(operator): State<Arc<Operator>>) -> Response {
    match all_metrics(&operator) {
        Ok(text) => page(OPENMETRICS, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n").into_response(),
    }
}

/// What calls have counted, then what is measured now.
fn all_metrics(operator: &Operator) -> Result<String, std::fmt::Error> {
    const END: &str = "# EOF\n";
    let relay = operator.relay();
    let mut text = relay.metrics().encode()?;
    if text.ends_with(END) {
        text.truncate(text.len() - END.len());
    }
    let (flow, providers) = (relay.flow_without_callers(), relay.standing().report());
    let low = relay.books().map_or(0, |books| books.low_accounts());
    let version = relay.version().to_string();
    text += &operator.with_rules(|rules| crate::metrics::measured(flow, &providers, low, rules, &version)).1?;
    text += END;
    Ok(text)
}

async fn schema() -> Response {
    page("application/schema+json", sluicegate_config::schema().to_string())
}

async fn openapi() -> Response {
    page("application/json", OPENAPI)
}

async fn live() -> &'static str {
    "ok\n"
}

async fn ready(State(operator): State<Arc<Operator>>) -> Response {
    if operator.relay().is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    }
}

pub(crate) async fn nothing(uri: Uri) -> Response {
    let message = format!("{} is not served at this address", uri.path());
    let body = serde_json::json!({ "error": { "type": "not_found", "message": message } });
    (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
}

fn page(content_type: &'static str, body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(content_type)), NO_SNIFF], body).into_response()
}
